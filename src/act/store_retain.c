/*
 * Retention: the oldest records go, a few in each transaction, so that new ones get in between.
 * Their images go after the transaction: a killed process leaves some without a record, which the
 * next opening removes.
 */
#include "act/store_private.h"

enum { BATCH = 64, SWEPT_FOLDERS = 16 };

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
  gboolean ok =
      (velm_store_is_shared(store) ? measure_on_server : measure_file)(database, size, error);
  velm_store_end_reading(store, database);
  return ok;
}

/* ---- removing ---- */

/* What one pass is to remove. */
typedef struct {
  gint64 before; /* records older than this; 0 for any age */
  gint64 bytes;  /* until so many are freed; 0 for all that are old enough */
  gboolean reviewed_too;
  gint64 row_bytes;  /* of a shared store: what a record takes of the database on average */
  gint64 removed;    /* records so far */
  gint64 freed;      /* bytes of their images and texts so far */
  GPtrArray *images; /* SHA-256 of the batch's images that nothing has any more */
  GHashTable *weeks; /* of the batch's records: of a shared store */
} Pass;

typedef struct {
  gint64 id, time, image_bytes, text_bytes;
  char *image;
} Candidate;

static gboolean run_for(VelmDatabase *database, const char *sql, gint64 id, GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, id);
  return velm_statement_finish(statement, error);
}

static gboolean run_in_part(VelmDatabase *database, const char *sql, const Candidate *candidate,
                            GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, candidate->id);
  velm_statement_bind_int(statement, 2, candidate->time);
  return velm_statement_finish(statement, error);
}

static gboolean remove_rows(VelmDatabase *database, const Candidate *candidate, GError **error) {
  return run_for(database, "DELETE FROM reviews WHERE record = ?", candidate->id, error) &&
         run_in_part(database, "DELETE FROM documents WHERE record = ?1 AND time = ?2", candidate,
                     error) &&
         run_in_part(database, "DELETE FROM records WHERE id = ?1 AND time = ?2", candidate,
                     error) &&
         (!velm_store_is_on_server(database) ||
          run_for(database, "DELETE FROM keys WHERE id = ?", candidate->id, error));
}

static gboolean remove_image(VelmDatabase *database, const char *image, gboolean *gone,
                             GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database,
                            "DELETE FROM images WHERE sha256 = ?1"
                            " AND NOT EXISTS (SELECT 1 FROM records WHERE image = ?1)"
                            " AND NOT EXISTS (SELECT 1 FROM queue WHERE image = ?1)",
                            error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, image);
  gboolean ok = velm_statement_finish(statement, error);
  *gone = ok && velm_database_changes(database) > 0;
  return ok;
}

static gboolean remove_record(VelmDatabase *database, Pass *pass, const Candidate *candidate,
                              GError **error) {
  gboolean gone = FALSE;
  if (!remove_rows(database, candidate, error) ||
      !remove_image(database, candidate->image, &gone, error))
    return FALSE;
  if (gone) {
    g_ptr_array_add(pass->images, g_strdup(candidate->image));
    pass->freed += candidate->image_bytes;
  }
  pass->freed += pass->row_bytes ? pass->row_bytes : candidate->text_bytes;
  pass->removed++;
  velm_store_count_in_week(pass->weeks, candidate->time, -1);
  return TRUE;
}

/* The oldest records that may go: none whose callback is still to be delivered. */
static VelmStatement *select_oldest(VelmDatabase *database, const Pass *pass, GError **error) {
  VelmStatement *statement = velm_database_prepare(
      database,
      "SELECT oldest.id, image, images.bytes, documents.bytes, oldest.time"
      " FROM (SELECT id, time, image FROM records WHERE time < ?1 AND (verdict = 0 OR ?3 = 1)"
      " AND NOT EXISTS (SELECT 1 FROM callbacks WHERE record = records.id)"
      " ORDER BY time, id LIMIT ?2) AS oldest"
      " JOIN images ON sha256 = image"
      " JOIN documents ON record = oldest.id AND documents.time = oldest.time"
      " ORDER BY oldest.time, oldest.id",
      error);
  if (!statement)
    return NULL;
  velm_statement_bind_int(statement, 1, pass->before);
  velm_statement_bind_int(statement, 2, BATCH);
  velm_statement_bind_int(statement, 3, pass->reviewed_too);
  return statement;
}

static void candidate_clear(Candidate *candidate) { g_free(candidate->image); }

static GArray *list_oldest(VelmDatabase *database, const Pass *pass, GError **error) {
  g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
  g_array_set_clear_func(candidates, (GDestroyNotify)candidate_clear);
  g_autoptr(VelmStatement) statement = select_oldest(database, pass, error);
  VelmStep step = VELM_STEP_FAILED;
  while (statement && (step = velm_statement_step(statement, error)) == VELM_STEP_ROW) {
    Candidate candidate = {.id = velm_statement_int(statement, 0),
                           .image = velm_statement_text(statement, 1),
                           .image_bytes = velm_statement_int(statement, 2),
                           .text_bytes = velm_statement_int(statement, 3),
                           .time = velm_statement_int(statement, 4)};
    g_array_append_val(candidates, candidate);
  }
  return step == VELM_STEP_DONE ? g_steal_pointer(&candidates) : NULL;
}

static gboolean is_enough(const Pass *pass) { return pass->bytes && pass->freed >= pass->bytes; }

/* @more: (out): whether there may be others. */
static gboolean remove_batch(VelmDatabase *database, Pass *pass, gboolean *more, GError **error) {
  g_autoptr(GArray) candidates = list_oldest(database, pass, error);
  *more = candidates && candidates->len == BATCH;
  if (!candidates)
    return FALSE;
  for (guint i = 0; i < candidates->len && !is_enough(pass); i++)
    if (!remove_record(database, pass, &g_array_index(candidates, Candidate, i), error))
      return FALSE;
  *more = *more && !is_enough(pass);
  return !velm_store_is_on_server(database) || velm_store_note_weeks(database, pass->weeks, error);
}

static gboolean remove_in_transaction(VelmDatabase *database, Pass *pass, gboolean *more,
                                      GError **error) {
  gint64 removed = pass->removed, freed = pass->freed;
  g_ptr_array_set_size(pass->images, 0);
  g_hash_table_remove_all(pass->weeks);
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

/* Only after the rows are gone for good. Of a shared store, a transaction keeps others from noting
 * one of them meanwhile. */
static gboolean remove_files(VelmStore *store, VelmDatabase *database, const Pass *pass,
                             GError **error) {
  gboolean shared = velm_store_is_shared(store) && pass->images->len > 0;
  if (shared && !velm_database_begin(database, error))
    return FALSE;
  for (guint i = 0; i < pass->images->len; i++)
    velm_store_remove_unused(store, database, pass->images->pdata[i]);
  return !shared || velm_database_end(database, TRUE, error);
}

static gboolean remove_some(VelmStore *store, Pass *pass, gboolean *more, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok = remove_with_reserve(store, database, pass, more, &cause) &&
                remove_files(store, database, pass, &cause);
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
    /* Its indexes and what is left empty in its part count too. */
    if (velm_store_is_shared(store) && size.records > 0)
      pass->row_bytes = size.database_bytes / size.records;
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
  g_autoptr(GHashTable) weeks = velm_store_new_weeks();
  if (removed)
    *removed = 0;
  if (retention->max_age < 0 || retention->max_bytes < 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "a limit of what is kept is negative");
    return FALSE;
  }
  Pass pass = {.reviewed_too = retention->reviewed_too, .images = images, .weeks = weeks};
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
