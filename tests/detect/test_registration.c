/* A reference that is a little off is moved onto its part; one that is not, or is another part's,
 * stays. */
#include "core/scratch.h"
#include "detect/inspection.h"
#include "detect/registration.h"

#include <string.h>

#define WIDTH 200
#define HEIGHT 160

static char *folder;

/* A board: blocks of random places, sizes and levels. @dx, @dy: how far it lies to the right and
 * down; @gain: of its light. */
static VelmImage *board(guint32 seed, int dx, int dy, double gain) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  g_autoptr(GRand) noise = g_rand_new_with_seed(seed + (guint32)(100 * dx + dy));
  VelmImage *image = velm_image_new(WIDTH, HEIGHT);
  memset(image->pixels, 60, (gsize)WIDTH * HEIGHT * 3);
  for (int block = 0; block < 60; block++) {
    int x0 = g_rand_int_range(random, -20, WIDTH) + dx, y0 = g_rand_int_range(random, -20, HEIGHT);
    int side = g_rand_int_range(random, 6, 30), level = g_rand_int_range(random, 20, 200);
    for (int y = MAX(0, y0 + dy); y < MIN(HEIGHT, y0 + dy + side); y++)
      for (int x = MAX(0, x0); x < MIN(WIDTH, x0 + side); x++)
        memset(image->pixels + 3 * (y * WIDTH + x), level, 3);
  }
  for (int i = 0; i < 3 * WIDTH * HEIGHT; i++)
    image->pixels[i] =
        (guint8)CLAMP(gain * image->pixels[i] + g_rand_double_range(noise, -4, 4), 0, 255);
  return image;
}

static void check_shift(const VelmImage *image, const VelmImage *reference, int dx, int dy) {
  GError *error = NULL;
  int x = 99, y = 99;
  g_assert_true(velm_registration_find(image, reference, &x, &y, &error));
  g_assert_no_error(error);
  g_assert_cmpint(x, ==, dx);
  g_assert_cmpint(y, ==, dy);
}

static void test_shifts(void) {
  static const int shifts[][2] = {{10, 0}, {0, -10}, {-7, 3}, {20, 15}, {-24, -19}};
  g_autoptr(VelmImage) reference = board(1, 0, 0, 1);
  for (gsize i = 0; i < G_N_ELEMENTS(shifts); i++) {
    g_autoptr(VelmImage) image = board(1, shifts[i][0], shifts[i][1], 1);
    check_shift(image, reference, shifts[i][0], shifts[i][1]);
  }
}

static void test_light(void) {
  g_autoptr(VelmImage) reference = board(2, 0, 0, 1);
  g_autoptr(VelmImage) brighter = board(2, 6, -4, 1.2);
  check_shift(brighter, reference, 6, -4);
}

/* A defect is no reason to move. */
static void test_defect(void) {
  g_autoptr(VelmImage) reference = board(3, 0, 0, 1);
  g_autoptr(VelmImage) image = board(3, 0, 0, 1);
  for (int y = 60; y < 100; y++)
    memset(image->pixels + 3 * (y * WIDTH + 70), 255, 3 * 60);
  check_shift(image, reference, 0, 0);
  check_shift(reference, reference, 0, 0);
}

/* A plain part with tracks along its edges, and one piece in the middle. */
static VelmImage *frame(int x0, int y0) {
  VelmImage *image = velm_image_new(WIDTH, HEIGHT);
  memset(image->pixels, 60, (gsize)WIDTH * HEIGHT * 3);
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++) {
      gboolean track = x < 3 || y < 3;
      gboolean piece = x >= x0 && x < x0 + 20 && y >= y0 && y < y0 + 16;
      if (track || piece)
        memset(image->pixels + 3 * (y * WIDTH + x), 200, 3);
    }
  return image;
}

/* That is the defect: were the part moved, all else would be off. */
static void test_moved_piece(void) {
  g_autoptr(VelmImage) reference = frame(90, 70);
  g_autoptr(VelmImage) image = frame(102, 78);
  check_shift(image, reference, 0, 0);
}

static void test_other_part(void) {
  g_autoptr(VelmImage) image = board(4, 0, 0, 1);
  for (guint32 seed = 10; seed < 20; seed++) {
    g_autoptr(VelmImage) other = board(seed, 0, 0, 1);
    check_shift(image, other, 0, 0);
  }
}

