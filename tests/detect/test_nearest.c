#include "core/parallel.h"
#include "detect/nearest.h"

#include <math.h>
#include <string.h>

/* Of sums of some hundred 32-bit floats. */
#define TOLERANCE 2e-6

/* ---- data ---- */

static float *random_rows(gsize n, gsize channels, double around, guint32 seed) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  float *rows = g_new(float, n *channels);
  for (gsize i = 0; i < n * channels; i++)
    rows[i] = (float)(around + g_rand_double_range(random, -2, 2));
  return rows;
}

static double distance(const float *a, const float *b, gsize channels) {
  double sum = 0;
  for (gsize k = 0; k < channels; k++) {
    double difference = (double)a[k] - (double)b[k];
    sum += difference * difference;
  }
  return sqrt(sum);
}

static double brute_force(const float *query, const float *bank, gsize n, gsize channels) {
  double least = INFINITY;
  for (gsize i = 0; i < n; i++)
    least = MIN(least, distance(query, bank + i * channels, channels));
  return least;
}

static VelmNearest *open(const float *bank, gsize n, gsize channels, gsize n_queries) {
  g_autoptr(GError) error = NULL;
  VelmNearest *nearest = velm_nearest_new(bank, n, channels, n_queries, &error);
  g_assert_no_error(error);
  g_assert_nonnull(nearest);
  return nearest;
}

