#include "evaluate/compare.h"

#include "classify/classifier.h"
#include "evaluate/metrics.h"

#include <math.h>

void velm_comparison_free(VelmComparison *comparison) {
  if (!comparison)
    return;
  g_free(comparison->title_a);
  g_free(comparison->title_b);
  g_free(comparison);
}

static const VelmDetectorRun *detector_of(const VelmRunResult *result) {
  return result->run->detectors->pdata[result->detector];
}

static char *title_of(const VelmRunResult *result) {
  g_autofree char *title = result->classifier ? velm_run_title(result->run, result->classifier)
                                              : g_strdup(detector_of(result)->name);
  return result->name ? g_strdup_printf("%s: %s", result->name, title) : g_steal_pointer(&title);
}

/* ---- images of both ---- */

static GHashTable *index_images(const VelmRun *run) {
  GHashTable *index = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < run->images->len; i++) {
    VelmRunImage *image = run->images->pdata[i];
    g_hash_table_insert(index, image->path, GUINT_TO_POINTER(i + 1));
  }
  return index;
}

/* For each image of A, the number of the same one in B, or -1. */
static gint64 *match_images(const VelmRun *a, const VelmRun *b) {
  g_autoptr(GHashTable) index = index_images(b);
  gint64 *match = g_new(gint64, a->images->len + 1);
  for (guint i = 0; i < a->images->len; i++) {
    const VelmRunImage *image = a->images->pdata[i];
    match[i] = (gint64)GPOINTER_TO_UINT(g_hash_table_lookup(index, image->path)) - 1;
    if (match[i] >= 0 &&
        !g_str_equal(image->label, ((VelmRunImage *)b->images->pdata[match[i]])->label))
      match[i] = -1;
  }
  return match;
}

/* ---- detection ---- */

typedef struct {
  gsize n;
  double *scores_a, *scores_b;
  guint8 *positive;
  const char **groups;
  /* of one draw */
  double *drawn_a, *drawn_b;
  guint8 *drawn_positive;
} Scores;

static void scores_clear(Scores *scores) {
  g_free(scores->scores_a);
  g_free(scores->scores_b);
  g_free(scores->positive);
  g_free(scores->groups);
  g_free(scores->drawn_a);
  g_free(scores->drawn_b);
  g_free(scores->drawn_positive);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scores, scores_clear)

static void collect_scores(const VelmRunResult *a, const VelmRunResult *b, const gint64 *match,
                           Scores *scores) {
  gsize size = a->run->images->len + 1;
  *scores = (Scores){.scores_a = g_new(double, size),
                     .scores_b = g_new(double, size),
                     .positive = g_new(guint8, size),
                     .groups = g_new(const char *, size)};
  for (guint i = 0; i < a->run->images->len; i++) {
    const VelmRunImage *image = a->run->images->pdata[i];
    double score_a = detector_of(a)->scores[i];
    double score_b = match[i] >= 0 ? detector_of(b)->scores[match[i]] : NAN;
    if (isnan(score_a) || isnan(score_b))
      continue;
    scores->scores_a[scores->n] = score_a;
    scores->scores_b[scores->n] = score_b;
    scores->positive[scores->n] = !g_str_equal(image->label, VELM_LABEL_GOOD);
    scores->groups[scores->n++] = image->group;
  }
}

static void detection_figures(const double *scores, const guint8 *positive, gsize n,
                              double *figures) {
  figures[VELM_DIFFERENCE_IMAGE_AUROC] = velm_metrics_auroc(scores, positive, n);
  figures[VELM_DIFFERENCE_IMAGE_AVERAGE_PRECISION] =
      velm_metrics_average_precision(scores, positive, n);
}

/* Writes image i @counts[i] times. */
static gsize draw_scores(Scores *scores, const guint *counts) {
  gsize n = 0, total = 0;
  for (gsize i = 0; i < scores->n; i++)
    total += counts[i];
  scores->drawn_a = g_renew(double, scores->drawn_a, total + 1);
  scores->drawn_b = g_renew(double, scores->drawn_b, total + 1);
  scores->drawn_positive = g_renew(guint8, scores->drawn_positive, total + 1);
  for (gsize i = 0; i < scores->n; i++)
    for (guint k = 0; k < counts[i]; k++) {
      scores->drawn_a[n] = scores->scores_a[i];
      scores->drawn_b[n] = scores->scores_b[i];
      scores->drawn_positive[n++] = scores->positive[i];
    }
  return n;
}

