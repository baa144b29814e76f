/* Regions with the edges of the image: the map is coarse, the defect is not. */
#include "mark/mark.h"
#include "mark/refine.h"

#include <math.h>
#include <string.h>

enum { SIDE = 320, GRID = 20 };

typedef struct {
  int x, y, width, height;
} Box;

static gboolean inside(Box box, int x, int y) {
  return x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + box.height;
}

/* A noisy grey surface with a box of another grey. */
static VelmImage *draw(Box box, int difference) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  VelmImage *image = velm_image_new(SIDE, SIDE);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      int grey = 120 + g_rand_int_range(random, -6, 7) + (inside(box, x, y) ? difference : 0);
      memset(image->pixels + 3 * (y * SIDE + x), grey, 3);
    }
  return image;
}

/* What a detector says of it: high about the box, falling over two patches. */
static VelmPlane *coarse_map(Box box) {
  VelmPlane *map = velm_plane_new(GRID, GRID);
  double patch = (double)SIDE / GRID;
  for (int y = 0; y < GRID; y++)
    for (int x = 0; x < GRID; x++) {
      double u = (x + 0.5) * patch, v = (y + 0.5) * patch;
      double dx = MAX(MAX(box.x - u, u - box.x - box.width), 0) / patch;
      double dy = MAX(MAX(box.y - v, v - box.y - box.height), 0) / patch;
      map->values[y * GRID + x] = (float)(1 + 2 * exp(-(dx * dx + dy * dy) / 2));
    }
  return map;
}

static double overlap(const VelmMask *mask, Box box) {
  double both = 0, either = 0;
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++) {
      gboolean a = mask->values[y * SIDE + x] != 0, b = inside(box, x, y);
      both += a && b;
      either += a || b;
    }
  return both / either;
}

static VelmInspection *record(Box box, int difference) {
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->image = draw(box, difference);
  inspection->map = coarse_map(box);
  inspection->region_threshold = 1 + 0.7 * 2;
  return inspection;
}

static void mark(VelmInspection *inspection) {
  g_autoptr(GError) error = NULL;
  gboolean ok = velm_mark_regions(inspection, FALSE, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
}

static void check(Box box, int difference, double least) {
  g_autoptr(VelmInspection) inspection = record(box, difference);
  mark(inspection);
  double found = overlap(inspection->focus, box);
  g_test_message("%d x %d, %+d: IoU %.3f", box.width, box.height, difference, found);
  g_assert_cmpfloat(found, >, least);
  const VelmRegion *first = &g_array_index(inspection->regions, VelmRegion, 0);
  g_assert_cmpfloat_with_epsilon(first->score, 3, 0.35);
}

static void test_dark_spot(void) { check((Box){100, 140, 18, 22}, -60, 0.7); }
static void test_bright_spot(void) { check((Box){200, 60, 22, 18}, 60, 0.7); }
static void test_thin_line(void) { check((Box){60, 160, 150, 6}, -50, 0.55); }
static void test_wide_area(void) { check((Box){0, 200, 320, 120}, 40, 0.8); }

/* Where the image shows nothing, the map's own level says where it is. */
static void test_invisible(void) {
  Box box = {100, 100, 48, 48};
  g_autoptr(VelmInspection) inspection = record(box, 0);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmMask) region = NULL;
  memset(inspection->image->pixels, 120, 3 * SIDE * SIDE);
  g_assert_true(velm_mark_refine(inspection->image, inspection->map, &region, &error));
  g_assert_null(region);
  mark(inspection);
  g_assert_cmpfloat(overlap(inspection->focus, box), >, 0.3);
}

/* A map as fine as the image has edges of its own. */
static void test_fine_map(void) {
  Box box = {100, 140, 60, 60}, spot = {110, 150, 10, 10};
  g_autoptr(VelmInspection) inspection = record(spot, -60);
  g_assert_true(velm_mark_is_coarse(inspection->map, SIDE, SIDE));
  velm_plane_free(inspection->map);
  inspection->map = velm_plane_new(SIDE, SIDE);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      inspection->map->values[y * SIDE + x] = inside(box, x, y) ? 3 : 1;
  g_assert_false(velm_mark_is_coarse(inspection->map, SIDE, SIDE));
  mark(inspection);
  g_assert_cmpfloat_with_epsilon(overlap(inspection->focus, box), 1, 1e-9);
}

/* Other regions stay, and the refined one comes first. */
static void test_others(void) {
  Box box = {40, 40, 20, 20}, other = {240, 240, 40, 40};
  g_autoptr(VelmInspection) inspection = record(box, -60);
  g_autoptr(VelmPlane) second = coarse_map(other);
  for (int i = 0; i < GRID * GRID; i++)
    inspection->map->values[i] += 0.9f * (second->values[i] - 1);
  mark(inspection);
  g_assert_cmpuint(inspection->regions->len, ==, 2);
  g_assert_cmpfloat(overlap(inspection->focus, box), >, 0.6);
  g_assert_cmpfloat(overlap(inspection->focus, other), ==, 0);
  g_assert_cmpfloat(overlap(inspection->mask, other), >, 0.3);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/refine/dark_spot", test_dark_spot);
  g_test_add_func("/refine/bright_spot", test_bright_spot);
  g_test_add_func("/refine/thin_line", test_thin_line);
  g_test_add_func("/refine/wide_area", test_wide_area);
  g_test_add_func("/refine/invisible", test_invisible);
  g_test_add_func("/refine/fine_map", test_fine_map);
  g_test_add_func("/refine/others", test_others);
  return g_test_run();
}
