#include "detect/patchcore_maps.h"

#include "detect/quantile.h"

#include <math.h>
#include <stdlib.h>

/* Of the map's values, those that the score is the mean of, where nothing else was chosen. */
#define TOP_SHARE 0.004

/* Of the contrast in the map, where the bank's distances have 1: more would move the maximum from
 * small defects to wide fields. */
#define CONTRAST_WEIGHT 0.2f

/* The weight of the network beside the backbone in the score. */
#define BESIDE_WEIGHT 0.2

/* Two networks' maps together: each blurred by this share of a square's side, and their product
 * times this factor; a value at the map's median is multiplied by it to this power. */
#define WIDE_BLUR (5.0 / 32)
#define WIDE_FACTOR 0.55f
#define WIDE_POWER 1.5f

void velm_patch_maps_clear(VelmPatchMaps *maps) {
  for (gsize i = 0; i < VELM_N_LOOKS; i++)
    g_clear_pointer(&maps->sums[i], g_free);
}

void velm_patch_maps_add(VelmPatchMaps *maps, const VelmPatchLayer *layer, const float *distances) {
  gsize n = maps->n_images * maps->n_patches;
  float scale = 1.0f / layer->typical;
  if (!maps->sums[layer->look])
    maps->sums[layer->look] = g_new0(float, n);
  for (gsize i = 0; i < n; i++)
    maps->sums[layer->look][i] += distances[i] * scale;
  maps->n_layers[layer->look]++;
}

/* The mean over the layers of two looks, which may be one; NULL where they have none. */
static VelmPlane *mean_map(const VelmPatchMaps *maps, gsize index, int rows, int columns,
                           VelmLook a, VelmLook b) {
  gsize n = (gsize)rows * (gsize)columns;
  guint n_layers = maps->n_layers[a] + (a == b ? 0 : maps->n_layers[b]);
  if (n_layers == 0)
    return NULL;
  VelmPlane *map = velm_plane_new(columns, rows);
  const VelmLook looks[] = {a, b};
  for (gsize k = 0; k < (a == b ? 1 : 2); k++) {
    const float *sums =
        maps->sums[looks[k]] ? maps->sums[looks[k]] + index * maps->n_patches : NULL;
    for (gsize i = 0; sums && i < n; i++)
      map->values[i] += sums[i] / (float)n_layers;
  }
  return map;
}

gboolean velm_patch_maps_get(const VelmPatchMaps *maps, gsize index, int rows, int columns,
                             gboolean early, VelmPlane **map, VelmPlane **beside, GError **error) {
  VelmLook last = early ? VELM_LOOK_HALF : VELM_LOOK_FULL;
  g_autoptr(VelmPlane) own = mean_map(maps, index, rows, columns, VELM_LOOK_HALF, last);
  g_autoptr(VelmPlane) other =
      mean_map(maps, index, rows, columns, VELM_LOOK_BESIDE, VELM_LOOK_BESIDE);
  *map = *beside = NULL;
  if (!own)
    own = g_steal_pointer(&other);
  *map = velm_plane_blur(own, VELM_PATCHCORE_BLUR, error);
  if (*map && other && !(*beside = velm_plane_blur(other, VELM_PATCHCORE_BLUR, error)))
    g_clear_pointer(map, velm_plane_free);
  return *map != NULL;
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

gboolean velm_patch_map_widen(VelmPlane *map, const VelmPlane *beside, GError **error) {
  gsize n = (gsize)map->width * (gsize)map->height;
  double blur = WIDE_BLUR * sqrt((double)n);
  g_autoptr(VelmPlane) wide = velm_plane_blur(map, blur, error);
  g_autoptr(VelmPlane) other = wide ? velm_plane_blur(beside, blur, error) : NULL;
  if (!other)
    return FALSE;
  float middle = (float)velm_patch_map_median(map), peak = middle;
  for (gsize i = 0; i < n; i++)
    peak = MAX(peak, map->values[i]);
  for (gsize i = 0; peak > middle && i < n; i++) {
    float height = MAX(0.0f, (map->values[i] - middle) / (peak - middle));
    float surroundings = WIDE_FACTOR * wide->values[i] * other->values[i];
    float most = MAX(map->values[i], middle);
    map->values[i] = MIN(most, map->values[i] * powf(surroundings, WIDE_POWER * (1 - height)));
  }
  return TRUE;
}

double velm_patch_map_median(const VelmPlane *map) {
  gsize n = (gsize)map->width * (gsize)map->height;
  g_autofree float *sorted = g_memdup2(map->values, n * sizeof(float));
  qsort(sorted, n, sizeof(float), velm_compare_floats);
  return (double)sorted[n / 2];
}
