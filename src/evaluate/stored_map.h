/* Score maps as large as images, kept on disk while a test set is measured. */
#pragma once

#include "core/image.h"

typedef struct _VelmMapStore VelmMapStore;
typedef struct _VelmStoredMap VelmStoredMap;

/** The store's file, unnamed and in the folder that TMPDIR names, is made with the first map. It
 * lives until the store and all its maps are freed. */
VelmMapStore *velm_map_store_new(void);
/** Returns: (transfer full): NULL with VELM_ERROR_FILE where the file fails. */
VelmStoredMap *velm_map_store_add(VelmMapStore *store, const VelmPlane *map, GError **error);
void velm_map_store_free(VelmMapStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmMapStore, velm_map_store_free)

/** Several threads may read. Returns: (transfer full). */
VelmPlane *velm_stored_map_read(const VelmStoredMap *map, GError **error);
void velm_stored_map_free(VelmStoredMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmStoredMap, velm_stored_map_free)
