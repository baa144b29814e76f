#include "evaluate/run.h"

#include "classify/classifier.h"
#include "evaluate/call_curve.h"

#include <math.h>

/* ---- life ---- */

static void image_free(gpointer data) {
  VelmRunImage *image = data;
  g_free(image->path);
  g_free(image->label);
  g_free(image->group);
  g_free(image);
}

static void detector_free(gpointer data) {
  VelmDetectorRun *detector = data;
  g_free(detector->name);
  g_free(detector->scores);
  g_free(detector->anomalous);
  velm_detection_figures_clear(&detector->figures);
  g_free(detector);
}

static void clear_figures(VelmClassifierRun *classifier) {
  velm_classification_clear(&classifier->classification);
  velm_classification_clear(&classifier->end_to_end);
  velm_classification_clear(&classifier->decisions);
  g_clear_pointer(&classifier->calibration, velm_calibration_free);
}

static void classifier_free(gpointer data) {
  VelmClassifierRun *classifier = data;
  clear_figures(classifier);
  g_free(classifier->name);
  g_strfreev(classifier->classes);
  g_array_unref(classifier->answers);
  g_free(classifier->trusts);
  g_free(classifier);
}

static void failure_free(gpointer data) {
  VelmRunFailure *failure = data;
  g_free(failure->path);
  g_free(failure->message);
  g_free(failure);
}

VelmRun *velm_run_new(void) {
  VelmRun *run = g_new0(VelmRun, 1);
  run->images = g_ptr_array_new_with_free_func(image_free);
  run->detectors = g_ptr_array_new_with_free_func(detector_free);
  run->classifiers = g_ptr_array_new_with_free_func(classifier_free);
  run->failures = g_ptr_array_new_with_free_func(failure_free);
  run->call_curves = g_ptr_array_new_with_free_func(g_free);
  run->spending = velm_spending_get_totals(NULL);
  return run;
}

void velm_run_free(VelmRun *run) {
  if (!run)
    return;
  g_ptr_array_unref(run->call_curves);
  g_ptr_array_unref(run->classifiers);
  g_ptr_array_unref(run->detectors);
  g_ptr_array_unref(run->images);
  g_ptr_array_unref(run->failures);
  char *strings[] = {run->directory, run->model, run->model_sha256, run->spec,   run->spec_path,
                     run->endpoint,  run->llm,   run->made,         run->version};
  for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
    g_free(strings[i]);
  g_free(run->severities);
  g_free(run);
}

/* Several detectors fail on the same image: it is told once. */
void velm_run_add_failure(VelmRun *run, const char *path, const char *message) {
  for (guint i = 0; i < run->failures->len; i++) {
    const VelmRunFailure *known = run->failures->pdata[i];
    if (g_str_equal(known->path, path) && g_str_equal(known->message, message))
      return;
  }
  VelmRunFailure *failure = g_new0(VelmRunFailure, 1);
  failure->path = g_strdup(path);
  failure->message = g_strdup(message);
  g_ptr_array_add(run->failures, failure);
}

VelmClassifierRun *velm_run_add_classifier(VelmRun *run, const char *name, guint detector,
                                           const char *const *keys) {
  VelmClassifierRun *classifier = g_new0(VelmClassifierRun, 1);
  g_autoptr(GStrvBuilder) classes = g_strv_builder_new();
  g_strv_builder_add(classes, VELM_LABEL_GOOD);
  g_strv_builder_addv(classes, (const char **)keys);
  g_strv_builder_add(classes, VELM_CLASS_UNKNOWN);
  classifier->classes = g_strv_builder_end(classes);
  classifier->name = g_strdup(name);
  classifier->detector = detector;
  classifier->answers = g_array_new(FALSE, TRUE, sizeof(VelmAnswer));
  classifier->trials = 1;
  g_ptr_array_add(run->classifiers, classifier);
  return classifier;
}

guint velm_run_class(const VelmClassifierRun *classifier, const char *name) {
  guint last = g_strv_length(classifier->classes) - 1;
  for (guint i = 0; i < last; i++)
    if (g_str_equal(classifier->classes[i], name))
      return i;
  return last;
}

char *velm_run_title(const VelmRun *run, const VelmClassifierRun *classifier) {
  const VelmDetectorRun *detector = run->detectors->pdata[classifier->detector];
  return g_strdup_printf("%s / %s", detector->name, classifier->name);
}

/* ---- figures ---- */

static gboolean is_good(const VelmRunImage *image) {
  return g_str_equal(image->label, VELM_LABEL_GOOD);
}

/* What the classifier says of the defect images; its "good" is no class there. Index 0 is the first
 * class. Counts those under the threshold. */
