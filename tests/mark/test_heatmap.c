#include "mark/mark.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static VelmImage *grey(int width, int height, guint8 level) {
  VelmImage *image = velm_image_new(width, height);
  memset(image->pixels, level, (gsize)width * (gsize)height * 3);
  return image;
}

static VelmImage *heatmap(const VelmImage *image, const VelmPlane *map, double low, double high,
                          int width, int height) {
  g_autoptr(GError) error = NULL;
  VelmImage *out = velm_mark_heatmap(image, map, low, high, width, height, &error);
  g_assert_no_error(error);
  g_assert_nonnull(out);
  g_assert_cmpint(out->width, ==, width);
  g_assert_cmpint(out->height, ==, height);
  return out;
}

static int difference(const guint8 *a, const guint8 *b) {
  return abs(a[0] - b[0]) + abs(a[1] - b[1]) + abs(a[2] - b[2]);
}

/* From @low to @high in a row. */
static VelmPlane *scale(int n, double low, double high) {
  VelmPlane *map = velm_plane_new(n, 1);
  for (int i = 0; i < n; i++)
    map->values[i] = (float)(low + (high - low) * i / (n - 1));
  return map;
}

/* Low scores leave the image as it is; the higher, the farther from it; the highest are dark red.
 */
static void test_scale(void) {
  g_autoptr(VelmImage) image = grey(101, 1, 90);
  g_autoptr(VelmPlane) map = scale(101, 2, 5);
  g_autoptr(VelmImage) out = heatmap(image, map, 2, 5, 101, 1);
  g_assert_cmpmem(out->pixels, 3, image->pixels, 3);
  const guint8 *top = out->pixels + 300;
  g_assert_cmpint(top[0], >, top[1] + 50);
  g_assert_cmpint(top[0], >, top[2] + 50);
  for (int i = 1; i < 101; i++) /* no jumps */
    g_assert_cmpint(difference(out->pixels + 3 * i, out->pixels + 3 * (i - 1)), <=, 24);
  for (int i = 10; i < 101; i++)
    g_assert_cmpint(difference(out->pixels + 3 * i, image->pixels), >, 10);
}

/* Beyond the ends of the scale it does not change. */
static void test_beyond(void) {
  g_autoptr(VelmImage) image = grey(5, 1, 200);
  g_autoptr(VelmPlane) map = velm_plane_new(5, 1);
  const float values[] = {-1e30f, 0, 1, 2, INFINITY};
  memcpy(map->values, values, sizeof values);
  g_autoptr(VelmImage) out = heatmap(image, map, 0, 1, 5, 1);
  g_assert_cmpmem(out->pixels, 3, image->pixels, 3);
  g_assert_cmpmem(out->pixels, 3, out->pixels + 3, 3);
  g_assert_cmpmem(out->pixels + 6, 3, out->pixels + 9, 3);
  g_assert_cmpmem(out->pixels + 6, 3, out->pixels + 12, 3);
}

/* A score that is no number has no colour. */
static void test_nan(void) {
  g_autoptr(VelmImage) image = grey(3, 2, 120);
  g_autoptr(VelmPlane) map = velm_plane_new(3, 2);
  for (int i = 0; i < 6; i++)
    map->values[i] = NAN;
  g_autoptr(VelmImage) out = heatmap(image, map, 0, 1, 3, 2);
  g_assert_cmpmem(out->pixels, 18, image->pixels, 18);
}

/* A scale without extent still tells over from under. */
static void test_flat_scale(void) {
  g_autoptr(VelmImage) image = grey(2, 1, 120);
  g_autoptr(VelmPlane) map = velm_plane_new(2, 1);
  map->values[0] = 3;
  map->values[1] = 4;
  g_autoptr(VelmImage) out = heatmap(image, map, 3, 3, 2, 1);
  g_assert_cmpmem(out->pixels, 3, image->pixels, 3);
  g_assert_cmpint(difference(out->pixels + 3, image->pixels), >, 50);
}

static void test_sizes(void) {
  static const int sizes[][2] = {{1, 1}, {31, 17}, {448, 448}, {2000, 1500}};
  g_autoptr(VelmImage) image = grey(300, 200, 50);
  g_autoptr(VelmPlane) map = velm_plane_new(28, 28);
  for (int y = 0; y < 14; y++)
    for (int x = 14; x < 28; x++)
      map->values[y * 28 + x] = 1;
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    int width = sizes[i][0], height = sizes[i][1];
    g_autoptr(VelmImage) out = heatmap(image, map, 0, 1, width, height);
    if (width == 1)
      continue;
    const guint8 *marked = out->pixels + 3 * (height / 4 * width + width * 3 / 4);
    const guint8 *plain = out->pixels + 3 * (height * 3 / 4 * width + width / 4);
    g_assert_cmpint(marked[0], >, marked[1] + 50);
    g_assert_cmpmem(plain, 3, image->pixels, 3);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/heatmap/scale", test_scale);
  g_test_add_func("/heatmap/beyond", test_beyond);
  g_test_add_func("/heatmap/nan", test_nan);
  g_test_add_func("/heatmap/flat-scale", test_flat_scale);
  g_test_add_func("/heatmap/sizes", test_sizes);
  return g_test_run();
}
