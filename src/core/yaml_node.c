#include "core/yaml_node.h"

#include "core/findings.h"

#include <string.h>
#include <yaml.h>

/* What is read nests five deep; more is a mistake or an attack. */
#define MAX_DEPTH 16

/* The state of one parse. */
typedef struct {
  GPtrArray *open; /* of VelmNode: lists and mappings whose end has not come, outermost first */
  VelmNode *root;
  GPtrArray *findings;
  gboolean stop;
} Builder;

static void node_free(gpointer data) {
  VelmNode *node = data;
  g_free(node->text);
  g_clear_pointer(&node->keys, g_ptr_array_unref);
  g_clear_pointer(&node->items, g_ptr_array_unref);
  g_free(node);
}

void velm_node_free(VelmNode *node) {
  if (node)
    node_free(node);
}

static VelmNode *node_new(VelmNodeKind kind, yaml_mark_t mark) {
  VelmNode *node = g_new0(VelmNode, 1);
  node->kind = kind;
  node->line = (int)mark.line + 1;
  node->column = (int)mark.column + 1;
  if (kind == VELM_NODE_MAPPING)
    node->keys = g_ptr_array_new_with_free_func(node_free);
  if (kind == VELM_NODE_MAPPING || kind == VELM_NODE_LIST)
    node->items = g_ptr_array_new_with_free_func(node_free);
  return node;
}

const VelmNode *velm_node_get(const VelmNode *mapping, const char *key) {
  if (!mapping->keys)
    return NULL;
  for (guint i = 0; i < mapping->keys->len; i++) {
    const VelmNode *candidate = g_ptr_array_index(mapping->keys, i);
    if (g_str_equal(candidate->text, key))
      return g_ptr_array_index(mapping->items, i);
  }
  return NULL;
}

const char *velm_node_kind_name(VelmNodeKind kind) {
  static const char *const names[] = {"nothing", "text", "a list", "a mapping"};
  return names[kind];
}

/* Whether @mapping waits for a key, not for a value. */
static gboolean awaits_key(const VelmNode *mapping) {
  return mapping->keys->len == mapping->items->len;
}

/* Hangs @node, which it takes over, below the innermost open node. */
static void attach(Builder *builder, VelmNode *node) {
  if (builder->open->len == 0) {
    builder->root = node;
    return;
  }
  VelmNode *parent = g_ptr_array_index(builder->open, builder->open->len - 1);
  if (parent->kind == VELM_NODE_MAPPING && awaits_key(parent)) {
    if (node->kind == VELM_NODE_LIST || node->kind == VELM_NODE_MAPPING)
      velm_findings_error(builder->findings, node->line, node->column, "a key must be text, not %s",
                          velm_node_kind_name(node->kind));
    g_ptr_array_add(parent->keys, node);
  } else {
    g_ptr_array_add(parent->items, node);
  }
}

static void refuse_tag(Builder *builder, const yaml_char_t *tag, yaml_mark_t mark) {
  if (tag)
    velm_findings_error(builder->findings, (int)mark.line + 1, (int)mark.column + 1,
                        "tags (here `%s`) have no place here", (const char *)tag);
}

static gboolean is_null_word(const char *text) {
  static const char *const words[] = {"", "~", "null", "Null", "NULL", NULL};
  return g_strv_contains(words, text);
}

static void add_scalar(Builder *builder, const yaml_event_t *event) {
  const char *value = (const char *)event->data.scalar.value;
  gsize length = event->data.scalar.length;
  gboolean plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
  VelmNode *node =
      node_new(plain && is_null_word(value) ? VELM_NODE_NULL : VELM_NODE_TEXT, event->start_mark);
  if (strlen(value) != length)
    velm_findings_error(builder->findings, node->line, node->column,
                        "the text holds a zero byte (`\\0`)");
  node->text = g_strdup(value);
  refuse_tag(builder, event->data.scalar.tag, event->start_mark);
  attach(builder, node);
}

static void add_alias(Builder *builder, const yaml_event_t *event) {
  VelmNode *node = node_new(VELM_NODE_NULL, event->start_mark);
  node->text = g_strdup("");
  velm_findings_error(builder->findings, node->line, node->column,
                      "aliases (here `*%s`) have no place here: write it out",
                      (const char *)event->data.alias.anchor);
  attach(builder, node);
}

