/* Files: whole contents in, whole contents out; written to a temporary name and renamed. */
#pragma once

#include <glib/gstdio.h>

/** Reads all of @path. Returns: (transfer full); NULL with VELM_ERROR_FILE naming @path. */
GBytes *velm_file_read(const char *path, GError **error);

/**
 * Reads @path, but no more than @most + 1 bytes: it may be a device without an end. A @length over
 * @most tells that there is more.
 * Returns: (transfer full): not terminated; NULL with VELM_ERROR_FILE naming @path
 */
char *velm_file_read_limited(const char *path, gsize most, gsize *length, GError **error);

/** The SHA-256 of the contents of @path, in hexadecimal digits. Returns: (transfer full): NULL with
 * VELM_ERROR_FILE naming @path. */
char *velm_file_sha256(const char *path, GError **error);

/** Writes @size bytes to @path by a temporary file that is renamed; an existing file stays whole
 * when it fails. A link is followed; a device or a pipe is written to as it is. */
gboolean velm_file_write(const char *path, gconstpointer data, gsize size, GError **error);

/** Makes the folder @path with its parents. */
gboolean velm_file_make_folder(const char *path, GError **error);

/** Names of the regular files in folder @path (no hidden ones), sorted. Returns: (transfer full)
 * (element-type filename). */
GPtrArray *velm_file_list(const char *path, GError **error);

/** Names of the folders in folder @path (no hidden ones), sorted. Returns: (transfer full)
 * (element-type filename). */
GPtrArray *velm_file_list_folders(const char *path, GError **error);

/** Whether nobody wrote to a file between two looks at it, as far as its status tells. */
gboolean velm_file_is_same(const GStatBuf *a, const GStatBuf *b);

/** Whether @path has the ending of an image format that velm reads. */
gboolean velm_file_is_image_name(const char *path);
