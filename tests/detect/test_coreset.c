#include "detect/coreset.h"

#include <math.h>
#include <omp.h>
#include <string.h>

/* ---- data ---- */

/* Whole numbers from 0 to @levels - 1: distances are exact, and many are the same. */
static float *whole_points(gsize n, gsize dims, int levels, guint32 seed) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  float *points = g_new(float, n *dims);
  for (gsize i = 0; i < n * dims; i++)
    points[i] = (float)g_rand_int_range(random, 0, levels);
  return points;
}

static float *random_points(gsize n, gsize dims, guint32 seed) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  float *points = g_new(float, n *dims);
  for (gsize i = 0; i < n * dims; i++)
    points[i] = (float)g_rand_double_range(random, -1, 1);
  return points;
}

static double distance2(const float *points, gsize dims, gsize a, gsize b) {
  double sum = 0;
  for (gsize k = 0; k < dims; k++) {
    double difference = (double)points[a * dims + k] - (double)points[b * dims + k];
    sum += difference * difference;
  }
  return sum;
}

/* Takes @pick into account in @nearest2, the squared distance of each point to its nearest pick. */
static void cover(double *nearest2, const float *points, gsize n, gsize dims, gsize pick) {
  for (gsize i = 0; i < n; i++)
    nearest2[i] = MIN(nearest2[i], distance2(points, dims, i, pick));
}

/* The point farthest from the picks, the first of several, that is none itself. */
static gsize farthest(const double *nearest2, const gboolean *picked, gsize n) {
  gsize best = n;
  for (gsize i = 0; i < n; i++)
    if (!picked[i] && (best == n || nearest2[i] > nearest2[best]))
      best = i;
  return best;
}

/* ---- picks ---- */

static void check_against_brute_force(gsize n, gsize dims, int levels, gsize n_picks, gsize first) {
  g_autofree float *points = whole_points(n, dims, levels, (guint32)(n + dims));
  g_autofree gsize *picks = velm_coreset_select(points, n, dims, n_picks, first);
  g_autofree double *nearest2 = g_new(double, n);
  g_autofree gboolean *picked = g_new0(gboolean, n);
  for (gsize i = 0; i < n; i++)
    nearest2[i] = INFINITY;
  gsize next = first;
  for (gsize i = 0; i < n_picks; i++) {
    g_assert_cmpuint(picks[i], ==, next);
    picked[next] = TRUE;
    cover(nearest2, points, n, dims, next);
    next = farthest(nearest2, picked, n);
  }
}

static void test_brute_force(void) {
  check_against_brute_force(300, 3, 5, 120, 0);
  check_against_brute_force(300, 3, 5, 120, 299);
  check_against_brute_force(500, 32, 4, 200, 7);
  check_against_brute_force(97, 1, 1000, 97, 50);
  check_against_brute_force(64, 17, 2, 64, 3);
}

/* More picks than different points: still none twice. */
static void test_duplicates(void) {
  check_against_brute_force(200, 2, 3, 200, 11);
  check_against_brute_force(10, 4, 1, 10, 5);
  check_against_brute_force(1, 1, 2, 1, 0);
}

static int compare(gconstpointer a, gconstpointer b) {
  gsize x = *(const gsize *)a, y = *(const gsize *)b;
  return x < y ? -1 : x > y;
}

static void test_all(void) {
  g_autofree float *points = random_points(257, 9, 1);
  g_autofree gsize *picks = velm_coreset_select(points, 257, 9, 257, 100);
  qsort(picks, 257, sizeof *picks, compare);
  for (gsize i = 0; i < 257; i++)
    g_assert_cmpuint(picks[i], ==, i);
}

/* Each pick is the farthest point, up to rounding; so what is left uncovered shrinks. */
static void test_greedy(void) {
  const gsize n = 2000, dims = 32, n_picks = 150;
  g_autofree float *points = random_points(n, dims, 2);
  g_autofree gsize *picks = velm_coreset_select(points, n, dims, n_picks, 0);
  g_autofree double *nearest2 = g_new(double, n);
  for (gsize i = 0; i < n; i++)
    nearest2[i] = INFINITY;
  double before = INFINITY;
  for (gsize i = 0; i + 1 < n_picks; i++) {
    cover(nearest2, points, n, dims, picks[i]);
    double radius2 = 0;
    for (gsize k = 0; k < n; k++)
      radius2 = MAX(radius2, nearest2[k]);
    g_assert_cmpfloat(radius2, <=, before);
    g_assert_cmpfloat(nearest2[picks[i + 1]], >=, radius2 * (1 - 1e-5));
    before = radius2;
  }
}

