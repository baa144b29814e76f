/*
 * The region about a score map's maximum, with the edges of the image.
 *
 * A score map has a value a patch: it knows where a defect is, not where it ends. The image does.
 * So several regions are proposed, by different levels of the map and by what differs in grey from
 * the surroundings within them, and the one is taken that stands out most from what is about it,
 * in the image and in the map.
 */
#pragma once

#include "core/image.h"

/** Whether @map is so much coarser than an image of @width x @height that its regions are to be
 * refined. */
gboolean velm_mark_is_coarse(const VelmPlane *map, int width, int height);

/**
 * @map: stretched over @image
 * @region: (out) (transfer full): one connected region, at a size of its own, to be stretched over
 * @image as well; NULL where none stands out in the image
 * Returns: FALSE where the image library fails
 */
gboolean velm_mark_refine(const VelmImage *image, const VelmPlane *map, VelmMask **region,
                          GError **error);
