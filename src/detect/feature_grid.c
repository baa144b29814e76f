#include "detect/feature_grid.h"

#include <string.h>

gboolean velm_feature_grid_of(const VelmTensor *tensor, VelmFeatureGrid *grid) {
  if (tensor->rank == 4) {
    grid->rows = (int)tensor->dims[2];
    grid->columns = (int)tensor->dims[3];
    grid->channels = (int)tensor->dims[1];
    return TRUE;
  }
  if (tensor->rank != 3 || tensor->dims[1] < 1)
    return FALSE;
  /* Images are square: the patches are the largest square number of tokens, and come last. */
  gint64 side = 1, tokens = tensor->dims[1];
  while ((side + 1) * (side + 1) <= tokens)
    side++;
  grid->rows = grid->columns = (int)side;
  grid->channels = (int)tensor->dims[2];
  grid->tokens = TRUE;
  grid->skip = (gsize)(tokens - side * side);
  return TRUE;
}

/* The layer's features, cell by cell. */
static float *read_cells(const VelmFeatureGrid *grid, const float *data) {
  gsize cells = (gsize)grid->rows * (gsize)grid->columns, channels = (gsize)grid->channels;
  float *values = g_new(float, cells *channels);
  if (grid->tokens) {
    memcpy(values, data + grid->skip * channels, cells * channels * sizeof(float));
    return values;
  }
  for (gsize c = 0; c < channels; c++)
    for (gsize i = 0; i < cells; i++)
      values[i * channels + c] = data[c * cells + i];
  return values;
}

/* Replaces each of @n vectors, @stride apart, by the mean over those up to @half before and after
 * it, as far as there are. */
static void pool_line(float *values, gsize n, gsize stride, gsize channels, gsize half,
                      float *scratch) {
  for (gsize i = 0; i < n; i++)
    memcpy(scratch + i * channels, values + i * stride, channels * sizeof(float));
  for (gsize i = 0; i < n; i++) {
    gsize first = i > half ? i - half : 0, last = MIN(n - 1, i + half);
    float *to = values + i * stride, weight = 1.0f / (float)(last - first + 1);
    memset(to, 0, channels * sizeof(float));
    for (gsize k = first; k <= last; k++)
      for (gsize c = 0; c < channels; c++)
        to[c] += weight * scratch[k * channels + c];
  }
}

/* Mean over squares of cells: rows first, then columns. */
static void pool_cells(const VelmFeatureGrid *grid, int pool, float *values) {
  gsize rows = (gsize)grid->rows, columns = (gsize)grid->columns;
  gsize channels = (gsize)grid->channels, half = (gsize)pool / 2;
  if (half == 0)
    return;
  g_autofree float *scratch = g_new(float, MAX(rows, columns) * channels);
  for (gsize y = 0; y < rows; y++)
    pool_line(values + y * columns * channels, columns, channels, channels, half, scratch);
  for (gsize x = 0; x < columns; x++)
    pool_line(values + x * channels, rows, columns * channels, channels, half, scratch);
}

/* The two cells about the centre of cell @i of @n in a grid of @m, and the weight of the second. */
static void interpolate(int i, int n, int m, int *first, int *second, float *weight) {
  float at = ((float)i + 0.5f) * (float)m / (float)n - 0.5f;
  at = CLAMP(at, 0.0f, (float)(m - 1));
  *first = (int)at;
  *second = MIN(*first + 1, m - 1);
  *weight = at - (float)*first;
}

/* One cell of @out, between four cells of @values. */
static void interpolate_cell(const VelmFeatureGrid *grid, const float *values, int row, int column,
                             const VelmFeatures *out, float *to) {
  int y0, y1, x0, x1;
  float wy, wx;
  gsize columns = (gsize)grid->columns, channels = (gsize)grid->channels;
  interpolate(row, out->rows, grid->rows, &y0, &y1, &wy);
  interpolate(column, out->columns, grid->columns, &x0, &x1, &wx);
  const float *a = values + ((gsize)y0 * columns + (gsize)x0) * channels;
  const float *b = values + ((gsize)y0 * columns + (gsize)x1) * channels;
  const float *c = values + ((gsize)y1 * columns + (gsize)x0) * channels;
  const float *d = values + ((gsize)y1 * columns + (gsize)x1) * channels;
  for (gsize k = 0; k < channels; k++)
    to[k] = (1 - wy) * ((1 - wx) * a[k] + wx * b[k]) + wy * ((1 - wx) * c[k] + wx * d[k]);
}

void velm_feature_grid_write(const VelmFeatureGrid *grid, const float *data, int pool, gsize offset,
                             VelmFeatures *out) {
  gboolean same = grid->rows == out->rows && grid->columns == out->columns;
  gsize channels = (gsize)grid->channels;
  g_autofree float *values = read_cells(grid, data);
  pool_cells(grid, pool, values);
  for (int y = 0; y < out->rows; y++)
    for (int x = 0; x < out->columns; x++) {
      gsize cell = (gsize)y * (gsize)out->columns + (gsize)x;
      float *to = out->values + cell * (gsize)out->channels + offset;
      if (same)
        memcpy(to, values + cell * channels, channels * sizeof(float));
      else
        interpolate_cell(grid, values, y, x, out, to);
    }
}
