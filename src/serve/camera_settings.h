/* What the station is told of a camera: ID[,key=value...], the option --camera without the product.
 */
#pragma once

#include "serve/camera_frame.h"

/* What makes the camera take a frame. */
typedef enum {
  VELM_CAMERA_FREE,     /* the camera itself, again and again */
  VELM_CAMERA_SOFTWARE, /* the station */
  VELM_CAMERA_HARDWARE, /* a line of the camera's */
} VelmCameraTrigger;

/**
 * VelmCameraSettings: what is negative, NULL or 0 stays as the camera has it.
 * @id: Aravis' device id, or an address
 * @source: the line of the hardware trigger
 * @rate: frames a second, of a camera that runs freely or is triggered by the station
 * @exposure: in microseconds; @gain: in the camera's own unit
 * @packet: bytes of a packet, of GigE cameras
 * @format: (nullable): the pixel format; NULL for the best that the camera has
 * @queue: images that may wait in the station's queue; above it frames are lost
 */
typedef struct {
  char *id, *source;
  VelmCameraTrigger trigger;
  double rate, exposure, gain;
  guint packet, queue;
  const VelmCameraFormat *format;
} VelmCameraSettings;

/** @settings: (out): to be cleared. Returns: FALSE with VELM_ERROR_USAGE. */
gboolean velm_camera_settings_parse(const char *text, VelmCameraSettings *settings, GError **error);
void velm_camera_settings_clear(VelmCameraSettings *settings);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmCameraSettings, velm_camera_settings_clear)
