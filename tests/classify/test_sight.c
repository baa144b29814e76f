#include "classify/measure.h"
#include "classify/sight.h"

#include <math.h>
#include <string.h>

/* The network is compiled once; a test changes nothing of it. */
typedef struct {
  VelmSightNet *net;
  GRand *random;
} Fixture;

static VelmImage *textured(GRand *random, int width, int height) {
  VelmImage *image = velm_image_new(width, height);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      guint8 *p = image->pixels + 3 * ((gsize)y * (gsize)width + (gsize)x);
      int level = 60 + 100 * ((x / 9 + y / 14) % 2);
      for (int c = 0; c < 3; c++)
        p[c] = (guint8)(level + g_rand_int_range(random, 0, 12));
    }
  return image;
}

static void fill_mask(VelmMask *mask, int x0, int y0, int width, int height) {
  for (int y = y0; y < y0 + height; y++)
    memset(mask->values + (gsize)y * (gsize)mask->width + x0, 255, (gsize)width);
}

static VelmInspection *inspect(VelmImage *image, int x, int y, int width, int height) {
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->image = image;
  inspection->focus = velm_mask_new(image->width, image->height);
  fill_mask(inspection->focus, x, y, width, height);
  return inspection;
}

static VelmSight *take(Fixture *f, const VelmInspection *inspection, gboolean detected,
                       gboolean flips) {
  GError *error = NULL;
  VelmSight *sight = velm_sight_take(f->net, inspection, detected, flips, &error);
  g_assert_no_error(error);
  g_assert_nonnull(sight);
  return sight;
}

static double cosine(const float *a, const float *b, int n) {
  double ab = 0, aa = 0, bb = 0;
  for (int i = 0; i < n; i++) {
    ab += (double)a[i] * (double)b[i];
    aa += (double)a[i] * (double)a[i];
    bb += (double)b[i] * (double)b[i];
  }
  return ab / sqrt(aa * bb);
}

static void assert_finite(const float *values, int n) {
  for (int i = 0; i < n; i++)
    g_assert_true(isfinite(values[i]));
}

static void assert_all_finite(const VelmSight *sight) {
  assert_finite(sight->geometry, VELM_N_GEOMETRY);
  assert_finite(sight->appearance, VELM_N_APPEARANCE);
  assert_finite(sight->difference, VELM_N_DIFFERENCE);
  assert_finite(sight->patch, sight->n_patch);
  for (int i = 0; i < 2; i++)
    assert_finite(sight->crop[i], sight->n_views * sight->n_crop);
}

/* ---- crops ---- */

static void test_views(gconstpointer data) {
  Fixture *f = (Fixture *)data;
  g_autoptr(VelmInspection) inspection = inspect(textured(f->random, 300, 200), 100, 60, 40, 20);
  g_autoptr(VelmSight) one = take(f, inspection, FALSE, FALSE);
  g_autoptr(VelmSight) four = take(f, inspection, FALSE, TRUE);
  g_assert_cmpint(one->n_views, ==, 1);
  g_assert_cmpint(four->n_views, ==, VELM_N_FLIPS);
  g_assert_cmpint(one->n_crop, ==, 384);
  g_assert_null(one->patch);
  g_assert_false(one->has_difference);
  for (int layer = 0; layer < 2; layer++) {
    g_assert_cmpfloat(cosine(one->crop[layer], four->crop[layer], 384), >, 0.9999);
    for (int view = 1; view < VELM_N_FLIPS; view++)
      g_assert_cmpfloat(cosine(one->crop[layer], four->crop[layer] + view * 384, 384), <, 0.9999);
  }
  g_assert_cmpfloat(cosine(one->crop[0], one->crop[1], 384), <, 0.99);
}

static VelmImage *flip(const VelmImage *image, gboolean across, gboolean down) {
  VelmImage *out = velm_image_new(image->width, image->height);
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++) {
      int u = across ? image->width - 1 - x : x, v = down ? image->height - 1 - y : y;
      memcpy(out->pixels + 3 * ((gsize)y * (gsize)image->width + (gsize)x),
             image->pixels + 3 * ((gsize)v * (gsize)image->width + (gsize)u), 3);
    }
  return out;
}

/* The views of an image are the first views of its mirror images. */
static void test_flips(gconstpointer data) {
  Fixture *f = (Fixture *)data;
  VelmImage *image = textured(f->random, 300, 200);
  g_autoptr(VelmInspection) inspection = inspect(image, 100, 60, 40, 20);
  g_autoptr(VelmSight) views = take(f, inspection, FALSE, TRUE);
  for (int view = 0; view < VELM_N_FLIPS; view++) {
    gboolean across = view & 1, down = view & 2;
    g_autoptr(VelmInspection) mirrored =
        inspect(flip(image, across, down), across ? 160 : 100, down ? 120 : 60, 40, 20);
    g_autoptr(VelmSight) sight = take(f, mirrored, FALSE, FALSE);
    for (int layer = 0; layer < 2; layer++)
      g_assert_cmpfloat(cosine(sight->crop[layer], views->crop[layer] + view * 384, 384), >, 0.999);
  }
}

