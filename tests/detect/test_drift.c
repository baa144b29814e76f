#include "detect/drift.h"

#include <math.h>
#include <string.h>

#define N_GOOD 300
#define THRESHOLD 1.65

/* A standard normal number, by Box and Muller. */
static double normal(GRand *random) {
  double u = 1 - g_rand_double(random), v = g_rand_double(random);
  return sqrt(-2 * log(u)) * cos(2 * G_PI * v);
}

/* Training of @n_parts parts with @views images each, whose scores are the same. */
static VelmDrift *train(GRand *random, gsize n_parts, gsize views) {
  g_autofree float *scores = g_new(float, n_parts *views);
  for (gsize part = 0; part < n_parts; part++) {
    float score = (float)normal(random);
    for (gsize view = 0; view < views; view++)
      scores[part * views + view] = score;
  }
  VelmGoodScores good = {scores, n_parts * views, (gint64)(n_parts * views), (gint64)n_parts,
                         THRESHOLD};
  return velm_drift_new(&good);
}

/* Which part it warned at, and what it said. */
static gsize run(VelmDrift *drift, GRand *random, gsize n_parts, gsize views, double shift,
                 double defects, char **warning) {
  for (gsize part = 0; part < n_parts; part++) {
    double score = g_rand_double(random) < defects ? 5 : normal(random) + shift;
    for (gsize view = 0; view < views; view++) {
      const char *text = velm_drift_add(drift, score);
      if (text && warning)
        *warning = g_strdup(text);
      if (text)
        return part + 1;
    }
  }
  return 0;
}

/* Of 1000 runs on parts like those of training, fresh models each, no more than the rate warn; with
 * one defect in twenty, too. */
static void check_false_warnings(gsize views, double defects) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  guint n = 0;
  for (int i = 0; i < 1000; i++) {
    g_autoptr(VelmDrift) drift = train(random, N_GOOD, views);
    n += run(drift, random, 500, views, 0, defects, NULL) > 0;
  }
  g_test_message("%u of 1000 runs", n);
  g_assert_cmpfloat(n, <=, 1000 * VELM_DRIFT_FALSE_WARNINGS);
}

static void test_false_warnings(void) { check_false_warnings(1, 0); }
static void test_false_warnings_of_views(void) { check_false_warnings(3, 0.05); }

static void test_shifts(void) {
  const double shifts[] = {1.3, -1.2};
  const char *const words[] = {"higher", "lower"};
  for (gsize i = 0; i < G_N_ELEMENTS(shifts); i++) {
    g_autoptr(GRand) random = g_rand_new_with_seed(2);
    for (int turn = 0; turn < 20; turn++) {
      g_autofree char *warning = NULL;
      g_autoptr(VelmDrift) drift = train(random, N_GOOD, 1);
      gsize at = run(drift, random, 500, 1, shifts[i], 0, &warning);
      g_assert_cmpuint(at, >, 0);
      g_assert_nonnull(strstr(warning, words[i]));
      g_assert_null(strchr(warning, '\n'));
      /* Once is enough. */
      g_assert_cmpuint(run(drift, random, 500, 1, shifts[i], 0, NULL), ==, 0);
    }
  }
}

/* Drift that sets in late is found though the run was good before. */
static void test_late_shift(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(3);
  g_autoptr(VelmDrift) drift = train(random, N_GOOD, 1);
  g_assert_cmpuint(run(drift, random, 1000, 1, 0, 0, NULL), ==, 0);
  g_assert_cmpuint(run(drift, random, 500, 1, 1.3, 0, NULL), >, 0);
}

/* The images of a part count as one: what 40 parts show six times is no proof. */
static void test_views_are_no_parts(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(4);
  g_autoptr(VelmDrift) once = train(random, N_GOOD, 1);
  g_autoptr(VelmDrift) views = train(random, N_GOOD, 6);
  gsize first = run(once, random, 500, 1, -1.2, 0, NULL);
  gsize second = run(views, random, 500, 6, -1.2, 0, NULL);
  g_assert_cmpuint(first, >, 0);
  g_assert_cmpuint(second, >=, 50);
}

static void test_nothing_passes(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(5);
  g_autoptr(VelmDrift) drift = train(random, N_GOOD, 1);
  g_autofree char *warning = NULL;
  g_assert_cmpuint(run(drift, random, 199, 1, 9, 0, &warning), ==, 0);
  g_assert_cmpuint(run(drift, random, 1, 1, 9, 0, &warning), ==, 1);
  g_assert_nonnull(strstr(warning, "anomalous"));
}

static void test_too_few(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(6);
  g_assert_null(train(random, 7, 1));
  g_assert_null(train(random, 7, 6));
  VelmGoodScores none = {NULL, 0, 0, 0, 1};
  g_assert_null(velm_drift_new(&none));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/drift/false-warnings", test_false_warnings);
  g_test_add_func("/drift/false-warnings-of-views", test_false_warnings_of_views);
  g_test_add_func("/drift/shifts", test_shifts);
  g_test_add_func("/drift/late-shift", test_late_shift);
  g_test_add_func("/drift/views-are-no-parts", test_views_are_no_parts);
  g_test_add_func("/drift/nothing-passes", test_nothing_passes);
  g_test_add_func("/drift/too-few", test_too_few);
  return g_test_run();
}
