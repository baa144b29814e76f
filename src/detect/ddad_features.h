/* The features that DDAD compares: chosen layers of a pretrained network, as they are. */
#pragma once

#include "core/image.h"
#include "detect/backbone.h"

typedef struct _VelmDdadFeatures VelmDdadFeatures;

/** Opens the network of @spec, whose layers must be feature maps, without additions ("@3").
 * @streams: as in VelmNetParams. */
VelmDdadFeatures *velm_ddad_features_open(const VelmBackboneSpec *spec, guint streams,
                                          GError **error);
/** The same network once more, for another thread. Returns: (transfer full). */
VelmDdadFeatures *velm_ddad_features_share(VelmDdadFeatures *features, GError **error);

/**
 * How far the features of two images are from each other: the sum over layers of 1 less the cosine
 * at each place, stretched to the images' size.
 * @target, @image: 3 x height x width in -1 to 1; both are stretched to the network's size
 * Returns: (transfer full): @height x @width
 */
VelmPlane *velm_ddad_features_distance(VelmDdadFeatures *features, const float *target,
                                       const float *image, int width, int height, GError **error);

void velm_ddad_features_free(VelmDdadFeatures *features);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDdadFeatures, velm_ddad_features_free)
