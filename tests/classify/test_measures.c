#include "classify/components.h"
#include "classify/measure.h"
#include "classify/morphology.h"
#include "classify/percentile.h"

#include <math.h>
#include <string.h>

#define WIDTH 120
#define HEIGHT 90

static gsize at(int width, int x, int y) { return (gsize)y * (gsize)width + (gsize)x; }

static void fill_mask(VelmMask *mask, int x0, int y0, int width, int height, guint8 value) {
  for (int y = y0; y < y0 + height; y++)
    memset(mask->values + at(mask->width, x0, y), value, (gsize)width);
}

static VelmMask *rectangle(int x, int y, int width, int height) {
  VelmMask *mask = velm_mask_new(WIDTH, HEIGHT);
  fill_mask(mask, x, y, width, height, 255);
  return mask;
}

static void fill_plane(VelmPlane *plane, int x0, int y0, int width, int height, float value) {
  for (int y = y0; y < y0 + height; y++)
    for (int x = x0; x < x0 + width; x++)
      plane->values[at(plane->width, x, y)] = value;
}

static VelmPlane *flat(int width, int height, float value) {
  VelmPlane *plane = velm_plane_new(width, height);
  fill_plane(plane, 0, 0, width, height, value);
  return plane;
}

static VelmMask *random_mask(GRand *random, int width, int height, double share) {
  VelmMask *mask = velm_mask_new(width, height);
  for (int i = 0; i < width * height; i++)
    mask->values[i] = g_rand_double(random) < share ? 255 : 0;
  return mask;
}

/* GLib's own wants the difference below the tolerance, which may be 0 here. */
#define assert_near(value, expected, tolerance)                                                    \
  g_assert_cmpfloat_with_epsilon((double)(value), (double)(expected), (tolerance) + 1e-12)

/* ---- components ---- */

/* Two legs that the last row joins, and a pixel that touches them at a corner. */
static VelmMask *draw_u(void) {
  static const char *rows[] = {"#..#..", "#..#..", "####..", "....#."};
  VelmMask *mask = velm_mask_new(6, 4);
  for (int y = 0; y < 4; y++)
    for (int x = 0; x < 6; x++)
      mask->values[at(6, x, y)] = rows[y][x] == '#' ? 255 : 0;
  return mask;
}

static void test_components(void) {
  g_autoptr(VelmMask) mask = draw_u();
  g_autoptr(VelmComponents) eight = velm_components_find(mask, TRUE);
  g_assert_cmpint(eight->n, ==, 1);
  g_assert_cmpuint(eight->sizes[0], ==, 9);
  g_autoptr(VelmComponents) four = velm_components_find(mask, FALSE);
  g_assert_cmpint(four->n, ==, 2);
  g_assert_cmpuint(four->sizes[0], ==, 8);
  g_assert_cmpuint(four->sizes[1], ==, 1);
  g_assert_cmpint(four->labels[at(6, 3, 0)], ==, 1);
  g_assert_cmpint(four->labels[at(6, 4, 3)], ==, 2);
  g_assert_cmpint(four->labels[at(6, 1, 0)], ==, 0);
  g_assert_cmpint(velm_components_largest(four), ==, 1);
  g_assert_cmpint(velm_components_count(four, 2), ==, 1);
  g_autoptr(VelmMask) second = velm_components_extract(four, mask, 2);
  g_assert_cmpuint(velm_mask_count(second), ==, 1);
  g_assert_cmpint(second->values[at(6, 4, 3)], ==, 255);
}

static void test_components_none(void) {
  g_autoptr(VelmMask) mask = velm_mask_new(5, 3);
  g_autoptr(VelmComponents) components = velm_components_find(mask, TRUE);
  g_assert_cmpint(components->n, ==, 0);
  g_assert_cmpint(velm_components_largest(components), ==, 0);
}

/* Spreads the lowest label to all neighbours until nothing changes: slow and plain. */
static int count_by_flooding(const VelmMask *mask, gboolean diagonal) {
  int width = mask->width, height = mask->height, count = 0;
  g_autofree int *labels = g_new0(int, (gsize)width *(gsize)height);
  for (int i = 0; i < width * height; i++)
    labels[i] = mask->values[i] ? i + 1 : 0;
  for (gboolean changed = TRUE; changed;) {
    changed = FALSE;
    for (int i = 0; i < width * height; i++)
      for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++) {
          int x = i % width + dx, y = i / width + dy;
          if (!labels[i] || x < 0 || y < 0 || x >= width || y >= height || (dx && dy && !diagonal))
            continue;
          int other = labels[y * width + x];
          if (other && other < labels[i]) {
            labels[i] = other;
            changed = TRUE;
          }
        }
  }
  for (int i = 0; i < width * height; i++)
    count += labels[i] == i + 1;
  return count;
}

static void test_components_random(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  for (int i = 0; i < 40; i++) {
    int width = g_rand_int_range(random, 1, 30), height = g_rand_int_range(random, 1, 30);
    g_autoptr(VelmMask) mask = random_mask(random, width, height, 0.3 + 0.01 * i);
    for (int diagonal = 0; diagonal < 2; diagonal++) {
      g_autoptr(VelmComponents) components = velm_components_find(mask, diagonal);
      g_assert_cmpint(components->n, ==, count_by_flooding(mask, diagonal));
    }
  }
}

/* ---- morphology ---- */

static void test_box(void) {
  g_autoptr(VelmMask) mask = rectangle(10, 20, 30, 5);
  VelmBox box;
  g_assert_true(velm_box_bound(mask, &box));
  g_assert_cmpint(box.x, ==, 10);
  g_assert_cmpint(box.y, ==, 20);
  g_assert_cmpint(box.width, ==, 30);
  g_assert_cmpint(box.height, ==, 5);
  box = velm_box_grow(box, 15, WIDTH, HEIGHT);
  g_assert_cmpint(box.x, ==, 0);
  g_assert_cmpint(box.y, ==, 5);
  g_assert_cmpint(box.width, ==, 55);
  g_assert_cmpint(box.height, ==, 35);
  VelmBox beyond = {-2, 18, 14, 100};
  g_autoptr(VelmMask) cut = velm_mask_cut(mask, beyond);
  g_assert_cmpuint(velm_mask_count(cut), ==, 2 * 5);
  g_assert_cmpint(cut->values[at(14, 12, 2)], ==, 255);
  g_autoptr(VelmMask) nothing = velm_mask_new(4, 4);
  g_assert_false(velm_box_bound(nothing, &box));
}

