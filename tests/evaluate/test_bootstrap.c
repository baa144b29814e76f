#include "evaluate/bootstrap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 7 };

/* Measures the mean of @values, and keeps what was drawn. */
typedef struct {
  const double *values;
  gsize n;
  guint n_calls;
  double *means; /* of each call; NULL for none */
} Sample;

static void measure_mean(const guint *counts, double *figures, gpointer user_data) {
  Sample *sample = user_data;
  double sum = 0, n = 0;
  for (gsize i = 0; i < sample->n; i++) {
    sum += counts[i] * sample->values[i];
    n += counts[i];
  }
  figures[0] = sum / n;
  if (sample->means)
    sample->means[sample->n_calls] = figures[0];
  sample->n_calls++;
}

static VelmInterval mean_interval(const char *const *groups, const double *values, gsize n,
                                  guint n_resamples, guint32 seed) {
  Sample sample = {.values = values, .n = n};
  VelmInterval interval;
  velm_bootstrap(groups, n, n_resamples, seed, measure_mean, 1, &sample, &interval);
  return interval;
}

static void assert_same(VelmInterval a, VelmInterval b) {
  g_assert_cmpfloat(a.low, ==, b.low);
  g_assert_cmpfloat(a.high, ==, b.high);
}

static void assert_undefined(VelmInterval interval) {
  g_assert_true(isnan(interval.low));
  g_assert_true(isnan(interval.high));
}

/* @n values of which the share @share is 1, in no order. */
static double *zeros_and_ones(gsize n, double share) {
  double *values = g_new(double, n);
  for (gsize i = 0; i < n; i++)
    values[i] = (double)(i * 7919 % n) < share * (double)n;
  return values;
}

static void test_closed_form(void) {
  const gsize n = 400;
  const double share = 0.3;
  g_autofree double *values = zeros_and_ones(n, share);
  VelmInterval interval = mean_interval(NULL, values, n, VELM_BOOTSTRAP_RESAMPLES, SEED);
  double half = 1.959964 * sqrt(share * (1 - share) / (double)n);
  /* 2,000 draws place a percentile to about 5 % of the half width. */
  g_assert_cmpfloat_with_epsilon(interval.low, share - half, 0.15 * half);
  g_assert_cmpfloat_with_epsilon(interval.high, share + half, 0.15 * half);
}

static void test_groups_widen(void) {
  enum { N_GROUPS = 50, EACH = 16, N = N_GROUPS * EACH };
  const char *groups[N];
  double values[N];
  char names[N_GROUPS][8];
  /* All items of a group are the same: there are 50 observations, not 800. */
  for (int i = 0; i < N; i++) {
    g_snprintf(names[i % N_GROUPS], sizeof names[0], "part%d", i % N_GROUPS);
    groups[i] = names[i % N_GROUPS];
    values[i] = i % N_GROUPS % 2;
  }
  VelmInterval apart = mean_interval(NULL, values, N, VELM_BOOTSTRAP_RESAMPLES, SEED);
  VelmInterval together = mean_interval(groups, values, N, VELM_BOOTSTRAP_RESAMPLES, SEED);
  double ratio = (together.high - together.low) / (apart.high - apart.low);
  g_assert_cmpfloat_with_epsilon(ratio, 4, 0.6);
}

/* Checks what every draw must hold: as many groups as there are, and all of a group together. */
static void check_counts(const guint *counts, double *figures, gpointer user_data) {
  guint *n_calls = user_data;
  g_assert_cmpuint(counts[0], ==, counts[3]);
  g_assert_cmpuint(counts[1], ==, counts[4]);
  /* Groups: a, b, and two without a name. */
  g_assert_cmpuint(counts[0] + counts[1] + counts[2] + counts[5], ==, 4);
  figures[0] = counts[2];
  figures[1] = counts[5];
  ++*n_calls;
}

