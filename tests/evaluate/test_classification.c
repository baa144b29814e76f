/* Classification figures of answers, and two results held against each other, counted by hand. */
#include "evaluate/classification.h"
#include "evaluate/compare.h"
#include "evaluate/run_fixture.h"

#include <math.h>

#define EXACT 1e-12

static void assert_near(double value, double expected) {
  g_assert_cmpfloat_with_epsilon(value, expected, EXACT);
}

/* ---- figures ---- */

static void add(GArray *verdicts, guint truth, guint answer, guint trial, const char *group) {
  VelmVerdict verdict = {truth, answer, trial, group};
  g_array_append_val(verdicts, verdict);
}

/* Trial 0: a right, a wrong; trial 1: all right. */
static GArray *two_trials(void) {
  GArray *verdicts = g_array_new(FALSE, TRUE, sizeof(VelmVerdict));
  add(verdicts, 0, 0, 0, "p");
  add(verdicts, 0, 1, 0, "q");
  add(verdicts, 1, 1, 0, "r");
  add(verdicts, 0, 0, 1, "p");
  add(verdicts, 1, 1, 1, "s");
  return verdicts;
}

static void test_means_over_trials(void) {
  const char *const classes[] = {"a", "b", "unknown", NULL};
  g_autoptr(GArray) verdicts = two_trials();
  VelmClassificationFigures figures;
  velm_classification_measure(verdicts, classes, 2, &figures);
  g_assert_true(figures.measured);
  g_assert_cmpuint(figures.images, ==, 5);
  g_assert_cmpuint(figures.trials, ==, 2);
  assert_near(figures.accuracy, (2.0 / 3 + 1) / 2);
  assert_near(figures.macro_accuracy, (0.75 + 1) / 2);
  assert_near(figures.macro_accuracy_std, 0.125);
  assert_near(figures.macro_f1, (2.0 / 3 + 1) / 2); /* F1 of a and of b are 2/3 in trial 0 */
  assert_near(figures.micro_f1, figures.accuracy);
  /* Trial 0: agreement 2/3, by chance (2 * 1 + 1 * 2) / 9. */
  assert_near(figures.cohen_kappa, ((2.0 / 3 - 4.0 / 9) / (5.0 / 9) + 1) / 2);
  g_assert_cmpuint(figures.confusion[0 * 3 + 0], ==, 2);
  g_assert_cmpuint(figures.confusion[0 * 3 + 1], ==, 1);
  g_assert_cmpuint(figures.confusion[1 * 3 + 1], ==, 2);
  g_assert_cmpuint(figures.by_class[0].support, ==, 3);
  assert_near(figures.by_class[0].recall, 2.0 / 3);
  assert_near(figures.by_class[0].precision, 1);
  assert_near(figures.by_class[1].precision, 2.0 / 3);
  assert_near(figures.by_class[1].f1, 0.8);
  g_assert_true(isnan(figures.by_class[2].recall));
  velm_classification_clear(&figures);
}

static void test_nothing(void) {
  const char *const classes[] = {"a", "unknown", NULL};
  g_autoptr(GArray) verdicts = g_array_new(FALSE, TRUE, sizeof(VelmVerdict));
  VelmClassificationFigures figures;
  velm_classification_measure(verdicts, classes, 1, &figures);
  g_assert_false(figures.measured);
  g_assert_true(isnan(figures.accuracy));
  g_assert_true(isnan(figures.intervals[VELM_FIGURE_ACCURACY].low));
  velm_classification_clear(&figures);
}

/* An item that counts twice is as good as two. */
static void test_counts(void) {
  g_autoptr(GArray) verdicts = two_trials();
  const guint counts[] = {0, 2, 1, 3, 0};
  double figures[VELM_N_CLASS_HEADLINES];
  velm_classification_headlines(verdicts, 3, 2, counts, figures);
  assert_near(figures[VELM_FIGURE_ACCURACY], (1.0 / 3 + 1) / 2);
  assert_near(figures[VELM_FIGURE_MACRO_ACCURACY], (0.5 + 1) / 2);
  /* The second trial has one class alone: kappa is not defined, and the first counts. */
  assert_near(figures[VELM_FIGURE_COHEN_KAPPA], (1.0 / 3 - 1.0 / 3) / (2.0 / 3));
}

