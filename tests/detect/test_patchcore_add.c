/* Adding good images to a fitted PatchCore. */
#include "core/file.h"
#include "core/networks.h"
#include "core/scratch.h"
#include "dataset/procedural.h"
#include "detect/detector.h"
#include "detect/normal_images.h"
#include "detect/quantile.h"

#include <string.h>

#define SIDE 96
#define N_TRAIN 8
#define N_NEW 3
#define FIRST_NEW 100

static char *folder, *network, *trained, *fresh;
static VelmModel *fitted;

static VelmFitParams small_params(void) {
  VelmFitParams params = velm_fit_params_default();
  params.backbone = network;
  params.layers = "eighth,eighth@3";
  params.size = 32;
  params.coreset = 0.25;
  return params;
}

static VelmImage *draw(guint part) {
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = SIDE;
  return velm_procedural_draw(&params, part, 0, NULL, NULL);
}

static char *write_folder(const char *name, guint first, guint n, const char *prefix) {
  g_autoptr(GError) error = NULL;
  char *directory = g_build_filename(folder, name, NULL);
  g_assert_true(velm_file_make_folder(directory, &error));
  for (guint part = first; part < first + n; part++) {
    g_autofree char *file = g_strdup_printf("%s%u.png", prefix, part);
    g_autoptr(VelmImage) image = draw(part);
    g_autoptr(GBytes) png = velm_image_to_png(image, &error);
    g_assert_no_error(error);
    g_free(scratch_write(directory, file, g_bytes_get_data(png, NULL), g_bytes_get_size(png)));
  }
  return directory;
}

/* Puts groups.csv into a folder of write_folder(): each image is a part of the name @part%u. */
static void write_groups(const char *directory, guint first, guint n, const char *prefix) {
  g_autoptr(GString) text = g_string_new("path,group\n");
  for (guint i = first; i < first + n; i++)
    g_string_append_printf(text, "%s%u.png,part%u\n", prefix, i, i);
  g_free(scratch_write(directory, "groups.csv", text->str, text->len));
}

static VelmModel *fit(const char *directory) {
  g_autoptr(GError) error = NULL;
  VelmFitParams params = small_params();
  VelmModel *model = velm_model_fit(directory, &params, &error);
  g_assert_no_error(error);
  return model;
}

static void add(VelmModel *model, const char *directory, VelmAddition *addition) {
  g_autoptr(GError) error = NULL;
  velm_addition_clear(addition);
  gboolean ok = velm_model_add_normal(model, directory, NULL, NULL, addition, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
}

static const float *floats(VelmModel *model, const char *name, gsize *n) {
  g_autoptr(GError) error = NULL;
  const float *values = velm_model_get_floats(model, name, 0, n, &error);
  g_assert_no_error(error);
  return values;
}

static double number(VelmModel *model, const char *name) {
  g_autoptr(GError) error = NULL;
  double value = 0;
  velm_model_get_double(model, name, &value, &error);
  g_assert_no_error(error);
  return value;
}

/* The score of a part that was drawn. */
static double score(VelmModel *model, guint part) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDetector) detector = velm_detector_open(model, &error);
  g_assert_no_error(error);
  g_autoptr(VelmInspection) inspection = velm_inspection_new("part.png");
  inspection->image = draw(part);
  g_assert_true(velm_detector_detect(detector, inspection, &error));
  return inspection->score;
}

static void assert_same(VelmModel *a, VelmModel *b) {
  g_autoptr(GBytes) x = velm_model_serialise(a);
  g_autoptr(GBytes) y = velm_model_serialise(b);
  g_assert_true(g_bytes_equal(x, y));
}

/* What was in the banks stays, and what joins makes the new parts nearer. */
static void test_banks_grow(void) {
  g_autoptr(VelmModel) model = velm_model_copy(fitted);
  g_auto(VelmAddition) addition = {0};
  double before = 0, after = 0;
  for (guint i = 0; i < N_NEW; i++)
    before += score(model, FIRST_NEW + i);
  add(model, fresh, &addition);
  for (guint i = 0; i < N_NEW; i++)
    after += score(model, FIRST_NEW + i);
  g_assert_cmpuint(addition.n_images, ==, N_NEW);
  g_assert_cmpuint(addition.n_known, ==, 0);
  g_assert_cmpuint(addition.n_layers, ==, 2);
  g_assert_false(addition.full);
  for (gsize i = 0; i < addition.n_layers; i++) {
    g_autofree char *name = g_strdup_printf("patchcore.bank.%" G_GSIZE_FORMAT, i);
    gsize n_old = 0, n = 0;
    const float *old = floats(fitted, name, &n_old), *bank = floats(model, name, &n);
    g_assert_cmpuint(n, ==, n_old + 3 * addition.patches[i]);
    g_assert_cmpmem(bank, n_old * sizeof(float), old, n_old * sizeof(float));
    g_assert_cmpuint(addition.patches[i], >, 0);
  }
  g_assert_cmpfloat(after, <, before);
}

