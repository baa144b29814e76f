#include "classify/prompt_template.h"

#include "core/scratch.h"

#include <string.h>

/* The least that a template must have. */
#define LEAST "{classes}\n{image part}\n"

typedef struct {
  VelmClasses *classes;
  GArray *images;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
  f->classes = velm_classes_new();
  f->classes->object = g_strdup("steel bracket");
  f->classes->normal = g_strdup("  A bracket with {two} round holes.\n");
  f->classes->strategy = g_strdup("First the holes, then the edge.");
  velm_classes_add(f->classes, "deep_scratch", "deep scratch", "a line that catches a fingernail");
  velm_classes_add(f->classes, "rust", NULL, NULL);
  f->images = g_array_new(FALSE, FALSE, sizeof(VelmPromptImage));
}

static void tear_down(Fixture *f, gconstpointer data) {
  velm_classes_free(f->classes);
  g_array_unref(f->images);
}

static VelmPromptTemplate *parse(const char *text) {
  g_autoptr(GError) error = NULL;
  VelmPromptTemplate *wording = velm_prompt_template_parse(text, strlen(text), "my.txt", &error);
  g_assert_no_error(error);
  g_assert_nonnull(wording);
  return wording;
}

static char *fill_with(Fixture *f, const VelmPromptTemplate *wording, VelmPromptContent content) {
  content.classes = f->classes;
  g_array_set_size(f->images, 0);
  return velm_prompt_template_fill(wording, &content, f->images);
}

static char *fill(Fixture *f, const char *text, int conditions) {
  g_autoptr(VelmPromptTemplate) wording = parse(text);
  return fill_with(f, wording, (VelmPromptContent){.conditions = conditions});
}

static void check_image(Fixture *f, guint i, VelmPromptImageKind kind, guint index) {
  g_assert_cmpuint(i, <, f->images->len);
  const VelmPromptImage *image = &g_array_index(f->images, VelmPromptImage, i);
  g_assert_cmpint(image->kind, ==, kind);
  g_assert_cmpuint(image->index, ==, index);
}

/* ---- velm's own wording ---- */

/* The wording once more, so that nobody changes what models are asked without noticing: figures
 * that were measured with one wording do not hold for another. */
static const struct {
  int needs;
  const char *text;
} own_wording[] = {
    {0,
     "You are a visual inspector in a factory. The product is: {object}. An anomaly detector has "
     "marked something on one part as unusual. Say which class of defect it is, by the "
     "descriptions below and by what the images show."},
    {0, "\n\nThe images, in the order in which they are attached:"},
    {VELM_PROMPT_REFERENCE | VELM_PROMPT_ALIGNED,
     "\n- Image {image} is the reference: the same part without any defect, in the same position."},
    {VELM_PROMPT_REFERENCE | VELM_PROMPT_ANOTHER,
     "\n- Image {image} is the reference: another part of the same product, without any defect."},
    {0, "\n- Image {image} is the part to classify."},
    {VELM_PROMPT_VISUAL,
     "\n- Image {image} is that part again, with what the detector marked outlined in red. The red "
     "line was drawn afterwards and is no defect. It shows where to look; its course may be "
     "inexact."},
    {VELM_PROMPT_NORMAL, "\n\nA normal part:\nA bracket with {two} round holes."},
    {0, "\n\nThe classes (key: name - description):\n- deep_scratch: deep scratch"},
    {VELM_PROMPT_ANOMALIES, " - a line that catches a fingernail"},
    {0, "\n- rust: rust"},
    {VELM_PROMPT_LACKS_GOOD,
     "\n- good: nothing is wrong with the part; the detector raised a false alarm"},
    {VELM_PROMPT_LACKS_NONE,
     "\n- none of these: there is a defect, but it fits none of the other classes"},
    {VELM_PROMPT_STRATEGY, "\n\nHow to decide:\nFirst the holes, then the edge."},
    {0,
     "\n\nAnswer with one JSON object and nothing else: {\"class\": the key of one class, exactly "
     "as it is written above, \"reason\": one short sentence that says what you see}. Where no "
     "class fits, the class is \"none of these\"; do not guess."},
};

static char *expected_wording(int conditions) {
  GString *text = g_string_new(NULL);
  int image = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(own_wording); i++) {
    if ((own_wording[i].needs & conditions) != own_wording[i].needs)
      continue;
    g_autofree char *number = g_strdup_printf("%d", image + 1);
    image += strstr(own_wording[i].text, "{image}") != NULL;
    g_string_append(text, own_wording[i].text);
    g_string_replace(text, "{image}", number, 0);
    g_string_replace(text, "{object}", "steel bracket", 0);
  }
  return g_string_free(text, FALSE);
}

