#include "classify/prompt_template.h"

#include "core/file.h"
#include "core/findings.h"

#include <gio/gio.h>
#include <string.h>

/* ---- what there is ---- */

/* What a block is repeated for. */
typedef enum { ONCE, EACH_CROP, EACH_EXAMPLE } Repeat;

static const struct {
  const char *name;
  int needs; /* all of these bits */
  Repeat repeat;
} blocks[] = {
    {"RI", VELM_PROMPT_REFERENCE, ONCE},
    {"RI aligned", VELM_PROMPT_REFERENCE | VELM_PROMPT_ALIGNED, ONCE},
    {"RI another", VELM_PROMPT_REFERENCE | VELM_PROMPT_ANOTHER, ONCE},
    {"VP", VELM_PROMPT_VISUAL | VELM_PROMPT_OUTLINED, ONCE},
    {"ND", VELM_PROMPT_NORMAL, ONCE},
    {"AD", VELM_PROMPT_ANOMALIES, ONCE},
    {"CS", VELM_PROMPT_STRATEGY, ONCE},
    {"examples", 0, EACH_EXAMPLE},
    {"crops", 0, EACH_CROP},
    {"lacks good", VELM_PROMPT_LACKS_GOOD, ONCE},
    {"lacks none", VELM_PROMPT_LACKS_NONE, ONCE},
    {"again", VELM_PROMPT_AGAIN, ONCE},
};

typedef enum {
  OBJECT,
  NORMAL,
  STRATEGY,
  CLASSES,
  REFERENCE,
  PART,
  OUTLINED,
  CROP,
  EXAMPLE,
  REGION,
  ACROSS,
  DOWN,
  KEY,
  NAME,
  N_FIELDS,
  LITERAL = N_FIELDS
} Field;

/* Where a field has a value: in a block with all of @needs that is repeated for @repeat. */
static const struct {
  const char *name;
  int needs;
  Repeat repeat;
  const char *block; /* in words, for messages; NULL where it may stand anywhere */
} fields[N_FIELDS] = {
    [OBJECT] = {"object", 0, ONCE, NULL},
    [NORMAL] = {"normal", VELM_PROMPT_NORMAL, ONCE, "[[ND]]"},
    [STRATEGY] = {"strategy", VELM_PROMPT_STRATEGY, ONCE, "[[CS]]"},
    [CLASSES] = {"classes", 0, ONCE, NULL},
    [REFERENCE] = {"image reference", VELM_PROMPT_REFERENCE, ONCE,
                   "[[RI]], [[RI aligned]] or [[RI another]]"},
    [PART] = {"image part", 0, ONCE, NULL},
    [OUTLINED] = {"image outlined", VELM_PROMPT_VISUAL | VELM_PROMPT_OUTLINED, ONCE, "[[VP]]"},
    [CROP] = {"image crop", 0, EACH_CROP, "[[crops]]"},
    [EXAMPLE] = {"image example", 0, EACH_EXAMPLE, "[[examples]]"},
    [REGION] = {"region", 0, EACH_CROP, "[[crops]]"},
    [ACROSS] = {"across", 0, EACH_CROP, "[[crops]]"},
    [DOWN] = {"down", 0, EACH_CROP, "[[crops]]"},
    [KEY] = {"key", 0, EACH_EXAMPLE, "[[examples]]"},
    [NAME] = {"name", 0, EACH_EXAMPLE, "[[examples]]"},
};

/* ---- the parsed template ---- */

/* A run of text, or a field, with what its blocks need. */
typedef struct {
  int needs;
  Repeat repeat;
  guint loop; /* pieces of one repeated block share a number; 0 where repeat is ONCE */
  Field field;
  char *text; /* where field is LITERAL */
} Piece;

struct _VelmPromptTemplate {
  GArray *pieces;
};

static void piece_clear(gpointer data) { g_free(((Piece *)data)->text); }