static void test_counts(void) {
  /* Another address than its twin: groups are told apart by name. */
  char also_a[] = "a";
  const char *const groups[] = {"a", "b", NULL, also_a, "b", NULL};
  guint n_calls = 0;
  VelmInterval intervals[2];
  velm_bootstrap(groups, 6, 500, SEED, check_counts, 2, &n_calls, intervals);
  g_assert_cmpuint(n_calls, ==, 500);
  /* A nameless item is left out of every third draw, and in others there twice. */
  for (int f = 0; f < 2; f++) {
    g_assert_cmpfloat(intervals[f].low, ==, 0);
    g_assert_cmpfloat(intervals[f].high, >=, 2);
  }
}

static void test_seed(void) {
  g_autofree double *values = zeros_and_ones(100, 0.37);
  VelmInterval first = mean_interval(NULL, values, 100, 101, 1);
  assert_same(first, mean_interval(NULL, values, 100, 101, 1));
  VelmInterval other = mean_interval(NULL, values, 100, 101, 2);
  g_assert_true(first.low != other.low || first.high != other.high);
}

static void test_names(void) {
  enum { N = 60 };
  g_autofree double *values = zeros_and_ones(N, 0.5);
  const char *nameless[N] = {NULL}, *named[N];
  char names[N][8];
  for (int i = 0; i < N; i++) {
    g_snprintf(names[i], sizeof names[i], "%d", i);
    named[i] = names[i];
  }
  VelmInterval interval = mean_interval(NULL, values, N, 300, SEED);
  assert_same(interval, mean_interval(nameless, values, N, 300, SEED));
  assert_same(interval, mean_interval(named, values, N, 300, SEED));
}

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void test_percentiles(void) {
  g_autofree double *values = zeros_and_ones(83, 0.41);
  double means[1000];
  Sample sample = {.values = values, .n = 83, .means = means};
  VelmInterval interval;
  velm_bootstrap(NULL, 83, 1000, SEED, measure_mean, 1, &sample, &interval);
  qsort(means, 1000, sizeof *means, compare_doubles);
  /* numpy.percentile: the ranks 0.025 * 999 and 0.975 * 999, between neighbours in a line. */
  double low = means[24] + 0.975 * (means[25] - means[24]);
  double high = means[974] + 0.025 * (means[975] - means[974]);
  g_assert_cmpfloat_with_epsilon(interval.low, low, 1e-12);
  g_assert_cmpfloat_with_epsilon(interval.high, high, 1e-12);
}

/* Figures by the number of the draw, d: d; d, NaN in the first @Sample.n draws; infinite. The
 * last is never set. */
static void measure_number(const guint *counts, double *figures, gpointer user_data) {
  Sample *sample = user_data;
  guint draw = sample->n_calls++;
  figures[0] = draw;
  figures[1] = draw < sample->n ? NAN : draw;
  figures[2] = INFINITY;
}

static void test_interpolation(void) {
  Sample sample = {.n = 0};
  VelmInterval intervals[4];
  velm_bootstrap(NULL, 5, 2000, SEED, measure_number, 4, &sample, intervals);
  g_assert_cmpfloat_with_epsilon(intervals[0].low, 49.975, 1e-9);
  g_assert_cmpfloat_with_epsilon(intervals[0].high, 1949.025, 1e-9);
  assert_same(intervals[0], intervals[1]);
}

static void test_undefined_draws(void) {
  Sample some = {.n = 1000}, most = {.n = 1001};
  VelmInterval intervals[4];
  velm_bootstrap(NULL, 5, 2000, SEED, measure_number, 4, &some, intervals);
  /* Of the 1,000 draws from 1000 to 1999. */
  g_assert_cmpfloat_with_epsilon(intervals[1].low, 1024.975, 1e-9);
  g_assert_cmpfloat_with_epsilon(intervals[1].high, 1974.025, 1e-9);
  g_assert_cmpfloat(intervals[2].low, ==, INFINITY);
  g_assert_cmpfloat(intervals[2].high, ==, INFINITY);
  assert_undefined(intervals[3]);
  velm_bootstrap(NULL, 5, 2000, SEED, measure_number, 4, &most, intervals);
  g_assert_cmpfloat(intervals[0].low, >, 0);
  assert_undefined(intervals[1]);
}

