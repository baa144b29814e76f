/*
 * What differs from the rest of its own image: the contrast of its patches.
 *
 * A memory bank knows what good patches look like, not whether they belong together: half of a
 * surface in the look of another good part is made of good patches. So each patch is compared with
 * the middle of its own image as well, less what good images show at its place. The contrast marks
 * areas; it says less of whether a part is good, and the score does not count it.
 */
#pragma once

#include "core/model.h"
#include "detect/spool.h"

/* @places: mean features of good images at each place, a row each
 * @typical: mean contrast of good images at each place, over 0 */
typedef struct {
  gsize n_places, channels;
  const float *places, *typical;
} VelmContrast;

/**
 * Measures good images: @n_images of @n_places rows in @spool, of which those in @images count.
 * @images: their numbers in the spool
 * Writes to @model what velm_contrast_open() reads.
 */
gboolean velm_contrast_fit(VelmSpool *spool, const guint *images, gsize n_images, gsize n_places,
                           gsize channels, VelmModel *model, GError **error);

/** Borrows from @model. Fails where @model has none for so many places and channels. */
gboolean velm_contrast_open(VelmContrast *contrast, VelmModel *model, gsize n_places,
                            gsize channels, GError **error);

/**
 * Writes the contrast of each of an image's patches to @contrasts; 1 is typical of good images.
 * @rows: the image's features, a row a place; overwritten
 */
void velm_contrast_measure(const VelmContrast *contrast, float *rows, float *contrasts);