/* The largest value about a pixel, by looking at each. */
static float largest_about(const VelmPlane *plane, int x, int y, int radius) {
  float best = -INFINITY;
  for (int v = MAX(0, y - radius); v <= MIN(plane->height - 1, y + radius); v++)
    for (int u = MAX(0, x - radius); u <= MIN(plane->width - 1, x + radius); u++)
      best = MAX(best, plane->values[at(plane->width, u, v)]);
  return best;
}

static void test_dilation(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(2);
  for (int i = 0; i < 40; i++) {
    int width = g_rand_int_range(random, 1, 16), height = g_rand_int_range(random, 1, 16);
    int radius = g_rand_int_range(random, 0, 5);
    g_autoptr(VelmMask) mask = random_mask(random, width, height, 0.05);
    g_autoptr(VelmPlane) plane = velm_plane_new(width, height);
    g_autoptr(VelmPlane) negative = velm_plane_new(width, height);
    g_autoptr(VelmPlane) set = velm_plane_new(width, height);
    for (int k = 0; k < width * height; k++) {
      plane->values[k] = (float)g_rand_double_range(random, -9, 9);
      negative->values[k] = -plane->values[k];
      set->values[k] = mask->values[k] ? 255 : 0;
    }
    g_autoptr(VelmMask) dilated = velm_morphology_dilate(mask, radius);
    g_autoptr(VelmPlane) high = velm_morphology_max(plane, radius);
    g_autoptr(VelmPlane) low = velm_morphology_min(plane, radius);
    for (int k = 0; k < width * height; k++) {
      int x = k % width, y = k / width;
      assert_near(high->values[k], largest_about(plane, x, y, radius), 0);
      assert_near(low->values[k], -largest_about(negative, x, y, radius), 0);
      assert_near(dilated->values[k], largest_about(set, x, y, radius), 0);
    }
  }
}

static double distance_by_search(const VelmMask *mask, int x, int y) {
  double best = INFINITY;
  for (int v = 0; v < mask->height; v++)
    for (int u = 0; u < mask->width; u++)
      if (mask->values[at(mask->width, u, v)])
        best = MIN(best, hypot(u - x, v - y));
  return best;
}

static void test_distance(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(3);
  for (int i = 0; i < 60; i++) {
    int width = g_rand_int_range(random, 1, 24), height = g_rand_int_range(random, 1, 24);
    g_autoptr(VelmMask) mask = random_mask(random, width, height, i % 2 ? 0.02 : 0.3);
    mask->values[g_rand_int_range(random, 0, width * height)] = 255;
    g_autoptr(VelmPlane) distance = velm_morphology_distance(mask);
    for (int k = 0; k < width * height; k++)
      assert_near(distance->values[k], distance_by_search(mask, k % width, k / width), 1e-5);
  }
  g_autoptr(VelmMask) nothing = velm_mask_new(4, 3);
  g_autoptr(VelmPlane) far = velm_morphology_distance(nothing);
  for (int k = 0; k < 12; k++)
    g_assert_cmpfloat(far->values[k], >, 7);
}

/* ---- percentiles ---- */

static void test_percentile(void) {
  static const float values[] = {30, -10, 20, 20, 0};
  assert_near(velm_percentile(values, 5, 0), -10, 0);
  assert_near(velm_percentile(values, 5, 50), 20, 0);
  assert_near(velm_percentile(values, 5, 60), 20, 1e-6);
  assert_near(velm_percentile(values, 5, 90), 26, 1e-5);
  assert_near(velm_percentile(values, 5, 100), 30, 0);
  assert_near(velm_percentile(values, 4, 50), 20, 0);
  assert_near(velm_percentile(values, 1, 35), 30, 0);
  assert_near(velm_percentile(values, 0, 35), 0, 0);
}