void velm_prompt_template_free(VelmPromptTemplate *wording) {
  if (!wording)
    return;
  g_array_unref(wording->pieces);
  g_free(wording);
}

gboolean velm_prompt_template_has_crops(const VelmPromptTemplate *wording) {
  for (guint i = 0; i < wording->pieces->len; i++)
    if (g_array_index(wording->pieces, Piece, i).repeat == EACH_CROP)
      return TRUE;
  return FALSE;
}

/* ---- parsing ---- */

/* An open block, with what the blocks about it need as well. */
typedef struct {
  const char *name;
  int line, needs;
  Repeat repeat;
  guint loop;
} Block;

typedef struct {
  const char *name;
  int line;
  GArray *open; /* of Block, the outermost first */
  guint n_loops;
  GString *literal;
  VelmPromptTemplate *wording;
} Parser;

static void parser_clear(Parser *parser) {
  g_array_unref(parser->open);
  g_string_free(parser->literal, TRUE);
  velm_prompt_template_free(parser->wording);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Parser, parser_clear)

static gboolean fail(const Parser *parser, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean fail(const Parser *parser, GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *why = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC, "%s:%d: %s", parser->name, parser->line, why);
  return FALSE;
}

/* The innermost open block; one that needs nothing where there is none. */
static Block innermost(const Parser *parser) {
  if (parser->open->len == 0)
    return (Block){0};
  return g_array_index(parser->open, Block, parser->open->len - 1);
}

static void add_piece(Parser *parser, Field field, char *text) {
  Block block = innermost(parser);
  Piece piece = {block.needs, block.repeat, block.loop, field, text};
  g_array_append_val(parser->wording->pieces, piece);
}

static void end_literal(Parser *parser) {
  if (parser->literal->len > 0)
    add_piece(parser, LITERAL, g_strdup(parser->literal->str));
  g_string_truncate(parser->literal, 0);
}

/* "; did you mean ...?" with the names of @n, each in @left and @right. */
static char *suggestion(const char *word, const char *const *names, gsize n, const char *left,
                        const char *right) {
  const char *meant = velm_findings_suggest(word, names, n);
  if (meant)
    return g_strdup_printf("; did you mean %s%s%s?", left, meant, right);
  GString *all = g_string_new("; there are:");
  for (gsize i = 0; i < n; i++)
    g_string_append_printf(all, " %s%s%s", left, names[i], right);
  return g_string_free(all, FALSE);
}

static gboolean begin_block(Parser *parser, const char *name, GError **error) {
  const char *names[G_N_ELEMENTS(blocks)];
  Block block = innermost(parser);
  for (gsize i = 0; i < G_N_ELEMENTS(blocks); i++) {
    names[i] = blocks[i].name;
    if (!g_str_equal(name, blocks[i].name))
      continue;
    if (block.repeat != ONCE && blocks[i].repeat != ONCE)
      return fail(parser, error, "[[%s]] cannot stand inside [[%s]], which is repeated as well",
                  name, block.name);
    block.name = blocks[i].name;
    block.line = parser->line;
    block.needs |= blocks[i].needs;
    if (blocks[i].repeat != ONCE) {
      block.repeat = blocks[i].repeat;
      block.loop = ++parser->n_loops;
    }
    g_array_append_val(parser->open, block);
    return TRUE;
  }
  g_autofree char *hint = suggestion(name, names, G_N_ELEMENTS(names), "[[", "]]");
  return fail(parser, error, "unknown block [[%s]]%s", name, hint);
}

/* @mark: the line "[[...", without white space about it; changed. */
static gboolean take_mark(Parser *parser, char *mark, GError **error) {
  gsize length = strlen(mark);
  if (!g_str_has_suffix(mark, "]]") || length < 4)
    return fail(parser, error, "a block begins with [[NAME]] on a line of its own, not \"%s\"",
                mark);
  end_literal(parser);
  mark[length - 2] = '\0';
  const char *name = g_strstrip(mark + 2);
  if (!g_str_equal(name, "end"))
    return begin_block(parser, name, error);
  if (parser->open->len == 0)
    return fail(parser, error, "[[end]] without a block that it ends");
  g_array_set_size(parser->open, parser->open->len - 1);
  return TRUE;
}

