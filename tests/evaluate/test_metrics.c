/* The literal values are scikit-learn's (1.9). */
#include "evaluate/metrics.h"

#include <math.h>

static void assert_close(const char *name, double value, double expected) {
  if (isnan(expected) ? !isnan(value) : !(fabs(value - expected) < 1e-12))
    g_test_message("%s: %.17g, not %.17g", name, value, expected);
  g_assert_cmpint(isnan(value) != 0, ==, isnan(expected) != 0);
  if (!isnan(expected))
    g_assert_cmpfloat_with_epsilon(value, expected, 1e-12);
}

/* ---- image scores ---- */

typedef struct {
  const char *name;
  gsize n;
  double scores[16];
  guint8 positive[16];
  double auroc, average_precision, f1_max, threshold;
} ScoreCase;

/* clang-format off */
static const ScoreCase score_cases[] = {
    {"two in order",
     2,
     {0.0, 1.0},
     {0, 1},
     1.0, 1.0, 1.0, 1.0},
    {"two reversed",
     2,
     {1.0, 0.0},
     {0, 1},
     0.0, 0.5, 0.6666666666666666, 0.0},
    {"two tied",
     2,
     {0.5, 0.5},
     {0, 1},
     0.5, 0.5, 0.6666666666666666, 0.5},
    {"scikit-learn's example",
     4,
     {0.1, 0.4, 0.35, 0.8},
     {0, 0, 1, 1},
     0.75, 0.8333333333333333, 0.8, 0.35},
    {"all tied",
     6,
     {1.0, 1.0, 1.0, 1.0, 1.0, 1.0},
     {0, 1, 0, 1, 1, 0},
     0.5, 0.5, 0.6666666666666666, 1.0},
    {"no positives",
     3,
     {1.0, 2.0, 3.0},
     {0, 0, 0},
     NAN, NAN, NAN, NAN},
    {"only positives",
     3,
     {1.0, 2.0, 2.0},
     {1, 1, 1},
     NAN, 1.0, 1.0, 1.0},
    {"one positive",
     1,
     {3.0},
     {1},
     NAN, 1.0, 1.0, 3.0},
    {"one negative",
     1,
     {3.0},
     {0},
     NAN, NAN, NAN, NAN},
    {"empty",
     0,
     {0},
     {0},
     NAN, NAN, NAN, NAN},
    {"negative scores",
     6,
     {-5.0, -1.0, -3.0, -2.0, -4.0, -1.0},
     {0, 1, 0, 1, 1, 0},
     0.6111111111111112, 0.5888888888888889, 0.75, -4.0},
    {"infinities",
     6,
     {INFINITY, -INFINITY, 0.0, INFINITY, -INFINITY, 1.0},
     {1, 0, 0, 0, 1, 1},
     0.5555555555555556, 0.5555555555555556, 0.6666666666666666, 1.0},
    {"perfect with ties",
     5,
     {1.0, 1.0, 1.0, 2.0, 2.0},
     {0, 0, 0, 1, 1},
     1.0, 1.0, 1.0, 2.0},
    {"tie across the sides",
     4,
     {1.0, 2.0, 2.0, 3.0},
     {0, 0, 1, 1},
     0.875, 0.8333333333333333, 0.8, 2.0},
    {"rare positive on top",
     10,
     {9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 0.0},
     {1, 0, 0, 0, 0, 0, 0, 0, 0, 0},
     1.0, 1.0, 1.0, 9.0},
    {"rare positive at the bottom",
     10,
     {0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0},
     {1, 0, 0, 0, 0, 0, 0, 0, 0, 0},
     0.0, 0.1, 0.18181818181818182, 0.0},
    {"close doubles",
     4,
     {1.0, 1.0000000000000002, 1.0000000000000004, 1.0},
     {0, 1, 0, 1},
     0.375, 0.5, 0.6666666666666666, 1.0},
    {"random, 3 levels, 8 items",
     8,
     {0.5, 0.25, 0.5, 0.5, 0.25, 0.5, 0.5, 0.0},
     {0, 0, 0, 1, 1, 0, 0, 1},
     0.2333333333333333, 0.2869047619047619, 0.5454545454545454, 0.0},
    {"random, 4 levels, 12 items",
     12,
     {0.0, 0.75, 0.0, 0.25, 0.75, 0.25, 0.25, 0.25, 0.5, 0.25, 0.75, 0.25},
     {0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1},
     0.525, 0.8316666666666668, 0.9090909090909091, 0.0},
    {"random, 5 levels, 16 items",
     16,
     {0.5, 0.25, 1.0, 0.0, 1.0, 0.75, 0.0, 0.0, 0.5, 0.0, 0.0, 0.5, 1.0, 0.5, 1.0, 1.0},
     {1, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0},
     0.5476190476190477, 0.46899350649350646, 0.6666666666666666, 0.25},
    {"random, 2 levels, 16 items",
     16,
     {0.25, 0.0, 0.0, 0.0, 0.25, 0.25, 0.25, 0.0, 0.25, 0.0, 0.25, 0.25, 0.0, 0.25, 0.25, 0.25},
     {1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 1, 1},
     0.3727272727272727, 0.6397727272727272, 0.8148148148148148, 0.0},
    {"random, 16 levels, 16 items",
     16,
     {0.25, 0.0, 2.5, 1.5, 2.25, 1.25, 0.75, 0.5, 1.5, 3.25, 1.5, 1.5, 2.25, 3.75, 1.5, 2.25},
     {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0},
     0.3333333333333333, 0.19264069264069267, 0.35294117647058826, 0.5},
    {"random, 100 levels, 16 items",
     16,
     {12.0, 23.5, 15.0, 22.5, 24.0, 14.0, 7.0, 3.5, 14.0, 4.75, 18.75, 23.0, 6.0, 13.75, 1.0, 4.5},
     {0, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1},
     0.6031746031746031, 0.7371031746031746, 0.72, 1.0},
    {"random, 6 levels, 13 items",
     13,
     {0.75, 0.5, 1.0, 0.75, 0.5, 0.25, 0.5, 1.0, 0.0, 0.0, 1.0, 0.5, 1.0},
     {0, 1, 0, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1},
     0.7142857142857143, 0.675, 0.75, 0.5},
};
/* clang-format on */

