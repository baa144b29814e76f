#include "evaluate/fourier.h"

#include <math.h>

#define SIDE VELM_FOURIER_SIDE

/* The inner loops are worth the processor's widest vectors; which they are is found out at run
 * time. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE_VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE_VECTORS
#endif

VelmFourier velm_fourier_new(void) {
  VelmFourier fourier;
  for (int k = 0; k < SIDE / 2; k++) {
    fourier.cosine[k] = (float)cos(2 * G_PI * k / SIDE);
    fourier.sine[k] = (float)-sin(2 * G_PI * k / SIDE);
  }
  return fourier;
}

static void swap_rows(float *values, int a, int b) {
  for (int x = 0; x < SIDE; x++) {
    float kept = values[a * SIDE + x];
    values[a * SIDE + x] = values[b * SIDE + x];
    values[b * SIDE + x] = kept;
  }
}

/* Row r goes where the bits of r, read backwards, say. */
static void reverse_bits(float *re, float *im) {
  for (int r = 0, reversed = 0; r < SIDE; r++) {
    if (r < reversed) {
      swap_rows(re, r, reversed);
      swap_rows(im, r, reversed);
    }
    int bit = SIDE / 2;
    for (; reversed & bit; bit /= 2)
      reversed ^= bit;
    reversed |= bit;
  }
}

/* Transforms all columns at once (Cooley and Tukey, radix 2): a step works on whole rows. */
WIDE_VECTORS
static void transform_columns(const VelmFourier *fourier, float *restrict re, float *restrict im) {
  for (int half = 1; half < SIDE; half *= 2) {
    for (int start = 0; start < SIDE; start += 2 * half) {
      for (int k = 0; k < half; k++) {
        const float c = fourier->cosine[k * (SIDE / 2 / half)];
        const float s = fourier->sine[k * (SIDE / 2 / half)];
        float *re_a = re + (start + k) * SIDE, *re_b = re_a + half * SIDE;
        float *im_a = im + (start + k) * SIDE, *im_b = im_a + half * SIDE;
#pragma omp simd
        for (int x = 0; x < SIDE; x++) {
          float real = c * re_b[x] - s * im_b[x], imaginary = s * re_b[x] + c * im_b[x];
          re_b[x] = re_a[x] - real;
          im_b[x] = im_a[x] - imaginary;
          re_a[x] += real;
          im_a[x] += imaginary;
        }
      }
    }
  }
}

static void transpose(float *values) {
  for (int y = 0; y < SIDE; y++) {
    for (int x = 0; x < y; x++) {
      float kept = values[y * SIDE + x];
      values[y * SIDE + x] = values[x * SIDE + y];
      values[x * SIDE + y] = kept;
    }
  }
}

void velm_fourier_transform(const VelmFourier *fourier, float *re, float *im) {
  reverse_bits(re, im);
  transform_columns(fourier, re, im);
  transpose(re);
  transpose(im);
  reverse_bits(re, im);
  transform_columns(fourier, re, im);
}