/* Images of one part say the same: as groups they leave the figure less certain. */
static void test_groups_widen(void) {
  const char *const classes[] = {"a", "b", "unknown", NULL};
  const char *const parts[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
  g_autoptr(GArray) grouped = g_array_new(FALSE, TRUE, sizeof(VelmVerdict));
  g_autoptr(GArray) alone = g_array_new(FALSE, TRUE, sizeof(VelmVerdict));
  for (guint part = 0; part < 10; part++)
    for (guint image = 0; image < 6; image++) {
      add(grouped, part % 2, part < 7 ? part % 2 : 1 - part % 2, 0, parts[part]);
      add(alone, part % 2, part < 7 ? part % 2 : 1 - part % 2, 0, NULL);
    }
  VelmClassificationFigures a, b;
  velm_classification_measure(grouped, classes, 1, &a);
  velm_classification_measure(alone, classes, 1, &b);
  VelmInterval wide = a.intervals[VELM_FIGURE_ACCURACY];
  VelmInterval narrow = b.intervals[VELM_FIGURE_ACCURACY];
  assert_near(a.accuracy, 0.7);
  g_assert_cmpfloat(wide.low, <, 0.7);
  g_assert_cmpfloat(wide.high, >, 0.7);
  g_assert_cmpfloat(wide.high - wide.low, >, 1.8 * (narrow.high - narrow.low));
  velm_classification_clear(&a);
  velm_classification_clear(&b);
}

/* ---- runs ---- */

static const VelmClassifierRun *classifier(const VelmRun *run, guint index) {
  return run->classifiers->pdata[index];
}

/* Trial 0: cracks right, wrong, right; holes wrong, right. Trial 1: right, unknown; wrong, right.
 */
static void test_run_classification(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  const VelmClassificationFigures *figures = &classifier(run, 0)->classification;
  g_assert_cmpuint(figures->images, ==, 9);
  assert_near(figures->accuracy, (3.0 / 5 + 2.0 / 4) / 2);
  assert_near(figures->macro_accuracy, ((2.0 / 3 + 0.5) / 2 + 0.5) / 2);
  /* crack/002 (1.25) in two trials, hole/001 (0.5) in two. */
  g_assert_cmpuint(figures->missed, ==, 4);
  /* The language model's "good" for a hole is a wrong answer. */
  const VelmClassificationFigures *mllm = &classifier(run, 1)->classification;
  g_assert_cmpuint(mllm->images, ==, 6 - 1 + 1);
  assert_near(mllm->accuracy, 4.0 / 6);
  g_assert_cmpstr(mllm->classes[mllm->n_classes - 1], ==, "unknown");
}

/* What is under the threshold is answered "good": two good images pass in each trial. */
static void test_run_line(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  const VelmClassificationFigures *line = &classifier(run, 0)->end_to_end;
  gsize n = line->n_classes;
  g_assert_cmpstr(line->classes[0], ==, "good");
  g_assert_cmpuint(line->confusion[0], ==, 4);
  g_assert_cmpuint(line->confusion[0 * n + 1], ==, 2); /* good/003 is a crack twice */
  g_assert_cmpuint(line->confusion[0 * n + 2], ==, 2); /* good/004 a hole */
  g_assert_cmpuint(line->confusion[1 * n + 0], ==, 2); /* crack/002 escapes twice */
  g_assert_cmpuint(line->confusion[2 * n + 0], ==, 2); /* hole/001 */
  g_assert_cmpuint(line->images, ==, 9 + 8);
  /* A crack is a defect, a hole negligible, good is normal. */
  const VelmClassificationFigures *decisions = &classifier(run, 0)->decisions;
  g_assert_true(decisions->measured);
  g_assert_cmpuint(decisions->confusion[VELM_DECISION_NORMAL * 4 + VELM_DECISION_DEFECT], ==, 2);
  g_assert_cmpuint(decisions->confusion[VELM_DECISION_DEFECT * 4 + VELM_DECISION_NORMAL], ==, 2);
  g_assert_cmpuint(decisions->confusion[VELM_DECISION_NEGLIGIBLE * 4 + VELM_DECISION_NEGLIGIBLE],
                   ==, 2);
}

/* ---- comparing ---- */

static void test_compare_with_itself(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autoptr(GArray) results = velm_run_results(run, "here");
  g_assert_cmpuint(results->len, ==, 2);
  const VelmRunResult *result = &g_array_index(results, VelmRunResult, 0);
  g_autoptr(VelmComparison) comparison = velm_compare(result, result);
  g_assert_cmpstr(comparison->title_a, ==, "here: patchcore / fewshot");
  g_assert_cmpuint(comparison->answers, ==, 9);
  g_assert_cmpuint(comparison->images, ==, 9);
  g_assert_cmpuint(comparison->paired.only_a, ==, 0);
  g_assert_cmpfloat(comparison->paired.clustered_p, ==, 1);
  for (int f = 0; f < VELM_N_CLASS_HEADLINES; f++) {
    g_assert_cmpfloat(comparison->figures_a[f], ==, comparison->figures_b[f]);
    g_assert_cmpfloat(comparison->intervals[f].high, ==, 0);
  }
}

/* Of the first trial alone, for the other has one: cracks + - +, holes - + against + + -, + + -. */
static void test_compare_classifiers(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autoptr(GArray) results = velm_run_results(run, NULL);
  g_autoptr(VelmComparison) comparison = velm_compare(&g_array_index(results, VelmRunResult, 0),
                                                      &g_array_index(results, VelmRunResult, 1));
  g_assert_cmpuint(comparison->answers, ==, 5);
  assert_near(comparison->figures_a[VELM_FIGURE_ACCURACY], 3.0 / 5);
  assert_near(comparison->figures_b[VELM_FIGURE_ACCURACY], 4.0 / 5);
  g_assert_cmpuint(comparison->paired.only_a, ==, 1); /* crack/003 */
  g_assert_cmpuint(comparison->paired.only_b, ==, 2); /* crack/002, hole/001 */
  /* 4 good against 5 defects; the one that failed is in neither: of 20 pairs, 4, 1, 4, 0, 4 are
   * in order. */
  assert_near(comparison->detection_a[VELM_DIFFERENCE_IMAGE_AUROC], 13.0 / 20);
  assert_near(comparison->detection_b[VELM_DIFFERENCE_IMAGE_AUROC], 1);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/evaluate/classification/means_over_trials", test_means_over_trials);
  g_test_add_func("/evaluate/classification/nothing", test_nothing);
  g_test_add_func("/evaluate/classification/counts", test_counts);
  g_test_add_func("/evaluate/classification/groups_widen", test_groups_widen);
  g_test_add_func("/evaluate/run/classification", test_run_classification);
  g_test_add_func("/evaluate/run/line", test_run_line);
  g_test_add_func("/evaluate/compare/itself", test_compare_with_itself);
  g_test_add_func("/evaluate/compare/classifiers", test_compare_classifiers);
  return g_test_run();
}
