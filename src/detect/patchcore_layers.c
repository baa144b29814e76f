#include "detect/patchcore_layers.h"

#include "detect/quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

VelmPatchLayer *velm_patch_layers_new(const VelmBackbone *backbone, gsize *n) {
  *n = velm_backbone_n_layers(backbone) - (velm_backbone_has_contrast(backbone) ? 1 : 0);
  VelmPatchLayer *layers = g_new0(VelmPatchLayer, *n);
  gsize offset = 0;
  for (gsize i = 0; i < *n; i++) {
    layers[i].channels = velm_backbone_layer_channels(backbone, i);
    layers[i].offset = offset;
    layers[i].look = velm_backbone_layer_look(backbone, i);
    offset += (gsize)layers[i].channels;
  }
  return layers;
}

gboolean velm_patch_layers_may_stop(const VelmPatchLayer *layers, gsize n) {
  gsize n_full = 0;
  for (gsize i = 0; i < n; i++)
    n_full += layers[i].look == VELM_LOOK_FULL;
  return n_full > 0 && n_full < n;
}

VelmPatchLayer velm_patch_contrast_layer(const VelmBackbone *backbone) {
  VelmPatchLayer layer = {0};
  gsize n = velm_backbone_n_layers(backbone);
  if (!velm_backbone_has_contrast(backbone))
    return layer;
  layer.channels = velm_backbone_layer_channels(backbone, n - 1);
  for (gsize i = 0; i + 1 < n; i++)
    layer.offset += (gsize)velm_backbone_layer_channels(backbone, i);
  return layer;
}

void velm_patch_layers_free(VelmPatchLayer *layers, gsize n) {
  for (gsize i = 0; layers && i < n; i++)
    velm_nearest_free(layers[i].nearest);
  g_free(layers);
}

float *velm_patch_layers_typical(const VelmPatchLayer *layers, gsize n) {
  float *typical = g_new(float, n);
  for (gsize i = 0; i < n; i++)
    typical[i] = layers[i].typical;
  return typical;
}

void velm_patch_rows_scale(float *rows, gsize n, gsize channels, const float *scale) {
  for (gsize i = 0; i < n; i++)
    for (gsize k = 0; k < channels; k++)
      rows[i * channels + k] *= scale[k];
}

float velm_patch_row_distance(const float *row, const float *entries, gsize n, gsize channels) {
  float least = INFINITY;
  for (gsize i = 0; i < n; i++) {
    const float *entry = entries + i * channels;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (gsize k = 0; k < channels; k++)
      sum += (row[k] - entry[k]) * (row[k] - entry[k]);
    least = MIN(least, sum);
  }
  return sqrtf(least);
}

static void copy_patch(const VelmPatchLayer *layer, const VelmFeatures *features, gsize patch,
                       float *to) {
  memcpy(to, features->values + patch * (gsize)features->channels + layer->offset,
         (gsize)layer->channels * sizeof(float));
}

void velm_patch_layer_take(const VelmPatchLayer *layer, const VelmFeatures *features,
                           const float *scale, gsize n_rows, float *rows) {
  gsize n = (gsize)features->rows * (gsize)features->columns;
  for (gsize i = 0; i < n_rows; i++)
    copy_patch(layer, features, i % n, rows + i * (gsize)layer->channels);
  if (scale)
    velm_patch_rows_scale(rows, n_rows, (gsize)layer->channels, scale);
}

void velm_patch_layer_sample(const VelmPatchLayer *layer, const VelmFeatures *features, int n_down,
                             int n_across, float *rows) {
  for (int y = 0; y < n_down; y++)
    for (int x = 0; x < n_across; x++) {
      int row = (2 * y + 1) * features->rows / (2 * n_down);
      int column = (2 * x + 1) * features->columns / (2 * n_across);
      copy_patch(layer, features, (gsize)(row * features->columns + column),
                 rows + (gsize)(y * n_across + x) * (gsize)layer->channels);
    }
}

void velm_patch_scores_store(VelmModel *model, const char *name, float *scores, gsize n) {
  qsort(scores, n, sizeof *scores, velm_compare_floats);
  velm_model_set_floats(model, name, scores, n);
}

char *velm_patch_layer_key(gsize layer, const char *what) {
  return g_strdup_printf("patchcore.%s.%" G_GSIZE_FORMAT, what, layer);
}
