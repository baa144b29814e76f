#include "mark/mark.h"

#include <math.h>
#include <string.h>

/* ---- records with a map ---- */

/* A black image, and a map of its own size of zeros. */
static VelmInspection *record(int width, int height, double level) {
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->image = velm_image_new(width, height);
  inspection->map = velm_plane_new(width, height);
  inspection->region_threshold = level;
  return inspection;
}

static void fill(VelmPlane *map, int x0, int y0, int width, int height, float value) {
  for (int y = y0; y < y0 + height; y++)
    for (int x = x0; x < x0 + width; x++)
      map->values[y * map->width + x] = value;
}

static void mark(VelmInspection *inspection, gboolean force) {
  g_autoptr(GError) error = NULL;
  gboolean ok = velm_mark_regions(inspection, force, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
}

static const VelmRegion *region(const VelmInspection *inspection, guint index) {
  g_assert_cmpuint(index, <, inspection->regions->len);
  return &g_array_index(inspection->regions, VelmRegion, index);
}

static void check_box(const VelmRegion *found, int x, int y, int width, int height) {
  g_assert_cmpint(found->x, ==, x);
  g_assert_cmpint(found->y, ==, y);
  g_assert_cmpint(found->width, ==, width);
  g_assert_cmpint(found->height, ==, height);
}

static void check_centre(const VelmRegion *found, double x, double y, double tolerance) {
  g_assert_cmpfloat_with_epsilon(found->centroid_x, x, tolerance);
  g_assert_cmpfloat_with_epsilon(found->centroid_y, y, tolerance);
}

/* The mask is set in the box, and nowhere else. */
static void check_mask_is_box(const VelmMask *mask, int x0, int y0, int width, int height) {
  for (int y = 0; y < mask->height; y++)
    for (int x = 0; x < mask->width; x++) {
      gboolean inside = x >= x0 && x < x0 + width && y >= y0 && y < y0 + height;
      g_assert_cmpint(mask->values[y * mask->width + x], ==, inside ? 255 : 0);
    }
}

/* ---- shapes ---- */

static void check_rectangle(int x, int y, int width, int height) {
  g_autoptr(VelmInspection) inspection = record(120, 90, 0.5);
  fill(inspection->map, x, y, width, height, 2);
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 1);
  const VelmRegion *found = region(inspection, 0);
  check_box(found, x, y, width, height);
  check_centre(found, x + width / 2.0, y + height / 2.0, 1e-9);
  g_assert_cmpfloat_with_epsilon(found->area, width * height, 1e-9);
  double sides = (double)MAX(width, height) / MIN(width, height);
  g_assert_cmpfloat_with_epsilon(found->elongation, sides, 1e-6 * sides);
  g_assert_cmpfloat_with_epsilon(found->score, 2, 1e-6);
  check_mask_is_box(inspection->mask, x, y, width, height);
  check_mask_is_box(inspection->focus, x, y, width, height);
}

static void test_rectangles(void) {
  check_rectangle(10, 20, 30, 15);
  check_rectangle(0, 0, 120, 90);
  check_rectangle(0, 0, 1, 90);
  check_rectangle(119, 89, 1, 1);
  check_rectangle(50, 40, 60, 1);
  check_rectangle(7, 7, 20, 20);
}

/* A disc of radius 20, a ring, and a slanted line. */
static void test_disc(void) {
  g_autoptr(VelmInspection) inspection = record(100, 100, 0.5);
  for (int i = 0; i < 100 * 100; i++)
    inspection->map->values[i] = hypot(i % 100 - 40, i / 100 - 55) <= 20 ? 1 : 0;
  mark(inspection, FALSE);
  const VelmRegion *found = region(inspection, 0);
  check_box(found, 20, 35, 41, 41);
  check_centre(found, 40.5, 55.5, 1e-9);
  g_assert_cmpfloat_with_epsilon(found->area, G_PI * 400, 10);
  g_assert_cmpfloat_with_epsilon(found->elongation, 1, 1e-6);
}

static void test_ring(void) {
  g_autoptr(VelmInspection) inspection = record(100, 100, 0.5);
  for (int i = 0; i < 100 * 100; i++) {
    double distance = hypot(i % 100 - 50, i / 100 - 50);
    inspection->map->values[i] = distance <= 30 && distance > 20 ? 1 : 0;
  }
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 1);
  g_assert_cmpfloat_with_epsilon(region(inspection, 0)->area, G_PI * 500, 20);
  check_centre(region(inspection, 0), 50.5, 50.5, 1e-9);
  g_assert_cmpint(inspection->mask->values[50 * 100 + 50], ==, 0);
}

static void test_slanted_line(void) {
  g_autoptr(VelmInspection) inspection = record(100, 100, 0.5);
  for (int i = 0; i < 60; i++)
    fill(inspection->map, 10 + i, 20 + i, 2, 1, 1);
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 1);
  check_box(region(inspection, 0), 10, 20, 61, 60);
  g_assert_cmpfloat(region(inspection, 0)->elongation, >, 25);
  g_assert_cmpfloat_with_epsilon(region(inspection, 0)->area, 120, 1e-9);
}

