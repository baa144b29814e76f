/* Moving an aligned reference onto its part, where it is a little off. */
#pragma once

#include "core/image.h"

/**
 * The shift, in pixels of @image, that @reference must be moved by to lie on @image: found by phase
 * correlation, at a coarser scale where the image is large, up to an eighth of each side. (0, 0)
 * where no shift makes the two clearly more alike.
 * @reference: of any size; it is stretched over @image
 */
gboolean velm_registration_find(const VelmImage *image, const VelmImage *reference, int *dx,
                                int *dy, GError **error);

/**
 * @reference at the size of @image and moved onto it; what comes in at the edges repeats them.
 * Returns: (transfer full): NULL where it lies well as it is, or with @error set
 */
VelmImage *velm_registration_align(const VelmImage *image, const VelmImage *reference,
                                   GError **error);
