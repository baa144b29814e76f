#include "evaluate/mistakes.h"

#include "evaluate/run_fixture.h"

#include <math.h>

static VelmMistake at(const GArray *mistakes, guint index) {
  g_assert_cmpuint(index, <, mistakes->len);
  return g_array_index(mistakes, VelmMistake, index);
}

static void assert_confidence(double confidence, double expected) {
  if (isnan(expected))
    g_assert_true(isnan(confidence));
  else
    g_assert_cmpfloat(confidence, ==, expected);
}

/* ---- detectors ---- */

static void test_false_alarms(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autoptr(GArray) mistakes = velm_mistakes_false_alarms(run, run->detectors->pdata[0]);
  g_assert_cmpuint(mistakes->len, ==, 2);
  g_assert_cmpuint(at(mistakes, 0).image, ==, 3);
  g_assert_cmpfloat(at(mistakes, 0).score, ==, 3.25);
  g_assert_cmpuint(at(mistakes, 1).image, ==, 2);
  g_assert_true(isnan(at(mistakes, 0).confidence));
  g_autoptr(GArray) none = velm_mistakes_false_alarms(run, run->detectors->pdata[1]);
  g_assert_cmpuint(none->len, ==, 0);
}

/* The third hole has no score: it failed, and is not missed. */
static void test_missed(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  g_autoptr(GArray) mistakes = velm_mistakes_missed(run, run->detectors->pdata[0]);
  g_assert_cmpuint(mistakes->len, ==, 2);
  g_assert_cmpuint(at(mistakes, 0).image, ==, 7);
  g_assert_cmpfloat(at(mistakes, 0).score, ==, 0.5);
  g_assert_cmpuint(at(mistakes, 1).image, ==, 5);
  g_autoptr(GArray) none = velm_mistakes_missed(run, run->detectors->pdata[1]);
  g_assert_cmpuint(none->len, ==, 0);
}

static void test_ties(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  VelmDetectorRun *oracle = run->detectors->pdata[1];
  for (guint i = 0; i < run->images->len; i++)
    oracle->anomalous[i] = !oracle->anomalous[i];
  g_autoptr(GArray) alarms = velm_mistakes_false_alarms(run, oracle);
  g_autoptr(GArray) missed = velm_mistakes_missed(run, oracle);
  g_assert_cmpuint(alarms->len, ==, 4);
  g_assert_cmpuint(missed->len, ==, 6);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpuint(at(alarms, i).image, ==, i);
  for (guint i = 0; i < 6; i++)
    g_assert_cmpuint(at(missed, i).image, ==, 4 + i);
}

/* ---- classifiers ---- */

static void assert_wrong(VelmMistake mistake, guint image, const VelmClassifierRun *classifier,
                         const char *answer, double confidence, guint trials, guint asked) {
  g_assert_cmpuint(mistake.image, ==, image);
  g_assert_cmpstr(classifier->classes[mistake.answer], ==, answer);
  assert_confidence(mistake.confidence, confidence);
  g_assert_cmpuint(mistake.trials, ==, trials);
  g_assert_cmpuint(mistake.asked, ==, asked);
}

static void test_wrong_names(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  const VelmClassifierRun *classifier = run->classifiers->pdata[0];
  g_autoptr(GArray) mistakes = velm_mistakes_wrong_names(run, classifier);
  g_assert_cmpuint(mistakes->len, ==, 2);
  assert_wrong(at(mistakes, 0), 7, classifier, "crack", 0.97, 2, 2);
  g_assert_cmpfloat(at(mistakes, 0).score, ==, 0.5);
  assert_wrong(at(mistakes, 1), 5, classifier, "hole", 0.7, 2, 2);
}

/* Of right and wrong answers in different trials only the wrong ones count. */
static void test_sometimes_wrong(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  VelmClassifierRun *classifier = run->classifiers->pdata[0];
  VelmAnswer *first = &g_array_index(classifier->answers, VelmAnswer, 2);
  g_assert_cmpuint(first->image, ==, 4);
  first->answer = 2;
  first->confidence = 0.1;
  g_autoptr(GArray) mistakes = velm_mistakes_wrong_names(run, classifier);
  g_assert_cmpuint(mistakes->len, ==, 3);
  assert_wrong(at(mistakes, 2), 4, classifier, "hole", 0.1, 1, 2);
}

static void test_no_confidence(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  VelmClassifierRun *classifier = run->classifiers->pdata[1];
  g_autoptr(GArray) mistakes = velm_mistakes_wrong_names(run, classifier);
  g_assert_cmpuint(mistakes->len, ==, 2);
  assert_wrong(at(mistakes, 0), 6, classifier, "hole", NAN, 1, 1);
  assert_wrong(at(mistakes, 1), 9, classifier, "good", NAN, 1, 1);
  /* One with a confidence, and be it 0, comes before those without. */
  g_array_index(classifier->answers, VelmAnswer, 5).confidence = 0;
  g_autoptr(GArray) again = velm_mistakes_wrong_names(run, classifier);
  assert_wrong(at(again, 0), 9, classifier, "good", 0, 1, 1);
}

/* What the page shows is what the figures count: the answers off the diagonal. */
static void test_agrees_with_figures(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  for (guint i = 0; i < run->classifiers->len; i++) {
    const VelmClassifierRun *classifier = run->classifiers->pdata[i];
    const VelmClassificationFigures *figures = &classifier->classification;
    g_autoptr(GArray) mistakes = velm_mistakes_wrong_names(run, classifier);
    guint64 wrong = 0, shown = 0;
    for (gsize k = 0; k < figures->n_classes * figures->n_classes; k++)
      wrong += k % (figures->n_classes + 1) ? figures->confusion[k] : 0;
    for (guint k = 0; k < mistakes->len; k++)
      shown += at(mistakes, k).trials;
    g_assert_cmpuint(wrong, >, 0);
    g_assert_cmpuint(shown, ==, wrong);
  }
}

static void test_answer(void) {
  g_autoptr(VelmRun) run = run_fixture_new();
  VelmClassifierRun *classifier = run->classifiers->pdata[0];
  VelmMistake answer;
  g_assert_true(velm_mistakes_answer(run, classifier, 2, &answer));
  assert_wrong(answer, 2, classifier, "crack", 0.9, 2, 2);
  /* As often: the one of the higher confidence. */
  g_assert_true(velm_mistakes_answer(run, classifier, 5, &answer));
  assert_wrong(answer, 5, classifier, "hole", 0.7, 1, 2);
  g_assert_true(velm_mistakes_answer(run, run->classifiers->pdata[1], 9, &answer));
  assert_wrong(answer, 9, run->classifiers->pdata[1], "good", NAN, 1, 1);
  g_assert_false(velm_mistakes_answer(run, classifier, 0, &answer));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/mistakes/false-alarms", test_false_alarms);
  g_test_add_func("/mistakes/missed", test_missed);
  g_test_add_func("/mistakes/ties", test_ties);
  g_test_add_func("/mistakes/wrong-names", test_wrong_names);
  g_test_add_func("/mistakes/sometimes-wrong", test_sometimes_wrong);
  g_test_add_func("/mistakes/no-confidence", test_no_confidence);
  g_test_add_func("/mistakes/agrees-with-figures", test_agrees_with_figures);
  g_test_add_func("/mistakes/answer", test_answer);
  return g_test_run();
}