static int compare_floats(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

static void test_percentile_random(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(4);
  for (int i = 0; i < 50; i++) {
    float values[200], sorted[200];
    int n = g_rand_int_range(random, 1, 200);
    for (int k = 0; k < n; k++)
      values[k] = i % 2 ? (float)g_rand_int_range(random, -3, 4)
                        : (float)g_rand_double_range(random, -1e6, 1e6);
    memcpy(sorted, values, sizeof values);
    qsort(sorted, (gsize)n, sizeof(float), compare_floats);
    double percent = g_rand_double_range(random, 0, 100), place = percent / 100 * (n - 1);
    int rank = (int)place;
    double low = (double)sorted[rank], high = (double)sorted[MIN(rank + 1, n - 1)];
    assert_near(velm_percentile(values, (gsize)n, percent), low + (place - rank) * (high - low),
                0.1);
  }
}

/* ---- geometry ---- */

static void test_rectangle(void) {
  g_autoptr(VelmMask) mask = rectangle(20, 30, 40, 10);
  float shape[VELM_N_SHAPE];
  double scale = sqrt(WIDTH * HEIGHT);
  velm_measure_shape(mask, shape);
  assert_near(shape[VELM_SHAPE_AREA], log(400.0 / (WIDTH * HEIGHT)), 1e-5);
  assert_near(shape[VELM_SHAPE_WIDTH], log(40.0 / WIDTH), 1e-5);
  assert_near(shape[VELM_SHAPE_HEIGHT], log(10.0 / HEIGHT), 1e-5);
  assert_near(shape[VELM_SHAPE_EXTENT], 1, 1e-6);
  assert_near(shape[VELM_SHAPE_ELONGATION], log(4), 1e-5);
  assert_near(shape[VELM_SHAPE_AXIS], 15.0 / 17, 1e-5);
  assert_near(shape[VELM_SHAPE_DIAGONAL], 0, 1e-6);
  assert_near(shape[VELM_SHAPE_THICKNESS], log(2 * 5 / scale), 1e-5);
  /* Frames of 96, 88, 80, 72 and 64 pixels, at 1 to 5 from the outside. */
  double mean = (96 * 1 + 88 * 2 + 80 * 3 + 72 * 4 + 64 * 5) / 400.0;
  assert_near(shape[VELM_SHAPE_MEAN_THICKNESS], log(2 * mean / scale), 1e-5);
  assert_near(shape[VELM_SHAPE_COMPACTNESS], log(4 * G_PI * 400 / (96.0 * 96)), 1e-5);
  assert_near(shape[VELM_SHAPE_SOLIDITY], 1, 1e-6);
  assert_near(shape[VELM_SHAPE_FILL], 1, 1e-6);
  assert_near(shape[VELM_SHAPE_CENTRE_X], 1 - 40.0 / 60, 1e-5);
  assert_near(shape[VELM_SHAPE_CENTRE_Y], 1 - 35.0 / 45, 1e-5);
  assert_near(shape[VELM_SHAPE_SIDES], 0, 0);
  assert_near(shape[VELM_SHAPE_BORDER], log(21 / scale), 1e-5);
}

static void test_disc(void) {
  const double radius = 30;
  g_autoptr(VelmMask) mask = velm_mask_new(WIDTH, HEIGHT);
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++)
      mask->values[at(WIDTH, x, y)] = hypot(x - 60, y - 45) <= radius ? 255 : 0;
  float shape[VELM_N_SHAPE];
  velm_measure_shape(mask, shape);
  assert_near(shape[VELM_SHAPE_AREA], log(G_PI * radius * radius / (WIDTH * HEIGHT)), 0.01);
  assert_near(shape[VELM_SHAPE_EXTENT], G_PI / 4, 0.04);
  assert_near(shape[VELM_SHAPE_ELONGATION], 0, 0.001);
  assert_near(shape[VELM_SHAPE_THICKNESS], log(2 * radius / sqrt(WIDTH * HEIGHT)), 0.04);
  /* The mean distance to a disc's boundary is a third of its radius. */
  assert_near(shape[VELM_SHAPE_MEAN_THICKNESS], log(2 * radius / 3 / sqrt(WIDTH * HEIGHT)), 0.06);
  /* A circle of pixels has 4 sqrt(2) r of them, not 2 pi r. */
  assert_near(shape[VELM_SHAPE_COMPACTNESS], log(G_PI * G_PI / 8), 0.05);
  assert_near(shape[VELM_SHAPE_SOLIDITY], 1, 0.04);
}

static void test_line(void) {
  for (int rising = 0; rising < 2; rising++) {
    g_autoptr(VelmMask) mask = velm_mask_new(WIDTH, HEIGHT);
    for (int i = 0; i < 60; i++)
      mask->values[at(WIDTH, 30 + i, rising ? 80 - i : 10 + i)] = 255;
    float geometry[VELM_N_GEOMETRY], *shape = geometry + VELM_GEOMETRY_LARGEST;
    velm_measure_geometry(mask, geometry);
    assert_near(geometry[VELM_GEOMETRY_COMPONENTS], 0, 0);
    assert_near(shape[VELM_SHAPE_AREA], log(60.0 / (WIDTH * HEIGHT)), 1e-5);
    /* The variance along it is twice (n^2 - 1) / 12, and a pixel's; across it is the least. */
    assert_near(shape[VELM_SHAPE_ELONGATION], 0.5 * log(2 * (60 * 60 - 1) + 1), 1e-4);
    assert_near(shape[VELM_SHAPE_AXIS], 0, 1e-6);
    assert_near(shape[VELM_SHAPE_DIAGONAL], rising ? -1 : 1, 1e-3);
    assert_near(shape[VELM_SHAPE_THICKNESS], log(2 / sqrt(WIDTH * HEIGHT)), 1e-5);
    /* The hull of a staircase of squares: the strip between its corners, and its two ends. */
    assert_near(shape[VELM_SHAPE_SOLIDITY], 60.0 / (60 * 60 - 59 * 59), 1e-5);
  }
}

static void test_ring(void) {
  g_autoptr(VelmMask) mask = rectangle(30, 30, 20, 20);
  fill_mask(mask, 35, 35, 10, 10, 0);
  float shape[VELM_N_SHAPE];
  velm_measure_shape(mask, shape);
  assert_near(shape[VELM_SHAPE_FILL], 0.75, 1e-6);
  assert_near(shape[VELM_SHAPE_SOLIDITY], 0.75, 1e-6);
  assert_near(shape[VELM_SHAPE_THICKNESS], log(2 * 3 / sqrt(WIDTH * HEIGHT)), 1e-5);
  /* A gap in the ring, and the hole is none. */
  fill_mask(mask, 30, 40, 5, 1, 0);
  velm_measure_shape(mask, shape);
  assert_near(shape[VELM_SHAPE_FILL], 1, 1e-6);
}

static void test_diagonal_ring(void) {
  g_autoptr(VelmMask) mask = velm_mask_new(WIDTH, HEIGHT);
  mask->values[at(WIDTH, 11, 10)] = mask->values[at(WIDTH, 10, 11)] = 255;
  mask->values[at(WIDTH, 12, 11)] = mask->values[at(WIDTH, 11, 12)] = 255;
  float shape[VELM_N_SHAPE];
  velm_measure_shape(mask, shape);
  assert_near(shape[VELM_SHAPE_FILL], 0.8, 1e-6);
}

