#include "detect/patchcore.h"

#include "core/file.h"
#include "core/networks.h"
#include "core/scratch.h"
#include "dataset/procedural.h"
#include "detect/patchcore_maps.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define SIDE 96
#define N_TRAIN 12
#define VIEWS 2

static char *folder, *product, *network;

/* ---- fitting ---- */

/* What is around the backbone is tested with one that only averages pixels, on a grid of 4 x 4
 * patches. */
#define PATCHES 16

static VelmFitParams small_params(void) {
  VelmFitParams params = velm_fit_params_default();
  params.backbone = network;
  params.layers = "eighth";
  params.size = 32;
  return params;
}

/* What is found, with a real one. */
static VelmFitParams real_params(void) {
  VelmFitParams params = velm_fit_params_default();
  params.backbone = "lite2";
  params.layers = "stage2,stage3";
  params.size = SIDE;
  params.coreset = 0.25;
  return params;
}

static VelmModel *fit(const char *directory, const VelmFitParams *params) {
  g_autoptr(GError) error = NULL;
  VelmModel *model = velm_model_fit(directory, params, &error);
  g_assert_no_error(error);
  g_assert_nonnull(model);
  return model;
}

static void refuse_fit(const char *directory, const VelmFitParams *params, VelmError code,
                       const char *text) {
  GError *error = NULL;
  g_assert_null(velm_model_fit(directory, params, &error));
  assert_failure(&error, code, text);
}

/* Models that most tests look at: fitted once. */
static VelmModel *small, *real;
static VelmDetector *small_detector, *real_detector;

static double number(VelmModel *model, const char *name) {
  g_autoptr(GError) error = NULL;
  double value = 0;
  velm_model_get_double(model, name, &value, &error);
  g_assert_no_error(error);
  return value;
}

static const float *floats(VelmModel *model, const char *name, gsize *n) {
  g_autoptr(GError) error = NULL;
  const float *values = velm_model_get_floats(model, name, 0, n, &error);
  g_assert_no_error(error);
  return values;
}

static VelmImage *draw(guint part, guint view, const char *defect) {
  VelmProceduralParams params = velm_procedural_params_default();
  params.size = SIDE;
  VelmImage *image = velm_procedural_draw(&params, part, view, defect, NULL);
  g_assert_nonnull(image);
  return image;
}

static void write_image(const char *directory, const char *name, const VelmImage *image) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) png = velm_image_to_png(image, &error);
  g_assert_no_error(error);
  g_free(scratch_write(directory, name, g_bytes_get_data(png, NULL), g_bytes_get_size(png)));
}

/* A plain folder of @parts parts of @views views, without groups.csv. */
static char *write_folder(const char *name, guint parts, guint views) {
  g_autoptr(GError) error = NULL;
  char *directory = g_build_filename(folder, name, NULL);
  g_assert_true(velm_file_make_folder(directory, &error));
  for (guint part = 0; part < parts; part++)
    for (guint view = 0; view < views; view++) {
      g_autofree char *file = g_strdup_printf("part%u_view%u.png", part, view);
      g_autoptr(VelmImage) image = draw(part, view, NULL);
      write_image(directory, file, image);
    }
  return directory;
}

/* ---- detecting ---- */

static VelmDetector *open(VelmModel *model) {
  g_autoptr(GError) error = NULL;
  VelmDetector *detector = velm_detector_open(model, &error);
  g_assert_no_error(error);
  g_assert_nonnull(detector);
  return detector;
}

