#include "core/resizer.h"

#include <math.h>
#include <string.h>

static VelmImage *noise(int width, int height) {
  VelmImage *image = velm_image_new(width, height);
  g_autoptr(GRand) random = g_rand_new_with_seed(7);
  for (int i = 0; i < width * height * 3; i++)
    image->pixels[i] = (guint8)g_rand_int_range(random, 0, 256);
  return image;
}

/* The triangle of Pillow's bilinear filter at place @i of @n, and its sum. */
static double triangle(int from, int n, int i, int k) {
  double scale = (double)from / n, width = MAX(1, scale), centre = (i + 0.5) * scale;
  return MAX(0, 1 - fabs(k + 0.5 - centre) / width);
}

static double triangle_sum(int from, int n, int i) {
  double sum = 0;
  for (int k = 0; k < from; k++)
    sum += triangle(from, n, i, k);
  return sum;
}

static double right_value(const VelmImage *image, int width, int height, int x, int y, int c) {
  double sum = 0;
  for (int v = 0; v < image->height; v++) {
    double row = triangle(image->height, height, y, v);
    for (int u = 0; row > 0 && u < image->width; u++)
      sum +=
          row * triangle(image->width, width, x, u) * image->pixels[(v * image->width + u) * 3 + c];
  }
  return sum / (triangle_sum(image->width, width, x) * triangle_sum(image->height, height, y));
}

static void check(VelmResizer *resizer, const VelmImage *image, int width, int height) {
  g_autoptr(GError) error = NULL;
  const float *out = velm_resizer_run(resizer, image, &error);
  g_assert_no_error(error);
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++)
        g_assert_cmpfloat_with_epsilon((double)out[(y * width + x) * 3 + c],
                                       right_value(image, width, height, x, y, c), 0.01);
}

/* Smaller, larger, each axis its own way, as it is; sizes may change from image to image. */
static void test_right(void) {
  static const int from[][2] = {{60, 41}, {17, 9}, {9, 90}, {23, 31}, {23, 31}, {1, 1}, {300, 2}};
  g_autoptr(VelmResizer) resizer = velm_resizer_new(23, 31);
  for (gsize i = 0; i < G_N_ELEMENTS(from); i++) {
    g_autoptr(VelmImage) image = noise(from[i][0], from[i][1]);
    check(resizer, image, 23, 31);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/resizer/right", test_right);
  return g_test_run();
}
