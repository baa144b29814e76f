/*
 * PostgreSQL by libpq: one connection to one server.
 *
 * Rows of a SELECT come one at a time, so that none is too large for the memory; those that are
 * still to come are read ahead only where another statement of the connection begins before the
 * last. A cut network is noticed within about 10 s, and the state is VELM_DATABASE_AWAY then: the
 * connection is to be closed and another opened. libpq's own ways to a password stay: PGPASSWORD,
 * PGPASSFILE, ~/.pgpass. No message has it.
 */
#pragma once

#include "core/database.h"

extern const VelmDatabaseClass velm_postgres_class;

/** Whether @url is an address of PostgreSQL, postgresql://... or postgres://... */
gboolean velm_postgres_is_url(const char *url);

/** The address of the server and its database, for messages. Returns: (transfer full): NULL with
 * VELM_ERROR_USAGE where @url is none. */
char *velm_postgres_name(const char *url, GError **error);

/**
 * Connects to @url.
 * @what: what messages call it; static
 * @lock: of the server's advisory locks: a transaction that writes holds it
 * @read_only: nothing is to be written
 * @state: (out) (nullable): why it failed
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE where @url is none, else VELM_ERROR_FILE
 */
VelmDatabase *velm_postgres_open(const char *url, const char *what, gint64 lock, gboolean read_only,
                                 VelmDatabaseState *state, GError **error);