static void test_plain(void) {
  g_autoptr(VelmImage) grey = velm_image_new(50, 40);
  g_autoptr(VelmImage) dot = velm_image_new(1, 1);
  memset(grey->pixels, 90, 50 * 40 * 3);
  check_shift(grey, grey, 0, 0);
  check_shift(dot, grey, 0, 0);
  check_shift(grey, dot, 0, 0);
}

static void test_odd_sizes(void) {
  g_autoptr(VelmImage) reference = board(7, 0, 0, 1);
  g_autoptr(VelmImage) image = board(7, 8, -7, 1);
  static const int sizes[][2] = {{199, 160}, {200, 159}, {197, 155}};
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    g_autoptr(VelmImage) a = velm_image_crop(image, 0, 0, sizes[i][0], sizes[i][1]);
    g_autoptr(VelmImage) b = velm_image_crop(reference, 0, 0, sizes[i][0], sizes[i][1]);
    check_shift(a, b, 8, -7);
  }
  for (int side = 1; side < 40; side++) {
    g_autoptr(VelmImage) strip = velm_image_crop(image, 20, 20, side, 40 - side);
    check_shift(strip, strip, 0, 0);
  }
}

/* Large images are compared at a coarser scale. */
static void test_large(void) {
  g_autoptr(VelmImage) small = board(5, 0, 0, 1);
  g_autoptr(VelmImage) moved = board(5, 8, -6, 1);
  g_autoptr(VelmImage) reference = velm_image_resize(small, 5 * WIDTH, 5 * HEIGHT, NULL);
  g_autoptr(VelmImage) image = velm_image_resize(moved, 5 * WIDTH, 5 * HEIGHT, NULL);
  int dx = 0, dy = 0;
  g_assert_true(velm_registration_find(image, reference, &dx, &dy, NULL));
  g_assert_cmpint(ABS(dx - 40), <=, 3);
  g_assert_cmpint(ABS(dy + 30), <=, 3);
}

/* ---- as an image is loaded ---- */

static char *put(const char *name, const VelmImage *image) {
  g_autoptr(GBytes) png = velm_image_to_png(image, NULL);
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(png, &size);
  return scratch_write(folder, name, data, size);
}

/* The mean difference well inside. */
static double mean_difference(const VelmImage *a, const VelmImage *b) {
  double sum = 0;
  for (int y = 25; y < HEIGHT - 25; y++)
    for (int x = 25; x < WIDTH - 25; x++) {
      gsize i = 3 * ((gsize)y * WIDTH + (gsize)x);
      sum += ABS((double)a->pixels[i] - (double)b->pixels[i]);
    }
  return sum / ((WIDTH - 50.0) * (HEIGHT - 50.0));
}

static void test_load(void) {
  g_autoptr(VelmImage) image = board(6, 0, 0, 1);
  g_autoptr(VelmImage) off = board(6, -10, 10, 1);
  g_autofree char *path = put("image.png", image);
  g_autofree char *reference = put("reference.png", off);
  VelmInspection *inspection = velm_inspection_new(path);
  GError *error = NULL;
  g_assert_cmpfloat(mean_difference(image, off), >, 10);
  g_assert_true(velm_inspection_load(inspection, reference, 0, &error));
  g_assert_no_error(error);
  g_assert_cmpfloat(mean_difference(inspection->image, inspection->reference), <, 4);
  velm_inspection_free(inspection);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  g_test_add_func("/detect/registration/shifts", test_shifts);
  g_test_add_func("/detect/registration/light", test_light);
  g_test_add_func("/detect/registration/defect", test_defect);
  g_test_add_func("/detect/registration/moved_piece", test_moved_piece);
  g_test_add_func("/detect/registration/other_part", test_other_part);
  g_test_add_func("/detect/registration/plain", test_plain);
  g_test_add_func("/detect/registration/odd_sizes", test_odd_sizes);
  g_test_add_func("/detect/registration/large", test_large);
  g_test_add_func("/detect/registration/load", test_load);
  int code = g_test_run();
  scratch_remove(folder);
  return code;
}