static void test_own_wording(Fixture *f, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmPromptTemplate) own = velm_prompt_template_default(&error);
  g_assert_no_error(error);
  static const int places[] = {VELM_PROMPT_ALIGNED, VELM_PROMPT_ANOTHER};
  static const int lacks[] = {0, VELM_PROMPT_LACKS_GOOD, VELM_PROMPT_LACKS_NONE,
                              VELM_PROMPT_LACKS_GOOD | VELM_PROMPT_LACKS_NONE};
  for (int parts = 0; parts <= VELM_PROMPT_ALL; parts++)
    for (gsize i = 0; i < G_N_ELEMENTS(places) * G_N_ELEMENTS(lacks); i++) {
      int conditions = parts | places[i % 2] | lacks[i / 2];
      g_autofree char *expected = expected_wording(conditions);
      VelmPromptContent content = {.conditions = conditions | VELM_PROMPT_OUTLINED};
      g_autofree char *text = fill_with(f, own, content);
      g_assert_cmpstr(text, ==, expected);
    }
}

static void test_own_extras(Fixture *f, gconstpointer data) {
  g_autoptr(VelmPromptTemplate) own = velm_prompt_template_default(NULL);
  const VelmClass *examples[] = {f->classes->classes->pdata[0], f->classes->classes->pdata[1]};
  const VelmPromptPlace places[] = {{10, 20}, {70, 90}};
  VelmPromptContent content = {.conditions = VELM_PROMPT_VISUAL | VELM_PROMPT_AGAIN,
                               .places = places,
                               .n_places = 2,
                               .examples = examples,
                               .n_examples = 2};
  g_assert_true(velm_prompt_template_has_crops(own));
  g_autofree char *text = fill_with(f, own, content);
  g_assert_nonnull(
      strstr(text, "\n- Image 1 is an example of the class deep_scratch (deep scratch)"));
  g_assert_nonnull(strstr(text, "\n- Image 2 is an example of the class rust (rust)"));
  g_assert_nonnull(strstr(text, "\n- Image 3 is the part to classify.\n- Image 4 is a close view"));
  g_assert_nonnull(
      strstr(text, "place 1, whose centre is at 10 % of the part's width and 20 % of"));
  g_assert_nonnull(
      strstr(text, "place 2, whose centre is at 70 % of the part's width and 90 % of"));
  g_assert_null(strstr(text, "is that part again"));
  g_assert_true(g_str_has_suffix(text,
                                 "\n\nAn earlier answer to this could not be used: it was no "
                                 "such JSON object, or its class is none of the keys above."));
  g_assert_cmpuint(f->images->len, ==, 5);
  check_image(f, 1, VELM_PROMPT_IMAGE_EXAMPLE, 1);
  check_image(f, 4, VELM_PROMPT_IMAGE_CROP, 1);
}

/* ---- the user's wording ---- */

static void test_fields(Fixture *f, gconstpointer data) {
  g_autofree char *text =
      fill(f,
           "// a note\n{object}: {classes}.\n[[ND]]\n{normal}|\n[[end]]\n  [[ CS ]]  \n{strategy}\n"
           "[[end]]\nImage {image part}\n\n",
           VELM_PROMPT_ALL);
  g_assert_cmpstr(text, ==,
                  "steel bracket: - deep_scratch: deep scratch - a line that catches a fingernail\n"
                  "- rust: rust.\nA bracket with {two} round holes.|\n"
                  "First the holes, then the edge.\nImage 1");
  g_clear_pointer(&f->classes->object, g_free);
  g_autofree char *unnamed = fill(f, "{object}\n" LEAST, 0);
  g_assert_true(g_str_has_prefix(unnamed, "a manufactured part\n"));
}

/* Braces that are no fields, and brackets in a line, stay. */
static void test_literal(Fixture *f, gconstpointer data) {
  static const char kept[] =
      "{\"class\": \"x\"} {} {1} { object } {a, b} [[1,2]] a{ // no comment {";
  g_autofree char *template = g_strconcat("x ", kept, "\n" LEAST, NULL);
  g_autofree char *text = fill(f, template, 0);
  g_autofree char *expected = g_strconcat("x ", kept, "\n", NULL);
  g_assert_true(g_str_has_prefix(text, expected));
}

/* The text decides the order of the images, and which there are. */
static void test_image_order(Fixture *f, gconstpointer data) {
  static const char template[] =
      "[[VP]]\nmarked: {image outlined}\n[[end]]\npart: {image part}\n"
      "[[VP]]\nagain {image outlined}, {image part}\n[[end]]\n{classes}\n";
  int all = VELM_PROMPT_ALL | VELM_PROMPT_OUTLINED | VELM_PROMPT_ANOTHER;
  g_autofree char *text = fill(f, template, all);
  g_assert_true(g_str_has_prefix(text, "marked: 1\npart: 2\nagain 1, 2\n"));
  g_assert_cmpuint(f->images->len, ==, 2);
  check_image(f, 0, VELM_PROMPT_IMAGE_OUTLINED, 0);
  check_image(f, 1, VELM_PROMPT_IMAGE_PART, 0);
  g_autofree char *plain = fill(f, template, all & ~VELM_PROMPT_VISUAL);
  g_assert_true(g_str_has_prefix(plain, "part: 1\n- deep_scratch"));
  g_assert_cmpuint(f->images->len, ==, 1);
}

