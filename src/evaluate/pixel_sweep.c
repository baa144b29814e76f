#include "evaluate/pixel_sweep.h"

#include <math.h>

static void draw_roc(VelmPixelSweep *sweep, double normal, double anomalous) {
  const VelmPixelTotals *totals = sweep->totals;
  double before = sweep->normal / totals->n_normal + sweep->anomalous / totals->n_anomalous;
  double x = normal / totals->n_normal, y = anomalous / totals->n_anomalous;
  if (velm_curve_points_due(before, x + y))
    velm_curve_points_append(sweep->curves->roc, x, y);
}

static void draw_precision_recall(VelmPixelSweep *sweep, double normal, double anomalous) {
  double before = sweep->anomalous / sweep->totals->n_anomalous;
  double recall = anomalous / sweep->totals->n_anomalous;
  if ((before == 0 && recall > 0) || velm_curve_points_due(before, recall))
    velm_curve_points_append(sweep->curves->precision_recall, recall,
                             anomalous / (anomalous + normal));
}

/* One straight piece of the per-region-overlap curve, cut off at the limit. */
static void add_overlap(VelmPixelSweep *sweep, double normal, double overlap) {
  const VelmPixelTotals *totals = sweep->totals;
  double limit = totals->limit;
  double x0 = sweep->normal / totals->n_normal, x1 = normal / totals->n_normal;
  double y0 = MIN(sweep->overlap / totals->n_regions, 1);
  double y1 = MIN(overlap / totals->n_regions, 1);
  if (!(x0 < limit))
    return;
  double end_x = MIN(x1, limit);
  double end_y = x1 > limit ? y0 + (y1 - y0) * (limit - x0) / (x1 - x0) : y1;
  sweep->pro_area += (end_x - x0) * (y0 + end_y) / 2;
  if (sweep->curves &&
      (x1 >= limit || velm_curve_points_due(x0 / limit + y0, end_x / limit + end_y)))
    velm_curve_points_append(sweep->curves->pro, end_x, end_y);
}

void velm_pixel_sweep_step(VelmPixelSweep *sweep, double normal, double anomalous, double overlap) {
  double all_normal = sweep->normal + normal, all_anomalous = sweep->anomalous + anomalous;
  sweep->pairs += normal * (sweep->anomalous + anomalous / 2);
  if (anomalous > 0)
    sweep->precisions += anomalous * (all_anomalous / (all_anomalous + all_normal));
  add_overlap(sweep, all_normal, sweep->overlap + overlap);
  if (sweep->curves) {
    draw_roc(sweep, all_normal, all_anomalous);
    draw_precision_recall(sweep, all_normal, all_anomalous);
  }
  sweep->normal = all_normal;
  sweep->anomalous = all_anomalous;
  sweep->overlap += overlap;
}

VelmPixelFigures velm_pixel_sweep_figures(const VelmPixelTotals *totals, double pairs,
                                          double precisions, double pro_area) {
  VelmPixelFigures figures = {NAN, NAN, NAN};
  if (totals->n_anomalous > 0)
    figures.average_precision = precisions / totals->n_anomalous;
  if (!(totals->n_anomalous > 0 && totals->n_normal > 0))
    return figures;
  figures.auroc = pairs / (totals->n_normal * totals->n_anomalous);
  if (totals->limit > 0 && totals->limit <= 1)
    figures.aupro = pro_area / totals->limit;
  return figures;
}
