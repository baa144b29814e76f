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
  " FROM queue JOIN images ON sha256 = image"

static VelmQueued *read_row(sqlite3_stmt *statement) {
  VelmQueued *queued = g_new0(VelmQueued, 1);
  *queued = (VelmQueued){.id = sqlite3_column_int64(statement, 0),
                         .key = velm_database_column_text(statement, 1),
                         .product = velm_database_column_text(statement, 2),
                         .time = sqlite3_column_int64(statement, 3),
                         .media_type = velm_database_column_text(statement, 4),
                         .name = velm_database_column_text(statement, 5),
                         .callback = velm_database_column_text(statement, 6),
                         .image = velm_database_column_text(statement, 7),
                         .part = velm_database_column_text(statement, 8)};
  return queued;
}

gboolean velm_store_read_queued(VelmDatabase *database, const char *key, VelmQueued **queued,
                                GError **error) {
  g_autoptr(sqlite3_stmt) statement =
      velm_database_prepare(database, SELECT_QUEUED " WHERE key = ?", error);
  *queued = NULL;
  if (!statement)
    return FALSE;
  velm_database_bind_text(statement, 1, key);
  int code = velm_database_step(database, statement, error);
  if (code == SQLITE_ROW)
    *queued = read_row(statement);
  return code == SQLITE_ROW || code == SQLITE_DONE;
}

static GPtrArray *list(VelmDatabase *database, gint64 after, guint limit, GError **error) {
  g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)velm_queued_free);
  g_autoptr(sqlite3_stmt) statement =
      velm_database_prepare(database, SELECT_QUEUED " WHERE id > ?1 ORDER BY id LIMIT ?2", error);
  int code;
  if (!statement)
    return NULL;
  velm_database_bind_int(statement, 1, after);
  velm_database_bind_int(statement, 2, limit);
  while ((code = velm_database_step(database, statement, error)) == SQLITE_ROW)
    g_ptr_array_add(rows, read_row(statement));
  return code == SQLITE_DONE ? g_steal_pointer(&rows) : NULL;
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
  GPtrArray *rows = list(database, after, limit, error);
  velm_store_end_reading(store, database);
  return rows;
}

static gboolean find_queued(VelmDatabase *database, const char *key, gboolean *queued,
                            GError **error) {
  g_autoptr(sqlite3_stmt) statement =
      velm_database_prepare(database, "SELECT 1 FROM queue WHERE key = ?", error);
  if (!statement)
    return FALSE;
  velm_database_bind_text(statement, 1, key);
  int code = velm_database_step(database, statement, error);
  *queued = code == SQLITE_ROW;
  return code == SQLITE_ROW || code == SQLITE_DONE;
}

gboolean velm_store_is_queued(VelmStore *store, const char *key, gboolean *queued, GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return FALSE;
  gboolean ok = find_queued(database, key, queued, error);
  velm_store_end_reading(store, database);
  return ok;
}

gboolean velm_store_count_queued(VelmStore *store, gint64 *count, GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return FALSE;
  gboolean ok = velm_database_read_int(database, "SELECT count(*) FROM queue", count, error);
  velm_store_end_reading(store, database);
  return ok;
}

/* ---- writing ---- */

static gboolean write_row(VelmDatabase *database, const VelmQueued *queued, const char *sha256,
                          GError **error) {
  g_autoptr(sqlite3_stmt) statement =
      velm_database_prepare(database,
                            "INSERT INTO queue (key, product, time, image, name, callback, part)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                            error);
  if (!statement)
    return FALSE;
  velm_database_bind_text(statement, 1, queued->key);
  velm_database_bind_text(statement, 2, queued->product);
  velm_database_bind_int(statement, 3, queued->time);
  velm_database_bind_text(statement, 4, sha256);
  velm_database_bind_text(statement, 5, queued->name);
  velm_database_bind_text(statement, 6, queued->callback);
  velm_database_bind_text(statement, 7, queued->part);
  return velm_database_finish(database, statement, error);
}

static gboolean change_callback(VelmDatabase *database, gint64 id, const char *url,
                                GError **error) {
  g_autoptr(sqlite3_stmt) statement =
      velm_database_prepare(database, "UPDATE queue SET callback = ?2 WHERE id = ?1", error);
  if (!statement)
    return FALSE;
  velm_database_bind_int(statement, 1, id);
  velm_database_bind_text(statement, 2, url);
  return velm_database_finish(database, statement, error);
}

/* Who sends again had no answer, and may not have been told of the record either. */
static gboolean repeat(VelmDatabase *database, const VelmQueued *queued, const char *sha256,
                       const VelmStoredRecord *record, const VelmQueued *waiting, GError **error) {
  if (!velm_store_check_same(queued->key, queued->product, sha256,
                             record ? record->product : waiting->product,
                             record ? record->image : waiting->image, error))
    return FALSE;
  if (!queued->callback)
    return TRUE;
  return record ? velm_store_write_callback(database, record->id, queued->callback, error)
                : change_callback(database, waiting->id, queued->callback, error);
}

static gboolean write_queued(VelmDatabase *database, const VelmQueued *queued, GBytes *image,
                             const char *sha256, gboolean *existed, GError **error) {
  g_autoptr(VelmStoredRecord) record = NULL;
  g_autoptr(VelmQueued) waiting = NULL;
  if (!velm_store_read_record(database, queued->key, 0, &record, error) ||
      !velm_store_read_queued(database, queued->key, &waiting, error))
    return FALSE;
  *existed = record || waiting;
  if (*existed)
    return repeat(database, queued, sha256, record, waiting, error);
  return velm_store_write_image(database, sha256, queued->media_type, image, error) &&
         write_row(database, queued, sha256, error);
}

static gboolean enqueue(VelmStore *store, const VelmQueued *queued, GBytes *image,
                        const char *sha256, gboolean *existed, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok = velm_database_begin(database, &cause) &&
                write_queued(database, queued, image, sha256, existed, &cause);
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

gboolean velm_store_end_queued(VelmDatabase *database, const VelmQueued *queued, gint64 record,
                               GError **error) {
  g_autoptr(sqlite3_stmt) statement =
      velm_database_prepare(database, "DELETE FROM queue WHERE id = ?", error);
  if (!statement)
    return FALSE;
  velm_database_bind_int(statement, 1, queued->id);
  return velm_database_finish(database, statement, error) &&
         (!queued->callback ||
          velm_store_write_callback(database, record, queued->callback, error));
}
