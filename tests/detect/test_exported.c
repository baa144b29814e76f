/* Anomaly models of other tools: which output is what, the threshold, and files that are gone or
 * are others now. */
#include "core/file.h"
#include "core/networks.h"
#include "core/scratch.h"
#include "dataset/dataset.h"
#include "detect/detector.h"
#include "detect/exported_net.h"

#include <glib/gstdio.h>
#include <math.h>

static char *folder;

#define SIDE 8

/* ---- files ---- */

static char *put_onnx(const char *name, guint8 height, guint8 width, const NetworkOutput *outputs,
                      gsize n) {
  g_autoptr(GBytes) onnx = network_anomaly_onnx(height, width, outputs, n);
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(onnx, &size);
  return scratch_write(folder, name, data, size);
}

static const NetworkOutput usual[] = {
    {"pred_score", NETWORK_SCORE}, {"pred_mask", NETWORK_MASK}, {"anomaly_map", NETWORK_MAP}};

static char *put_usual(const char *name) {
  return put_onnx(name, SIDE, SIDE, usual, G_N_ELEMENTS(usual));
}

/* Grey of @level, but for one pixel of (51, 102, @blue). */
static VelmImage *picture(int width, int height, guint8 level, guint8 blue) {
  VelmImage *image = velm_image_new(width, height);
  for (int i = 0; i < 3 * width * height; i++)
    image->pixels[i] = level;
  guint8 *pixel = image->pixels + 3 * (2 * width + 5); /* row 2, column 5 */
  pixel[0] = 51;
  pixel[1] = 102;
  pixel[2] = blue;
  return image;
}

static void put_picture(const char *directory, const char *name, guint8 blue) {
  g_autofree char *path = g_build_filename(folder, directory, NULL);
  g_autoptr(VelmImage) image = picture(SIDE, SIDE, 0, blue);
  g_autoptr(GBytes) png = velm_image_to_png(image, NULL);
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(png, &size);
  g_assert_true(velm_file_make_folder(path, NULL));
  g_free(scratch_write(path, name, data, size));
}

/* ---- the network ---- */

static VelmExportedNet *open_net(const char *path, int width, int height, GError **error) {
  VelmExportedSpec spec = {(char *)path, width, height, {0}, {255, 255, 255}};
  return velm_exported_net_open(&spec, error);
}

static VelmPlane *run(const char *path, const VelmImage *image, int size, double *score) {
  GError *error = NULL;
  g_autoptr(VelmExportedNet) net = open_net(path, size, size, &error);
  VelmPlane *map = NULL;
  g_assert_no_error(error);
  g_assert_true(velm_exported_net_run(net, image, &map, score, &error));
  g_assert_no_error(error);
  return map;
}

static void check_map(const VelmPlane *map, int width, int height) {
  g_assert_cmpint(map->width, ==, width);
  g_assert_cmpint(map->height, ==, height);
  for (int i = 0; i < width * height; i++)
    g_assert_cmpfloat_with_epsilon(map->values[i], i == 2 * width + 5 ? 0.4f : 0.2f, 1e-6f);
}

/* Of the pixel (51, 102, 153) the mean is 0.4, and its blue 0.6 the largest value. */
static void test_names(void) {
  const NetworkOutput more[] = {{"features", NETWORK_COLOUR}, {"student_map", NETWORK_MAP},
                                {"anomaly_map", NETWORK_MAP}, {"level", NETWORK_SCORE},
                                {"pred_mask", NETWORK_MASK},  {"pred_score", NETWORK_SCORE}};
  g_autofree char *path = put_onnx("names.onnx", SIDE, SIDE, more, G_N_ELEMENTS(more));
  g_autoptr(VelmImage) image = picture(SIDE, SIDE, 51, 153);
  double score = 0;
  g_autoptr(VelmPlane) map = run(path, image, 0, &score);
  check_map(map, SIDE, SIDE);
  g_assert_cmpfloat_with_epsilon(score, 0.6, 1e-6);
}