/* Takes @image and @reference. */
static VelmInspection *detect(VelmDetector *detector, VelmImage *image, VelmImage *reference) {
  g_autoptr(GError) error = NULL;
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->image = image;
  inspection->reference = reference;
  gboolean ok = velm_detector_detect(detector, inspection, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  return inspection;
}

static double score(VelmDetector *detector, VelmImage *image) {
  g_autoptr(VelmInspection) inspection = detect(detector, image, NULL);
  return inspection->score;
}

/* Parts that were not trained with. */
#define FIRST_NEW 100
#define N_NEW 4

/* Of two networks, each has its map, and the score is of both. */
static void test_two_maps(void) {
  VelmPlane *map = velm_plane_new(2, 2), *beside = velm_plane_new(2, 2);
  for (int i = 0; i < 4; i++) {
    map->values[i] = 1;
    beside->values[i] = (float)i;
  }
  map->values[2] = 2;
  g_assert_cmpfloat_with_epsilon(velm_patch_maps_score(map, NULL, 0.25), 2, 1e-6);
  g_assert_cmpfloat_with_epsilon(velm_patch_maps_score(map, beside, 0.25),
                                 pow(2, 0.8) * pow(3, 0.2), 1e-6);
  velm_plane_free(map);
  velm_plane_free(beside);
}

/* One map of the backbone's layers, early without the full look, and one of the network beside. */
static void test_maps_of_looks(void) {
  const VelmPatchLayer full = {.typical = 2, .look = VELM_LOOK_FULL},
                       half = {.typical = 1, .look = VELM_LOOK_HALF},
                       other = {.typical = 1, .look = VELM_LOOK_BESIDE};
  const VelmPatchLayer layers[] = {full, half, other};
  const float distances[] = {9, 9, 9, 9, 4, 4, 4, 4}; /* of two images */
  g_auto(VelmPatchMaps) maps = {.n_patches = 4, .n_images = 2};
  g_autoptr(GError) error = NULL;
  g_assert_true(velm_patch_layers_may_stop(layers, 3));
  g_assert_false(velm_patch_layers_may_stop(layers, 1));
  g_assert_false(velm_patch_layers_may_stop(layers + 1, 2));
  velm_patch_maps_add(&maps, &other, distances);
  VelmPlane *map = NULL, *beside = NULL;
  /* Alone, its map is the map. */
  g_assert_true(velm_patch_maps_get(&maps, 1, 2, 2, TRUE, &map, &beside, &error));
  g_assert_cmpfloat_with_epsilon((double)map->values[0], 4, 1e-5);
  g_assert_null(beside);
  velm_plane_free(map);
  velm_patch_maps_add(&maps, &full, distances);
  velm_patch_maps_add(&maps, &full, distances);
  velm_patch_maps_add(&maps, &half, distances);
  for (int early = 0; early < 2; early++) {
    g_assert_true(velm_patch_maps_get(&maps, 1, 2, 2, early, &map, &beside, &error));
    g_assert_cmpfloat_with_epsilon((double)map->values[3], early ? 4 : 8.0 / 3, 1e-5);
    g_assert_cmpfloat_with_epsilon((double)beside->values[3], 4, 1e-5);
    velm_plane_free(map);
    velm_plane_free(beside);
  }
}

/* An image with fewer patches than there is room for: the rest are its own again. */
static void test_fewer_patches(void) {
  float values[2 * 3 * 2], rows[8], sampled[4];
  for (int i = 0; i < 12; i++)
    values[i] = (float)i;
  const VelmFeatures features = {.rows = 2, .columns = 3, .channels = 2, .values = values};
  const VelmPatchLayer layer = {.channels = 1, .offset = 1};
  velm_patch_layer_take(&layer, &features, NULL, 8, rows);
  const float taken[] = {1, 3, 5, 7, 9, 11, 1, 3};
  for (int i = 0; i < 8; i++)
    g_assert_cmpfloat(rows[i], ==, taken[i]);
  velm_patch_layer_sample(&layer, &features, 4, 1, sampled);
  const float middle[] = {3, 3, 9, 9};
  for (int i = 0; i < 4; i++)
    g_assert_cmpfloat(sampled[i], ==, middle[i]);
}

/* What surrounds a low value ranks it; the peak stays, and is the only one. */
static void test_widened(void) {
  g_autoptr(GError) error = NULL;
  VelmPlane *map = velm_plane_new(32, 32), *beside = velm_plane_new(32, 32);
  for (int i = 0; i < 32 * 32; i++)
    map->values[i] = beside->values[i] = 1;
  /* A ring of which the inside looks good, and a lone point that is as high. */
  for (int y = 4; y <= 14; y++)
    for (int x = 4; x <= 14; x++) {
      gboolean edge = y == 4 || y == 14 || x == 4 || x == 14;
      map->values[32 * y + x] = edge ? 3 : 1;
      beside->values[32 * y + x] = 3;
    }
  map->values[32 * 9 + 4] = 4;
  map->values[32 * 25 + 25] = 3;
  VelmPlane *before = velm_plane_new(32, 32);
  memcpy(before->values, map->values, 32 * 32 * sizeof(float));
  g_assert_true(velm_patch_map_widen(map, beside, &error));
  g_assert_cmpfloat_with_epsilon((double)map->values[32 * 9 + 4], 4, 1e-5);
  for (int i = 0; i < 32 * 32; i++)
    g_assert_true(i == 32 * 9 + 4 || map->values[i] < 4);
  for (int i = 0; i < 32 * 32; i++)
    g_assert_true(map->values[i] <= MAX(before->values[i], 1));
  g_assert_cmpfloat((double)map->values[32 * 9 + 9], >, 1.2 * (double)map->values[32 * 28 + 3]);
  g_assert_cmpfloat((double)map->values[32 * 4 + 8], >, (double)map->values[32 * 25 + 25]);
  velm_plane_free(before);
  velm_plane_free(map);
  velm_plane_free(beside);
}

static void test_defects_score_higher(void) {
  VelmDetector *detector = real_detector;
  const char *const *classes = velm_procedural_classes();
  double good = 0, defective = 0, n = 0;
  for (guint part = FIRST_NEW; part < FIRST_NEW + N_NEW; part++) {
    good += score(detector, draw(part, 0, NULL)) / N_NEW;
    for (int i = 0; classes[i]; i++, n++)
      defective += score(detector, draw(part, 0, classes[i]));
  }
  g_test_message("good %.3f, defective %.3f", good, defective / n);
  g_assert_cmpfloat(defective / n, >, 1.1 * good);
}

/* The map's peak lies at the defect in most images; these cover some percent of them. */
static void test_map_points_at_defects(void) {
  VelmDetector *detector = real_detector;
  guint hits = 0, n = 0;
  const char *const *classes = velm_procedural_classes();
  for (guint part = FIRST_NEW; part < FIRST_NEW + N_NEW; part++)
    for (int i = 0; classes[i]; i++, n++) {
      g_autoptr(GError) error = NULL;
      VelmProceduralParams drawing = velm_procedural_params_default();
      drawing.size = SIDE;
      g_autoptr(VelmMask) mask = NULL;
      VelmImage *image = velm_procedural_draw(&drawing, part, 0, classes[i], &mask);
      g_autoptr(VelmInspection) inspection = detect(detector, image, NULL);
      g_autoptr(VelmMask) near = velm_mask_dilate(mask, SIDE / 16, &error);
      const VelmPlane *map = inspection->map;
      int best = 0;
      for (int k = 0; k < map->width * map->height; k++)
        if (map->values[k] > map->values[best])
          best = k;
      int x = (2 * (best % map->width) + 1) * SIDE / (2 * map->width);
      int y = (2 * (best / map->width) + 1) * SIDE / (2 * map->height);
      hits += near->values[y * SIDE + x] != 0;
    }
  g_test_message("%u of %u", hits, n);
  g_assert_cmpuint(2 * hits, >, n);
}

static void test_record(void) {
  VelmDetector *detector = small_detector;
  g_autoptr(VelmInspection) inspection = detect(detector, draw(FIRST_NEW, 0, "scratch"), NULL);
  float top = 0;
  const VelmPlane *map = inspection->map;
  for (int i = 0; i < map->width * map->height; i++)
    top = MAX(top, map->values[i]);
  g_assert_cmpfloat(inspection->score, ==, (double)top);
  g_assert_cmpfloat(inspection->threshold, ==, number(small, "patchcore.threshold"));
  g_assert_cmpint(inspection->anomalous, ==, inspection->score >= inspection->threshold);
  g_assert_cmpfloat(inspection->region_threshold, <, inspection->score);
  g_assert_cmpfloat(inspection->region_threshold, >, 0);
  g_assert_cmpint(map->width, ==, 4);
  g_assert_cmpint(inspection->features->rows, ==, map->height);
  g_assert_cmpint(inspection->features->columns, ==, map->width);
  g_assert_null(inspection->reference_features);
  g_assert_cmpfloat(inspection->timings_ms[VELM_TIMING_FEATURES], >, 0);
  g_assert_cmpfloat(inspection->timings_ms[VELM_TIMING_SEARCH], >, 0);
  g_assert_cmpuint(inspection->regions->len, ==, 0);
  g_assert_null(inspection->mask);
}

/* What was trained with is nearer than what was not. */
static void test_known_parts_score_lower(void) {
  VelmDetector *detector = real_detector;
  double known = 0, new = 0;
  for (guint part = 0; part < 4; part++) {
    known += score(detector, draw(part, 0, NULL)) / 4;
    new += score(detector, draw(FIRST_NEW + part, 0, NULL)) / 4;
  }
  g_assert_cmpfloat(known, <, 0.9 * new);
}

static void test_any_size(void) {
  static const int sizes[][2] = {{1, 1}, {300, 20}, {1000, 800}};
  VelmDetector *detector = small_detector;
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    double value = score(detector, velm_image_new(sizes[i][0], sizes[i][1]));
    g_assert_true(isfinite(value) && value > 0);
  }
}

