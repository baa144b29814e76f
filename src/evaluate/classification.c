#include "evaluate/classification.h"

#include "evaluate/metrics.h"

#include <math.h>
#include <string.h>

const char *velm_class_headline_name(VelmClassHeadline headline) {
  static const char *const names[] = {"accuracy", "macro_accuracy", "macro_f1", "cohen_kappa"};
  return names[headline];
}

/* ---- one trial ---- */

/* The confusion matrix of each trial, one after the other. */
static guint64 *count_trials(const GArray *verdicts, gsize n_classes, guint n_trials,
                             const guint *counts) {
  gsize size = n_classes * n_classes;
  guint64 *matrices = g_new0(guint64, size * n_trials);
  for (guint i = 0; i < verdicts->len; i++) {
    const VelmVerdict *verdict = &g_array_index(verdicts, VelmVerdict, i);
    matrices[verdict->trial * size + verdict->truth * n_classes + verdict->answer] +=
        counts ? counts[i] : 1;
  }
  return matrices;
}

void velm_class_headlines(const guint64 *matrix, gsize n_classes, double *figures) {
  VelmClassMetrics metrics = velm_metrics_classification(matrix, n_classes);
  figures[VELM_FIGURE_ACCURACY] = metrics.accuracy;
  figures[VELM_FIGURE_MACRO_ACCURACY] = metrics.macro_accuracy;
  figures[VELM_FIGURE_MACRO_F1] = metrics.macro_f1;
  figures[VELM_FIGURE_COHEN_KAPPA] = metrics.cohen_kappa;
}

/* The mean over the trials in which each figure is defined. */
static void mean_headlines(const guint64 *matrices, gsize n_classes, guint n_trials,
                           double *figures) {
  guint defined[VELM_N_CLASS_HEADLINES] = {0};
  memset(figures, 0, VELM_N_CLASS_HEADLINES * sizeof *figures);
  for (guint trial = 0; trial < n_trials; trial++) {
    double one[VELM_N_CLASS_HEADLINES];
    velm_class_headlines(matrices + trial * n_classes * n_classes, n_classes, one);
    for (int f = 0; f < VELM_N_CLASS_HEADLINES; f++) {
      figures[f] += isnan(one[f]) ? 0 : one[f];
      defined[f] += isnan(one[f]) ? 0 : 1;
    }
  }
  for (int f = 0; f < VELM_N_CLASS_HEADLINES; f++)
    figures[f] = defined[f] ? figures[f] / defined[f] : NAN;
}

void velm_classification_headlines(const GArray *verdicts, gsize n_classes, guint n_trials,
                                   const guint *counts, double *figures) {
  g_autofree guint64 *matrices = count_trials(verdicts, n_classes, n_trials, counts);
  mean_headlines(matrices, n_classes, n_trials, figures);
}

/* ---- uncertainty ---- */

typedef struct {
  const GArray *verdicts;
  gsize n_classes;
  guint n_trials;
} Drawn;

static void measure_draw(const guint *counts, double *figures, gpointer user_data) {
  const Drawn *drawn = user_data;
  velm_classification_headlines(drawn->verdicts, drawn->n_classes, drawn->n_trials, counts,
                                figures);
}

static void find_intervals(const GArray *verdicts, gsize n_classes, guint n_trials,
                           VelmInterval *intervals) {
  g_autofree const char **groups = g_new0(const char *, verdicts->len + 1);
  for (guint i = 0; i < verdicts->len; i++)
    groups[i] = g_array_index(verdicts, VelmVerdict, i).group;
  Drawn drawn = {verdicts, n_classes, n_trials};
  velm_bootstrap(groups, verdicts->len, VELM_BOOTSTRAP_RESAMPLES, 0, measure_draw,
                 VELM_N_CLASS_HEADLINES, &drawn, intervals);
}

/* ---- all ---- */

static double deviation_of_macro_accuracy(const guint64 *matrices, gsize n_classes, guint n_trials,
                                          double mean) {
  double squares = 0;
  guint n = 0;
  for (guint trial = 0; trial < n_trials; trial++) {
    double one[VELM_N_CLASS_HEADLINES];
    velm_class_headlines(matrices + trial * n_classes * n_classes, n_classes, one);
    if (isnan(one[VELM_FIGURE_MACRO_ACCURACY]))
      continue;
    squares += pow(one[VELM_FIGURE_MACRO_ACCURACY] - mean, 2);
    n++;
  }
  return n ? sqrt(squares / n) : NAN;
}

static double share(guint64 part, guint64 whole) {
  return whole ? (double)part / (double)whole : NAN;
}

static VelmClassFigures class_figures(const guint64 *confusion, gsize n_classes, gsize k) {
  guint64 in_truth = 0, in_answers = 0, right = confusion[k * n_classes + k];
  for (gsize j = 0; j < n_classes; j++) {
    in_truth += confusion[k * n_classes + j];
    in_answers += confusion[j * n_classes + k];
  }
  return (VelmClassFigures){in_truth, share(right, in_truth), share(right, in_answers),
                            share(2 * right, in_truth + in_answers)};
}

static void sum_trials(const guint64 *matrices, guint n_trials,
                       VelmClassificationFigures *figures) {
  gsize size = figures->n_classes * figures->n_classes;
  figures->confusion = g_new0(guint64, size);
  for (gsize i = 0; i < size * n_trials; i++)
    figures->confusion[i % size] += matrices[i];
  figures->by_class = g_new0(VelmClassFigures, figures->n_classes);
  for (gsize k = 0; k < figures->n_classes; k++)
    figures->by_class[k] = class_figures(figures->confusion, figures->n_classes, k);
}

void velm_classification_measure(const GArray *verdicts, const char *const *classes, guint n_trials,
                                 VelmClassificationFigures *figures) {
  memset(figures, 0, sizeof *figures);
  figures->classes = g_strdupv((char **)classes);
  figures->n_classes = g_strv_length(figures->classes);
  figures->trials = n_trials;
  figures->images = verdicts->len;
  figures->measured = verdicts->len > 0;
  g_autofree guint64 *matrices = count_trials(verdicts, figures->n_classes, n_trials, NULL);
  double means[VELM_N_CLASS_HEADLINES];
  mean_headlines(matrices, figures->n_classes, n_trials, means);
  figures->accuracy = figures->micro_f1 = means[VELM_FIGURE_ACCURACY];
  figures->macro_accuracy = means[VELM_FIGURE_MACRO_ACCURACY];
  figures->macro_f1 = means[VELM_FIGURE_MACRO_F1];
  figures->cohen_kappa = means[VELM_FIGURE_COHEN_KAPPA];
  figures->macro_accuracy_std =
      deviation_of_macro_accuracy(matrices, figures->n_classes, n_trials, figures->macro_accuracy);
  sum_trials(matrices, n_trials, figures);
  find_intervals(verdicts, figures->n_classes, n_trials, figures->intervals);
}

void velm_classification_clear(VelmClassificationFigures *figures) {
  g_strfreev(figures->classes);
  g_free(figures->confusion);
  g_free(figures->by_class);
  memset(figures, 0, sizeof *figures);
}
