/* What a denoiser that knows good images alone makes of an image (arXiv 2305.15956, conditioned
 * denoising). */
#pragma once

#include "detect/denoiser.h"
#include "detect/diffusion.h"
#include "detect/normal_noise.h"

/**
 * VelmReconstruction: how.
 * @start: steps of noise that are added first; the more, the more of the image is made anew
 * @n_steps: in how many steps they are taken away, 1 to @start
 * @guidance, @eta: as in VelmReverseStep
 */
typedef struct {
  int start, n_steps;
  double guidance, eta;
} VelmReconstruction;

/**
 * Reconstructs a batch of images.
 * @targets: as many as @denoiser takes at a time, N x 3 x height x width in -1 to 1
 * @noise: asked once a call for the noise that is added first, and where eta is over 0 once a step,
 * but for the last
 * @images: (out): of the same shape
 * Returns: FALSE with VELM_ERROR_ENGINE
 */
gboolean velm_ddad_reconstruct(VelmDenoiser *denoiser, const VelmDiffusion *diffusion,
                               const VelmReconstruction *how, const float *targets,
                               VelmNoiseSource noise, gpointer noise_data, float *images,
                               GError **error);