static void test_shapes(void) {
  const NetworkOutput nameless[] = {
      {"a", NETWORK_COLOUR}, {"b", NETWORK_SCORE}, {"c", NETWORK_MASK}, {"d", NETWORK_MAP}};
  g_autofree char *path = put_onnx("shapes.onnx", SIDE, 12, nameless, G_N_ELEMENTS(nameless));
  g_autoptr(VelmImage) image = picture(12, SIDE, 51, 153);
  double score = 0;
  g_autoptr(VelmPlane) map = run(path, image, 0, &score);
  check_map(map, 12, SIDE);
  g_assert_cmpfloat_with_epsilon(score, 0.6, 1e-6);
}

static void test_map_alone(void) {
  g_autofree char *path =
      put_onnx("map.onnx", SIDE, SIDE, &(NetworkOutput){"output", NETWORK_MAP}, 1);
  g_autoptr(VelmImage) image = picture(SIDE, SIDE, 51, 153);
  double score = 0;
  g_autoptr(VelmPlane) map = run(path, image, 0, &score);
  check_map(map, SIDE, SIDE);
  g_assert_cmpfloat_with_epsilon(score, 0.4, 1e-6);
}

static void test_score_alone(void) {
  g_autofree char *path =
      put_onnx("score.onnx", SIDE, SIDE, &(NetworkOutput){"pred_score", NETWORK_SCORE}, 1);
  g_autoptr(VelmImage) image = picture(SIDE, SIDE, 51, 153);
  double score = 0;
  g_autoptr(VelmPlane) map = run(path, image, 0, &score);
  g_assert_cmpfloat_with_epsilon(score, 0.6, 1e-6);
  g_assert_cmpint(map->width * map->height, ==, 1);
  g_assert_cmpfloat_with_epsilon(map->values[0], 0.6f, 1e-6f);
}

