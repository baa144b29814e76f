/*
 * What fitting and detecting share: PatchCore's layers.
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
  VelmLook look;
} VelmPatchLayer;

/** The backbone's layers that have a bank. Returns: (transfer full): @n of them, only channels and
 * offset set. */
VelmPatchLayer *velm_patch_layers_new(const VelmBackbone *backbone, gsize *n);
/** The one for the contrast within the image (contrast.h), likewise; all zero where there is none.
 */
VelmPatchLayer velm_patch_contrast_layer(const VelmBackbone *backbone);
void velm_patch_layers_free(VelmPatchLayer *layers, gsize n);

/** Whether looking may stop before the full look: where some of @n @layers are of it, and some of
 * an early one. */
gboolean velm_patch_layers_may_stop(const VelmPatchLayer *layers, gsize n);

/** The layers' typical distances. Returns: (transfer full). */
float *velm_patch_layers_typical(const VelmPatchLayer *layers, gsize n);

/** Copies the channels of @layer out of @features, row by row, each times its @scale.
 * @n_rows: where the image has fewer patches, they are repeated */
void velm_patch_layer_take(const VelmPatchLayer *layer, const VelmFeatures *features,
                           const float *scale, gsize n_rows, float *rows);

/** Likewise, of the patches nearest to the cells of a grid of @n_down x @n_across. */
void velm_patch_layer_sample(const VelmPatchLayer *layer, const VelmFeatures *features, int n_down,
                             int n_across, float *rows);

/** Euclidean distance of @row to the nearest of @n @entries, computed in full precision: for few
 * rows. Infinite where there are none. */
float velm_patch_row_distance(const float *row, const float *entries, gsize n, gsize channels);

/** Multiplies each channel of @n rows by its @scale. */
void velm_patch_rows_scale(float *rows, gsize n, gsize channels, const float *scale);

/** Sorts @scores of good images, rising, and writes them to @model under @name. */
void velm_patch_scores_store(VelmModel *model, const char *name, float *scores, gsize n);

/** The model's name for a layer's @what. Returns: (transfer full). */
char *velm_patch_layer_key(gsize layer, const char *what);
