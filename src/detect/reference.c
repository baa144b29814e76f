#include "detect/reference.h"

#include "detect/tolerant_difference.h"

#include <math.h>

/* The reference's patches within this many patches of the same place are compared. */
#define WINDOW 1

/* Weight of the grey difference (0 to 1) beside the features' (1 is typical). */
#define GREY_WEIGHT 3.0f

/* ---- features ---- */

static float distance(const float *a, const float *b, gsize n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (gsize k = 0; k < n; k++)
    sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sqrtf(sum);
}

static float nearest_in_window(const VelmFeatures *features, const VelmFeatures *reference, int row,
                               int column, gsize offset, gsize channels) {
  const float *a =
      features->values +
      ((gsize)row * (gsize)features->columns + (gsize)column) * (gsize)features->channels + offset;
  float least = INFINITY;
  for (int y = MAX(0, row - WINDOW); y <= MIN(features->rows - 1, row + WINDOW); y++)
    for (int x = MAX(0, column - WINDOW); x <= MIN(features->columns - 1, column + WINDOW); x++) {
      const float *b =
          reference->values +
          ((gsize)y * (gsize)reference->columns + (gsize)x) * (gsize)reference->channels + offset;
      least = MIN(least, distance(a, b, channels));
    }
  return least;
}

/* The layer for the contrast within an image is none to compare two by. */
static gsize n_compared(const VelmBackbone *backbone) {
  return velm_backbone_n_layers(backbone) - (velm_backbone_has_contrast(backbone) ? 1 : 0);
}

/* Against a reference small differences count: coarse layers, which would blur them, are left out
 * where there are others. */
static gsize n_sharp_layers(const VelmBackbone *backbone) {
  gsize n = 0;
  for (gsize i = 0; i < n_compared(backbone); i++)
    n += velm_backbone_layer_is_coarse(backbone, i) ? 0 : 1;
  return n;
}

static void add_features(const VelmBackbone *backbone, const float *typical,
                         const VelmFeatures *features, const VelmFeatures *reference,
                         VelmPlane *map) {
  gsize offset = 0, n_layers = n_compared(backbone);
  gsize n_used = n_sharp_layers(backbone);
  gboolean all = n_used == 0;
  for (gsize i = 0; i < n_layers; i++) {
    gsize channels = (gsize)velm_backbone_layer_channels(backbone, i);
    float scale = 1.0f / (typical[i] * (float)(all ? n_layers : n_used));
    if (!all && velm_backbone_layer_is_coarse(backbone, i)) {
      offset += channels;
      continue;
    }
#pragma omp parallel for schedule(static)
    for (int y = 0; y < features->rows; y++)
      for (int x = 0; x < features->columns; x++)
        map->values[y * map->width + x] +=
            scale * nearest_in_window(features, reference, y, x, offset, channels);
    offset += channels;
  }
}

/* ---- grey values ---- */

/* Mean of the pixels of each cell of the grid. */
static VelmPlane *cell_means(const VelmPlane *plane, int columns, int rows, GError **error) {
  if (plane->width < columns || plane->height < rows)
    return velm_plane_resize(plane, columns, rows, error);
  VelmPlane *means = velm_plane_new(columns, rows);
  g_autofree guint *counts = g_new0(guint, (gsize)columns * (gsize)rows);
  for (int y = 0; y < plane->height; y++)
    for (int x = 0; x < plane->width; x++) {
      gsize cell = (gsize)((gint64)y * rows / plane->height) * (gsize)columns +
                   (gsize)((gint64)x * columns / plane->width);
      means->values[cell] += plane->values[(gsize)y * (gsize)plane->width + (gsize)x];
      counts[cell]++;
    }
  for (gsize i = 0; i < (gsize)columns * (gsize)rows; i++)
    means->values[i] /= (float)MAX(1, counts[i]);
  return means;
}

static gboolean add_grey(const VelmImage *image, const VelmImage *reference, VelmPlane *map,
                         GError **error) {
  g_autoptr(VelmImage) fitted = velm_image_resize(reference, image->width, image->height, error);
  if (!fitted)
    return FALSE;
  g_autoptr(VelmPlane) a = velm_image_grey(image);
  g_autoptr(VelmPlane) b = velm_image_grey(fitted);
  g_autoptr(VelmPlane) difference = velm_tolerant_difference(a, b, error);
  g_autoptr(VelmPlane) cells =
      difference ? cell_means(difference, map->width, map->height, error) : NULL;
  if (!cells)
    return FALSE;
  for (gsize i = 0; i < (gsize)map->width * (gsize)map->height; i++)
    map->values[i] += GREY_WEIGHT * cells->values[i] / 255.0f;
  return TRUE;
}

VelmPlane *velm_reference_map(const VelmBackbone *backbone, const float *typical,
                              const VelmFeatures *features, const VelmFeatures *reference_features,
                              const VelmImage *image, const VelmImage *reference, GError **error) {
  g_autoptr(VelmPlane) map = velm_plane_new(features->columns, features->rows);
  add_features(backbone, typical, features, reference_features, map);
  return add_grey(image, reference, map, error) ? g_steal_pointer(&map) : NULL;
}

double velm_reference_score(const VelmPlane *map) {
  double top = 0;
  for (gsize i = 0; i < (gsize)map->width * (gsize)map->height; i++)
    top = MAX(top, (double)map->values[i]);
  return top;
}

/* ---- a made-up second shot ---- */

VelmImage *velm_reference_disturb(const VelmImage *image, guint32 seed) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  int dx = g_rand_int_range(random, -2, 3), dy = g_rand_int_range(random, -2, 3);
  double gain = g_rand_double_range(random, 0.95, 1.05);
  VelmImage *copy = velm_image_new(image->width, image->height);
  for (int y = 0; y < copy->height; y++)
    for (int x = 0; x < copy->width; x++) {
      gsize to = 3 * ((gsize)y * (gsize)copy->width + (gsize)x);
      gsize from = 3 * ((gsize)CLAMP(y + dy, 0, image->height - 1) * (gsize)image->width +
                        (gsize)CLAMP(x + dx, 0, image->width - 1));
      double noise = g_rand_double_range(random, -3, 3);
      for (gsize c = 0; c < 3; c++)
        copy->pixels[to + c] =
            (guint8)CLAMP(lround(gain * image->pixels[from + c] + noise), 0, 255);
    }
  return copy;
}
