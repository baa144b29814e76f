/* Files with what nobody else may know. */
#pragma once

#include <glib.h>

/**
 * Reads a text that its owner alone can read.
 * @most: bytes that it may have
 * Returns: (transfer full): to be freed by velm_secret_free(); NULL with VELM_ERROR_FILE naming
 * @path, also where others can read it, or it is longer
 */
char *velm_secret_file_read(const char *path, gsize most, GError **error);

/** Likewise a key, which is all there is but white space at either end. Returns: NULL with
 * VELM_ERROR_FILE where there is none, too. */
char *velm_secret_file_read_key(const char *path, gsize most, GError **error);

/** Frees @secret, and leaves nothing of it in memory. */
void velm_secret_free(char *secret);
