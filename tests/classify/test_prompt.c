#include "classify/prompt.h"
#include "core/json.h"

#include <glib/gstdio.h>
#include <string.h>

typedef struct {
  VelmInspection *inspection;
  VelmClasses *classes;
  VelmImage *normal;
} Fixture;

static VelmImage *flat_image(int width, int height, guint8 level) {
  VelmImage *image = velm_image_new(width, height);
  memset(image->pixels, level, (gsize)width * (gsize)height * 3);
  return image;
}

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->inspection = velm_inspection_new("part.png");
  f->inspection->image = flat_image(300, 200, 120);
  f->inspection->focus = velm_mask_new(300, 200);
  for (int y = 80; y < 120; y++)
    memset(f->inspection->focus->values + y * 300 + 100, 255, 60);
  f->normal = flat_image(448, 448, 30);
  f->classes = velm_classes_new();
  f->classes->object = g_strdup("steel bracket");
  f->classes->normal = g_strdup("A bracket with two round holes.");
  f->classes->strategy = g_strdup("First look at the holes, then at the edge.");
  velm_classes_add(f->classes, "deep_scratch", "deep scratch", "a line that catches a fingernail");
  velm_classes_add(f->classes, "rust", NULL, "brown patches");
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_inspection_free(f->inspection);
  velm_classes_free(f->classes);
  velm_image_free(f->normal);
}

static VelmPrompt *build(Fixture *f, VelmPromptParts parts) {
  GError *error = NULL;
  VelmPrompt *prompt = velm_prompt_build(f->inspection, f->classes, f->normal, parts, &error);
  g_assert_no_error(error);
  g_assert_nonnull(prompt);
  return prompt;
}

static gboolean says(const VelmPrompt *prompt, const char *words) {
  return strstr(prompt->text, words) != NULL;
}

static guint count(const char *text, const char *words) {
  guint n = 0;
  for (const char *at = text; (at = strstr(at, words)); at += strlen(words))
    n++;
  return n;
}

/* ---- the text ---- */

static const struct {
  VelmPromptParts part;
  const char *words; /* that only this part brings */
  guint images;      /* that it brings */
} traits[] = {
    {VELM_PROMPT_REFERENCE, "is the reference", 1},
    {VELM_PROMPT_VISUAL, "outlined in red", 1},
    {VELM_PROMPT_NORMAL, "A bracket with two round holes.", 0},
    {VELM_PROMPT_ANOMALIES, "catches a fingernail", 0},
    {VELM_PROMPT_STRATEGY, "First look at the holes", 0},
};

static void test_all_parts(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmPrompt) prompt = build(f, VELM_PROMPT_ALL);
  for (gsize i = 0; i < G_N_ELEMENTS(traits); i++)
    g_assert_true(says(prompt, traits[i].words));
  g_assert_true(says(prompt, "steel bracket"));
  g_assert_true(says(prompt, "- deep_scratch: deep scratch - a line that catches a fingernail\n"));
  g_assert_true(says(prompt, "- rust: rust - brown patches\n"));
  g_assert_true(says(prompt, "- good: "));
  g_assert_true(says(prompt, "- none of these: "));
  g_assert_true(says(prompt, "Image 3 is that part again"));
  g_assert_false(says(prompt, "{object}") || says(prompt, "{image}") || says(prompt, "{classes}"));
  g_assert_cmpuint(prompt->images->len, ==, 3);
}

static void test_each_part_off(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  for (gsize off = 0; off < G_N_ELEMENTS(traits); off++) {
    g_autoptr(VelmPrompt) prompt = build(f, VELM_PROMPT_ALL & ~traits[off].part);
    for (gsize i = 0; i < G_N_ELEMENTS(traits); i++)
      g_assert_cmpint(says(prompt, traits[i].words), ==, i != off);
    g_assert_cmpuint(prompt->images->len, ==, 3 - traits[off].images);
    /* The classes themselves are in every prompt. */
    g_assert_true(says(prompt, "- deep_scratch: deep scratch"));
    g_assert_true(says(prompt, "- rust: rust"));
  }
}

static void test_images_are_counted(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmPrompt) prompt = build(f, VELM_PROMPT_ALL & ~VELM_PROMPT_REFERENCE);
  g_assert_true(says(prompt, "Image 1 is the part to classify"));
  g_assert_true(says(prompt, "Image 2 is that part again"));
  g_assert_false(says(prompt, "Image 3"));
}

