/*
 * Backbones: pretrained networks whose middle layers describe the patches of an image.
 */
#pragma once

#include "detect/backbone_spec.h"
#include "detect/inspection.h"

typedef struct _VelmBackbone VelmBackbone;

/** Where a layer looks: at the image in full size, or, in a fraction of the time, at half the size,
 * or by the network beside. */
typedef enum { VELM_LOOK_FULL, VELM_LOOK_HALF, VELM_LOOK_BESIDE, VELM_N_LOOKS } VelmLook;

VelmBackbone *velm_backbone_open(const VelmBackboneSpec *spec, GError **error);

/** Opens the network once for @n threads, each of which has its part of the processors. Returns:
 * (transfer full): of VelmBackbone, one a thread. */
GPtrArray *velm_backbone_open_many(const VelmBackboneSpec *spec, guint n, GError **error);

/** The grid of a square image's features, which has the most patches; and the channels of all
 * layers together. */
void velm_backbone_grid(const VelmBackbone *backbone, int *rows, int *columns, int *channels);
gsize velm_backbone_n_layers(const VelmBackbone *backbone);
/** Channels of layer @index; the layers' channels follow one another in the features. */
int velm_backbone_layer_channels(const VelmBackbone *backbone, gsize index);
/** Whether layer @index shows more than its own cell: averaged over neighbours, or of the image at
 * half the size. */
gboolean velm_backbone_layer_is_coarse(const VelmBackbone *backbone, gsize index);
VelmLook velm_backbone_layer_look(const VelmBackbone *backbone, gsize index);
/** Whether the last layer is there for the contrast within the image. */
gboolean velm_backbone_has_contrast(const VelmBackbone *backbone);

/** The patch features of @image in the layers that do not look at its full size; 0 in the others.
 * Returns: (transfer full). */
VelmFeatures *velm_backbone_extract_early(VelmBackbone *backbone, const VelmImage *image,
                                          GError **error);
/** Fills in the other layers' @features of the same @image. */
gboolean velm_backbone_extract_rest(VelmBackbone *backbone, const VelmImage *image,
                                    VelmFeatures *features, GError **error);
/** Both. Returns: (transfer full). */
VelmFeatures *velm_backbone_extract(VelmBackbone *backbone, const VelmImage *image, GError **error);
/** Likewise, on the grid of an image of the shape of @like: patches of both show the same place. */
VelmFeatures *velm_backbone_extract_like(VelmBackbone *backbone, const VelmImage *image,
                                         const VelmImage *like, GError **error);

void velm_backbone_free(VelmBackbone *backbone);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmBackbone, velm_backbone_free)
