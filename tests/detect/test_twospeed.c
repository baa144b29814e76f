/* The fast look is lite2's, so without the backbones there is nothing to test. */
#include "detect/twospeed.h"

#include "core/file.h"
#include "core/networks.h"
#include "core/scratch.h"
#include "dataset/procedural.h"

#include <string.h>

#define SIDE 128
#define N_TRAIN 16

static char *folder, *product, *network;
static VelmModel *model;
static VelmDetector *detector;

static VelmImage *draw(guint part, const char *defect) {
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = SIDE;
  return velm_procedural_draw(&params, part, 0, defect, NULL);
}

static VelmInspection *detect(VelmImage *image, VelmImage *reference) {
  g_autoptr(GError) error = NULL;
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->image = image;
  inspection->reference = reference;
  g_assert_true(velm_detector_detect(detector, inspection, &error));
  g_assert_no_error(error);
  return inspection;
}

/* Level over all scores: the fast look ends it, and what it says is in the accurate one's unit. */
static void test_clearly_normal(void) {
  VelmScreen *screen = velm_two_speed_get_screen(detector);
  double level = screen->level;
  screen->level = 1e9;
  g_autoptr(VelmInspection) inspection = detect(draw(0, NULL), NULL);
  screen->level = level;
  g_assert_cmpstr(inspection->look, ==, "fast");
  g_assert_false(inspection->anomalous);
  g_assert_cmpfloat(inspection->score, <, inspection->threshold);
  g_assert_cmpfloat(inspection->threshold, ==, screen->threshold);
  g_assert_null(inspection->features);
  float top = 0;
  for (int i = 0; i < inspection->map->width * inspection->map->height; i++)
    top = MAX(top, inspection->map->values[i]);
  g_assert_cmpfloat_with_epsilon((double)top, inspection->score, 1e-4);
}

/* Level under all scores: all is as if the accurate one were alone. */
static void test_goes_on(void) {
  g_autoptr(GError) error = NULL;
  VelmScreen *screen = velm_two_speed_get_screen(detector);
  double level = screen->level;
  screen->level = 0;
  g_autoptr(VelmInspection) inspection = detect(draw(3, "stain"), NULL);
  screen->level = level;
  g_autoptr(VelmInspection) alone = velm_inspection_new("part.png");
  alone->image = draw(3, "stain");
  g_assert_true(velm_detector_detect(velm_two_speed_get_accurate(detector), alone, &error));
  g_assert_cmpstr(inspection->look, ==, "accurate");
  g_assert_cmpfloat(inspection->score, ==, alone->score);
  g_assert_cmpint(inspection->features->channels, ==, 3);
}

static void test_reference(void) {
  VelmScreen *screen = velm_two_speed_get_screen(detector);
  double level = screen->level;
  screen->level = 1e9;
  g_autoptr(VelmInspection) inspection = detect(draw(3, NULL), draw(3, NULL));
  screen->level = level;
  g_assert_cmpstr(inspection->look, ==, "accurate");
  g_assert_nonnull(inspection->reference_features);
}

/* A screened defect can be taught: by the features that classifiers go by. */
static void test_examine(void) {
  g_autoptr(GError) error = NULL;
  VelmScreen *screen = velm_two_speed_get_screen(detector);
  double level = screen->level;
  screen->level = 1e9;
  g_autoptr(VelmInspection) inspection = detect(draw(3, "stain"), NULL);
  screen->level = level;
  double score = inspection->score;
  g_assert_true(velm_detector_examine(detector, inspection, &error));
  g_assert_cmpint(inspection->features->channels, ==, 3);
  g_assert_cmpint(inspection->map->width, ==, inspection->features->columns);
  g_assert_cmpfloat(inspection->score, ==, score);
  g_assert_false(inspection->anomalous);
  g_assert_cmpstr(inspection->look, ==, "fast");
}

static void test_described(void) {
  g_autofree char *text = velm_model_describe(model);
  g_assert_nonnull(strstr(text, "detector: two-speed\n"));
  g_assert_nonnull(strstr(text, "\nfast look, backbone: lite2"));
  g_assert_nonnull(strstr(text, "fast look: ends it for 65 % of good parts\n"));
}

static void refuse(VelmModel *changed, const char *text) {
  GError *error = NULL;
  g_assert_null(velm_detector_open(changed, &error));
  assert_failure(&error, VELM_ERROR_MODEL, text);
}

static void test_damaged(void) {
  g_autoptr(VelmModel) level = velm_model_copy(model);
  velm_model_set_double(level, "two-speed.onward", 7);
  refuse(level, "level");
  g_autoptr(VelmModel) without = velm_model_copy(model);
  velm_model_remove_prefix(without, "two-speed.fast");
  refuse(without, "two-speed.fast");
  g_autoptr(VelmModel) foreign = velm_model_copy(model);
  g_autoptr(GBytes) bytes = g_bytes_new_static("no model", 8);
  velm_model_set_bytes(foreign, "two-speed.fast", bytes);
  refuse(foreign, "fast half");
  GError *error = NULL;
  g_auto(VelmAddition) addition = {0};
  g_assert_false(velm_model_add_normal(level, product, NULL, NULL, &addition, &error));
  assert_failure(&error, VELM_ERROR_MODEL, "two-speed");
}

static void test_params(void) {
  VelmFitParams params = velm_fit_params_default();
  GError *error = NULL;
  params.detector = "two-speed";
  params.backbone = "lite2";
  g_assert_null(velm_model_fit(product, &params, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "more accurate");
  params.detector = "slow";
  g_assert_null(velm_model_fit(product, &params, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "\"slow\"");
}

static void set_up(void) {
  g_autoptr(GError) error = NULL;
  folder = scratch_new();
  product = g_build_filename(folder, "product", NULL);
  VelmProceduralParams drawing = velm_procedural_params_default();
  drawing.size = SIDE;
  drawing.n_train = N_TRAIN;
  drawing.views = 1;
  drawing.n_test_good = 1;
  drawing.n_per_class = 0;
  velm_procedural_write(&drawing, product, NULL, NULL, &error);
  g_assert_no_error(error);
  network = scratch_write(folder, "network.xml", network_image_ir, strlen(network_image_ir));
  g_free(scratch_write(folder, "network.bin", network_image_weights, sizeof network_image_weights));
  const char *models = g_getenv("VELM_MODELS");
  g_autofree char *lite2 = g_build_filename(models ? models : "", "lite2.onnx", NULL);
  if (!g_file_test(lite2, G_FILE_TEST_EXISTS))
    return;
  /* The accurate one is a small network, for speed. */
  VelmFitParams params = velm_fit_params_default();
  params.detector = "two-speed";
  params.backbone = network;
  params.layers = "eighth";
  params.size = 64;
  params.coreset = 0.1;
  model = velm_model_fit(product, &params, &error);
  g_assert_no_error(error);
  detector = velm_detector_open(model, &error);
  g_assert_no_error(error);
}

static void test_no_backbones(void) { g_test_skip("no backbones"); }

static void add(const char *path, GTestFunc test) {
  g_test_add_func(path, model ? test : test_no_backbones);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  set_up();
  add("/two-speed/clearly-normal", test_clearly_normal);
  add("/two-speed/goes-on", test_goes_on);
  add("/two-speed/reference", test_reference);
  add("/two-speed/examine", test_examine);
  add("/two-speed/described", test_described);
  add("/two-speed/damaged", test_damaged);
  g_test_add_func("/two-speed/params", test_params);
  int result = g_test_run();
  velm_detector_free(detector);
  velm_model_free(model);
  g_free(product);
  g_free(network);
  scratch_remove(folder);
  return result;
}
