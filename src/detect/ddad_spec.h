/*
 * How DDAD looks at a product: the denoiser, the features and every parameter (arXiv 2305.15956).
 *
 * Beside a denoiser NAME.onnx (or NAME.xml) lies NAME.json, which tools/ddad writes with it; what
 * it says, what the user says in place of it and the files' SHA-256 go into the model.
 */
#pragma once

#include "detect/backbone.h"
#include "detect/ddad_reconstruct.h"

/* More reconstructions of an image tell no more. */
#define VELM_DDAD_MAX_SAMPLES 64

/**
 * VelmDdadSpec:
 * @denoiser: its ONNX or OpenVINO IR file
 * @width, @height: of the images that it takes, in pixels
 * @schedule: of the noise that it was trained with
 * @how: the reconstruction
 * @n_samples: how many reconstructions are made of an image; 1 to VELM_DDAD_MAX_SAMPLES
 * @pixel_weight: of the distance of the pixels beside that of the features, the paper's v
 * @smoothing: standard deviation of the map's Gaussian blur, in pixels of the denoiser's images
 * @seed: of the noise, which is the same for every image, so that none depends on those before it;
 * each of its reconstructions has the next
 * @features: the layers whose features are compared
 * @held_back: paths of images that the denoiser was not trained on, relative to the folder with
 * train; NULL-terminated, may be empty
 */
typedef struct {
  char *denoiser;
  int width, height;
  VelmNoiseSchedule schedule;
  VelmReconstruction how;
  int n_samples;
  double pixel_weight, smoothing;
  guint32 seed;
  VelmBackboneSpec *features;
  char **held_back;
} VelmDdadSpec;

void velm_ddad_spec_free(VelmDdadSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDdadSpec, velm_ddad_spec_free)

/**
 * Reads the denoiser's JSON and what @params say in place of it.
 * Returns: (transfer full): NULL with VELM_ERROR_FILE naming the file and what in it is wrong, or
 * VELM_ERROR_USAGE
 */
VelmDdadSpec *velm_ddad_spec_read(const VelmFitParams *params, GError **error);

/** Whether every number of @spec is in its range; else an error of @code, which names the first
 * that is not after @name. */
gboolean velm_ddad_spec_check(const VelmDdadSpec *spec, VelmError code, const char *name,
                              GError **error);

/** Writes @spec but for the images held back to @model, under "ddad." and "backbone.". */
gboolean velm_ddad_spec_store(const VelmDdadSpec *spec, VelmModel *model, GError **error);

/**
 * Reads back what velm_ddad_spec_store() wrote.
 * Returns: (transfer full): NULL with VELM_ERROR_FILE where a network is gone, with
 * VELM_ERROR_MODEL where it is another one now or a value is out of its range
 */
VelmDdadSpec *velm_ddad_spec_restore(VelmModel *model, GError **error);
