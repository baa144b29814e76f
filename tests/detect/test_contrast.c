/* The contrast within an image: what differs from the rest of it, less what is usual at its place.
 */
#include "detect/contrast.h"

#include <math.h>
#include <string.h>

enum { SIDE = 16, PLACES = SIDE * SIDE, CHANNELS = 6, GOOD = 20 };

/* What a surface shows at a place: it is darker to the right, as every image of it. */
static float usual(int place, int channel) { return (float)(place % SIDE) * 0.5f + (float)channel; }

/* @light: of the whole image, which says nothing */
static void draw(GRand *random, float light, float *rows) {
  for (int i = 0; i < PLACES; i++)
    for (int k = 0; k < CHANNELS; k++)
      rows[i * CHANNELS + k] = usual(i, k) + light + (float)g_rand_double_range(random, -0.3, 0.3);
}

static VelmModel *fit(GRand *random) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmSpool) spool = velm_spool_new(CHANNELS, &error);
  g_assert_no_error(error);
  VelmModel *model = velm_model_new();
  float rows[PLACES * CHANNELS];
  guint images[GOOD];
  for (guint i = 0; i < GOOD + 1; i++) {
    /* The one in the middle is not in use, and would spoil all. */
    draw(random, (float)g_rand_double_range(random, -2, 2), rows);
    for (int k = 0; i == 5 && k < PLACES * CHANNELS; k++)
      rows[k] *= 1000;
    velm_spool_append(spool, rows, PLACES, &error);
    g_assert_no_error(error);
  }
  for (guint i = 0; i < GOOD; i++)
    images[i] = i < 5 ? i : i + 1;
  gboolean ok = velm_contrast_fit(spool, images, GOOD, PLACES, CHANNELS, model, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  return model;
}

static double mean(const float *values, gsize from, gsize to) {
  double sum = 0;
  for (gsize i = from; i < to; i++)
    sum += (double)values[i];
  return sum / (double)(to - from);
}

static void test_area(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  g_autoptr(VelmModel) model = fit(random);
  VelmContrast contrast;
  g_assert_true(velm_contrast_open(&contrast, model, PLACES, CHANNELS, &error));
  float rows[PLACES * CHANNELS], found[PLACES];
  /* A good image under a light of its own: typical everywhere. */
  draw(random, 1.7f, rows);
  velm_contrast_measure(&contrast, rows, found);
  g_assert_cmpfloat_with_epsilon(mean(found, 0, PLACES), 1, 0.1);
  /* A third of it is of another kind, one that other good images have as a whole: that third, and
   * nothing else, stands out. */
  draw(random, -1, rows);
  const int third = PLACES / 3 / SIDE * SIDE;
  for (int i = 0; i < third * CHANNELS; i++)
    rows[i] += 2;
  velm_contrast_measure(&contrast, rows, found);
  g_assert_cmpfloat(mean(found, 0, (gsize)third), >, 4);
  g_assert_cmpfloat(mean(found, (gsize)third, PLACES), <, 1.5);
}

static void test_other_size(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GRand) random = g_rand_new_with_seed(2);
  g_autoptr(VelmModel) model = fit(random);
  VelmContrast contrast;
  g_assert_false(velm_contrast_open(&contrast, model, PLACES + 1, CHANNELS, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_MODEL);
  g_clear_error(&error);
  g_autoptr(VelmModel) none = velm_model_new();
  g_assert_false(velm_contrast_open(&contrast, none, PLACES, CHANNELS, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_MODEL);
}

/* Values that are no numbers harm nothing. */
static void test_nan(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GRand) random = g_rand_new_with_seed(3);
  g_autoptr(VelmModel) model = fit(random);
  VelmContrast contrast;
  g_assert_true(velm_contrast_open(&contrast, model, PLACES, CHANNELS, &error));
  float rows[PLACES * CHANNELS], found[PLACES];
  draw(random, 0, rows);
  for (int i = 0; i < PLACES * CHANNELS; i += 7)
    rows[i] = NAN;
  velm_contrast_measure(&contrast, rows, found);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/contrast/area", test_area);
  g_test_add_func("/contrast/other_size", test_other_size);
  g_test_add_func("/contrast/nan", test_nan);
  return g_test_run();
}
