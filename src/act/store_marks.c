/* How far each who goes through the records in their order has come. */
#include "act/store_private.h"

/* ---- the next record ---- */

/* The smallest number over @after; 0 where there is none. */
static gboolean find_next(VelmDatabase *database, gint64 after, gint64 *id, GError **error) {
  g_autoptr(sqlite3_stmt) statement = velm_database_prepare(
      database, "SELECT id FROM records WHERE id > ? ORDER BY id LIMIT 1", error);
  *id = 0;
  if (!statement)
    return FALSE;
  velm_database_bind_int(statement, 1, after);
  int code = velm_database_step(database, statement, error);
  if (code == SQLITE_ROW)
    *id = sqlite3_column_int64(statement, 0);
  return code == SQLITE_ROW || code == SQLITE_DONE;
}

gboolean velm_store_next(VelmStore *store, gint64 after, VelmStoredRecord **record,
                         GError **error) {
  gint64 id = 0;
  *record = NULL;
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return FALSE;
  gboolean ok = find_next(database, after, &id, error) &&
                (!id || velm_store_read_record(database, NULL, id, record, error));
  velm_store_end_reading(store, database);
  return ok;
}

/* ---- marks ---- */

static gboolean run_for(VelmDatabase *database, const char *sql, const char *name, gint64 record,
                        GError **error) {
  g_autoptr(sqlite3_stmt) statement = velm_database_prepare(database, sql, error);
  if (!statement)
    return FALSE;
  velm_database_bind_text(statement, 1, name);
  velm_database_bind_int(statement, 2, record);
  return velm_database_finish(database, statement, error);
}

static gboolean read_mark(VelmDatabase *database, const char *name, gint64 *record,
                          GError **error) {
  g_autoptr(sqlite3_stmt) statement =
      velm_database_prepare(database, "SELECT record FROM marks WHERE name = ?", error);
  if (!statement)
    return FALSE;
  velm_database_bind_text(statement, 1, name);
  int code = velm_database_step(database, statement, error);
  if (code == SQLITE_ROW)
    *record = sqlite3_column_int64(statement, 0);
  return code == SQLITE_ROW || code == SQLITE_DONE;
}

static gboolean write_mark(VelmStore *store, const char *sql, const char *name, gint64 *record,
                           GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_check_text(name, "mark", VELM_STORE_MAX_NAME, FALSE, error)
                               ? velm_store_begin_writing(store, error)
                               : NULL;
  if (!database)
    return FALSE;
  gboolean ok = velm_database_begin(database, &cause) &&
                run_for(database, sql, name, *record, &cause) &&
                read_mark(database, name, record, &cause);
  return velm_store_end_transaction(store, ok, g_steal_pointer(&cause), error);
}

gboolean velm_store_begin_mark(VelmStore *store, const char *name, gint64 *record, GError **error) {
  /* The number that the last record had, also where it has gone. */
  *record = 0;
  return write_mark(store,
                    "INSERT INTO marks SELECT ?1, coalesce((SELECT seq FROM sqlite_sequence"
                    " WHERE name = 'records'), ?2) WHERE true ON CONFLICT DO NOTHING",
                    name, record, error);
}

gboolean velm_store_set_mark(VelmStore *store, const char *name, gint64 record, GError **error) {
  return write_mark(store, "INSERT OR REPLACE INTO marks VALUES (?1, ?2)", name, &record, error);
}
