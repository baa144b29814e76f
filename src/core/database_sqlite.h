/* SQLite: one connection to one file. */
#pragma once

#include "core/database.h"

extern const VelmDatabaseClass velm_sqlite_class;

/**
 * Opens the file @path.
 * @what: what messages call it; static
 * @make: it is made where there is none
 * @state: (out) (nullable): why it failed
 * Returns: (transfer full): NULL with VELM_ERROR_FILE
 */
VelmDatabase *velm_sqlite_open(const char *path, const char *what, gboolean make,
                               VelmDatabaseState *state, GError **error);

/** Lets readers go on while one writes. Several processes may do it at once. */
gboolean velm_sqlite_use_write_ahead_log(VelmDatabase *database, GError **error);

/** Called after each part of a copy. Returns: FALSE with an error to give it up. */
typedef gboolean (*VelmSqliteProgress)(gint64 done, gint64 total, gpointer data, GError **error);

/** Copies all of @from, at the state that its transaction reads, to @to. */
gboolean velm_sqlite_copy(VelmDatabase *from, VelmDatabase *to, VelmSqliteProgress progress,
                          gpointer progress_data, GError **error);
