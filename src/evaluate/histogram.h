/* Image scores as a histogram in SVG, stacked by what was decided. */
#pragma once

#include "velm.h"

typedef struct {
  double score;
  VelmDecision decision;
} VelmScored;

/**
 * Draws the scores of @n images as inline SVG, with a line at each of the @n_thresholds thresholds.
 * Its parts carry the classes "normal", "negligible", "defect", "review", "axis", "threshold" for a
 * style sheet to colour. Scores that are not finite are left out; a bar is two units high at least,
 * so that one defect among thousands is seen. Returns: (transfer full): one svg element; of no
 * score, the empty string
 */
char *velm_histogram_svg(const VelmScored *scored, gsize n, const double *thresholds,
                         gsize n_thresholds);
