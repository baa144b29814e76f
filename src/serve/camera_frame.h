/* A camera's frame: its pixels, as they came, to the bytes of a PNG file. */
#pragma once

#include "velm.h"

/* A pixel format that can be used. */
typedef struct _VelmCameraFormat VelmCameraFormat;

/** By its name in GenICam's Pixel Format Naming Convention, such as Mono8. Returns: borrowed; NULL
 * where it cannot be used. */
const VelmCameraFormat *velm_camera_format_find(const char *name);
/** By its number there. */
const VelmCameraFormat *velm_camera_format_of(guint32 number);
/** The best of those that a camera has. @numbers: borrowed. Returns: NULL where none can be used.
 */
const VelmCameraFormat *velm_camera_format_best(const gint64 *numbers, guint n_numbers);
const char *velm_camera_format_name(const VelmCameraFormat *format);
guint32 velm_camera_format_number(const VelmCameraFormat *format);
/** All of them, for people. Returns: (transfer full). */
char *velm_camera_format_names(void);

/**
 * VelmCameraFrame: all borrowed.
 * @padding: bytes behind each row
 * @size: of @pixels, in bytes
 */
typedef struct {
  const VelmCameraFormat *format;
  int width, height;
  gsize padding, size;
  const guint8 *pixels;
} VelmCameraFrame;

/** More than 8 bits lose their lowest; a Bayer pattern becomes colours, by the mean of the
 * neighbours. Returns: (transfer full): NULL with VELM_ERROR_IMAGE. */
GBytes *velm_camera_frame_to_png(const VelmCameraFrame *frame, GError **error);
