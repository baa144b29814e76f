#include "act/spec.h"
#include "core/findings.h"
#include "core/yaml_node.h"
#include "core/yaml_write.h"

#include "act/decision.h"

#include <string.h>

#define SPEC_ERROR(error, ...) g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC, __VA_ARGS__)

/* A class that is added to a text. */
typedef struct {
  const char *text;
  const VelmNode *classes; /* the mapping */
  int indent;              /* spaces before its keys */
  int next_line;           /* of what follows the classes, from 1; 0 where nothing does */
} Place;

/* ---- where ---- */

/* Spaces and tabs before what stands on the line [@line, @end). */
static int indentation(const char *line, const char *end) {
  const char *at = line;
  while (at < end && (*at == ' ' || *at == '\t'))
    at++;
  return (int)(at - line);
}

/* Whether the line [@line, @end) belongs to what follows the classes: it is empty, a comment that
 * is indented less than they are, or ends the document. */
static gboolean is_behind(const char *line, const char *end, int indent) {
  int column = indentation(line, end);
  const char *at = line + column;
  return at == end || *at == '\n' || *at == '\r' || (*at == '#' && column < indent) ||
         (end - line >= 3 && memcmp(line, "...", 3) == 0);
}

/* Where line number @number (from 1) begins. */
static const char *find_line(const char *text, int number) {
  for (; number > 1; number--) {
    const char *newline = strchr(text, '\n');
    if (!newline)
      return text + strlen(text);
    text = newline + 1;
  }
  return text;
}

/* Where the class goes: behind the last line of the classes, their comments included. */
static const char *find_end(const Place *place) {
  const char *end = place->next_line ? find_line(place->text, place->next_line)
                                     : place->text + strlen(place->text);
  while (end > place->text) {
    const char *line = end - 1;
    while (line > place->text && line[-1] != '\n')
      line--;
    if (!is_behind(line, end, place->indent))
      break;
    end = line;
  }
  return end;
}

/* FALSE where the classes are not written below each other. */
static gboolean find_place(const char *text, const VelmNode *root, Place *place) {
  *place = (Place){.text = text, .classes = velm_node_get(root, "classes")};
  if (place->classes->flow)
    return FALSE;
  const VelmNode *key = g_ptr_array_index(place->classes->keys, 0);
  place->indent = key->column - 1;
  for (guint i = 0; i + 1 < root->keys->len; i++)
    if (g_ptr_array_index(root->items, i) == place->classes)
      place->next_line = ((const VelmNode *)g_ptr_array_index(root->keys, i + 1))->line;
  return TRUE;
}

/* ---- what ---- */

/* NULL where there is nothing but blanks. Returns: (transfer full). */
static char *strip(const char *text) {
  g_autofree char *stripped = text ? g_strstrip(g_strdup(text)) : NULL;
  return stripped && *stripped ? g_steal_pointer(&stripped) : NULL;
}

/* Returns: (transfer full): the class as the only entry of a mapping. */
static char *write_class(const VelmNewClass *class, GError **error) {
  g_autofree char *name = strip(class->name), *action = strip(class->action);
  g_autofree char *description = strip(class->description);
  VelmYamlWriter *writer = velm_yaml_writer_new(-1);
  velm_yaml_writer_open(writer);
  velm_yaml_writer_add(writer, class->key);
  velm_yaml_writer_open(writer);
  velm_yaml_writer_add_entry(writer, "name", name);
  velm_yaml_writer_add_entry(writer, "description", description);
  velm_yaml_writer_add_entry(writer, "severity", velm_decision_name(class->severity));
  velm_yaml_writer_add_entry(writer, "action", action);
  velm_yaml_writer_close(writer);
  velm_yaml_writer_close(writer);
  return velm_yaml_writer_end(writer, "the class", error);
}

/* Appends the lines of @block, each @indent deeper and with @line_end. */
static void append_block(GString *text, const char *block, int indent, const char *line_end) {
  g_auto(GStrv) lines = g_strsplit(block, "\n", -1);
  for (char **line = lines; *line && (line[1] || **line); line++)
    g_string_append_printf(text, "%*s%s%s", **line ? indent : 0, "", *line, line_end);
}

static char *insert(const Place *place, const char *block) {
  const char *end = find_end(place);
  const char *newline = strchr(place->text, '\n');
  const char *line_end = newline && newline > place->text && newline[-1] == '\r' ? "\r\n" : "\n";
  g_autoptr(GString) text = g_string_new_len(place->text, end - place->text);
  if (text->len > 0 && text->str[text->len - 1] != '\n')
    g_string_append(text, line_end);
  append_block(text, block, place->indent, line_end);
  g_string_append(text, end);
  return g_string_free(g_steal_pointer(&text), FALSE);
}

