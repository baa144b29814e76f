/*
 * The threshold on its way down over all pixels: what pixel metrics add up, one distinct score (or
 * bin) after another.
 */
#pragma once

#include "evaluate/pixel_metrics.h"

/* What is swept over, in all. */
typedef struct {
  double n_normal, n_anomalous, n_regions;
  double limit; /* of AUPRO */
} VelmPixelTotals;

/* @normal, @anomalous: pixels over the threshold; @overlap: sum over the regions of the share of
 * each that is. The others are sums up to here; @curves may be NULL. */
typedef struct {
  const VelmPixelTotals *totals;
  double normal, anomalous, overlap;
  double pairs, precisions, pro_area;
  VelmPixelCurves *curves;
} VelmPixelSweep;

/** Lowers the threshold past @normal and @anomalous more pixels, which share a score. */
void velm_pixel_sweep_step(VelmPixelSweep *sweep, double normal, double anomalous, double overlap);

/** The figures of the sums of a whole sweep; NaN as pixel_metrics.h says. */
VelmPixelFigures velm_pixel_sweep_figures(const VelmPixelTotals *totals, double pairs,
                                          double precisions, double pro_area);
