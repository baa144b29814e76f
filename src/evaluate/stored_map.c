#include "evaluate/stored_map.h"

#include "detect/spool.h"

/* Counted references: the store's own and one a map. */
struct _VelmMapStore {
  VelmSpool *spool; /* of rows of one float; NULL until the first map */
};

struct _VelmStoredMap {
  VelmMapStore *store;
  gsize first;
  int width, height;
};

static void store_clear(gpointer data) { velm_spool_free(((VelmMapStore *)data)->spool); }

VelmMapStore *velm_map_store_new(void) { return g_rc_box_new0(VelmMapStore); }

void velm_map_store_free(VelmMapStore *store) {
  if (store)
    g_rc_box_release_full(store, store_clear);
}

static gsize count_values(const VelmStoredMap *map) {
  return (gsize)map->width * (gsize)map->height;
}

VelmStoredMap *velm_map_store_add(VelmMapStore *store, const VelmPlane *plane, GError **error) {
  if (!store->spool && !(store->spool = velm_spool_new(1, error)))
    return NULL;
  VelmStoredMap map = {
      .first = velm_spool_n_rows(store->spool), .width = plane->width, .height = plane->height};
  if (!velm_spool_append(store->spool, plane->values, count_values(&map), error))
    return NULL;
  map.store = g_rc_box_acquire(store);
  return g_memdup2(&map, sizeof map);
}

VelmPlane *velm_stored_map_read(const VelmStoredMap *map, GError **error) {
  g_autoptr(VelmPlane) plane = velm_plane_new(map->width, map->height);
  return velm_spool_read(map->store->spool, map->first, count_values(map), plane->values, error)
             ? g_steal_pointer(&plane)
             : NULL;
}

void velm_stored_map_free(VelmStoredMap *map) {
  if (!map)
    return;
  velm_map_store_free(map->store);
  g_free(map);
}
