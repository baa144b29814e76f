/*
 * Resizing as Pillow and torchvision do (bilinear, antialiased), without rounding: for networks
 * whose scores are to be those that the tool that trained them gives. velm's own features take
 * velm_image_resize(), which is faster, and places its kernel less finely.
 */
#pragma once

#include "core/image.h"

typedef struct _VelmResizer VelmResizer;

/** @width, @height: what images are resized to */
VelmResizer *velm_resizer_new(int width, int height);

/** For one thread at a time. Images of one size after another are faster than of changing sizes.
 * Returns: (borrowed) until the next: height x width x 3 values from 0 to 255 */
const float *velm_resizer_run(VelmResizer *resizer, const VelmImage *image, GError **error);

void velm_resizer_free(VelmResizer *resizer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmResizer, velm_resizer_free)
