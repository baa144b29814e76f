#include "evaluate/recorded.h"

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

#include <string.h>

/* Sets @error; a key of the file may bring line ends into the message. */
G_GNUC_PRINTF(2, 3)
static void set_error(GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  GError *made = g_error_new_valist(VELM_ERROR, VELM_ERROR_FILE, format, arguments);
  va_end(arguments);
  velm_error_one_line(made);
  g_propagate_error(error, made);
}

/* ---- labels ---- */

static void free_class(VelmRecordedClass *class) {
  g_free(class->key);
  g_free(class->name);
  g_free(class);
}

static void free_category(VelmRecordedCategory *category) {
  g_free(category->name);
  g_ptr_array_unref(category->classes);
  g_free(category);
}

static void free_answer(VelmRecordedAnswer *answer) {
  g_free(answer->text);
  g_free(answer);
}

void velm_recorded_free(VelmRecorded *recorded) {
  if (!recorded)
    return;
  g_ptr_array_unref(recorded->categories);
  g_ptr_array_unref(recorded->answers);
  g_hash_table_unref(recorded->keys_by_text);
  g_free(recorded);
}

static VelmRecorded *recorded_new(void) {
  VelmRecorded *recorded = g_new(VelmRecorded, 1);
  recorded->categories = g_ptr_array_new_with_free_func((GDestroyNotify)free_category);
  recorded->answers = g_ptr_array_new_with_free_func((GDestroyNotify)free_answer);
  recorded->keys_by_text = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  return recorded;
}

int velm_recorded_find_class(const VelmRecordedCategory *category, const char *key) {
  for (guint i = 0; i < category->classes->len; i++) {
    const VelmRecordedClass *class = g_ptr_array_index(category->classes, i);
    if (g_str_equal(class->key, key))
      return (int)i;
  }
  return -1;
}

guint velm_recorded_n_labels(const VelmRecordedCategory *category) {
  return category->classes->len + 2;
}

const char *velm_recorded_label_name(const VelmRecordedCategory *category, guint label) {
  if (label == VELM_RECORDED_GOOD)
    return "good";
  if (label > category->classes->len)
    return "Unknown class";
  const VelmRecordedClass *class = g_ptr_array_index(category->classes, label - 1);
  return class->key;
}

static gboolean is_normal(const char *key) {
  return g_str_equal(key, "good") || g_str_equal(key, "normal");
}

/* ---- descriptions ---- */

/* The members of a file's root, which must be an object with at least one. Borrowed keys. */
static GList *root_members(JsonNode *root, const char *path, const char *form, GError **error) {
  if (JSON_NODE_HOLDS_OBJECT(root) && json_object_get_size(json_node_get_object(root)) > 0)
    return json_object_get_members(json_node_get_object(root));
  set_error(error, "%s: a JSON object of the form %s is needed", path, form);
  return NULL;
}

static JsonNode *read_json(const char *path, GError **error) {
  g_autoptr(GBytes) bytes = velm_file_read(path, error);
  if (!bytes)
    return NULL;
  gsize length;
  const char *text = g_bytes_get_data(bytes, &length);
  return velm_json_parse(text ? text : "", (gssize)length, path, error);
}

static gboolean is_string(JsonNode *node) {
  return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;
}

/* Files each text of @array under @key. Returns: FALSE where one is no text, or there is none. */
static gboolean file_texts(VelmRecorded *recorded, const char *key, JsonNode *node) {
  JsonArray *array = JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
  guint n = array ? json_array_get_length(array) : 0;
  for (guint i = 0; i < n; i++) {
    JsonNode *text = json_array_get_element(array, i);
    if (!is_string(text))
      return FALSE;
    g_hash_table_insert(recorded->keys_by_text, g_utf8_casefold(json_node_get_string(text), -1),
                        g_strdup(key));
  }
  return n > 0;
}

/* Adds the class @key. @labels: casefolded name to label + 1, of the category's classes so far. */
static gboolean read_class(VelmRecorded *recorded, VelmRecordedCategory *category,
                           GHashTable *labels, const char *key, JsonNode *node, const char *path,
                           GError **error) {
  if (!file_texts(recorded, key, node)) {
    set_error(error,
              "%s: category %s, class %s: an array of texts is needed: [NAME, DESCRIPTION, ...]",
              path, category->name, key);
    return FALSE;
  }
  if (is_normal(key))
    return TRUE;
  const char *name = json_array_get_string_element(json_node_get_array(node), 0);
  g_autofree char *folded = g_utf8_casefold(name, -1);
  if (g_str_equal(folded, "good") || g_hash_table_contains(labels, folded)) {
    set_error(error, "%s: category %s, class %s: another class has the same name, %s", path,
              category->name, key, name);
    return FALSE;
  }
  VelmRecordedClass *class = g_new(VelmRecordedClass, 1);
  *class = (VelmRecordedClass){g_strdup(key), g_strdup(name)};
  g_ptr_array_add(category->classes, class);
  g_hash_table_insert(labels, g_steal_pointer(&folded), GUINT_TO_POINTER(category->classes->len));
  return TRUE;
}

