/*
 * The plant's catalog: which model and which spec each product has, by version and SHA-256, in two
 * buckets of the broker's key-value store. Whoever comes first makes them.
 *
 *   velm_products  PRODUCT -> {"version", "model": {"sha256", "bytes"}, "spec": (the same, or
 * null), "time", "who", "note"}, and the values that it had before velm_files     see
 * plant/catalog_files.h
 *
 * Two who publish at once both get a version, one after the other. Any number of threads may use a
 * catalog. Every failure is VELM_ERROR_FILE, unless a function says otherwise.
 */
#pragma once

#include "plant/broker.h"
#include "plant/catalog_version.h"

#define VELM_CATALOG_PRODUCTS "velm_products"
/* Versions of a product that can be gone back to, the current one among them. */
#define VELM_CATALOG_HISTORY 20

typedef struct _VelmCatalog VelmCatalog;

/** Returns: (transfer full): NULL with an error. @broker: must outlive it. */
VelmCatalog *velm_catalog_open(VelmBroker *broker, GError **error);
void velm_catalog_free(VelmCatalog *catalog);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmCatalog, velm_catalog_free)

/**
 * The version that @entry holds, a value of the bucket of products.
 * Returns: (transfer full): NULL with an error where somebody else wrote it
 */
VelmCatalogVersion *velm_catalog_read(kvEntry *entry, GError **error);

/**
 * VelmCatalogFiles: what is published; all borrowed
 * @model, @spec: paths; @spec: NULL where it is the model's own
 * @who: who publishes it; @note: (nullable): what for
 */
typedef struct {
  const char *model, *spec, *who, *note;
} VelmCatalogFiles;

/**
 * Publishes files as the next version of @product.
 * @known: (out): its current version is just that, and stays
 * Returns: (transfer full): the version; NULL with VELM_ERROR_USAGE where the name will not do
 */
VelmCatalogVersion *velm_catalog_publish(VelmCatalog *catalog, const char *product,
                                         const VelmCatalogFiles *files, gboolean *known,
                                         GError **error);

/**
 * Publishes what version @number had as the next version, where its files are still there.
 * @known: (out): that is what the current version has
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE where there is no such version any more
 */
VelmCatalogVersion *velm_catalog_use(VelmCatalog *catalog, const char *product, gint64 number,
                                     const char *who, gboolean *known, GError **error);

/** The current version. @version: (out) (transfer full): NULL where there is none. */
gboolean velm_catalog_get(VelmCatalog *catalog, const char *product, VelmCatalogVersion **version,
                          GError **error);
/** Each product's current version. Returns: (transfer full) (element-type VelmCatalogVersion). */
GPtrArray *velm_catalog_list(VelmCatalog *catalog, GError **error);
/** Versions of a product, the latest first. Returns: (transfer full) (element-type
 * VelmCatalogVersion). */
GPtrArray *velm_catalog_list_versions(VelmCatalog *catalog, const char *product, GError **error);

/** Follows what @product has; the first entry is what it has now. @watcher: (out) (transfer full).
 */
gboolean velm_catalog_watch(VelmCatalog *catalog, const char *product, kvWatcher **watcher,
                            GError **error);

/**
 * Fetches a file to @path, as velm_catalog_files_get().
 * Errors: VELM_ERROR_FILE, also where it is damaged; VELM_ERROR_CANCELLED
 */
gboolean velm_catalog_fetch(VelmCatalog *catalog, const VelmCatalogFile *file, const char *path,
                            gboolean (*stop)(gpointer user_data), gpointer user_data,
                            GError **error);

/**
 * Removes the files that no product's versions name.
 * @removed: (out): how many
 */
gboolean velm_catalog_prune(VelmCatalog *catalog, guint *removed, GError **error);
