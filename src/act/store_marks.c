/* How far each who goes through the records in their order has come. */
#include "act/store_private.h"

/* ---- the next record ---- */

#define SELECT_NEXT "SELECT id FROM keys WHERE id > ?1 ORDER BY id LIMIT 1"

/* What follows in the index by station and number, if it is of the station. Without that detour the
 * server may look for a station's next by number alone, among all records of others. */
#define SELECT_NEXT_OF_STATION                                                                     \
  "SELECT id FROM (SELECT id, station FROM keys WHERE station IS NOT NULL"                         \
  " AND (station, id) > (?2, ?1) ORDER BY station, id LIMIT 1) AS following WHERE station = ?2"

/* The smallest number over @after; 0 where there is none. @station: (nullable): of its records. */
static gboolean find_next(VelmDatabase *database, const char *station, gint64 after, gint64 *id,
                          GError **error) {
  gboolean found = FALSE;
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, station ? SELECT_NEXT_OF_STATION : SELECT_NEXT, error);
  *id = 0;
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, after);
  if (station)
    velm_statement_bind_text(statement, 2, station);
  if (!velm_statement_find(statement, &found, error))
    return FALSE;
  if (found)
    *id = velm_statement_int(statement, 0);
  return TRUE;
}

gboolean velm_store_next(VelmStore *store, gint64 after, VelmStoredRecord **record,
                         GError **error) {
  gint64 id = 0;
  const char *station = velm_store_is_shared(store) ? store->station : NULL;
  *record = NULL;
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return FALSE;
  gboolean ok = find_next(database, station, after, &id, error) &&
                (!id || velm_store_read_record(database, NULL, id, record, error));
  velm_store_end_reading(store, database);
  return ok;
}

/* ---- marks ---- */

/* @record: (nullable): the statement has no parameter for it. @found: the value of the row that it
 * gives, where it gives one. */
static gboolean run_for(VelmDatabase *database, const char *sql, const char *station,
                        const char *name, const gint64 *record, gint64 *found, GError **error) {
  gboolean is_found = FALSE;
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, station);
  velm_statement_bind_text(statement, 2, name);
  if (record)
    velm_statement_bind_int(statement, 3, *record);
  if (!velm_statement_find(statement, &is_found, error))
    return FALSE;
  if (is_found)
    *found = velm_statement_int(statement, 0);
  return TRUE;
}

/* @given: (nullable): what is written; else it is the statement's to find. */
static gboolean write_mark(VelmStore *store, const char *sql, const char *name, const gint64 *given,
                           gint64 *record, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_check_text(name, "mark", VELM_STORE_MAX_NAME, FALSE, error)
                               ? velm_store_begin_writing(store, error)
                               : NULL;
  if (!database)
    return FALSE;
  gboolean ok = velm_database_begin(database, &cause) &&
                run_for(database, sql, store->station, name, given, record, &cause) &&
                run_for(database, "SELECT record FROM marks WHERE station = ?1 AND name = ?2",
                        store->station, name, NULL, record, &cause);
  return velm_store_end_transaction(store, ok, g_steal_pointer(&cause), error);
}

gboolean velm_store_begin_mark(VelmStore *store, const char *name, gint64 *record, GError **error) {
  /* The number that the last record had, also where it has gone. */
  *record = 0;
  return write_mark(store,
                    "INSERT INTO marks (station, name, record)"
                    " SELECT CAST(?1 AS TEXT), CAST(?2 AS TEXT), last_record FROM store"
                    " WHERE true ON CONFLICT DO NOTHING",
                    name, NULL, record, error);
}

gboolean velm_store_set_mark(VelmStore *store, const char *name, gint64 record, GError **error) {
  gint64 written = record;
  return write_mark(store,
                    "INSERT INTO marks (station, name, record) VALUES (?1, ?2, ?3)"
                    " ON CONFLICT (station, name) DO UPDATE SET record = excluded.record",
                    name, &record, &written, error);
}
