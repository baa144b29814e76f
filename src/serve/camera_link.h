/*
 * A camera: each frame that it sends is put in the station's queue, where it is on the disk before
 * it counts as taken, and gets one record from there; or it is counted as lost, with a reason.
 *
 * One thread takes frames from Aravis, another writes them to the disk. A camera that is not there,
 * or goes, is tried again each second.
 */
#pragma once

#include "serve/camera_settings.h"
#include "serve/station.h"

/** @settings: as velm_camera_settings_parse() takes it. Returns: (transfer full): NULL with
 * VELM_ERROR_USAGE. */
VelmLink *velm_camera_link_new(VelmStation *station, VelmProduct *product, const char *settings,
                               GError **error);

/** The link of the camera with this id. Returns: borrowed; NULL where there is none. */
VelmLink *velm_camera_link_find(const VelmStation *station, const char *id);
/** Has a camera on software trigger take a frame, soon; any thread may. Returns: FALSE with
 * VELM_ERROR_USAGE where it is not on software trigger, VELM_ERROR_CANCELLED where it cannot now.
 */
gboolean velm_camera_link_trigger(VelmLink *link, GError **error);
