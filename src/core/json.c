#include "core/json.h"

#include "core/error.h"

#include <math.h>
#include <string.h>

/* json-glib 1.6 writes U+001F as it is, the one control character that it forgets. */
static char *escape_forgotten(char *text) {
  if (!strchr(text, '\x1f'))
    return text;
  g_auto(GStrv) parts = g_strsplit(text, "\x1f", -1);
  g_free(text);
  return g_strjoinv("\\u001f", parts);
}

char *velm_json_print(JsonBuilder *builder, gboolean indented) {
  g_autoptr(JsonNode) root = json_builder_get_root(builder);
  g_autoptr(JsonGenerator) generator = json_generator_new();
  json_generator_set_root(generator, root);
  json_generator_set_pretty(generator, indented);
  return escape_forgotten(json_generator_to_data(generator, NULL));
}

void velm_json_set_double(JsonBuilder *builder, const char *name, double value) {
  json_builder_set_member_name(builder, name);
  if (isfinite(value))
    json_builder_add_double_value(builder, value);
  else
    json_builder_add_null_value(builder);
}

void velm_json_set_int(JsonBuilder *builder, const char *name, gint64 value) {
  json_builder_set_member_name(builder, name);
  json_builder_add_int_value(builder, value);
}

void velm_json_set_boolean(JsonBuilder *builder, const char *name, gboolean value) {
  json_builder_set_member_name(builder, name);
  json_builder_add_boolean_value(builder, value);
}

void velm_json_set_string(JsonBuilder *builder, const char *name, const char *value) {
  json_builder_set_member_name(builder, name);
  if (!value) {
    json_builder_add_null_value(builder);
    return;
  }
  g_autofree char *valid = g_utf8_make_valid(value, -1);
  json_builder_add_string_value(builder, valid);
}

void velm_json_set_strings(JsonBuilder *builder, const char *name, const char *const *values) {
  json_builder_set_member_name(builder, name);
  json_builder_begin_array(builder);
  for (gsize i = 0; values[i]; i++)
    json_builder_add_string_value(builder, values[i]);
  json_builder_end_array(builder);
}

/* json-glib recurses with the text: it overflows the stack on brackets nested by the thousand. */
#define MAX_DEPTH 64

/* FALSE too for what json-glib takes beyond JSON (comments, 'strings'), which would lead the count
 * astray. */
static gboolean is_shallow(const char *text, gsize length) {
  gsize depth = 0;
  gboolean in_string = FALSE;
  for (gsize i = 0; i < length; i++) {
    char c = text[i];
    if (in_string && c == '\\')
      i++;
    else if (c == '"')
      in_string = !in_string;
    else if (in_string)
      continue;
    else if (memchr("/#'", c, 3) || ((c == '[' || c == '{') && ++depth > MAX_DEPTH))
      return FALSE;
    else if ((c == ']' || c == '}') && depth > 0)
      depth--;
  }
  return TRUE;
}

JsonNode *velm_json_parse(const char *text, gssize length, const char *name, GError **error) {
  g_autoptr(JsonParser) parser = json_parser_new_immutable();
  g_autoptr(GError) cause = NULL;
  if (!is_shallow(text, length < 0 ? strlen(text) : (gsize)length)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
                "%s: not valid JSON, or nested deeper than %d levels", name, MAX_DEPTH);
    return NULL;
  }
  if (!json_parser_load_from_data(parser, text, length, &cause)) {
    velm_error_one_line(cause); /* it may quote a string of the text */
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: not valid JSON: %s", name, cause->message);
    return NULL;
  }
  JsonNode *root = json_parser_steal_root(parser);
  if (!root)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: not valid JSON: it is empty", name);
  return root;
}
