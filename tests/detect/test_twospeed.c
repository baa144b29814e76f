/* The early look is lite2's, so without the backbones there is nothing to test. */
#include "detect/twospeed.h"

#include "core/file.h"
#include "core/networks.h"
#include "core/scratch.h"
#include "dataset/procedural.h"
#include "detect/patchcore.h"

#include <glib/gstdio.h>
#include <math.h>
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

/* Level under all scores: all is as if PatchCore were alone. */
static void test_goes_on(void) {
  g_autoptr(GError) error = NULL;
  VelmScreen *screen = velm_two_speed_get_screen(detector);
  double level = screen->level;
  screen->level = 0;
  g_autoptr(VelmInspection) inspection = detect(draw(3, "stain"), NULL);
  screen->level = level;
  g_autoptr(VelmDetector) patchcore = velm_detector_patchcore.open(model, 1, &error);
  g_assert_no_error(error);
  g_autoptr(VelmInspection) alone = velm_inspection_new("part.png");
  alone->image = draw(3, "stain");
  g_assert_true(velm_detector_detect(patchcore, alone, &error));
  g_assert_cmpstr(inspection->look, ==, "accurate");
  g_assert_null(alone->look);
  g_assert_cmpfloat(inspection->score, ==, alone->score);
  g_assert_cmpint(inspection->features->channels, ==, alone->features->channels);
  for (int i = 0; i < alone->map->width * alone->map->height; i++)
    g_assert_cmpfloat(inspection->map->values[i], ==, alone->map->values[i]);
}

/* The early look's score is what it stops by, whether the full one follows or not. */
static void test_early_score(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmDetector) patchcore = velm_detector_patchcore.open(model, 1, &error);
  g_autoptr(VelmInspection) alone = velm_inspection_new("part.png");
  double early = 0;
  alone->image = draw(3, "stain");
  g_assert_true(velm_detector_detect(patchcore, alone, &error));
  g_assert_true(velm_patchcore_early_score(patchcore, alone->features, &early, &error));
  VelmScreen *screen = velm_two_speed_get_screen(detector);
  const double levels[] = {early, nextafter(early, INFINITY)};
  double level = screen->level;
  for (gsize i = 0; i < 2; i++) {
    screen->level = levels[i];
    g_autoptr(VelmInspection) inspection = detect(draw(3, "stain"), NULL);
    g_assert_cmpstr(inspection->look, ==, i ? "fast" : "accurate");
  }
  screen->level = level;
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
  g_assert_cmpint(inspection->features->channels, >, 3);
  for (int i = 0; i < 3; i++) /* of the full look */
    g_assert_cmpfloat(inspection->features->values[i], !=, 0);
  g_assert_cmpint(inspection->map->width, ==, inspection->features->columns);
  g_assert_cmpfloat(inspection->score, ==, score);
  g_assert_false(inspection->anomalous);
  g_assert_cmpstr(inspection->look, ==, "fast");
}

static void test_described(void) {
  g_autofree char *text = velm_model_describe(model);
  g_assert_nonnull(strstr(text, "detector: two-speed\n"));
  g_assert_nonnull(strstr(text, ", eighth, stage4@3@lite2, "));
  g_assert_nonnull(strstr(text, "ends it for 60 % of good parts\n"));
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
  velm_model_remove_prefix(without, "patchcore.early_scores");
  refuse(without, "earlier velm");
}

/* New good images are good at both speeds. */
static void test_added(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) more = velm_model_copy(model);
  g_auto(VelmAddition) addition = {0};
  g_autofree char *others = g_build_filename(folder, "others", NULL);
  VelmProceduralParams drawing = velm_procedural_params_default();
  drawing.size = SIDE;
  drawing.seed = 9;
  drawing.n_train = 4;
  drawing.views = 1;
  drawing.n_test_good = 1;
  drawing.n_per_class = 0;
  velm_procedural_write(&drawing, others, NULL, NULL, &error);
  /* Parts of the same names would be the model's own. */
  g_autofree char *groups = g_build_filename(others, "groups.csv", NULL);
  g_remove(groups);
  g_assert_true(velm_model_add_normal(more, others, NULL, NULL, &addition, &error));
  g_assert_no_error(error);
  gsize n_good = 0, n_early = 0, n_before = 0;
  const float *early = velm_model_get_floats(more, "patchcore.early_scores", 0, &n_early, NULL);
  velm_model_get_floats(more, "patchcore.good_scores", 0, &n_good, NULL);
  velm_model_get_floats(model, "patchcore.early_scores", 0, &n_before, NULL);
  g_assert_cmpuint(n_early, ==, n_before + 4);
  g_assert_cmpuint(n_good, ==, n_early);
  for (gsize i = 1; i < n_early; i++)
    g_assert_cmpfloat(early[i], >=, early[i - 1]);
  g_autoptr(VelmDetector) opened = velm_detector_open(more, &error);
  g_assert_no_error(error);
}

/* What looks at the image in full size is for the second look. */
static void test_layers(void) {
  static const char *const from_to[][2] = {
      {"a,b@3", "a,b@3,stage4@3@lite2,stage5@3@lite2,stage4@5@lite2"},
      {"a,a@contrast", "a,stage4@3@lite2,stage5@3@lite2,stage4@5@lite2,a@contrast"},
      {"a,b@half", "a,b@half"},
      {"stage1@lite2,a", "stage1@lite2,a"}};
  for (gsize i = 0; i < G_N_ELEMENTS(from_to); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(VelmBackboneSpec) spec = velm_backbone_spec_new(network, from_to[i][0], 64, &error);
    g_autofree char *layers = velm_backbone_layers_of_two_speeds(spec, &error);
    g_assert_cmpstr(layers, ==, from_to[i][1]);
  }
}

static void refuse_params(const char *backbone, const char *layers, const char *text) {
  VelmFitParams params = velm_fit_params_default();
  GError *error = NULL;
  params.detector = "two-speed";
  params.backbone = backbone;
  params.layers = layers;
  g_assert_null(velm_model_fit(product, &params, &error));
  assert_failure(&error, VELM_ERROR_USAGE, text);
}

static void test_params(void) {
  VelmFitParams params = velm_fit_params_default();
  GError *error = NULL;
  params.detector = "slow";
  g_assert_null(velm_model_fit(product, &params, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "\"slow\"");
  refuse_params(network, "eighth@half", "full size");
  if (model)
    refuse_params("lite2", NULL, "more accurate");
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
  /* The backbone is a small network, for speed. */
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
  add("/two-speed/early-score", test_early_score);
  add("/two-speed/reference", test_reference);
  add("/two-speed/examine", test_examine);
  add("/two-speed/described", test_described);
  add("/two-speed/damaged", test_damaged);
  add("/two-speed/added", test_added);
  g_test_add_func("/two-speed/layers", test_layers);
  g_test_add_func("/two-speed/params", test_params);
  int result = g_test_run();
  velm_detector_free(detector);
  velm_model_free(model);
  g_free(product);
  g_free(network);
  scratch_remove(folder);
  return result;
}