/* ---- the model ---- */

static void check_same(VelmModel *a, VelmModel *b, gboolean same) {
  g_autoptr(GBytes) x = velm_model_serialise(a);
  g_autoptr(GBytes) y = velm_model_serialise(b);
  g_assert_cmpint(g_bytes_equal(x, y), ==, same);
}

static void test_deterministic(void) {
  VelmFitParams params = small_params();
  g_autoptr(VelmModel) again = fit(product, &params);
  check_same(small, again, TRUE);
  params.seed = 1;
  params.coreset = 0.3;
  g_autoptr(VelmModel) one = fit(product, &params);
  params.seed = 2;
  g_autoptr(VelmModel) two = fit(product, &params);
  check_same(one, two, FALSE);
}

static void test_saved(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(folder, "part.velm", NULL);
  g_assert_true(velm_model_save(small, path, &error));
  g_autoptr(VelmModel) loaded = velm_model_load(path, &error);
  g_assert_no_error(error);
  VelmDetector *before = small_detector;
  g_autoptr(VelmDetector) after = open(loaded);
  g_autoptr(VelmInspection) a = detect(before, draw(FIRST_NEW, 1, "stain"), NULL);
  g_autoptr(VelmInspection) b = detect(after, draw(FIRST_NEW, 1, "stain"), NULL);
  gsize size = sizeof(float) * (gsize)a->map->width * (gsize)a->map->height;
  g_assert_cmpmem(a->map->values, size, b->map->values, size);
  g_assert_cmpfloat(a->score, ==, b->score);
}

