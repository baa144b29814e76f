/*
 * A denoiser: a network that was trained to see the noise in a noisy image (arXiv 2305.15956), as
 * an ONNX or OpenVINO IR file. Its inputs are noisy images, N x 3 x height x width, and their
 * steps, N; its output is the noise, N x 3 x height x width.
 */
#pragma once

#include "velm.h"

typedef struct _VelmDenoiser VelmDenoiser;

/** Opens the network at @path for @batch images of @width x @height at a time. @streams: as in
 * VelmNetParams. */
VelmDenoiser *velm_denoiser_open(const char *path, int width, int height, int batch, guint streams,
                                 GError **error);

/** The same network once more, for another thread. Returns: (transfer full). */
VelmDenoiser *velm_denoiser_share(VelmDenoiser *denoiser, GError **error);

/** Values of a whole batch: N x 3 x height x width. */
gsize velm_denoiser_n_values(const VelmDenoiser *denoiser);

/** The noise in a whole batch of @images after @step. Returns: (borrowed) until the next. */
const float *velm_denoiser_predict(VelmDenoiser *denoiser, const float *images, int step,
                                   GError **error);

void velm_denoiser_free(VelmDenoiser *denoiser);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDenoiser, velm_denoiser_free)
