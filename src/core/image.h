/*
 * Pixels: colour images, masks and float maps, on libvips.
 *
 * A VelmImage is 8-bit sRGB, three bytes a pixel, rows from the top without padding. A VelmPlane is
 * one float a pixel (a score map, a grey image). A VelmMask is one byte a pixel, 0 or 255. All
 * three own their pixels.
 */
#pragma once

#include "velm.h"

typedef struct {
  int width, height;
  guint8 *pixels; /* height * width * 3 */
} VelmImage;

typedef struct {
  int width, height;
  float *values; /* height * width */
} VelmPlane;

typedef struct {
  int width, height;
  guint8 *values; /* height * width, 0 or 255 */
} VelmMask;

/* An image with more pixels is refused before it is decoded, unless the caller allows more. */
#define VELM_IMAGE_MAX_PIXELS (G_GINT64_CONSTANT(64) * 1000 * 1000)

/**
 * Decodes an image file of any format, depth and colour space to 8-bit sRGB: turned as its EXIF tag
 * says, transparency over black, 16 bits scaled. A truncated or damaged file is an error, never a
 * half image.
 * @max_pixels: refuses a larger one before decoding; 0 for VELM_IMAGE_MAX_PIXELS
 */
VelmImage *velm_image_load(const char *path, gint64 max_pixels, GError **error);
/** Decodes the bytes of an image file likewise. @name: what messages call it. */
VelmImage *velm_image_parse(GBytes *bytes, const char *name, GError **error);
/** Whether @bytes begin as an image of a format that can be read does. */
gboolean velm_image_is_known(GBytes *bytes);
VelmImage *velm_image_new(int width, int height); /* black */
VelmImage *velm_image_copy(const VelmImage *image);
void velm_image_free(VelmImage *image);

/** Resizes to exactly @width x @height (bilinear, antialiased when it shrinks). */
VelmImage *velm_image_resize(const VelmImage *image, int width, int height, GError **error);

/** The part of @image in the box, which is clipped to the image first. */
VelmImage *velm_image_crop(const VelmImage *image, int x, int y, int width, int height);

/** PNG or JPEG bytes of @image. Returns: (transfer full). */
GBytes *velm_image_to_png(const VelmImage *image, GError **error);
GBytes *velm_image_to_jpeg(const VelmImage *image, int quality, GError **error);

/** PNG bytes, made in little time rather than small, of 8-bit pixels without padding, @bands (1:
 * grey, 3: sRGB) bytes each. Returns: (transfer full). */
GBytes *velm_pixels_to_png(const guint8 *pixels, int width, int height, int bands, GError **error);

/** Luminance, 0 to 255 (Rec. 601 weights). */
VelmPlane *velm_image_grey(const VelmImage *image);

/**
 * Reads a score map: an image of one channel (TIFF of floats, 8 or 16-bit PNG, PFM, ...), its
 * numbers as they are.
 * @max_pixels: as for velm_image_load()
 */
VelmPlane *velm_plane_load(const char *path, gint64 max_pixels, GError **error);
VelmPlane *velm_plane_new(int width, int height); /* zeros */
VelmPlane *velm_plane_copy(const VelmPlane *plane);
void velm_plane_free(VelmPlane *plane);
/** The largest value; NaN where one is none. */
double velm_plane_largest(const VelmPlane *plane);
/** Resizes bilinearly, pixel centres aligned. */
VelmPlane *velm_plane_resize(const VelmPlane *plane, int width, int height, GError **error);
/** Gaussian blur with standard deviation @sigma in pixels, edges repeated; a copy where @sigma is
 * 0. */
VelmPlane *velm_plane_blur(const VelmPlane *plane, double sigma, GError **error);

/**
 * Phase correlation of two planes of the same size: its largest value is at the shift by which @b
 * lies against @a (b(x + dx, y + dy) is a(x, y)), both counted round the edges: -1 is the last
 * column or row. How strong or bright either is makes no difference.
 * Returns: (transfer full): NULL with VELM_ERROR_IMAGE, also where libvips has no Fourier transform
 */
VelmPlane *velm_plane_phase_correlation(const VelmPlane *a, const VelmPlane *b, GError **error);

/** The largest (else the smallest) value in the square of side 2 * @radius + 1 about each pixel,
 * edges repeated. */
VelmPlane *velm_plane_rank(const VelmPlane *plane, int radius, gboolean largest, GError **error);

/** Reads a mask image: every pixel over 0 counts. */
VelmMask *velm_mask_load(const char *path, GError **error);
VelmMask *velm_mask_new(int width, int height); /* zeros */
VelmMask *velm_mask_copy(const VelmMask *mask);
void velm_mask_free(VelmMask *mask);
/** Resizes by nearest neighbour, pixel centres aligned. */
VelmMask *velm_mask_resize(const VelmMask *mask, int width, int height, GError **error);
/** Grows the mask by @radius pixels (a square of 2 * @radius + 1). */
VelmMask *velm_mask_dilate(const VelmMask *mask, int radius, GError **error);
/** Shrinks the mask likewise; what lies outside the image counts as mask. */
VelmMask *velm_mask_erode(const VelmMask *mask, int radius, GError **error);
/** Number of pixels set. */
gsize velm_mask_count(const VelmMask *mask);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmImage, velm_image_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPlane, velm_plane_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmMask, velm_mask_free)
