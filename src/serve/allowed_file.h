/* Files that a stranger names: only what lies in one folder is read, whatever the name is made of.
 */
#pragma once

#include <glib.h>

/** What velm_allowed_file_read() takes for @folder: its path without links. Returns: (transfer
 * full): NULL with VELM_ERROR_FILE where it is no folder. */
char *velm_allowed_folder(const char *folder, GError **error);

/**
 * Reads the file @path in @folder or below it.
 * @most: bytes that it may have
 * @retry: (out) (optional): whether another time may go better: the disk fails, or there are too
 * many open files
 * Returns: (transfer full): NULL with VELM_ERROR_FILE, or VELM_ERROR_IMAGE where it is too large,
 * in a message that does not name it; for a file that is elsewhere it is the same as for one that
 * is not there
 */
GBytes *velm_allowed_file_read(const char *folder, const char *path, gsize most, gboolean *retry,
                               GError **error);

/** Where in @folder the file @path is, for those who may know. Returns: (transfer full): its path
 * from @folder on, without links; NULL with VELM_ERROR_FILE where it is elsewhere, or no file. */
char *velm_allowed_file_find(const char *folder, const char *path, GError **error);
