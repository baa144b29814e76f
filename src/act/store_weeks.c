/*
 * The parts of a shared store's records: one for each week that has some, made with the first
 * record of the week. Its name ends with the week's first day, as in records_20261123. Both happen
 * in a transaction that writes, of which there is one at a time.
 */
#include "act/store_private.h"

#define WEEK (7 * G_TIME_SPAN_DAY)
/* The Monday before 1970. */
#define FIRST_MONDAY (-3 * G_TIME_SPAN_DAY)

gint64 velm_store_week_of(gint64 time) {
  gint64 since = time - FIRST_MONDAY;
  gint64 weeks = since / WEEK - (since % WEEK < 0);
  return FIRST_MONDAY + weeks * WEEK;
}

GHashTable *velm_store_new_weeks(void) {
  return g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
}

void velm_store_count_in_week(GHashTable *changes, gint64 time, gint64 n) {
  gint64 week = velm_store_week_of(time);
  gint64 *count = g_hash_table_lookup(changes, &week);
  if (!count) {
    count = g_new0(gint64, 1);
    g_hash_table_insert(changes, g_memdup2(&week, sizeof week), count);
  }
  *count += n;
}

/* ---- making ---- */

/* Digits alone. Returns: (transfer full): NULL where the week is of no year of four digits. */
static char *name_of(VelmDatabase *database, gint64 week, GError **error) {
  g_autoptr(GDateTime) start = g_date_time_new_from_unix_utc(week / G_USEC_PER_SEC);
  g_autoptr(GDateTime) end = g_date_time_new_from_unix_utc((week + WEEK) / G_USEC_PER_SEC);
  if (start && end)
    return g_date_time_format(start, "%Y%m%d");
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s: no record is of the time %" G_GINT64_FORMAT,
              database->name, week);
  return NULL;
}

/* Added to the others when it is whole: that keeps nobody from reading them. */
static gboolean make_part(VelmDatabase *database, const char *table, const char *name, gint64 week,
                          GError **error) {
  g_autofree char *script =
      g_strdup_printf("CREATE TABLE %s_%s (LIKE %s INCLUDING DEFAULTS);"
                      "ALTER TABLE %s ATTACH PARTITION %s_%s FOR VALUES FROM (%" G_GINT64_FORMAT
                      ") TO (%" G_GINT64_FORMAT ")",
                      table, name, table, table, table, name, week, week + WEEK);
  return velm_database_run_script(database, script, error);
}

/* @is_new: (out): the week had no record before. */
static gboolean add_records(VelmDatabase *database, gint64 week, const char *name, gint64 n,
                            gboolean *is_new, GError **error) {
  gboolean found = FALSE;
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database,
      "INSERT INTO weeks (first, name, records, added) VALUES (?1, ?2, ?3, ?3)"
      " ON CONFLICT (first) DO UPDATE SET records = weeks.records + excluded.records,"
      " added = weeks.added + excluded.added RETURNING added",
      error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, week);
  velm_statement_bind_text(statement, 2, name);
  velm_statement_bind_int(statement, 3, n);
  if (!velm_statement_find(statement, &found, error))
    return FALSE;
  *is_new = velm_statement_int(statement, 0) == n;
  return TRUE;
}

static gboolean add_to_week(VelmDatabase *database, gint64 week, gint64 n, GError **error) {
  gboolean is_new = FALSE;
  g_autofree char *name = name_of(database, week, error);
  if (!name || !add_records(database, week, name, n, &is_new, error))
    return FALSE;
  return !is_new || (make_part(database, "records", name, week, error) &&
                     make_part(database, "documents", name, week, error));
}

static gboolean take_from_week(VelmDatabase *database, gint64 week, gint64 n, GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database, "UPDATE weeks SET records = records - ?2 WHERE first = ?1", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, week);
  velm_statement_bind_int(statement, 2, n);
  return velm_statement_finish(statement, error);
}

gboolean velm_store_note_weeks(VelmDatabase *database, GHashTable *changes, GError **error) {
  GHashTableIter iter;
  gpointer week, count;
  g_hash_table_iter_init(&iter, changes);
  while (g_hash_table_iter_next(&iter, &week, &count)) {
    gint64 n = *(gint64 *)count;
    if (!(n > 0 ? add_to_week(database, *(gint64 *)week, n, error)
                : take_from_week(database, *(gint64 *)week, -n, error)))
      return FALSE;
  }
  return TRUE;
}

/* ---- dropping ---- */

static GPtrArray *list_empty(VelmDatabase *database, gint64 now, GError **error) {
  VelmStep step;
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database, "SELECT name FROM weeks WHERE records = 0 AND first <= ?1 ORDER BY first", error);
  if (!statement)
    return NULL;
  velm_statement_bind_int(statement, 1, now - WEEK);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    g_ptr_array_add(names, velm_statement_text(statement, 0));
  return step == VELM_STEP_DONE ? g_steal_pointer(&names) : NULL;
}

/* Readers of any part keep it from going, and those that come later would wait behind it: so it
 * does not wait long. */
static gboolean drop(VelmDatabase *database, const char *name, GError **error) {
  g_autofree char *script =
      g_strdup_printf("SET LOCAL lock_timeout = '1s'; DROP TABLE records_%s; DROP TABLE"
                      " documents_%s; DELETE FROM weeks WHERE name = '%s'",
                      name, name, name);
  return velm_database_run_script(database, script, error);
}

gboolean velm_store_drop_weeks(VelmDatabase *database, gint64 now, GError **error) {
  g_autoptr(GError) cause = NULL;
  gboolean ok = velm_database_begin(database, error);
  g_autoptr(GPtrArray) names = ok ? list_empty(database, now, error) : NULL;
  ok = names != NULL;
  for (guint i = 0; ok && i < names->len; i++)
    ok = drop(database, names->pdata[i], &cause);
  gboolean in_use = cause && database->state == VELM_DATABASE_LOCKED;
  ok = velm_database_end(database, ok, error);
  if (in_use) {
    database->state = VELM_DATABASE_FINE;
    return TRUE;
  }
  if (cause)
    g_propagate_error(error, g_steal_pointer(&cause));
  return ok;
}