static void open_node(Builder *builder, VelmNodeKind kind, gboolean flow, const yaml_char_t *tag,
                      yaml_mark_t mark) {
  VelmNode *node = node_new(kind, mark);
  node->flow = flow;
  node->text = g_strdup("");
  refuse_tag(builder, tag, mark);
  attach(builder, node);
  g_ptr_array_add(builder->open, node);
  if (builder->open->len <= MAX_DEPTH)
    return;
  velm_findings_error(builder->findings, node->line, node->column, "nested over %d deep",
                      MAX_DEPTH);
  builder->stop = TRUE;
}

/* Two equal keys: all but the first would silently be lost. */
static void check_duplicates(Builder *builder, const VelmNode *mapping) {
  g_autoptr(GHashTable) lines = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < mapping->keys->len; i++) {
    const VelmNode *key = g_ptr_array_index(mapping->keys, i);
    gpointer line = g_hash_table_lookup(lines, key->text);
    if (key->items)
      continue; /* no text, which has been said */
    if (line)
      velm_findings_error(builder->findings, key->line, key->column,
                          "the key `%s` is already on line %d", key->text, GPOINTER_TO_INT(line));
    else
      g_hash_table_insert(lines, key->text, GINT_TO_POINTER(key->line));
  }
}

static void close_node(Builder *builder) {
  VelmNode *node = g_ptr_array_index(builder->open, builder->open->len - 1);
  g_ptr_array_set_size(builder->open, (int)builder->open->len - 1);
  if (node->kind == VELM_NODE_MAPPING)
    check_duplicates(builder, node);
}

static void start_document(Builder *builder, const yaml_event_t *event) {
  if (!builder->root)
    return;
  velm_findings_error(builder->findings, (int)event->start_mark.line + 1,
                      (int)event->start_mark.column + 1,
                      "a second document starts here; the file must be one document");
  builder->stop = TRUE;
}

static void add_event(Builder *builder, const yaml_event_t *event) {
  switch (event->type) {
  case YAML_DOCUMENT_START_EVENT:
    start_document(builder, event);
    break;
  case YAML_SCALAR_EVENT:
    add_scalar(builder, event);
    break;
  case YAML_ALIAS_EVENT:
    add_alias(builder, event);
    break;
  case YAML_SEQUENCE_START_EVENT:
    open_node(builder, VELM_NODE_LIST, event->data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE,
              event->data.sequence_start.tag, event->start_mark);
    break;
  case YAML_MAPPING_START_EVENT:
    open_node(builder, VELM_NODE_MAPPING,
              event->data.mapping_start.style == YAML_FLOW_MAPPING_STYLE,
              event->data.mapping_start.tag, event->start_mark);
    break;
  case YAML_SEQUENCE_END_EVENT:
  case YAML_MAPPING_END_EVENT:
    close_node(builder);
    break;
  case YAML_STREAM_END_EVENT:
    builder->stop = TRUE;
    break;
  default:
    break;
  }
}

/* Line and column of byte @offset. */
static void locate(const char *text, gsize offset, int *line, int *column) {
  *line = *column = 1;
  for (gsize i = 0; i < offset; i++) {
    if (text[i] == '\n') {
      *line += 1;
      *column = 1;
    } else if (((guchar)text[i] & 0xC0) != 0x80) {
      *column += 1;
    }
  }
}

/* The column, from 1, of a tab in the indentation of @line ([@line, @end)); 0 where there is none.
 */
static int tab_in_indentation(const char *line, const char *end) {
  int tab = 0;
  const char *at = line;
  for (; at < end && (*at == ' ' || *at == '\t'); at++)
    if (*at == '\t' && !tab)
      tab = (int)(at - line) + 1;
  gboolean blank = at == end || *at == '\r' || *at == '#';
  return blank ? 0 : tab;
}

/* Where line number @number (from 1) of @text begins; @end where there is none. */
static const char *find_line(const char *text, const char *end, int number) {
  for (int i = 1; i < number && text < end; i++) {
    const char *newline = memchr(text, '\n', (gsize)(end - text));
    text = newline ? newline + 1 : end;
  }
  return text;
}