static void test_sides(void) {
  g_autoptr(VelmMask) mask = rectangle(0, 0, 5, 30);
  fill_mask(mask, 0, 0, 60, 4, 255);
  float shape[VELM_N_SHAPE];
  velm_measure_shape(mask, shape);
  assert_near(shape[VELM_SHAPE_SIDE_X], 30.0 / (2 * HEIGHT), 1e-6);
  assert_near(shape[VELM_SHAPE_SIDE_Y], 60.0 / (2 * WIDTH), 1e-6);
  assert_near(shape[VELM_SHAPE_SIDES], 2, 0);
  assert_near(shape[VELM_SHAPE_BORDER], log(1 / sqrt(WIDTH * HEIGHT)), 1e-5);
  g_autoptr(VelmMask) band = rectangle(0, 40, WIDTH, 10);
  velm_measure_shape(band, shape);
  assert_near(shape[VELM_SHAPE_SIDE_X], 10.0 / HEIGHT, 1e-6);
  assert_near(shape[VELM_SHAPE_SIDE_Y], 0, 0);
  assert_near(shape[VELM_SHAPE_SIDES], 2, 0);
  g_autoptr(VelmMask) corner = rectangle(WIDTH - 9, HEIGHT - 9, 9, 9);
  velm_measure_shape(corner, shape);
  assert_near(shape[VELM_SHAPE_SIDES], 2, 0);
}

static void test_several(void) {
  g_autoptr(VelmMask) mask = rectangle(10, 10, 10, 10);
  fill_mask(mask, 60, 60, 10, 5, 255);
  mask->values[at(WIDTH, 100, 20)] = 255; /* a crumb */
  float geometry[VELM_N_GEOMETRY];
  velm_measure_geometry(mask, geometry);
  assert_near(geometry[VELM_GEOMETRY_COMPONENTS], log(2), 1e-6);
  assert_near(geometry[VELM_GEOMETRY_SHARE], 100.0 / 151, 1e-6);
  const float *largest = geometry + VELM_GEOMETRY_LARGEST, *all = geometry + VELM_GEOMETRY_UNION;
  assert_near(largest[VELM_SHAPE_AREA], log(100.0 / (WIDTH * HEIGHT)), 1e-5);
  assert_near(largest[VELM_SHAPE_WIDTH], log(10.0 / WIDTH), 1e-5);
  assert_near(all[VELM_SHAPE_AREA], log(151.0 / (WIDTH * HEIGHT)), 1e-5);
  assert_near(all[VELM_SHAPE_WIDTH], log(91.0 / WIDTH), 1e-5);
  assert_near(all[VELM_SHAPE_EXTENT], 151.0 / (91 * 55), 1e-6);
}

static void test_empty_is_whole(void) {
  g_autoptr(VelmMask) empty = velm_mask_new(WIDTH, HEIGHT), whole = rectangle(0, 0, WIDTH, HEIGHT);
  float a[VELM_N_GEOMETRY], b[VELM_N_GEOMETRY];
  velm_measure_geometry(empty, a);
  velm_measure_geometry(whole, b);
  g_assert_cmpmem(a, sizeof a, b, sizeof b);
  assert_near(a[VELM_SHAPE_AREA], 0, 1e-6);
  assert_near(a[VELM_SHAPE_SIDES], 4, 0);
  g_assert_cmpuint(velm_mask_count(empty), ==, 0);
}

/* ---- appearance ---- */

static void appear(const VelmPlane *grey, const VelmMask *mask, float *out) {
  GError *error = NULL;
  g_assert_true(velm_measure_appearance(grey, mask, out, &error));
  g_assert_no_error(error);
}

static void test_contrast(void) {
  g_autoptr(VelmPlane) grey = flat(WIDTH, HEIGHT, 50);
  fill_plane(grey, 40, 30, 30, 20, 150);
  g_autoptr(VelmMask) mask = rectangle(40, 30, 30, 20);
  float a[VELM_N_APPEARANCE];
  appear(grey, mask, a);
  double p = 600.0 / (WIDTH * HEIGHT), unit = 100 * sqrt(p * (1 - p)) + 2;
  assert_near(a[VELM_APPEARANCE_MEAN], 100 / unit, 1e-4);
  assert_near(a[VELM_APPEARANCE_MEDIAN], 100 / unit, 1e-4);
  assert_near(a[VELM_APPEARANCE_GLOBAL], 100 * (1 - p) / unit, 1e-4);
  assert_near(a[VELM_APPEARANCE_LOW], 100 / unit, 1e-4);
  assert_near(a[VELM_APPEARANCE_HIGH], 100 / unit, 1e-4);
  assert_near(a[VELM_APPEARANCE_SPREAD], 0, 1e-5);
  assert_near(a[VELM_APPEARANCE_RANK], 1 - p, 1e-5);
  assert_near(a[VELM_APPEARANCE_DARK], 0, 0);
  assert_near(a[VELM_APPEARANCE_BRIGHT], 1, 0);
  g_assert_cmpfloat(a[VELM_APPEARANCE_EDGE], >, 1);
  g_assert_cmpfloat(a[VELM_APPEARANCE_EDGE], >, a[VELM_APPEARANCE_INSIDE]);
  g_assert_cmpfloat(a[VELM_APPEARANCE_INSIDE], >, a[VELM_APPEARANCE_RING]);
  /* The longer sides of the rectangle are rows, across which the gradient goes along columns. */
  g_assert_cmpfloat(a[VELM_APPEARANCE_DIRECTION], <, 0);
}

static void test_ring_gap(void) {
  /* What touches the mask, at a distance of up to sqrt(2), is not in the ring. */
  g_autoptr(VelmPlane) grey = flat(WIDTH, HEIGHT, 50);
  fill_plane(grey, 39, 29, 32, 22, 250);
  fill_plane(grey, 40, 30, 30, 20, 20);
  g_autoptr(VelmMask) mask = rectangle(40, 30, 30, 20);
  float a[VELM_N_APPEARANCE];
  appear(grey, mask, a);
  double n = WIDTH * HEIGHT, halo = 32 * 22 - 600;
  double mean = (50 * (n - 600 - halo) + 250 * halo + 20 * 600) / n;
  double squares = 2500 * (n - 600 - halo) + 62500 * halo + 400 * 600;
  double unit = sqrt(squares / n - mean * mean) + 2;
  assert_near(a[VELM_APPEARANCE_MEAN], -30 / unit, 1e-4);
  assert_near(a[VELM_APPEARANCE_GLOBAL], (20 - mean) / unit, 1e-4);
  assert_near(a[VELM_APPEARANCE_DARK], 1, 0);
  assert_near(a[VELM_APPEARANCE_RANK], 0, 0);
}

