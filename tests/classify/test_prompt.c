#include "act/spec.h"
#include "classify/prompt_template.h"
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
  VelmPromptParams params = velm_prompt_params_default();
  params.parts = parts;
  params.reference = f->normal;
  VelmPrompt *prompt = velm_prompt_new(f->inspection, f->classes, &params, &error);
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

/* ---- what is shown ---- */

static VelmPrompt *build_with(Fixture *f, const VelmPromptParams *params) {
  GError *error = NULL;
  VelmPrompt *prompt = velm_prompt_new(f->inspection, f->classes, params, &error);
  g_assert_no_error(error);
  g_assert_nonnull(prompt);
  g_assert_cmpuint(prompt->images->len, ==, prompt->image_names->len);
  return prompt;
}

static VelmImage *image_at(const VelmPrompt *prompt, guint index, const char *name) {
  GError *error = NULL;
  g_assert_cmpuint(index, <, prompt->images->len);
  g_assert_cmpstr(prompt->image_names->pdata[index], ==, name);
  VelmImage *image = velm_image_parse(prompt->images->pdata[index], name, &error);
  g_assert_no_error(error);
  g_assert_cmpint(image->width, ==, VELM_PROMPT_IMAGE_SIZE);
  g_assert_cmpint(image->height, ==, VELM_PROMPT_IMAGE_SIZE);
  return image;
}

static void check_level(const VelmPrompt *prompt, guint index, const char *name, int level) {
  g_autoptr(VelmImage) image = image_at(prompt, index, name);
  g_assert_cmpint(ABS(image->pixels[0] - level), <=, 2);
}

static gsize count_red(const VelmImage *image) {
  gsize red = 0;
  for (gsize i = 0; i < (gsize)image->width * (gsize)image->height; i++) {
    const guint8 *p = image->pixels + 3 * i;
    red += p[0] > 200 && p[1] < 80 && p[2] < 80;
  }
  return red;
}

static gboolean is_red(const VelmImage *image, int x, int y) {
  const guint8 *p = image->pixels + 3 * ((gsize)y * (gsize)image->width + (gsize)x);
  return p[0] > 200 && p[1] < 80 && p[2] < 80;
}

/* A model with one normal image of level 200. */
static VelmModel *model_with_normal(void) {
  VelmModel *model = velm_model_new();
  static const float mean[] = {1};
  g_autoptr(VelmImage) image = flat_image(50, 50, 200);
  g_autoptr(GBytes) jpeg = velm_image_to_jpeg(image, 90, NULL);
  velm_model_set_bytes(model, "detector.normal_jpeg.0", jpeg);
  velm_model_set_floats(model, "detector.normal_means", mean, 1);
  return model;
}

/* The part's own, else the one given, else the model's. */
static void test_reference(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmPromptParams params = velm_prompt_params_default();
  g_autoptr(VelmModel) model = model_with_normal();
  g_autoptr(VelmReferenceImages) normal = velm_reference_images_open(model, NULL);
  g_autoptr(VelmPrompt) none = build_with(f, &params);
  g_assert_false(says(none, "is the reference"));
  params.normal_images = normal;
  g_autoptr(VelmPrompt) nearest = build_with(f, &params);
  check_level(nearest, 0, "reference", 200);
  g_assert_true(says(nearest, "another part of the same product"));
  params.reference = f->normal;
  g_autoptr(VelmPrompt) given = build_with(f, &params);
  check_level(given, 0, "reference", 30);
  f->inspection->reference = flat_image(300, 200, 77);
  g_autoptr(VelmPrompt) aligned = build_with(f, &params);
  check_level(aligned, 0, "reference", 77);
  g_assert_true(says(aligned, "the same part without any defect"));
}

/* Marks squares of side 10 at (20 + 60 i, 30). */
static void mark_regions(Fixture *f, int n) {
  f->inspection->mask = velm_mask_new(300, 200);
  for (int i = 0; i < n; i++) {
    VelmRegion region = {.x = 20 + 60 * i, .y = 30, .width = 10, .height = 10, .area = 100};
    g_array_append_val(f->inspection->regions, region);
    for (int y = 30; y < 40; y++)
      memset(f->inspection->mask->values + y * 300 + region.x, 255, 10);
  }
}

