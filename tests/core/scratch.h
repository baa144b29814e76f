/* A folder for the files of a test program, and what every failure must look like. */
#pragma once

#include "velm.h"

/** Makes an empty folder. Returns: (transfer full): to be given to scratch_remove(). */
char *scratch_new(void);
/** Removes @folder with all that is in it, and frees the name. */
void scratch_remove(char *folder);

/** Writes @size bytes to the file @name in @folder. Returns: (transfer full): its path. */
char *scratch_write(const char *folder, const char *name, gconstpointer data, gsize size);

/** Checks that @error is of @code, is one line of UTF-8, and has @text in its message; clears it.
 */
void assert_failure(GError **error, VelmError code, const char *text);
