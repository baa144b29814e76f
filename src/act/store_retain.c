/*
 * Retention: the oldest records go, some in each transaction, so that new ones get in between.
 * Their images go after the transaction: a killed process leaves some without a record, which the
 * next opening removes.
 */
#include "act/store_retain.h"

enum { SWEPT_FOLDERS = 16 };

/* ---- size ---- */

/* What a part of the records takes counts by the share of its records that are left: space of those
 * that went is given back when the part goes. */
static gboolean measure_on_server(VelmDatabase *database, VelmStoreSize *size, GError **error) {
  return velm_database_read_int(database, "SELECT coalesce(sum(records), 0) FROM weeks",
                                &size->records, error) &&
         velm_database_read_int(database, "SELECT coalesce(sum(bytes), 0) FROM images",
                                &size->image_bytes, error) &&
         velm_database_read_int(
             database,
             "SELECT CAST(coalesce(sum(CAST(records AS DOUBLE PRECISION) / added *"
             " (pg_total_relation_size(to_regclass('records_' || name)) +"
             " pg_total_relation_size(to_regclass('documents_' || name)))), 0) AS BIGINT)"
             " FROM weeks",
             &size->database_bytes, error);
}

static gboolean measure_file(VelmDatabase *database, VelmStoreSize *size, GError **error) {
  gint64 pages = 0, free_pages = 0, page_bytes = 0;
  if (!velm_database_read_int(database, "SELECT count(*) FROM records", &size->records, error) ||
      !velm_database_read_int(database, "SELECT coalesce(sum(bytes), 0) FROM images",
                              &size->image_bytes, error) ||
      !velm_database_read_int(database, "PRAGMA page_count", &pages, error) ||
      !velm_database_read_int(database, "PRAGMA freelist_count", &free_pages, error) ||
      !velm_database_read_int(database, "PRAGMA page_size", &page_bytes, error))
    return FALSE;
  size->database_bytes = (pages - free_pages) * page_bytes;
  return TRUE;
}

gboolean velm_store_measure_database(VelmDatabase *database, VelmStoreSize *size, GError **error) {
  return velm_store_is_on_server(database) ? measure_on_server(database, size, error)
                                           : measure_file(database, size, error);
}

gboolean velm_store_measure(VelmStore *store, VelmStoreSize *size, GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return FALSE;
  gboolean ok = velm_store_measure_database(database, size, error);
  velm_store_end_reading(store, database);
  return ok;
}

/* ---- removing ---- */

gboolean velm_retention_is_enough(const VelmRetentionPass *pass) {
  return pass->bytes && pass->freed >= pass->bytes;
}

static gboolean remove_in_transaction(VelmDatabase *database, VelmRetentionPass *pass,
                                      gboolean *more, GError **error) {
  gint64 removed = pass->removed, freed = pass->freed, from = pass->from;
  g_ptr_array_set_size(pass->images, 0);
  *more = FALSE;
  gboolean ok =
      velm_database_begin(database, error) &&
      (velm_store_is_on_server(database) ? velm_retention_remove_on_server
                                         : velm_retention_remove_rows)(database, pass, more, error);
  if (velm_database_end(database, ok, error))
    return TRUE;
  pass->removed = removed; /* they are all still there */
  pass->freed = freed;
  pass->from = from;
  return FALSE;
}

/* Removing takes a little space before it frees more, and a full disk has none but the reserve. */
static gboolean remove_with_reserve(VelmStore *store, VelmDatabase *database,
                                    VelmRetentionPass *pass, gboolean *more, GError **error) {
  g_autoptr(GError) cause = NULL;
  if (remove_in_transaction(database, pass, more, &cause))
    return TRUE;
  if (database->state == VELM_DATABASE_FULL && velm_store_give_up_reserve(store->folder))
    return remove_in_transaction(database, pass, more, error);
  g_propagate_error(error, g_steal_pointer(&cause));
  return FALSE;
}

static void remove_files(VelmStore *store, VelmDatabase *database, const GPtrArray *images) {
  for (guint i = 0; i < images->len; i++)
    velm_store_remove_unused(store, database, images->pdata[i]);
}

/* No more at once than go in a moment: others who write wait. */
static gboolean remove_shared_files(VelmStore *store, const GPtrArray *images, GError **error) {
  for (guint i = 0; i < images->len; i += VELM_STORE_MAX_BATCH) {
    g_autoptr(GPtrArray) some = g_ptr_array_new();
    for (guint j = i; j < MIN(i + VELM_STORE_MAX_BATCH, images->len); j++)
      g_ptr_array_add(some, images->pdata[j]);
    if (!velm_store_remove_shared(store, some, error))
      return FALSE;
  }
  return TRUE;
}