static void test_overview(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmPromptParams params = velm_prompt_params_default();
  mark_regions(f, 2);
  g_autoptr(VelmPrompt) prompt = build_with(f, &params);
  g_assert_cmpuint(prompt->images->len, ==, 2);
  check_level(prompt, 0, "part", 120);
  g_autoptr(VelmImage) outlined = image_at(prompt, 1, "outlined");
  /* Just above either region, and not where the focus alone would be outlined. */
  g_assert_true(is_red(outlined, 25 * 448 / 300, 30 * 448 / 200 - 3));
  g_assert_true(is_red(outlined, 85 * 448 / 300, 30 * 448 / 200 - 3));
  g_assert_false(is_red(outlined, 130 * 448 / 300, 80 * 448 / 200 - 3));
}

static void test_crops(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmPromptParams params = velm_prompt_params_default();
  params.regions = VELM_PROMPT_CROPS;
  mark_regions(f, 2);
  /* What is beside the region in the image is beside it in the crop. */
  memset(f->inspection->image->pixels, 10, 20 * 300 * 3);
  g_autoptr(VelmPrompt) prompt = build_with(f, &params);
  g_assert_cmpuint(prompt->images->len, ==, 3);
  g_assert_true(says(prompt, "Image 2 is a close view of that part"));
  g_assert_true(says(prompt, "place 1, whose centre is at 8 % of the part's width and 18 % of"));
  g_assert_true(says(prompt, "place 2, whose centre is at 28 % of the part's width and 18 % of"));
  g_assert_false(says(prompt, "Image 4"));
  for (guint i = 1; i < 3; i++) {
    g_autoptr(VelmImage) crop = image_at(prompt, i, "crop");
    /* A square of 60 pixels about the region: its top is 25 pixels below the crop's; the first is
     * moved into the image. */
    double scale = 448 / 60.0, x = i == 1 ? 25 : 30;
    g_assert_cmpint(crop->pixels[0], ==, 10);
    g_assert_true(is_red(crop, (int)(x * scale), (int)(25 * scale) - 2));
    g_assert_false(is_red(crop, (int)(x * scale), (int)(30 * scale)));
    g_assert_cmpuint(count_red(crop), >, 4 * (gsize)(10 * scale));
    g_assert_cmpuint(count_red(crop), <, 4 * (gsize)(20 * scale) * 2);
  }
}

static void test_crops_most(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmPromptParams params = velm_prompt_params_default();
  params.regions = VELM_PROMPT_CROPS;
  mark_regions(f, 5);
  g_autoptr(VelmPrompt) prompt = build_with(f, &params);
  g_assert_cmpuint(prompt->images->len, ==, 1 + VELM_PROMPT_MAX_CROPS);
  g_assert_true(says(prompt, "place 4,") && !says(prompt, "place 5,"));
  params.parts &= ~VELM_PROMPT_VISUAL;
  g_autoptr(VelmPrompt) without = build_with(f, &params);
  g_assert_cmpuint(without->images->len, ==, 1);
  g_assert_false(says(without, "outlined"));
}

/* At the edges, in an image smaller than the crop, and of a single pixel. */
static void test_crops_at_edges(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const VelmRegion regions[] = {{.x = 299, .y = 199, .width = 1, .height = 1},
                                       {.x = 0, .y = 0, .width = 1, .height = 1},
                                       {.x = 0, .y = 0, .width = 300, .height = 200},
                                       {.x = 0, .y = 150, .width = 300, .height = 2}};
  VelmPromptParams params = velm_prompt_params_default();
  params.regions = VELM_PROMPT_CROPS;
  f->inspection->mask = velm_mask_new(300, 200);
  g_array_append_vals(f->inspection->regions, regions, G_N_ELEMENTS(regions));
  g_autoptr(VelmPrompt) prompt = build_with(f, &params);
  g_assert_cmpuint(prompt->images->len, ==, 5);
  g_assert_true(says(prompt, "at 100 % of the part's width and 100 % of"));
}

/* Without regions of its own the overview stands in. */
static void test_crops_without_regions(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmPromptParams params = velm_prompt_params_default();
  params.regions = VELM_PROMPT_CROPS;
  g_autoptr(VelmPrompt) prompt = build_with(f, &params);
  g_assert_cmpuint(prompt->images->len, ==, 2);
  g_assert_cmpstr(prompt->image_names->pdata[1], ==, "outlined");
}

static void test_regions_by_name(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmPromptRegions regions = VELM_PROMPT_OVERVIEW;
  g_assert_true(velm_prompt_regions_find("crops", &regions));
  g_assert_cmpint(regions, ==, VELM_PROMPT_CROPS);
  g_assert_true(velm_prompt_regions_find("overview", &regions));
  g_assert_cmpint(regions, ==, VELM_PROMPT_OVERVIEW);
  g_assert_false(velm_prompt_regions_find("all", &regions));
}

