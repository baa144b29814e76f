#include "classify/context_examples.h"

#include "core/scratch.h"

#include <string.h>

#define SIDE 100

/* A labelled image of one level of grey, which a JPEG moves by little. */
typedef struct {
  const char *label, *part;
  guint8 level;
  int mask_y; /* first row of a mask of ten rows; NO_MASK; EMPTY_MASK */
} Labelled;

#define NO_MASK -1
#define EMPTY_MASK -2

typedef struct {
  char *folder;
  GPtrArray *samples; /* of VelmSample */
  VelmModel *model;
  GError *error;
} Fixture;

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->folder = scratch_new();
  f->samples = g_ptr_array_new();
  f->model = velm_model_new();
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  for (guint i = 0; i < f->samples->len; i++) {
    VelmSample *sample = f->samples->pdata[i];
    g_free(sample->path);
    g_free(sample->mask);
    g_free(sample);
  }
  g_ptr_array_unref(f->samples);
  velm_model_free(f->model);
  scratch_remove(f->folder);
  g_clear_error(&f->error);
}

/* ---- images ---- */

static char *write_image(Fixture *f, const VelmImage *image, const char *kind) {
  g_autoptr(GBytes) png = velm_image_to_png(image, NULL);
  g_autofree char *name = g_strdup_printf("%u-%s.png", f->samples->len, kind);
  return scratch_write(f->folder, name, g_bytes_get_data(png, NULL), g_bytes_get_size(png));
}

static char *write_mask(Fixture *f, int y) {
  g_autoptr(VelmImage) mask = velm_image_new(SIDE, SIDE);
  if (y >= 0)
    memset(mask->pixels + (gsize)y * SIDE * 3, 255, (gsize)10 * SIDE * 3);
  return write_image(f, mask, "mask");
}

static VelmSample *add_image(Fixture *f, const char *label, const char *part,
                             const VelmImage *image) {
  VelmSample *sample = g_new0(VelmSample, 1);
  sample->path = write_image(f, image, "image");
  sample->label = (char *)label;
  sample->group = (char *)part;
  g_ptr_array_add(f->samples, sample);
  return sample;
}

static void add(Fixture *f, const Labelled *labelled, gsize n) {
  for (gsize i = 0; i < n; i++) {
    g_autoptr(VelmImage) image = velm_image_new(SIDE, SIDE);
    memset(image->pixels, labelled[i].level, (gsize)SIDE * SIDE * 3);
    VelmSample *sample = add_image(f, labelled[i].label, labelled[i].part, image);
    if (labelled[i].mask_y != NO_MASK)
      sample->mask = write_mask(f, labelled[i].mask_y);
  }
}

/* ---- a detector that always marks the twenty lowest rows ---- */

static gboolean detect(G_GNUC_UNUSED VelmDetector *detector, VelmInspection *inspection,
                       G_GNUC_UNUSED GError **error) {
  inspection->map = velm_plane_new(SIDE, SIDE);
  for (int i = 80 * SIDE; i < SIDE * SIDE; i++)
    inspection->map->values[i] = 1;
  inspection->score = 1;
  inspection->threshold = inspection->region_threshold = 0.5;
  return TRUE;
}

static const VelmDetectorClass lowest_rows = {.name = "lowest rows", .detect = detect};

static gboolean store(Fixture *f, const char *const *keys) {
  VelmDetector detector = {&lowest_rows};
  return velm_context_examples_store(f->model, &detector, f->samples, keys, NULL, &f->error);
}

/* ---- what is shown ---- */

/* The class, the part's level of grey and the outline's first red row of an example. */
typedef struct {
  const char *key;
  int level, first_red;
} Shown;

static int first_red_row(const VelmImage *image) {
  for (int y = 0; y < image->height; y++) {
    const guint8 *pixel = image->pixels + ((gsize)y * (gsize)image->width + 200) * 3;
    if (pixel[0] > 200 && pixel[1] < 80 && pixel[2] < 80)
      return y;
  }
  return -1;
}

static void check_one(const VelmPromptExample *example, const Shown *expected) {
  g_autoptr(VelmImage) image = velm_image_parse(example->jpeg, "example", NULL);
  g_assert_nonnull(image);
  g_assert_cmpint(image->width, ==, VELM_PROMPT_IMAGE_SIZE);
  g_assert_cmpint(image->height, ==, VELM_PROMPT_IMAGE_SIZE);
  g_assert_cmpstr(example->class_key, ==, expected->key);
  g_assert_cmpint(ABS(image->pixels[0] - expected->level), <=, 3);
  g_assert_cmpint(ABS(first_red_row(image) - expected->first_red), <=, 1);
}

static void check_shown(Fixture *f, guint per_class, const char *part, const Shown *expected,
                        gsize n) {
  g_autoptr(VelmContextExamples) examples =
      velm_context_examples_open(f->model, per_class, &f->error);
  g_assert_no_error(f->error);
  g_autoptr(GArray) list = velm_context_examples_list(examples, part);
  g_assert_cmpuint(list->len, ==, n);
  for (guint i = 0; i < n; i++)
    check_one(&g_array_index(list, VelmPromptExample, i), &expected[i]);
}

