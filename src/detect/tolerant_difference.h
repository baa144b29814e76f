/* Difference between two images of the same part that a small shift does not count for. */
#pragma once

#include "core/image.h"

/**
 * How far each pixel of either plane lies outside of what the other is nearby: within 3 pixels, or
 * 1/128 of the longer side where that is more. So a shift of an edge by so much is no difference.
 * @a, @b: of the same size
 * Returns: (transfer full): in the planes' own unit, 0 or more; NULL with VELM_ERROR_IMAGE
 */
VelmPlane *velm_tolerant_difference(const VelmPlane *a, const VelmPlane *b, GError **error);