static void test_levels(void) {
  /* Levels 0 to 99 in the mask, ten pixels each; the ring is flat. */
  g_autoptr(VelmPlane) grey = flat(WIDTH, HEIGHT, 50);
  g_autoptr(VelmMask) mask = rectangle(10, 40, 100, 10);
  for (int x = 0; x < 100; x++)
    fill_plane(grey, 10 + x, 40, 1, 10, (float)x);
  float a[VELM_N_APPEARANCE];
  appear(grey, mask, a);
  double variance = (100.0 * 100 - 1) / 12, n = WIDTH * HEIGHT;
  double mean = (50 * (n - 1000) + 49.5 * 1000) / n;
  double squares = (2500 * (n - 1000) + (variance + 49.5 * 49.5) * 1000) / n;
  double unit = sqrt(squares - mean * mean) + 2;
  assert_near(a[VELM_APPEARANCE_MEDIAN], -0.5 / unit, 1e-4);
  /* Rank 99.9 of 999, between 9 and 10. */
  assert_near(a[VELM_APPEARANCE_LOW], (9.9 - 50) / unit, 1e-3);
  assert_near(a[VELM_APPEARANCE_HIGH], (89.1 - 50) / unit, 1e-3);
  assert_near(a[VELM_APPEARANCE_SPREAD], log(sqrt(variance) + 1), 1e-3);
  assert_near(a[VELM_APPEARANCE_DARK], 0.5, 1e-6);
  assert_near(a[VELM_APPEARANCE_BRIGHT], 0.49, 1e-6);
}

/* A ramp of @slope levels a pixel, along the rows or down the columns. */
static VelmPlane *ramp(float slope, gboolean down) {
  VelmPlane *plane = velm_plane_new(100, 100);
  for (int y = 0; y < 100; y++)
    for (int x = 0; x < 100; x++)
      plane->values[at(100, x, y)] = slope * (float)(down ? y : x);
  return plane;
}

static void test_direction(void) {
  g_autoptr(VelmMask) mask = velm_mask_new(100, 100);
  fill_mask(mask, 40, 40, 20, 20, 255);
  for (int down = 0; down < 2; down++) {
    g_autoptr(VelmPlane) grey = ramp(2, down);
    float a[VELM_N_APPEARANCE];
    appear(grey, mask, a);
    double expected = log((2 + 0.5) / 0.5) * (down ? -1 : 1);
    assert_near(a[VELM_APPEARANCE_DIRECTION], expected, 1e-3);
    assert_near(a[VELM_APPEARANCE_RING_DIRECTION], expected, 1e-3);
    /* A ramp is as steep everywhere (but for the blurred border) and has no grain. */
    assert_near(a[VELM_APPEARANCE_INSIDE], a[VELM_APPEARANCE_RING], 1e-4);
    assert_near(a[VELM_APPEARANCE_EDGE], a[VELM_APPEARANCE_RING], 1e-4);
    assert_near(a[VELM_APPEARANCE_GRAIN], 0, 1e-3);
  }
}

static void test_edge(void) {
  /* A step of 100 between columns, blurred by a Gaussian of one pixel: the difference of columns on
     either side of a pixel at it is what two of the Gaussian's weights hold. */
  g_autoptr(VelmPlane) grey = flat(WIDTH, HEIGHT, 50);
  fill_plane(grey, 60, 0, 60, HEIGHT, 150);
  g_autoptr(VelmMask) mask = rectangle(60, 0, 60, HEIGHT);
  float a[VELM_N_APPEARANCE];
  appear(grey, mask, a);
  double sum = 1, at_edge, image = 100.0 / WIDTH;
  for (int k = 1; k <= 4; k++)
    sum += 2 * exp(-k * k / 2.0);
  at_edge = 100 * (1 + exp(-0.5)) / sum / 2;
  assert_near(a[VELM_APPEARANCE_EDGE], log((at_edge + 0.5) / (image + 0.5)), 1e-4);
  assert_near(a[VELM_APPEARANCE_INSIDE], log((50.0 / 60 + 0.5) / (image + 0.5)), 1e-4);
}

static void test_outliers_in_ring(void) {
  /* Four of a hundred pixels are no match for the percentiles. */
  g_autoptr(VelmPlane) grey = flat(WIDTH, HEIGHT, 50);
  for (int i = 0; i < WIDTH * HEIGHT; i += 50) {
    grey->values[i] = 200;
    grey->values[i + 25] = 0;
  }
  g_autoptr(VelmMask) mask = rectangle(40, 30, 20, 20);
  float a[VELM_N_APPEARANCE];
  fill_plane(grey, 40, 30, 20, 20, 100);
  appear(grey, mask, a);
  assert_near(a[VELM_APPEARANCE_BRIGHT], 1, 0);
  fill_plane(grey, 40, 30, 20, 20, 25);
  appear(grey, mask, a);
  assert_near(a[VELM_APPEARANCE_DARK], 1, 0);
}

static void test_directions_apart(void) {
  g_autoptr(VelmPlane) grey = ramp(2, FALSE), inner = ramp(2, TRUE);
  g_autoptr(VelmMask) mask = velm_mask_new(100, 100);
  fill_mask(mask, 30, 30, 40, 40, 255);
  for (int i = 0; i < 100 * 100; i++)
    if (mask->values[i])
      grey->values[i] = inner->values[i];
  float a[VELM_N_APPEARANCE];
  appear(grey, mask, a);
  g_assert_cmpfloat(a[VELM_APPEARANCE_DIRECTION], <, -0.3);
  g_assert_cmpfloat(a[VELM_APPEARANCE_RING_DIRECTION], >, 0.3);
}