/* ---- whether it is so ---- */

/* A block of text that ended the file has a line end more now, which no reader of it sees. */
static gboolean is_same_text(const char *a, const char *b) {
  g_autofree char *one = g_strchomp(g_strdup(a)), *other = g_strchomp(g_strdup(b));
  return g_str_equal(one, other);
}

static gboolean is_same(const VelmNode *before, const VelmNode *after, const VelmNode *grown);

/* Whether all of @before stands at the beginning of @after. */
static gboolean begins_same(const GPtrArray *before, const GPtrArray *after,
                            const VelmNode *grown) {
  for (guint i = 0; i < before->len; i++)
    if (!is_same(before->pdata[i], after->pdata[i], grown))
      return FALSE;
  return TRUE;
}

/* Whether two trees say the same, but that @grown, of @before, has one entry more in @after. */
static gboolean is_same(const VelmNode *before, const VelmNode *after, const VelmNode *grown) {
  if (before->kind != after->kind || !is_same_text(before->text, after->text))
    return FALSE;
  if (before->items && before->items->len + (before == grown) != after->items->len)
    return FALSE;
  return (!before->items || begins_same(before->items, after->items, grown)) &&
         (!before->keys || begins_same(before->keys, after->keys, grown));
}

/* Whether @given, without its blanks or @other where there are but those, was read as @text. */
static gboolean was_read(const char *given, const char *other, const char *text) {
  g_autofree char *wanted = strip(given);
  return g_strcmp0(wanted ? wanted : other, text) == 0;
}

/* Whether the last class of @spec is @class. */
static gboolean ends_with(const VelmSpec *spec, const VelmNewClass *class) {
  const GPtrArray *classes = velm_spec_get_classes(spec)->classes;
  const VelmClass *last = g_ptr_array_index(classes, classes->len - 1);
  const VelmOutcome *outcome = velm_spec_get_outcome(spec, classes->len - 1);
  return g_str_equal(last->key, class->key) && was_read(class->name, class->key, last->name) &&
         was_read(class->description, NULL, last->description) &&
         outcome->severity == class->severity &&
         was_read(class->action, outcome->action, outcome->action);
}

/* Whether @text is the spec of @root, whose classes are @place's, and @class. */
static gboolean check(const char *text, const VelmNode *root, const Place *place,
                      const VelmNewClass *class, GError **error) {
  g_autoptr(GPtrArray) findings = NULL, ignored = velm_findings_new();
  g_autoptr(VelmNode) after = velm_node_parse(text, strlen(text), ignored);
  gboolean kept = after && is_same(root, after, place->classes);
  g_autoptr(VelmSpec) spec = velm_spec_parse(text, strlen(text), "spec", &findings, NULL);
  if (kept && spec && ends_with(spec, class))
    return TRUE;
  if (kept && !spec)
    SPEC_ERROR(error, "%s", velm_findings_first_error(findings)->message);
  else
    SPEC_ERROR(error, "the spec is written in a way that cannot be extended here; edit it by hand");
  return FALSE;
}

/* Whether @class alone would do, so that nothing else is to blame then. */
static gboolean check_class(const char *block, GError **error) {
  g_autoptr(GString) text = g_string_new("object: part\nclasses:\n");
  append_block(text, block, 2, "\n");
  g_autoptr(GPtrArray) findings = NULL;
  g_autoptr(VelmSpec) spec = velm_spec_parse(text->str, text->len, "class", &findings, NULL);
  if (!spec)
    SPEC_ERROR(error, "%s", velm_findings_first_error(findings)->message);
  return spec != NULL;
}

char *velm_spec_add_class(const VelmSpec *spec, const VelmNewClass *class, GError **error) {
  const char *text = velm_spec_get_text(spec);
  if (velm_classes_find(velm_spec_get_classes(spec), class->key) >= 0) {
    SPEC_ERROR(error, "the spec has a class `%s` already", class->key);
    return NULL;
  }
  g_autofree char *block = write_class(class, error);
  if (!block || !check_class(block, error))
    return NULL;
  g_autoptr(GPtrArray) ignored = velm_findings_new();
  g_autoptr(VelmNode) root = velm_node_parse(text, strlen(text), ignored);
  Place place;
  if (!find_place(text, root, &place)) {
    SPEC_ERROR(error, "the spec's classes are written in braces, where none can be added; edit it "
                      "by hand");
    return NULL;
  }
  g_autofree char *extended = insert(&place, block);
  return check(extended, root, &place, class, error) ? g_steal_pointer(&extended) : NULL;
}
