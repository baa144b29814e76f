#include "act/record.h"

static void build_regions(JsonBuilder *builder, const VelmInspection *inspection) {
  json_builder_set_member_name(builder, "regions");
  json_builder_begin_array(builder);
  for (guint i = 0; i < inspection->regions->len; i++) {
    const VelmRegion *region = &g_array_index(inspection->regions, VelmRegion, i);
    json_builder_begin_object(builder);
    velm_json_set_int(builder, "x", region->x);
    velm_json_set_int(builder, "y", region->y);
    velm_json_set_int(builder, "width", region->width);
    velm_json_set_int(builder, "height", region->height);
    velm_json_set_double(builder, "area", region->area);
    velm_json_set_double(builder, "centroid_x", region->centroid_x);
    velm_json_set_double(builder, "centroid_y", region->centroid_y);
    velm_json_set_double(builder, "elongation", region->elongation);
    velm_json_set_double(builder, "score", region->score);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static void build_class(JsonBuilder *builder, const VelmInspection *inspection) {
  velm_json_set_string(builder, "class", inspection->class_name);
  json_builder_set_member_name(builder, "confidence");
  if (inspection->class_name)
    json_builder_add_double_value(builder, inspection->confidence);
  else
    json_builder_add_null_value(builder);
  json_builder_set_member_name(builder, "probabilities");
  if (!inspection->class_names) {
    json_builder_add_null_value(builder);
  } else {
    json_builder_begin_object(builder);
    for (gsize i = 0; inspection->class_names[i]; i++)
      velm_json_set_double(builder, inspection->class_names[i], inspection->probabilities[i]);
    json_builder_end_object(builder);
  }
  velm_json_set_string(builder, "classifier", inspection->classifier);
  if (inspection->reason)
    velm_json_set_string(builder, "reason", inspection->reason);
}

/* Which stage the class, or its absence, is from, and why that one. */
static void build_stage(JsonBuilder *builder, const VelmInspection *inspection) {
  const char *why = inspection->stage_reason;
  if (!inspection->anomalous)
    why = "not anomalous";
  else if (!why && inspection->classifier)
    why = "the only classifier";
  else if (!why)
    why = inspection->error ? "the classifier gave no answer" : "nothing classifies";
  velm_json_set_string(builder, "stage",
                       inspection->classifier ? inspection->classifier : "detector");
  velm_json_set_string(builder, "stage_reason", why);
  if (inspection->fallback)
    velm_json_set_boolean(builder, "fallback", TRUE);
}

static void set_tokens(JsonBuilder *builder, const char *name, gint64 tokens) {
  json_builder_set_member_name(builder, name);
  if (tokens >= 0)
    json_builder_add_int_value(builder, tokens);
  else
    json_builder_add_null_value(builder);
}

static void build_llm(JsonBuilder *builder, const VelmLlmUsage *usage) {
  if (!usage->llm)
    return;
  json_builder_set_member_name(builder, "llm");
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "model", usage->llm);
  velm_json_set_int(builder, "requests", usage->requests);
  set_tokens(builder, "prompt_tokens", usage->prompt_tokens);
  set_tokens(builder, "completion_tokens", usage->completion_tokens);
  velm_json_set_double(builder, "usd", usage->usd);
  json_builder_end_object(builder);
}

static void build_timings(JsonBuilder *builder, const VelmInspection *inspection) {
  json_builder_set_member_name(builder, "timings_ms");
  json_builder_begin_object(builder);
  for (VelmTiming i = 0; i < VELM_N_TIMINGS; i++)
    velm_json_set_double(builder, velm_timing_name(i), inspection->timings_ms[i]);
  json_builder_end_object(builder);
}

static void build_made_by(JsonBuilder *builder, const VelmMadeBy *made_by) {
  if (!made_by->model)
    return;
  json_builder_set_member_name(builder, "made_by");
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "model", made_by->model);
  velm_json_set_string(builder, "spec", made_by->spec);
  json_builder_set_member_name(builder, "version");
  if (made_by->version > 0)
    json_builder_add_int_value(builder, made_by->version);
  else
    json_builder_add_null_value(builder);
  velm_json_set_string(builder, "worker", made_by->worker);
  json_builder_end_object(builder);
}

void velm_record_build(JsonBuilder *builder, const VelmInspection *inspection) {
  velm_json_set_string(builder, "image", inspection->path);
  if (inspection->image) {
    velm_json_set_int(builder, "width", inspection->image->width);
    velm_json_set_int(builder, "height", inspection->image->height);
  }
  velm_json_set_double(builder, "score", inspection->score);
  velm_json_set_double(builder, "threshold", inspection->threshold);
  velm_json_set_boolean(builder, "anomalous", inspection->anomalous);
  if (inspection->look)
    velm_json_set_string(builder, "look", inspection->look);
  build_regions(builder, inspection);
  build_class(builder, inspection);
  build_stage(builder, inspection);
  build_llm(builder, &inspection->llm);
  velm_json_set_string(builder, "severity", inspection->severity);
  velm_json_set_string(builder, "decision", velm_decision_name(inspection->decision));
  velm_json_set_string(builder, "action", inspection->action);
  velm_json_set_string(builder, "rule", inspection->rule);
  build_timings(builder, inspection);
  build_made_by(builder, &inspection->made_by);
  if (inspection->warning)
    velm_json_set_string(builder, "warning", inspection->warning);
  if (inspection->error)
    velm_json_set_string(builder, "error", inspection->error);
}

char *velm_inspection_to_json(const VelmInspection *inspection) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_record_build(builder, inspection);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}

char *velm_record_prompt_json(const VelmInspection *inspection) {
  const VelmLlmTranscript *transcript = &inspection->transcript;
  if (!transcript->text)
    return NULL;
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "model", inspection->llm.llm);
  velm_json_set_int(builder, "requests", inspection->llm.requests);
  velm_json_set_boolean(builder, "cached", transcript->cached);
  velm_json_set_string(builder, "text", transcript->text);
  json_builder_set_member_name(builder, "images");
  json_builder_begin_array(builder);
  for (char **image = transcript->images; *image; image++)
    json_builder_add_string_value(builder, *image);
  json_builder_end_array(builder);
  velm_json_set_string(builder, "answer", transcript->answer);
  velm_json_set_string(builder, "failure", transcript->failure);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}

char *velm_record_error_json(const char *path, const char *message) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "image", path);
  velm_json_set_string(builder, "error", message);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}
