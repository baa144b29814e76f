#include "detect/contamination.h"

#include <math.h>

#define N 200

/* A standard normal number, by Box and Muller. */
static double normal(GRand *random) {
  double u = 1 - g_rand_double(random), v = g_rand_double(random);
  return sqrt(-2 * log(u)) * cos(2 * G_PI * v);
}

/* Scores of good images: log-normal; the map's level goes with half of it. */
static void draw_good(GRand *random, float *scores, float *levels) {
  for (gsize i = 0; i < N; i++) {
    double light = 0.1 * normal(random);
    levels[i] = (float)exp(light);
    scores[i] = (float)(1.5 * exp(light + 0.1 * normal(random)));
  }
}

/* Few good images are lost, in any of many sets. */
static void test_good_images_stay(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  float scores[N], levels[N];
  gboolean found[N];
  gsize n = 0;
  for (int turn = 0; turn < 100; turn++) {
    draw_good(random, scores, levels);
    n += velm_contamination_find(scores, levels, N, N, found);
  }
  g_test_message("%" G_GSIZE_FORMAT " of %d", n, 100 * N);
  g_assert_cmpuint(n, <=, 100 * N / 100);
}

static void test_defects_are_found(void) {
  enum { BAD = 12 };
  g_autoptr(GRand) random = g_rand_new_with_seed(2);
  float scores[N], levels[N];
  gboolean found[N];
  draw_good(random, scores, levels);
  for (gsize i = 0; i < BAD; i++)
    scores[i * 7] = 2.6f * levels[i * 7];
  for (gsize i = 0; i < BAD; i++)
    scores[i * 7] = MAX(scores[i * 7], 2.6f);
  gsize n = velm_contamination_find(scores, levels, N, N, found), hits = 0;
  for (gsize i = 0; i < BAD; i++)
    hits += found[i * 7];
  g_assert_cmpuint(hits, ==, BAD);
  g_assert_cmpuint(n, <=, BAD + 2);
}

/* Another light lifts the whole map: there is no place that stands out. */
static void test_light_is_no_defect(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(3);
  float scores[N], levels[N];
  gboolean found[N];
  draw_good(random, scores, levels);
  scores[5] = 1.5f * 4;
  levels[5] = 4;
  scores[6] = 1.5f * 4;
  levels[6] = 1;
  velm_contamination_find(scores, levels, N, N, found);
  g_assert_false(found[5]);
  g_assert_true(found[6]);
}

static void test_most(void) {
  float scores[N], levels[N];
  gboolean found[N];
  g_autoptr(GRand) random = g_rand_new_with_seed(4);
  draw_good(random, scores, levels);
  for (gsize i = 0; i < 5; i++)
    scores[i] = 20 + (float)i;
  g_assert_cmpuint(velm_contamination_find(scores, levels, N, 2, found), ==, 2);
  /* Those that stand out most. */
  g_assert_true(found[4] && found[3]);
  g_assert_false(found[2]);
  g_assert_cmpuint(velm_contamination_find(scores, levels, N, 0, found), ==, 0);
}

static void test_odd_scores(void) {
  float scores[] = {1, 1, 1, 1, 1, 9}, levels[] = {0, 0, 0, 0, 0, 0};
  gboolean found[6];
  /* Most are equal: there is no deviation to go by. */
  g_assert_cmpuint(velm_contamination_find(scores, levels, 6, 6, found), ==, 0);
  scores[0] = 0;
  g_assert_cmpuint(velm_contamination_find(scores, levels, 1, 1, found), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/contamination/good-images-stay", test_good_images_stay);
  g_test_add_func("/contamination/defects-are-found", test_defects_are_found);
  g_test_add_func("/contamination/light-is-no-defect", test_light_is_no_defect);
  g_test_add_func("/contamination/most", test_most);
  g_test_add_func("/contamination/odd-scores", test_odd_scores);
  return g_test_run();
}