static float *distances(VelmNearest *nearest, const float *queries, gsize n_queries) {
  g_autoptr(GError) error = NULL;
  float *out = g_new(float, n_queries);
  gboolean ok = velm_nearest_distances(nearest, queries, out, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  return out;
}

static void check_queries(VelmNearest *nearest, const float *bank, gsize n, gsize channels,
                          const float *queries, gsize n_queries) {
  g_autofree float *found = distances(nearest, queries, n_queries);
  for (gsize i = 0; i < n_queries; i++) {
    double right = brute_force(queries + i * channels, bank, n, channels);
    g_assert_cmpfloat_with_epsilon((double)found[i], right, TOLERANCE * right);
  }
}

/* ---- against brute force ---- */

static void check(gsize n, gsize channels, gsize n_queries, double around) {
  g_autofree float *bank = random_rows(n, channels, around, (guint32)n);
  g_autofree float *queries = random_rows(n_queries, channels, around, (guint32)n + 1);
  g_autoptr(VelmNearest) nearest = open(bank, n, channels, n_queries);
  check_queries(nearest, bank, n, channels, queries, n_queries);
}

static void test_brute_force(void) {
  check(500, 64, 37, 0);
  check(1000, 384, 16, 0);
  check(33, 100, 200, 0);
  check(2, 64, 1, 0);
}

/* Far from the origin, squares are large and their difference small: the centre is taken off first.
 */
static void test_far_from_the_origin(void) {
  check(500, 64, 37, 1000);
  check(500, 64, 37, -50000);
}

static void test_one_entry(void) {
  g_autofree float *bank = random_rows(1, 40, 3, 1);
  g_autofree float *queries = random_rows(5, 40, 3, 2);
  memcpy(queries, bank, 40 * sizeof(float));
  g_autoptr(VelmNearest) nearest = open(bank, 1, 40, 5);
  g_autofree float *found = distances(nearest, queries, 5);
  g_assert_cmpfloat(found[0], ==, 0);
  for (gsize i = 1; i < 5; i++)
    g_assert_cmpfloat_with_epsilon((double)found[i], distance(queries + i * 40, bank, 40), 1e-3);
}

/* Rows as features are: most of what they vary by lies in few directions, whose order of size is
 * not that of the channels. */
static float *correlated_rows(gsize n, gsize channels, gsize factors, guint32 seed) {
  g_autofree float *mixing = random_rows(factors, channels, 0, 99);
  float *rows = random_rows(n, channels, 5, seed);
  g_autofree float *weights = random_rows(n, factors, 0, seed + 1);
  for (gsize i = 0; i < n; i++)
    for (gsize f = 0; f < factors; f++)
      for (gsize k = 0; k < channels; k++)
        rows[i * channels + k] += weights[i * factors + f] * mixing[f * channels + k];
  return rows;
}

/* Few entries are compared in full, and the nearest is among them. */
static void test_pruning(void) {
  const gsize n = 3001, channels = 150, n_queries = 61;
  g_autofree float *bank = correlated_rows(n, channels, 12, 20);
  g_autofree float *queries = correlated_rows(n_queries, channels, 12, 22);
  g_autoptr(VelmNearest) nearest = open(bank, n, channels, n_queries);
  check_queries(nearest, bank, n, channels, queries, n_queries);
  g_assert_cmpfloat(velm_nearest_compared(nearest, queries), <, 0.1 * (double)n);
  g_assert_cmpfloat(velm_nearest_compared(nearest, queries), >=, 1);
}

/* Every directions' share of the variance is the same, or there is none: nothing can be left out.
 */
static void test_no_leading_direction(void) {
  check(400, 150, 20, 0);
  g_autofree float *bank = random_rows(1, 70, 0, 30);
  g_autofree float *same = g_new(float, 90 * 70);
  for (gsize i = 0; i < 90; i++)
    memcpy(same + i * 70, bank, 70 * sizeof(float));
  g_autofree float *queries = random_rows(8, 70, 0, 31);
  g_autoptr(VelmNearest) nearest = open(same, 90, 70, 8);
  check_queries(nearest, same, 90, 70, queries, 8);
}

/* All shapes about the sizes of panels, groups and vectors. */
static void test_shapes(void) {
  for (gsize n = 31; n <= 34; n++)
    for (gsize channels = 1; channels <= 41; channels += 4)
      for (gsize n_queries = 5; n_queries <= 7; n_queries++)
        check(n, channels, n_queries, 1);
}

/* The distances are the same, however many threads share the queries. */
static void test_threads(void) {
  g_autofree float *bank = correlated_rows(700, 90, 8, 40);
  g_autofree float *queries = correlated_rows(50, 90, 8, 42);
  g_autoptr(VelmNearest) nearest = open(bank, 700, 90, 50);
  velm_parallel_limit(1);
  g_autofree float *alone = distances(nearest, queries, 50);
  for (guint threads = 2; threads <= 3; threads++) {
    velm_parallel_limit(threads);
    g_autofree float *shared = distances(nearest, queries, 50);
    g_assert_cmpmem(alone, 50 * sizeof(float), shared, 50 * sizeof(float));
  }
  velm_parallel_limit(0);
}

static void test_no_bank(void) {
  const float entry = 1;
  g_autoptr(GError) error = NULL;
  g_assert_null(velm_nearest_new(&entry, 0, 1, 1, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_MODEL);
}

/* An entry's distance to the bank is none at all. */
static void test_entries(void) {
  g_autofree float *bank = random_rows(300, 128, 0, 3);
  g_autofree float *queries = random_rows(300, 128, 0, 4);
  g_autoptr(VelmNearest) nearest = open(bank, 300, 128, 300);
  g_autofree float *of_entries = distances(nearest, bank, 300);
  g_autofree float *of_others = distances(nearest, queries, 300);
  for (gsize i = 0; i < 300; i++) {
    g_assert_cmpfloat(of_entries[i], ==, 0);
    g_assert_cmpfloat(of_others[i], >, 1);
  }
}

/* ---- use ---- */

static void test_again(void) {
  g_autofree float *bank = random_rows(100, 32, 0, 5);
  g_autoptr(VelmNearest) nearest = open(bank, 100, 32, 10);
  for (guint32 seed = 6; seed < 9; seed++) {
    g_autofree float *queries = random_rows(10, 32, 0, seed);
    check_queries(nearest, bank, 100, 32, queries, 10);
  }
}

static void test_same_again(void) {
  g_autofree float *bank = random_rows(100, 32, 0, 5);
  g_autofree float *queries = random_rows(10, 32, 0, 6);
  g_autoptr(VelmNearest) nearest = open(bank, 100, 32, 10);
  g_autoptr(VelmNearest) other = open(bank, 100, 32, 10);
  g_autofree float *first = distances(nearest, queries, 10);
  g_autofree float *second = distances(nearest, queries, 10);
  g_autofree float *third = distances(other, queries, 10);
  g_assert_cmpmem(first, 10 * sizeof(float), second, 10 * sizeof(float));
  g_assert_cmpmem(first, 10 * sizeof(float), third, 10 * sizeof(float));
}

/* Bank and queries are left as they are. */
static void test_changes_nothing(void) {
  g_autofree float *bank = random_rows(50, 16, 1, 7);
  g_autofree float *kept = g_memdup2(bank, 50 * 16 * sizeof(float));
  g_autofree float *queries = random_rows(4, 16, 1, 8);
  g_autofree float *before = g_memdup2(queries, 4 * 16 * sizeof(float));
  g_autoptr(VelmNearest) nearest = open(bank, 50, 16, 4);
  check_queries(nearest, bank, 50, 16, queries, 4);
  g_assert_cmpmem(bank, 50 * 16 * sizeof(float), kept, 50 * 16 * sizeof(float));
  g_assert_cmpmem(queries, 4 * 16 * sizeof(float), before, 4 * 16 * sizeof(float));
}

/* A feature that is not a number must not look like a near one. */
static void test_nan(void) {
  g_autofree float *bank = random_rows(50, 16, 0, 9);
  g_autofree float *queries = random_rows(2, 16, 0, 10);
  queries[16 + 3] = NAN;
  g_autoptr(VelmNearest) nearest = open(bank, 50, 16, 2);
  g_autofree float *found = distances(nearest, queries, 2);
  g_assert_true(isfinite(found[0]));
  g_assert_false(isfinite(found[1]));
}

/* Nor an entry that is not a number. */
static void test_nan_entry(void) {
  g_autofree float *bank = random_rows(50, 16, 0, 9);
  g_autofree float *queries = random_rows(1, 16, 0, 10);
  bank[16 * 7] = NAN;
  g_autoptr(VelmNearest) nearest = open(bank, 50, 16, 1);
  g_autofree float *found = distances(nearest, queries, 1);
  g_assert_false(isfinite(found[0]));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/nearest/brute-force", test_brute_force);
  g_test_add_func("/nearest/far-from-the-origin", test_far_from_the_origin);
  g_test_add_func("/nearest/one-entry", test_one_entry);
  g_test_add_func("/nearest/entries", test_entries);
  g_test_add_func("/nearest/again", test_again);
  g_test_add_func("/nearest/same-again", test_same_again);
  g_test_add_func("/nearest/changes_nothing", test_changes_nothing);
  g_test_add_func("/nearest/nan", test_nan);
  g_test_add_func("/nearest/nan-entry", test_nan_entry);
  g_test_add_func("/nearest/pruning", test_pruning);
  g_test_add_func("/nearest/no-leading-direction", test_no_leading_direction);
  g_test_add_func("/nearest/shapes", test_shapes);
  g_test_add_func("/nearest/threads", test_threads);
  g_test_add_func("/nearest/no-bank", test_no_bank);
  return g_test_run();
}
