/* A reliability diagram in SVG. */
#pragma once

#include "evaluate/calibration.h"

/**
 * Draws accuracy against confidence, a point a bin with its interval and its distance from the
 * diagonal, on which confidences can be believed; below it, how many answers of which confidence
 * were right and wrong.
 *
 * The svg element has the class "reliability" and its own style, and is a whole document; see
 * evaluate/svg.h for how it takes the colours of a page. Returns: (transfer full): of no item, the
 * empty string
 */
char *velm_reliability_svg(const VelmCalibration *calibration);
