/* DDAD: fitting to a denoiser and detecting with it; settings, files and models that are wrong. The
 * denoiser here takes all of an image for noise, so that what it makes is grey. */
#include "core/file.h"
#include "core/networks.h"
#include "core/scratch.h"
#include "dataset/dataset.h"
#include "detect/ddad_look.h"
#include "detect/detector.h"

#include <glib/gstdio.h>
#include <math.h>

static char *folder, *denoiser, *features;

#define SIDE 32
#define GOOD 24

/* ---- files ---- */

static char *put_onnx(const char *name, gboolean coarse) {
  g_autoptr(GBytes) onnx = network_denoiser_onnx(coarse);
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(onnx, &size);
  return scratch_write(folder, name, data, size);
}

static void put_text(const char *name, const char *text) {
  g_free(scratch_write(folder, name, text, strlen(text)));
}

/* Of colours as they are, so that grey is far from none. */
#define FEATURES                                                                                   \
  ", \"features\": {\"file\": \"features.xml\", \"layers\": [\"doubled\", \"halved\"], "           \
  "\"size\": 32, \"mean\": [0, 0, 0], \"scale\": [255, 255, 255]}"

/* The denoiser's settings, with @more members. */
static void put_settings(const char *name, const char *more) {
  g_autofree char *text = g_strdup_printf("{\"width\": 32, \"height\": 32, \"start\": 200, "
                                          "\"steps\": 4, \"guidance\": 0.5%s}",
                                          more);
  put_text(name, text);
}

/* Grey with a little of every colour, the same for the same @seed; with a red square where
 * @defect. */
static VelmImage *picture(guint32 seed, gboolean defect) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  VelmImage *image = velm_image_new(SIDE, SIDE);
  for (int i = 0; i < SIDE * SIDE * 3; i++)
    image->pixels[i] = (guint8)(128 + g_rand_int_range(random, -9, 10));
  for (int y = 8; defect && y < 16; y++)
    for (int x = 20; x < 28; x++) {
      guint8 *pixel = image->pixels + 3 * (y * SIDE + x);
      pixel[0] = 255;
      pixel[1] = pixel[2] = 0;
    }
  return image;
}

static void put_training(void) {
  g_autofree char *path = g_build_filename(folder, "product/train/good", NULL);
  g_assert_true(velm_file_make_folder(path, NULL));
  for (guint i = 0; i < GOOD; i++) {
    g_autofree char *name = g_strdup_printf("%02u.png", i);
    g_autoptr(VelmImage) image = picture(i, FALSE);
    g_autoptr(GBytes) png = velm_image_to_png(image, NULL);
    gsize size = 0;
    gconstpointer data = g_bytes_get_data(png, &size);
    g_free(scratch_write(path, name, data, size));
  }
}

/* ---- fitting ---- */

static VelmFitParams params_usual(void) {
  VelmFitParams params = velm_fit_params_default();
  params.detector = "ddad";
  params.denoiser = denoiser;
  return params;
}

static VelmModel *fit_with(const VelmFitParams *params, GError **error) {
  g_autofree char *path = g_build_filename(folder, "product", NULL);
  return velm_model_fit(path, params, error);
}

static VelmModel *fit(void) {
  VelmFitParams params = params_usual();
  GError *error = NULL;
  VelmModel *model = fit_with(&params, &error);
  g_assert_no_error(error);
  return model;
}

static VelmDetector *open_detector(VelmModel *model) {
  GError *error = NULL;
  VelmDetector *detector = velm_detector_open(model, &error);
  g_assert_no_error(error);
  return detector;
}

static VelmInspection *detect(VelmDetector *detector, guint32 seed, gboolean defect) {
  GError *error = NULL;
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->image = picture(seed, defect);
  g_assert_true(velm_detector_detect(detector, inspection, &error));
  g_assert_no_error(error);
  return inspection;
}

static void refuse_params(const VelmFitParams *params, VelmError code, const char *text) {
  GError *error = NULL;
  g_assert_null(fit_with(params, &error));
  assert_failure(&error, code, text);
}

/* ---- detecting ---- */