static void test_normalisation(void) {
  g_autofree char *path = put_onnx("mean.onnx", SIDE, SIDE, &(NetworkOutput){"m", NETWORK_MAP}, 1);
  VelmExportedSpec spec = {path, 0, 0, {1, 2, 3}, {50, 25, 10}};
  GError *error = NULL;
  g_autoptr(VelmExportedNet) net = velm_exported_net_open(&spec, &error);
  g_autoptr(VelmImage) image = picture(SIDE, SIDE, 0, 153);
  g_autoptr(VelmPlane) map = NULL;
  double score = 0;
  g_assert_no_error(error);
  g_assert_cmpint(spec.width, ==, SIDE);
  g_assert_true(velm_exported_net_run(net, image, &map, &score, &error));
  g_assert_cmpfloat_with_epsilon(score, (50 / 50.0 + 100 / 25.0 + 150 / 10.0) / 3, 1e-5);
  g_clear_pointer(&net, velm_exported_net_free);
  spec.scale[1] = 0;
  g_assert_null(velm_exported_net_open(&spec, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "three that are not 0");
}

static void test_sizes(void) {
  g_autofree char *fixed = put_usual("fixed.onnx");
  g_autofree char *any = put_onnx("any.onnx", 0, 0, usual, G_N_ELEMENTS(usual));
  GError *error = NULL;
  g_assert_null(open_net(fixed, 16, 16, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "takes images of 8 x 8, not of 16 x 16");
  g_assert_null(open_net(any, 0, 0, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "takes images of any size");
  g_autoptr(VelmImage) image = picture(2 * SIDE, 2 * SIDE, 51, 153);
  double score = 0;
  g_autoptr(VelmPlane) map = run(any, image, 16, &score);
  check_map(map, 16, 16);
}

static void refuse_net(const char *path, VelmError code, const char *text) {
  GError *error = NULL;
  g_assert_null(open_net(path, 0, 0, &error));
  assert_failure(&error, code, text);
}

static void refuse_outputs(const NetworkOutput *outputs, gsize n, const char *text) {
  g_autofree char *path = put_onnx("wrong.onnx", SIDE, SIDE, outputs, n);
  refuse_net(path, VELM_ERROR_ENGINE, text);
}

static void test_wrong_outputs(void) {
  const NetworkOutput none[] = {{"a", NETWORK_COLOUR}, {"b", NETWORK_MASK}};
  const NetworkOutput swapped[] = {{"pred_score", NETWORK_MAP}, {"anomaly_map", NETWORK_MAP}};
  const NetworkOutput coloured[] = {{"anomaly_map", NETWORK_COLOUR}, {"b", NETWORK_SCORE}};
  const NetworkOutput masked[] = {{"anomaly_map", NETWORK_MASK}, {"b", NETWORK_SCORE}};
  const NetworkOutput several[] = {{"a", NETWORK_MAP}, {"b", NETWORK_SCORE}, {"c", NETWORK_MAP}};
  refuse_outputs(none, 2, "none of its outputs is an anomaly score");
  refuse_outputs(swapped, 2, "its output \"pred_score\" is no score");
  refuse_outputs(coloured, 2, "its output \"anomaly_map\" is no score map");
  refuse_outputs(masked, 2, "its output \"anomaly_map\" is no score map");
  refuse_outputs(several, 3, "several of its outputs may be the score map");
}

static void test_wrong_input(void) {
  g_autoptr(GBytes) onnx = network_onnx();
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(onnx, &size);
  g_autofree char *path = scratch_write(folder, "no-image.onnx", data, size);
  refuse_net(path, VELM_ERROR_ENGINE, "its input is no colour image");
  g_autoptr(GString) pair = g_string_new(network_map_ir);
  g_string_replace(pair, "\"1,3,8,8\"", "\"2,3,8,8\"", 0);
  g_autofree char *xml = scratch_write(folder, "pair.xml", pair->str, pair->len);
  g_autofree char *bin = scratch_write(folder, "pair.bin", network_map_weights, 8);
  refuse_net(xml, VELM_ERROR_ENGINE,
             "pair.xml: takes 2 images at once: export it for a batch of one");
}

static void test_files(void) {
  g_autofree char *missing = g_build_filename(folder, "missing.onnx", NULL);
  g_autofree char *lone = scratch_write(folder, "lone.xml", network_map_ir, strlen(network_map_ir));
  g_autofree char *junk = scratch_write(folder, "junk.onnx", "junk", 4);
  refuse_net(missing, VELM_ERROR_FILE, "missing.onnx: no such exported model");
  refuse_net(lone, VELM_ERROR_FILE, "lone.bin: no such file; it holds the weights of");
  refuse_net(junk, VELM_ERROR_ENGINE, "junk.onnx: not an ONNX model");
}

static void test_no_number(void) {
  g_autofree char *path =
      put_onnx("nan.onnx", SIDE, SIDE, &(NetworkOutput){"anomaly_map", NETWORK_NO_NUMBER}, 1);
  GError *error = NULL;
  g_autoptr(VelmExportedNet) net = open_net(path, 0, 0, &error);
  g_autoptr(VelmImage) image = picture(SIDE, SIDE, 51, 153);
  VelmPlane *map = NULL;
  double score = 0;
  g_assert_no_error(error);
  g_assert_false(velm_exported_net_run(net, image, &map, &score, &error));
  assert_failure(&error, VELM_ERROR_ENGINE, "gave a score that is not a number");
  g_assert_null(map);
}

/* ---- fitting ---- */

static VelmModel *fit_with(const char *directory, const char *file, double threshold,
                           GError **error) {
  g_autofree char *path = g_build_filename(folder, directory, NULL);
  VelmFitParams params = velm_fit_params_default();
  params.detector = "exported";
  params.model_file = file;
  params.threshold = threshold;
  return velm_model_fit(path, &params, error);
}

static VelmModel *fit(const char *directory, const char *file) {
  GError *error = NULL;
  VelmModel *model = fit_with(directory, file, NAN, &error);
  g_assert_no_error(error);
  return model;
}

/* Twenty images whose scores are 103 to 122, over 255. */
static void put_training(void) {
  for (guint8 i = 0; i < 20; i++) {
    g_autofree char *name = g_strdup_printf("%02u.png", i);
    put_picture("product/train/good", name, (guint8)(103 + i));
  }
}

static gboolean is_anomalous(VelmDetector *detector, guint8 blue) {
  GError *error = NULL;
  g_autoptr(VelmInspection) inspection = velm_inspection_new("part.png");
  inspection->image = picture(SIDE, SIDE, 0, blue);
  g_assert_true(velm_detector_detect(detector, inspection, &error));
  g_assert_no_error(error);
  g_assert_cmpfloat_with_epsilon(inspection->score, blue / 255.0, 1e-6);
  g_assert_null(inspection->features);
  /* The pixel alone is over the level; it is the map's, whose values are lower than the score. */
  g_assert_cmpfloat(inspection->region_threshold, >, 0);
  g_assert_cmpfloat(inspection->region_threshold, <, (51 + 102 + blue) / 765.0);
  return inspection->anomalous;
}

/* Of 20 good images one may lie over the threshold. */
static void test_threshold(void) {
  g_autofree char *path = put_usual("usual.onnx");
  g_autoptr(VelmModel) model = fit("product", path);
  GError *error = NULL;
  g_autoptr(VelmDetector) detector = velm_detector_open(model, &error);
  g_assert_no_error(error);
  g_assert_true(is_anomalous(detector, 122));
  g_assert_false(is_anomalous(detector, 121));
  g_autoptr(VelmModel) given = fit_with("product", path, 0.5, &error);
  g_autoptr(VelmDetector) other = velm_detector_open(given, &error);
  g_assert_no_error(error);
  g_assert_true(is_anomalous(other, 128));
  g_assert_false(is_anomalous(other, 127));
}

/* Scores that are clamped: ten images have the very highest one. */
static void test_ties(void) {
  g_autofree char *path = put_usual("ties.onnx");
  for (guint8 i = 0; i < 20; i++) {
    g_autofree char *name = g_strdup_printf("%02u.png", i);
    put_picture("ties/train/good", name, i < 10 ? 110 : 120);
  }
  g_autoptr(VelmModel) model = fit("ties", path);
  g_autoptr(VelmDetector) detector = velm_detector_open(model, NULL);
  g_assert_false(is_anomalous(detector, 120));
  g_assert_true(is_anomalous(detector, 121));
}

static void test_same_scores(void) {
  g_autofree char *path = put_usual("same.onnx");
  GError *error = NULL;
  put_picture("same/train/good", "a.png", 110);
  put_picture("same/train/good", "b.png", 110);
  g_assert_null(fit_with("same", path, NAN, &error));
  assert_failure(&error, VELM_ERROR_DATASET, "gives all 2 good images the score 0.43");
  g_autoptr(VelmModel) model = fit_with("same", path, 0.5, &error);
  g_assert_no_error(error);
  g_assert_nonnull(model);
}

static void refuse_params(const VelmFitParams *params, VelmError code, const char *text) {
  g_autofree char *path = g_build_filename(folder, "product", NULL);
  GError *error = NULL;
  g_assert_null(velm_model_fit(path, params, &error));
  assert_failure(&error, code, text);
}

static gboolean stop(const char *stage, gsize done, gsize total, gpointer user_data) {
  return done < 3;
}

static void test_params(void) {
  g_autofree char *path = put_usual("params.onnx");
  VelmFitParams params = velm_fit_params_default();
  params.detector = "efficientad";
  refuse_params(&params, VELM_ERROR_USAGE,
                "no detector \"efficientad\"; there are: patchcore, exported");
  params.detector = "exported";
  refuse_params(&params, VELM_ERROR_USAGE, "--model-file");
  params.model_file = path;
  params.layers = "a";
  refuse_params(&params, VELM_ERROR_USAGE, "no layers");
  params.layers = NULL;
  params.size = 5000;
  refuse_params(&params, VELM_ERROR_USAGE, "too large");
  params.size = 0;
  params.threshold = INFINITY;
  refuse_params(&params, VELM_ERROR_USAGE, "the threshold must be a number");
  params.threshold = NAN;
  params.progress = stop;
  refuse_params(&params, VELM_ERROR_CANCELLED, "stopped while fitting (scores)");
}

/* ---- the files after fitting ---- */

static void refuse_open(VelmModel *model, VelmError code, const char *text) {
  GError *error = NULL;
  g_assert_null(velm_detector_open(model, &error));
  assert_failure(&error, code, text);
}

static void test_changed_file(void) {
  g_autofree char *path = put_usual("changed.onnx");
  g_autoptr(VelmModel) model = fit("product", path);
  g_free(put_onnx("changed.onnx", SIDE, SIDE, usual, 1));
  refuse_open(model, VELM_ERROR_MODEL,
              "changed.onnx: is another one than when the model was fitted");
  g_remove(path);
  refuse_open(model, VELM_ERROR_FILE, "changed.onnx: no such exported model");
}

static void test_changed_weights(void) {
  g_autofree char *xml = scratch_write(folder, "ir.xml", network_map_ir, strlen(network_map_ir));
  g_autofree char *bin = scratch_write(folder, "ir.bin", network_map_weights, 8);
  g_autoptr(VelmModel) model = fit("product", xml);
  GError *error = NULL;
  g_autoptr(VelmDetector) detector = velm_detector_open(model, &error);
  g_assert_no_error(error);
  g_free(scratch_write(folder, "ir.bin", (const guint8[8]){2}, 8));
  refuse_open(model, VELM_ERROR_MODEL, "ir.bin: is another one than when the model was fitted");
  g_remove(bin);
  refuse_open(model, VELM_ERROR_FILE, "ir.bin: no such file; it holds the weights of");
}

/* PyTorch writes large weights beside the ONNX file. */
static void test_external_data(void) {
  g_autofree char *path = put_usual("large.onnx");
  g_autofree char *data = scratch_write(folder, "large.onnx.data", "weights", 7);
  g_autoptr(VelmModel) model = fit("product", path);
  g_free(scratch_write(folder, "large.onnx.data", "Weights", 7));
  refuse_open(model, VELM_ERROR_MODEL, "large.onnx.data: is another one");
  g_remove(data);
  refuse_open(model, VELM_ERROR_FILE, "large.onnx.data: no such file");
}

static void test_damaged_model(void) {
  g_autofree char *path = put_usual("damaged.onnx");
  g_autoptr(VelmModel) model = fit("product", path);
  velm_model_set_int(model, "exported.width", -3);
  refuse_open(model, VELM_ERROR_MODEL, "the model's \"exported.width\" is no size of an image");
  velm_model_set_int(model, "exported.width", SIDE);
  velm_model_set_floats(model, "exported.scale", (const float[3]){1, NAN, 1}, 3);
  refuse_open(model, VELM_ERROR_USAGE, "three that are not 0");
}

static void test_description(void) {
  g_autofree char *path = put_usual("described.onnx");
  g_autoptr(VelmModel) model = fit("product", path);
  g_autofree char *text = velm_model_describe(model);
  g_assert_nonnull(strstr(text, "detector: exported\n"));
  g_assert_nonnull(strstr(text, "described.onnx, images at 8 x 8 px\n"));
  g_assert_nonnull(strstr(text, "outputs: score and score map\n"));
  g_assert_nonnull(strstr(text, "from the scores of 20 good images\n"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  put_training();
  g_test_add_func("/detect/exported/names", test_names);
  g_test_add_func("/detect/exported/shapes", test_shapes);
  g_test_add_func("/detect/exported/map_alone", test_map_alone);
  g_test_add_func("/detect/exported/score_alone", test_score_alone);
  g_test_add_func("/detect/exported/normalisation", test_normalisation);
  g_test_add_func("/detect/exported/sizes", test_sizes);
  g_test_add_func("/detect/exported/wrong_outputs", test_wrong_outputs);
  g_test_add_func("/detect/exported/wrong_input", test_wrong_input);
  g_test_add_func("/detect/exported/files", test_files);
  g_test_add_func("/detect/exported/no_number", test_no_number);
  g_test_add_func("/detect/exported/threshold", test_threshold);
  g_test_add_func("/detect/exported/ties", test_ties);
  g_test_add_func("/detect/exported/same_scores", test_same_scores);
  g_test_add_func("/detect/exported/params", test_params);
  g_test_add_func("/detect/exported/changed_file", test_changed_file);
  g_test_add_func("/detect/exported/changed_weights", test_changed_weights);
  g_test_add_func("/detect/exported/external_data", test_external_data);
  g_test_add_func("/detect/exported/damaged_model", test_damaged_model);
  g_test_add_func("/detect/exported/description", test_description);
  int code = g_test_run();
  scratch_remove(folder);
  return code;
}