static GBytes *flat_jpeg(guint8 level) {
  g_autoptr(VelmImage) image = flat_image(VELM_PROMPT_IMAGE_SIZE, VELM_PROMPT_IMAGE_SIZE, level);
  GBytes *jpeg = velm_prompt_encode(image, NULL);
  g_assert_nonnull(jpeg);
  return jpeg;
}

static void test_examples(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) a = flat_jpeg(41);
  g_autoptr(GBytes) b = flat_jpeg(42);
  g_autoptr(GBytes) c = flat_jpeg(43);
  const VelmPromptExample examples[] = {{"rust", a}, {"gone", a}, {"deep_scratch", b},
                                        {"rust", c}, {"good", c}, {"rust", b}};
  VelmPromptParams params = velm_prompt_params_default();
  params.examples = examples;
  params.n_examples = G_N_ELEMENTS(examples);
  g_autoptr(VelmPrompt) all = build_with(f, &params);
  g_assert_cmpuint(all->images->len, ==, 7);
  params.examples_per_class = 1;
  g_autoptr(VelmPrompt) one = build_with(f, &params);
  g_assert_cmpuint(one->images->len, ==, 5);
  g_assert_true(says(one, "Image 1 is an example of the class rust (rust)"));
  g_assert_true(says(one, "Image 2 is an example of the class deep_scratch (deep scratch)"));
  g_assert_true(says(one, "Image 3 is an example of the class good (good)"));
  g_assert_true(says(one, "Image 4 is the part to classify"));
  g_assert_cmpuint(count(one->text, "is an example"), ==, 3);
  check_level(one, 0, "example", 41);
  check_level(one, 1, "example", 42);
  check_level(one, 2, "example", 43);
  check_level(one, 3, "part", 120);
}

static void test_again(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmPromptParams params = velm_prompt_params_default();
  g_autoptr(VelmPrompt) first = build_with(f, &params);
  params.again = TRUE;
  g_autoptr(VelmPrompt) again = build_with(f, &params);
  g_assert_true(g_str_has_prefix(again->text, first->text));
  g_assert_false(says(first, "An earlier answer"));
  g_assert_true(says(again, "An earlier answer"));
}

/* ---- the wording ---- */

static VelmPromptTemplate *wording_of(const char *text) {
  GError *error = NULL;
  VelmPromptTemplate *wording = velm_prompt_template_parse(text, strlen(text), "my.txt", &error);
  g_assert_no_error(error);
  return wording;
}

/* The images follow the text: one that it does not name is not sent. */
static void test_own_template(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmPromptTemplate) wording =
      wording_of("Part {image part}.\n[[RI]]\nNormal {image reference}.\n[[end]]\n{classes}\n");
  VelmPromptParams params = velm_prompt_params_default();
  params.wording = wording;
  params.reference = f->normal;
  g_autoptr(VelmPrompt) prompt = build_with(f, &params);
  g_assert_true(g_str_has_prefix(prompt->text, "Part 1.\nNormal 2.\n- deep_scratch: "));
  g_assert_cmpuint(prompt->images->len, ==, 2);
  check_level(prompt, 0, "part", 120);
  check_level(prompt, 1, "reference", 30);
}