static void test_detect(void) {
  g_autoptr(VelmModel) model = fit();
  g_autoptr(VelmDetector) detector = open_detector(model);
  g_autoptr(VelmInspection) good = detect(detector, 100, FALSE);
  g_autoptr(VelmInspection) defect = detect(detector, 100, TRUE);
  g_assert_true(defect->anomalous);
  g_assert_cmpfloat(defect->score, >, 1.2 * good->score);
  g_assert_cmpint(defect->map->width, ==, SIDE);
  g_assert_cmpint(defect->map->height, ==, SIDE);
  g_assert_cmpfloat(defect->score, ==, velm_plane_largest(defect->map));
  gsize at = 0;
  for (gsize i = 0; i < SIDE * SIDE; i++)
    if (defect->map->values[i] > defect->map->values[at])
      at = i;
  g_assert_cmpuint(at % SIDE, >=, 20);
  g_assert_cmpuint(at % SIDE, <, 28);
  g_assert_cmpuint(at / SIDE, >=, 8);
  g_assert_cmpuint(at / SIDE, <, 16);
  g_assert_cmpfloat(defect->region_threshold, <, defect->score);
}

/* The same score whatever was seen before, and by however many threads. */
static void test_repeats(void) {
  g_autoptr(VelmModel) model = fit();
  g_autoptr(VelmDetector) detector = open_detector(model);
  GError *error = NULL;
  guint n = 2;
  g_autoptr(VelmDetector) shared = velm_detector_open_for(model, &n, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(n, ==, 2);
  g_autoptr(VelmInspection) first = detect(detector, 100, TRUE);
  g_autoptr(VelmInspection) between = detect(detector, 101, FALSE);
  g_autoptr(VelmInspection) again = detect(detector, 100, TRUE);
  g_assert_cmpfloat(first->score, ==, again->score);
  g_assert_cmpfloat(first->score, !=, between->score);
  g_autoptr(VelmInspection) other = detect(shared, 100, TRUE);
  g_assert_cmpfloat_with_epsilon(first->score, other->score, 1e-5);
  g_autoptr(VelmModel) anew = fit();
  double threshold = 0, same = 0;
  g_assert_true(velm_model_get_double(model, "ddad.threshold", &threshold, NULL));
  g_assert_true(velm_model_get_double(anew, "ddad.threshold", &same, NULL));
  g_assert_cmpfloat(threshold, ==, same);
}

static VelmDdadSpec *read_spec(const VelmFitParams *params) {
  GError *error = NULL;
  VelmDdadSpec *spec = velm_ddad_spec_read(params, &error);
  g_assert_no_error(error);
  return spec;
}

/* An image's place in a batch makes no difference. */
static void test_batch(void) {
  VelmFitParams params = params_usual();
  g_autoptr(VelmDdadSpec) spec = read_spec(&params);
  GError *error = NULL;
  g_autoptr(VelmDdadLook) alone = velm_ddad_look_open(spec, 1, 0, &error);
  g_autoptr(VelmDdadLook) together = velm_ddad_look_open(spec, 3, 0, &error);
  g_assert_no_error(error);
  g_autoptr(VelmImage) a = picture(1, FALSE), b = picture(2, TRUE);
  const VelmImage *const images[] = {a, a, b}, *const last[] = {b};
  VelmDdadDistances three[3], one;
  g_assert_true(velm_ddad_look_run(together, images, three, &error));
  g_assert_true(velm_ddad_look_run(alone, last, &one, &error));
  for (gsize i = 0; i < SIDE * SIDE; i++) {
    g_assert_cmpfloat_with_epsilon(one.pixels->values[i], three[2].pixels->values[i], 1e-5f);
    g_assert_cmpfloat_with_epsilon(one.features->values[i], three[2].features->values[i], 1e-5f);
    g_assert_cmpfloat_with_epsilon(three[0].pixels->values[i], three[1].pixels->values[i], 1e-5f);
  }
  for (int i = 0; i < 3; i++)
    velm_ddad_distances_clear(&three[i]);
  velm_ddad_distances_clear(&one);
}

/* Of two samples it is the mean of what each is alone. */
static void test_samples(void) {
  VelmFitParams params = params_usual();
  VelmDdadDistances distances[3];
  g_autoptr(VelmImage) image = picture(100, TRUE);
  for (int i = 0; i < 3; i++) {
    params.seed = i == 1 ? 8 : 7;
    params.ddad_samples = i == 2 ? 2 : 1;
    g_autoptr(VelmDdadSpec) spec = read_spec(&params);
    GError *error = NULL;
    g_autoptr(VelmDdadLook) look = velm_ddad_look_open(spec, 1, 0, &error);
    const VelmImage *images[] = {image};
    velm_ddad_look_run(look, images, &distances[i], &error);
    g_assert_no_error(error);
  }
  gboolean differ = FALSE;
  for (int i = 0; i < SIDE * SIDE; i++) {
    float first = distances[0].pixels->values[i], second = distances[1].pixels->values[i];
    g_assert_cmpfloat_with_epsilon(distances[2].pixels->values[i], (first + second) / 2, 1e-5f);
    first = distances[0].features->values[i], second = distances[1].features->values[i];
    g_assert_cmpfloat_with_epsilon(distances[2].features->values[i], (first + second) / 2, 1e-5f);
    differ = differ || fabsf(first - second) > 1e-3f;
  }
  g_assert_true(differ);
  for (int i = 0; i < 3; i++)
    velm_ddad_distances_clear(&distances[i]);
}

/* ---- settings ---- */

static void test_settings(void) {
  VelmFitParams params = params_usual();
  g_autoptr(VelmDdadSpec) spec = read_spec(&params);
  g_assert_cmpint(spec->schedule.n_steps, ==, 1000);
  g_assert_cmpfloat(spec->schedule.last, ==, 0.02);
  g_assert_cmpint(spec->how.start, ==, 200);
  g_assert_cmpint(spec->how.n_steps, ==, 4);
  g_assert_cmpfloat(spec->how.guidance, ==, 0.5);
  g_assert_cmpfloat(spec->how.eta, ==, 1);
  g_assert_cmpfloat(spec->smoothing, ==, 0.5);
  params.ddad_steps = 7;
  params.ddad_start = 100;
  params.ddad_guidance = 0;
  g_autoptr(VelmDdadSpec) said = read_spec(&params);
  g_assert_cmpint(said->how.n_steps, ==, 7);
  g_assert_cmpint(said->how.start, ==, 100);
  g_assert_cmpfloat(said->how.guidance, ==, 0);
}

/* The network that was fitted to the product, named by the settings. */
static void test_own_features(void) {
  g_autofree char *path = put_onnx("own.onnx", FALSE);
  put_settings("own.json", ", \"features\": {\"file\": \"features.xml\", \"layers\": [\"halved\"], "
                           "\"size\": 64, \"mean\": [1, 2, 3], \"scale\": [4, 5, 6.5]}");
  VelmFitParams params = velm_fit_params_default();
  params.denoiser = path;
  g_autoptr(VelmDdadSpec) spec = read_spec(&params);
  g_assert_cmpstr(spec->features->path, ==, features);
  g_assert_cmpstr(spec->features->layers[0], ==, "halved");
  g_assert_null(spec->features->layers[1]);
  g_assert_cmpint(spec->features->size, ==, 64);
  g_assert_cmpfloat(spec->features->mean[2], ==, 3);
  g_assert_cmpfloat(spec->features->scale[2], ==, 6.5f);
}

static void refuse_settings(const char *text, VelmError code, const char *message) {
  g_autofree char *path = put_onnx("wrong.onnx", FALSE);
  VelmFitParams params = params_usual();
  params.denoiser = path;
  put_text("wrong.json", text);
  refuse_params(&params, code, message);
}

static void test_wrong_settings(void) {
  static const struct {
    const char *more, *message;
  } wrong[] = {
      {", \"steps\": \"ten\"", "wrong.json: \"steps\" must be a whole number"},
      {", \"steps\": 2.5", "wrong.json: \"steps\" must be a whole number"},
      {", \"steps\": 0", "the number of steps must be 1 at least"},
      {", \"steps\": 201", "the number of steps must be 1 at least, and the start at most"},
      {", \"start\": 1001", "the start must be a step of the schedule"},
      {", \"start\": 1e300", "\"start\" must be a whole number"},
      {", \"guidance\": null", "\"guidance\" must be a number"},
      {", \"guidance\": -1", "the guidance must be 0 to 100"},
      {", \"eta\": 2", "eta, must be 0 to 1"},
      {", \"pixel_weight\": -1", "the pixels' weight must be"},
      {", \"smoothing\": 100", "the smoothing must be"},
      {", \"width\": 4", "the images' width and height must be 8 to 1024"},
      {", \"schedule\": {\"steps\": 0}", "the schedule's steps must be 1 to 10000"},
      {", \"schedule\": {\"last\": 1}", "the schedule's first and last variance"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autofree char *text = g_strdup_printf(
        "{\"width\": 32, \"height\": 32, \"start\": 200" FEATURES "%s}", wrong[i].more);
    refuse_settings(text, VELM_ERROR_FILE, wrong[i].message);
  }
  refuse_settings("[1]", VELM_ERROR_FILE, "wrong.json: is no object of settings");
  refuse_settings("{", VELM_ERROR_FILE, "wrong.json: not valid JSON");
  refuse_settings("", VELM_ERROR_FILE, "wrong.json: not valid JSON");
  refuse_settings("{}", VELM_ERROR_FILE, "the images' width and height");
}

static void refuse_features(const char *more, VelmError code, const char *message) {
  g_autofree char *path = put_onnx("odd.onnx", FALSE);
  VelmFitParams params = velm_fit_params_default();
  params.detector = "ddad";
  params.denoiser = path;
  put_settings("odd.json", more);
  refuse_params(&params, code, message);
}

static void test_wrong_features(void) {
  refuse_features(", \"features\": {\"file\": \"gone.onnx\", \"layers\": [\"a\"]}", VELM_ERROR_FILE,
                  "gone.onnx: no such backbone");
  refuse_features(", \"features\": {\"file\": \"features.xml\"}", VELM_ERROR_USAGE,
                  "name the layers");
  refuse_features(", \"features\": {\"file\": \"features.xml\", \"layers\": [\"halved\"], "
                  "\"mean\": [1, 2]}",
                  VELM_ERROR_FILE, "odd.json: the features' \"mean\" must be three numbers");
  refuse_features(", \"features\": {\"file\": \"features.xml\", \"layers\": [\"halved\"], "
                  "\"scale\": [1, 0, true]}",
                  VELM_ERROR_FILE, "the features' \"scale\" must be three numbers that are not 0");
  refuse_features(", \"features\": {\"file\": \"features.xml\", \"layers\": [\"absent\"]}",
                  VELM_ERROR_ENGINE, "has no layer \"absent\"");
  refuse_features(", \"features\": {\"file\": \"features.xml\", \"layers\": [\"halved@3\"]}",
                  VELM_ERROR_USAGE, "takes layers as they are");
  refuse_features(", \"features\": {\"file\": \"features.xml\", \"layers\": [\"mean\"]}",
                  VELM_ERROR_ENGINE, "layer \"mean\" gives no feature map");
}

/* ---- parameters ---- */

static gboolean stop(const char *stage, gsize done, gsize total, gpointer user_data) {
  return done < 3;
}

static void test_params(void) {
  VelmFitParams params = params_usual();
  params.denoiser = NULL;
  refuse_params(&params, VELM_ERROR_USAGE, "needs the file of a denoiser (--denoiser)");
  params = params_usual();
  params.coreset = 0.1;
  refuse_params(&params, VELM_ERROR_USAGE, "no coreset");
  params = params_usual();
  params.ddad_steps = -1;
  refuse_params(&params, VELM_ERROR_USAGE, "must be 1 or more");
  params = params_usual();
  params.ddad_steps = 300;
  refuse_params(&params, VELM_ERROR_USAGE, "the number of steps must be 1 at least");
  params = params_usual();
  params.ddad_guidance = INFINITY;
  refuse_params(&params, VELM_ERROR_USAGE, "the guidance must be 0 to 100");
  params = params_usual();
  params.progress = stop;
  refuse_params(&params, VELM_ERROR_CANCELLED, "stopped while fitting (scores)");
}

static void test_budget(void) {
  VelmFitParams params = params_usual();
  gint64 steps = 0;
  params.ddad_budget_ms = 1e9;
  GError *error = NULL;
  g_autoptr(VelmModel) model = fit_with(&params, &error);
  g_assert_no_error(error);
  g_assert_true(velm_model_get_int(model, "ddad.steps", &steps, NULL));
  g_assert_cmpint(steps, ==, 25);
  params.ddad_budget_ms = 1e-6;
  refuse_params(&params, VELM_ERROR_USAGE, "more than the budget");
  params.ddad_steps = 3;
  refuse_params(&params, VELM_ERROR_USAGE, "name one or the other");
  params.ddad_steps = 0;
  params.ddad_budget_ms = NAN;
  refuse_params(&params, VELM_ERROR_USAGE, "milliseconds over 0");
}

static void test_wrong_networks(void) {
  g_autofree char *coarse = put_onnx("coarse.onnx", TRUE);
  g_autofree char *junk = scratch_write(folder, "junk.onnx", "junk", 4);
  g_autoptr(GBytes) onnx = network_onnx();
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(onnx, &size);
  g_autofree char *other = scratch_write(folder, "other.onnx", data, size);
  put_settings("coarse.json", FEATURES);
  put_settings("junk.json", FEATURES);
  put_settings("other.json", FEATURES);
  VelmFitParams params = params_usual();
  params.denoiser = coarse;
  refuse_params(&params, VELM_ERROR_ENGINE, "coarse.onnx: is no denoiser");
  params.denoiser = junk;
  refuse_params(&params, VELM_ERROR_ENGINE, "junk.onnx: not an ONNX model");
  params.denoiser = other;
  refuse_params(&params, VELM_ERROR_ENGINE, "other.onnx: has 1 inputs; 2 are needed");
  params.denoiser = "/absent/gone.onnx";
  refuse_params(&params, VELM_ERROR_FILE, "gone.json");
}

/* ---- the images held back ---- */

static gint64 count_images(const char *more, gint64 *held_back) {
  g_autofree char *path = put_onnx("held.onnx", FALSE);
  g_autofree char *all = g_strconcat(FEATURES, more, NULL);
  put_settings("held.json", all);
  VelmFitParams params = params_usual();
  params.denoiser = path;
  GError *error = NULL;
  gint64 n = 0;
  g_autoptr(VelmModel) model = fit_with(&params, &error);
  g_assert_no_error(error);
  g_assert_true(velm_model_get_int(model, "ddad.images", &n, NULL));
  g_assert_true(velm_model_get_int(model, "ddad.held_back", held_back, NULL));
  return n;
}

static void test_held_back(void) {
  g_autoptr(GString) list = g_string_new(", \"held_back\": [7, \"train/good/gone.png\"");
  gint64 held_back = 0;
  for (guint i = 3; i < 23; i++)
    g_string_append_printf(list, ", \"train/good/%02u.png\"", i);
  g_string_append(list, "]");
  g_assert_cmpint(count_images(list->str, &held_back), ==, 20);
  g_assert_cmpint(held_back, ==, 1);
  /* Of one no threshold is to be had. */
  g_assert_cmpint(count_images(", \"held_back\": [\"train/good/01.png\"]", &held_back), ==, GOOD);
  g_assert_cmpint(held_back, ==, 0);
}

/* ---- models ---- */

static void refuse_open(VelmModel *model, VelmError code, const char *text) {
  GError *error = NULL;
  g_assert_null(velm_detector_open(model, &error));
  assert_failure(&error, code, text);
}

static void test_changed_files(void) {
  g_autofree char *path = put_onnx("changed.onnx", FALSE);
  put_settings("changed.json", FEATURES);
  VelmFitParams params = params_usual();
  params.denoiser = path;
  g_autoptr(VelmModel) model = fit_with(&params, NULL);
  g_assert_nonnull(model);
  g_free(put_onnx("changed.onnx", TRUE));
  refuse_open(model, VELM_ERROR_MODEL, "changed.onnx: is another one than when the model was");
  g_remove(path);
  refuse_open(model, VELM_ERROR_FILE, "changed.onnx");
}

/* Every value of a model missing, of another type, or out of its range: refused in one line, or
 * without effect on what is found. */
static void test_model_values(void) {
  static const char *const read[] = {
      "ddad.path",           "ddad.sha256",  "ddad.width",          "ddad.height",
      "ddad.start",          "ddad.steps",   "ddad.guidance",       "ddad.eta",
      "ddad.seed",           "ddad.samples", "ddad.pixel_weight",   "ddad.smoothing",
      "ddad.schedule_steps", "ddad.balance", "ddad.schedule_first", "ddad.schedule_last",
      "ddad.threshold"};
  static const double numbers[] = {NAN, INFINITY, -1, 1e300};
  static const gint64 wholes[] = {G_MAXINT64, G_MININT64, -1, 0};
  g_autoptr(VelmModel) model = fit();
  for (gsize i = 0; i < G_N_ELEMENTS(read); i++) {
    double number = 0;
    gint64 whole = 0;
    gboolean is_double = velm_model_get_double(model, read[i], &number, NULL);
    gboolean is_whole = velm_model_get_int(model, read[i], &whole, NULL);
    g_test_message("%s", read[i]);
    g_autoptr(VelmModel) without = velm_model_copy(model);
    velm_model_remove_prefix(without, read[i]);
    refuse_open(without, VELM_ERROR_MODEL, "");
    velm_model_set_strv(without, read[i], (const char *const[]){"a", NULL});
    refuse_open(without, VELM_ERROR_MODEL, "");
    for (gsize k = 0; k < G_N_ELEMENTS(numbers); k++) {
      g_autoptr(VelmModel) odd = velm_model_copy(model);
      gboolean any = g_str_equal(read[i], "ddad.seed") ||
                     (g_str_equal(read[i], "ddad.threshold") && isfinite(numbers[k]));
      if (is_double)
        velm_model_set_double(odd, read[i], numbers[k]);
      else if (is_whole)
        velm_model_set_int(odd, read[i], wholes[k]);
      if ((is_double || is_whole) && !any)
        refuse_open(odd, VELM_ERROR_MODEL, "");
    }
  }
  velm_model_set_double(model, "ddad.balance", 0);
  refuse_open(model, VELM_ERROR_MODEL, "the model's balance or threshold is out of range");
}

static void test_description(void) {
  g_autoptr(VelmModel) model = fit();
  g_autofree char *text = velm_model_describe(model);
  g_assert_nonnull(strstr(text, "detector: ddad\n"));
  g_assert_nonnull(strstr(text, "denoiser.onnx, images at 32 x 32 px\n"));
  g_assert_nonnull(
      strstr(text, "reconstruction: from step 200 in 4, guidance 0.5, eta 1, samples 1\n"));
  g_assert_nonnull(strstr(text, "features: file at 32 px, layers doubled, halved\n"));
  g_assert_nonnull(strstr(text, "from the scores of 24 good images\n"));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  denoiser = put_onnx("denoiser.onnx", FALSE);
  put_settings("denoiser.json", FEATURES);
  features = scratch_write(folder, "features.xml", network_image_ir, strlen(network_image_ir));
  g_free(scratch_write(folder, "features.bin", network_image_weights, 76));
  put_training();
  g_test_add_func("/detect/ddad/detect", test_detect);
  g_test_add_func("/detect/ddad/repeats", test_repeats);
  g_test_add_func("/detect/ddad/batch", test_batch);
  g_test_add_func("/detect/ddad/samples", test_samples);
  g_test_add_func("/detect/ddad/settings", test_settings);
  g_test_add_func("/detect/ddad/own_features", test_own_features);
  g_test_add_func("/detect/ddad/wrong_settings", test_wrong_settings);
  g_test_add_func("/detect/ddad/wrong_features", test_wrong_features);
  g_test_add_func("/detect/ddad/params", test_params);
  g_test_add_func("/detect/ddad/budget", test_budget);
  g_test_add_func("/detect/ddad/wrong_networks", test_wrong_networks);
  g_test_add_func("/detect/ddad/held_back", test_held_back);
  g_test_add_func("/detect/ddad/changed_files", test_changed_files);
  g_test_add_func("/detect/ddad/model_values", test_model_values);
  g_test_add_func("/detect/ddad/description", test_description);
  int code = g_test_run();
  g_free(denoiser);
  g_free(features);
  scratch_remove(folder);
  return code;
}
