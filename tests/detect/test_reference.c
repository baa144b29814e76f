#include "detect/reference.h"

#include "core/networks.h"
#include "core/scratch.h"

#include <math.h>
#include <string.h>

static char *folder, *network;

#define SIDE 32

/* ---- pictures and maps ---- */

/* Soft stripes: a shift by a few pixels explains every difference to a shifted copy. */
static VelmImage *stripes(int width, int height) {
  VelmImage *image = velm_image_new(width, height);
  for (int i = 0; i < width * height; i++) {
    int level = 128 + (int)(60 * sin((i % width) * 0.2) * cos((i / width) * 0.15));
    memset(image->pixels + 3 * i, level, 3);
  }
  return image;
}

static void blot(VelmImage *image, int x0, int y0, int side, guint8 level) {
  for (int y = y0; y < y0 + side; y++)
    memset(image->pixels + 3 * (y * image->width + x0), level, 3 * (gsize)side);
}

static VelmBackbone *open(const char *layers) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmBackboneSpec) spec = velm_backbone_spec_new(network, layers, SIDE, &error);
  g_assert_no_error(error);
  VelmBackbone *backbone = velm_backbone_open(spec, &error);
  g_assert_no_error(error);
  return backbone;
}

static VelmFeatures *extract(VelmBackbone *backbone, const VelmImage *image) {
  g_autoptr(GError) error = NULL;
  VelmFeatures *features = velm_backbone_extract(backbone, image, &error);
  g_assert_no_error(error);
  return features;
}

/* @typical: of every layer; a large one leaves only the grey values. */
static VelmPlane *map_of(const char *layers, float typical, const VelmImage *image,
                         const VelmImage *reference) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmBackbone) backbone = open(layers);
  g_autoptr(VelmFeatures) a = extract(backbone, image);
  g_autoptr(VelmFeatures) b = extract(backbone, reference);
  const float all[4] = {typical, typical, typical, typical};
  VelmPlane *map = velm_reference_map(backbone, all, a, b, image, reference, &error);
  g_assert_no_error(error);
  g_assert_nonnull(map);
  g_assert_cmpint(map->width, ==, a->columns);
  g_assert_cmpint(map->height, ==, a->rows);
  return map;
}

static float largest(const VelmPlane *map, int *x, int *y) {
  int best = 0;
  for (int i = 0; i < map->width * map->height; i++) {
    g_assert_true(isfinite(map->values[i]) && map->values[i] >= 0);
    if (map->values[i] > map->values[best])
      best = i;
  }
  if (x)
    *x = best % map->width;
  if (y)
    *y = best / map->width;
  return map->values[best];
}

/* ---- the map ---- */

static void test_same(void) {
  g_autoptr(VelmImage) image = stripes(100, 80);
  g_autoptr(VelmPlane) map = map_of("doubled,halved", 1, image, image);
  g_assert_cmpfloat(largest(map, NULL, NULL), ==, 0);
}

static void check_place(float typical) {
  g_autoptr(VelmImage) reference = stripes(128, 128);
  for (int corner = 0; corner < 4; corner++) {
    g_autoptr(VelmImage) image = velm_image_copy(reference);
    int x0 = corner % 2 ? 100 : 12, y0 = corner / 2 ? 96 : 8, x, y;
    blot(image, x0, y0, 16, 255);
    g_autoptr(VelmPlane) map = map_of("doubled", typical, image, reference);
    g_autoptr(VelmPlane) other_way = map_of("doubled", typical, reference, image);
    g_assert_cmpfloat(largest(map, &x, &y), >, 0.1f);
    g_assert_cmpint(x * 4, >=, x0 - 4);
    g_assert_cmpint(x * 4, <, x0 + 20);
    g_assert_cmpint(y * 4, >=, y0 - 4);
    g_assert_cmpint(y * 4, <, y0 + 20);
    g_assert_cmpfloat(largest(other_way, NULL, NULL), >, 0.1f); /* what is missing counts too */
    g_assert_cmpfloat(map->values[16 * SIDE + 16], <, 0.01f);
  }
}

static void test_place(void) { check_place(1); }
/* Where the features see nothing, the grey values do. */
static void test_grey(void) { check_place(1e9f); }

/* A feature's distance counts by what is typical of its layer, each layer alike. */
static void test_typical(void) {
  g_autoptr(VelmImage) reference = velm_image_new(SIDE, SIDE);
  g_autoptr(VelmImage) image = velm_image_new(SIDE, SIDE);
  memset(image->pixels, 1, SIDE * SIDE * 3); /* next to no difference in grey */
  g_autoptr(VelmPlane) one = map_of("doubled", 0.01f, image, reference);
  g_autoptr(VelmPlane) four = map_of("doubled", 0.04f, image, reference);
  g_autoptr(VelmPlane) both = map_of("doubled,tokens", 0.01f, image, reference);
  float step = sqrtf(powf(2 / 58.395f, 2) + powf(2 / 57.12f, 2) + powf(2 / 57.375f, 2));
  g_assert_cmpfloat_with_epsilon(one->values[40], step / 0.01f, 0.2f);
  g_assert_cmpfloat_with_epsilon(four->values[40], step / 0.04f, 0.1f);
  g_assert_cmpfloat_with_epsilon(both->values[40], one->values[40], 0.01f);
}

