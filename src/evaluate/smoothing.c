/* Not velm_plane_blur(): to set it up takes a hundred times as long as to smooth such an image. */
#include "evaluate/smoothing.h"

#include <cblas.h>
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

void velm_smoothing_apply(const VelmSmoothing *smoothing, const float *values, float *smooth) {
  float columns[SIZE];
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, SIDE, SIDE, SIDE, 1, smoothing->weights,
              SIDE, values, SIDE, 0, columns, SIDE);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, SIDE, SIDE, SIDE, 1, columns, SIDE,
              smoothing->weights, SIDE, 0, smooth, SIDE);
}
