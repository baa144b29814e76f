/*
 * What sets one part apart from the others of its product: the fine texture of its surface (tool
 * marks, scratches, grain), without light and without what the parts of the product have in
 * common.
 *
 * What they have in common is more than a mean image: a part that lies a little differently moves
 * all its edges. So the principal directions of the whole set are looked at, and those in which
 * many images differ are taken away; one in which a few images alone differ is what is looked for.
 * What is left is held against how much images differ at that place, so that an edge, which is
 * never quite in its place, does not count for more than the surface.
 */
#pragma once

#include "dataset/dataset.h"
#include "evaluate/fourier.h"
#include "evaluate/smoothing.h"

/* Side of the square that images are reduced to before they are turned. */
#define VELM_TEXTURE_SOURCE_SIDE (2 * VELM_FOURIER_SIDE)

/**
 * One image.
 * @readable: FALSE where it cannot be decoded; nothing else is then set
 * @plain: there is too little in it to tell a part by; it has no spectrum
 * @source: grey, VELM_TEXTURE_SOURCE_SIDE squared
 * @mean, @deviation: of the grey levels of @levels
 * @levels: grey, less the mean; VELM_FOURIER_SIZE floats
 * @spectrum: of the texture, all frequencies of about one strength; its mean is 0
 */
typedef struct {
  gboolean readable, plain;
  int width, height; /* as stored */
  double mean, deviation;
  guint8 *source;
  float *levels;
  VelmSpectrum *spectrum;
} VelmTexture;

typedef struct {
  gsize n;
  VelmTexture *items; /* one a sample, in their order */
  VelmFourier fourier;
  VelmSmoothing *light, *even; /* what is light; over which the texture's strength is made even */
  GPtrArray *shared;           /* of float *: directions in which many images differ, orthonormal */
  float *spread;               /* how much images differ beyond these, at each place */
  double reference;            /* the usual strength of what an image has of its own */
} VelmTextures;

/**
 * Reads the textures of @samples. An image that cannot be decoded is passed over.
 * @samples: of VelmSample
 * @progress: may be NULL; its stage is "reading images"
 * Returns: (transfer full): NULL with VELM_ERROR_CANCELLED, or VELM_ERROR_IMAGE where memory is
 * short
 */
VelmTextures *velm_textures_read(const GPtrArray *samples, VelmProgress progress,
                                 gpointer progress_data, GError **error);

/**
 * The texture of image @index as it would be, were the part turned about the centre of the image
 * and nearer.
 * @degrees: counterclockwise on the screen
 * @scale: over 1 for larger
 * @spectrum: (out caller-allocates)
 */
void velm_textures_turn(const VelmTextures *textures, gsize index, double degrees, double scale,
                        VelmSpectrum *spectrum);

void velm_textures_free(VelmTextures *textures);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmTextures, velm_textures_free)