static void test_grain(void) {
  /* A chessboard is all grain: a Gaussian leaves nearly nothing of it but its mean. */
  g_autoptr(VelmPlane) grey = flat(WIDTH, HEIGHT, 100);
  g_autoptr(VelmMask) mask = rectangle(40, 30, 40, 30);
  for (int y = 24; y < 66; y++)
    for (int x = 34; x < 86; x++)
      if (x >= 40 && x < 80 && y >= 30 && y < 60)
        grey->values[at(WIDTH, x, y)] = (x + y) % 2 ? 110 : 90;
  float a[VELM_N_APPEARANCE];
  appear(grey, mask, a);
  assert_near(a[VELM_APPEARANCE_GRAIN], log((10 + 0.5) / 0.5), 0.05);
}

static void test_flat(void) {
  g_autoptr(VelmPlane) grey = flat(WIDTH, HEIGHT, 77);
  g_autoptr(VelmMask) mask = rectangle(40, 30, 40, 30), nothing = velm_mask_new(WIDTH, HEIGHT);
  float a[VELM_N_APPEARANCE];
  appear(grey, mask, a);
  for (int i = 0; i < VELM_N_APPEARANCE; i++)
    assert_near(a[i], 0, 1e-4);
  appear(grey, nothing, a);
  for (int i = 0; i < VELM_N_APPEARANCE; i++)
    assert_near(a[i], 0, 1e-4);
}

