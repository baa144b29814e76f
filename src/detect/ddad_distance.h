/* How far a reconstruction is from its target, pixel by pixel (arXiv 2305.15956, anomaly scoring).
 */
#pragma once

#include "core/image.h"

/** The distance of the pixels: the sum over three channels of the absolute differences, D_p.
 * @target, @image: 3 x height x width. Returns: (transfer full). */
VelmPlane *velm_ddad_pixel_distance(const float *target, const float *image, int width, int height);

/** The distance of one layer's features: 1 less the cosine of the two (equation 10), at each cell.
 * @target, @image: channels x rows x columns. Returns: (transfer full). */
VelmPlane *velm_ddad_cosine_distance(const float *target, const float *image, int channels,
                                     int rows, int columns);

/** Adds @plane times @weight to @sum, stretched to its size (bilinear). */
gboolean velm_ddad_distance_add(VelmPlane *sum, const VelmPlane *plane, double weight,
                                GError **error);
