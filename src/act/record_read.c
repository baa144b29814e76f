#include "act/record.h"

#include "core/json_member.h"

#include <math.h>
#include <string.h>

static void read_regions(VelmInspection *inspection, JsonArray *regions) {
  guint n = regions ? json_array_get_length(regions) : 0;
  for (guint i = 0; i < n; i++) {
    JsonObject *one = velm_json_object_at(regions, i);
    const VelmRegion region = {
        .x = (int)velm_json_int_member(one, "x", 0),
        .y = (int)velm_json_int_member(one, "y", 0),
        .width = (int)velm_json_int_member(one, "width", 0),
        .height = (int)velm_json_int_member(one, "height", 0),
        .area = velm_json_double_member(one, "area", 0),
        .centroid_x = velm_json_double_member(one, "centroid_x", 0),
        .centroid_y = velm_json_double_member(one, "centroid_y", 0),
        .elongation = velm_json_double_member(one, "elongation", 1),
        .score = velm_json_double_member(one, "score", 0),
    };
    g_array_append_val(inspection->regions, region);
  }
}

static VelmDecision decision_of(const char *name) {
  for (VelmDecision decision = VELM_DECISION_NORMAL; decision < VELM_DECISION_REVIEW; decision++)
    if (g_str_equal(name, velm_decision_name(decision)))
      return decision;
  return VELM_DECISION_REVIEW;
}

static void read_timings(VelmInspection *inspection, JsonObject *timings) {
  for (VelmTiming i = 0; i < VELM_N_TIMINGS; i++)
    inspection->timings_ms[i] = velm_json_double_member(timings, velm_timing_name(i), NAN);
}

static void read_llm(VelmInspection *inspection, JsonObject *llm) {
  inspection->llm.llm = g_strdup(velm_json_string_member(llm, "model"));
  inspection->llm.requests = (guint)velm_json_int_member(llm, "requests", 0);
  inspection->llm.prompt_tokens = velm_json_int_member(llm, "prompt_tokens", -1);
  inspection->llm.completion_tokens = velm_json_int_member(llm, "completion_tokens", -1);
  inspection->llm.usd = velm_json_double_member(llm, "usd", NAN);
}

VelmInspection *velm_record_read(const char *json, GError **error) {
  g_autoptr(JsonNode) node = velm_json_parse_object(json, strlen(json));
  JsonObject *object = node ? json_node_get_object(node) : NULL;
  const char *path = velm_json_string_member(object, "image");
  const char *decision = velm_json_string_member(object, "decision");
  if (!path || !decision) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "this is no record of an inspection");
    return NULL;
  }
  g_autoptr(VelmInspection) inspection = velm_inspection_new(path);
  inspection->score = velm_json_double_member(object, "score", NAN);
  inspection->threshold = velm_json_double_member(object, "threshold", NAN);
  inspection->anomalous = json_object_get_boolean_member_with_default(object, "anomalous", FALSE);
  inspection->class_name = g_strdup(velm_json_string_member(object, "class"));
  inspection->confidence = velm_json_double_member(object, "confidence", 0);
  inspection->decision = decision_of(decision);
  read_regions(inspection, velm_json_array_member(object, "regions"));
  read_timings(inspection, velm_json_object_member(object, "timings_ms"));
  if (velm_json_object_member(object, "llm"))
    read_llm(inspection, velm_json_object_member(object, "llm"));
  return g_steal_pointer(&inspection);
}

static char **read_names(JsonArray *names) {
  g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
  guint n = names ? json_array_get_length(names) : 0;
  for (guint i = 0; i < n; i++) {
    JsonNode *name = json_array_get_element(names, i);
    if (JSON_NODE_HOLDS_VALUE(name) && json_node_get_value_type(name) == G_TYPE_STRING)
      g_strv_builder_add(builder, json_node_get_string(name));
  }
  return g_strv_builder_end(builder);
}

gboolean velm_record_read_prompt(VelmInspection *inspection, const char *json, GError **error) {
  g_autoptr(JsonNode) node = velm_json_parse_object(json, strlen(json));
  JsonObject *object = node ? json_node_get_object(node) : NULL;
  const char *text = velm_json_string_member(object, "text");
  if (!text) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "this is no prompt of a record");
    return FALSE;
  }
  velm_llm_transcript_clear(&inspection->transcript);
  inspection->transcript = (VelmLlmTranscript){
      .text = g_strdup(text),
      .images = read_names(velm_json_array_member(object, "images")),
      .answer = g_strdup(velm_json_string_member(object, "answer")),
      .failure = g_strdup(velm_json_string_member(object, "failure")),
      .cached = json_object_get_boolean_member_with_default(object, "cached", FALSE)};
  return TRUE;
}
