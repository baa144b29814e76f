#include "core/json_member.h"

JsonNode *velm_json_parse_object(const char *text, gsize length) {
  if (!g_utf8_validate_len(text, length, NULL))
    return NULL;
  g_autoptr(JsonNode) root = velm_json_parse(text, (gssize)length, "answer", NULL);
  return root && JSON_NODE_HOLDS_OBJECT(root) ? g_steal_pointer(&root) : NULL;
}

static JsonNode *member(JsonObject *object, const char *name) {
  return object ? json_object_get_member(object, name) : NULL;
}

static GType value_type(JsonNode *node) {
  return node && JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : G_TYPE_INVALID;
}

const char *velm_json_string_member(JsonObject *object, const char *name) {
  JsonNode *node = member(object, name);
  return value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : NULL;
}

JsonObject *velm_json_object_member(JsonObject *object, const char *name) {
  JsonNode *node = member(object, name);
  return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonArray *velm_json_array_member(JsonObject *object, const char *name) {
  JsonNode *node = member(object, name);
  return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

gint64 velm_json_int_member(JsonObject *object, const char *name, gint64 otherwise) {
  JsonNode *node = member(object, name);
  return value_type(node) == G_TYPE_INT64 ? json_node_get_int(node) : otherwise;
}

double velm_json_double_member(JsonObject *object, const char *name, double otherwise) {
  JsonNode *node = member(object, name);
  GType type = value_type(node);
  return type == G_TYPE_DOUBLE || type == G_TYPE_INT64 ? json_node_get_double(node) : otherwise;
}

JsonObject *velm_json_object_at(JsonArray *array, guint index) {
  if (!array || index >= json_array_get_length(array))
    return NULL;
  JsonNode *node = json_array_get_element(array, index);
  return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}