/* ---- tests ---- */

static const char *const both[] = {"rust", "dent", NULL};

/* "p" has two views of its rust: the second is taken when there is no third part. */
static const Labelled products[] = {
    {"rust", "p", 100, 20}, {"other", "x", 10, 20}, {"rust", "p", 110, 30},
    {"rust", "q", 120, 40}, {"dent", "r", 130, 50}, {"dent", "p", 140, NO_MASK},
    {"dent", "s", 150, 60}, {"dent", "t", 160, 70}, {"rust", "p", 170, 10},
};

/* The line, two pixels wide, leaves one pixel free. */
#define RED(row) ((int)((row)*VELM_PROMPT_IMAGE_SIZE / 100.0) - 3)

static const Shown kept[] = {
    {"rust", 100, RED(20)}, {"dent", 130, RED(50)}, {"rust", 120, RED(40)},
    {"dent", 140, RED(80)}, {"rust", 110, RED(30)}, {"dent", 150, RED(60)},
};

static void test_round_trip(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  add(f, products, G_N_ELEMENTS(products));
  g_assert_true(store(f, both));
  check_shown(f, 1, NULL, kept, 2);
  check_shown(f, 2, NULL, kept, 4);
  g_autoptr(GBytes) file = velm_model_serialise(f->model);
  velm_model_free(f->model);
  f->model = velm_model_parse(file, "file", &f->error);
  g_assert_no_error(f->error);
  check_shown(f, 100, NULL, kept, G_N_ELEMENTS(kept));
}

static void test_part_left_out(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  const Shown without_p[] = {kept[1], kept[2], kept[5]};
  add(f, products, G_N_ELEMENTS(products));
  g_assert_true(store(f, both));
  check_shown(f, 3, "p", without_p, G_N_ELEMENTS(without_p));
  check_shown(f, 3, "nobody", kept, G_N_ELEMENTS(kept));
}

static void test_empty_mask(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const keys[] = {"rust", NULL};
  const Labelled one = {"rust", "p", 100, EMPTY_MASK};
  const Shown shown = {"rust", 100, RED(80)};
  add(f, &one, 1);
  g_assert_true(store(f, keys));
  check_shown(f, 1, NULL, &shown, 1);
}

/* Nothing of what an earlier teaching left stays. */
static void test_taught_again(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const keys[] = {"other", NULL};
  const Shown other = {"other", 10, RED(20)};
  add(f, products, G_N_ELEMENTS(products));
  g_assert_true(store(f, both));
  g_assert_true(velm_model_has(f->model, "context.jpeg.5"));
  g_assert_true(store(f, keys));
  check_shown(f, 3, NULL, &other, 1);
  g_assert_true(velm_model_has(f->model, "context.jpeg.0"));
  g_assert_false(velm_model_has(f->model, "context.jpeg.1"));
}

static void assert_as_it_was(Fixture *f, const char *name, GBytes *before) {
  g_autoptr(GBytes) now = velm_model_get_bytes(f->model, name, NULL);
  g_assert_true(g_bytes_equal(now, before));
}

/* What stays comes first and is not made anew; new ones fill the places that are free. */
static void test_taught_more(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const keys[] = {"rust", "dent", "other", NULL};
  static const Labelled more[] = {{"dent", "z", 200, 15}, {"other", "x", 10, 20}};
  const Shown merged[] = {{"rust", 100, RED(20)},
                          {"dent", 130, RED(50)},
                          {"other", 10, RED(20)},
                          {"rust", 110, RED(30)},
                          {"dent", 200, RED(15)}};
  VelmDetector detector = {&lowest_rows};
  g_autoptr(GPtrArray) staying = g_ptr_array_new_with_free_func((GDestroyNotify)velm_seen_free);
  g_ptr_array_add(staying, velm_seen_new("rust", "p"));
  g_ptr_array_add(staying, velm_seen_new("dent", "r"));
  g_ptr_array_add(staying, velm_seen_new("dent", "q")); /* q is rust there */
  add(f, products, G_N_ELEMENTS(products));
  g_assert_true(store(f, both));
  g_autoptr(GBytes) dent = velm_model_get_bytes(f->model, "context.jpeg.1", NULL);
  g_autoptr(GPtrArray) samples = g_ptr_array_new();
  add(f, more, G_N_ELEMENTS(more));
  for (guint i = 0; i < G_N_ELEMENTS(more); i++)
    g_ptr_array_add(samples, f->samples->pdata[G_N_ELEMENTS(products) + i]);
  g_assert_true(
      velm_context_examples_store(f->model, &detector, samples, keys, staying, &f->error));
  check_shown(f, 3, NULL, merged, G_N_ELEMENTS(merged));
  assert_as_it_was(f, "context.jpeg.1", dent);
}