static gboolean add_field(Parser *parser, const char *name, GError **error) {
  const char *names[N_FIELDS];
  Block block = innermost(parser);
  for (Field field = 0; field < N_FIELDS; field++) {
    names[field] = fields[field].name;
    if (!g_str_equal(name, names[field]))
      continue;
    gboolean placed = (block.needs & fields[field].needs) == fields[field].needs &&
                      (fields[field].repeat == ONCE || fields[field].repeat == block.repeat);
    if (!placed)
      return fail(parser, error, "{%s} has a value only in the block %s", name,
                  fields[field].block);
    end_literal(parser);
    add_piece(parser, field, NULL);
    return TRUE;
  }
  g_autofree char *hint = suggestion(name, names, N_FIELDS, "{", "}");
  return fail(parser, error, "unknown field {%s}%s", name, hint);
}

static gboolean is_field_character(gunichar c) {
  return g_unichar_isalnum(c) || c == ' ' || c == '_' || c == '-';
}

/* The name of the field at @at, a brace; NULL where the brace is only a brace, as in JSON. */
static char *field_name(const char *at) {
  const char *end = at + 1;
  if (!g_unichar_isalpha(g_utf8_get_char(end)))
    return NULL;
  while (is_field_character(g_utf8_get_char(end)))
    end = g_utf8_next_char(end);
  return *end == '}' ? g_strndup(at + 1, (gsize)(end - at) - 1) : NULL;
}

/* Whether the brace at @at begins a field that the line leaves open. */
static gboolean is_unclosed(const char *at) {
  const char *end = at + 1;
  if (!g_unichar_isalpha(g_utf8_get_char(end)))
    return FALSE;
  while (is_field_character(g_utf8_get_char(end)))
    end = g_utf8_next_char(end);
  return *end == '\0';
}

static gboolean take_text(Parser *parser, const char *line, GError **error) {
  while (*line) {
    g_autofree char *name = *line == '{' ? field_name(line) : NULL;
    if (name) {
      if (!add_field(parser, name, error))
        return FALSE;
      line += strlen(name) + 2;
      continue;
    }
    if (*line == '{' && is_unclosed(line))
      return fail(parser, error, "a field is not closed: \"%s\"", line);
    g_string_append_c(parser->literal, *line++);
  }
  g_string_append_c(parser->literal, '\n');
  return TRUE;
}

/* A mark in the middle of a line would be sent as it is. */
static gboolean check_no_mark(const Parser *parser, const char *line, GError **error) {
  for (const char *at = line; (at = strstr(at, "[[")); at += 2) {
    if (g_str_has_prefix(at, "[[end]]"))
      return fail(parser, error, "[[end]] must stand on a line of its own");
    for (gsize i = 0; i < G_N_ELEMENTS(blocks); i++)
      if (g_str_has_prefix(at + 2, blocks[i].name) &&
          g_str_has_prefix(at + 2 + strlen(blocks[i].name), "]]"))
        return fail(parser, error, "[[%s]] must stand on a line of its own", blocks[i].name);
  }
  return TRUE;
}

static gboolean take_line(Parser *parser, const char *line, GError **error) {
  g_autofree char *bare = g_strstrip(g_strdup(line));
  if (g_str_has_prefix(line, "//"))
    return TRUE;
  if (g_str_has_prefix(bare, "[["))
    return take_mark(parser, bare, error);
  return check_no_mark(parser, line, error) && take_text(parser, line, error);
}

