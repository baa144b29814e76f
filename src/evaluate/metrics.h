/*
 * Metrics of detection and classification, exact: ties are handled, nothing is binned. A metric
 * that is not defined for its input, and one of scores among which is a NaN, is NaN.
 */
#pragma once

#include <glib.h>

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

/*
 * Pixel metrics are accumulated image by image: memory grows with the pixels of the maps (4 bytes a
 * normal pixel, 8 an anomalous one, and as much again while they are sorted), and maps can be of
 * any size.
 */
typedef struct _VelmPixelMetrics VelmPixelMetrics;

VelmPixelMetrics *velm_pixel_metrics_new(void);
/** Adds one map and its mask (bytes over 0 are anomalous; NULL for none), both @width x @height,
 * under 2^32 pixels. */
void velm_pixel_metrics_add(VelmPixelMetrics *metrics, const float *map, const guint8 *mask,
                            int width, int height);
/** Area under the ROC curve of all pixels; ties count half. NaN where no pixel, or every pixel, is
 * anomalous. */
double velm_pixel_metrics_auroc(VelmPixelMetrics *metrics);
/**
 * Area under the per-region-overlap curve up to the false-positive rate @limit (0.3 in the MVTec
 * papers, arXiv 1912.02357), divided by @limit: the mean over all ground-truth components of the
 * share that is over the threshold, against the share of normal pixels over it. NaN where no pixel,
 * or every pixel, is anomalous, and for a @limit outside (0, 1].
 *
 * Components are 8-connected, as in MVTec's own evaluation code (scipy.ndimage.label with a 3 x 3
 * structure of ones): a thin diagonal scratch is one defect. The curve runs from (0, 0) over every
 * distinct score; between two scores, and at the limit, it is a straight line.
 */
double velm_pixel_metrics_aupro(VelmPixelMetrics *metrics, double limit);
void velm_pixel_metrics_free(VelmPixelMetrics *metrics);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPixelMetrics, velm_pixel_metrics_free)

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