static void measure_scores(const guint *counts, double *figures, gpointer user_data) {
  Scores *scores = user_data;
  double a[VELM_N_DETECTION_DIFFERENCES], b[VELM_N_DETECTION_DIFFERENCES];
  gsize n = draw_scores(scores, counts);
  detection_figures(scores->drawn_a, scores->drawn_positive, n, a);
  detection_figures(scores->drawn_b, scores->drawn_positive, n, b);
  for (int f = 0; f < VELM_N_DETECTION_DIFFERENCES; f++)
    figures[f] = b[f] - a[f];
}

static void compare_detection(const VelmRunResult *a, const VelmRunResult *b, const gint64 *match,
                              VelmComparison *comparison) {
  g_auto(Scores) scores = {0};
  collect_scores(a, b, match, &scores);
  comparison->images = (guint)scores.n;
  detection_figures(scores.scores_a, scores.positive, scores.n, comparison->detection_a);
  detection_figures(scores.scores_b, scores.positive, scores.n, comparison->detection_b);
  velm_bootstrap(scores.groups, scores.n, VELM_BOOTSTRAP_RESAMPLES, 0, measure_scores,
                 VELM_N_DETECTION_DIFFERENCES, &scores, comparison->detection_intervals);
}

/* ---- classification ---- */

typedef struct {
  GArray *a, *b;    /* of VelmVerdict, the same images in the same trials */
  GPtrArray *names; /* the classes of both, borrowed */
  guint n_trials;
} Verdicts;

