/* Small pictures of an inspected image for a page, as JPEG data in base 64. */
#pragma once

#include "detect/inspection.h"

/**
 * The image, with its regions outlined in red where they are marked; the longer side is 208 pixels.
 * @inspection: with its image
 * Returns: (transfer full)
 */
char *velm_thumbnail_contour(const VelmInspection *inspection, GError **error);

/**
 * The image with its score map as colours over it, of the same size. The scale begins at 0.6 and
 * ends at 1.6 of the inspection's threshold, so that a colour means the same on every picture;
 * where the threshold is no scale, at the map's own ends.
 * @inspection: with its image and map
 * Returns: (transfer full)
 */
char *velm_thumbnail_heatmap(const VelmInspection *inspection, GError **error);

/**
 * Both, as far as there is something to draw.
 * @contour: (out) (transfer full): NULL without an image
 * @heatmap: (out) (transfer full): NULL without an image or a map
 */
gboolean velm_thumbnail_pictures(const VelmInspection *inspection, char **contour, char **heatmap,
                                 GError **error);