static void test_bank(void) {
  const gsize all = PATCHES * N_TRAIN, channels = 3;
  VelmFitParams params = small_params();
  params.layers = "eighth,eighth@3";
  params.coreset = 0.1;
  g_autoptr(VelmModel) tenth = fit(product, &params);
  for (int i = 0; i < 2; i++) {
    g_autofree char *name = g_strdup_printf("patchcore.bank.%d", i);
    gsize n = 0;
    floats(tenth, name, &n);
    g_assert_cmpuint(n, ==, (gsize)ceil(0.1 * (double)all) * channels);
  }
  gsize n = 0;
  floats(small, "patchcore.bank.0", &n); /* fewer patches than a bank's default: all of them */
  g_assert_cmpuint(n, ==, all * channels);
  gint64 images = 0, parts = 0;
  g_assert_true(velm_model_get_int(tenth, "patchcore.images", &images, NULL));
  g_assert_true(velm_model_get_int(tenth, "patchcore.parts", &parts, NULL));
  g_assert_cmpint(images, ==, N_TRAIN);
  g_assert_cmpint(parts, ==, N_TRAIN / VIEWS);
}

static void test_standardise(void) {
  VelmFitParams params = small_params();
  params.standardise = TRUE;
  g_autoptr(VelmModel) model = fit(product, &params);
  gsize n = 0, n_bank = 0;
  const float *scale = floats(small, "patchcore.scale.0", &n);
  for (gsize i = 0; i < n; i++)
    g_assert_cmpfloat(scale[i], ==, 1);
  /* All patches are in the bank: each of its channels has the deviation 1. */
  const float *bank = floats(model, "patchcore.bank.0", &n_bank);
  gsize rows = n_bank / n;
  for (gsize k = 0; k < n; k++) {
    double sum = 0, squares = 0;
    for (gsize i = 0; i < rows; i++) {
      sum += (double)bank[i * n + k];
      squares += (double)bank[i * n + k] * (double)bank[i * n + k];
    }
    double mean = sum / (double)rows;
    g_assert_cmpfloat_with_epsilon(sqrt(squares / (double)rows - mean * mean), 1, 0.01);
  }
}