static void test_scores(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(score_cases); i++) {
    const ScoreCase *c = &score_cases[i];
    double threshold = 12345;
    assert_close(c->name, velm_metrics_auroc(c->scores, c->positive, c->n), c->auroc);
    assert_close(c->name, velm_metrics_average_precision(c->scores, c->positive, c->n),
                 c->average_precision);
    assert_close(c->name, velm_metrics_f1_max(c->scores, c->positive, c->n, NULL), c->f1_max);
    velm_metrics_f1_max(c->scores, c->positive, c->n, &threshold);
    g_assert_cmpint(isnan(threshold) != 0, ==, isnan(c->threshold) != 0);
    if (!isnan(threshold))
      g_assert_cmpfloat(threshold, ==, c->threshold);
  }
}

static void test_scores_nan(void) {
  const double scores[] = {1, NAN, 2};
  const guint8 positive[] = {0, 1, 1};
  double threshold = 0;
  assert_close("auroc", velm_metrics_auroc(scores, positive, 3), NAN);
  assert_close("ap", velm_metrics_average_precision(scores, positive, 3), NAN);
  assert_close("f1", velm_metrics_f1_max(scores, positive, 3, &threshold), NAN);
  assert_close("threshold", threshold, NAN);
}

/* The definition itself: over all pairs, the share in the right order. */
static double brute_auroc(const double *scores, const guint8 *positive, gsize n) {
  double right = 0, pairs = 0;
  for (gsize i = 0; i < n; i++)
    for (gsize j = 0; j < n; j++) {
      if (!positive[i] || positive[j])
        continue;
      pairs++;
      right += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
    }
  return pairs > 0 ? right / pairs : NAN;
}

/* Every threshold in turn, counted afresh. */
static double brute_f1(const double *scores, const guint8 *positive, gsize n) {
  double best = NAN;
  for (gsize t = 0; t < n; t++) {
    double tp = 0, fp = 0, fn = 0;
    for (gsize i = 0; i < n; i++) {
      gboolean answer = scores[i] >= scores[t];
      tp += answer && positive[i];
      fp += answer && !positive[i];
      fn += !answer && positive[i];
    }
    if (tp + fn > 0)
      best = fmax(best, 2 * tp / (2 * tp + fp + fn));
  }
  return best;
}

