#include "mark/mark.h"

#include "core/scratch.h"

#include <math.h>
#include <string.h>

static char *folder;

static const int sizes[][2] = {{1, 1}, {31, 17}, {448, 448}, {2000, 1500}};

/* ---- pictures ---- */

/* No red in it, and no two neighbours alike. */
static VelmImage *picture(int width, int height) {
  VelmImage *image = velm_image_new(width, height);
  for (gsize i = 0; i < (gsize)width * (gsize)height; i++) {
    image->pixels[3 * i] = (guint8)(i % 90);
    image->pixels[3 * i + 1] = (guint8)(100 + i % 101);
    image->pixels[3 * i + 2] = (guint8)(50 + i % 97);
  }
  return image;
}

static VelmMask *ellipse(int width, int height) {
  VelmMask *mask = velm_mask_new(width, height);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++) {
      double u = (x + 0.5) / width - 0.45, v = (y + 0.5) / height - 0.55;
      mask->values[(gsize)y * (gsize)width + (gsize)x] = hypot(u, v) < 0.25 ? 255 : 0;
    }
  return mask;
}

static VelmImage *outline(const VelmImage *image, const VelmMask *mask, int width, int height) {
  g_autoptr(GError) error = NULL;
  VelmImage *out = velm_mark_outline(image, mask, width, height, &error);
  g_assert_no_error(error);
  g_assert_nonnull(out);
  g_assert_cmpint(out->width, ==, width);
  g_assert_cmpint(out->height, ==, height);
  return out;
}

static gboolean is_red(const VelmImage *image, gsize at) {
  return memcmp(image->pixels + 3 * at, "\xff\x00\x00", 3) == 0;
}

static gboolean is_same(const VelmImage *a, const VelmImage *b, gsize at) {
  return memcmp(a->pixels + 3 * at, b->pixels + 3 * at, 3) == 0;
}

/* ---- the contour ---- */

/*
 * Every pixel is as it was or red; none of the region is red, nor of the free pixel about it;
 * beyond them the line is closed and as wide as it should be, which is what dilating the mask
 * gives.
 */
static void check_outline(const VelmImage *image, const VelmMask *mask, const VelmImage *out) {
  g_autoptr(GError) error = NULL;
  int line = MAX(1, (int)lround(2.0 / 448 * MAX(image->width, image->height)));
  g_autoptr(VelmMask) near = velm_mask_dilate(mask, 1, &error);
  g_autoptr(VelmMask) outer = velm_mask_dilate(mask, 1 + line, &error);
  g_assert_no_error(error);
  for (gsize i = 0; i < (gsize)image->width * (gsize)image->height; i++) {
    g_assert_true(is_red(out, i) || is_same(out, image, i));
    g_assert_cmpint(is_red(out, i), ==, outer->values[i] && !near->values[i]);
  }
}

static void test_sizes(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    int width = sizes[i][0], height = sizes[i][1];
    g_autoptr(VelmImage) image = picture(width, height);
    g_autoptr(VelmMask) mask = ellipse(width, height);
    g_autoptr(VelmImage) out = outline(image, mask, width, height);
    check_outline(image, mask, out);
  }
}

/* At its own size nothing but the line changes; @image itself stays. */
static void test_known_line(void) {
  g_autoptr(VelmImage) image = picture(448, 448);
  g_autoptr(VelmImage) before = velm_image_copy(image);
  g_autoptr(VelmMask) mask = velm_mask_new(448, 448);
  for (int y = 100; y < 200; y++)
    memset(mask->values + y * 448 + 50, 255, 80);
  g_autoptr(VelmImage) out = outline(image, mask, 448, 448);
  for (int y = 0; y < 448; y++)
    for (int x = 0; x < 448; x++) {
      int away = MAX(MAX(50 - x, x - 129), MAX(100 - y, y - 199)); /* from the region */
      g_assert_cmpint(is_red(out, (gsize)(y * 448 + x)), ==, away == 2 || away == 3);
    }
  g_assert_cmpmem(image->pixels, 448 * 448 * 3, before->pixels, 448 * 448 * 3);
}