/* No patch of an image that was added lies farther from the bank than fitting left patches. */
static void test_added_are_covered(void) {
  g_autoptr(VelmModel) model = velm_model_copy(fitted);
  g_auto(VelmAddition) addition = {0};
  add(model, fresh, &addition);
  double most = 0;
  for (int layer = 0; layer < 2; layer++) {
    g_autofree char *coverage = g_strdup_printf("patchcore.coverage.%d", layer);
    g_autofree char *typical = g_strdup_printf("patchcore.typical.%d", layer);
    most += number(model, coverage) / number(model, typical) / 2;
  }
  for (guint i = 0; i < N_NEW; i++)
    g_assert_cmpfloat(score(model, FIRST_NEW + i), <=, 1.02 * most);
}

/* The scores that join are those of the model that did not know the parts. */
static void test_threshold(void) {
  g_autoptr(VelmModel) model = velm_model_copy(fitted);
  g_auto(VelmAddition) addition = {0};
  add(model, fresh, &addition);
  gsize n_old = 0, n = 0;
  const float *old = floats(fitted, "patchcore.good_scores", &n_old);
  const float *scores = floats(model, "patchcore.good_scores", &n);
  g_assert_cmpuint(n, ==, n_old + N_NEW);
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += (double)scores[i];
  for (gsize i = 0; i < n_old; i++)
    sum -= (double)old[i];
  for (guint i = 0; i < N_NEW; i++)
    sum -= score(fitted, FIRST_NEW + i);
  g_assert_cmpfloat_with_epsilon(sum, 0, 1e-4);
  double threshold = number(model, "patchcore.threshold");
  g_assert_cmpfloat(threshold, ==, velm_upper_quantile(scores, n, 0.05));
  g_assert_cmpfloat(threshold, ==, addition.threshold);
  g_assert_cmpfloat(number(fitted, "patchcore.threshold"), ==, addition.threshold_before);
  gint64 images = 0, parts = 0;
  g_assert_true(velm_model_get_int(model, "patchcore.images", &images, NULL));
  g_assert_true(velm_model_get_int(model, "patchcore.parts", &parts, NULL));
  g_assert_cmpint(images, ==, N_TRAIN + N_NEW);
  g_assert_cmpint(parts, ==, N_TRAIN + N_NEW);
}

/* The same pixels under other names change nothing. */
static void test_twice(void) {
  g_autoptr(VelmModel) model = velm_model_copy(fitted);
  g_auto(VelmAddition) addition = {0};
  add(model, trained, &addition);
  g_assert_cmpuint(addition.n_images, ==, 0);
  g_assert_cmpuint(addition.n_known, ==, N_TRAIN);
  assert_same(model, fitted);
  add(model, fresh, &addition);
  g_autoptr(VelmModel) once = velm_model_copy(model);
  g_autofree char *renamed = write_folder("renamed", FIRST_NEW, N_NEW, "again");
  add(model, renamed, &addition);
  g_assert_cmpuint(addition.n_known, ==, N_NEW);
  g_assert_cmpuint(addition.patches[0] + addition.patches[1], ==, 0);
  assert_same(model, once);
}

/* Even where the model does not recognise an image, its patches are covered already. */
static void test_covered_patches_do_not_join(void) {
  g_autoptr(VelmModel) model = velm_model_copy(fitted);
  g_auto(VelmAddition) addition = {0};
  add(model, fresh, &addition);
  velm_model_set_strv(model, "patchcore.image_digests", (const char *const[]){NULL});
  add(model, fresh, &addition);
  g_assert_cmpuint(addition.n_images, ==, N_NEW);
  g_assert_cmpuint(addition.patches[0] + addition.patches[1], ==, 0);
}