static void test_missing_content(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_clear_pointer(&f->normal, velm_image_free);
  g_clear_pointer(&f->inspection->focus, velm_mask_free);
  g_clear_pointer(&f->classes->normal, g_free);
  g_free(f->classes->strategy);
  f->classes->strategy = g_strdup(" \n ");
  g_autoptr(VelmPrompt) prompt = build(f, VELM_PROMPT_ALL);
  g_assert_cmpuint(prompt->images->len, ==, 1);
  g_assert_false(says(prompt, "reference"));
  g_assert_false(says(prompt, "outlined"));
  g_assert_false(says(prompt, "A normal part:"));
  g_assert_false(says(prompt, "How to decide:"));
}

static void test_aligned_reference(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmPrompt) another = build(f, VELM_PROMPT_ALL);
  f->inspection->reference = flat_image(300, 200, 200);
  g_autoptr(VelmPrompt) aligned = build(f, VELM_PROMPT_ALL);
  g_assert_true(says(another, "another part"));
  g_assert_false(says(aligned, "another part"));
  g_assert_true(says(aligned, "in the same position"));
  g_assert_false(
      g_bytes_equal(g_ptr_array_index(another->images, 0), g_ptr_array_index(aligned->images, 0)));
}

static void test_descriptions_count(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmPrompt) before = build(f, VELM_PROMPT_ALL);
  VelmClass *rust = g_ptr_array_index(f->classes->classes, 1);
  g_free(rust->description);
  rust->description = g_strdup("orange bloom on {object}, {normal}");
  g_autoptr(VelmPrompt) after = build(f, VELM_PROMPT_ALL);
  g_assert_cmpstr(before->text, !=, after->text);
  /* Braces are the user's own: the template is filled once. */
  g_assert_true(says(after, "- rust: rust - orange bloom on {object}, {normal}\n"));
}

static void test_own_good_class(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_classes_add(f->classes, "good", "good", "as on the drawing");
  g_autoptr(VelmPrompt) prompt = build(f, VELM_PROMPT_ALL);
  const char *const expected[] = {"deep_scratch", "rust", "good", "none of these", NULL};
  g_assert_cmpuint(count(prompt->text, "\n- good: "), ==, 1);
  g_assert_true(says(prompt, "- good: good - as on the drawing"));
  g_assert_cmpstrv(prompt->answers, expected);
}

static void test_deterministic(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmPrompt) one = build(f, VELM_PROMPT_ALL);
  g_autoptr(VelmPrompt) two = build(f, VELM_PROMPT_ALL);
  g_autofree char *first = velm_prompt_request(one, "m");
  g_autofree char *second = velm_prompt_request(two, "m");
  g_assert_cmpstr(first, ==, second);
}

/* ---- the request ---- */

static JsonNode *request_of(Fixture *f, VelmPrompt **prompt) {
  GError *error = NULL;
  *prompt = build(f, VELM_PROMPT_ALL);
  g_autofree char *text = velm_prompt_request(*prompt, "some-model");
  JsonNode *root = velm_json_parse(text, -1, "request", &error);
  g_assert_no_error(error);
  return root;
}

static JsonArray *content_of(JsonNode *request) {
  JsonArray *messages = json_object_get_array_member(json_node_get_object(request), "messages");
  g_assert_cmpuint(json_array_get_length(messages), ==, 1);
  JsonObject *message = json_array_get_object_element(messages, 0);
  g_assert_cmpstr(json_object_get_string_member(message, "role"), ==, "user");
  return json_object_get_array_member(message, "content");
}

static void test_request(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmPrompt) prompt = NULL;
  g_free(f->classes->normal);
  f->classes->normal = g_strdup("Two \"round\" holes,\n\\5 mm, glänzend");
  g_autoptr(JsonNode) request = request_of(f, &prompt);
  JsonObject *root = json_node_get_object(request);
  g_assert_cmpstr(json_object_get_string_member(root, "model"), ==, "some-model");
  g_assert_true(json_object_has_member(root, "temperature"));
  g_assert_cmpfloat(json_object_get_double_member(root, "temperature"), ==, 0);
  JsonObject *text = json_array_get_object_element(content_of(request), 0);
  g_assert_cmpstr(json_object_get_string_member(text, "type"), ==, "text");
  g_assert_cmpstr(json_object_get_string_member(text, "text"), ==, prompt->text);
  g_assert_true(says(prompt, "Two \"round\" holes,\n\\5 mm, glänzend"));
}

