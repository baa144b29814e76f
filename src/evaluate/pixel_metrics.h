/*
 * Metrics of all pixels of all score maps together, exact: ties are handled, nothing is binned. A
 * metric that is not defined for its input, and one of maps with a NaN, is NaN. Memory does not
 * grow with the maps (pixel_scores.h).
 */
#pragma once

#include "evaluate/curve_points.h"
#include "evaluate/pixel_scores.h"

/* AUPRO is integrated up to this false-positive rate in the MVTec papers (arXiv 1912.02357). */
#define VELM_AUPRO_LIMIT 0.3

/**
 * VelmPixelFigures:
 * @auroc: area under the ROC curve of all pixels; ties count half
 * @average_precision: step-wise, as scikit-learn
 * @aupro: area under the per-region-overlap curve up to a false-positive rate, divided by it: the
 * mean over all ground-truth regions of the share that is over the threshold, against the share of
 * normal pixels over it. The curve runs from (0, 0) over every distinct score; between two scores,
 * and at the limit, it is a straight line
 *
 * AUROC and AUPRO are NaN where no pixel, or every pixel, is anomalous, the average precision where
 * none is.
 */
typedef struct {
  double auroc, average_precision, aupro;
} VelmPixelFigures;

/* NULL where the figure is NaN. x and y are false-positive rate and true-positive rate; recall and
 * precision; false-positive rate (up to the limit) and mean overlap. */
typedef struct {
  VelmCurvePoints *roc, *precision_recall, *pro;
} VelmPixelCurves;

/**
 * The figures of the maps of all @stores together. Reads only, so that several threads may measure
 * the same scores at once; it uses the machine's cores itself.
 * @limit: of AUPRO, VELM_AUPRO_LIMIT; AUPRO is NaN for one outside (0, 1]
 * @curves: (out) (optional): free with velm_pixel_curves_clear()
 * Returns: FALSE where the temporary file cannot be read
 */
gboolean velm_pixel_metrics_measure(const VelmPixelScores *const *stores, gsize n, double limit,
                                    VelmPixelFigures *figures, VelmPixelCurves *curves,
                                    GError **error);
void velm_pixel_curves_clear(VelmPixelCurves *curves);
