/* Which version a store's tables are of, and how they get to another. */
#include "act/store_schema.h"

#include "core/database_postgres.h"
#include "core/database_sqlite.h"

static gboolean is_on_server(const VelmDatabase *database) {
  return database->class == &velm_postgres_class;
}

static gboolean refuse(VelmDatabase *database, GError **error, const char *why) {
  g_autofree char *line = g_strconcat(why, "; it is left as it is", NULL);
  velm_database_fail(database, VELM_DATABASE_BROKEN, error, line);
  return FALSE;
}

/* ---- which version ---- */

/* @is_empty: (out): it holds nothing yet. @is_store: (out): what it holds is a store. */
static gboolean look_at_file(VelmDatabase *database, gboolean *is_empty, gboolean *is_store,
                             gint64 *version, GError **error) {
  gint64 application = 0, tables = 0;
  if (!velm_database_read_int(database, "PRAGMA application_id", &application, error) ||
      !velm_database_read_int(database, "PRAGMA user_version", version, error) ||
      !velm_database_read_int(database, "SELECT count(*) FROM sqlite_master", &tables, error))
    return FALSE;
  *is_empty = application == 0 && *version == 0 && tables == 0;
  *is_store = application == VELM_STORE_APPLICATION_ID && *version >= 1;
  return TRUE;
}

static gboolean look_at_server(VelmDatabase *database, gboolean *is_empty, gboolean *is_store,
                               gint64 *version, GError **error) {
  gint64 columns = 0, tables = 0;
  if (!velm_database_read_int(database,
                              "SELECT count(*) FROM pg_attribute WHERE attrelid ="
                              " to_regclass('store') AND NOT attisdropped AND attname IN"
                              " ('name', 'probed', 'last_record', 'schema_version')",
                              &columns, error) ||
      !velm_database_read_int(database,
                              "SELECT count(*) FROM pg_class JOIN pg_namespace ON"
                              " pg_namespace.oid = relnamespace WHERE nspname = current_schema()"
                              " AND relkind IN ('r', 'p')",
                              &tables, error))
    return FALSE;
  *is_store = columns == 4;
  *is_empty = tables == 0;
  return !*is_store ||
         velm_database_read_int(database, "SELECT schema_version FROM store", version, error);
}

/* 0 where it holds nothing yet. */
static gboolean read_version(VelmDatabase *database, gint64 newest, gint64 *version,
                             GError **error) {
  gboolean is_empty = FALSE, is_store = FALSE;
  *version = 0;
  if (!(is_on_server(database) ? look_at_server : look_at_file)(database, &is_empty, &is_store,
                                                                version, error))
    return FALSE;
  if (is_empty)
    return TRUE;
  if (!is_store)
    return refuse(database, error, "is not a store of velm");
  if (*version > newest) {
    g_autofree char *why = g_strdup_printf("the store is of a newer velm (schema %" G_GINT64_FORMAT
                                           ", this one knows up to %" G_GINT64_FORMAT ")",
                                           *version, newest);
    return refuse(database, error, why);
  }
  return TRUE;
}

/* Of one moment: another process may be making the tables. */
static gboolean look(VelmDatabase *database, gint64 newest, gint64 *version, GError **error) {
  gboolean ok = velm_database_begin_reading(database, error) &&
                read_version(database, newest, version, error);
  return velm_database_end(database, ok, error);
}

/* ---- going to another ---- */

static gboolean write_version(VelmDatabase *database, gint64 version, GError **error) {
  g_autofree char *sql =
      is_on_server(database)
          ? g_strdup_printf("UPDATE store SET schema_version = %" G_GINT64_FORMAT, version)
          : g_strdup_printf("PRAGMA application_id = %d; PRAGMA user_version = %" G_GINT64_FORMAT,
                            VELM_STORE_APPLICATION_ID, version);
  return velm_database_run_script(database, sql, error);
}

/* To the next version, unless another process has been faster. @version: (inout). */
static gboolean go_on(VelmDatabase *database, const char *const *scripts, gint64 newest,
                      gint64 *version, GError **error) {
  gboolean ok =
      velm_database_begin(database, error) && read_version(database, newest, version, error) &&
      (*version == newest || (velm_database_run_script(database, scripts[*version], error) &&
                              write_version(database, *version + 1, error)));
  if (!velm_database_end(database, ok, error))
    return FALSE;
  *version = MIN(*version + 1, newest);
  return TRUE;
}

/* Before the first table: space of records that went can then be given back. */
static gboolean prepare_file(VelmDatabase *database, gint64 version, GError **error) {
  return (version > 0 || velm_database_run(database, "PRAGMA auto_vacuum = INCREMENTAL", error)) &&
         velm_sqlite_use_write_ahead_log(database, error);
}

gboolean velm_store_migrate(VelmDatabase *database, const char *const *scripts, gsize n,
                            GError **error) {
  gint64 version = 0;
  if (!look(database, (gint64)n, &version, error) ||
      (!is_on_server(database) && !prepare_file(database, version, error)))
    return FALSE;
  while (version < (gint64)n)
    if (!go_on(database, scripts, (gint64)n, &version, error))
      return FALSE;
  return TRUE;
}

gboolean velm_store_schema_apply(VelmDatabase *database, GError **error) {
  return velm_store_migrate(
      database, is_on_server(database) ? velm_store_postgres_versions : velm_store_sqlite_versions,
      VELM_STORE_SCHEMA_VERSION, error);
}

gboolean velm_store_schema_check(VelmDatabase *database, gint64 *version, GError **error) {
  if (!look(database, VELM_STORE_SCHEMA_VERSION, version, error))
    return FALSE;
  return *version > 0 || refuse(database, error, "holds no store yet");
}