static void test_request_schema(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const expected[] = {"deep_scratch", "rust", "good", "none of these"};
  g_autoptr(VelmPrompt) prompt = NULL;
  g_autoptr(JsonNode) request = request_of(f, &prompt);
  JsonObject *format =
      json_object_get_object_member(json_node_get_object(request), "response_format");
  g_assert_cmpstr(json_object_get_string_member(format, "type"), ==, "json_schema");
  JsonObject *named = json_object_get_object_member(format, "json_schema");
  g_assert_true(json_object_get_boolean_member(named, "strict"));
  JsonObject *schema = json_object_get_object_member(named, "schema");
  g_assert_true(json_object_has_member(schema, "additionalProperties"));
  g_assert_false(json_object_get_boolean_member(schema, "additionalProperties"));
  JsonObject *properties = json_object_get_object_member(schema, "properties");
  g_assert_cmpuint(json_object_get_size(properties), ==, 2);
  g_assert_cmpuint(json_array_get_length(json_object_get_array_member(schema, "required")), ==, 2);
  JsonArray *names =
      json_object_get_array_member(json_object_get_object_member(properties, "class"), "enum");
  g_assert_cmpuint(json_array_get_length(names), ==, G_N_ELEMENTS(expected));
  for (guint i = 0; i < G_N_ELEMENTS(expected); i++)
    g_assert_cmpstr(json_array_get_string_element(names, i), ==, expected[i]);
}

/* The image that a data URL holds, by way of a file. */
static VelmImage *decode(const char *url) {
  static const char prefix[] = "data:image/png;base64,";
  GError *error = NULL;
  g_autofree char *path = NULL;
  gsize size = 0;
  g_assert_true(g_str_has_prefix(url, prefix));
  g_autofree guchar *png = g_base64_decode(url + strlen(prefix), &size);
  g_assert_cmpuint(size, >, 8);
  g_assert_cmpmem(png, 4, "\x89PNG", 4);
  g_assert_cmpint(g_close(g_file_open_tmp("velm-test-XXXXXX", &path, NULL), NULL), ==, TRUE);
  g_assert_true(g_file_set_contents(path, (const char *)png, (gssize)size, NULL));
  VelmImage *image = velm_image_load(path, 0, &error);
  g_assert_no_error(error);
  g_unlink(path);
  return image;
}

static gsize count_red(const VelmImage *image) {
  gsize red = 0;
  for (gsize i = 0; i < (gsize)image->width * (gsize)image->height; i++) {
    const guint8 *p = image->pixels + 3 * i;
    red += p[0] > 200 && p[1] < 80 && p[2] < 80;
  }
  return red;
}

static void test_request_images(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const guint8 levels[] = {30, 120,
                                  120}; /* of the reference, the image, the outlined image */
  g_autoptr(VelmPrompt) prompt = NULL;
  g_autoptr(JsonNode) request = request_of(f, &prompt);
  JsonArray *content = content_of(request);
  g_assert_cmpuint(json_array_get_length(content), ==, 4);
  for (guint i = 0; i < 3; i++) {
    JsonObject *part = json_array_get_object_element(content, i + 1);
    g_assert_cmpstr(json_object_get_string_member(part, "type"), ==, "image_url");
    g_autoptr(VelmImage) image = decode(
        json_object_get_string_member(json_object_get_object_member(part, "image_url"), "url"));
    g_assert_cmpint(image->width, ==, 448);
    g_assert_cmpint(image->height, ==, 448);
    g_assert_cmpuint(image->pixels[0], ==, levels[i]);
    g_assert_cmpint(count_red(image) > 0, ==, i == 2);
  }
}

#define ADD(name, function) g_test_add("/prompt/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("all-parts", test_all_parts);
  ADD("each-part-off", test_each_part_off);
  ADD("images-are-counted", test_images_are_counted);
  ADD("missing-content", test_missing_content);
  ADD("aligned-reference", test_aligned_reference);
  ADD("descriptions-count", test_descriptions_count);
  ADD("own-good-class", test_own_good_class);
  ADD("deterministic", test_deterministic);
  ADD("request", test_request);
  ADD("request-schema", test_request_schema);
  ADD("request-images", test_request_images);
  return g_test_run();
}
