/* Made-up defects: repeatable, visible where their mask is, and nowhere else. */
#include "detect/synthetic_defect.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 200, HEIGHT = 150, N_SEEDS = 120 };

static VelmImage *striped(int period) {
  VelmImage *image = velm_image_new(WIDTH, HEIGHT);
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++)
      memset(image->pixels + 3 * (y * WIDTH + x), x / period % 2 ? 140 : 110, 3);
  return image;
}

/* Mean difference of grey values over the pixels whose mask is @value. */
static double difference(const VelmImage *a, const VelmImage *b, const VelmMask *mask,
                         guint8 value) {
  double sum = 0, n = 0;
  for (gsize i = 0; i < WIDTH * HEIGHT; i++)
    if (mask->values[i] == value)
      sum += abs(a->pixels[3 * i] - b->pixels[3 * i]), n++;
  return n > 0 ? sum / n : 0;
}

static void test_repeatable(void) {
  g_autoptr(VelmImage) image = striped(3);
  for (guint32 seed = 0; seed < 10; seed++) {
    g_autoptr(VelmMask) mask = NULL;
    g_autoptr(VelmMask) again_mask = NULL;
    g_autoptr(VelmImage) drawn = velm_synthetic_defect_draw(image, image, seed, &mask);
    g_autoptr(VelmImage) again = velm_synthetic_defect_draw(image, image, seed, &again_mask);
    g_assert_cmpmem(drawn->pixels, 3 * WIDTH * HEIGHT, again->pixels, 3 * WIDTH * HEIGHT);
    g_assert_cmpmem(mask->values, WIDTH * HEIGHT, again_mask->values, WIDTH * HEIGHT);
  }
}

static void test_differ(void) {
  g_autoptr(VelmImage) image = striped(3);
  g_autoptr(VelmMask) a_mask = NULL;
  g_autoptr(VelmMask) b_mask = NULL;
  g_autoptr(VelmImage) a = velm_synthetic_defect_draw(image, image, 1, &a_mask);
  g_autoptr(VelmImage) b = velm_synthetic_defect_draw(image, image, 2, &b_mask);
  g_assert_cmpint(memcmp(a_mask->values, b_mask->values, WIDTH * HEIGHT), !=, 0);
}

/* Whatever kind the seed draws: it is seen inside its mask, far more than outside. */
static void test_visible(void) {
  g_autoptr(VelmImage) image = striped(3);
  g_autoptr(VelmImage) other = striped(7);
  guint empty = 0, faint = 0;
  double smallest = INFINITY, largest = 0;
  for (guint32 seed = 0; seed < N_SEEDS; seed++) {
    g_autoptr(VelmMask) mask = NULL;
    g_autoptr(VelmImage) drawn = velm_synthetic_defect_draw(image, other, seed, &mask);
    double share = (double)velm_mask_count(mask) / (WIDTH * HEIGHT);
    empty += share == 0;
    faint += difference(image, drawn, mask, 255) < 8;
    g_assert_cmpfloat(difference(image, drawn, mask, 0), <=,
                      0.5 * difference(image, drawn, mask, 255) + 1e-9);
    smallest = MIN(smallest, share > 0 ? share : 1);
    largest = MAX(largest, share);
  }
  g_assert_cmpuint(empty, ==, 0);
  g_assert_cmpuint(faint, <=, N_SEEDS / 20);
  g_assert_cmpfloat(smallest, <, 0.005); /* thin ones and small ones */
  g_assert_cmpfloat(largest, >, 0.08);   /* and wide ones */
  g_assert_cmpfloat(largest, <, 0.7);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/synthetic_defect/repeatable", test_repeatable);
  g_test_add_func("/synthetic_defect/differ", test_differ);
  g_test_add_func("/synthetic_defect/visible", test_visible);
  return g_test_run();
}
