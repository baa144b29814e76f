#include "dataset/manifest.h"

#include "core/file.h"
#include "core/findings.h"
#include "core/yaml_read.h"

#include <string.h>

/* What a reader of one entry needs. */
typedef struct {
  VelmManifest *manifest;
  GPtrArray *findings;
} Reader;

/* ---- memory ---- */

static void name_free(gpointer data) {
  VelmManifestName *name = data;
  g_free(name->text);
  g_free(name);
}

static void entry_free(gpointer data) {
  VelmManifestEntry *entry = data;
  g_ptr_array_unref(entry->names);
  g_free(entry->target.text);
  g_free(entry->reason);
  g_free(entry->evidence);
  g_free(entry);
}

void velm_manifest_free(VelmManifest *manifest) {
  if (!manifest)
    return;
  g_free(manifest->path);
  g_free(manifest->text);
  g_ptr_array_unref(manifest->entries);
  g_free(manifest);
}

const char *velm_manifest_action_name(VelmManifestAction action) {
  static const char *const names[] = {
      [VELM_MANIFEST_RELABEL] = "relabel",       [VELM_MANIFEST_MERGE] = "merge",
      [VELM_MANIFEST_RENAME] = "rename",         [VELM_MANIFEST_DROP_CLASS] = "drop_class",
      [VELM_MANIFEST_DROP_IMAGE] = "drop_image", [VELM_MANIFEST_GROUP] = "group",
  };
  return (unsigned)action < G_N_ELEMENTS(names) ? names[action] : "unknown";
}

/* ---- values ---- */

/* Says that @node lacks @key. */
static void report_missing(const Reader *reader, const VelmNode *node, const char *key,
                           const char *why) {
  velm_findings_error(reader->findings, node->line, node->column, "`%s` is missing%s", key, why);
}

static void add_name(VelmManifestEntry *entry, const VelmNode *node, char *text) {
  VelmManifestName *name = g_new0(VelmManifestName, 1);
  name->text = text;
  name->line = node->line;
  name->column = node->column;
  g_ptr_array_add(entry->names, name);
}

/* The text of @key, which must be there. */
static void read_name(const Reader *reader, const VelmNode *node, const char *key,
                      VelmManifestEntry *entry) {
  const VelmNode *value = velm_node_get(node, key);
  g_autofree char *what = g_strdup_printf("`%s`", key);
  if (velm_node_is_absent(value)) {
    report_missing(reader, value ? value : node, key, "");
    return;
  }
  char *text = velm_node_read_text(value, what, FALSE, reader->findings);
  if (text)
    add_name(entry, value, text);
}

/* The list of texts of @key, at least @least. */
static void read_names(const Reader *reader, const VelmNode *node, const char *key, guint least,
                       VelmManifestEntry *entry) {
  const VelmNode *list = velm_node_get(node, key);
  g_autofree char *what = g_strdup_printf("`%s`", key);
  g_autofree char *item = g_strdup_printf("an item of `%s`", key);
  if (velm_node_is_absent(list)) {
    report_missing(reader, list ? list : node, key, "");
    return;
  }
  if (!velm_node_expect(list, VELM_NODE_LIST, what, reader->findings))
    return;
  if (list->items->len < least)
    velm_findings_error(reader->findings, list->line, list->column, "`%s` is empty", key);
  for (guint i = 0; i < list->items->len; i++) {
    const VelmNode *value = g_ptr_array_index(list->items, i);
    if (value->kind == VELM_NODE_NULL)
      velm_findings_error(reader->findings, value->line, value->column, "%s is empty", item);
    char *text = velm_node_read_text(value, item, FALSE, reader->findings);
    if (text)
      add_name(entry, value, text);
  }
}

static void read_target(const Reader *reader, const VelmNode *node, const char *key,
                        VelmManifestEntry *entry) {
  const VelmNode *value = velm_node_get(node, key);
  g_autofree char *what = g_strdup_printf("`%s`", key);
  entry->target.line = value ? value->line : node->line;
  entry->target.column = value ? value->column : node->column;
  if (velm_node_is_absent(value))
    report_missing(reader, value ? value : node, key, "");
  else
    entry->target.text = velm_node_read_text(value, what, FALSE, reader->findings);
}

