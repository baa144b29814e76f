/* From score map to regions, the red contour and the heatmap. */
#include "mark/mark.h"

#include <math.h>
#include <string.h>

/* An image of @width x @height with a map of the same size that is 1, and a level of 2. */
static VelmInspection *blank(int width, int height) {
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->image = velm_image_new(width, height);
  memset(inspection->image->pixels, 90, (gsize)width * (gsize)height * 3);
  inspection->map = velm_plane_new(width, height);
  for (int i = 0; i < width * height; i++)
    inspection->map->values[i] = 1;
  inspection->region_threshold = 2;
  return inspection;
}

static void paint(VelmInspection *inspection, int x, int y, int width, int height, float value) {
  for (int v = y; v < y + height; v++)
    for (int u = x; u < x + width; u++)
      inspection->map->values[v * inspection->map->width + u] = value;
}

static const VelmRegion *region(const VelmInspection *inspection, guint index) {
  g_assert_cmpuint(inspection->regions->len, >, index);
  return &g_array_index(inspection->regions, VelmRegion, index);
}

static void mark(VelmInspection *inspection, gboolean force) {
  g_autoptr(GError) error = NULL;
  g_assert_true(velm_mark_regions(inspection, force, &error));
  g_assert_no_error(error);
}

static void test_rectangle(void) {
  g_autoptr(VelmInspection) inspection = blank(100, 80);
  paint(inspection, 20, 30, 40, 10, 5);
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 1);
  const VelmRegion *found = region(inspection, 0);
  g_assert_cmpint(found->x, ==, 20);
  g_assert_cmpint(found->y, ==, 30);
  g_assert_cmpint(found->width, ==, 40);
  g_assert_cmpint(found->height, ==, 10);
  g_assert_cmpfloat(found->area, ==, 400);
  g_assert_cmpfloat_with_epsilon(found->centroid_x, 40, 1e-9);
  g_assert_cmpfloat_with_epsilon(found->centroid_y, 35, 1e-9);
  g_assert_cmpfloat_with_epsilon(found->elongation, 4, 1e-6);
  g_assert_cmpfloat_with_epsilon(found->score, 5, 1e-6);
  g_assert_cmpuint(velm_mask_count(inspection->mask), ==, 400);
}

static void test_order_and_focus(void) {
  g_autoptr(VelmInspection) inspection = blank(100, 100);
  paint(inspection, 10, 10, 20, 20, 3);
  paint(inspection, 60, 60, 10, 10, 7);
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 2);
  g_assert_cmpint(region(inspection, 0)->x, ==, 60);
  g_assert_cmpint(region(inspection, 1)->x, ==, 10);
  g_assert_cmpuint(velm_mask_count(inspection->mask), ==, 500);
  g_assert_cmpuint(velm_mask_count(inspection->focus), ==, 100);
}

static void test_specks_are_dropped(void) {
  g_autoptr(VelmInspection) inspection = blank(200, 200);
  paint(inspection, 50, 50, 30, 30, 4);
  paint(inspection, 150, 150, 1, 1, 3);
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 1);
}

static void test_the_best_stays_however_small(void) {
  g_autoptr(VelmInspection) inspection = blank(200, 200);
  paint(inspection, 150, 150, 1, 1, 3);
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 1);
}

static void test_under_the_level(void) {
  g_autoptr(VelmInspection) inspection = blank(50, 50);
  paint(inspection, 5, 5, 8, 8, 1.6f);
  mark(inspection, FALSE);
  g_assert_cmpuint(inspection->regions->len, ==, 0);
  g_assert_null(inspection->focus);
  mark(inspection, TRUE);
  g_assert_cmpuint(inspection->regions->len, ==, 1);
  g_assert_cmpint(region(inspection, 0)->width, ==, 8);
}

static void test_large_image(void) {
  g_autoptr(VelmInspection) inspection = blank(32, 32);
  velm_image_free(inspection->image);
  inspection->image = velm_image_new(4096, 2048);
  paint(inspection, 8, 8, 8, 8, 5);
  mark(inspection, FALSE);
  const VelmRegion *found = region(inspection, 0);
  g_assert_cmpfloat_with_epsilon(found->centroid_x, 12 * 128, 20);
  g_assert_cmpfloat_with_epsilon(found->centroid_y, 12 * 64, 10);
  g_assert_cmpint(inspection->mask->width, ==, 4096);
}