/* ---- calibration ---- */

static void test_threshold(void) {
  gsize n = 0;
  const float *scores = floats(small, "patchcore.good_scores", &n);
  g_assert_cmpuint(n, ==, N_TRAIN);
  for (gsize i = 1; i < n; i++)
    g_assert_cmpfloat(scores[i - 1], <=, scores[i]);
  double last = 0;
  const double rates[] = {0.45, 0.001};
  for (gsize i = 0; i < G_N_ELEMENTS(rates); i++) {
    VelmFitParams params = small_params();
    params.false_alarms = rates[i];
    g_autoptr(VelmModel) model = fit(product, &params);
    double threshold = number(model, "patchcore.threshold");
    guint over = 0;
    for (gsize k = 0; k < n; k++)
      over += (double)scores[k] > threshold;
    g_assert_cmpfloat(over, <=, ceil(rates[i] * (double)n));
    g_assert_cmpfloat(over, >=, floor(rates[i] * (double)(n - 1)));
    g_assert_cmpfloat(threshold, >=, last);
    g_assert_cmpfloat(number(model, "patchcore.reference_threshold"), >, 0);
    last = threshold;
  }
}

/*
 * Parts are held back whole. Were only the image held back, its part's other view would be in the
 * bank, and distances would look smaller than those of parts that are new.
 */
static void test_parts_are_held_back(void) {
  g_autofree char *directory = write_folder("ungrouped", N_TRAIN / VIEWS, VIEWS);
  VelmFitParams params = real_params();
  g_autoptr(VelmModel) leaky = fit(directory, &params);
  GString *groups = g_string_new("path,group\n");
  for (int i = 0; i < N_TRAIN; i++)
    g_string_append_printf(groups, "part%d_view%d.png,%d\n", i / VIEWS, i % VIEWS, i / VIEWS);
  g_free(scratch_write(directory, "groups.csv", groups->str, groups->len));
  g_string_free(groups, TRUE);
  g_autoptr(VelmModel) model = fit(directory, &params);
  g_assert_cmpfloat(number(model, "patchcore.typical.0"), >,
                    1.1 * number(leaky, "patchcore.typical.0"));
  /* By the threshold found so, new parts are good. */
  g_autoptr(VelmDetector) detector = open(model);
  guint alarms = 0;
  for (guint part = FIRST_NEW; part < FIRST_NEW + N_NEW; part++) {
    g_autoptr(VelmInspection) inspection = detect(detector, draw(part, 0, NULL), NULL);
    alarms += inspection->anomalous;
  }
  g_assert_cmpuint(alarms, <=, N_NEW / 2);
}

/* A typical patch of a good part that the bank does not know has the score 1. */
static void test_unit(void) {
  VelmDetector *detector = real_detector;
  double sum = 0;
  for (guint part = FIRST_NEW; part < FIRST_NEW + N_NEW; part++) {
    g_autoptr(VelmInspection) inspection = detect(detector, draw(part, 0, NULL), NULL);
    const VelmPlane *map = inspection->map;
    for (int i = 0; i < map->width * map->height; i++)
      sum += (double)map->values[i] / (map->width * map->height * N_NEW);
  }
  g_test_message("mean of good maps %.3f", sum);
  g_assert_cmpfloat_with_epsilon(sum, 1, 0.25);
}

