#include "evaluate/calibration.h"

#include <math.h>

enum { SEED = 11 };

static const double CONFIDENCE[] = {.9, .5, .95, .3, .9, .6, .85, .7, .4, .8, .55, .75};
static const guint8 RIGHT[] = {1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1};

static VelmCalibration *measure(const double *confidence, const guint8 *right, gsize n,
                                gsize n_bins) {
  return velm_calibration_measure(confidence, right, NULL, n, n_bins, SEED);
}

/* Expected: sklearn.metrics.brier_score_loss and log_loss, and NumPy over
 * array_split(argsort(confidence), 4). */
static void test_figures(void) {
  g_autoptr(VelmCalibration) calibration = measure(CONFIDENCE, RIGHT, 12, 4);
  g_assert_cmpuint(calibration->n, ==, 12);
  g_assert_cmpuint(calibration->excluded, ==, 0);
  g_assert_cmpfloat_with_epsilon(calibration->accuracy, 7 / 12.0, 1e-12);
  g_assert_cmpfloat_with_epsilon(calibration->confidence, 0.6833333333333332, 1e-12);
  g_assert_cmpfloat_with_epsilon(calibration->brier, 0.19166666666666665, 1e-12);
  g_assert_cmpfloat_with_epsilon(calibration->negative_log_likelihood, 0.5619928172441202, 1e-12);
  g_assert_cmpfloat_with_epsilon(calibration->ece, 0.14166666666666664, 1e-12);
  g_assert_cmpfloat_with_epsilon(calibration->mce, 0.28333333333333327, 1e-12);
}

static void test_bins(void) {
  g_autoptr(VelmCalibration) calibration = measure(CONFIDENCE, RIGHT, 12, 4);
  const double accuracy[] = {1 / 3.0, 1 / 3.0, 2 / 3.0, 1};
  const double confidence[] = {0.4, 1.85 / 3, 0.8, 2.75 / 3};
  const double low[] = {.3, .55, .75, .9}, high[] = {.5, .7, .85, .95};
  g_assert_cmpuint(calibration->n_bins, ==, 4);
  for (int b = 0; b < 4; b++) {
    g_assert_cmpuint(calibration->bins[b].n, ==, 3);
    g_assert_cmpfloat(calibration->bins[b].low, ==, low[b]);
    g_assert_cmpfloat(calibration->bins[b].high, ==, high[b]);
    g_assert_cmpfloat_with_epsilon(calibration->bins[b].accuracy, accuracy[b], 1e-12);
    g_assert_cmpfloat_with_epsilon(calibration->bins[b].confidence, confidence[b], 1e-12);
  }
}

/* Edges are in the lower bin; so is 0.07 of a hundred, of which 100 times is over 7 in doubles. */
static void test_equal_width(void) {
  g_autoptr(VelmCalibration) five = measure(CONFIDENCE, RIGHT, 12, 5);
  g_autoptr(VelmCalibration) ten = measure(CONFIDENCE, RIGHT, 12, 10);
  g_assert_cmpfloat_with_epsilon(five->ece_equal_width, 0.15833333333333335, 1e-12);
  g_assert_cmpfloat_with_epsilon(ten->ece_equal_width, 0.26666666666666666, 1e-12);
  const double confidence[] = {0.065, 0.07};
  const guint8 right[] = {0, 1};
  g_autoptr(VelmCalibration) hundred = measure(confidence, right, 2, 100);
  g_assert_cmpfloat_with_epsilon(hundred->ece_equal_width, (1 - 0.135) / 2, 1e-12);
}