/* A pooled layer would blur a small difference: it counts only where there is no other. */
static void test_pooled(void) {
  g_autoptr(VelmImage) reference = stripes(64, 64);
  g_autoptr(VelmImage) image = velm_image_copy(reference);
  blot(image, 20, 20, 6, 0);
  g_autoptr(VelmPlane) sharp = map_of("doubled", 1, image, reference);
  g_autoptr(VelmPlane) first = map_of("halved@5,doubled", 1, image, reference);
  g_autoptr(VelmPlane) last = map_of("doubled,doubled@9", 1, image, reference);
  gsize size = SIDE * SIDE * sizeof(float);
  g_assert_cmpmem(first->values, size, sharp->values, size);
  g_assert_cmpmem(last->values, size, sharp->values, size);
  g_autoptr(VelmPlane) alone = map_of("doubled@5", 1, image, reference);
  g_assert_cmpfloat(largest(alone, NULL, NULL), >, 0.1f);
}

/* A patch may have moved by one; only at the border is something new. */
static void test_shift(void) {
  g_autoptr(VelmImage) reference = stripes(SIDE, SIDE);
  g_autoptr(VelmImage) image = velm_image_new(SIDE, SIDE);
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      memcpy(image->pixels + 3 * (y * SIDE + x),
             reference->pixels + 3 * (MAX(y - 1, 0) * SIDE + MIN(x + 1, SIDE - 1)), 3);
  g_autoptr(VelmPlane) map = map_of("doubled", 1, image, reference);
  for (int y = 1; y < SIDE - 1; y++)
    for (int x = 1; x < SIDE - 1; x++)
      g_assert_cmpfloat(map->values[y * SIDE + x], ==, 0);
}

/* The reference may be of another size, and either may be tiny. */
static void test_sizes(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmImage) image = stripes(96, 96);
  g_autoptr(VelmImage) large = velm_image_resize(image, 240, 240, &error);
  g_autoptr(VelmImage) pixel = velm_image_new(1, 1);
  g_autoptr(VelmPlane) map = map_of("doubled", 1, image, large);
  g_assert_cmpfloat(largest(map, NULL, NULL), <, 0.25f);
  g_autoptr(VelmPlane) to_pixel = map_of("doubled", 1, image, pixel);
  g_assert_cmpfloat(largest(to_pixel, NULL, NULL), >, 1);
  g_autoptr(VelmPlane) of_pixel = map_of("doubled", 1, pixel, pixel);
  g_assert_cmpfloat(largest(of_pixel, NULL, NULL), ==, 0);
}

/* ---- a made-up second shot ---- */

static void test_disturb(void) {
  g_autoptr(VelmImage) image = stripes(90, 70);
  g_autoptr(VelmImage) a = velm_reference_disturb(image, 1);
  g_autoptr(VelmImage) again = velm_reference_disturb(image, 1);
  g_autoptr(VelmImage) b = velm_reference_disturb(image, 2);
  gsize size = 90 * 70 * 3;
  g_assert_cmpint(a->width, ==, 90);
  g_assert_cmpint(a->height, ==, 70);
  g_assert_cmpmem(a->pixels, size, again->pixels, size);
  g_assert_true(memcmp(a->pixels, b->pixels, size) != 0);
  g_assert_true(memcmp(a->pixels, image->pixels, size) != 0);
}

/* It is a good part still: far nearer to the original than a defect. */
static void test_disturbed_is_good(void) {
  g_autoptr(VelmImage) image = stripes(128, 128);
  g_autoptr(VelmImage) marked = velm_image_copy(image);
  blot(marked, 60, 60, 10, 255);
  g_autoptr(VelmPlane) defect = map_of("doubled", 1, marked, image);
  for (guint32 seed = 0; seed < 10; seed++) {
    g_autoptr(VelmImage) copy = velm_reference_disturb(image, seed);
    g_autoptr(VelmPlane) good = map_of("doubled", 1, image, copy);
    g_assert_cmpfloat(largest(good, NULL, NULL), <, 0.5f * largest(defect, NULL, NULL));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  network = scratch_write(folder, "network.xml", network_image_ir, strlen(network_image_ir));
  g_free(scratch_write(folder, "network.bin", network_image_weights, sizeof network_image_weights));
  g_test_add_func("/reference/same", test_same);
  g_test_add_func("/reference/place", test_place);
  g_test_add_func("/reference/grey", test_grey);
  g_test_add_func("/reference/typical", test_typical);
  g_test_add_func("/reference/pooled", test_pooled);
  g_test_add_func("/reference/shift", test_shift);
  g_test_add_func("/reference/sizes", test_sizes);
  g_test_add_func("/reference/disturb", test_disturb);
  g_test_add_func("/reference/disturbed-is-good", test_disturbed_is_good);
  int result = g_test_run();
  g_free(network);
  scratch_remove(folder);
  return result;
}