static void test_nested(Fixture *f, gconstpointer data) {
  static const char template[] = LEAST "[[RI]]\nreference {image reference}\n[[RI aligned]]\nsame\n"
                                       "[[end]]\n[[VP]]\nboth {image outlined}\n[[end]]\n[[end]]\n"
                                       "[[crops]]\ncrop {region}\n[[AD]]\ntold\n[[end]]\n[[end]]\n";
  g_autoptr(VelmPromptTemplate) wording = parse(template);
  const VelmPromptPlace places[] = {{1, 2}, {3, 4}};
  static const struct {
    int conditions;
    guint n_places;
    const char *ending;
  } cases[] = {
      {0, 0, "\n1"},
      {VELM_PROMPT_ALIGNED, 0, "\n1"},
      {VELM_PROMPT_REFERENCE | VELM_PROMPT_ALIGNED, 0, "\nreference 2\nsame"},
      {VELM_PROMPT_REFERENCE | VELM_PROMPT_VISUAL | VELM_PROMPT_OUTLINED, 0,
       "\nreference 2\nboth 3"},
      {VELM_PROMPT_VISUAL, 2, "\n1\ncrop 1\ncrop 2"},
      {VELM_PROMPT_ANOMALIES, 2, "\n1\ncrop 1\ntold\ncrop 2\ntold"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    VelmPromptContent content = {
        .conditions = cases[i].conditions, .places = places, .n_places = cases[i].n_places};
    g_autofree char *text = fill_with(f, wording, content);
    if (!g_str_has_suffix(text, cases[i].ending))
      g_error("case %" G_GSIZE_FORMAT ": %s", i, text);
  }
}

/* As Windows editors write it. */
static void test_line_ends(Fixture *f, gconstpointer data) {
  g_autofree char *text = fill(
      f, "\xEF\xBB\xBF// note\r\n{image part}\r\n[[ND]]\r\n{normal}\r\n[[end]]\r\n{classes}\r\n",
      VELM_PROMPT_NORMAL);
  g_assert_cmpstr(
      text, ==, "1\nA bracket with {two} round holes.\n- deep_scratch: deep scratch\n- rust: rust");
}

static void test_japanese(Fixture *f, gconstpointer data) {
  g_free(f->classes->object);
  f->classes->object = g_strdup("鋼製ブラケット");
  g_free(f->classes->normal);
  f->classes->normal = g_strdup("　丸穴が二つある。");
  velm_classes_add(f->classes, "さび", "錆", "茶色の斑点");
  g_autofree char *text =
      fill(f,
           "// 検査\n製品：{object}（画像{image part}）\n[[ND]]\n正常：{normal}\n"
           "[[end]]\n[[lacks good]]\n- good：異常なし\n[[end]]\n分類：\n{classes}\n",
           VELM_PROMPT_NORMAL | VELM_PROMPT_ANOMALIES | VELM_PROMPT_LACKS_GOOD);
  g_assert_cmpstr(
      text, ==,
      "製品：鋼製ブラケット（画像1）\n正常：　丸穴が二つある。\n- good：異常なし\n分類：\n"
      "- deep_scratch: deep scratch - a line that catches a fingernail\n- rust: rust\n"
      "- さび: 錆 - 茶色の斑点");
}

/* ---- what is refused ---- */

static const struct {
  const char *text, *message;
} wrong[] = {
    {"", "my.txt: lacks {classes}, outside of all blocks"},
    {"{image part}\n", "my.txt: lacks {classes}"},
    {"{classes}\n", "my.txt: lacks {image part}"},
    {"[[AD]]\n{classes}\n[[end]]\n{image part}\n", "my.txt: lacks {classes}"},
    {"[[crops]]\n{image part}\n[[end]]\n{classes}\n", "my.txt: lacks {image part}"},
    {LEAST "{clases}\n", "my.txt:3: unknown field {clases}; did you mean {classes}?"},
    {LEAST "{frobnication}\n", "my.txt:3: unknown field {frobnication}; there are: {object}"},
    {LEAST "{製品}\n", "my.txt:3: unknown field {製品}"},
    {LEAST "{Object}\n", "my.txt:3: unknown field {Object}; did you mean {object}?"},
    {LEAST "a {object\nb}\n", "my.txt:3: a field is not closed: \"{object\""},
    {LEAST "[[RI alined]]\n[[end]]\n", "my.txt:3: unknown block [[RI alined]]; did you mean [[RI "},
    {LEAST "[[]]\n", "my.txt:3: unknown block [[]]"},
    {LEAST "[[VP\n[[end]]\n", "my.txt:3: a block begins with [[NAME]] on a line of its own, not"},
    {LEAST "[[\n", "my.txt:3: a block begins with"},
    {LEAST "[[VP]] text\n[[end]]\n", "my.txt:3: a block begins with [[NAME]] on a line of its own"},
    {LEAST "text [[VP]]\n[[end]]\n", "my.txt:3: [[VP]] must stand on a line of its own"},
    {LEAST "[[VP]]\ntext [[end]]\n", "my.txt:4: [[end]] must stand on a line of its own"},
    {LEAST "[[end]]\n", "my.txt:3: [[end]] without a block that it ends"},
    {LEAST "[[VP]]\n[[ND]]\n[[end]]\n", "my.txt:3: [[VP]] is not ended by [[end]]"},
    {LEAST "[[crops]]\n[[examples]]\n", "my.txt:4: [[examples]] cannot stand inside [[crops]]"},
    {LEAST "{normal}\n", "my.txt:3: {normal} has a value only in the block [[ND]]"},
    {LEAST "{strategy}\n", "only in the block [[CS]]"},
    {LEAST "[[RI]]\n{image outlined}\n[[end]]\n", "my.txt:4: {image outlined} has a value only in"},
    {LEAST "{image reference}\n", "[[RI]], [[RI aligned]] or [[RI another]]"},
    {LEAST "[[examples]]\n{region}\n[[end]]\n", "only in the block [[crops]]"},
    {LEAST "{image crop}\n", "only in the block [[crops]]"},
    {LEAST "[[crops]]\n{key}\n[[end]]\n", "only in the block [[examples]]"},
    {LEAST "\n\n\xFFz\n", "my.txt:5: is not UTF-8 text"},
};

static void test_refused(Fixture *f, gconstpointer data) {
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(VelmPromptTemplate) wording =
        velm_prompt_template_parse(wrong[i].text, strlen(wrong[i].text), "my.txt", &error);
    g_assert_null(wording);
    g_assert_error(error, VELM_ERROR, VELM_ERROR_SPEC);
    if (!strstr(error->message, wrong[i].message) || strchr(error->message, '\n'))
      g_error("\"%s\" does not say \"%s\"", error->message, wrong[i].message);
  }
}