static void test_scores_random(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  for (int round = 0; round < 200; round++) {
    double scores[150];
    guint8 positive[150];
    gsize n = (gsize)g_rand_int_range(random, 0, 150);
    int levels = g_rand_int_range(random, 1, 40);
    for (gsize i = 0; i < n; i++) {
      scores[i] = g_rand_int_range(random, -levels, levels) / 8.0;
      positive[i] = g_rand_int_range(random, 0, 4) == 0;
    }
    assert_close("auroc", velm_metrics_auroc(scores, positive, n),
                 brute_auroc(scores, positive, n));
    assert_close("f1", velm_metrics_f1_max(scores, positive, n, NULL),
                 brute_f1(scores, positive, n));
  }
}

/* ---- curves and draws ---- */

static void test_roc(void) {
  const double scores[] = {4, 3, 3, 2, 1};
  const guint8 positive[] = {1, 0, 1, 0, 1};
  const double x[] = {0, 0, 0.5, 1, 1}, y[] = {0, 1.0 / 3, 2.0 / 3, 2.0 / 3, 1};
  g_autoptr(VelmCurvePoints) points = velm_metrics_roc(scores, positive, 5);
  g_assert_cmpuint(points->n, ==, 5);
  for (gsize i = 0; i < 5; i++) {
    assert_close("x", points->x[i], x[i]);
    assert_close("y", points->y[i], y[i]);
  }
  const guint8 none[5] = {0};
  const double broken[] = {1, NAN};
  g_assert_null(velm_metrics_roc(scores, none, 5));
  g_assert_null(velm_metrics_roc(broken, positive, 2));
  g_assert_null(velm_metrics_roc(NULL, NULL, 0));
}

/* A curve of 100,000 points is thinned, and still has the area. */
static void test_roc_thinned(void) {
  enum { N = 100000 };
  g_autoptr(GRand) random = g_rand_new_with_seed(3);
  g_autofree double *scores = g_new(double, N);
  g_autofree guint8 *positive = g_new(guint8, N);
  for (gsize i = 0; i < N; i++) {
    positive[i] = g_rand_boolean(random) != 0;
    scores[i] = g_rand_double(random) + 0.3 * positive[i];
  }
  g_autoptr(VelmCurvePoints) points = velm_metrics_roc(scores, positive, N);
  g_assert_cmpuint(points->n, >, VELM_CURVE_POINTS / 2);
  g_assert_cmpuint(points->n, <=, VELM_CURVE_POINTS + 2);
  assert_close("start", points->x[0] + points->y[0], 0);
  assert_close("end", points->x[points->n - 1] + points->y[points->n - 1], 2);
  double area = 0;
  for (gsize i = 1; i < points->n; i++) {
    g_assert_cmpfloat(points->x[i], >=, points->x[i - 1]);
    area += (points->x[i] - points->x[i - 1]) * (points->y[i] + points->y[i - 1]) / 2;
  }
  g_assert_cmpfloat_with_epsilon(area, velm_metrics_auroc(scores, positive, N), 1e-4);
}

/* A draw with counts is measured as the items repeated. */
static void test_draws(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(4);
  for (int round = 0; round < 200; round++) {
    double scores[20], repeated[80];
    guint8 positive[20], repeated_positive[80];
    guint counts[20];
    gsize n = (gsize)g_rand_int_range(random, 0, 20), n_repeated = 0;
    for (gsize i = 0; i < n; i++) {
      scores[i] = g_rand_int_range(random, 0, 8);
      positive[i] = g_rand_boolean(random) != 0;
      counts[i] = (guint)g_rand_int_range(random, 0, 4);
      for (guint k = 0; k < counts[i]; k++) {
        repeated[n_repeated] = scores[i];
        repeated_positive[n_repeated++] = positive[i];
      }
    }
    g_autoptr(VelmRanking) ranking = velm_ranking_new(scores, positive, n);
    VelmRankingMetrics drawn = velm_ranking_measure(ranking, counts);
    double threshold;
    assert_close("auroc", drawn.auroc, velm_metrics_auroc(repeated, repeated_positive, n_repeated));
    assert_close("ap", drawn.average_precision,
                 velm_metrics_average_precision(repeated, repeated_positive, n_repeated));
    assert_close("f1", drawn.f1_max,
                 velm_metrics_f1_max(repeated, repeated_positive, n_repeated, &threshold));
    assert_close("threshold", drawn.f1_threshold, threshold);
  }
}

/* ---- classes ---- */

