#include "act/spec.h"
#include "core/json.h"

#include <string.h>
#include <yaml.h>

#define SPEC_ERROR(error, ...) g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC, __VA_ARGS__)

/* ---- writing YAML ---- */

static int append(void *data, unsigned char *buffer, size_t size) {
  g_string_append_len(data, (const char *)buffer, (gssize)size);
  return 1;
}

/* Hands @event to the emitter where making it @made it. Returns: FALSE where memory ran out. */
static gboolean emit(yaml_emitter_t *emitter, yaml_event_t *event, int made) {
  return made && yaml_emitter_emit(emitter, event);
}

static gboolean emit_text(yaml_emitter_t *emitter, const char *text) {
  /* Bare, it would be read as nothing. */
  static const char *const nulls[] = {"~", "null", "Null", "NULL", NULL};
  yaml_scalar_style_t style =
      g_strv_contains(nulls, text) ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_ANY_SCALAR_STYLE;
  yaml_event_t event;
  int made = yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                          (int)strlen(text), 1, 1, style);
  return emit(emitter, &event, made);
}

/* "key: text", or nothing where @text is NULL. */
static gboolean emit_entry(yaml_emitter_t *emitter, const char *key, const char *text) {
  return !text || (emit_text(emitter, key) && emit_text(emitter, text));
}

static gboolean emit_open(yaml_emitter_t *emitter) {
  yaml_event_t event;
  int made = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE);
  return emit(emitter, &event, made);
}

static gboolean emit_close(yaml_emitter_t *emitter) {
  yaml_event_t event;
  return emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static gboolean emit_start(yaml_emitter_t *emitter) {
  yaml_event_t event;
  if (!emit(emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)))
    return FALSE;
  return emit(emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
}

static gboolean emit_end(yaml_emitter_t *emitter) {
  yaml_event_t event;
  if (!emit(emitter, &event, yaml_document_end_event_initialize(&event, 1)))
    return FALSE;
  return emit(emitter, &event, yaml_stream_end_event_initialize(&event));
}

static gboolean emit_class(yaml_emitter_t *emitter, const VelmClass *class) {
  return emit_text(emitter, class->key) && emit_open(emitter) &&
         emit_entry(emitter, "name", class->name) &&
         emit_entry(emitter, "description", class->description) &&
         emit_entry(emitter, "severity", "defect") && emit_close(emitter);
}

static gboolean emit_classes(yaml_emitter_t *emitter, const VelmClasses *classes) {
  gboolean ok = emit_start(emitter) && emit_open(emitter) &&
                emit_entry(emitter, "object", classes->object) &&
                emit_entry(emitter, "normal", classes->normal) && emit_text(emitter, "classes") &&
                emit_open(emitter);
  for (guint i = 0; ok && i < classes->classes->len; i++)
    ok = emit_class(emitter, g_ptr_array_index(classes->classes, i));
  return ok && emit_close(emitter) && emit_close(emitter) && emit_end(emitter);
}

/* Returns: (transfer full): the classes as spec text. */
static char *write_spec(const VelmClasses *classes, const char *name, GError **error) {
  yaml_emitter_t emitter;
  if (!yaml_emitter_initialize(&emitter)) {
    SPEC_ERROR(error, "%s: not enough memory", name);
    return NULL;
  }
  g_autoptr(GString) text = g_string_new(NULL);
  yaml_emitter_set_output(&emitter, append, text);
  yaml_emitter_set_unicode(&emitter, 1);
  yaml_emitter_set_width(&emitter, 100);
  gboolean ok = emit_classes(&emitter, classes);
  if (!ok)
    SPEC_ERROR(error, "%s: cannot be written as YAML: %s", name,
               emitter.problem ? emitter.problem : "not enough memory");
  yaml_emitter_delete(&emitter);
  return ok ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
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