/* Whether @field stands where nothing can take it away. */
static gboolean has_always(const VelmPromptTemplate *wording, Field field) {
  for (guint i = 0; i < wording->pieces->len; i++) {
    const Piece *piece = &g_array_index(wording->pieces, Piece, i);
    if (piece->field == field && piece->needs == 0 && piece->repeat == ONCE)
      return TRUE;
  }
  return FALSE;
}

static gboolean check_whole(Parser *parser, GError **error) {
  static const Field needed[] = {CLASSES, PART};
  if (parser->open->len > 0) {
    Block block = innermost(parser);
    parser->line = block.line;
    return fail(parser, error, "[[%s]] is not ended by [[end]]", block.name);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(needed); i++)
    if (!has_always(parser->wording, needed[i])) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC, "%s: lacks {%s}, outside of all blocks",
                  parser->name, fields[needed[i]].name);
      return FALSE;
    }
  return TRUE;
}

/* Line of the byte at @at. */
static int line_of(const char *text, const char *at) {
  int line = 1;
  for (; text < at; text++)
    line += *text == '\n';
  return line;
}

static gboolean check_bytes(Parser *parser, const char *text, gsize length, GError **error) {
  const char *end = NULL;
  if (length > VELM_PROMPT_TEMPLATE_MAX_BYTES) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC, "%s: is larger than %d KiB", parser->name,
                VELM_PROMPT_TEMPLATE_MAX_BYTES / 1024);
    return FALSE;
  }
  if (g_utf8_validate_len(text, length, &end))
    return TRUE;
  parser->line = line_of(text, end);
  return fail(parser, error, "is not UTF-8 text");
}

VelmPromptTemplate *velm_prompt_template_parse(const char *text, gsize length, const char *name,
                                               GError **error) {
  g_auto(Parser) parser = {.name = name,
                           .open = g_array_new(FALSE, FALSE, sizeof(Block)),
                           .literal = g_string_new(NULL),
                           .wording = g_new0(VelmPromptTemplate, 1)};
  parser.wording->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
  g_array_set_clear_func(parser.wording->pieces, piece_clear);
  if (!check_bytes(&parser, text, length, error))
    return NULL;
  g_autofree char *copy = g_strndup(text, length);
  /* Some editors mark UTF-8 by these bytes. */
  g_auto(GStrv) lines =
      g_strsplit(copy + (g_str_has_prefix(copy, "\xEF\xBB\xBF") ? 3 : 0), "\n", -1);
  for (gsize i = 0; lines[i]; i++) {
    parser.line = (int)i + 1;
    if (g_str_has_suffix(lines[i], "\r"))
      lines[i][strlen(lines[i]) - 1] = '\0';
    if (!take_line(&parser, lines[i], error))
      return NULL;
  }
  end_literal(&parser);
  return check_whole(&parser, error) ? g_steal_pointer(&parser.wording) : NULL;
}

VelmPromptTemplate *velm_prompt_template_load(const char *path, GError **error) {
  gsize length = 0;
  g_autofree char *text =
      velm_file_read_limited(path, VELM_PROMPT_TEMPLATE_MAX_BYTES, &length, error);
  return text ? velm_prompt_template_parse(text, length, path, error) : NULL;
}

VelmPromptTemplate *velm_prompt_template_default(GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(GBytes) bytes =
      g_resources_lookup_data("/velm/prompt.txt", G_RESOURCE_LOOKUP_FLAGS_NONE, &cause);
  if (!bytes) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "velm's own prompt.txt: %s", cause->message);
    return NULL;
  }
  gsize length = 0;
  const char *text = g_bytes_get_data(bytes, &length);
  return velm_prompt_template_parse(text, length, "prompt.txt", error);
}

/* ---- filling ---- */

typedef struct {
  const VelmPromptContent *content;
  GArray *images;
  GString *text;
} Filling;

static void append_trimmed(GString *out, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);
  g_string_append(out, g_strstrip(valid));
}

