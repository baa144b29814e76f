/*
 * Backbones: pretrained networks whose middle layers describe the patches of an image.
 */
#pragma once

#include "core/model.h"
#include "detect/inspection.h"

typedef struct _VelmBackbone VelmBackbone;

/** Where a layer looks: at the image in full size, or, in a fraction of the time, at half the size,
 * or by the network beside. */
typedef enum { VELM_LOOK_FULL, VELM_LOOK_HALF, VELM_LOOK_BESIDE, VELM_N_LOOKS } VelmLook;

/**
 * How a backbone is used.
 * @name: "dinov2s", "lite2", or "file"
 * @path: of the network
 * @layers: NULL-terminated names of layers, each of which may be followed by
 *   "@N": averaged over squares of N x N of its cells (PatchCore, section 3.1: neighbourhood
 *     aggregation)
 *   "@half": of the image at half the size, which shows each patch with more of its surroundings
 *   "@lite2": of EfficientNet-Lite2, which looks at the image beside the backbone
 *   "@contrast": compared within the image, not with a memory bank; of one layer at most, the last
 * in any order. The features are concatenated, on the finest of their grids. A layer may stand
 * several times, with other additions.
 * @size: side of the square that images are resized to
 * @keeps_shape: they are resized to a rectangle of their own shape instead, with as many patches at
 * most; the network beside still sees a square
 * @mean, @scale: an image byte v of channel c becomes (v - mean[c]) / scale[c]
 */
typedef struct {
  char *name;
  char *path;
  char **layers;
  int size;
  gboolean keeps_shape;
  float mean[3], scale[3];
} VelmBackboneSpec;

/**
 * The spec for the user's choice.
 * @backbone: "dinov2s", "lite2", or a file
 * @layers: separated by commas, or NULL for the backbone's own; a file has none of its own
 * @size: or 0 for the backbone's own
 */
VelmBackboneSpec *velm_backbone_spec_new(const char *backbone, const char *layers, int size,
                                         GError **error);
/** Whether @spec may keep the images' shape; velm_backbone_spec_new() does not. */
gboolean velm_backbone_may_keep_shape(const VelmBackboneSpec *spec);
void velm_backbone_spec_free(VelmBackboneSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmBackboneSpec, velm_backbone_spec_free)

/** The layers for looking at two speeds: those of @spec, separated by commas, and where none of
 * them looks early those of EfficientNet-Lite2 besides. Returns: (transfer full): NULL with
 * VELM_ERROR_USAGE where none looks at the full size, or the backbone is the fast one itself. */
char *velm_backbone_layers_of_two_speeds(const VelmBackboneSpec *spec, GError **error);

/** Writes @spec and the network file's SHA-256 to @model under "backbone.". */
gboolean velm_backbone_spec_store(const VelmBackboneSpec *spec, VelmModel *model, GError **error);

/** Reads it back. Fails where the network is not found or is another than the one the model was
 * fitted with. */
VelmBackboneSpec *velm_backbone_spec_restore(VelmModel *model, GError **error);

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

void velm_backbone_free(VelmBackbone *backbone);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmBackbone, velm_backbone_free)
