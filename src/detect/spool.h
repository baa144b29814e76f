/* Rows of floats on disk, in an unnamed temporary file: what fitting keeps of every training image,
 * so that its memory does not grow with their number. */
#pragma once

#include "velm.h"

typedef struct _VelmSpool VelmSpool;

/** @row: floats a row. The file lies in the folder that TMPDIR names, and is gone when the spool is
 * freed or the process dies. */
VelmSpool *velm_spool_new(gsize row, GError **error);
/** Appends @n rows. */
gboolean velm_spool_append(VelmSpool *spool, const float *rows, gsize n, GError **error);
/** Reads @n rows from row @first on. */
gboolean velm_spool_read(VelmSpool *spool, gsize first, gsize n, float *rows, GError **error);
gsize velm_spool_n_rows(const VelmSpool *spool);
void velm_spool_free(VelmSpool *spool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmSpool, velm_spool_free)
