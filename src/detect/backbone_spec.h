/* How a backbone is used: what the user chose of it, in the model too. */
#pragma once

#include "core/model.h"

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
 * @tiles: images are cut into so many tiles across and down, 1 for none: each is resized so, and
 * the grid is of all (tiles.h)
 * @mean, @scale: an image byte v of channel c becomes (v - mean[c]) / scale[c]
 */
typedef struct {
  char *name;
  char *path;
  char **layers;
  int size;
  gboolean keeps_shape;
  int tiles;
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