/* Files go only after their rows are gone for good. */
static gboolean remove_some(VelmStore *store, VelmRetentionPass *pass, gboolean *more,
                            GError **error) {
  g_autoptr(GError) cause = NULL;
  gboolean shared = velm_store_is_shared(store);
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok = remove_with_reserve(store, database, pass, more, &cause);
  if (ok && !shared)
    remove_files(store, database, pass->images);
  return velm_store_end_writing(store, ok, g_steal_pointer(&cause), error) &&
         (!shared || remove_shared_files(store, pass->images, error));
}

static gboolean remove_all(VelmStore *store, VelmRetentionPass *pass, GError **error) {
  gboolean more = TRUE;
  while (more)
    if (!remove_some(store, pass, &more, error))
      return FALSE;
  return TRUE;
}

/* ---- limits ---- */

static gboolean limit_age(VelmStore *store, const VelmRetention *retention, gint64 now,
                          VelmRetentionPass *pass, GError **error) {
  if (!retention->max_age)
    return TRUE;
  pass->before = now - retention->max_age;
  pass->bytes = 0;
  return remove_all(store, pass, error);
}

/* Pages of the database are freed in wholes: what was removed is measured, and more goes where it
 * was too little. */
static gboolean limit_size(VelmStore *store, const VelmRetention *retention,
                           VelmRetentionPass *pass, GError **error) {
  gint64 removed = -1;
  while (retention->max_bytes && removed != pass->removed) {
    VelmStoreSize size;
    if (!velm_store_measure(store, &size, error))
      return FALSE;
    gint64 over = size.image_bytes + size.database_bytes - retention->max_bytes;
    if (over <= 0)
      return TRUE;
    removed = pass->removed;
    pass->before = G_MAXINT64;
    pass->bytes = over;
    pass->freed = 0;
    /* Its indexes and what is left empty in its part count too. */
    if (velm_store_is_shared(store) && size.records > 0)
      pass->row_bytes = size.database_bytes / size.records;
    if (!remove_all(store, pass, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean finish(VelmStore *store, const VelmRetentionPass *pass, gint64 now,
                       GError **error) {
  g_autoptr(GError) cause = NULL;
  if (pass->removed == 0)
    return TRUE;
  g_autofree char *target = g_strdup_printf("%" G_GINT64_FORMAT " records", pass->removed);
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok = velm_store_write_audit(database, now, "velm", "retention", target, NULL, &cause) &&
                (velm_store_is_shared(store) ||
                 velm_database_run(database, "PRAGMA incremental_vacuum", &cause));
  return velm_store_end_writing(store, ok, g_steal_pointer(&cause), error);
}

/* Which folders of images are looked through goes on with the hours. */
static gboolean tidy(VelmStore *store, gint64 now, GError **error) {
  g_autoptr(GError) cause = NULL;
  guint first = (guint)(g_get_real_time() / G_TIME_SPAN_HOUR) * SWEPT_FOLDERS;
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok = velm_store_drop_weeks(database, now, &cause);
  return velm_store_end_writing(store, ok, g_steal_pointer(&cause), error) &&
         velm_store_sweep_shared(store, first, SWEPT_FOLDERS, error);
}

gboolean velm_store_retain(VelmStore *store, const VelmRetention *retention, gint64 now,
                           gint64 *removed, GError **error) {
  g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func(g_free);
  if (removed)
    *removed = 0;
  if (retention->max_age < 0 || retention->max_bytes < 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "a limit of what is kept is negative");
    return FALSE;
  }
  VelmRetentionPass pass = {.reviewed_too = retention->reviewed_too,
                            .from = G_MININT64,
                            .batch = VELM_RETENTION_FIRST_BATCH,
                            .images = images};
  g_mutex_lock(&store->keeping);
  gboolean ok =
      limit_age(store, retention, now, &pass, error) && limit_size(store, retention, &pass, error);
  /* What went is noted also where the rest could not. */
  ok = finish(store, &pass, now, ok ? error : NULL) && ok;
  if (velm_store_is_shared(store))
    ok = ok && tidy(store, now, error);
  else
    velm_store_set_aside(store->folder);
  g_mutex_unlock(&store->keeping);
  if (removed)
    *removed = pass.removed;
  return ok;
}
