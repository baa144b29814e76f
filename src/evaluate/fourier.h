/* The discrete Fourier transform of small square images. */
#pragma once

#include <glib.h>

#define VELM_FOURIER_SIDE 64
#define VELM_FOURIER_SIZE (VELM_FOURIER_SIDE * VELM_FOURIER_SIDE)

/* The factors of the transform. */
typedef struct {
  float cosine[VELM_FOURIER_SIDE / 2], sine[VELM_FOURIER_SIDE / 2];
} VelmFourier;

/* A complex image or its transform. */
typedef struct {
  float re[VELM_FOURIER_SIZE], im[VELM_FOURIER_SIZE];
} VelmSpectrum;

VelmFourier velm_fourier_new(void);

/**
 * Transforms in place, by powers of exp(-2 pi i / 64), not scaled, and transposes rows and columns.
 * With @re and @im exchanged it is the inverse times 4096, and transposes back.
 * @re, @im: VELM_FOURIER_SIZE floats each
 */
void velm_fourier_transform(const VelmFourier *fourier, float *re, float *im);
