#include "core/json.h"

#include "core/scratch.h"

#include <math.h>
#include <string.h>

/* ---- writing ---- */

static JsonNode *parse(const char *text) {
  g_autoptr(GError) error = NULL;
  JsonNode *node = velm_json_parse(text, -1, "the text", &error);
  g_assert_no_error(error);
  g_assert_nonnull(node);
  return node;
}

/* One member of every kind. */
static JsonBuilder *record(void) {
  JsonBuilder *builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_double(builder, "score", 0.1);
  velm_json_set_double(builder, "nan", NAN);
  velm_json_set_double(builder, "infinite", -INFINITY);
  velm_json_set_int(builder, "large", G_MAXINT64);
  velm_json_set_boolean(builder, "anomalous", TRUE);
  velm_json_set_string(builder, "path", "a\n\"b\"\t\\\x01");
  velm_json_set_string(builder, "none", NULL);
  velm_json_set_string(builder, "latin1",
                       "Gr\xf6\xdf"
                       "e");
  json_builder_end_object(builder);
  return builder;
}

static void test_members(void) {
  g_autoptr(JsonBuilder) builder = record();
  g_autofree char *text = velm_json_print(builder, FALSE);
  g_assert_true(g_utf8_validate(text, -1, NULL));
  g_autoptr(JsonNode) node = parse(text);
  JsonObject *object = json_node_get_object(node);
  g_assert_cmpfloat(json_object_get_double_member(object, "score"), ==, 0.1);
  g_assert_true(json_object_get_null_member(object, "nan"));
  g_assert_true(json_object_get_null_member(object, "infinite"));
  g_assert_cmpint(json_object_get_int_member(object, "large"), ==, G_MAXINT64);
  g_assert_true(json_object_get_boolean_member(object, "anomalous"));
  g_assert_cmpstr(json_object_get_string_member(object, "path"), ==, "a\n\"b\"\t\\\x01");
  g_assert_true(json_object_get_null_member(object, "none"));
  g_assert_cmpstr(json_object_get_string_member(object, "latin1"), ==,
                  "Gr\xef\xbf\xbd\xef\xbf\xbd"
                  "e");
}

/* JSON forbids them as they are, in names too. */
static void test_control_characters(void) {
  g_autoptr(GString) all = g_string_new(NULL);
  for (char c = 1; c < ' '; c++)
    g_string_append_c(all, c);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, all->str, all->str);
  json_builder_end_object(builder);
  g_autofree char *text = velm_json_print(builder, FALSE);
  for (const char *c = text; *c; c++)
    g_assert_false(g_ascii_iscntrl(*c));
  g_autoptr(JsonNode) node = parse(text);
  g_assert_cmpstr(json_object_get_string_member(json_node_get_object(node), all->str), ==,
                  all->str);
}

/* JSON Lines: a record is one line, however its strings look. */
static void test_one_line(void) {
  g_autoptr(JsonBuilder) builder = record();
  g_autofree char *text = velm_json_print(builder, FALSE);
  g_assert_null(strchr(text, '\n'));
  g_autoptr(JsonBuilder) again = record();
  g_autofree char *indented = velm_json_print(again, TRUE);
  g_assert_nonnull(strchr(indented, '\n'));
}

/* A comma for a point would be another number, or none. */
static void test_locale(void) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_double(builder, "score", 1.5);
  json_builder_end_object(builder);
  g_autofree char *text = velm_json_print(builder, FALSE);
  g_assert_cmpstr(text, ==, "{\"score\":1.5}");
}

/* ---- reading ---- */

static void refuse(const char *text, gssize length) {
  GError *error = NULL;
  g_assert_null(velm_json_parse(text, length, "answer.json", &error));
  assert_failure(&error, VELM_ERROR_FILE, "answer.json: not valid JSON");
}

static void test_parse(void) {
  g_autoptr(JsonNode) node = parse(" {\"a\": [1, 2.5, \"[{\\\"\", null], \"b\": {}} ");
  JsonObject *object = json_node_get_object(node);
  JsonArray *array = json_object_get_array_member(object, "a");
  g_assert_cmpuint(json_array_get_length(array), ==, 4);
  g_assert_cmpstr(json_array_get_string_element(array, 2), ==, "[{\"");
  /* Only the length given counts. */
  GError *error = NULL;
  g_autoptr(JsonNode) first = velm_json_parse("[1][2]", 3, "x", &error);
  g_assert_no_error(error);
  g_assert_cmpuint(json_array_get_length(json_node_get_array(first)), ==, 1);
}