/* ---- with a reference ---- */

static void test_reference(void) {
  VelmDetector *detector = real_detector;
  double threshold = number(real, "patchcore.reference_threshold");
  const char *const *classes = velm_procedural_classes();
  double good = 0, defective = 0, n = 0;
  for (guint part = FIRST_NEW; part < FIRST_NEW + N_NEW; part++) {
    g_autoptr(VelmInspection) same = detect(detector, draw(part, 0, NULL), draw(part, 0, NULL));
    g_assert_cmpfloat(same->score, ==, 0);
    g_assert_cmpfloat(same->threshold, ==, threshold);
    g_assert_false(same->anomalous);
    g_assert_nonnull(same->reference_features);
    g_autoptr(VelmInspection) view = detect(detector, draw(part, 1, NULL), draw(part, 0, NULL));
    good += view->score / N_NEW;
    for (int i = 0; classes[i]; i++, n++) {
      g_autoptr(VelmInspection) defect =
          detect(detector, draw(part, 1, classes[i]), draw(part, 0, NULL));
      defective += defect->score;
    }
  }
  g_test_message("good %.3f, defective %.3f, threshold %.3f", good, defective / n, threshold);
  g_assert_cmpfloat(defective / n, >, 1.1 * good);
}

/* ---- what is refused ---- */

static void test_params(void) {
  VelmFitParams params = small_params();
  params.false_alarms = 0;
  refuse_fit(product, &params, VELM_ERROR_USAGE, "false alarms");
  params.false_alarms = 0.5;
  refuse_fit(product, &params, VELM_ERROR_USAGE, "false alarms");
  params.false_alarms = NAN;
  refuse_fit(product, &params, VELM_ERROR_USAGE, "false alarms");
  params = small_params();
  params.coreset = 1.01;
  refuse_fit(product, &params, VELM_ERROR_USAGE, "coreset");
  params.coreset = -0.1;
  refuse_fit(product, &params, VELM_ERROR_USAGE, "coreset");
  params.coreset = NAN;
  refuse_fit(product, &params, VELM_ERROR_USAGE, "coreset");
  params = small_params();
  params.size = -1;
  refuse_fit(product, &params, VELM_ERROR_USAGE, "size");
  params.size = 31;
  refuse_fit(product, &params, VELM_ERROR_USAGE, "image size 31");
  params = small_params();
  params.layers = "eighth,nowhere";
  refuse_fit(product, &params, VELM_ERROR_ENGINE, "has no layer \"nowhere\"");
  params = small_params();
  params.backbone = "nowhere.onnx";
  refuse_fit(product, &params, VELM_ERROR_FILE, "nowhere.onnx");
}

static void test_few_images(void) {
  VelmFitParams params = small_params();
  g_autofree char *empty = write_folder("empty", 0, 0);
  refuse_fit(empty, &params, VELM_ERROR_DATASET, "empty");
  g_autofree char *missing = g_build_filename(folder, "missing", NULL);
  refuse_fit(missing, &params, VELM_ERROR_FILE, "missing");
  g_autofree char *one = write_folder("one", 1, 1);
  refuse_fit(one, &params, VELM_ERROR_DATASET, "one: has one good image");
}

/* Two images are enough, of two parts or of one. */
static void test_two_images(void) {
  VelmFitParams params = small_params();
  g_autofree char *directory = write_folder("two", 1, 2);
  for (int grouped = 0; grouped < 2; grouped++) {
    if (grouped) {
      static const char groups[] = "path,group\npart0_view0.png,a\npart0_view1.png,a\n";
      g_free(scratch_write(directory, "groups.csv", groups, sizeof groups - 1));
    }
    g_autoptr(VelmModel) model = fit(directory, &params);
    gsize n = 0;
    const float *scores = floats(model, "patchcore.good_scores", &n);
    g_assert_cmpuint(n, ==, 2);
    g_assert_cmpfloat(scores[0], >, 1); /* held back: far over what an image has to itself */
    g_autoptr(VelmDetector) detector = open(model);
    g_assert_cmpfloat(score(detector, draw(0, 0, NULL)), <, (double)scores[0]);
  }
}

