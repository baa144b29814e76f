/*
 * PatchCore's score maps as they come about, layer by layer.
 *
 * The layers of one look of the backbone are summed apart from those of another: what has been
 * looked at so far has a map already, and the network beside the backbone keeps one of its own.
 */
#pragma once

#include "detect/patchcore_layers.h"

/**
 * VelmPatchMaps: of @n_images images, with @n_patches rows each, of which an image may have less.
 * @sums: of each look, over its layers, of the distances to the bank in units of what is typical;
 * NULL where it has none yet
 * @n_layers: that were summed
 */
typedef struct {
  gsize n_patches, n_images;
  float *sums[VELM_N_LOOKS];
  guint n_layers[VELM_N_LOOKS];
} VelmPatchMaps;

void velm_patch_maps_clear(VelmPatchMaps *maps);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmPatchMaps, velm_patch_maps_clear)

/** Adds the @distances of all rows of all images in a layer. */
void velm_patch_maps_add(VelmPatchMaps *maps, const VelmPatchLayer *layer, const float *distances);

/**
 * The maps of image @index, which has @rows x @columns patches: means over the layers, blurred.
 * @early: leaves out the full look
 * @map: (out) (transfer full): the backbone's, or where it has none that of the network beside it
 * @beside: (out) (transfer full): of the network beside it; NULL where @map is alone
 */
gboolean velm_patch_maps_get(const VelmPatchMaps *maps, gsize index, int rows, int columns,
                             gboolean early, VelmPlane **map, VelmPlane **beside, GError **error);

/** Adds the @contrasts of an image's @n patches to its map: the map stays on its scale. */
void velm_patch_map_add_contrast(float *map, const float *contrasts, gsize n);

/** The image's score: the mean of the map's highest values, the share @top of them, one at least; 0
 * for the default. A single patch that is rare by chance counts less than several. */
double velm_patch_map_score(const VelmPlane *map, double top);

/** The score of an image of two networks: their maps' scores, weighted in the logarithm. Where one
 * errs the other need not; but the marked place stays the backbone's, which sees finer.
 * @beside: NULL where there is one map alone
 * @top: as in velm_patch_map_score() */
double velm_patch_maps_score(const VelmPlane *map, const VelmPlane *beside, double top);

/** Ranks what is low in @map by what surrounds it, as both networks see it: the further a value is
 * under the peak, the more it is multiplied by the wide means of @map and of @beside about it. The
 * peak stays where and what it is; nothing rises over the map's median that was not over it. A
 * layer that sees a patch at a time sees the edges of a wide anomaly and not its inside. */
gboolean velm_patch_map_widen(VelmPlane *map, const VelmPlane *beside, GError **error);

/** The map's median. */
double velm_patch_map_median(const VelmPlane *map);
