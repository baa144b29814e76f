/*
 * A camera that is open and sends frames, by Aravis (GenICam: GigE Vision and USB3 Vision).
 *
 * One thread opens, pops, triggers and closes. Buffers that it popped may be pushed back by any
 * other, until it closes.
 */
#pragma once

#include "serve/camera_settings.h"

#include <arv.h>

typedef struct _VelmCameraStream VelmCameraStream;

/** @n_buffers: for frames that were not popped, or not pushed back. Returns: (transfer full): NULL
 * with VELM_ERROR_FILE, as there is no such camera now, or it cannot be set so. */
VelmCameraStream *velm_camera_stream_open(const VelmCameraSettings *settings, guint n_buffers,
                                          GError **error);
/** Has the camera send no more; what it has sent can be popped. */
void velm_camera_stream_halt(VelmCameraStream *stream);
/** Lets go of the camera. That takes seconds where it has gone, as it is asked in vain. */
void velm_camera_stream_close(VelmCameraStream *stream);

/** Whether the camera has gone, or somebody else has it. */
gboolean velm_camera_stream_is_lost(VelmCameraStream *stream);
/** The longest that a camera which runs freely is silent, in microseconds; 0 for one that waits for
 * a trigger. */
gint64 velm_camera_stream_longest_silence(const VelmCameraStream *stream);

/** The next frame, whole or not. Returns: (transfer full): NULL where none comes in time. */
ArvBuffer *velm_camera_stream_pop(VelmCameraStream *stream, guint64 timeout_us);
/** @buffer: (transfer full): one of its buffers. */
void velm_camera_stream_push(VelmCameraStream *stream, ArvBuffer *buffer);

/** Takes a frame by software. Returns: FALSE with VELM_ERROR_FILE. */
gboolean velm_camera_stream_trigger(VelmCameraStream *stream, GError **error);

/** @frame: (out): of a whole buffer, which it borrows from. Returns: FALSE with VELM_ERROR_IMAGE.
 */
gboolean velm_camera_stream_read(ArvBuffer *buffer, VelmCameraFrame *frame, GError **error);