/* "key: name - description", one line a class. */
static void append_classes(GString *out, const VelmClasses *classes, gboolean described) {
  for (guint i = 0; i < classes->classes->len; i++) {
    const VelmClass *class = g_ptr_array_index(classes->classes, i);
    g_string_append(out, i > 0 ? "\n- " : "- ");
    append_trimmed(out, class->key);
    g_string_append(out, ": ");
    append_trimmed(out, class->name);
    if (described && velm_prompt_has_text(class->description)) {
      g_string_append(out, " - ");
      append_trimmed(out, class->description);
    }
  }
}

/* Its number, from 1, in the order in which the images are named. */
static void append_image(Filling *filling, VelmPromptImageKind kind, guint index) {
  guint i = 0;
  for (; i < filling->images->len; i++) {
    const VelmPromptImage *image = &g_array_index(filling->images, VelmPromptImage, i);
    if (image->kind == kind && image->index == index)
      break;
  }
  if (i == filling->images->len) {
    VelmPromptImage image = {kind, index};
    g_array_append_val(filling->images, image);
  }
  g_string_append_printf(filling->text, "%u", i + 1);
}

static void append_object(GString *out, const VelmClasses *classes) {
  append_trimmed(out,
                 velm_prompt_has_text(classes->object) ? classes->object : "a manufactured part");
}

/* @index: of the crop or the example, in a block that is repeated for them. */
static void append_field(Filling *filling, Field field, guint index) {
  const VelmPromptContent *content = filling->content;
  GString *out = filling->text;
  if (field == OBJECT)
    append_object(out, content->classes);
  else if (field == NORMAL)
    append_trimmed(out, content->classes->normal);
  else if (field == STRATEGY)
    append_trimmed(out, content->classes->strategy);
  else if (field == CLASSES)
    append_classes(out, content->classes, (content->conditions & VELM_PROMPT_ANOMALIES) != 0);
  else if (field >= REFERENCE && field <= EXAMPLE)
    append_image(filling, VELM_PROMPT_IMAGE_REFERENCE + (field - REFERENCE),
                 field == CROP || field == EXAMPLE ? index : 0);
  else if (field == REGION)
    g_string_append_printf(out, "%u", index + 1);
  else if (field == ACROSS || field == DOWN)
    g_string_append_printf(
        out, "%d", field == ACROSS ? content->places[index].across : content->places[index].down);
  else
    append_trimmed(out,
                   field == KEY ? content->examples[index]->key : content->examples[index]->name);
}

static void append_piece(Filling *filling, const Piece *piece, guint index) {
  if ((piece->needs & filling->content->conditions) != piece->needs)
    return;
  if (piece->field == LITERAL)
    g_string_append(filling->text, piece->text);
  else
    append_field(filling, piece->field, index);
}

/* Appends the piece at @i, or all of its repeated block. Returns: the piece after it. */
static guint append_from(Filling *filling, const GArray *pieces, guint i) {
  const Piece *first = &g_array_index(pieces, Piece, i);
  if (first->repeat == ONCE) {
    append_piece(filling, first, 0);
    return i + 1;
  }
  guint end = i,
        n = first->repeat == EACH_CROP ? filling->content->n_places : filling->content->n_examples;
  while (end < pieces->len && g_array_index(pieces, Piece, end).loop == first->loop)
    end++;
  for (guint index = 0; index < n; index++)
    for (guint k = i; k < end; k++)
      append_piece(filling, &g_array_index(pieces, Piece, k), index);
  return end;
}

char *velm_prompt_template_fill(const VelmPromptTemplate *wording, const VelmPromptContent *content,
                                GArray *images) {
  Filling filling = {content, images, g_string_new(NULL)};
  for (guint i = 0; i < wording->pieces->len;)
    i = append_from(&filling, wording->pieces, i);
  return g_strstrip(g_string_free(filling.text, FALSE));
}
