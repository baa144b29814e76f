/*
 * The catalog's files, in a bucket of the broker's key-value store: each in pieces, which the
 * broker's messages can hold, under its SHA-256.
 *
 *   SHA256.NNNN    a piece, from 0000 on
 *   SHA256.wanted  who published it last, so that it is not removed before it is named
 */
#pragma once

#include "plant/broker.h"

#define VELM_CATALOG_FILES "velm_files"

/** Stops a transfer where it says TRUE. */
typedef gboolean (*VelmCatalogStop)(gpointer user_data);

/**
 * Sends the file @path, but for pieces that are there already.
 * @who: who publishes it
 * @sha256: (out) (transfer full); @bytes: (out)
 * @sent: (out) (nullable): pieces that were sent
 * Errors: VELM_ERROR_FILE
 */
gboolean velm_catalog_files_put(VelmBroker *broker, kvStore *files, const char *path,
                                const char *who, char **sha256, gint64 *bytes, guint *sent,
                                GError **error);

/**
 * Writes the file to @path by a temporary one, once it is whole and has its SHA-256.
 * @stop: (nullable)
 * Errors: VELM_ERROR_FILE, also where pieces are missing or damaged; VELM_ERROR_CANCELLED
 */
gboolean velm_catalog_files_get(VelmBroker *broker, kvStore *files, const char *sha256,
                                gint64 bytes, const char *path, VelmCatalogStop stop,
                                gpointer user_data, GError **error);

/** The files that are there, whole or not. Returns: (transfer full) (element-type utf8): SHA-256 of
 * each, as a set; NULL with VELM_ERROR_FILE. */
GHashTable *velm_catalog_files_list(VelmBroker *broker, kvStore *files, GError **error);

/** Removes a file, unless somebody publishes it now. @removed: (out). */
gboolean velm_catalog_files_remove(VelmBroker *broker, kvStore *files, const char *sha256,
                                   gboolean *removed, GError **error);