/* Another image of a part that the bank knows says nothing about parts that are new. */
static void test_known_parts_do_not_count(void) {
  g_autofree char *first = write_folder("grouped", 0, N_TRAIN, "view");
  g_autofree char *second = write_folder("grouped_new", FIRST_NEW, N_NEW, "view");
  write_groups(first, 0, N_TRAIN, "view");
  /* One of the new images is of part 0. */
  g_autoptr(GString) text = g_string_new("path,group\n");
  for (guint i = 0; i < N_NEW; i++)
    g_string_append_printf(text, "view%u.png,part%u\n", FIRST_NEW + i, i ? FIRST_NEW + i : 0);
  g_free(scratch_write(second, "groups.csv", text->str, text->len));
  g_autoptr(VelmModel) model = fit(first);
  g_auto(VelmAddition) addition = {0};
  add(model, second, &addition);
  gsize n = 0;
  floats(model, "patchcore.good_scores", &n);
  g_assert_cmpuint(addition.n_images, ==, N_NEW);
  g_assert_cmpuint(addition.n_known_parts, ==, 1);
  g_assert_cmpuint(n, ==, N_TRAIN + N_NEW - 1);
  gint64 parts = 0;
  g_assert_true(velm_model_get_int(model, "patchcore.parts", &parts, NULL));
  g_assert_cmpint(parts, ==, N_TRAIN + N_NEW - 1);
}

static void test_rest_of_the_model_stays(void) {
  g_autoptr(VelmModel) model = velm_model_copy(fitted);
  g_auto(VelmAddition) addition = {0};
  g_autoptr(GError) error = NULL;
  velm_model_set_string(model, "spec.text", "taught");
  add(model, fresh, &addition);
  g_assert_cmpstr(velm_model_get_string(model, "spec.text", &error), ==, "taught");
  g_assert_cmpfloat(number(model, "patchcore.typical.0"), ==,
                    number(fitted, "patchcore.typical.0"));
  g_assert_cmpfloat(number(model, "patchcore.reference_threshold"), ==,
                    number(fitted, "patchcore.reference_threshold"));
}

