/*
 * Made-up defects on real good images, with their masks: what a detector's settings are compared by
 * where no labelled defects are at hand.
 *
 * Their kinds are those of industrial surfaces in general: thin lines (scratch, crack), blobs
 * (hole, spot, chip), wide soft fields (stain, unevenness); each darker, lighter, smeared, or with
 * the texture of another place in the manner of CutPaste (arXiv 2104.04015).
 */
#pragma once

#include "core/image.h"

/**
 * Draws one defect on a copy of @image.
 * @other: the picture that foreign texture is taken from, of any size; may be @image itself
 * @seed: fixes kind, place, shape and look
 * @mask: (out) (transfer full): where at least half of the defect's full strength is
 * Returns: (transfer full): of the same size
 */
VelmImage *velm_synthetic_defect_draw(const VelmImage *image, const VelmImage *other, guint32 seed,
                                      VelmMask **mask);
