/* The tables of the store, and how an older store gets them. */
#pragma once

#include "core/database.h"

#define VELM_STORE_APPLICATION_ID 0x56454C53 /* "VELS": whose file it is */

/* The version that this velm makes, of both engines. */
#define VELM_STORE_SCHEMA_VERSION 2

extern const char *const velm_store_sqlite_versions[VELM_STORE_SCHEMA_VERSION];
extern const char *const velm_store_postgres_versions[VELM_STORE_SCHEMA_VERSION];

/**
 * Brings @database from the version that it says it has to version @n, by the scripts that it
 * lacks, each in one transaction with the new version: one that fails, or a killed process, leaves
 * the version before it whole. Several processes may do it at once.
 * @scripts: of SQL; the first makes version 1 out of nothing
 * Returns: FALSE, with the file as it was, where it is something else than a store, or newer than
 * version @n
 */
gboolean velm_store_migrate(VelmDatabase *database, const char *const *scripts, gsize n,
                            GError **error);

/** The version that @database is of, maybe an older one. Returns: FALSE where it is no store, or of
 * a newer velm. */
gboolean velm_store_schema_check(VelmDatabase *database, gint64 *version, GError **error);

/** velm_store_migrate() to this velm's version. */
gboolean velm_store_schema_apply(VelmDatabase *database, GError **error);