/* A crop is one and a half times the region: an image of just that square has the same. */
static void test_crop_place(gconstpointer data) {
  Fixture *f = (Fixture *)data;
  g_autoptr(VelmInspection) whole = inspect(textured(f->random, 600, 500), 250, 200, 100, 60);
  g_autoptr(VelmInspection) part =
      inspect(velm_image_crop(whole->image, 225, 155, 150, 150), 25, 45, 100, 60);
  g_autoptr(VelmInspection) other =
      inspect(velm_image_crop(whole->image, 200, 130, 200, 200), 10, 10, 100, 60);
  g_autoptr(VelmSight) a = take(f, whole, FALSE, FALSE);
  g_autoptr(VelmSight) b = take(f, part, FALSE, FALSE);
  g_autoptr(VelmSight) c = take(f, other, FALSE, FALSE);
  for (int layer = 0; layer < 2; layer++) {
    double same = cosine(a->crop[layer], b->crop[layer], 384);
    g_assert_cmpfloat(same, >, 0.998);
    g_assert_cmpfloat(cosine(a->crop[layer], c->crop[layer], 384), <, same);
  }
}

/* ---- patches ---- */

/* Two rows of four patches; the channels are the row, the column, and 1. */
static VelmFeatures *numbered_patches(void) {
  VelmFeatures *features = g_new0(VelmFeatures, 1);
  *features = (VelmFeatures){2, 4, 3, g_new(float, 2 * 4 * 3)};
  for (int i = 0; i < 8; i++) {
    features->values[3 * i] = (float)(i / 4);
    features->values[3 * i + 1] = (float)(i % 4);
    features->values[3 * i + 2] = 1;
  }
  return features;
}

static void test_patches_given(gconstpointer data) {
  Fixture *f = (Fixture *)data;
  /* Patches are 20 x 20 pixels: the mask fills (0, 1) and half of (0, 2). */
  g_autoptr(VelmInspection) inspection = inspect(textured(f->random, 80, 40), 20, 0, 30, 20);
  inspection->features = numbered_patches();
  g_autoptr(VelmSight) sight = take(f, inspection, FALSE, FALSE);
  g_assert_cmpint(sight->n_patch, ==, 3);
  g_assert_cmpfloat_with_epsilon(sight->patch[0], 0, 1e-6);
  g_assert_cmpfloat_with_epsilon(sight->patch[1], (1 * 1 + 2 * 0.25) / 1.25, 1e-5);
  g_assert_cmpfloat_with_epsilon(sight->patch[2], 1, 1e-5);
}

static void test_patches_detected(gconstpointer data) {
  Fixture *f = (Fixture *)data;
  g_autoptr(VelmInspection) inspection = inspect(textured(f->random, 80, 40), 20, 0, 30, 20);
  inspection->features = numbered_patches();
  /* A map finer than the patches: each of its four cells a patch counts by their mean. */
  inspection->map = velm_plane_new(8, 4);
  for (int i = 0; i < 32; i++) {
    int column = i % 8 / 2, row = i / 8 / 2;
    float level = row == 1 && column == 3 ? 10 : row == 1 && column == 0 ? 8.5f : 7.5f;
    inspection->map->values[i] = level + (i % 2 ? 1.0f : -1.0f);
  }
  g_autoptr(VelmSight) sight = take(f, inspection, TRUE, FALSE);
  g_assert_cmpfloat_with_epsilon(sight->patch[0], 1, 1e-5);
  g_assert_cmpfloat_with_epsilon(sight->patch[1], 1.5, 1e-5);
  /* Scores that say nothing leave the mean of all. */
  for (int i = 0; i < 32; i++)
    inspection->map->values[i] = i % 3 ? NAN : -1;
  g_autoptr(VelmSight) blind = take(f, inspection, TRUE, FALSE);
  g_assert_cmpfloat_with_epsilon(blind->patch[0], 0.5, 1e-5);
  g_assert_cmpfloat_with_epsilon(blind->patch[1], 1.5, 1e-5);
}

/* ---- references and sizes ---- */

static void test_reference(gconstpointer data) {
  Fixture *f = (Fixture *)data;
  VelmImage *image = textured(f->random, 120, 120);
  g_autoptr(VelmInspection) inspection = inspect(image, 20, 20, 30, 30);
  inspection->reference = velm_image_copy(image);
  for (int y = 80; y < 100; y++) /* outside the focus */
    memset(image->pixels + 3 * (y * 120 + 80), 255, 3 * 20);
  g_autoptr(VelmSight) given = take(f, inspection, FALSE, FALSE);
  g_assert_true(given->has_difference);
  g_assert_cmpfloat(given->difference[VELM_DIFFERENCE_FOUND], ==, 0);
  g_autoptr(VelmSight) detected = take(f, inspection, TRUE, FALSE);
  g_assert_cmpfloat(detected->difference[VELM_DIFFERENCE_FOUND], ==, 1);
  g_assert_cmpfloat(detected->difference[VELM_DIFFERENCE_SIGN], ==, 1);
}

