/*
 * From score map to what the classifier and a person look at (section 3.1, "visual prompt"):
 * regions, the red contour, the three images.
 */
#pragma once

#include "detect/inspection.h"

/**
 * Finds the regions of the score map over the inspection's region_threshold and fills the mark part
 * of the record.
 * @force: where the map stays under the threshold, take the region about its maximum all the same
 */
gboolean velm_mark_regions(VelmInspection *inspection, gboolean force, GError **error);

/** Takes @mask (ground truth) for the marked area instead, at the image's size. */
gboolean velm_mark_given(VelmInspection *inspection, const VelmMask *mask, GError **error);

/**
 * A copy of @image, resized to @width x @height, with the boundary of @mask outlined in red. The
 * line lies outside the region and its width grows with the picture.
 */
VelmImage *velm_mark_outline(const VelmImage *image, const VelmMask *mask, int width, int height,
                             GError **error);

/** The same outline in @image itself. */
gboolean velm_mark_draw_outline(VelmImage *image, const VelmMask *mask, GError **error);

/** The image with its score map as colours over it, for a person; @low and @high are the scores of
 * the scale's ends. */
VelmImage *velm_mark_heatmap(const VelmImage *image, const VelmPlane *map, double low, double high,
                             int width, int height, GError **error);