/* YAML's words for yes and no, which a person may use. */
static gboolean read_apply(const Reader *reader, const VelmNode *node) {
  static const char *const yes[] = {"yes", "true", "on", NULL}, *const no[] = {"no", "false", "off",
                                                                               NULL};
  g_autofree char *word = velm_node_read_text(node, "`apply`", FALSE, reader->findings);
  g_autofree char *lower = word ? g_ascii_strdown(word, -1) : NULL;
  if (!lower || g_strv_contains(yes, lower))
    return TRUE;
  if (!g_strv_contains(no, lower))
    velm_findings_error(reader->findings, node->line, node->column,
                        "`apply` must be yes or no, not `%s`", word);
  return FALSE;
}

/* ---- entries ---- */

/* What every entry has. */
static void read_shared(const Reader *reader, const VelmNode *node, VelmManifestEntry *entry) {
  const VelmNode *reason = velm_node_get(node, "reason");
  if (velm_node_is_absent(reason))
    report_missing(reader, node, "reason", ": every change needs one");
  entry->reason = velm_node_read_text(reason, "`reason`", TRUE, reader->findings);
  entry->evidence =
      velm_node_read_text(velm_node_get(node, "evidence"), "`evidence`", TRUE, reader->findings);
  entry->apply = read_apply(reader, velm_node_get(node, "apply"));
}

static void check_keys(const Reader *reader, const VelmNode *node, const char *what,
                       const char *first, const char *second) {
  const char *keys[5] = {first};
  gsize n = 1;
  if (second)
    keys[n++] = second;
  keys[n++] = "reason";
  keys[n++] = "evidence";
  keys[n++] = "apply";
  velm_node_check_keys(node, what, keys, n, reader->findings);
}

static void read_relabel(const Reader *reader, const VelmNode *node, VelmManifestEntry *entry) {
  entry->action = VELM_MANIFEST_RELABEL;
  check_keys(reader, node, "an entry of `relabel`", "image", "to");
  read_name(reader, node, "image", entry);
  read_target(reader, node, "to", entry);
}

static void read_merge(const Reader *reader, const VelmNode *node, VelmManifestEntry *entry) {
  entry->action = VELM_MANIFEST_MERGE;
  check_keys(reader, node, "an entry of `merge`", "classes", "into");
  read_names(reader, node, "classes", 1, entry);
  read_target(reader, node, "into", entry);
}

static void read_rename(const Reader *reader, const VelmNode *node, VelmManifestEntry *entry) {
  entry->action = VELM_MANIFEST_RENAME;
  check_keys(reader, node, "an entry of `rename`", "class", "to");
  read_name(reader, node, "class", entry);
  read_target(reader, node, "to", entry);
}

static void read_drop(const Reader *reader, const VelmNode *node, VelmManifestEntry *entry) {
  gboolean class = velm_node_get(node, "class") != NULL;
  const VelmNode *image = velm_node_get(node, "image");
  entry->action = class ? VELM_MANIFEST_DROP_CLASS : VELM_MANIFEST_DROP_IMAGE;
  check_keys(reader, node, "an entry of `drop`", "image", "class");
  if (class && image)
    velm_findings_error(reader->findings, image->line, image->column,
                        "an entry of `drop` has `class` or `image`, not both");
  if (!class && !image)
    report_missing(reader, node, "image", " (or `class`)");
  else
    read_name(reader, node, class ? "class" : "image", entry);
}

static void read_group(const Reader *reader, const VelmNode *node, VelmManifestEntry *entry) {
  entry->action = VELM_MANIFEST_GROUP;
  check_keys(reader, node, "an entry of `groups`", "part", "images");
  read_target(reader, node, "part", entry);
  read_names(reader, node, "images", 1, entry);
}