/* All images the same: distances are next to none, but numbers all the same. */
static void test_copies(void) {
  VelmFitParams params = small_params();
  g_autoptr(GError) error = NULL;
  g_autofree char *directory = g_build_filename(folder, "copies", NULL);
  g_assert_true(velm_file_make_folder(directory, &error));
  for (int i = 0; i < 5; i++) {
    g_autofree char *name = g_strdup_printf("%d.png", i);
    g_autoptr(VelmImage) image = velm_image_new(40, 40);
    write_image(directory, name, image);
  }
  g_autoptr(VelmModel) model = fit(directory, &params);
  g_autoptr(VelmDetector) detector = open(model);
  double same = score(detector, velm_image_new(40, 40));
  double other = score(detector, draw(0, 0, NULL));
  g_assert_true(isfinite(same) && isfinite(other));
  g_assert_cmpfloat(other, >, same);
}

static void test_broken_image(void) {
  VelmFitParams params = small_params();
  g_autofree char *directory = write_folder("broken", 3, 1);
  g_autofree char *path = g_build_filename(directory, "part1_view0.png", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) png = velm_file_read(path, &error);
  g_assert_no_error(error);
  g_free(scratch_write(directory, "part1_view0.png", g_bytes_get_data(png, NULL),
                       g_bytes_get_size(png) / 2));
  refuse_fit(directory, &params, VELM_ERROR_IMAGE, "broken/part1_view0.png: ");
  g_free(scratch_write(directory, "part1_view0.png", "text", 4));
  refuse_fit(directory, &params, VELM_ERROR_IMAGE, "broken/part1_view0.png: ");
}

typedef struct {
  const char *stage;
  guint n_stages, calls;
  const char *last;
} Watch;

static gboolean watch(const char *stage, gsize done, gsize total, gpointer user_data) {
  Watch *seen = user_data;
  g_assert_cmpuint(done, <=, total);
  seen->calls++;
  if (g_strcmp0(seen->last, stage) != 0)
    seen->n_stages++;
  seen->last = stage;
  return g_strcmp0(stage, seen->stage) != 0;
}

static void test_progress(void) {
  static const char *const stages[] = {"features", "calibration", "reference"};
  for (gsize i = 0; i <= G_N_ELEMENTS(stages); i++) {
    Watch seen = {.stage = i < G_N_ELEMENTS(stages) ? stages[i] : NULL};
    VelmFitParams params = small_params();
    params.progress = watch;
    params.progress_data = &seen;
    if (seen.stage) {
      refuse_fit(product, &params, VELM_ERROR_CANCELLED, seen.stage);
      g_assert_cmpstr(seen.last, ==, seen.stage);
      continue;
    }
    g_autoptr(VelmModel) model = fit(product, &params);
    g_assert_cmpuint(seen.n_stages, >=, 3);
    g_assert_cmpuint(seen.calls, >=, N_TRAIN);
  }
}

static VelmModel *copy_of(VelmModel *model) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = velm_model_serialise(model);
  VelmModel *copy = velm_model_parse(bytes, "part.velm", &error);
  g_assert_no_error(error);
  return copy;
}

static void refuse_model(VelmModel *model, const char *text) {
  GError *error = NULL;
  g_assert_null(velm_detector_open(model, &error));
  assert_failure(&error, VELM_ERROR_MODEL, text);
}

static void test_damaged_model(void) {
  static const char *const names[] = {"detector",          "patchcore.threshold",
                                      "patchcore.bank.0",  "patchcore.typical.0",
                                      "patchcore.scale.0", "backbone.sha256",
                                      "backbone.layers",   "patchcore.reference_threshold"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autoptr(VelmModel) model = copy_of(small);
    velm_model_remove_prefix(model, names[i]);
    refuse_model(model, names[i]);
  }
  static const float odd[100] = {0};
  g_autoptr(VelmModel) model = copy_of(small);
  velm_model_set_floats(model, "patchcore.bank.0", odd, 100);
  refuse_model(model, "the model's bank does not fit its backbone");
  g_autoptr(VelmModel) scaled = copy_of(small);
  velm_model_set_floats(scaled, "patchcore.scale.0", odd, 2);
  refuse_model(scaled, "patchcore.scale.0");
  g_autoptr(VelmModel) zero = copy_of(small);
  velm_model_set_double(zero, "patchcore.typical.0", 0);
  refuse_model(zero, "the model");
  velm_model_set_double(zero, "patchcore.typical.0", NAN);
  refuse_model(zero, "the model");
  g_autoptr(VelmModel) foreign = copy_of(small);
  velm_model_set_string(foreign, "detector", "padim");
  refuse_model(foreign, "\"padim\"");
}

