/*
 * The diffusion of DDAD (arXiv 2305.15956): noise is added to an image step by step, and taken away
 * again while the image is held to a target.
 *
 * Steps count from 0; "step -1" is the clean image. Images are arrays of floats in -1 to 1, of any
 * shape.
 */
#pragma once

#include <glib.h>

/* More steps than any published schedule has. */
#define VELM_DIFFUSION_MAX_STEPS 10000

/**
 * VelmNoiseSchedule: the variance of the noise that each step adds, rising linearly.
 * @n_steps: 1 to VELM_DIFFUSION_MAX_STEPS
 * @first, @last: of the first and the last step, over 0 and under 1
 */
typedef struct {
  int n_steps;
  double first, last;
} VelmNoiseSchedule;

typedef struct _VelmDiffusion VelmDiffusion;

VelmDiffusion *velm_diffusion_new(const VelmNoiseSchedule *schedule);
void velm_diffusion_free(VelmDiffusion *diffusion);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDiffusion, velm_diffusion_free)

/** The share of the image's variance that is left after @step, the paper's alpha bar: 1 after
 * step -1. */
double velm_diffusion_kept(const VelmDiffusion *diffusion, int step);

/** The image after @step of noising, n values, sqrt(abar) x0 + sqrt(1 - abar) e: @image and @noise
 * to @noisy, which may be either. */
void velm_diffusion_add_noise(const VelmDiffusion *diffusion, int step, const float *image,
                              const float *noise, gsize n, float *noisy);

/** Which steps are taken back: @count of them, evenly from @start - 1 down, and then -1. Returns:
 * (transfer full): @count + 1 numbers. */
int *velm_diffusion_path(int start, int count);

/**
 * VelmReverseStep: from the image after step @from to that after step @to, which is earlier.
 * @guidance: how strongly the image is held to its target, the paper's w; 0 not at all
 * @eta: share of fresh noise, 0 (none: DDIM) to 1 (DDPM)
 */
typedef struct {
  int from, to;
  double guidance, eta;
} VelmReverseStep;

/** Standard deviation of the fresh noise that @step adds, the paper's sigma. */
double velm_diffusion_fresh_noise(const VelmDiffusion *diffusion, const VelmReverseStep *step);

/**
 * Takes one step back (the paper's conditioned denoising), on n values:
 * the target is noised by the predicted noise, y_t = sqrt(abar) y + sqrt(1 - abar) e; the
 * prediction is corrected towards it, e' = e - w sqrt(1 - abar) (y_t - x_t); and x_t becomes
 * sqrt(abar') x0 + sqrt(1 - abar' - sigma^2) e' + sigma z with x0 = (x_t - sqrt(1 - abar) e') /
 * sqrt(abar).
 * @predicted: the noise that the denoiser sees in @image, e
 * @target: y
 * @noise: z; NULL where the fresh noise is 0
 * @image: (inout): x_t
 */
void velm_diffusion_step_back(const VelmDiffusion *diffusion, const VelmReverseStep *step,
                              const float *predicted, const float *target, const float *noise,
                              float *image, gsize n);