/* scipy.stats.binomtest(k, n).proportion_ci(method="wilson") */
static void test_wilson(void) {
  static const struct {
    gsize right, n;
    double low, high;
  } CASES[] = {{8, 10, 0.4901624715366418, 0.9433178485456248},
               {0, 5, 0, 0.43448246478317476},
               {7, 7, 0.6456695649333126, 1},
               {412, 1000, 0.38188731127995784, 0.4427861982134999}};
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    g_autofree double *confidence = g_new(double, CASES[i].n);
    g_autofree guint8 *right = g_new(guint8, CASES[i].n);
    for (gsize k = 0; k < CASES[i].n; k++) {
      confidence[k] = 0.5;
      right[k] = k < CASES[i].right;
    }
    g_autoptr(VelmCalibration) calibration = measure(confidence, right, CASES[i].n, 10);
    /* Equal confidences are never parted. */
    g_assert_cmpuint(calibration->n_bins, ==, 1);
    VelmInterval interval = calibration->bins[0].accuracy_interval;
    g_assert_cmpfloat_with_epsilon(interval.low, CASES[i].low, 1e-9);
    g_assert_cmpfloat_with_epsilon(interval.high, CASES[i].high, 1e-9);
    g_assert_cmpfloat(interval.low, >=, 0);
    g_assert_cmpfloat(interval.high, <=, 1);
  }
}

static void test_ties(void) {
  enum { N = 1000 };
  double confidence[N];
  guint8 right[N];
  for (int i = 0; i < N; i++) {
    confidence[i] = i % 10 < 7 ? 0.9 : 0.2 + 0.1 * (i % 3);
    right[i] = i % 5 != 0;
  }
  g_autoptr(VelmCalibration) calibration = measure(confidence, right, N, 10);
  gsize n = 0;
  g_assert_cmpuint(calibration->n_bins, ==, 4);
  for (gsize b = 0; b < calibration->n_bins; b++) {
    g_assert_cmpfloat(calibration->bins[b].low, ==, calibration->bins[b].high);
    n += calibration->bins[b].n;
  }
  g_assert_cmpuint(n, ==, N);
  g_assert_cmpuint(calibration->bins[3].n, ==, 700);
}

/* The order in which answers come says nothing. */
static void test_order(void) {
  double reversed[12];
  guint8 right[12];
  for (int i = 0; i < 12; i++) {
    reversed[i] = CONFIDENCE[11 - i];
    right[i] = RIGHT[11 - i];
  }
  for (gsize n_bins = 1; n_bins <= 13; n_bins++) {
    g_autoptr(VelmCalibration) one = measure(CONFIDENCE, RIGHT, 12, n_bins);
    g_autoptr(VelmCalibration) other = measure(reversed, right, 12, n_bins);
    /* 11 confidences; the one that occurs twice may fill two bins. */
    g_assert_cmpuint(one->n_bins, <=, MIN(n_bins, 11));
    g_assert_cmpuint(one->n_bins + 1, >=, MIN(n_bins, 11));
    g_assert_cmpuint(one->n_bins, ==, other->n_bins);
    g_assert_cmpfloat_with_epsilon(one->ece, other->ece, 1e-12);
    g_assert_cmpfloat_with_epsilon(one->mce, other->mce, 1e-12);
  }
}

static void test_columns(void) {
  const double confidence[] = {0, 0.05, 0.051, 0.7, 0.7000001, 1, 1};
  const guint8 right[] = {0, 1, 1, 1, 0, 1, 9};
  g_autoptr(VelmCalibration) calibration = measure(confidence, right, 7, 10);
  gsize n = 0;
  for (int c = 0; c < VELM_CALIBRATION_COLUMNS; c++)
    n += calibration->right[c] + calibration->wrong[c];
  g_assert_cmpuint(n, ==, 7);
  g_assert_cmpuint(calibration->wrong[0], ==, 1);
  g_assert_cmpuint(calibration->right[0], ==, 1);
  g_assert_cmpuint(calibration->right[1], ==, 1);
  g_assert_cmpuint(calibration->right[13], ==, 1);
  g_assert_cmpuint(calibration->wrong[14], ==, 1);
  g_assert_cmpuint(calibration->right[19], ==, 2);
}