/*
 * Reports every line from @first (from 1) on that is indented by a tab: libyaml stops at the first,
 * and it stops for many reasons. FALSE where @first is not.
 */
static gboolean find_tabs(const char *text, gsize length, int first, GPtrArray *findings) {
  const char *end = text + length;
  gboolean found = FALSE;
  int number = first;
  for (const char *line = find_line(text, end, first); line < end; number++) {
    const char *newline = memchr(line, '\n', (gsize)(end - line));
    int column = tab_in_indentation(line, newline ? newline : end);
    if (column)
      velm_findings_error(findings, number, column,
                          "indented by a tab; YAML is indented by spaces only");
    found = found || column;
    if (!found || !newline)
      break;
    line = newline + 1;
  }
  return found;
}

/* What a person most likely did where libyaml says @problem; "" where that is not known. */
static const char *hint(const char *problem) {
  static const struct {
    const char *problem, *hint;
  } hints[] = {
      {"mapping values are not allowed",
       " (text with `: ` in it must be quoted, and a key must be indented like those beside it)"},
      {"did not find expected key", " (is the indentation the same as of the lines above?)"},
      {"could not find expected ':'", " (a key must be followed by a colon and a space)"},
      {"did not find expected ',' or",
       " (text with a quote, brace or bracket in it must be quoted)"},
      {"found unexpected end of stream", " (a quote or bracket is not closed)"},
      {"found character that cannot start any token",
       " (text that starts with this character must be quoted)"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(hints); i++)
    if (g_str_has_prefix(problem, hints[i].problem))
      return hints[i].hint;
  return "";
}

static void report_syntax(const yaml_parser_t *parser, const char *text, gsize length,
                          GPtrArray *findings) {
  const char *problem = parser->problem ? parser->problem : "not YAML";
  int line = (int)parser->problem_mark.line + 1, column = (int)parser->problem_mark.column + 1;
  if (parser->error == YAML_READER_ERROR) /* has no mark, but the byte's offset */
    locate(text, MIN(parser->problem_offset, length), &line, &column);
  if (find_tabs(text, length, line, findings))
    return;
  g_autofree char *context = NULL;
  /* Where the thing began that failed: a quote left open is reported at the end of the file. */
  if (parser->context && parser->context_mark.line + 1 != (gsize)line)
    context = g_strdup_printf(" %s that starts on line %d", parser->context,
                              (int)parser->context_mark.line + 1);
  velm_findings_error(findings, line, column, "%s%s%s", problem, context ? context : "",
                      hint(problem));
}

static gboolean build(Builder *builder, const char *text, gsize length) {
  yaml_parser_t parser;
  if (!yaml_parser_initialize(&parser)) {
    velm_findings_error(builder->findings, 1, 1, "not enough memory");
    return FALSE;
  }
  yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
  yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
  gboolean ok = TRUE;
  while (ok && !builder->stop) {
    yaml_event_t event;
    ok = yaml_parser_parse(&parser, &event);
    if (ok) {
      add_event(builder, &event);
      yaml_event_delete(&event);
    } else {
      report_syntax(&parser, text, length, builder->findings);
    }
  }
  yaml_parser_delete(&parser);
  return ok;
}

VelmNode *velm_node_parse(const char *text, gsize length, GPtrArray *findings) {
  const char *bad = NULL;
  if (!g_utf8_validate_len(text, length, &bad)) {
    int line, column;
    locate(text, (gsize)(bad - text), &line, &column);
    velm_findings_error(findings, line, column, "not UTF-8 text (byte 0x%02x)", (guchar)*bad);
    return NULL;
  }
  if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { /* a byte order mark */
    text += 3;
    length -= 3;
  }
  g_autoptr(GPtrArray) open = g_ptr_array_new();
  Builder builder = {.open = open, .findings = findings};
  gboolean ok = build(&builder, text, length);
  if (ok && builder.open->len == 0 && builder.root)
    return builder.root;
  if (ok && !builder.root)
    velm_findings_error(findings, 1, 1, "the file is empty");
  velm_node_free(builder.root);
  return NULL;
}
