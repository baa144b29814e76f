#include "evaluate/mistakes.h"

#include <math.h>
#include <string.h>

/* ---- order ---- */

/* Ties keep the order of the images, so that a run has one page. */
static int compare_images(const VelmMistake *a, const VelmMistake *b) {
  return (a->image > b->image) - (a->image < b->image);
}

static int compare_highest_score(gconstpointer a, gconstpointer b) {
  const VelmMistake *x = a, *y = b;
  return x->score != y->score ? (x->score < y->score ? 1 : -1) : compare_images(x, y);
}

static int compare_lowest_score(gconstpointer a, gconstpointer b) {
  const VelmMistake *x = a, *y = b;
  return x->score != y->score ? (x->score > y->score ? 1 : -1) : compare_images(x, y);
}

/* A confidence that orders: none is less than any. */
static double rank(double confidence) { return isnan(confidence) ? -1 : confidence; }

static int compare_confidence(gconstpointer a, gconstpointer b) {
  const VelmMistake *x = a, *y = b;
  double p = rank(x->confidence), q = rank(y->confidence);
  return p != q ? (p < q ? 1 : -1) : compare_images(x, y);
}

/* ---- detection ---- */

static gboolean is_good(const VelmRun *run, guint image) {
  return g_str_equal(((const VelmRunImage *)run->images->pdata[image])->label, VELM_LABEL_GOOD);
}

static GArray *find_detections(const VelmRun *run, const VelmDetectorRun *detector, gboolean good,
                               GCompareFunc order) {
  GArray *mistakes = g_array_new(FALSE, FALSE, sizeof(VelmMistake));
  for (guint i = 0; i < run->images->len; i++) {
    gboolean wrong = good == (detector->anomalous[i] != 0);
    if (is_good(run, i) != good || !wrong || isnan(detector->scores[i]))
      continue;
    VelmMistake mistake = {i, 0, detector->scores[i], NAN, 1, 1};
    g_array_append_val(mistakes, mistake);
  }
  g_array_sort(mistakes, order);
  return mistakes;
}

GArray *velm_mistakes_false_alarms(const VelmRun *run, const VelmDetectorRun *detector) {
  return find_detections(run, detector, TRUE, compare_highest_score);
}

GArray *velm_mistakes_missed(const VelmRun *run, const VelmDetectorRun *detector) {
  return find_detections(run, detector, FALSE, compare_lowest_score);
}

/* ---- classification ---- */

static double score_of(const VelmRun *run, const VelmClassifierRun *classifier, guint image) {
  return ((const VelmDetectorRun *)run->detectors->pdata[classifier->detector])->scores[image];
}

/* Counts an answer, and keeps the one of the highest confidence. */
static void note_answer(VelmMistake *mistake, const VelmAnswer *answer) {
  if (mistake->trials++ > 0 && rank(answer->confidence) <= rank(mistake->confidence))
    return;
  mistake->answer = answer->answer;
  mistake->confidence = answer->confidence;
}

GArray *velm_mistakes_wrong_names(const VelmRun *run, const VelmClassifierRun *classifier) {
  GArray *mistakes = g_array_new(FALSE, FALSE, sizeof(VelmMistake));
  g_autofree VelmMistake *by_image = g_new0(VelmMistake, run->images->len + 1);
  for (guint i = 0; i < classifier->answers->len; i++) {
    const VelmAnswer *answer = &g_array_index(classifier->answers, VelmAnswer, i);
    const VelmRunImage *image = run->images->pdata[answer->image];
    if (is_good(run, answer->image))
      continue;
    by_image[answer->image].asked++;
    if (answer->answer != velm_run_class(classifier, image->label))
      note_answer(&by_image[answer->image], answer);
  }
  for (guint i = 0; i < run->images->len; i++) {
    if (by_image[i].trials == 0)
      continue;
    by_image[i].image = i;
    by_image[i].score = score_of(run, classifier, i);
    g_array_append_val(mistakes, by_image[i]);
  }
  g_array_sort(mistakes, compare_confidence);
  return mistakes;
}

/* Whether answers @a of one class tell more than @b of another. */
static gboolean outweighs(const VelmMistake *a, const VelmMistake *b) {
  return a->trials != b->trials ? a->trials > b->trials : rank(a->confidence) > rank(b->confidence);
}

gboolean velm_mistakes_answer(const VelmRun *run, const VelmClassifierRun *classifier, guint image,
                              VelmMistake *mistake) {
  guint n = g_strv_length(classifier->classes), asked = 0, best = 0;
  g_autofree VelmMistake *by_class = g_new0(VelmMistake, n);
  for (guint i = 0; i < classifier->answers->len; i++) {
    const VelmAnswer *answer = &g_array_index(classifier->answers, VelmAnswer, i);
    if (answer->image != image)
      continue;
    note_answer(&by_class[answer->answer], answer);
    asked++;
  }
  for (guint k = 1; k < n; k++)
    if (outweighs(&by_class[k], &by_class[best]))
      best = k;
  *mistake = by_class[best];
  mistake->answer = best;
  mistake->image = image;
  mistake->asked = asked;
  mistake->score = score_of(run, classifier, image);
  return asked > 0;
}