/* The images, and the networks to look at them with. */
static void set_up(void) {
  VelmProceduralParams drawing = velm_procedural_params_default();
  drawing.size = SIDE;
  drawing.n_train = N_TRAIN;
  drawing.views = VIEWS;
  drawing.n_test_good = 1;
  drawing.n_per_class = 0;
  g_autoptr(GError) error = NULL;
  folder = scratch_new();
  product = g_build_filename(folder, "product", NULL);
  velm_procedural_write(&drawing, product, NULL, NULL, &error);
  g_assert_no_error(error);
  network = scratch_write(folder, "network.xml", network_image_ir, strlen(network_image_ir));
  g_free(scratch_write(folder, "network.bin", network_image_weights, sizeof network_image_weights));
  VelmFitParams params = small_params();
  small = fit(product, &params);
  const char *models = g_getenv("VELM_MODELS");
  g_autofree char *lite2 = g_build_filename(models ? models : "", "lite2.onnx", NULL);
  params = real_params();
  real = g_file_test(lite2, G_FILE_TEST_EXISTS) ? fit(product, &params) : NULL;
  small_detector = open(small);
  real_detector = real ? open(real) : NULL;
}

static void tear_down(void) {
  velm_detector_free(small_detector);
  velm_detector_free(real_detector);
  velm_model_free(small);
  velm_model_free(real);
  g_free(product);
  g_free(network);
  scratch_remove(folder);
}

static void test_no_backbones(void) { g_test_skip("no backbones"); }

static void add_with_backbone(const char *path, GTestFunc test) {
  g_test_add_func(path, real ? test : test_no_backbones);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  /* Not warnings: libvips warns of each damaged file. */
  g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
  set_up();
  add_with_backbone("/patchcore/defects-score-higher", test_defects_score_higher);
  add_with_backbone("/patchcore/map-points-at-defects", test_map_points_at_defects);
  add_with_backbone("/patchcore/known-parts-score-lower", test_known_parts_score_lower);
  add_with_backbone("/patchcore/parts-are-held-back", test_parts_are_held_back);
  add_with_backbone("/patchcore/unit", test_unit);
  add_with_backbone("/patchcore/reference", test_reference);
  g_test_add_func("/patchcore/two-maps", test_two_maps);
  g_test_add_func("/patchcore/maps-of-looks", test_maps_of_looks);
  g_test_add_func("/patchcore/widened", test_widened);
  g_test_add_func("/patchcore/fewer-patches", test_fewer_patches);
  g_test_add_func("/patchcore/record", test_record);
  g_test_add_func("/patchcore/any-size", test_any_size);
  g_test_add_func("/patchcore/deterministic", test_deterministic);
  g_test_add_func("/patchcore/saved", test_saved);
  g_test_add_func("/patchcore/bank", test_bank);
  g_test_add_func("/patchcore/standardise", test_standardise);
  g_test_add_func("/patchcore/threshold", test_threshold);
  g_test_add_func("/patchcore/params", test_params);
  g_test_add_func("/patchcore/few-images", test_few_images);
  g_test_add_func("/patchcore/two-images", test_two_images);
  g_test_add_func("/patchcore/copies", test_copies);
  g_test_add_func("/patchcore/broken-image", test_broken_image);
  g_test_add_func("/patchcore/progress", test_progress);
  g_test_add_func("/patchcore/damaged-model", test_damaged_model);
  int result = g_test_run();
  tear_down();
  return result;
}