static void test_zero_byte(Fixture *f, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  static const char text[] = LEAST "\0rest";
  g_assert_null(velm_prompt_template_parse(text, sizeof text - 1, "my.txt", &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_SPEC);
}

/* ---- files ---- */

static void refuse_file(const char *path, VelmError code, const char *message) {
  g_autoptr(GError) error = NULL;
  g_assert_null(velm_prompt_template_load(path, &error));
  g_assert_error(error, VELM_ERROR, (int)code);
  g_assert_nonnull(strstr(error->message, message));
  g_assert_nonnull(strstr(error->message, path));
}

static void test_files(Fixture *f, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  char *folder = scratch_new();
  g_autofree char *good = scratch_write(folder, "good.txt", LEAST, strlen(LEAST));
  g_autoptr(VelmPromptTemplate) wording = velm_prompt_template_load(good, &error);
  g_assert_no_error(error);
  g_assert_nonnull(wording);
  g_assert_false(velm_prompt_template_has_crops(wording));
  g_autofree char *bad = scratch_write(folder, "bad.txt", "{x}", 3);
  refuse_file(bad, VELM_ERROR_SPEC, ":1: unknown field {x}");
  g_autofree char *missing = g_build_filename(folder, "missing.txt", NULL);
  refuse_file(missing, VELM_ERROR_FILE, "missing.txt");
  gsize size = VELM_PROMPT_TEMPLATE_MAX_BYTES + 1;
  g_autofree char *much = g_malloc(size);
  memset(much, 'x', size);
  memcpy(much, LEAST, strlen(LEAST));
  g_autofree char *large = scratch_write(folder, "large.txt", much, size);
  refuse_file(large, VELM_ERROR_SPEC, "is larger than 256 KiB");
  scratch_remove(folder);
}

#define ADD(name, function)                                                                        \
  g_test_add("/prompt-template/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("own-wording", test_own_wording);
  ADD("own-extras", test_own_extras);
  ADD("fields", test_fields);
  ADD("literal", test_literal);
  ADD("image-order", test_image_order);
  ADD("nested", test_nested);
  ADD("line-ends", test_line_ends);
  ADD("japanese", test_japanese);
  ADD("refused", test_refused);
  ADD("zero-byte", test_zero_byte);
  ADD("files", test_files);
  return g_test_run();
}
