#include "act/store_private.h"

#include <string.h>

void velm_callback_free(VelmCallback *callback) {
  if (!callback)
    return;
  g_free(callback->url);
  g_free(callback->message);
  g_free(callback);
}

/* ---- reading ---- */

static VelmCallback *read_row(VelmStatement *statement) {
  VelmCallback *callback = g_new0(VelmCallback, 1);
  *callback = (VelmCallback){.record = velm_statement_int(statement, 0),
                             .url = velm_statement_text(statement, 1),
                             .due = velm_statement_int(statement, 2),
                             .attempts = velm_statement_int(statement, 3),
                             .message = velm_statement_text(statement, 4)};
  return callback;
}

static GPtrArray *list(VelmDatabase *database, const char *station, gint64 until, guint limit,
                       GError **error) {
  g_autoptr(GPtrArray) callbacks =
      g_ptr_array_new_with_free_func((GDestroyNotify)velm_callback_free);
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database,
                            "SELECT record, url, due, attempts, message FROM callbacks"
                            " WHERE due <= ?1 AND station = ?3 ORDER BY due, record LIMIT ?2",
                            error);
  VelmStep step;
  if (!statement)
    return NULL;
  velm_statement_bind_int(statement, 1, until);
  velm_statement_bind_int(statement, 2, limit);
  velm_statement_bind_text(statement, 3, station);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    g_ptr_array_add(callbacks, read_row(statement));
  return step == VELM_STEP_DONE ? g_steal_pointer(&callbacks) : NULL;
}

GPtrArray *velm_store_list_callbacks(VelmStore *store, gint64 until, guint limit, GError **error) {
  if (limit < 1 || limit > VELM_STORE_MAX_PAGE) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "a page has 1 to %d callbacks",
                VELM_STORE_MAX_PAGE);
    return NULL;
  }
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return NULL;
  GPtrArray *callbacks = list(database, store->station, until, limit, error);
  velm_store_end_reading(store, database);
  return callbacks;
}

/* ---- writing ---- */

gboolean velm_store_write_callback(VelmDatabase *database, const char *station, gint64 record,
                                   const char *url, GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database,
      "INSERT INTO callbacks (record, url, due, station) VALUES (?1, ?2, ?3, ?4)"
      " ON CONFLICT (record, station) DO UPDATE SET url = excluded.url, due = excluded.due, "
      "attempts = 0,"
      " message = NULL",
      error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, record);
  velm_statement_bind_text(statement, 2, url);
  velm_statement_bind_int(statement, 3, g_get_real_time());
  velm_statement_bind_text(statement, 4, station);
  return velm_statement_finish(statement, error);
}

/* By its URL too: another one that was given meanwhile is still to be told. */
static gboolean remove_row(VelmDatabase *database, const char *station,
                           const VelmCallback *callback, GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database, "DELETE FROM callbacks WHERE record = ?1 AND url = ?2 AND station = ?3", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 3, station);
  velm_statement_bind_int(statement, 1, callback->record);
  velm_statement_bind_text(statement, 2, callback->url);
  return velm_statement_finish(statement, error);
}

gboolean velm_store_callback_done(VelmStore *store, const VelmCallback *callback, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok = remove_row(database, store->station, callback, &cause);
  return velm_store_end_writing(store, ok, g_steal_pointer(&cause), error);
}

/* What a server answered may be anything; it must not keep the callback from being put off. */
static char *clean_message(const char *message) {
  return message ? g_utf8_make_valid(message, (gssize)strnlen(message, VELM_STORE_MAX_NOTE)) : NULL;
}

static gboolean put_off(VelmDatabase *database, const char *station, const VelmCallback *callback,
                        gint64 retry_at, const char *message, GError **error) {
  g_autofree char *clean = clean_message(message);
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database,
                            "UPDATE callbacks SET due = ?3, message = ?4, attempts = attempts + 1"
                            " WHERE record = ?1 AND url = ?2 AND station = ?5",
                            error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 5, station);
  velm_statement_bind_int(statement, 1, callback->record);
  velm_statement_bind_text(statement, 2, callback->url);
  velm_statement_bind_int(statement, 3, retry_at);
  velm_statement_bind_text(statement, 4, clean);
  return velm_statement_finish(statement, error);
}

gboolean velm_store_callback_failed(VelmStore *store, const VelmCallback *callback, gint64 retry_at,
                                    const char *message, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok = put_off(database, store->station, callback, retry_at, message, &cause);
  return velm_store_end_writing(store, ok, g_steal_pointer(&cause), error);
}