/* Resized on the way: the line keeps to the region, and the rest is the resized image. */
static void test_resized(void) {
  static const int targets[][2] = {{448, 448}, {100, 700}, {31, 17}, {1, 1}};
  g_autoptr(VelmImage) image = picture(600, 300);
  g_autoptr(VelmMask) mask = ellipse(600, 300);
  for (gsize i = 0; i < G_N_ELEMENTS(targets); i++) {
    int width = targets[i][0], height = targets[i][1];
    g_autoptr(GError) error = NULL;
    g_autoptr(VelmImage) resized = velm_image_resize(image, width, height, &error);
    g_autoptr(VelmMask) fitted = velm_mask_resize(mask, width, height, &error);
    g_assert_no_error(error);
    g_autoptr(VelmImage) out = outline(image, mask, width, height);
    check_outline(resized, fitted, out);
  }
}

static guint n_red(const VelmImage *image) {
  guint n = 0;
  for (gsize i = 0; i < (gsize)image->width * (gsize)image->height; i++)
    n += is_red(image, i);
  return n;
}

static void test_nothing_and_all(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    int width = sizes[i][0], height = sizes[i][1];
    g_autoptr(VelmImage) image = picture(width, height);
    g_autoptr(VelmMask) mask = velm_mask_new(width, height);
    g_autoptr(VelmImage) none = outline(image, mask, width, height);
    g_assert_cmpuint(n_red(none), ==, 0);
    memset(mask->values, 255, (gsize)width * (gsize)height);
    g_autoptr(VelmImage) all = outline(image, mask, width, height);
    g_assert_cmpuint(n_red(all), ==, 0); /* no room for a line */
  }
}

/* One pixel is outlined as well, in the corner too. */
static void test_one_pixel(void) {
  g_autoptr(VelmImage) image = picture(60, 60);
  static const int places[] = {0, 59, 30 * 60 + 30, 3599};
  static const guint lines[] = {5, 5, 16, 5}; /* of a square two pixels off */
  for (gsize i = 0; i < G_N_ELEMENTS(places); i++) {
    g_autoptr(VelmMask) mask = velm_mask_new(60, 60);
    mask->values[places[i]] = 255;
    g_autoptr(VelmImage) out = outline(image, mask, 60, 60);
    check_outline(image, mask, out);
    g_assert_cmpuint(n_red(out), ==, lines[i]);
  }
}

/* ---- as a file ---- */

static void test_overlay(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmInspection) inspection = velm_inspection_new("part.png");
  g_autofree char *path = g_build_filename(folder, "overlay.png", NULL);
  inspection->image = picture(90, 70);
  g_assert_true(velm_inspection_save_overlay(inspection, path, &error)); /* nothing marked */
  g_autoptr(VelmImage) plain = velm_image_load(path, 0, &error);
  g_assert_no_error(error);
  g_assert_cmpmem(plain->pixels, 90 * 70 * 3, inspection->image->pixels, 90 * 70 * 3);
  inspection->mask = ellipse(90, 70);
  g_assert_true(velm_inspection_save_overlay(inspection, path, &error));
  g_autoptr(VelmImage) marked = velm_image_load(path, 0, &error);
  g_assert_no_error(error);
  check_outline(inspection->image, inspection->mask, marked);
  g_autofree char *below = g_build_filename(folder, "missing", "overlay.png", NULL);
  GError *failure = NULL;
  g_assert_false(velm_inspection_save_overlay(inspection, below, &failure));
  assert_failure(&failure, VELM_ERROR_FILE, "missing/overlay.png");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  g_test_add_func("/outline/sizes", test_sizes);
  g_test_add_func("/outline/known-line", test_known_line);
  g_test_add_func("/outline/resized", test_resized);
  g_test_add_func("/outline/nothing-and-all", test_nothing_and_all);
  g_test_add_func("/outline/one-pixel", test_one_pixel);
  g_test_add_func("/outline/overlay", test_overlay);
  int result = g_test_run();
  scratch_remove(folder);
  return result;
}
