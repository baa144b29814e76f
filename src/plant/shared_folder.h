/*
 * The folder that submitters and workers share. An image in it is named by "file:" and its path
 * from the folder on, percent-encoded: "file:line%203/part.png". Nothing that lies elsewhere can be
 * named, whatever the path is made of.
 *
 * The functions take the folder as velm_allowed_folder() says it.
 */
#pragma once

#include "velm.h"

#define VELM_SHARED_FOLDER_SCHEME "file:"

/**
 * Reads the image @reference.
 * @most: bytes that it may have
 * @retry: (out): whether another time may go better
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE where the reference is none,
 * VELM_ERROR_IMAGE where the image is too large, or VELM_ERROR_FILE; the message does not name the
 * reference
 */
GBytes *velm_shared_folder_read(const char *folder, const char *reference, gsize most,
                                gboolean *retry, GError **error);

/** The reference of the image @path, which must be in the folder or below it. Returns: (transfer
 * full): NULL with VELM_ERROR_FILE. */
char *velm_shared_folder_refer(const char *folder, const char *path, GError **error);

/**
 * Puts @image into the folder, as inbox/AB/SHA256, and on the disk: it is whole from the moment it
 * has its name. Where it is there already, nothing is written. May be called by several threads and
 * processes, for the same image too.
 * Returns: (transfer full): its reference; NULL with VELM_ERROR_FILE
 */
char *velm_shared_folder_share(const char *folder, GBytes *image, GError **error);
