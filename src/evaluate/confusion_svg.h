/* A confusion matrix in SVG. */
#pragma once

#include <glib.h>

/**
 * Draws a matrix of counts: rows are truths, columns are answers. Right answers are blue, wrong
 * ones orange, the stronger the larger their share of the row. Recall stands at the end of each
 * row, precision under each column, accuracy in the corner; "-" where there is nothing to divide
 * by.
 * @names: @n classes; NULL for no name. Long ones are cut; the whole name is in the hover text
 * @counts: counts[truth * n + answer], as for velm_metrics_classification()
 *
 * The svg element has the class "confusion" and its own style, and is a whole document; see
 * evaluate/svg.h for how it takes the colours of a page. Returns: (transfer full): of no class, the
 * empty string
 */
char *velm_confusion_svg(const char *const *names, const guint64 *counts, gsize n);
