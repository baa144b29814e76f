#include "act/spec.h"
#include "core/json.h"
#include "core/yaml_write.h"

#include <string.h>

/* Where long text is folded. */
#define WIDTH 100

#define SPEC_ERROR(error, ...) g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC, __VA_ARGS__)

/* ---- writing YAML ---- */

static void write_class(VelmYamlWriter *writer, const VelmClass *class) {
  velm_yaml_writer_add(writer, class->key);
  velm_yaml_writer_open(writer);
  velm_yaml_writer_add_entry(writer, "name", class->name);
  velm_yaml_writer_add_entry(writer, "description", class->description);
  velm_yaml_writer_add_entry(writer, "severity", "defect");
  velm_yaml_writer_close(writer);
}

/* Returns: (transfer full): the classes as spec text. */
static char *write_spec(const VelmClasses *classes, const char *name, GError **error) {
  VelmYamlWriter *writer = velm_yaml_writer_new(WIDTH);
  velm_yaml_writer_open(writer);
  velm_yaml_writer_add_entry(writer, "object", classes->object);
  velm_yaml_writer_add_entry(writer, "normal", classes->normal);
  velm_yaml_writer_add(writer, "classes");
  velm_yaml_writer_open(writer);
  for (guint i = 0; i < classes->classes->len; i++)
    write_class(writer, g_ptr_array_index(classes->classes, i));
  velm_yaml_writer_close(writer);
  velm_yaml_writer_close(writer);
  return velm_yaml_writer_end(writer, name, error);
}

/* ---- reading the JSON ---- */

/* A JSON text's root, an object with at least one member. */
static JsonNode *parse_root(const char *json, gsize length, const char *name, GError **error) {
  g_autoptr(JsonNode) root = velm_json_parse(json, (gssize)length, name, error);
  if (!root)
    return NULL;
  if (JSON_NODE_HOLDS_OBJECT(root) && json_object_get_size(json_node_get_object(root)) > 0)
    return g_steal_pointer(&root);
  SPEC_ERROR(error,
             "%s: not descriptions: a JSON object of the form {OBJECT: {CLASS: [NAME, "
             "DESCRIPTION]}} is needed",
             name);
  return NULL;
}

static char **member_names(JsonObject *object) {
  g_autoptr(GList) members = json_object_get_members(object);
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  for (GList *at = members; at; at = at->next)
    g_strv_builder_add(names, at->data);
  return g_strv_builder_end(names);
}

/*
 * The texts of a class, a string or an array of strings.
 * Returns: (transfer full): stripped and without empty ones; NULL where @node is something else
 */
static char **read_texts(JsonNode *node) {
  g_autoptr(GStrvBuilder) texts = g_strv_builder_new();
  JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
  guint n = array ? json_array_get_length(array) : 1;
  for (guint i = 0; i < n; i++) {
    JsonNode *item = array ? json_array_get_element(array, i) : node;
    if (!JSON_NODE_HOLDS_VALUE(item) || json_node_get_value_type(item) != G_TYPE_STRING)
      return NULL;
    g_autofree char *text = g_strstrip(g_strdup(json_node_get_string(item)));
    if (*text)
      g_strv_builder_add(texts, text);
  }
  return g_strv_builder_end(texts);
}

static gboolean is_normal(const char *key) {
  return g_str_equal(key, "good") || g_str_equal(key, "normal");
}

/* The texts from number @first on as one; NULL where there is none. */
static char *join(char **texts, guint first) {
  return g_strv_length(texts) > first ? g_strjoinv(" ", texts + first) : NULL;
}

static gboolean read_member(VelmClasses *classes, const char *key, JsonNode *node,
                            const char *where, GError **error) {
  g_auto(GStrv) texts = read_texts(node);
  if (!texts) {
    SPEC_ERROR(error, "%s, class %s: an array of texts is needed: [NAME, DESCRIPTION]", where, key);
    return FALSE;
  }
  if (is_normal(key)) {
    g_free(classes->normal);
    classes->normal = join(texts, 0);
    return TRUE;
  }
  /* A text that is no array is a description. */
  gboolean named = JSON_NODE_HOLDS_ARRAY(node) && texts[0];
  g_autofree char *description = join(texts, named ? 1 : 0);
  velm_classes_add(classes, key, named ? texts[0] : NULL, description);
  return TRUE;
}

static VelmClasses *read_object(JsonNode *node, const char *key, const char *name, GError **error) {
  g_autofree char *where = g_strdup_printf("%s: object %s", name, key);
  if (!JSON_NODE_HOLDS_OBJECT(node)) {
    SPEC_ERROR(error, "%s: classes are needed: {CLASS: [NAME, DESCRIPTION]}", where);
    return NULL;
  }
  g_autoptr(VelmClasses) classes = velm_classes_new();
  classes->object = g_strdelimit(g_strdup(key), "_", ' ');
  JsonObject *object = json_node_get_object(node);
  g_auto(GStrv) keys = member_names(object);
  for (char **at = keys; *at; at++)
    if (!read_member(classes, *at, json_object_get_member(object, *at), where, error))
      return NULL;
  return g_steal_pointer(&classes);
}

/* Which object is meant: @wanted, or the only one. Borrowed from @keys. */
static const char *choose(char **keys, const char *wanted, const char *name, GError **error) {
  g_autofree char *list = g_strjoinv(", ", keys);
  if (wanted) {
    for (char **at = keys; *at; at++)
      if (g_str_equal(*at, wanted))
        return *at;
    SPEC_ERROR(error, "%s: there is no object %s; there are: %s", name, wanted, list);
    return NULL;
  }
  if (!keys[1])
    return keys[0];
  SPEC_ERROR(error, "%s: describes several objects, name one: %s", name, list);
  return NULL;
}

char **velm_spec_import_objects(const char *json, gsize length, const char *name, GError **error) {
  g_autoptr(JsonNode) root = parse_root(json, length, name, error);
  return root ? member_names(json_node_get_object(root)) : NULL;
}

char *velm_spec_import(const char *json, gsize length, const char *name, const char *object,
                       GError **error) {
  g_autoptr(JsonNode) root = parse_root(json, length, name, error);
  if (!root)
    return NULL;
  JsonObject *objects = json_node_get_object(root);
  g_auto(GStrv) keys = member_names(objects);
  const char *key = choose(keys, object, name, error);
  if (!key)
    return NULL;
  g_autoptr(VelmClasses) classes =
      read_object(json_object_get_member(objects, key), key, name, error);
  if (!classes)
    return NULL;
  g_autofree char *text = write_spec(classes, name, error);
  if (!text)
    return NULL;
  /* What the spec cannot hold (a reserved class, one name twice) is told now, not at its first use.
   */
  g_autoptr(GError) cause = NULL;
  g_autoptr(VelmSpec) spec = velm_spec_parse(text, strlen(text), "spec", NULL, &cause);
  if (spec)
    return g_steal_pointer(&text);
  SPEC_ERROR(error, "%s: object %s makes no spec: %s", name, key, cause->message);
  return NULL;
}
