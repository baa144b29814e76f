/*
 * Images that wait for their record. A row refers to its image as a record does, so that all that
 * looks after images (retention, the sweep, backups, checks) keeps it.
 */
#include "act/store_private.h"

void velm_queued_free(VelmQueued *queued) {
  if (!queued)
    return;
  g_free(queued->key);
  g_free(queued->product);
  g_free(queued->media_type);
  g_free(queued->name);
  g_free(queued->part);
  g_free(queued->callback);
  g_free(queued->image);
  g_free(queued);
}

static gboolean check(const VelmQueued *queued, GError **error) {
  return velm_store_check_text(queued->key, "key", VELM_STORE_MAX_KEY, FALSE, error) &&
         velm_store_check_text(queued->product, "product", VELM_STORE_MAX_NAME, FALSE, error) &&
         velm_store_check_text(queued->media_type, "media type", VELM_STORE_MAX_NAME, FALSE,
                               error) &&
         (!queued->name ||
          velm_store_check_text(queued->name, "name", VELM_STORE_MAX_PATH, TRUE, error)) &&
         (!queued->part ||
          velm_store_check_text(queued->part, "part", VELM_STORE_MAX_NAME, FALSE, error)) &&
         (!queued->callback ||
          velm_store_check_text(queued->callback, "callback", VELM_STORE_MAX_URL, FALSE, error));
}

/* ---- reading ---- */

#define SELECT_QUEUED                                                                              \
  "SELECT id, key, product, time, media_type, name, callback, image, part"                         \
  " FROM queue JOIN images ON sha256 = image WHERE station = ?"

static VelmQueued *read_row(VelmStatement *statement) {
  VelmQueued *queued = g_new0(VelmQueued, 1);
  *queued = (VelmQueued){.id = velm_statement_int(statement, 0),
                         .key = velm_statement_text(statement, 1),
                         .product = velm_statement_text(statement, 2),
                         .time = velm_statement_int(statement, 3),
                         .media_type = velm_statement_text(statement, 4),
                         .name = velm_statement_text(statement, 5),
                         .callback = velm_statement_text(statement, 6),
                         .image = velm_statement_text(statement, 7),
                         .part = velm_statement_text(statement, 8)};
  return queued;
}

GHashTable *velm_store_find_queued(VelmDatabase *database, const char *station,
                                   const GPtrArray *keys, GError **error) {
  VelmStep step;
  g_autoptr(GHashTable) found =
      g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)velm_queued_free);
  g_autoptr(GString) sql = g_string_new(SELECT_QUEUED " AND key IN ");
  velm_store_add_places(sql, keys->len);
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql->str, error);
  if (!statement)
    return NULL;
  velm_statement_bind_text(statement, 1, station);
  velm_store_bind_places(statement, 2, keys);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW) {
    VelmQueued *queued = read_row(statement);
    g_hash_table_replace(found, queued->key, queued);
  }
  return step == VELM_STEP_DONE ? g_steal_pointer(&found) : NULL;
}

static GPtrArray *list(VelmDatabase *database, const char *station, gint64 after, guint limit,
                       GError **error) {
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)velm_queued_free);
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, SELECT_QUEUED " AND id > ? ORDER BY id LIMIT ?", error);
  VelmStep step;
  if (!statement)
    return NULL;
  velm_statement_bind_text(statement, 1, station);
  velm_statement_bind_int(statement, 2, after);
  velm_statement_bind_int(statement, 3, limit);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    g_ptr_array_add(rows, read_row(statement));
  return step == VELM_STEP_DONE ? g_steal_pointer(&rows) : NULL;
}

GPtrArray *velm_store_list_queued(VelmStore *store, gint64 after, guint limit, GError **error) {
  if (limit < 1 || limit > VELM_STORE_MAX_PAGE) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "a page has 1 to %d queued images",
                VELM_STORE_MAX_PAGE);
    return NULL;
  }
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return NULL;
  GPtrArray *rows = list(database, store->station, after, limit, error);
  velm_store_end_reading(store, database);
  return rows;
}

static gboolean find_queued(VelmDatabase *database, const char *station, const char *key,
                            gboolean *queued, GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, "SELECT 1 FROM queue WHERE station = ? AND key = ?", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, station);
  velm_statement_bind_text(statement, 2, key);
  return velm_statement_find(statement, queued, error);
}

gboolean velm_store_is_queued(VelmStore *store, const char *key, gboolean *queued, GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return FALSE;
  gboolean ok = find_queued(database, store->station, key, queued, error);
  velm_store_end_reading(store, database);
  return ok;
}