/* To nothing, all are added; what is damaged is not passed over. */
static void test_taught_more_odd(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmDetector detector = {&lowest_rows};
  g_autoptr(GPtrArray) none = g_ptr_array_new();
  add(f, products, G_N_ELEMENTS(products));
  g_assert_true(
      velm_context_examples_store(f->model, &detector, f->samples, both, none, &f->error));
  check_shown(f, 3, NULL, kept, G_N_ELEMENTS(kept));
  velm_model_set_string(f->model, "context.jpeg.2", "text");
  g_assert_false(
      velm_context_examples_store(f->model, &detector, f->samples, both, none, &f->error));
  assert_failure(&f->error, VELM_ERROR_MODEL, "\"context.jpeg.2\"");
}

/* Noise does not compress: where there is no room for all, the last ranks are cut. */
static void test_room(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  enum { N_KEYS = 4 };
  static const char *const parts[] = {"a", "b", "c"};
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  g_auto(GStrv) keys = g_new0(char *, N_KEYS + 1);
  g_autoptr(VelmImage) noise = velm_image_new(VELM_PROMPT_IMAGE_SIZE, VELM_PROMPT_IMAGE_SIZE);
  for (gsize k = 0; k < (gsize)noise->width * (gsize)noise->height * 3; k++)
    noise->pixels[k] = (guint8)g_rand_int_range(random, 0, 256);
  for (guint i = 0; i < N_KEYS; i++) {
    keys[i] = g_strdup_printf("class %u", i);
    for (guint k = 0; k < G_N_ELEMENTS(parts); k++)
      add_image(f, keys[i], parts[k], noise)->mask = write_mask(f, 20);
  }
  g_assert_true(store(f, (const char *const *)keys));
  g_autoptr(GBytes) file = velm_model_serialise(f->model);
  g_assert_cmpuint(g_bytes_get_size(file), <, VELM_CONTEXT_EXAMPLES_MAX_BYTES + 100 * 1000);
  g_autofree const char **classes = velm_model_get_strv(f->model, "context.classes", NULL);
  g_assert_cmpuint(g_strv_length((char **)classes), >, N_KEYS);
  g_assert_cmpuint(g_strv_length((char **)classes), <, 3 * N_KEYS);
  for (guint i = 0; classes[i]; i++)
    g_assert_cmpstr(classes[i], ==, keys[i % N_KEYS]);
}

static void test_unreadable(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  const Labelled one = {"rust", "p", 100, 20};
  add(f, &one, 1);
  VelmSample *sample = f->samples->pdata[0];
  g_free(sample->path);
  sample->path = g_strdup("/nowhere/rust.png");
  g_assert_false(store(f, both));
  assert_failure(&f->error, VELM_ERROR_FILE, "/nowhere/rust.png");
}

static void refuse(Fixture *f, const char *text) {
  g_assert_null(velm_context_examples_open(f->model, 1, &f->error));
  assert_failure(&f->error, VELM_ERROR_MODEL, text);
}

static void test_none(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  check_shown(f, 0, NULL, NULL, 0);
  refuse(f, "no labelled examples to show a language model; run velm teach");
  velm_model_free(f->model);
  f->model = NULL;
  check_shown(f, 0, NULL, NULL, 0);
  refuse(f, "no labelled examples");
}

static void test_damaged(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const one[] = {"p", NULL}, *const empty[] = {NULL};
  g_autoptr(VelmImage) small = velm_image_new(8, 8);
  g_autoptr(GBytes) small_jpeg = velm_image_to_jpeg(small, 90, NULL);
  g_autoptr(GBytes) junk = g_bytes_new_static("no image", 8);
  add(f, products, G_N_ELEMENTS(products));
  g_assert_true(store(f, both));
  velm_model_set_bytes(f->model, "context.jpeg.4", small_jpeg);
  refuse(f, "\"context.jpeg.4\" cannot be used: it is not of the size");
  velm_model_set_bytes(f->model, "context.jpeg.3", junk);
  refuse(f, "\"context.jpeg.3\" cannot be used: ");
  velm_model_set_string(f->model, "context.jpeg.2", "text");
  refuse(f, "\"context.jpeg.2\" cannot be used: ");
  velm_model_remove_prefix(f->model, "context.jpeg.1");
  refuse(f, "\"context.jpeg.1\" cannot be used: ");
  velm_model_set_strv(f->model, "context.parts", one);
  refuse(f, "\"context.parts\" cannot be used: ");
  velm_model_remove_prefix(f->model, "context.parts");
  refuse(f, "context.parts");
  velm_model_set_strv(f->model, "context.parts", empty);
  velm_model_set_strv(f->model, "context.classes", empty);
  refuse(f, "\"context.parts\" cannot be used: ");
  velm_model_set_string(f->model, "context.classes", "rust");
  refuse(f, "context.classes");
}

#define ADD(name, function)                                                                        \
  g_test_add("/context-examples/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("round-trip", test_round_trip);
  ADD("part-left-out", test_part_left_out);
  ADD("empty-mask", test_empty_mask);
  ADD("taught-again", test_taught_again);
  ADD("taught-more", test_taught_more);
  ADD("taught-more-odd", test_taught_more_odd);
  ADD("room", test_room);
  ADD("unreadable", test_unreadable);
  ADD("none", test_none);
  ADD("damaged", test_damaged);
  return g_test_run();
}