static GArray *verdicts_of_defects(const VelmRun *run, const VelmClassifierRun *classifier,
                                   guint *missed) {
  const VelmDetectorRun *detector = run->detectors->pdata[classifier->detector];
  guint last = g_strv_length(classifier->classes) - 1;
  GArray *verdicts = g_array_new(FALSE, TRUE, sizeof(VelmVerdict));
  *missed = 0;
  for (guint i = 0; i < classifier->answers->len; i++) {
    const VelmAnswer *answer = &g_array_index(classifier->answers, VelmAnswer, i);
    const VelmRunImage *image = run->images->pdata[answer->image];
    if (is_good(image))
      continue;
    VelmVerdict verdict = {.truth = velm_run_class(classifier, image->label) - 1,
                           .answer = (answer->answer == 0 ? last : answer->answer) - 1,
                           .trial = answer->trial,
                           .group = image->group};
    g_array_append_val(verdicts, verdict);
    *missed += detector->anomalous[answer->image] ? 0 : 1;
  }
  return verdicts;
}

static void add_good(const VelmRun *run, const VelmClassifierRun *classifier, GArray *verdicts) {
  const VelmDetectorRun *detector = run->detectors->pdata[classifier->detector];
  for (guint trial = 0; trial < classifier->trials; trial++)
    for (guint i = 0; i < run->images->len; i++) {
      const VelmRunImage *image = run->images->pdata[i];
      if (!is_good(image) || isnan(detector->scores[i]) || detector->anomalous[i])
        continue;
      VelmVerdict verdict = {.truth = 0, .answer = 0, .trial = trial, .group = image->group};
      g_array_append_val(verdicts, verdict);
    }
}

/* What the line would be told: the good images that pass are never asked for, and count. */
static GArray *verdicts_of_line(const VelmRun *run, const VelmClassifierRun *classifier) {
  const VelmDetectorRun *detector = run->detectors->pdata[classifier->detector];
  GArray *verdicts = g_array_new(FALSE, TRUE, sizeof(VelmVerdict));
  for (guint i = 0; i < classifier->answers->len; i++) {
    const VelmAnswer *answer = &g_array_index(classifier->answers, VelmAnswer, i);
    const VelmRunImage *image = run->images->pdata[answer->image];
    VelmVerdict verdict = {.truth = velm_run_class(classifier, image->label),
                           .answer = detector->anomalous[answer->image] ? answer->answer : 0,
                           .trial = answer->trial,
                           .group = image->group};
    g_array_append_val(verdicts, verdict);
  }
  add_good(run, classifier, verdicts);
  return verdicts;
}

/* What class @index of "good", the spec's, "unknown" leads to. */
static guint decision_of(const VelmRun *run, guint index, guint last) {
  if (index == 0)
    return VELM_DECISION_NORMAL;
  return index == last ? VELM_DECISION_REVIEW : run->severities[index - 1];
}

static void measure_decisions(const VelmRun *run, VelmClassifierRun *classifier,
                              const GArray *line) {
  const char *names[] = {
      velm_decision_name(VELM_DECISION_NORMAL), velm_decision_name(VELM_DECISION_NEGLIGIBLE),
      velm_decision_name(VELM_DECISION_DEFECT), velm_decision_name(VELM_DECISION_REVIEW), NULL};
  guint last = g_strv_length(classifier->classes) - 1;
  g_autoptr(GArray) verdicts = g_array_copy((GArray *)line);
  for (guint i = 0; i < verdicts->len; i++) {
    VelmVerdict *verdict = &g_array_index(verdicts, VelmVerdict, i);
    verdict->truth = decision_of(run, verdict->truth, last);
    verdict->answer = decision_of(run, verdict->answer, last);
  }
  velm_classification_measure(verdicts, names, classifier->trials, &classifier->decisions);
}

static void measure_calibration(const VelmRun *run, VelmClassifierRun *classifier) {
  g_autoptr(GArray) confidences = g_array_new(FALSE, FALSE, sizeof(double));
  g_autoptr(GArray) right = g_array_new(FALSE, FALSE, sizeof(guint8));
  g_autoptr(GPtrArray) groups = g_ptr_array_new();
  for (guint i = 0; i < classifier->answers->len; i++) {
    const VelmAnswer *answer = &g_array_index(classifier->answers, VelmAnswer, i);
    const VelmRunImage *image = run->images->pdata[answer->image];
    if (is_good(image) || isnan(answer->confidence))
      continue;
    guint8 is_right = answer->answer == velm_run_class(classifier, image->label);
    g_array_append_val(confidences, answer->confidence);
    g_array_append_val(right, is_right);
    g_ptr_array_add(groups, image->group);
  }
  if (confidences->len > 0)
    classifier->calibration = velm_calibration_measure(
        (const double *)(void *)confidences->data, (const guint8 *)right->data,
        (const char *const *)groups->pdata, confidences->len, VELM_CALIBRATION_BINS, 0);
}

void velm_run_measure(const VelmRun *run, VelmClassifierRun *classifier) {
  clear_figures(classifier);
  guint missed, n = g_strv_length(classifier->classes);
  g_autoptr(GArray) defects = verdicts_of_defects(run, classifier, &missed);
  g_autoptr(GArray) line = verdicts_of_line(run, classifier);
  velm_classification_measure(defects, (const char *const *)classifier->classes + 1,
                              classifier->trials, &classifier->classification);
  classifier->classification.missed = missed;
  velm_classification_measure(line, (const char *const *)classifier->classes, classifier->trials,
                              &classifier->end_to_end);
  if (run->severities && n > 2)
    measure_decisions(run, classifier, line);
  measure_calibration(run, classifier);
}