/* ---- several ---- */

static void test_order(void) {
  static const float scores[] = {3, 9, 5, 7};
  g_autoptr(VelmInspection) inspection = record(100, 100, 1);
  for (int i = 0; i < 4; i++) {
    fill(inspection->map, 5 + 20 * i, 10, 10, 10, 2);
    inspection->map->values[15 * 100 + 8 + 20 * i] = scores[i];
  }
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 4);
  static const int order[] = {1, 3, 2, 0};
  for (guint i = 0; i < 4; i++) {
    check_box(region(inspection, i), 5 + 20 * order[i], 10, 10, 10);
    g_assert_cmpfloat_with_epsilon(region(inspection, i)->score, scores[order[i]], 1e-6);
  }
  /* All are marked; the classifier looks at the best. */
  g_assert_cmpuint(velm_mask_count(inspection->mask), ==, 400);
  check_mask_is_box(inspection->focus, 25, 10, 10, 10);
}

/* Regions that only touch at a corner are two. */
static void test_corners(void) {
  g_autoptr(VelmInspection) inspection = record(60, 60, 0.5);
  fill(inspection->map, 10, 10, 10, 10, 1);
  fill(inspection->map, 20, 20, 10, 10, 2);
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 2);
  check_box(region(inspection, 0), 20, 20, 10, 10);
}

/* Specks under 2e-4 of the image go; the best stays whatever its size. */
static void test_min_area(void) {
  g_autoptr(VelmInspection) inspection = record(200, 200, 0.5); /* 8 pixels are that share */
  fill(inspection->map, 10, 10, 7, 1, 1);
  fill(inspection->map, 10, 50, 8, 1, 2);
  fill(inspection->map, 10, 90, 1, 1, 3);
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 2);
  check_box(region(inspection, 0), 10, 90, 1, 1);
  check_box(region(inspection, 1), 10, 50, 8, 1);
  g_assert_cmpuint(velm_mask_count(inspection->mask), ==, 9);
}

static void test_level(void) {
  g_autoptr(VelmInspection) inspection = record(50, 50, 0.5);
  fill(inspection->map, 10, 10, 20, 20, 0.49f);
  fill(inspection->map, 12, 12, 5, 5, 0.5f); /* the level itself counts */
  mark(inspection, FALSE);
  check_box(region(inspection, 0), 12, 12, 5, 5);
}

/* ---- nothing, and all the same ---- */

static void test_nothing(void) {
  g_autoptr(VelmInspection) inspection = record(50, 50, 0.5);
  fill(inspection->map, 10, 10, 20, 20, 0.4f);
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 0);
  g_assert_true(!inspection->focus || velm_mask_count(inspection->focus) == 0);
  g_assert_true(!inspection->mask || velm_mask_count(inspection->mask) == 0);
}

/* Forced, the region about the maximum is taken: down to 0.7 of it. */
static void test_forced(void) {
  g_autoptr(VelmInspection) inspection = record(50, 50, 0.5);
  fill(inspection->map, 0, 0, 50, 50, 0.1f);
  fill(inspection->map, 10, 10, 20, 20, 0.27f);
  fill(inspection->map, 15, 15, 4, 6, 0.29f);
  fill(inspection->map, 17, 17, 1, 1, 0.4f);
  mark(inspection, TRUE);
  g_assert_cmpuint(inspection->regions->len, ==, 1);
  check_box(region(inspection, 0), 15, 15, 4, 6);
  check_mask_is_box(inspection->focus, 15, 15, 4, 6);
  /* Over the threshold, forcing changes nothing. */
  inspection->region_threshold = 0.25;
  mark(inspection, TRUE);
  check_box(region(inspection, 0), 10, 10, 20, 20);
}

/* Marking again replaces what was marked before. */
static void test_again(void) {
  g_autoptr(VelmInspection) inspection = record(50, 50, 0.5);
  fill(inspection->map, 10, 10, 20, 20, 1);
  mark(inspection, FALSE);
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 1);
  inspection->region_threshold = 2;
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 0);
}

/* Scores that are no numbers mark nothing, and harm nothing. */
static void test_nan(void) {
  g_autoptr(VelmInspection) inspection = record(20, 20, 0.5);
  for (int i = 0; i < 400; i++)
    inspection->map->values[i] = NAN;
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 0);
  mark(inspection, TRUE);
  g_assert_cmpuint(inspection->regions->len, ==, 0);
}

/* ---- sizes ---- */

