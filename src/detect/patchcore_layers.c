#include "detect/patchcore_layers.h"

#include "detect/quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the map's values, those that the score is the mean of, where nothing else was chosen. */
#define TOP_SHARE 0.004

/* Of the contrast in the map, where the bank's distances have 1: more would move the maximum from
 * small defects to wide fields. */
#define CONTRAST_WEIGHT 0.2f

/* The weight of the network beside the backbone in the score. */
#define BESIDE_WEIGHT 0.3

VelmPatchLayer *velm_patch_layers_new(const VelmBackbone *backbone, gsize *n) {
  *n = velm_backbone_n_layers(backbone) - (velm_backbone_has_contrast(backbone) ? 1 : 0);
  VelmPatchLayer *layers = g_new0(VelmPatchLayer, *n);
  gsize offset = 0;
  for (gsize i = 0; i < *n; i++) {
    layers[i].channels = velm_backbone_layer_channels(backbone, i);
    layers[i].offset = offset;
    layers[i].beside = velm_backbone_layer_is_beside(backbone, i);
    offset += (gsize)layers[i].channels;
  }
  /* Alone, its map is the map. */
  if (*n > 0 && velm_patch_layers_in_map(layers, *n, 0) == *n)
    for (gsize i = 0; i < *n; i++)
      layers[i].beside = FALSE;
  return layers;
}

gsize velm_patch_layers_in_map(const VelmPatchLayer *layers, gsize n, gsize index) {
  gsize alike = 0;
  for (gsize i = 0; i < n; i++)
    alike += layers[i].beside == layers[index].beside;
  return alike;
}

gboolean velm_patch_layers_beside(const VelmPatchLayer *layers, gsize n) {
  for (gsize i = 0; i < n; i++)
    if (layers[i].beside)
      return TRUE;
  return FALSE;
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

void velm_patch_layer_take(const VelmPatchLayer *layer, const VelmFeatures *features,
                           const float *scale, float *rows) {
  gsize n = (gsize)features->rows * (gsize)features->columns, channels = (gsize)layer->channels;
  for (gsize i = 0; i < n; i++)
    memcpy(rows + i * channels, features->values + i * (gsize)features->channels + layer->offset,
           channels * sizeof(float));
  if (scale)
    velm_patch_rows_scale(rows, n, channels, scale);
}

void velm_patch_map_add(float *map, const float *distances, gsize n, float typical,
                        gsize n_layers) {
  float scale = 1.0f / (typical * (float)n_layers);
  for (gsize i = 0; i < n; i++)
    map[i] += distances[i] * scale;
}

void velm_patch_map_add_contrast(float *map, const float *contrasts, gsize n) {
  for (gsize i = 0; i < n; i++)
    map[i] = (map[i] + CONTRAST_WEIGHT * contrasts[i]) / (1 + CONTRAST_WEIGHT);
}

double velm_patch_map_score(const VelmPlane *map, double top) {
  gsize n = (gsize)map->width * (gsize)map->height;
  gsize n_top = MAX(1, (gsize)lround((top > 0 ? top : TOP_SHARE) * (double)n));
  g_autofree float *sorted = g_memdup2(map->values, n * sizeof(float));
  qsort(sorted, n, sizeof(float), velm_compare_floats);
  double sum = 0;
  for (gsize i = n - n_top; i < n; i++)
    sum += (double)sorted[i];
  return sum / (double)n_top;
}

double velm_patch_maps_score(const VelmPlane *map, const VelmPlane *beside, double top) {
  double score = velm_patch_map_score(map, top);
  double other = beside ? velm_patch_map_score(beside, top) : score;
  return pow(score, 1 - BESIDE_WEIGHT) * pow(other, BESIDE_WEIGHT);
}

double velm_patch_map_median(const VelmPlane *map) {
  gsize n = (gsize)map->width * (gsize)map->height;
  g_autofree float *sorted = g_memdup2(map->values, n * sizeof(float));
  qsort(sorted, n, sizeof(float), velm_compare_floats);
  return (double)sorted[n / 2];
}

char *velm_patch_layer_key(gsize layer, const char *what) {
  return g_strdup_printf("patchcore.%s.%" G_GSIZE_FORMAT, what, layer);
}