static void test_sizes_differ(void) {
  g_autoptr(VelmPlane) grey = flat(20, 10, 0), reference = flat(20, 11, 0);
  g_autoptr(VelmMask) mask = velm_mask_new(20, 10), wrong = velm_mask_new(10, 20);
  float out[VELM_N_DIFFERENCE];
  GError *error = NULL;
  g_assert_false(velm_measure_appearance(grey, wrong, out, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_IMAGE);
  g_assert_nonnull(strstr(error->message, "20 x 10"));
  g_clear_error(&error);
  g_assert_false(velm_measure_difference(grey, reference, mask, FALSE, out, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_IMAGE);
  g_assert_nonnull(strstr(error->message, "reference"));
  g_clear_error(&error);
  g_assert_false(velm_measure_difference(grey, grey, wrong, FALSE, out, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_IMAGE);
  g_clear_error(&error);
}

/* ---- difference ---- */

#define BOARD 160
#define TRACK 20 /* width of the conductors and of the gaps between them */
#define COPPER 200
#define GROUND 40

/* Vertical conductors at 20 to 39, 60 to 79, 100 to 119 and 140 to 159. */
static VelmPlane *board(void) {
  VelmPlane *plane = flat(BOARD, BOARD, GROUND);
  for (int x = TRACK; x < BOARD; x += 2 * TRACK)
    fill_plane(plane, x, 0, TRACK, BOARD, COPPER);
  return plane;
}

typedef struct {
  const char *name;
  int x, y, width, height; /* of the rectangle that differs */
  float level;
  int sign, arcs, touch, phase, other;
} Change;

static const Change changes[] = {
    {"hole", 65, 70, 10, 10, GROUND, -1, 0, 0, 1, 0},
    {"island", 45, 70, 10, 10, COPPER, 1, 0, 0, 1, 0},
    {"spur", 40, 70, 12, 8, COPPER, 1, 1, 1, 0, 0},
    {"bite", 60, 70, 12, 8, GROUND, -1, 1, 1, 0, 0},
    {"bridge", 40, 70, 20, 8, COPPER, 1, 2, 2, -1, 1},
    {"break", 60, 70, 20, 8, GROUND, -1, 2, 2, -1, 1},
};

static void differ(const VelmPlane *grey, const VelmPlane *reference, const VelmMask *mask,
                   gboolean whole, float *out) {
  GError *error = NULL;
  g_assert_true(velm_measure_difference(grey, reference, mask, whole, out, &error));
  g_assert_no_error(error);
}

static void test_change(gconstpointer data) {
  const Change *change = data;
  g_autoptr(VelmPlane) reference = board(), grey = board();
  fill_plane(grey, change->x, change->y, change->width, change->height, change->level);
  g_autoptr(VelmMask) mask = velm_mask_new(BOARD, BOARD);
  fill_mask(mask, change->x, change->y, change->width, change->height, 255);
  for (int whole = 0; whole < 2; whole++) {
    float d[VELM_N_DIFFERENCE];
    differ(grey, reference, mask, whole, d);
    double area = change->width * change->height, scale = BOARD;
    int shorter = MIN(change->width, change->height);
    assert_near(d[VELM_DIFFERENCE_FOUND], 1, 0);
    assert_near(d[VELM_DIFFERENCE_SIGN], change->sign, 0);
    assert_near(d[VELM_DIFFERENCE_BALANCE], change->sign, 0);
    assert_near(d[VELM_DIFFERENCE_ARCS], change->arcs, 0);
    assert_near(d[VELM_DIFFERENCE_CONTACT], change->arcs, 0);
    assert_near(d[VELM_DIFFERENCE_TOUCH], change->touch, 0);
    assert_near(d[VELM_DIFFERENCE_PHASE], change->phase, 0);
    assert_near(d[VELM_DIFFERENCE_OTHER], change->other, 0);
    /* The blob grows from its core to just what differs. */
    assert_near(d[VELM_DIFFERENCE_AREA], log(area / (BOARD * BOARD)), 1e-5);
    assert_near(d[VELM_DIFFERENCE_EXTENT], 1, 1e-6);
    assert_near(d[VELM_DIFFERENCE_ELONGATION], fabs(log((double)change->width / change->height)),
                1e-4);
    assert_near(d[VELM_DIFFERENCE_THICKNESS], log(shorter / scale), 1e-4);
    double mean = whole ? area / (BOARD * BOARD) : 1;
    assert_near(d[VELM_DIFFERENCE_SIGNED], change->sign * mean, 1e-5);
    assert_near(d[VELM_DIFFERENCE_ABSOLUTE], mean, 1e-5);
  }
}

static void test_arc_share(void) {
  /* The spur's root is 8 of 20 pixels at each of two rings about it; corners belong to the gap. */
  g_autoptr(VelmPlane) reference = board(), grey = board();
  fill_plane(grey, 40, 70, 12, 8, COPPER);
  g_autoptr(VelmMask) mask = velm_mask_new(BOARD, BOARD);
  float d[VELM_N_DIFFERENCE];
  differ(grey, reference, mask, TRUE, d);
  double ring = 16 * 12 - 12 * 8, root = 2 * 12;
  assert_near(d[VELM_DIFFERENCE_SAME], root / ring, 1e-5);
  /* The core is what lies more than three pixels off the conductor. */
  double core = 9 * 8;
  assert_near(d[VELM_DIFFERENCE_LENGTH], log(core + 1) - log(8.0 / BOARD), 1e-4);
}

static void test_no_change(void) {
  g_autoptr(VelmPlane) reference = board(), moved = board();
  g_autoptr(VelmMask) mask = velm_mask_new(BOARD, BOARD);
  float d[VELM_N_DIFFERENCE];
  differ(reference, reference, mask, TRUE, d);
  for (int i = 0; i < VELM_N_DIFFERENCE; i++)
    assert_near(d[i], 0, 0);
  /* One pixel beside its place: no blob, but the levels differ along the edges. */
  for (int y = 0; y < BOARD; y++)
    memmove(moved->values + at(BOARD, 1, y), reference->values + at(BOARD, 0, y),
            (BOARD - 1) * sizeof(float));
  differ(moved, reference, mask, TRUE, d);
  assert_near(d[VELM_DIFFERENCE_FOUND], 0, 0);
  assert_near(d[VELM_DIFFERENCE_ABSOLUTE], 7.0 / BOARD, 1e-5);
}

static void test_thin_change(void) {
  /* A scratch in the gap, two pixels from the conductor: only a small tolerance sees it. */
  g_autoptr(VelmPlane) reference = board(), grey = board();
  fill_plane(grey, 42, 70, 1, 20, COPPER);
  g_autoptr(VelmMask) mask = velm_mask_new(BOARD, BOARD);
  float d[VELM_N_DIFFERENCE];
  differ(grey, reference, mask, TRUE, d);
  assert_near(d[VELM_DIFFERENCE_FOUND], 1, 0);
  assert_near(d[VELM_DIFFERENCE_AREA], log(20.0 / (BOARD * BOARD)), 1e-5);
  /* At a tolerance of three pixels, none of it differs. */
  fill_plane(grey, 42, 70, 1, 20, GROUND);
  fill_plane(grey, 40, 70, 1, 20, COPPER);
  differ(grey, reference, mask, TRUE, d);
  assert_near(d[VELM_DIFFERENCE_FOUND], 0, 0);
}

static void test_where_to_look(void) {
  g_autoptr(VelmPlane) reference = board(), grey = board();
  fill_plane(grey, 65, 30, 10, 10, GROUND);  /* a hole */
  fill_plane(grey, 85, 110, 10, 20, COPPER); /* a larger island */
  g_autoptr(VelmMask) mask = velm_mask_new(BOARD, BOARD);
  fill_mask(mask, 65, 30, 10, 10, 255);
  float d[VELM_N_DIFFERENCE];
  differ(grey, reference, mask, FALSE, d);
  assert_near(d[VELM_DIFFERENCE_SIGN], -1, 0);
  assert_near(d[VELM_DIFFERENCE_BALANCE], -1, 0);
  differ(grey, reference, mask, TRUE, d);
  assert_near(d[VELM_DIFFERENCE_SIGN], 1, 0);
  assert_near(d[VELM_DIFFERENCE_BALANCE], 1.0 / 3, 1e-5);
  /* An empty mask is the whole image. */
  fill_mask(mask, 65, 30, 10, 10, 0);
  differ(grey, reference, mask, FALSE, d);
  assert_near(d[VELM_DIFFERENCE_SIGN], 1, 0);
}

static void test_growth(void) {
  /* The image lies a pixel to the right, and so all edges differ: the blob, which reaches its own
     edge in three steps, goes on for a fourth, along the conductor's. */
  g_autoptr(VelmPlane) reference = board(), grey = board();
  for (int y = 0; y < BOARD; y++)
    memmove(grey->values + at(BOARD, 1, y), reference->values + at(BOARD, 0, y),
            (BOARD - 1) * sizeof(float));
  fill_plane(grey, 40, 70, 12, 8, COPPER);
  g_autoptr(VelmMask) mask = velm_mask_new(BOARD, BOARD);
  float d[VELM_N_DIFFERENCE];
  differ(grey, reference, mask, TRUE, d);
  assert_near(d[VELM_DIFFERENCE_AREA], log((12 * 8 + 2 * 2) / (double)(BOARD * BOARD)), 1e-5);
  assert_near(d[VELM_DIFFERENCE_ARCS], 1, 0);
}

static void test_hair_crack(void) {
  /* A conductor that is cut along a diagonal: its halves touch at corners, and do not conduct. */
  g_autoptr(VelmPlane) reference = board(), grey = board();
  for (int i = 0; i < TRACK; i++)
    grey->values[at(BOARD, 60 + i, 70 + i)] = GROUND;
  g_autoptr(VelmMask) mask = velm_mask_new(BOARD, BOARD);
  float d[VELM_N_DIFFERENCE];
  differ(grey, reference, mask, TRUE, d);
  assert_near(d[VELM_DIFFERENCE_AREA], log(TRACK / (double)(BOARD * BOARD)), 1e-5);
  assert_near(d[VELM_DIFFERENCE_PHASE], -1, 0);
  assert_near(d[VELM_DIFFERENCE_OTHER], 1, 0);
}

static void test_window(void) {
  /* A second hole far away does not count. */
  g_autoptr(VelmPlane) reference = board(), grey = board();
  fill_plane(grey, 65, 30, 10, 10, GROUND);
  fill_plane(grey, 65, 60, 10, 9, GROUND);
  g_autoptr(VelmMask) mask = velm_mask_new(BOARD, BOARD);
  float d[VELM_N_DIFFERENCE];
  differ(grey, reference, mask, TRUE, d);
  assert_near(d[VELM_DIFFERENCE_AREA], log(100.0 / (BOARD * BOARD)), 1e-5);
  assert_near(d[VELM_DIFFERENCE_PHASE], 1, 0);
}

static void test_flat_reference(void) {
  /* The image's own range counts where the reference has none; noise of two levels is no change. */
  g_autoptr(VelmPlane) reference = flat(BOARD, BOARD, 100), grey = flat(BOARD, BOARD, 100);
  g_autoptr(VelmMask) mask = velm_mask_new(BOARD, BOARD);
  fill_plane(grey, 50, 50, 10, 10, 102);
  float d[VELM_N_DIFFERENCE];
  differ(grey, reference, mask, TRUE, d);
  assert_near(d[VELM_DIFFERENCE_FOUND], 0, 0);
  fill_plane(grey, 50, 50, 10, 10, 180);
  differ(grey, reference, mask, TRUE, d);
  assert_near(d[VELM_DIFFERENCE_FOUND], 1, 0);
  assert_near(d[VELM_DIFFERENCE_SIGNED], 100.0 / (BOARD * BOARD), 1e-6);
}

/* ---- hostile input ---- */

static void assert_finite(const float *values, int n) {
  for (int i = 0; i < n; i++)
    g_assert_true(isfinite(values[i]));
}

static void measure_all(const VelmPlane *grey, const VelmPlane *reference, const VelmMask *mask) {
  float geometry[VELM_N_GEOMETRY], appearance[VELM_N_APPEARANCE], difference[VELM_N_DIFFERENCE];
  memset(geometry, 0xff, sizeof geometry); /* NaN, so that none is left out */
  memset(appearance, 0xff, sizeof appearance);
  memset(difference, 0xff, sizeof difference);
  velm_measure_geometry(mask, geometry);
  assert_finite(geometry, VELM_N_GEOMETRY);
  appear(grey, mask, appearance);
  assert_finite(appearance, VELM_N_APPEARANCE);
  for (int whole = 0; whole < 2; whole++) {
    differ(grey, reference, mask, whole, difference);
    assert_finite(difference, VELM_N_DIFFERENCE);
  }
}

static VelmPlane *random_plane(GRand *random, int width, int height, int kind) {
  VelmPlane *plane = velm_plane_new(width, height);
  for (int i = 0; i < width * height; i++)
    plane->values[i] = kind == 0   ? 0
                       : kind == 1 ? 255
                       : kind == 2 ? (float)g_rand_int_range(random, 0, 256)
                                   : (g_rand_boolean(random) ? 255.0f : 0.0f);
  return plane;
}

static void test_hostile(void) {
  static const int sizes[][2] = {{1, 1}, {1, 7},   {7, 1},   {2, 2},
                                 {3, 3}, {1, 300}, {300, 2}, {31, 17}};
  static const double shares[] = {0, 0.02, 0.5, 0.98, 1};
  g_autoptr(GRand) random = g_rand_new_with_seed(5);
  for (gsize s = 0; s < G_N_ELEMENTS(sizes); s++)
    for (gsize m = 0; m < G_N_ELEMENTS(shares); m++)
      for (int kind = 0; kind < 16; kind++) {
        int width = sizes[s][0], height = sizes[s][1];
        g_autoptr(VelmMask) mask = random_mask(random, width, height, shares[m]);
        g_autoptr(VelmPlane) grey = random_plane(random, width, height, kind % 4);
        g_autoptr(VelmPlane) reference = random_plane(random, width, height, kind / 4);
        measure_all(grey, reference, mask);
      }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/components/of-four-and-eight", test_components);
  g_test_add_func("/components/none", test_components_none);
  g_test_add_func("/components/random", test_components_random);
  g_test_add_func("/morphology/box", test_box);
  g_test_add_func("/morphology/dilation", test_dilation);
  g_test_add_func("/morphology/distance", test_distance);
  g_test_add_func("/percentile/known", test_percentile);
  g_test_add_func("/percentile/random", test_percentile_random);
  g_test_add_func("/geometry/rectangle", test_rectangle);
  g_test_add_func("/geometry/disc", test_disc);
  g_test_add_func("/geometry/line", test_line);
  g_test_add_func("/geometry/ring", test_ring);
  g_test_add_func("/geometry/diagonal-ring", test_diagonal_ring);
  g_test_add_func("/geometry/sides", test_sides);
  g_test_add_func("/geometry/several", test_several);
  g_test_add_func("/geometry/empty-is-whole", test_empty_is_whole);
  g_test_add_func("/appearance/contrast", test_contrast);
  g_test_add_func("/appearance/ring-gap", test_ring_gap);
  g_test_add_func("/appearance/levels", test_levels);
  g_test_add_func("/appearance/direction", test_direction);
  g_test_add_func("/appearance/directions-apart", test_directions_apart);
  g_test_add_func("/appearance/edge", test_edge);
  g_test_add_func("/appearance/outliers-in-ring", test_outliers_in_ring);
  g_test_add_func("/appearance/grain", test_grain);
  g_test_add_func("/appearance/flat", test_flat);
  g_test_add_func("/difference/sizes-differ", test_sizes_differ);
  for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
    g_autofree char *path = g_strdup_printf("/difference/%s", changes[i].name);
    g_test_add_data_func(path, &changes[i], test_change);
  }
  g_test_add_func("/difference/arc-share", test_arc_share);
  g_test_add_func("/difference/no-change", test_no_change);
  g_test_add_func("/difference/thin-change", test_thin_change);
  g_test_add_func("/difference/where-to-look", test_where_to_look);
  g_test_add_func("/difference/growth", test_growth);
  g_test_add_func("/difference/hair-crack", test_hair_crack);
  g_test_add_func("/difference/window", test_window);
  g_test_add_func("/difference/flat-reference", test_flat_reference);
  g_test_add_func("/hostile", test_hostile);
  return g_test_run();
}
