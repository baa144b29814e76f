/*
 * A watched folder: each image that is put there is taken once, also over a restart.
 *
 * An image is taken when it is complete: its writer has closed it, it was moved there, or it has
 * not changed for some seconds, which is how it is told on shared folders. Once its record is on
 * the disk it is moved to "taken" in that folder. Until then the file itself is the memory of what
 * is to be done, and its name, identity, time of change and contents are the record's key: who
 * finds it again after a crash finds its record.
 */
#pragma once

#include "serve/station.h"

/** Watches @folder for images of @product. Returns: (transfer full): NULL with VELM_ERROR_FILE
 * where it is no folder. */
VelmLink *velm_folder_link_new(VelmStation *station, VelmProduct *product, const char *folder,
                               GError **error);
