/*
 * Pixel metrics of binned scores, for a bootstrap: an image's map becomes a histogram of a few
 * kilobytes, and a draw of images is measured on the sum of theirs.
 */
#pragma once

#include "evaluate/pixel_metrics.h"

/* Where the bins begin, for all images. */
typedef struct _VelmScoreBins VelmScoreBins;

/**
 * Up to 512 bins by quantiles of @sample: half of the quantiles are evenly spaced, the other half
 * get ever denser towards the highest scores (their shares above are a geometric series), since
 * that is where precision and overlap are decided.
 * @sample: @n scores; NaN are left out; it is sorted
 */
VelmScoreBins *velm_score_bins_new(float *sample, gsize n);
void velm_score_bins_free(VelmScoreBins *bins);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmScoreBins, velm_score_bins_free)

/* One image's. */
typedef struct _VelmPixelHistogram VelmPixelHistogram;

/** As velm_pixel_scores_add(). */
VelmPixelHistogram *velm_pixel_histogram_new(const VelmScoreBins *bins, const float *map,
                                             const VelmTruthRegions *truth, int width, int height);
void velm_pixel_histogram_free(VelmPixelHistogram *histogram);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPixelHistogram, velm_pixel_histogram_free)

/**
 * The figures of @n images together, where image i occurs @counts[i] times (NULL: once); scores of
 * one bin are tied.
 * @histograms: of the same bins; NULL for an image that does not count
 */
VelmPixelFigures velm_pixel_histogram_measure(const VelmPixelHistogram *const *histograms,
                                              const guint *counts, gsize n, double limit);
