/*
 * Morphology on masks and planes: what the measures share. core/image.h dilates by libvips, which
 * is made for large images: here a dozen operations on small windows must take a few milliseconds.
 */
#pragma once

#include "core/image.h"

/* A rectangle of pixels. */
typedef struct {
  int x, y, width, height;
} VelmBox;

/** The smallest box about the pixels of @mask. Returns: FALSE where there are none. */
gboolean velm_box_bound(const VelmMask *mask, VelmBox *box);

/** @box with @margin more on each side, as far as an image of @width x @height goes. */
VelmBox velm_box_grow(VelmBox box, int margin, int width, int height);

/** The part in @box, which may reach beyond the mask: there is nothing set there. */
VelmMask *velm_mask_cut(const VelmMask *mask, VelmBox box);
/** The part in @box, which lies inside. */
VelmPlane *velm_plane_cut(const VelmPlane *plane, VelmBox box);

/** A copy; of the whole image where nothing is set. */
VelmMask *velm_mask_or_whole(const VelmMask *mask);
VelmMask *velm_mask_invert(const VelmMask *mask);

/** Dilation by a square of 2 * @radius + 1; nothing is set outside. */
VelmMask *velm_morphology_dilate(const VelmMask *mask, int radius);

/** Largest value of each pixel's square of 2 * @radius + 1, as far as it lies inside. */
VelmPlane *velm_morphology_max(const VelmPlane *plane, int radius);
VelmPlane *velm_morphology_min(const VelmPlane *plane, int radius);

/**
 * Euclidean distance of each pixel to the nearest that is set, exact, in pixels; where none is set,
 * more than width + height. (Felzenszwalb and Huttenlocher, "Distance transforms of sampled
 * functions", 2012.)
 */
VelmPlane *velm_morphology_distance(const VelmMask *mask);
