/* The normal image that a language model is shown beside the part (RI of section 3.2). */
#pragma once

#include "core/model.h"
#include "detect/inspection.h"

typedef struct _VelmReferenceImages VelmReferenceImages;

/**
 * The normal images that @model carries; a model of an older velm has one, or none.
 * @model: may be NULL: there are then none; need not outlive the result
 * Returns: (transfer full): NULL with VELM_ERROR_MODEL where they cannot be read
 */
VelmReferenceImages *velm_reference_images_open(VelmModel *model, GError **error);

/**
 * The image whose mean patch features are nearest to those of the inspected part. This favours, but
 * does not ensure, the same lighting.
 * @features: of the model's detector; or NULL for the most typical image
 * Returns: (transfer none): NULL where there is no image
 */
const VelmImage *velm_reference_images_nearest(const VelmReferenceImages *references,
                                               const VelmFeatures *features);

void velm_reference_images_free(VelmReferenceImages *references);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmReferenceImages, velm_reference_images_free)