/* There is room for the images among those that stand for what is normal. */
static void test_normal_images(void) {
  g_autoptr(VelmModel) model = velm_model_copy(fitted);
  g_auto(VelmAddition) addition = {0};
  g_autoptr(GError) error = NULL;
  velm_model_set_double(model, "patchcore.threshold", 1000);
  add(model, fresh, &addition);
  g_autoptr(VelmNormalImages) before = velm_normal_images_open(fitted, &error);
  g_autoptr(VelmNormalImages) after = velm_normal_images_open(model, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(after->images->len, ==,
                   MIN(before->images->len + N_NEW, VELM_NORMAL_IMAGES_MAX));
  /* The most typical one stays the first. */
  g_assert_cmpmem(after->means, after->channels * sizeof(float), before->means,
                  before->channels * sizeof(float));
}

/* Where all places are taken, one comes in for one of two that are alike. */
static void test_normal_images_are_replaced(void) {
  g_autoptr(VelmModel) model = velm_model_copy(fitted);
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(fresh, "new100.png", NULL);
  float means[VELM_NORMAL_IMAGES_MAX];
  g_autoptr(GBytes) jpeg = velm_model_get_bytes(model, "detector.normal_jpeg.0", &error);
  for (int i = 0; i < VELM_NORMAL_IMAGES_MAX; i++) {
    g_autofree char *name = g_strdup_printf("detector.normal_jpeg.%d", i);
    velm_model_set_bytes(model, name, jpeg);
    means[i] = 10.0f * (float)i;
  }
  means[5] = means[4] + 1;
  velm_model_set_floats(model, "detector.normal_means", means, VELM_NORMAL_IMAGES_MAX);
  VelmSample sample = {.path = path, .label = "good", .group = "new"};
  const float near = 9.5f, far = 500;
  VelmNormalCandidate candidates[] = {{&sample, &near, 1}, {&sample, &far, 1}};
  g_assert_true(velm_normal_images_extend(model, candidates, 2, 1, &error));
  gsize n = 0;
  const float *now = floats(model, "detector.normal_means", &n);
  g_assert_cmpuint(n, ==, VELM_NORMAL_IMAGES_MAX);
  for (gsize i = 0; i < n; i++)
    if (i == 4 || i == 5)
      g_assert_true((now[4] == far) != (now[5] == far));
    else
      g_assert_cmpfloat(now[i], ==, means[i]);
}

/* ---- what stops it ---- */

static void test_full_bank(void) {
  enum { ROWS = 6000 };
  g_autoptr(VelmModel) model = velm_model_copy(fitted);
  g_auto(VelmAddition) addition = {0};
  g_autofree float *rows = g_new0(float, 3 * ROWS);
  velm_model_set_floats(model, "patchcore.bank.0", rows, 3 * (ROWS - 1));
  velm_model_set_floats(model, "patchcore.bank.1", rows, 3 * ROWS);
  add(model, fresh, &addition);
  g_assert_true(addition.full);
  g_assert_cmpuint(addition.patches[0], ==, 1);
  g_assert_cmpuint(addition.patches[1], ==, 0);
}

static void refuse(VelmModel *model, const char *directory, VelmError code, const char *text) {
  g_autoptr(VelmModel) before = velm_model_copy(model);
  g_auto(VelmAddition) addition = {0};
  GError *error = NULL;
  g_assert_false(velm_model_add_normal(model, directory, NULL, NULL, &addition, &error));
  assert_failure(&error, code, text);
  assert_same(model, before);
  g_assert_cmpuint(addition.n_images, ==, 0);
  g_assert_null(addition.patches);
}

static void test_refused(void) {
  g_autoptr(VelmModel) old = velm_model_copy(fitted);
  velm_model_remove_prefix(old, "patchcore.false_alarms");
  refuse(old, fresh, VELM_ERROR_MODEL, "fit it again");
  g_autoptr(VelmModel) foreign = velm_model_copy(fitted);
  velm_model_set_string(foreign, "detector", "padim");
  refuse(foreign, fresh, VELM_ERROR_MODEL, "\"padim\"");
  g_autoptr(VelmModel) damaged = velm_model_copy(fitted);
  velm_model_set_double(damaged, "patchcore.false_alarms", 7);
  refuse(damaged, fresh, VELM_ERROR_MODEL, "false alarms");
  g_autoptr(VelmModel) uneven = velm_model_copy(fitted);
  velm_model_remove_prefix(uneven, "patchcore.coverage.1");
  refuse(uneven, fresh, VELM_ERROR_MODEL, "patchcore.coverage.1");
  g_autofree char *broken = write_folder("broken", FIRST_NEW, N_NEW, "new");
  g_free(scratch_write(broken, "new101.png", "no image", 8));
  refuse(fitted, broken, VELM_ERROR_IMAGE, "new101.png");
  refuse(fitted, "/nowhere", VELM_ERROR_FILE, "/nowhere");
}

static gboolean stop(G_GNUC_UNUSED const char *stage, gsize done, gsize total, gpointer data) {
  g_assert_cmpuint(total, ==, N_NEW);
  *(gsize *)data = done;
  return done < 2;
}

static void test_cancelled(void) {
  g_autoptr(VelmModel) model = velm_model_copy(fitted);
  g_auto(VelmAddition) addition = {0};
  GError *error = NULL;
  gsize done = 0;
  g_assert_false(velm_model_add_normal(model, fresh, stop, &done, &addition, &error));
  assert_failure(&error, VELM_ERROR_CANCELLED, "adding");
  g_assert_cmpuint(done, ==, 2);
  assert_same(model, fitted);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  /* Not warnings: libvips warns of each damaged file. */
  g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
  folder = scratch_new();
  network = scratch_write(folder, "network.xml", network_image_ir, strlen(network_image_ir));
  g_free(scratch_write(folder, "network.bin", network_image_weights, sizeof network_image_weights));
  trained = write_folder("trained", 0, N_TRAIN, "good");
  fresh = write_folder("fresh", FIRST_NEW, N_NEW, "new");
  fitted = fit(trained);
  g_test_add_func("/patchcore-add/banks-grow", test_banks_grow);
  g_test_add_func("/patchcore-add/added-are-covered", test_added_are_covered);
  g_test_add_func("/patchcore-add/threshold", test_threshold);
  g_test_add_func("/patchcore-add/twice", test_twice);
  g_test_add_func("/patchcore-add/covered-patches", test_covered_patches_do_not_join);
  g_test_add_func("/patchcore-add/known-parts", test_known_parts_do_not_count);
  g_test_add_func("/patchcore-add/rest-stays", test_rest_of_the_model_stays);
  g_test_add_func("/patchcore-add/normal-images", test_normal_images);
  g_test_add_func("/patchcore-add/normal-images-replaced", test_normal_images_are_replaced);
  g_test_add_func("/patchcore-add/full-bank", test_full_bank);
  g_test_add_func("/patchcore-add/refused", test_refused);
  g_test_add_func("/patchcore-add/cancelled", test_cancelled);
  int result = g_test_run();
  velm_model_free(fitted);
  g_free(trained);
  g_free(fresh);
  g_free(network);
  scratch_remove(folder);
  return result;
}
