/*
 * Metrics of image scores and of classification, exact: ties are handled, nothing is binned. A
 * metric that is not defined for its input, and one of scores among which is a NaN, is NaN. Those
 * of pixels are in pixel_metrics.h.
 */
#pragma once

#include "evaluate/curve_points.h"

/**
 * Area under the ROC curve; ties count half (Mann-Whitney). NaN where one of the two sides is
 * empty.
 * @scores, @positive: @n values; positive is 0 or 1
 */
double velm_metrics_auroc(const double *scores, const guint8 *positive, gsize n);

/** Average precision (step-wise, as scikit-learn); NaN without positives. */
double velm_metrics_average_precision(const double *scores, const guint8 *positive, gsize n);

/**
 * The largest F1 over all thresholds, what scores the threshold or more being positive; NaN without
 * positives.
 * @threshold: (out) (optional): the score that gives it, the highest where several do; NaN without
 * positives
 */
double velm_metrics_f1_max(const double *scores, const guint8 *positive, gsize n,
                           double *threshold);

/**
 * The ROC curve: x is the false-positive rate, y the true-positive rate, from (0, 0) to (1, 1).
 * Returns: (transfer full): NULL where the AUROC is NaN
 */
VelmCurvePoints *velm_metrics_roc(const double *scores, const guint8 *positive, gsize n);

typedef struct {
  double auroc, average_precision, f1_max, f1_threshold;
} VelmRankingMetrics;

/* Scores in order, for a bootstrap, which measures the same scores thousands of times. */
typedef struct _VelmRanking VelmRanking;

VelmRanking *velm_ranking_new(const double *scores, const guint8 *positive, gsize n);
/**
 * The metrics above, where item i occurs counts[i] times.
 * @counts: as many as there are items; NULL: each once
 */
VelmRankingMetrics velm_ranking_measure(const VelmRanking *ranking, const guint *counts);
void velm_ranking_free(VelmRanking *ranking);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmRanking, velm_ranking_free)

/*
 * Classification: a square matrix of counts, confusion[truth * n_classes + answer]. All are NaN
 * where nothing was counted. As in scikit-learn: balanced_accuracy_score, f1_score,
 * cohen_kappa_score.
 */
typedef struct {
  double accuracy;       /* share of right answers */
  double macro_accuracy; /* mean recall of the classes that occur in the truth */
  double macro_f1;    /* mean F1 of the classes that occur in truth or answers; F1 of a class never
                         answered is 0 */
  double micro_f1;    /* the accuracy: every image has one class and one answer */
  double cohen_kappa; /* NaN where truths and answers are all one class: chance is always right */
} VelmClassMetrics;

VelmClassMetrics velm_metrics_classification(const guint64 *confusion, gsize n_classes);