static void test_not_json(void) {
  static const char *const texts[] = {
      "",           " ",         "{",        "[1,",    "{\"a\":}", "{a: 1}",   "<html>",
      "{\"a\":1}x", "nul",       "[1,,2]",   "\"open", "[01a]",    "{'a': 1}", "[1, // x\n2]",
      "]",          "[1\n2\n3]", "{\"a\" 1}"};
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_test_message("%s", texts[i]);
    refuse(texts[i], -1);
  }
}

static char *nested(const char *open, const char *close, int depth) {
  GString *text = g_string_new(NULL);
  for (int i = 0; i < depth; i++)
    g_string_append(text, open);
  g_string_append(text, "1");
  for (int i = 0; i < depth; i++)
    g_string_append(text, close);
  return g_string_free(text, FALSE);
}

static void test_depth(void) {
  g_autofree char *deep = nested("[", "]", 64);
  g_autoptr(JsonNode) node = parse(deep);
  g_assert_true(JSON_NODE_HOLDS_ARRAY(node));
  g_autofree char *deeper = nested("[", "]", 65);
  refuse(deeper, -1);
  g_autofree char *objects = nested("{\"a\":", "}", 65);
  refuse(objects, -1);
  g_autofree char *bomb = nested("[", "]", 2 * 1000 * 1000);
  refuse(bomb, -1);
  g_autofree char *open = g_strnfill(2 * 1000 * 1000, '{');
  refuse(open, -1);
  /* Brackets in strings are no depth; nor do closing ones before make room for more. */
  g_autofree char *brackets = g_strnfill(100000, '[');
  g_autofree char *string = g_strdup_printf("[\"%s\"]", brackets);
  g_autoptr(JsonNode) flat = parse(string);
  g_assert_true(JSON_NODE_HOLDS_ARRAY(flat));
  g_autofree char *closing = g_strnfill(1000, ']');
  g_autofree char *both = g_strconcat(closing, brackets, NULL);
  refuse(both, -1);
}

/* What json-glib takes beyond JSON could hide brackets from whoever counts them. */
static void test_hidden_depth(void) {
  static const char *const starts[] = {"['\"', ", "[/*\"*/ ", "[//\"\n", "[#\"\n", "[\"\\\\\", "};
  g_autofree char *bomb = nested("[", "]", 100000);
  for (gsize i = 0; i < G_N_ELEMENTS(starts); i++) {
    g_autofree char *text = g_strconcat(starts[i], bomb, "]", NULL);
    refuse(text, -1);
  }
}

static void test_not_utf8(void) {
  refuse("{\"a\": \"\xff\xfe\"}", -1);
  refuse("[\"\xc3\"]", -1);
  refuse("[1]\0[2]", 7);
  refuse("\xef\xbb\xbf[1]\xff", -1);
}

/* Cut anywhere, a text is refused; the message stays one line whatever the text holds. */
static void test_truncated(void) {
  static const char text[] = "{\n\"choices\": [\n{\"message\": {\"content\": \"a\\u00e9\\n\"}}],\n"
                             "\"n\": -1.5e3, \"t\": true}";
  g_autoptr(JsonNode) whole = parse(text);
  for (gsize cut = 0; cut < sizeof text - 1; cut++)
    refuse(text, (gssize)cut);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/json/members", test_members);
  g_test_add_func("/json/control-characters", test_control_characters);
  g_test_add_func("/json/one-line", test_one_line);
  g_test_add_func("/json/locale", test_locale);
  g_test_add_func("/json/parse", test_parse);
  g_test_add_func("/json/not-json", test_not_json);
  g_test_add_func("/json/depth", test_depth);
  g_test_add_func("/json/hidden-depth", test_hidden_depth);
  g_test_add_func("/json/not-utf8", test_not_utf8);
  g_test_add_func("/json/truncated", test_truncated);
  return g_test_run();
}