static void test_certain(void) {
  const double confidence[] = {1, 1, 0};
  const guint8 right[] = {1, 0, 0};
  g_autoptr(VelmCalibration) calibration = measure(confidence, right, 3, 10);
  /* As scikit-learn's log_loss: one of three is cut at 2^-52. */
  g_assert_cmpfloat_with_epsilon(calibration->negative_log_likelihood, 52 * log(2) / 3, 1e-9);
  g_assert_cmpfloat_with_epsilon(calibration->brier, 1 / 3.0, 1e-12);
  g_assert_cmpfloat_with_epsilon(calibration->ece, 1 / 3.0, 1e-12);
  g_assert_cmpfloat_with_epsilon(calibration->mce, 0.5, 1e-12);
}

static void test_excluded(void) {
  const double confidence[] = {NAN, 0.8, -0.1, 1.1, INFINITY, 0.6};
  const guint8 right[] = {1, 1, 1, 1, 1, 0};
  const char *const groups[] = {"a", "b", "c", "d", "e", "f"};
  g_autoptr(VelmCalibration) calibration =
      velm_calibration_measure(confidence, right, groups, 6, 10, SEED);
  g_assert_cmpuint(calibration->n, ==, 2);
  g_assert_cmpuint(calibration->excluded, ==, 4);
  g_assert_cmpfloat(calibration->accuracy, ==, 0.5);
  g_assert_cmpfloat_with_epsilon(calibration->ece, 0.4, 1e-12);
  g_assert_cmpuint(calibration->n_bins, ==, 2);
}

static void test_none(void) {
  const double confidence[] = {NAN};
  const guint8 right[] = {1};
  for (gsize n = 0; n < 2; n++) {
    g_autoptr(VelmCalibration) calibration = measure(confidence, right, n, 10);
    g_assert_cmpuint(calibration->n, ==, 0);
    g_assert_cmpuint(calibration->excluded, ==, n);
    g_assert_cmpuint(calibration->n_bins, ==, 0);
    g_assert_true(isnan(calibration->accuracy));
    g_assert_true(isnan(calibration->confidence));
    g_assert_true(isnan(calibration->ece));
    g_assert_true(isnan(calibration->ece_interval.low));
    g_assert_true(isnan(calibration->calibrated_p));
    g_assert_true(isnan(calibration->ece_equal_width));
    g_assert_true(isnan(calibration->mce));
    g_assert_true(isnan(calibration->brier));
    g_assert_true(isnan(calibration->negative_log_likelihood));
  }
}

static void test_numbers_of_bins(void) {
  g_autoptr(VelmCalibration) none = measure(CONFIDENCE, RIGHT, 12, 0);
  g_assert_cmpuint(none->n_bins, ==, 1);
  g_assert_cmpfloat_with_epsilon(none->ece, none->confidence - none->accuracy, 1e-12);
  g_autoptr(VelmCalibration) most = measure(CONFIDENCE, RIGHT, 12, G_MAXSIZE);
  g_assert_cmpuint(most->n_bins, ==, 11);
}

/* Answers that are right less often than they say, by @shift. */
static VelmCalibration *simulate(GRand *random, gsize n, double shift, const char *const *groups) {
  g_autofree double *confidence = g_new(double, n);
  g_autofree guint8 *right = g_new(guint8, n);
  for (gsize i = 0; i < n; i++) {
    confidence[i] = g_rand_double_range(random, 0.5, 1);
    right[i] = g_rand_double(random) < confidence[i] - shift;
  }
  return velm_calibration_measure(confidence, right, groups, n, 10, g_rand_int(random));
}

static void test_interval(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(SEED);
  int covered = 0, believed = 0;
  for (int set = 0; set < 100; set++) {
    g_autoptr(VelmCalibration) calibration = simulate(random, 200, 0.2, NULL);
    VelmInterval interval = calibration->ece_interval;
    g_assert_cmpfloat(interval.high, >=, calibration->ece);
    double low = fmax(2 * calibration->ece - interval.high, 0);
    g_assert_cmpfloat(interval.low, ==, calibration->calibrated_p > 0.05 ? 0 : low);
    covered += interval.low <= 0.2 && interval.high >= 0.2;
    believed += calibration->calibrated_p > 0.05;
  }
  g_assert_cmpint(covered, >=, 90);
  g_assert_cmpint(believed, <=, 3);
}

