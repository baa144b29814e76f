/*
 * What fitting and detecting share: PatchCore's layers, and how their distances become one map.
 *
 * There is one memory bank a layer, rather than one of their concatenated features: each layer's
 * distances are divided by what is typical of good parts and the quotients averaged, so that no
 * layer drowns another, and 1 means "as far as good patches are".
 */
#pragma once

#include "detect/backbone.h"
#include "detect/nearest.h"

/* The map is blurred by this many patches. */
#define VELM_PATCHCORE_BLUR 0.6

typedef struct {
  int channels;
  gsize offset;         /* of the layer's channels in a patch's features */
  float typical;        /* mean distance of good patches of parts that the bank does not know */
  const float *scale;   /* of each channel, the model's; 1 where layers are not standardised */
  VelmNearest *nearest; /* NULL while fitting */
  gboolean beside;      /* of the network beside the backbone, which has a map of its own */
} VelmPatchLayer;

/** The backbone's layers that have a bank. Returns: (transfer full): @n of them, only channels and
 * offset set. */
VelmPatchLayer *velm_patch_layers_new(const VelmBackbone *backbone, gsize *n);
/** The one for the contrast within the image (contrast.h), likewise; all zero where there is none.
 */
VelmPatchLayer velm_patch_contrast_layer(const VelmBackbone *backbone);
void velm_patch_layers_free(VelmPatchLayer *layers, gsize n);

/** How many of @n @layers make the map that layer @index has a share of. */
gsize velm_patch_layers_in_map(const VelmPatchLayer *layers, gsize n, gsize index);
/** Whether there is a second map, of the network beside the backbone. */
gboolean velm_patch_layers_beside(const VelmPatchLayer *layers, gsize n);

/** The layers' typical distances. Returns: (transfer full). */
float *velm_patch_layers_typical(const VelmPatchLayer *layers, gsize n);

/** Copies the channels of @layer out of @features, row by row, each times its @scale. */
void velm_patch_layer_take(const VelmPatchLayer *layer, const VelmFeatures *features,
                           const float *scale, float *rows);

/** Euclidean distance of @row to the nearest of @n @entries, computed in full precision: for few
 * rows. Infinite where there are none. */
float velm_patch_row_distance(const float *row, const float *entries, gsize n, gsize channels);

/** Multiplies each channel of @n rows by its @scale. */
void velm_patch_rows_scale(float *rows, gsize n, gsize channels, const float *scale);

/** Adds the distances of one of the map's @n_layers layers to the map of @n patches. */
void velm_patch_map_add(float *map, const float *distances, gsize n, float typical, gsize n_layers);

/** The image's score: the mean of the map's highest values, the share @top of them, one at least; 0
 * for the default. A single patch that is rare by chance counts less than several. */
double velm_patch_map_score(const VelmPlane *map, double top);

/** The score of an image of two networks: their maps' scores, weighted in the logarithm. Where one
 * errs the other need not; but the marked place stays the backbone's, which sees finer.
 * @beside: NULL where there is one map alone */
double velm_patch_maps_score(const VelmPlane *map, const VelmPlane *beside, double top);

/** Adds the @contrasts of an image's @n patches to its map: the map stays on its scale. */
void velm_patch_map_add_contrast(float *map, const float *contrasts, gsize n);

/** The map's median. */
double velm_patch_map_median(const VelmPlane *map);

/** The model's name for a layer's @what. Returns: (transfer full). */
char *velm_patch_layer_key(gsize layer, const char *what);