/* Adds the category @name. Returns: (transfer full): casefolded name to label. */
static GHashTable *read_category(VelmRecorded *recorded, const char *name, JsonNode *node,
                                 const char *path, GError **error) {
  if (!JSON_NODE_HOLDS_OBJECT(node)) {
    set_error(error, "%s: category %s: classes are needed: {CLASS: [NAME, DESCRIPTION, ...]}", path,
              name);
    return NULL;
  }
  VelmRecordedCategory *category = g_new(VelmRecordedCategory, 1);
  category->name = g_strdup(name);
  category->classes = g_ptr_array_new_with_free_func((GDestroyNotify)free_class);
  g_ptr_array_add(recorded->categories, category);
  g_autoptr(GHashTable) labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  JsonObject *classes = json_node_get_object(node);
  g_autoptr(GList) keys = json_object_get_members(classes);
  for (GList *at = keys; at; at = at->next)
    if (!read_class(recorded, category, labels, at->data, json_object_get_member(classes, at->data),
                    path, error))
      return NULL;
  return g_steal_pointer(&labels);
}

/* Returns: (transfer full): a table of names to labels a category. */
static GPtrArray *read_descriptions(VelmRecorded *recorded, const char *path, GError **error) {
  g_autoptr(JsonNode) root = read_json(path, error);
  if (!root)
    return NULL;
  g_autoptr(GList) names =
      root_members(root, path, "{CATEGORY: {CLASS: [NAME, DESCRIPTION, ...]}}", error);
  if (!names)
    return NULL;
  g_autoptr(GPtrArray) tables = g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
  for (GList *at = names; at; at = at->next) {
    JsonNode *node = json_object_get_member(json_node_get_object(root), at->data);
    GHashTable *labels = read_category(recorded, at->data, node, path, error);
    if (!labels)
      return NULL;
    g_ptr_array_add(tables, labels);
  }
  return g_steal_pointer(&tables);
}

/* ---- predictions ---- */

/* @key without "_INDEX", a number; NULL where it has none. */
static char *strip_index(const char *key) {
  const char *index = strrchr(key, '_');
  if (!index || !g_ascii_isdigit(index[1]) || index[1 + strspn(index + 1, "0123456789")])
    return NULL;
  return g_strndup(key, (gsize)(index - key));
}

/* Sets @label where @stem is "CATEGORY_CLASS" with a class of @category. */
static gboolean match_category(const VelmRecordedCategory *category, const char *stem,
                               guint *label) {
  gsize length = strlen(category->name);
  if (!g_str_has_prefix(stem, category->name) || stem[length] != '_')
    return FALSE;
  const char *key = stem + length + 1;
  int class = velm_recorded_find_class(category, key);
  *label = is_normal(key) ? VELM_RECORDED_GOOD : (guint)(class + 1);
  return is_normal(key) || class >= 0;
}

/* Fills the category and the truth of @answer. Both names may hold underscores: of all that fit,
 * the longest category is meant. */
static gboolean read_key(const VelmRecorded *recorded, const char *key,
                         VelmRecordedAnswer *answer) {
  g_autofree char *stem = strip_index(key);
  gsize longest = 0;
  gboolean found = FALSE;
  for (guint i = 0; stem && i < recorded->categories->len; i++) {
    const VelmRecordedCategory *category = g_ptr_array_index(recorded->categories, i);
    guint label;
    gsize length = strlen(category->name);
    if ((found && length <= longest) || !match_category(category, stem, &label))
      continue;
    found = TRUE;
    longest = length;
    answer->category = i;
    answer->truth = label;
  }
  return found;
}

static guint read_label(const VelmRecordedCategory *category, GHashTable *labels,
                        const char *folded) {
  if (g_str_equal(folded, "good"))
    return VELM_RECORDED_GOOD;
  guint label = GPOINTER_TO_UINT(g_hash_table_lookup(labels, folded));
  return label ? label : velm_recorded_n_labels(category) - 1;
}

/* Adds one answer. @tables: from read_descriptions(). */
static gboolean read_answer(VelmRecorded *recorded, const GPtrArray *tables, const char *key,
                            JsonNode *node, const char *path, const char *descriptions,
                            GError **error) {
  if (!is_string(node)) {
    set_error(error, "%s: %s: the answer is not text", path, key);
    return FALSE;
  }
  VelmRecordedAnswer found = {0};
  if (!read_key(recorded, key, &found)) {
    set_error(error, "%s: %s: is not CATEGORY_CLASS_INDEX with a category and a class of %s", path,
              key, descriptions);
    return FALSE;
  }
  found.text = g_utf8_casefold(json_node_get_string(node), -1);
  found.answer = read_label(g_ptr_array_index(recorded->categories, found.category),
                            g_ptr_array_index(tables, found.category), found.text);
  g_ptr_array_add(recorded->answers, g_memdup2(&found, sizeof found));
  return TRUE;
}

VelmRecorded *velm_recorded_read(const char *predictions, const char *descriptions,
                                 GError **error) {
  g_autoptr(VelmRecorded) recorded = recorded_new();
  g_autoptr(GPtrArray) tables = read_descriptions(recorded, descriptions, error);
  g_autoptr(JsonNode) root = tables ? read_json(predictions, error) : NULL;
  if (!root)
    return NULL;
  g_autoptr(GList) keys = root_members(root, predictions, "{CATEGORY_CLASS_INDEX: ANSWER}", error);
  if (!keys)
    return NULL;
  JsonObject *answers = json_node_get_object(root);
  for (GList *at = keys; at; at = at->next)
    if (!read_answer(recorded, tables, at->data, json_object_get_member(answers, at->data),
                     predictions, descriptions, error))
      return NULL;
  return g_steal_pointer(&recorded);
}