static void test_reference_size(gconstpointer data) {
  Fixture *f = (Fixture *)data;
  g_autoptr(VelmInspection) inspection = inspect(textured(f->random, 120, 80), 20, 20, 30, 30);
  GError *error = NULL;
  inspection->reference = velm_image_resize(inspection->image, 240, 160, &error);
  g_assert_no_error(error);
  g_autoptr(VelmSight) sight = take(f, inspection, FALSE, FALSE);
  g_assert_true(sight->has_difference);
  g_assert_cmpfloat(sight->difference[VELM_DIFFERENCE_ABSOLUTE], <, 0.2);
}

/* An image of more than a megapixel is measured as its smaller copy. */
static void test_large(gconstpointer data) {
  Fixture *f = (Fixture *)data;
  GError *error = NULL;
  g_autoptr(VelmInspection) small = inspect(textured(f->random, 400, 300), 100, 90, 80, 40);
  VelmImage *image = velm_image_resize(small->image, 2000, 1500, &error);
  g_assert_no_error(error);
  g_autoptr(VelmInspection) large = inspect(image, 500, 450, 400, 200);
  g_autoptr(VelmSight) a = take(f, small, FALSE, FALSE);
  g_autoptr(VelmSight) b = take(f, large, FALSE, FALSE);
  static const int alike[] = {VELM_SHAPE_AREA,     VELM_SHAPE_WIDTH,    VELM_SHAPE_HEIGHT,
                              VELM_SHAPE_EXTENT,   VELM_SHAPE_AXIS,     VELM_SHAPE_ELONGATION,
                              VELM_SHAPE_CENTRE_X, VELM_SHAPE_CENTRE_Y, VELM_SHAPE_THICKNESS};
  for (gsize i = 0; i < G_N_ELEMENTS(alike); i++)
    g_assert_cmpfloat_with_epsilon(a->geometry[alike[i]], b->geometry[alike[i]], 0.02);
  g_assert_cmpfloat_with_epsilon(a->appearance[VELM_APPEARANCE_MEAN],
                                 b->appearance[VELM_APPEARANCE_MEAN], 0.05);
  g_assert_cmpfloat(cosine(a->crop[0], b->crop[0], 384), >, 0.95);
}

/* A speck in a large image must not vanish, and so become the whole image, as this is made smaller.
 */
static void test_speck(gconstpointer data) {
  Fixture *f = (Fixture *)data;
  for (int x = 700; x < 703; x++) {
    g_autoptr(VelmInspection) inspection = inspect(velm_image_new(3000, 2000), x, 501, 1, 1);
    g_autoptr(VelmSight) sight = take(f, inspection, FALSE, FALSE);
    g_assert_cmpfloat(sight->geometry[VELM_SHAPE_AREA], <, -13);
    g_assert_cmpfloat_with_epsilon(sight->geometry[VELM_SHAPE_CENTRE_X], 1 - 700.0 / 1500, 0.01);
    g_assert_cmpfloat_with_epsilon(sight->geometry[VELM_SHAPE_CENTRE_Y], 0.5, 0.01);
  }
}

static void test_hostile(gconstpointer data) {
  Fixture *f = (Fixture *)data;
  static const int sizes[][2] = {{1, 1}, {1, 50}, {50, 1}, {3, 2}, {20000, 60}};
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
    for (int kind = 0; kind < 3; kind++) {
      int width = sizes[i][0], height = sizes[i][1];
      g_autoptr(VelmInspection) inspection =
          kind == 2 ? inspect(textured(f->random, width, height), 0, 0, width, height)
                    : inspect(velm_image_new(width, height), 0, 0, 0, 0);
      if (kind == 1)
        g_clear_pointer(&inspection->focus, velm_mask_free);
      inspection->reference = textured(f->random, 7, 5);
      inspection->features = numbered_patches();
      inspection->map = velm_plane_new(1, 1);
      g_autoptr(VelmSight) sight = take(f, inspection, kind == 1, FALSE);
      assert_all_finite(sight);
    }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  GError *error = NULL;
  Fixture f = {velm_sight_net_open(&error), g_rand_new_with_seed(1)};
  g_assert_no_error(error);
  g_test_add_data_func("/sight/views", &f, test_views);
  g_test_add_data_func("/sight/flips", &f, test_flips);
  g_test_add_data_func("/sight/crop-place", &f, test_crop_place);
  g_test_add_data_func("/sight/patches-given", &f, test_patches_given);
  g_test_add_data_func("/sight/patches-detected", &f, test_patches_detected);
  g_test_add_data_func("/sight/reference", &f, test_reference);
  g_test_add_data_func("/sight/reference-size", &f, test_reference_size);
  g_test_add_data_func("/sight/large", &f, test_large);
  g_test_add_data_func("/sight/speck", &f, test_speck);
  g_test_add_data_func("/sight/hostile", &f, test_hostile);
  int failed = g_test_run();
  velm_sight_net_free(f.net);
  g_rand_free(f.random);
  return failed;
}