static void verdicts_clear(Verdicts *verdicts) {
  g_clear_pointer(&verdicts->a, g_array_unref);
  g_clear_pointer(&verdicts->b, g_array_unref);
  g_clear_pointer(&verdicts->names, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Verdicts, verdicts_clear)

static guint index_of(GPtrArray *names, const char *name) {
  for (guint i = 0; i < names->len; i++)
    if (g_str_equal(names->pdata[i], name))
      return i;
  g_ptr_array_add(names, (gpointer)name);
  return names->len - 1;
}

/* Key of an image in a trial. */
static gint64 key_of(guint image, guint trial) { return (gint64)image << 32 | trial; }

static GHashTable *index_answers(const VelmClassifierRun *classifier) {
  GHashTable *index = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  for (guint i = 0; i < classifier->answers->len; i++) {
    VelmAnswer *answer = &g_array_index(classifier->answers, VelmAnswer, i);
    gint64 key = key_of(answer->image, answer->trial);
    g_hash_table_insert(index, g_memdup2(&key, sizeof key), answer);
  }
  return index;
}

static VelmVerdict verdict_of(const VelmRunResult *result, const VelmAnswer *answer,
                              GPtrArray *names) {
  const VelmRunImage *image = result->run->images->pdata[answer->image];
  /* "good" is no answer to a defect image, as in the figures of one run. */
  const char *name =
      answer->answer == 0 ? VELM_CLASS_UNKNOWN : result->classifier->classes[answer->answer];
  return (VelmVerdict){.truth = index_of(names, image->label),
                       .answer = index_of(names, name),
                       .trial = answer->trial,
                       .group = image->group};
}

static void collect_verdicts(const VelmRunResult *a, const VelmRunResult *b, const gint64 *match,
                             Verdicts *verdicts) {
  verdicts->a = g_array_new(FALSE, TRUE, sizeof(VelmVerdict));
  verdicts->b = g_array_new(FALSE, TRUE, sizeof(VelmVerdict));
  verdicts->names = g_ptr_array_new();
  g_autoptr(GHashTable) others = index_answers(b->classifier);
  for (guint i = 0; i < a->classifier->answers->len; i++) {
    const VelmAnswer *answer = &g_array_index(a->classifier->answers, VelmAnswer, i);
    const VelmRunImage *image = a->run->images->pdata[answer->image];
    if (g_str_equal(image->label, VELM_LABEL_GOOD) || match[answer->image] < 0)
      continue;
    gint64 key = key_of((guint)match[answer->image], answer->trial);
    const VelmAnswer *other = g_hash_table_lookup(others, &key);
    if (!other)
      continue;
    VelmVerdict verdict_a = verdict_of(a, answer, verdicts->names);
    VelmVerdict verdict_b = verdict_of(b, other, verdicts->names);
    g_array_append_val(verdicts->a, verdict_a);
    g_array_append_val(verdicts->b, verdict_b);
    verdicts->n_trials = MAX(verdicts->n_trials, answer->trial + 1);
  }
}

static void measure_verdicts(const guint *counts, double *figures, gpointer user_data) {
  const Verdicts *verdicts = user_data;
  double a[VELM_N_CLASS_HEADLINES];
  guint n_classes = verdicts->names->len;
  velm_classification_headlines(verdicts->a, n_classes, verdicts->n_trials, counts, a);
  velm_classification_headlines(verdicts->b, n_classes, verdicts->n_trials, counts, figures);
  for (int f = 0; f < VELM_N_CLASS_HEADLINES; f++)
    figures[f] -= a[f];
}

static void compare_pairs(const Verdicts *verdicts, VelmComparison *comparison) {
  guint n = verdicts->a->len;
  g_autofree guint8 *right_a = g_new(guint8, n + 1), *right_b = g_new(guint8, n + 1);
  g_autofree const char **groups = g_new(const char *, n + 1);
  for (guint i = 0; i < n; i++) {
    const VelmVerdict *a = &g_array_index(verdicts->a, VelmVerdict, i);
    const VelmVerdict *b = &g_array_index(verdicts->b, VelmVerdict, i);
    right_a[i] = a->answer == a->truth;
    right_b[i] = b->answer == b->truth;
    groups[i] = a->group;
  }
  comparison->paired = velm_paired_compare(right_a, right_b, groups, n, 0);
}

static void compare_classification(const VelmRunResult *a, const VelmRunResult *b,
                                   const gint64 *match, VelmComparison *comparison) {
  g_auto(Verdicts) verdicts = {0};
  collect_verdicts(a, b, match, &verdicts);
  guint n = comparison->answers = verdicts.a->len, n_classes = verdicts.names->len;
  if (n == 0)
    return;
  velm_classification_headlines(verdicts.a, n_classes, verdicts.n_trials, NULL,
                                comparison->figures_a);
  velm_classification_headlines(verdicts.b, n_classes, verdicts.n_trials, NULL,
                                comparison->figures_b);
  g_autofree const char **groups = g_new(const char *, n + 1);
  for (guint i = 0; i < n; i++)
    groups[i] = g_array_index(verdicts.a, VelmVerdict, i).group;
  velm_bootstrap(groups, n, VELM_BOOTSTRAP_RESAMPLES, 0, measure_verdicts, VELM_N_CLASS_HEADLINES,
                 &verdicts, comparison->intervals);
  compare_pairs(&verdicts, comparison);
}

/* ---- all ---- */

VelmComparison *velm_compare(const VelmRunResult *a, const VelmRunResult *b) {
  VelmComparison *comparison = g_new0(VelmComparison, 1);
  comparison->title_a = title_of(a);
  comparison->title_b = title_of(b);
  g_autofree gint64 *match = match_images(a->run, b->run);
  compare_detection(a, b, match, comparison);
  if (a->classifier && b->classifier)
    compare_classification(a, b, match, comparison);
  return comparison;
}

GArray *velm_run_results(const VelmRun *run, const char *name) {
  GArray *results = g_array_new(FALSE, TRUE, sizeof(VelmRunResult));
  for (guint d = 0; d < run->detectors->len; d++) {
    guint before = results->len;
    for (guint i = 0; i < run->classifiers->len; i++) {
      VelmRunResult result = {run, d, run->classifiers->pdata[i], name};
      if (result.classifier->detector == d)
        g_array_append_val(results, result);
    }
    VelmRunResult alone = {run, d, NULL, name};
    if (results->len == before)
      g_array_append_val(results, alone);
  }
  return results;
}

GPtrArray *velm_compare_within(const VelmRun *run) {
  GPtrArray *comparisons = g_ptr_array_new_with_free_func((GDestroyNotify)velm_comparison_free);
  g_autoptr(GArray) results = velm_run_results(run, NULL);
  for (guint i = 1; i < results->len; i++)
    g_ptr_array_add(comparisons, velm_compare(&g_array_index(results, VelmRunResult, 0),
                                              &g_array_index(results, VelmRunResult, i)));
  return comparisons;
}
