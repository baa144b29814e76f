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

VelmInspection *velm_record_read(const char *json, GError **error) {
  g_autoptr(JsonNode) node = velm_json_parse_object(json, strlen(json));
  JsonObject *object = node ? json_node_get_object(node) : NULL;
  const char *path = velm_json_string_member(object, "image");
  if (!path || velm_json_string_member(object, "decision") == NULL) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "this is no record of an inspection");
    return NULL;
  }
  g_autoptr(VelmInspection) inspection = velm_inspection_new(path);
  inspection->score = velm_json_double_member(object, "score", NAN);
  inspection->threshold = velm_json_double_member(object, "threshold", NAN);
  inspection->anomalous = json_object_get_boolean_member_with_default(object, "anomalous", FALSE);
  inspection->class_name = g_strdup(velm_json_string_member(object, "class"));
  inspection->confidence = velm_json_double_member(object, "confidence", 0);
  read_regions(inspection, velm_json_array_member(object, "regions"));
  return g_steal_pointer(&inspection);
}
