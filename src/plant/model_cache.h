/*
 * A folder of a worker or a front for what it has of the plant's catalog, so that it starts while
 * the broker is away. Several of a machine may share it.
 *
 *   SHA256.velm, SHA256.yaml   models and specs
 *   PRODUCT.json               the version of the product that was in use last
 */
#pragma once

#include "plant/catalog.h"

/** Which files of a version somebody wants. */
typedef enum { VELM_MODEL_AND_SPEC, VELM_SPEC_ALONE } VelmModelParts;

/** Where the files of @version are. Returns: (transfer full): NULL for what is not wanted, or not
 * there: @spec where it is the model's own. */
typedef struct {
  char *model, *spec;
} VelmModelPaths;

VelmModelPaths velm_model_cache_paths(const char *folder, const VelmCatalogVersion *version,
                                      VelmModelParts parts);
void velm_model_paths_clear(VelmModelPaths *paths);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmModelPaths, velm_model_paths_clear)

/** Whether the files of @version are there, whole. */
gboolean velm_model_cache_has(const char *folder, const VelmCatalogVersion *version,
                              VelmModelParts parts);
/** Fetches what is missing of @version. @stop: (nullable). Errors: as velm_catalog_fetch(). */
gboolean velm_model_cache_fetch(const char *folder, VelmCatalog *catalog,
                                const VelmCatalogVersion *version, VelmModelParts parts,
                                gboolean (*stop)(gpointer user_data), gpointer user_data,
                                GError **error);

/** Notes that @version is in use; files that no product's note names go after a day. */
gboolean velm_model_cache_remember(const char *folder, const VelmCatalogVersion *version,
                                   GError **error);
/** What was noted of @product. Returns: (transfer full): NULL where that is nothing that can be
 * read. */
VelmCatalogVersion *velm_model_cache_recall(const char *folder, const char *product);
