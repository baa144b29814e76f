/* DDAD's look at images: what the denoiser makes of them, and how far that is from them. It makes
 * them anew several times from noise of its own each, for where one errs by chance the others do
 * not. */
#pragma once

#include "detect/ddad_spec.h"

typedef struct _VelmDdadLook VelmDdadLook;

/** Opens the networks of @spec, which is borrowed, for @batch images at a time. @streams: how
 * many looks there are to be at the same time (velm_ddad_look_share()); 0 for one alone. */
VelmDdadLook *velm_ddad_look_open(const VelmDdadSpec *spec, int batch, guint streams,
                                  GError **error);
/** The same networks once more, for another thread. Returns: (transfer full). */
VelmDdadLook *velm_ddad_look_share(VelmDdadLook *look, GError **error);

/**
 * VelmDdadDistances: how far an image's reconstructions are from it in the mean, at the denoiser's
 * size.
 * @pixels, @features: (transfer full)
 */
typedef struct {
  VelmPlane *pixels, *features;
} VelmDdadDistances;

void velm_ddad_distances_clear(VelmDdadDistances *distances);

/** Reconstructs a batch of images. @images: as many as the look takes at a time. @distances: (out):
 * as many. Returns: FALSE with VELM_ERROR_ENGINE or VELM_ERROR_IMAGE. */
gboolean velm_ddad_look_run(VelmDdadLook *look, const VelmImage *const *images,
                            VelmDdadDistances *distances, GError **error);

/**
 * The anomaly map: D_f + v balance D_p, smoothed.
 * @balance: the largest distance of the features over that of the pixels, among good images. The
 * paper takes both from the images at hand; velm keeps it in the model, lest an image's score
 * depend on what it is seen with.
 * Returns: (transfer full)
 */
VelmPlane *velm_ddad_map(const VelmDdadSpec *spec, const VelmDdadDistances *distances,
                         double balance, GError **error);

/* A balance over this would make numbers that floats cannot hold. */
#define VELM_DDAD_MAX_BALANCE 1e9

/** Milliseconds an image that one more step takes in all its samples, and those of all but the
 * steps; measured. */
gboolean velm_ddad_look_time(VelmDdadLook *look, double *step_ms, double *rest_ms, GError **error);

void velm_ddad_look_free(VelmDdadLook *look);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDdadLook, velm_ddad_look_free)