typedef struct {
  const char *name;
  gsize n;
  guint64 confusion[25];
  double expected[5]; /* accuracy, macro accuracy, macro F1, micro F1, kappa */
} ConfusionCase;

/* clang-format off */
static const ConfusionCase confusion_cases[] = {
    {"empty",
     3,
     {0, 0, 0, 0, 0, 0, 0, 0, 0},
     {NAN, NAN, NAN, NAN, NAN}},
    {"one class, right",
     1,
     {5},
     {1.0, 1.0, 1.0, 1.0, NAN}},
    {"one class of three, right",
     3,
     {0, 0, 0, 0, 4, 0, 0, 0, 0},
     {1.0, 1.0, 1.0, 1.0, NAN}},
    {"two, all right",
     2,
     {3, 0, 0, 4},
     {1.0, 1.0, 1.0, 1.0, 1.0}},
    {"two, all wrong",
     2,
     {0, 3, 4, 0},
     {0.0, 0.0, 0.0, 0.0, -0.9600000000000002}},
    {"one answer for all",
     2,
     {3, 0, 2, 0},
     {0.6, 0.5, 0.375, 0.6, 0.0}},
    {"one truth, two answers",
     2,
     {3, 2, 0, 0},
     {0.6, 0.6, 0.375, 0.6, 0.0}},
    {"chance",
     2,
     {1, 1, 1, 1},
     {0.5, 0.5, 0.5, 0.5, 0.0}},
    {"a class never asked but answered",
     3,
     {5, 1, 1, 2, 6, 0, 0, 0, 0},
     {0.7333333333333333, 0.7321428571428572, 0.5047619047619047, 0.7333333333333333, 0.5}},
    {"a class never answered",
     3,
     {5, 1, 0, 2, 6, 0, 1, 2, 0},
     {0.6470588235294118, 0.5277777777777778, 0.47338935574229696, 0.6470588235294118, 0.39644970414201175}},
    {"unused class",
     3,
     {5, 0, 1, 0, 0, 0, 2, 0, 9},
     {0.8235294117647058, 0.8257575757575758, 0.8131868131868132, 0.8235294117647058, 0.6277372262773723}},
    {"unbalanced",
     2,
     {95, 5, 3, 2},
     {0.9238095238095239, 0.675, 0.6464646464646464, 0.9238095238095239, 0.2941176470588236}},
    {"large",
     2,
     {1000000000, 3, 5, 2000000000},
     {0.9999999973333333, 0.99999999725, 0.999999997, 0.9999999973333333, 0.9999999940000001}},
    {"random 4",
     4,
     {6, 3, 0, 5, 2, 6, 7, 3, 8, 4, 4, 6, 7, 8, 8, 1},
     {0.21794871794871795, 0.2463474025974026, 0.21960515862954888, 0.21794871794871795, -0.03300043421623977}},
    {"random 5",
     5,
     {3, 8, 2, 0, 5, 6, 6, 7, 5, 1, 7, 3, 7, 7, 8, 0, 7, 5, 4, 7, 8, 4, 0, 6, 2},
     {0.1864406779661017, 0.17986594202898548, 0.18084484283694463, 0.1864406779661017, -0.015599784830554242}},
};
/* clang-format on */

static void test_classification(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(confusion_cases); i++) {
    const ConfusionCase *c = &confusion_cases[i];
    VelmClassMetrics metrics = velm_metrics_classification(c->confusion, c->n);
    assert_close(c->name, metrics.accuracy, c->expected[0]);
    assert_close(c->name, metrics.macro_accuracy, c->expected[1]);
    assert_close(c->name, metrics.macro_f1, c->expected[2]);
    assert_close(c->name, metrics.micro_f1, c->expected[3]);
    assert_close(c->name, metrics.cohen_kappa, c->expected[4]);
  }
  VelmClassMetrics none = velm_metrics_classification(NULL, 0);
  assert_close("no classes", none.accuracy, NAN);
  assert_close("no classes", none.cohen_kappa, NAN);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/metrics/scores", test_scores);
  g_test_add_func("/metrics/scores/nan", test_scores_nan);
  g_test_add_func("/metrics/scores/random", test_scores_random);
  g_test_add_func("/metrics/roc", test_roc);
  g_test_add_func("/metrics/roc/thinned", test_roc_thinned);
  g_test_add_func("/metrics/draws", test_draws);
  g_test_add_func("/metrics/classification", test_classification);
  return g_test_run();
}