static void test_nothing_to_draw(void) {
  const double values[] = {1, 2, 3};
  const char *const groups[] = {"a", "a", "a"};
  Sample sample = {.values = values, .n = 3};
  VelmInterval interval = {0, 0};
  velm_bootstrap(groups, 3, 100, SEED, measure_mean, 1, &sample, &interval);
  assert_undefined(interval);
  interval = (VelmInterval){0, 0};
  velm_bootstrap(NULL, 0, 100, SEED, measure_mean, 1, &sample, &interval);
  assert_undefined(interval);
  interval = (VelmInterval){0, 0};
  velm_bootstrap(NULL, 1, 100, SEED, measure_mean, 1, &sample, &interval);
  assert_undefined(interval);
  interval = (VelmInterval){0, 0};
  velm_bootstrap(NULL, 3, 0, SEED, measure_mean, 1, &sample, &interval);
  assert_undefined(interval);
  g_assert_cmpuint(sample.n_calls, ==, 0);
}

/* Sets of 60 parts seen three times each, whose images share most of their value. */
static gboolean covers(GRand *random, gboolean by_group) {
  enum { N_GROUPS = 60, EACH = 3, N = N_GROUPS * EACH };
  double values[N];
  const char *groups[N];
  char names[N_GROUPS][8];
  for (int g = 0; g < N_GROUPS; g++) {
    g_snprintf(names[g], sizeof names[g], "%d", g);
    double part = g_rand_double(random) - 0.5;
    for (int i = 0; i < EACH; i++) {
      values[g * EACH + i] = part + 0.2 * (g_rand_double(random) - 0.5);
      groups[g * EACH + i] = names[g];
    }
  }
  VelmInterval interval =
      mean_interval(by_group ? groups : NULL, values, N, 400, g_rand_int(random));
  return interval.low <= 0 && interval.high >= 0; /* the true mean */
}

static void test_coverage(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(SEED);
  int by_group = 0, by_image = 0;
  for (int set = 0; set < 300; set++) {
    by_group += covers(random, TRUE);
    by_image += covers(random, FALSE);
  }
  g_assert_cmpint(by_group, >=, 300 * 90 / 100);
  g_assert_cmpint(by_group, <=, 300 * 98 / 100);
  /* What drawing images instead of parts would promise and not keep. */
  g_assert_cmpint(by_image, <, 300 * 85 / 100);
}

static void test_numbers_of_groups(void) {
  const char *const groups[] = {"b", NULL, "a", "b", NULL, "a"};
  const guint expected[] = {0, 1, 2, 0, 3, 2};
  guint n_groups;
  g_autofree guint *numbers = velm_bootstrap_number_groups(groups, 6, &n_groups);
  g_assert_cmpmem(numbers, 6 * sizeof *numbers, expected, sizeof expected);
  g_assert_cmpuint(n_groups, ==, 4);
  g_autofree guint *none = velm_bootstrap_number_groups(NULL, 0, &n_groups);
  g_assert_cmpuint(n_groups, ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/bootstrap/closed-form", test_closed_form);
  g_test_add_func("/bootstrap/groups-widen", test_groups_widen);
  g_test_add_func("/bootstrap/counts", test_counts);
  g_test_add_func("/bootstrap/seed", test_seed);
  g_test_add_func("/bootstrap/names", test_names);
  g_test_add_func("/bootstrap/percentiles", test_percentiles);
  g_test_add_func("/bootstrap/interpolation", test_interpolation);
  g_test_add_func("/bootstrap/undefined-draws", test_undefined_draws);
  g_test_add_func("/bootstrap/nothing-to-draw", test_nothing_to_draw);
  g_test_add_func("/bootstrap/coverage", test_coverage);
  g_test_add_func("/bootstrap/numbers-of-groups", test_numbers_of_groups);
  return g_test_run();
}
