/* ROC, precision-recall and per-region-overlap curves in SVG. */
#pragma once

#include <glib.h>

/**
 * VelmCurve: one line of the picture.
 * @name: of the legend; NULL for none
 * @x, @y: @n points from 0 to 1, by rising @x; one that is not finite is left out
 * @area: shown in the legend, "-" where it is NaN
 */
typedef struct {
  const char *name;
  const double *x, *y;
  gsize n;
  double area;
} VelmCurve;

/**
 * VelmCurveAxes: what the curves are drawn on.
 * @title, @x_label, @y_label: texts; NULL for none
 * @area_label: what the legend calls the areas, "AUROC"; NULL for "area"
 * @x_end: where the x axis ends, up to 1; 0 for 1
 * @limit: the area is taken from x 0 to here, which is shaded, 0.3 for AUPRO; 0 for no limit
 * @diagonal: whether to draw the line of chance, y = x
 */
typedef struct {
  const char *title, *x_label, *y_label, *area_label;
  double x_end, limit;
  gboolean diagonal;
} VelmCurveAxes;

/**
 * Draws curves with a legend, in their order. Points closer than half a unit of the picture are
 * thinned out, so that a curve of millions of points is a few kilobytes.
 *
 * The svg element has the class "curves" and its own style, and is a whole document; see
 * evaluate/svg.h for how it takes the colours of a page. Returns: (transfer full); without curves,
 * the empty axes
 */
char *velm_curve_svg(const VelmCurveAxes *axes, const VelmCurve *curves, gsize n_curves);