/* A coarse map over a large image: boxes and areas are the image's. */
static void check_scaled(int width, int height) {
  VelmInspection *inspection = record(width, height, 0.5);
  velm_plane_free(inspection->map);
  inspection->map = velm_plane_new(28, 28);
  fill(inspection->map, 7, 14, 7, 7, 1); /* a quarter to the right, half down */
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 1);
  const VelmRegion *found = region(inspection, 0);
  double w = width, h = height, margin = MAX(2, MAX(w, h) / 28.0 * 0.6);
  check_centre(found, w * 3 / 8, h * 5 / 8, margin / 2);
  g_assert_cmpfloat_with_epsilon(found->area, w * h / 16, w * h / 16 * 0.15);
  g_assert_cmpfloat_with_epsilon(found->x, w / 4, margin);
  g_assert_cmpfloat_with_epsilon(found->y + found->height, h * 3 / 4, margin);
  g_assert_cmpint(inspection->mask->width, ==, width);
  g_assert_cmpint(inspection->mask->height, ==, height);
  double marked = (double)velm_mask_count(inspection->mask);
  g_assert_cmpfloat_with_epsilon(marked, found->area, 0.02 * found->area + 2);
  /* The box is the mask's. */
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      if (inspection->mask->values[(gsize)y * (gsize)width + (gsize)x])
        g_assert_true(x >= found->x && x < found->x + found->width && y >= found->y &&
                      y < found->y + found->height);
  velm_inspection_free(inspection);
}

static void test_sizes(void) {
  check_scaled(28, 28);
  check_scaled(448, 448);
  check_scaled(2000, 1500);
  check_scaled(333, 1201);
}

static void test_tiny(void) {
  static const int sizes[][2] = {{1, 1}, {1, 40}, {31, 17}, {3000, 1}};
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    VelmInspection *inspection = record(sizes[i][0], sizes[i][1], 0.5);
    velm_plane_free(inspection->map);
    inspection->map = velm_plane_new(4, 4);
    fill(inspection->map, 0, 0, 4, 4, 1);
    mark(inspection, FALSE);
    check_box(region(inspection, 0), 0, 0, sizes[i][0], sizes[i][1]);
    g_assert_cmpfloat_with_epsilon(region(inspection, 0)->area, sizes[i][0] * sizes[i][1], 1e-6);
    velm_inspection_free(inspection);
  }
}

/* ---- a given mask ---- */

static void mark_given(VelmInspection *inspection, const VelmMask *mask) {
  g_autoptr(GError) error = NULL;
  gboolean ok = velm_mark_given(inspection, mask, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
}

/* Every pixel of it counts, also a single one, and the classifier looks at all of them. */
static void test_given(void) {
  g_autoptr(VelmInspection) inspection = record(200, 200, 0.5);
  g_autoptr(VelmMask) mask = velm_mask_new(200, 200);
  mask->values[5 * 200 + 7] = 255;
  for (int y = 100; y < 110; y++)
    memset(mask->values + y * 200 + 50, 255, 20);
  fill(inspection->map, 60, 100, 1, 1, 0.3f);
  mark_given(inspection, mask);
  g_assert_cmpuint(inspection->regions->len, ==, 2);
  check_box(region(inspection, 0), 50, 100, 20, 10);
  check_box(region(inspection, 1), 7, 5, 1, 1);
  g_assert_cmpfloat_with_epsilon(region(inspection, 0)->score, 0.3, 1e-6);
  g_assert_cmpmem(inspection->mask->values, 200 * 200, mask->values, 200 * 200);
  g_assert_cmpmem(inspection->focus->values, 200 * 200, mask->values, 200 * 200);
}

/* Without a map, and of another size than the image. */
static void test_given_alone(void) {
  g_autoptr(VelmInspection) inspection = record(60, 40, 0.5);
  g_clear_pointer(&inspection->map, velm_plane_free);
  g_autoptr(VelmMask) mask = velm_mask_new(30, 20);
  memset(mask->values + 10 * 30 + 5, 255, 3);
  mark_given(inspection, mask);
  g_assert_cmpuint(inspection->regions->len, ==, 1);
  check_box(region(inspection, 0), 10, 20, 6, 2);
  g_assert_cmpfloat(region(inspection, 0)->score, ==, 0);
  g_autoptr(VelmMask) empty = velm_mask_new(30, 20);
  mark_given(inspection, empty);
  g_assert_cmpuint(inspection->regions->len, ==, 0);
  g_assert_cmpuint(velm_mask_count(inspection->mask), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/regions/rectangles", test_rectangles);
  g_test_add_func("/regions/disc", test_disc);
  g_test_add_func("/regions/ring", test_ring);
  g_test_add_func("/regions/slanted-line", test_slanted_line);
  g_test_add_func("/regions/order", test_order);
  g_test_add_func("/regions/corners", test_corners);
  g_test_add_func("/regions/min-area", test_min_area);
  g_test_add_func("/regions/level", test_level);
  g_test_add_func("/regions/nothing", test_nothing);
  g_test_add_func("/regions/forced", test_forced);
  g_test_add_func("/regions/again", test_again);
  g_test_add_func("/regions/nan", test_nan);
  g_test_add_func("/regions/sizes", test_sizes);
  g_test_add_func("/regions/tiny", test_tiny);
  g_test_add_func("/regions/given", test_given);
  g_test_add_func("/regions/given-alone", test_given_alone);
  return g_test_run();
}
