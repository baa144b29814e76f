/* Not velm_plane_blur(): to set it up takes a hundred times as long as to smooth such an image. */
#include "evaluate/smoothing.h"

#include <math.h>

#define SIDE VELM_FOURIER_SIDE
#define SIZE VELM_FOURIER_SIZE

#define LEAST_WEIGHT 0.01 /* of the largest */

VelmSmoothing *velm_smoothing_new(double sigma) {
  VelmSmoothing *smoothing = g_new0(VelmSmoothing, 1);
  int radius = (int)(sigma * sqrt(-2 * log(LEAST_WEIGHT)));
  double sum = 0;
  for (int k = -radius; k <= radius; k++)
    sum += exp(-k * k / (2 * sigma * sigma));
  for (int y = 0; y < SIDE; y++)
    for (int k = -radius; k <= radius; k++)
      smoothing->weights[y * SIDE + CLAMP(y + k, 0, SIDE - 1)] +=
          (float)(exp(-k * k / (2 * sigma * sigma)) / sum);
  return smoothing;
}

/* Smooths down the columns, and transposes. */
static void smooth_columns(const VelmSmoothing *smoothing, const float *values, float *out) {
  for (int y = 0; y < SIDE; y++) {
    float row[SIDE] = {0};
    for (int k = 0; k < SIDE; k++) {
      const float weight = smoothing->weights[y * SIDE + k];
      if (weight <= 0)
        continue;
#pragma omp simd
      for (int x = 0; x < SIDE; x++)
        row[x] += weight * values[k * SIDE + x];
    }
    for (int x = 0; x < SIDE; x++)
      out[x * SIDE + y] = row[x];
  }
}

void velm_smoothing_apply(const VelmSmoothing *smoothing, const float *values, float *smooth) {
  float columns[SIZE];
  smooth_columns(smoothing, values, columns);
  smooth_columns(smoothing, columns, smooth);
}
