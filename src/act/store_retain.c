/*
 * Retention: the oldest records go, a few in each transaction, so that new ones get in between.
 * Their images go after the transaction: a killed process leaves some without a record, which the
 * next opening removes.
 */
#include "act/store_private.h"

enum { BATCH = 64 };

/* ---- size ---- */

static gboolean measure(VelmDatabase *database, VelmStoreSize *size, GError **error) {
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

gboolean velm_store_measure(VelmStore *store, VelmStoreSize *size, GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return FALSE;
  gboolean ok = measure(database, size, error);
  velm_store_end_reading(store, database);
  return ok;
}

/* ---- removing ---- */

/* What one pass is to remove. */
typedef struct {
  gint64 before; /* records older than this; 0 for any age */
  gint64 bytes;  /* until so many are freed; 0 for all that are old enough */
  gboolean reviewed_too;
  gint64 removed;    /* records so far */
  gint64 freed;      /* bytes of their images and texts so far */
  GPtrArray *images; /* SHA-256 of the batch's images that nothing has any more */
} Pass;

static gboolean run_for(VelmDatabase *database, const char *sql, gint64 id, const char *image,
                        GError **error) {
  g_autoptr(sqlite3_stmt) statement = velm_database_prepare(database, sql, error);
  if (!statement)
    return FALSE;
  if (image)
    velm_database_bind_text(statement, 1, image);
  else
    velm_database_bind_int(statement, 1, id);
  return velm_database_finish(database, statement, error);
}

/* Its document and its reviews go with it. */
static gboolean remove_record(VelmDatabase *database, Pass *pass, gint64 id, const char *image,
                              gint64 image_bytes, GError **error) {
  if (!run_for(database, "DELETE FROM records WHERE id = ?", id, NULL, error) ||
      !run_for(database,
               "DELETE FROM images WHERE sha256 = ?1"
               " AND NOT EXISTS (SELECT 1 FROM records WHERE image = ?1)"
               " AND NOT EXISTS (SELECT 1 FROM queue WHERE image = ?1)",
               0, image, error))
    return FALSE;
  if (sqlite3_changes(database->handle) > 0) {
    g_ptr_array_add(pass->images, g_strdup(image));
    pass->freed += image_bytes;
  }
  pass->removed++;
  return TRUE;
}

/* The oldest records that may go: none whose callback is still to be delivered. */
static sqlite3_stmt *select_oldest(VelmDatabase *database, const Pass *pass, GError **error) {
  sqlite3_stmt *statement = velm_database_prepare(
      database,
      "SELECT records.id, image, bytes, length(CAST(json AS BLOB)) + coalesce(length(map), 0)"
      " + coalesce(length(CAST(prompt AS BLOB)), 0)"
      " FROM (SELECT * FROM records WHERE time < ?1 AND (verdict = 0 OR ?3)"
      " AND NOT EXISTS (SELECT 1 FROM callbacks WHERE record = records.id)"
      " ORDER BY time, id LIMIT ?2) AS records"
      " JOIN images ON sha256 = image JOIN documents ON record = records.id"
      " ORDER BY time, records.id",
      error);
  if (!statement)
    return NULL;
  velm_database_bind_int(statement, 1, pass->before);
  velm_database_bind_int(statement, 2, BATCH);
  velm_database_bind_int(statement, 3, pass->reviewed_too);
  return statement;
}

typedef struct {
  gint64 id, image_bytes, text_bytes;
  char *image;
} Candidate;

static void candidate_clear(Candidate *candidate) { g_free(candidate->image); }

static GArray *list_oldest(VelmDatabase *database, const Pass *pass, GError **error) {
  g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
  g_array_set_clear_func(candidates, (GDestroyNotify)candidate_clear);
  g_autoptr(sqlite3_stmt) statement = select_oldest(database, pass, error);
  int code = SQLITE_ERROR;
  while (statement && (code = velm_database_step(database, statement, error)) == SQLITE_ROW) {
    Candidate candidate = {.id = sqlite3_column_int64(statement, 0),
                           .image = velm_database_column_text(statement, 1),
                           .image_bytes = sqlite3_column_int64(statement, 2),
                           .text_bytes = sqlite3_column_int64(statement, 3)};
    g_array_append_val(candidates, candidate);
  }
  return code == SQLITE_DONE ? g_steal_pointer(&candidates) : NULL;
}

static gboolean is_enough(const Pass *pass) { return pass->bytes && pass->freed >= pass->bytes; }

/* @more: (out): whether there may be others. */
static gboolean remove_batch(VelmDatabase *database, Pass *pass, gboolean *more, GError **error) {
  g_autoptr(GArray) candidates = list_oldest(database, pass, error);
  *more = candidates && candidates->len == BATCH;
  if (!candidates)
    return FALSE;
  for (guint i = 0; i < candidates->len && !is_enough(pass); i++) {
    const Candidate *candidate = &g_array_index(candidates, Candidate, i);
    if (!remove_record(database, pass, candidate->id, candidate->image, candidate->image_bytes,
                       error))
      return FALSE;
    pass->freed += candidate->text_bytes;
  }
  *more = *more && !is_enough(pass);
  return TRUE;
}

static gboolean remove_in_transaction(VelmDatabase *database, Pass *pass, gboolean *more,
                                      GError **error) {
  gint64 removed = pass->removed, freed = pass->freed;
  g_ptr_array_set_size(pass->images, 0);
  *more = FALSE;
  gboolean ok = velm_database_begin(database, error) && remove_batch(database, pass, more, error);
  if (velm_database_end(database, ok, error))
    return TRUE;
  pass->removed = removed; /* they are all still there */
  pass->freed = freed;
  return FALSE;
}

/* Removing takes a little space before it frees more, and a full disk has none but the reserve. */
static gboolean remove_with_reserve(VelmStore *store, VelmDatabase *database, Pass *pass,
                                    gboolean *more, GError **error) {
  g_autoptr(GError) cause = NULL;
  if (remove_in_transaction(database, pass, more, &cause))
    return TRUE;
  if (database->state == VELM_DATABASE_FULL && velm_store_give_up_reserve(store->folder))
    return remove_in_transaction(database, pass, more, error);
  g_propagate_error(error, g_steal_pointer(&cause));
  return FALSE;
}

static gboolean remove_some(VelmStore *store, Pass *pass, gboolean *more, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok = remove_with_reserve(store, database, pass, more, &cause);
  for (guint i = 0; ok && i < pass->images->len; i++)
    velm_store_remove_unused(store, database, pass->images->pdata[i]);
  return velm_store_end_writing(store, ok, g_steal_pointer(&cause), error);
}

static gboolean remove_all(VelmStore *store, Pass *pass, GError **error) {
  gboolean more = TRUE;
  while (more)
    if (!remove_some(store, pass, &more, error))
      return FALSE;
  return TRUE;
}

/* ---- limits ---- */

static gboolean limit_age(VelmStore *store, const VelmRetention *retention, gint64 now, Pass *pass,
                          GError **error) {
  if (!retention->max_age)
    return TRUE;
  pass->before = now - retention->max_age;
  pass->bytes = 0;
  return remove_all(store, pass, error);
}

/* Pages of the database are freed in wholes: what was removed is measured, and more goes where it
 * was too little. */
static gboolean limit_size(VelmStore *store, const VelmRetention *retention, Pass *pass,
                           GError **error) {
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
    if (!remove_all(store, pass, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean finish(VelmStore *store, const Pass *pass, gint64 now, GError **error) {
  g_autoptr(GError) cause = NULL;
  if (pass->removed == 0)
    return TRUE;
  g_autofree char *target = g_strdup_printf("%" G_GINT64_FORMAT " records", pass->removed);
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok = velm_store_write_audit(database, now, "velm", "retention", target, NULL, &cause) &&
                velm_database_run(database, "PRAGMA incremental_vacuum", &cause);
  return velm_store_end_writing(store, ok, g_steal_pointer(&cause), error);
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
  Pass pass = {.reviewed_too = retention->reviewed_too, .images = images};
  g_mutex_lock(&store->keeping);
  gboolean ok =
      limit_age(store, retention, now, &pass, error) && limit_size(store, retention, &pass, error);
  /* What went is noted also where the rest could not. */
  ok = finish(store, &pass, now, ok ? error : NULL) && ok;
  velm_store_set_aside(store->folder);
  g_mutex_unlock(&store->keeping);
  if (removed)
    *removed = pass.removed;
  return ok;
}
