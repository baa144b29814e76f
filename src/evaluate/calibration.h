/* Whether a confidence can be believed: of answers given with 0.8, eight of ten should be right. */
#pragma once

#include "evaluate/bootstrap.h"

/* Bins where the caller does not say otherwise, and columns of the confidences' histogram. */
enum { VELM_CALIBRATION_BINS = 10, VELM_CALIBRATION_COLUMNS = 20 };

/**
 * VelmCalibrationBin: neighbouring confidences.
 * @low, @high: the smallest and the largest confidence in it
 * @confidence: their mean
 * @accuracy: share of right answers among them
 * @accuracy_interval: 95 %, by Wilson's score, which takes the items for independent
 * @n: items, 1 at least
 */
typedef struct {
  double low, high;
  double confidence, accuracy;
  VelmInterval accuracy_interval;
  gsize n;
} VelmCalibrationBin;

/**
 * VelmCalibration: all figures are NaN where there is no item.
 * @n, @excluded: items counted, and items without a confidence from 0 to 1
 * @accuracy, @confidence: share of right answers, and mean confidence; a larger confidence is
 * overconfident
 * @ece: expected calibration error: the mean of |accuracy - confidence| over bins of equally many
 * items, weighted by them. Few items in a bin make it larger than it is
 * @ece_interval: 95 %, groups drawn anew; NaN of fewer than two groups. Drawing adds to the error
 * as sampling did, so the draws' upper end is mirrored about @ece to be the lower one, which is 0
 * where @calibrated_p is over 0.05. In simulations of 50 to 1,000 independent answers it held the
 * true error in 90 to 99 % of the sets
 * @calibrated_p: how likely confidences that can be believed show an error as large: the share of
 * random signs of each group's differences (right - confidence) that give it. NaN as @ece_interval
 * @ece_equal_width: the same over bins of equal width from 0 to 1 (Guo et al. 2017, arXiv
 * 1706.04599), for comparison with published figures
 * @mce: maximum calibration error: the largest |accuracy - confidence| of @bins
 * @brier: mean of (confidence - right)^2
 * @negative_log_likelihood: mean of -log(confidence) of right and -log(1 - confidence) of wrong
 * answers, in nats; probabilities are cut at 2^-52 as in scikit-learn
 * @bins: @n_bins, by rising confidence; no confidence is in two of them, so there may be fewer than
 * asked for
 * @right, @wrong: answers by confidence, in columns of equal width from 0 to 1
 */
typedef struct {
  gsize n, excluded;
  double accuracy, confidence;
  double ece;
  VelmInterval ece_interval;
  double calibrated_p;
  double ece_equal_width, mce, brier, negative_log_likelihood;
  gsize n_bins;
  VelmCalibrationBin *bins;
  gsize right[VELM_CALIBRATION_COLUMNS], wrong[VELM_CALIBRATION_COLUMNS];
} VelmCalibration;

/**
 * Holds confidences against what came of them.
 * @confidence, @right: @n values; 0 is a wrong answer. An item whose confidence is NaN or not from
 * 0 to 1 is left out
 * @groups: (nullable): as for velm_bootstrap()
 * @n_bins: VELM_CALIBRATION_BINS unless there is a reason; cut to 1 to 1,000
 * @seed: of the draws behind the interval
 * Returns: (transfer full)
 */
VelmCalibration *velm_calibration_measure(const double *confidence, const guint8 *right,
                                          const char *const *groups, gsize n, gsize n_bins,
                                          guint32 seed);
void velm_calibration_free(VelmCalibration *calibration);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmCalibration, velm_calibration_free)
