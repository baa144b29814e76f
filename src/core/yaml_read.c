#include "core/yaml_read.h"

#include "core/findings.h"

#include <string.h>

gboolean velm_node_is_absent(const VelmNode *node) { return !node || node->kind == VELM_NODE_NULL; }

gboolean velm_node_expect(const VelmNode *node, VelmNodeKind kind, const char *what,
                          GPtrArray *findings) {
  if (velm_node_is_absent(node))
    return FALSE;
  if (node->kind == kind)
    return TRUE;
  velm_findings_error(findings, node->line, node->column, "%s must be %s, not %s", what,
                      velm_node_kind_name(kind), velm_node_kind_name(node->kind));
  return FALSE;
}

char *velm_node_read_text(const VelmNode *node, const char *what, gboolean lines,
                          GPtrArray *findings) {
  if (!velm_node_expect(node, VELM_NODE_TEXT, what, findings))
    return NULL;
  g_autofree char *text = g_strstrip(g_strdup(node->text));
  if (!*text) {
    velm_findings_error(findings, node->line, node->column, "%s is empty", what);
    return NULL;
  }
  for (const char *at = text; *at; at++) {
    if (!g_ascii_iscntrl(*at) || (lines && strchr("\n\r\t", *at)))
      continue;
    velm_findings_error(findings, node->line, node->column, "%s must be %s", what,
                        lines ? "text without control characters" : "one line of text");
    return NULL;
  }
  return g_steal_pointer(&text);
}

/* "a, b and c". */
static char *list_keys(const char *const *keys, gsize n) {
  GString *text = g_string_new(NULL);
  for (gsize i = 0; i < n; i++)
    g_string_append_printf(text, "%s`%s`", i == 0 ? "" : i + 1 < n ? ", " : " and ", keys[i]);
  return g_string_free(text, FALSE);
}

static void report_key(const VelmNode *mapping, guint index, const char *what,
                       const char *const *keys, gsize n, GPtrArray *findings) {
  const VelmNode *key = g_ptr_array_index(mapping->keys, index);
  const VelmNode *value = g_ptr_array_index(mapping->items, index);
  const char *meant = velm_findings_suggest(key->text, keys, n);
  g_autofree char *known = list_keys(keys, n);
  if (meant)
    velm_findings_error(findings, key->line, key->column, "unknown key `%s`: did you mean `%s`?",
                        key->text, meant);
  else if (mapping->flow && value->kind == VELM_NODE_NULL && index > 0)
    velm_findings_error(
        findings, key->line, key->column,
        "unknown key `%s` (inside braces a comma ends the text, unless it is quoted)", key->text);
  else
    velm_findings_error(findings, key->line, key->column, "unknown key `%s`; %s has %s", key->text,
                        what, known);
}

void velm_node_check_key(const VelmNode *mapping, guint index, const char *what,
                         const char *const *keys, gsize n, GPtrArray *findings) {
  const VelmNode *key = g_ptr_array_index(mapping->keys, index);
  gboolean known = key->items != NULL; /* no text, which has been said */
  for (gsize k = 0; k < n && !known; k++)
    known = g_str_equal(key->text, keys[k]);
  if (!known)
    report_key(mapping, index, what, keys, n, findings);
}

void velm_node_check_keys(const VelmNode *mapping, const char *what, const char *const *keys,
                          gsize n, GPtrArray *findings) {
  for (guint i = 0; i < mapping->keys->len && !velm_findings_full(findings); i++)
    velm_node_check_key(mapping, i, what, keys, n, findings);
}