static void test_template_without_crops(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  GError *error = NULL;
  g_autoptr(VelmPromptTemplate) wording = wording_of("{image part} {classes}");
  VelmPromptParams params = velm_prompt_params_default();
  params.wording = wording;
  params.regions = VELM_PROMPT_CROPS;
  g_assert_null(velm_prompt_new(f->inspection, f->classes, &params, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_SPEC);
  g_assert_nonnull(strstr(error->message, "no block [[crops]]"));
  g_error_free(error);
}

/* A spec and a template in Japanese reach the request as they are. */
static void test_japanese(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char spec[] = "object: 鋼製ブラケット\n"
                             "normal: 丸穴が二つある。縁に欠けがない。\n"
                             "strategy: まず穴を、次に縁を見る。\n"
                             "classes:\n"
                             "  錆:\n    description: 茶色の斑点「さび」\n    severity: defect\n"
                             "  深い傷:\n    description: 爪が掛かる線\n    severity: defect\n";
  GError *error = NULL;
  g_autoptr(VelmSpec) read = velm_spec_parse(spec, strlen(spec), "spec.yaml", NULL, &error);
  g_assert_no_error(error);
  g_autoptr(VelmPromptTemplate) wording =
      wording_of("製品は{object}です。\n画像{image part}は検査対象です。\n[[VP]]\n画像{image "
                 "outlined}の赤線は検出"
                 "箇所です。\n[[end]]\n[[ND]]\n正常：{normal}\n[[end]]\n分類：\n{classes}\n[[CS]]"
                 "\n判定：{strategy}\n"
                 "[[end]]\n回答は{\"class\": 分類, \"reason\": 理由}のみ。\n");
  VelmPromptParams params = velm_prompt_params_default();
  params.wording = wording;
  g_autoptr(VelmPrompt) prompt =
      velm_prompt_new(f->inspection, velm_spec_get_classes(read), &params, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(prompt->text, ==,
                  "製品は鋼製ブラケットです。\n画像1は検査対象です。\n画像2の赤線は検出箇所です。\n"
                  "正常：丸穴が二つある。縁に欠けがない。\n分類：\n- 錆: 錆 - 茶色の斑点「さび」\n"
                  "- 深い傷: 深い傷 - 爪が掛かる線\n判定：まず穴を、次に縁を見る。\n"
                  "回答は{\"class\": 分類, \"reason\": 理由}のみ。");
  g_autofree char *request = velm_prompt_request(prompt, "m");
  g_assert_true(g_utf8_validate(request, -1, NULL));
  g_assert_nonnull(strstr(request, "\"enum\":[\"錆\",\"深い傷\",\"good\",\"none of these\"]"));
  g_assert_nonnull(strstr(request, "茶色の斑点「さび」"));
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
  static const char prefix[] = "data:image/jpeg;base64,";
  GError *error = NULL;
  g_autofree char *path = NULL;
  gsize size = 0;
  g_assert_true(g_str_has_prefix(url, prefix));
  g_autofree guchar *png = g_base64_decode(url + strlen(prefix), &size);
  g_assert_cmpuint(size, >, 8);
  g_assert_cmpmem(png, 3, "\xFF\xD8\xFF", 3);
  g_assert_cmpint(g_close(g_file_open_tmp("velm-test-XXXXXX", &path, NULL), NULL), ==, TRUE);
  g_assert_true(g_file_set_contents(path, (const char *)png, (gssize)size, NULL));
  VelmImage *image = velm_image_load(path, 0, &error);
  g_assert_no_error(error);
  g_unlink(path);
  return image;
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

static void test_request_options(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmPrompt) prompt = build(f, VELM_PROMPT_ALL);
  VelmPromptRequestParams params = velm_prompt_request_params_default("m");
  g_autofree char *plain = velm_prompt_request(prompt, "m");
  g_autofree char *same = velm_prompt_request_new(prompt, &params);
  g_assert_cmpstr(plain, ==, same);
  g_assert_nonnull(strstr(plain, "\"top_logprobs\":20,"));
  g_assert_nonnull(strstr(plain, "\"max_completion_tokens\":1024,"));
  params.top_logprobs = 0;
  g_autofree char *bare = velm_prompt_request_new(prompt, &params);
  g_assert_null(strstr(bare, "logprobs"));
  g_assert_null(strstr(bare, "maxLength"));
  params.max_reason = 300;
  g_autofree char *bounded = velm_prompt_request_new(prompt, &params);
  g_assert_nonnull(strstr(bounded, "\"reason\":{\"type\":\"string\",\"maxLength\":300}"));
  params.top_logprobs = 5;
  params.schema = FALSE;
  g_autofree char *text = velm_prompt_request_new(prompt, &params);
  g_autoptr(JsonNode) request = velm_json_parse(text, -1, "request", NULL);
  JsonObject *root = json_node_get_object(request);
  g_assert_true(json_object_get_boolean_member(root, "logprobs"));
  g_assert_cmpint(json_object_get_int_member(root, "top_logprobs"), ==, 5);
  g_assert_false(json_object_has_member(root, "response_format"));
  g_assert_cmpuint(json_array_get_length(content_of(request)), ==, 4);
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
  ADD("reference", test_reference);
  ADD("overview", test_overview);
  ADD("crops", test_crops);
  ADD("crops-most", test_crops_most);
  ADD("crops-at-edges", test_crops_at_edges);
  ADD("crops-without-regions", test_crops_without_regions);
  ADD("regions-by-name", test_regions_by_name);
  ADD("examples", test_examples);
  ADD("again", test_again);
  ADD("own-template", test_own_template);
  ADD("template-without-crops", test_template_without_crops);
  ADD("japanese", test_japanese);
  ADD("request", test_request);
  ADD("request-schema", test_request_schema);
  ADD("request-images", test_request_images);
  ADD("request-options", test_request_options);
  return g_test_run();
}