/* What a calibrated classifier shows is chance, and 0 is in the interval. */
static void test_interval_of_calibrated(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(SEED);
  int believed = 0, covered = 0;
  double ece = 0;
  for (int set = 0; set < 100; set++) {
    g_autoptr(VelmCalibration) calibration = simulate(random, 100, 0, NULL);
    ece += calibration->ece / 100;
    covered += calibration->ece_interval.low == 0;
    believed += calibration->calibrated_p > 0.05;
  }
  g_assert_cmpfloat(ece, >, 0.07);
  g_assert_cmpint(believed, >=, 88);
  g_assert_cmpint(covered, >=, believed);
}

static void test_one_group(void) {
  const char *const groups[] = {"a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a", "a"};
  g_autoptr(VelmCalibration) calibration =
      velm_calibration_measure(CONFIDENCE, RIGHT, groups, 12, 4, SEED);
  g_assert_true(isnan(calibration->ece_interval.low));
  g_assert_true(isnan(calibration->ece_interval.high));
  g_assert_true(isnan(calibration->calibrated_p));
  g_assert_cmpfloat_with_epsilon(calibration->ece, 0.14166666666666664, 1e-12);
}

static void test_seed(void) {
  g_autoptr(VelmCalibration) one = measure(CONFIDENCE, RIGHT, 12, 4);
  g_autoptr(VelmCalibration) same = measure(CONFIDENCE, RIGHT, 12, 4);
  g_assert_cmpfloat(one->ece_interval.low, ==, same->ece_interval.low);
  g_assert_cmpfloat(one->ece_interval.high, ==, same->ece_interval.high);
  g_assert_cmpfloat(one->calibrated_p, ==, same->calibrated_p);
  g_assert_cmpfloat(one->calibrated_p, >, 0.05);
}

/* Ten images a part, all alike: a tenth of the answers. */
static void test_interval_by_group(void) {
  enum { N = 300 };
  double confidence[N];
  guint8 right[N];
  const char *groups[N];
  char names[N / 10][8];
  g_autoptr(GRand) random = g_rand_new_with_seed(SEED);
  for (int i = 0; i < N; i++) {
    if (i % 10 == 0)
      g_snprintf(names[i / 10], sizeof names[0], "%d", i / 10);
    confidence[i] = i % 10 ? confidence[i - 1] : g_rand_double_range(random, 0.6, 1);
    right[i] = i % 10 ? right[i - 1] : g_rand_double(random) < 0.5;
    groups[i] = names[i / 10];
  }
  g_autoptr(VelmCalibration) by_group =
      velm_calibration_measure(confidence, right, groups, N, 4, SEED);
  g_autoptr(VelmCalibration) by_item =
      velm_calibration_measure(confidence, right, NULL, N, 4, SEED);
  g_assert_cmpfloat(by_group->ece, ==, by_item->ece);
  g_assert_cmpfloat(by_group->ece_interval.high - by_group->ece, >,
                    1.8 * (by_item->ece_interval.high - by_item->ece));
  g_assert_cmpfloat(by_group->calibrated_p, >, by_item->calibrated_p);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/calibration/figures", test_figures);
  g_test_add_func("/calibration/bins", test_bins);
  g_test_add_func("/calibration/equal-width", test_equal_width);
  g_test_add_func("/calibration/wilson", test_wilson);
  g_test_add_func("/calibration/ties", test_ties);
  g_test_add_func("/calibration/order", test_order);
  g_test_add_func("/calibration/columns", test_columns);
  g_test_add_func("/calibration/certain", test_certain);
  g_test_add_func("/calibration/excluded", test_excluded);
  g_test_add_func("/calibration/none", test_none);
  g_test_add_func("/calibration/numbers-of-bins", test_numbers_of_bins);
  g_test_add_func("/calibration/interval", test_interval);
  g_test_add_func("/calibration/interval-of-calibrated", test_interval_of_calibrated);
  g_test_add_func("/calibration/one-group", test_one_group);
  g_test_add_func("/calibration/seed", test_seed);
  g_test_add_func("/calibration/interval-by-group", test_interval_by_group);
  return g_test_run();
}
