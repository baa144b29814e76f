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
 * The features of an image.
 * @image: 3 x height x width in -1 to 1, stretched to the network's size
 * Returns: (transfer full) (element-type float*): of every layer
 */
GPtrArray *velm_ddad_features_of(VelmDdadFeatures *features, const float *image, int width,
                                 int height, GError **error);

/**
 * How far the features of an image are from those of another: the sum over layers of 1 less the
 * cosine at each place, stretched to the image's size.
 * @targets: of velm_ddad_features_of()
 * @image: as there
 * Returns: (transfer full): @height x @width
 */
VelmPlane *velm_ddad_features_distance(VelmDdadFeatures *features, const GPtrArray *targets,
                                       const float *image, int width, int height, GError **error);

void velm_ddad_features_free(VelmDdadFeatures *features);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDdadFeatures, velm_ddad_features_free)
