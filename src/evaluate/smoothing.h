/* Gaussian smoothing of small square images, many of them with the same Gaussian. */
#pragma once

#include "evaluate/fourier.h"

/* Row y of the result is the mean of all rows of the image, each with its weight: edges repeated,
 * weights under a hundredth of the largest left out. */
typedef struct {
  float weights[VELM_FOURIER_SIZE];
} VelmSmoothing;

/** @sigma: the standard deviation in pixels, over 0. Returns: (transfer full): by g_free(). */
VelmSmoothing *velm_smoothing_new(double sigma);

/**
 * @values: VELM_FOURIER_SIZE floats
 * @smooth: (out caller-allocates): as many
 */
void velm_smoothing_apply(const VelmSmoothing *smoothing, const float *values, float *smooth);