static void test_given_mask(void) {
  g_autoptr(VelmInspection) inspection = blank(60, 40);
  g_autoptr(VelmMask) mask = velm_mask_new(60, 40);
  for (int x = 0; x < 60; x++)
    mask->values[20 * 60 + x] = 255;
  mask->values[0] = 255;
  g_autoptr(GError) error = NULL;
  g_assert_true(velm_mark_given(inspection, mask, &error));
  g_assert_cmpuint(inspection->regions->len, ==, 2);
  g_assert_cmpuint(velm_mask_count(inspection->focus), ==, 61);
}

static gboolean is_red(const VelmImage *image, int x, int y) {
  const guint8 *pixel = image->pixels + 3 * ((gsize)y * (gsize)image->width + (gsize)x);
  return pixel[0] == 255 && pixel[1] == 0 && pixel[2] == 0;
}

/* The line runs about the region: none of it inside, none far away, and all pixels of it red. */
static void check_outline(int width, int height) {
  g_autoptr(VelmImage) image = velm_image_new(100, 100);
  g_autoptr(VelmMask) mask = velm_mask_new(100, 100);
  for (int y = 40; y < 60; y++)
    memset(mask->values + y * 100 + 40, 255, 20);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmImage) out = velm_mark_outline(image, mask, width, height, &error);
  g_assert_no_error(error);
  g_assert_cmpint(out->width, ==, width);
  g_assert_cmpint(out->height, ==, height);
  int red = 0;
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      double u = (x + 0.5) * 100 / width, v = (y + 0.5) * 100 / height;
      gboolean inside = u > 41 && u < 59 && v > 41 && v < 59;
      gboolean far = u < 30 || u > 70 || v < 30 || v > 70;
      red += is_red(out, x, y) ? 1 : 0;
      g_assert_false(is_red(out, x, y) && (inside || (far && width > 60)));
    }
  g_assert_cmpint(red, >, width / 4);
}

static void test_outline(void) {
  check_outline(448, 448);
  check_outline(100, 100);
  check_outline(31, 17);
  check_outline(2000, 1500);
}

static void test_outline_of_one_pixel(void) {
  g_autoptr(VelmImage) image = velm_image_new(1, 1);
  g_autoptr(VelmMask) mask = velm_mask_new(1, 1);
  mask->values[0] = 255;
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmImage) out = velm_mark_outline(image, mask, 1, 1, &error);
  g_assert_no_error(error);
  g_assert_false(is_red(out, 0, 0));
}

static void test_heatmap(void) {
  g_autoptr(VelmInspection) inspection = blank(64, 64);
  paint(inspection, 0, 0, 32, 64, 3);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmImage) out =
      velm_mark_heatmap(inspection->image, inspection->map, 1, 3, 64, 64, &error);
  g_assert_no_error(error);
  const guint8 *hot = out->pixels, *cold = out->pixels + 3 * 63;
  g_assert_cmpint(hot[0], >, hot[1] + 80);
  g_assert_cmpint(cold[0], ==, 90);
  g_assert_cmpint(cold[1], ==, 90);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/regions/rectangle", test_rectangle);
  g_test_add_func("/regions/order-and-focus", test_order_and_focus);
  g_test_add_func("/regions/specks", test_specks_are_dropped);
  g_test_add_func("/regions/best-stays", test_the_best_stays_however_small);
  g_test_add_func("/regions/under-the-level", test_under_the_level);
  g_test_add_func("/regions/large-image", test_large_image);
  g_test_add_func("/regions/given-mask", test_given_mask);
  g_test_add_func("/outline/sizes", test_outline);
  g_test_add_func("/outline/one-pixel", test_outline_of_one_pixel);
  g_test_add_func("/heatmap/colours", test_heatmap);
  return g_test_run();
}