/* As many picks as there are clusters: one of each, though a random choice would take the large
 * one. */
static void test_clusters(void) {
  const gsize n = 1000, dims = 8, n_clusters = 10;
  g_autofree float *points = random_points(n, dims, 3);
  for (gsize i = 0; i < n; i++)
    points[i * dims] += 100 * (float)(i < 910 ? 0 : (i - 900) / 10);
  g_autofree gsize *picks = velm_coreset_select(points, n, dims, n_clusters, 4);
  guint seen = 0;
  for (gsize i = 0; i < n_clusters; i++)
    seen |= 1u << (picks[i] < 910 ? 0 : (picks[i] - 900) / 10);
  g_assert_cmpuint(seen, ==, (1u << n_clusters) - 1);
}

/* ---- projection ---- */

static void test_project(void) {
  g_autofree float *projection = random_points(5, 20, 4);
  g_autofree float *rows = random_points(33, 20, 5);
  g_autofree float *projected = g_new(float, 33 * 5);
  velm_coreset_project(projection, 20, 5, rows, 33, projected);
  for (gsize i = 0; i < 33; i++)
    for (gsize k = 0; k < 5; k++) {
      double sum = 0;
      for (gsize j = 0; j < 20; j++)
        sum += (double)projection[k * 20 + j] * (double)rows[i * 20 + j];
      g_assert_cmpfloat_with_epsilon((double)projected[i * 5 + k], sum, 1e-5);
    }
}

static void test_projection_seed(void) {
  g_autofree float *a = velm_coreset_projection(50, 32, 9);
  g_autofree float *b = velm_coreset_projection(50, 32, 9);
  g_autofree float *c = velm_coreset_projection(50, 32, 10);
  g_assert_cmpmem(a, 50 * 32 * sizeof(float), b, 50 * 32 * sizeof(float));
  g_assert_true(memcmp(a, c, 50 * 32 * sizeof(float)) != 0);
}

/* Distances in 64 dimensions are those in 400, on average, and seldom far from it. */
static void test_projection_keeps_distances(void) {
  const gsize n = 100, from = 400, to = 64;
  g_autofree float *projection = velm_coreset_projection(from, to, 6);
  g_autofree float *rows = random_points(n, from, 7);
  g_autofree float *projected = g_new(float, n *to);
  velm_coreset_project(projection, from, to, rows, n, projected);
  double sum = 0, squares = 0, count = 0;
  for (gsize i = 0; i < n; i++)
    for (gsize k = 0; k < i; k++, count++) {
      double ratio = distance2(projected, to, i, k) / distance2(rows, from, i, k);
      sum += ratio;
      squares += ratio * ratio;
    }
  double mean = sum / count, deviation = sqrt(squares / count - mean * mean);
  g_assert_cmpfloat_with_epsilon(mean, 1, 0.08);
  /* Of a chi-squared with 64 degrees of freedom over 64: 0.177. */
  g_assert_cmpfloat(deviation, <, 0.25);
}

/* ---- threads ---- */

static void test_threads(void) {
  const gsize n = 1000, from = 60, to = 32, n_picks = 100;
  g_autofree float *rows = random_points(n, from, 8);
  g_autofree float *first = NULL;
  g_autofree gsize *first_picks = NULL;
  for (int threads = 1; threads <= 5; threads++) {
    omp_set_num_threads(threads);
    g_autofree float *projection = velm_coreset_projection(from, to, 1);
    g_autofree float *projected = g_new(float, n *to);
    velm_coreset_project(projection, from, to, rows, n, projected);
    g_autofree gsize *picks = velm_coreset_select(projected, n, to, n_picks, 0);
    if (threads > 1) {
      g_assert_cmpmem(projected, n * to * sizeof(float), first, n * to * sizeof(float));
      g_assert_cmpmem(picks, n_picks * sizeof *picks, first_picks, n_picks * sizeof *picks);
      continue;
    }
    first = g_steal_pointer(&projected);
    first_picks = g_steal_pointer(&picks);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/coreset/brute-force", test_brute_force);
  g_test_add_func("/coreset/duplicates", test_duplicates);
  g_test_add_func("/coreset/all", test_all);
  g_test_add_func("/coreset/greedy", test_greedy);
  g_test_add_func("/coreset/clusters", test_clusters);
  g_test_add_func("/coreset/project", test_project);
  g_test_add_func("/coreset/projection-seed", test_projection_seed);
  g_test_add_func("/coreset/projection-keeps-distances", test_projection_keeps_distances);
  g_test_add_func("/coreset/threads", test_threads);
  return g_test_run();
}
