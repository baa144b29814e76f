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
 * Returns: (transfer full): NULL with VELM_ERROR_FILE; for a file that is elsewhere the message is
 * the same as for one that is not there
 */
GBytes *velm_allowed_file_read(const char *folder, const char *path, gsize most, GError **error);
