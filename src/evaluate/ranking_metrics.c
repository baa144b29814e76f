#include "evaluate/metrics.h"

#include <math.h>

typedef struct {
  double score;
  gsize item; /* index into what the caller gave */
  gboolean positive;
} Ranked;

struct _VelmRanking {
  Ranked *ranked; /* from the highest score down; NULL where one is NaN, which no order can hold */
  gsize n;
};

static int compare_descending(const void *a, const void *b) {
  double x = ((const Ranked *)a)->score, y = ((const Ranked *)b)->score;
  return (x < y) - (x > y);
}

static gboolean has_nan(const double *scores, gsize n) {
  for (gsize i = 0; i < n; i++)
    if (isnan(scores[i]))
      return TRUE;
  return FALSE;
}

VelmRanking *velm_ranking_new(const double *scores, const guint8 *positive, gsize n) {
  VelmRanking *ranking = g_new0(VelmRanking, 1);
  if (has_nan(scores, n))
    return ranking;
  ranking->n = n;
  ranking->ranked = g_new(Ranked, n + 1);
  for (gsize i = 0; i < n; i++)
    ranking->ranked[i] = (Ranked){scores[i], i, positive[i] != 0};
  qsort(ranking->ranked, n, sizeof *ranking->ranked, compare_descending);
  return ranking;
}

void velm_ranking_free(VelmRanking *ranking) {
  if (!ranking)
    return;
  g_free(ranking->ranked);
  g_free(ranking);
}

/* What lies at or over one distinct score. */
typedef struct {
  gsize end; /* index after the last item of that score */
  guint64 true_positives, false_positives;
} Step;

/* Moves on by one distinct score: all that share it pass the threshold together. FALSE at the end.
 */
static gboolean next_step(const VelmRanking *ranking, const guint *counts, Step *step) {
  const Ranked *ranked = ranking->ranked;
  if (step->end >= ranking->n)
    return FALSE;
  double score = ranked[step->end].score;
  for (; step->end < ranking->n && ranked[step->end].score == score; step->end++) {
    guint count = counts ? counts[ranked[step->end].item] : 1;
    if (ranked[step->end].positive)
      step->true_positives += count;
    else
      step->false_positives += count;
  }
  return TRUE;
}

static Step count_all(const VelmRanking *ranking, const guint *counts) {
  Step all = {0};
  while (next_step(ranking, counts, &all))
    continue;
  return all;
}

static void offer_f1(VelmRankingMetrics *metrics, const Step *step, const Step *all, double score) {
  double f1 = 2.0 * (double)step->true_positives /
              (double)(step->true_positives + step->false_positives + all->true_positives);
  if (f1 <= metrics->f1_max)
    return;
  metrics->f1_max = f1;
  metrics->f1_threshold = score;
}

VelmRankingMetrics velm_ranking_measure(const VelmRanking *ranking, const guint *counts) {
  const Step all = count_all(ranking, counts);
  VelmRankingMetrics metrics = {NAN, NAN, NAN, NAN};
  if (!all.true_positives) /* of scores with a NaN there are none either */
    return metrics;
  double pairs = 0; /* (positive, negative) in the right order, ties for a half */
  double precisions = 0;
  metrics.f1_max = -1;
  for (Step step = {0}, last = {0}; next_step(ranking, counts, &step); last = step) {
    double positives = (double)(step.true_positives - last.true_positives);
    double negatives = (double)(step.false_positives - last.false_positives);
    if (positives + negatives == 0) /* a score that was not drawn */
      continue;
    pairs += negatives * ((double)last.true_positives + positives / 2);
    precisions += positives * (double)step.true_positives /
                  (double)(step.true_positives + step.false_positives);
    offer_f1(&metrics, &step, &all, ranking->ranked[step.end - 1].score);
  }
  metrics.average_precision = precisions / (double)all.true_positives;
  if (all.false_positives)
    metrics.auroc = pairs / ((double)all.true_positives * (double)all.false_positives);
  return metrics;
}

static VelmRankingMetrics measure(const double *scores, const guint8 *positive, gsize n) {
  g_autoptr(VelmRanking) ranking = velm_ranking_new(scores, positive, n);
  return velm_ranking_measure(ranking, NULL);
}

double velm_metrics_auroc(const double *scores, const guint8 *positive, gsize n) {
  return measure(scores, positive, n).auroc;
}

double velm_metrics_average_precision(const double *scores, const guint8 *positive, gsize n) {
  return measure(scores, positive, n).average_precision;
}

double velm_metrics_f1_max(const double *scores, const guint8 *positive, gsize n,
                           double *threshold) {
  VelmRankingMetrics metrics = measure(scores, positive, n);
  if (threshold)
    *threshold = metrics.f1_threshold;
  return metrics.f1_max;
}

VelmCurvePoints *velm_metrics_roc(const double *scores, const guint8 *positive, gsize n) {
  g_autoptr(VelmRanking) ranking = velm_ranking_new(scores, positive, n);
  const Step all = count_all(ranking, NULL);
  if (!all.true_positives || !all.false_positives)
    return NULL;
  VelmCurvePoints *points = velm_curve_points_new();
  velm_curve_points_append(points, 0, 0);
  double before = 0;
  for (Step step = {0}; next_step(ranking, NULL, &step);) {
    double x = (double)step.false_positives / (double)all.false_positives;
    double y = (double)step.true_positives / (double)all.true_positives;
    if (velm_curve_points_due(before, x + y))
      velm_curve_points_append(points, x, y);
    before = x + y;
  }
  return points;
}