typedef void (*ReadEntry)(const Reader *reader, const VelmNode *node, VelmManifestEntry *entry);

static const struct {
  const char *key;
  ReadEntry read;
} sections[] = {{"relabel", read_relabel},
                {"merge", read_merge},
                {"rename", read_rename},
                {"drop", read_drop},
                {"groups", read_group}};

static void read_section(const Reader *reader, const VelmNode *list, const char *key,
                         ReadEntry read) {
  g_autofree char *what = g_strdup_printf("`%s`", key);
  if (!velm_node_expect(list, VELM_NODE_LIST, what, reader->findings))
    return;
  for (guint i = 0; i < list->items->len; i++) {
    const VelmNode *node = g_ptr_array_index(list->items, i);
    g_autofree char *item = g_strdup_printf("an entry of `%s`", key);
    if (node->kind != VELM_NODE_MAPPING) {
      velm_findings_error(reader->findings, node->line, node->column, "%s must be %s, not %s", item,
                          velm_node_kind_name(VELM_NODE_MAPPING), velm_node_kind_name(node->kind));
      continue;
    }
    VelmManifestEntry *entry = g_new0(VelmManifestEntry, 1);
    entry->names = g_ptr_array_new_with_free_func(name_free);
    g_ptr_array_add(reader->manifest->entries, entry);
    read_shared(reader, node, entry);
    read(reader, node, entry);
  }
}

static void read_root(const Reader *reader, const VelmNode *root) {
  const char *keys[G_N_ELEMENTS(sections)];
  for (gsize i = 0; i < G_N_ELEMENTS(sections); i++)
    keys[i] = sections[i].key;
  if (root->kind != VELM_NODE_MAPPING) {
    velm_findings_error(reader->findings, root->line, root->column,
                        "a manifest is a mapping with `relabel`, `merge`, `rename`, `drop` or "
                        "`groups`, not %s",
                        velm_node_kind_name(root->kind));
    return;
  }
  velm_node_check_keys(root, "a manifest", keys, G_N_ELEMENTS(keys), reader->findings);
  for (gsize i = 0; i < G_N_ELEMENTS(sections); i++)
    read_section(reader, velm_node_get(root, keys[i]), keys[i], sections[i].read);
}

/* ---- files ---- */

gboolean velm_manifest_refuse(const VelmManifest *manifest, GPtrArray *findings, GError **error) {
  const VelmTextFinding *mistake = velm_findings_first_error(findings);
  if (!mistake)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s:%d: %s", manifest->path, mistake->line,
              mistake->message);
  return FALSE;
}

VelmManifest *velm_manifest_parse(const char *text, gsize length, const char *path,
                                  GPtrArray **findings, GError **error) {
  g_autoptr(GPtrArray) found = velm_findings_new();
  g_autoptr(VelmManifest) manifest = g_new0(VelmManifest, 1);
  manifest->path = g_strdup(path);
  manifest->text = g_strndup(text, length);
  manifest->entries = g_ptr_array_new_with_free_func(entry_free);
  if (length > VELM_MANIFEST_MAX_BYTES) {
    velm_findings_error(found, 1, 1, "larger than a manifest may be (8 MiB)");
  } else {
    const Reader reader = {manifest, found};
    g_autoptr(VelmNode) root = velm_node_parse(text, length, found);
    if (root)
      read_root(&reader, root);
  }
  velm_findings_sort(found);
  gboolean ok = velm_manifest_refuse(manifest, found, error);
  if (findings)
    *findings = g_steal_pointer(&found);
  return ok ? g_steal_pointer(&manifest) : NULL;
}

VelmManifest *velm_manifest_load(const char *path, GPtrArray **findings, GError **error) {
  gsize length = 0;
  g_autofree char *text = velm_file_read_limited(path, VELM_MANIFEST_MAX_BYTES, &length, error);
  if (text)
    return velm_manifest_parse(text, length, path, findings, error);
  if (findings)
    *findings = velm_findings_new();
  return NULL;
}