static gboolean count_queued(VelmDatabase *database, const char *station, gint64 *count,
                             GError **error) {
  gboolean found = FALSE;
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, "SELECT count(*) FROM queue WHERE station = ?", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, station);
  if (!velm_statement_find(statement, &found, error))
    return FALSE;
  *count = velm_statement_int(statement, 0);
  return TRUE;
}

gboolean velm_store_count_queued(VelmStore *store, gint64 *count, GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return FALSE;
  gboolean ok = count_queued(database, store->station, count, error);
  velm_store_end_reading(store, database);
  return ok;
}

/* ---- writing ---- */

static gboolean write_row(VelmDatabase *database, const char *station, const VelmQueued *queued,
                          const char *sha256, GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database,
                            "INSERT INTO queue (key, product, time, image, name, callback, part,"
                            " station) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                            error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, queued->key);
  velm_statement_bind_text(statement, 2, queued->product);
  velm_statement_bind_int(statement, 3, queued->time);
  velm_statement_bind_text(statement, 4, sha256);
  velm_statement_bind_text(statement, 5, queued->name);
  velm_statement_bind_text(statement, 6, queued->callback);
  velm_statement_bind_text(statement, 7, queued->part);
  velm_statement_bind_text(statement, 8, station);
  return velm_statement_finish(statement, error);
}

static gboolean change_callback(VelmDatabase *database, gint64 id, const char *url,
                                GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, "UPDATE queue SET callback = ?2 WHERE id = ?1", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, id);
  velm_statement_bind_text(statement, 2, url);
  return velm_statement_finish(statement, error);
}

/* Who sends again had no answer, and may not have been told of the record either. */
static gboolean repeat(VelmDatabase *database, const char *station, const VelmQueued *queued,
                       const char *sha256, const VelmStoredRecord *record,
                       const VelmQueued *waiting, GError **error) {
  if (!velm_store_check_same(queued->key, queued->product, sha256,
                             record ? record->product : waiting->product,
                             record ? record->image : waiting->image, error))
    return FALSE;
  if (!queued->callback)
    return TRUE;
  return record ? velm_store_write_callback(database, station, record->id, queued->callback, error)
                : change_callback(database, waiting->id, queued->callback, error);
}

static gboolean write_queued(VelmStore *store, VelmDatabase *database, const VelmQueued *queued,
                             GBytes *image, const char *sha256, gboolean *existed, GError **error) {
  g_autoptr(VelmStoredRecord) record = NULL;
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  g_ptr_array_add(keys, queued->key);
  if (!velm_store_read_record(database, queued->key, 0, &record, error))
    return FALSE;
  g_autoptr(GHashTable) waiting = velm_store_find_queued(database, store->station, keys, error);
  if (!waiting)
    return FALSE;
  const VelmQueued *same = g_hash_table_lookup(waiting, queued->key);
  *existed = record || same;
  if (*existed)
    return repeat(database, store->station, queued, sha256, record, same, error);
  return velm_store_write_image(store, database, sha256, queued->media_type, image, error) &&
         write_row(database, store->station, queued, sha256, error);
}

static gboolean enqueue(VelmStore *store, const VelmQueued *queued, GBytes *image,
                        const char *sha256, gboolean *existed, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok = velm_database_begin(database, &cause) &&
                write_queued(store, database, queued, image, sha256, existed, &cause);
  return velm_store_end_transaction(store, ok, g_steal_pointer(&cause), error);
}

gboolean velm_store_enqueue(VelmStore *store, const VelmQueued *queued, GBytes *image,
                            gboolean *existed, GError **error) {
  gboolean had = FALSE;
  if (!check(queued, error))
    return FALSE;
  g_autofree char *sha256 = velm_store_put_image(store, image, error);
  if (!sha256)
    return FALSE;
  gboolean ok = enqueue(store, queued, image, sha256, &had, error);
  velm_store_release_image(store, sha256);
  if (ok)
    velm_store_note(store, VELM_DATABASE_FINE, NULL);
  if (existed)
    *existed = ok && had;
  return ok;
}

gboolean velm_store_end_queued(VelmDatabase *database, const char *station,
                               const VelmQueued *queued, gint64 record, GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, "DELETE FROM queue WHERE id = ?", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, queued->id);
  return velm_statement_finish(statement, error) &&
         (!queued->callback ||
          velm_store_write_callback(database, station, record, queued->callback, error));
}
