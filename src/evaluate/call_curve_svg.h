/* Accuracy against the share of images that the language model is asked about, in SVG. */
#pragma once

#include "evaluate/call_curve.h"

/**
 * Draws @curve with its macro accuracy; marks both classifiers alone, the trust level and where
 * VELM_CALL_TARGET is reached. The svg element has the class "calls"; see evaluate/svg.h. Returns:
 * (transfer full)
 */
char *velm_call_curve_svg(const VelmCallCurve *curve);
