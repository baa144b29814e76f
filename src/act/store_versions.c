/* Models that were made at the station, and which of them each product uses. */
#include "act/store_private.h"

#define COLUMNS "id, product, time, who, kind, base, file, report"

void velm_stored_version_free(VelmStoredVersion *version) {
  if (!version)
    return;
  g_free(version->product);
  g_free(version->who);
  g_free(version->kind);
  g_free(version->base);
  g_free(version->file);
  g_free(version->report);
  g_free(version);
}

/* ---- adding ---- */

static gboolean check(const VelmStoredVersion *version, GError **error) {
  return velm_store_check_text(version->product, "product", VELM_STORE_MAX_NAME, FALSE, error) &&
         velm_store_check_text(version->who, "person", VELM_STORE_MAX_NAME, FALSE, error) &&
         velm_store_check_text(version->kind, "kind", VELM_STORE_MAX_NAME, FALSE, error) &&
         velm_store_check_text(version->base, "base", VELM_STORE_MAX_NAME, FALSE, error) &&
         velm_store_check_text(version->file, "file", VELM_STORE_MAX_PATH, FALSE, error) &&
         velm_store_check_text(version->report, "report", VELM_STORE_MAX_REPORT, TRUE, error);
}

gboolean velm_store_write_version(VelmDatabase *database, const VelmStoredVersion *version,
                                  gint64 time, gint64 *id, GError **error) {
  gboolean found = FALSE;
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database,
                            "INSERT INTO versions (product, time, who, kind, base, file, report)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id",
                            error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, version->product);
  velm_statement_bind_int(statement, 2, time);
  velm_statement_bind_text(statement, 3, version->who);
  velm_statement_bind_text(statement, 4, version->kind);
  velm_statement_bind_text(statement, 5, version->base);
  velm_statement_bind_text(statement, 6, version->file);
  velm_statement_bind_text(statement, 7, version->report);
  if (!velm_statement_find(statement, &found, error))
    return FALSE;
  *id = velm_statement_int(statement, 0);
  return TRUE;
}

/* In the audit log: @action was done to @product, with the number of a version. */
static gboolean write_entry(VelmDatabase *database, const char *product, gint64 time,
                            const char *who, const char *action, gint64 id, GError **error) {
  g_autofree char *target = g_strconcat("product ", product, NULL);
  g_autofree char *detail = g_strdup_printf("{\"version\":%" G_GINT64_FORMAT "}", id);
  return velm_store_write_audit(database, time, who, action, target, detail, error);
}

gboolean velm_store_add_version(VelmStore *store, const VelmStoredVersion *version, gint64 *id,
                                GError **error) {
  gint64 time = g_get_real_time();
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = check(version, error) ? velm_store_begin_writing(store, error) : NULL;
  if (!database)
    return FALSE;
  gboolean ok =
      velm_database_begin(database, &cause) &&
      velm_store_write_version(database, version, time, id, &cause) &&
      write_entry(database, version->product, time, version->who, version->kind, *id, &cause);
  return velm_store_end_transaction(store, ok, g_steal_pointer(&cause), error);
}

/* ---- reading ---- */

static VelmStoredVersion *read_version(VelmStatement *statement) {
  VelmStoredVersion *version = g_new(VelmStoredVersion, 1);
  *version = (VelmStoredVersion){.id = velm_statement_int(statement, 0),
                                 .product = velm_statement_text(statement, 1),
                                 .time = velm_statement_int(statement, 2),
                                 .who = velm_statement_text(statement, 3),
                                 .kind = velm_statement_text(statement, 4),
                                 .base = velm_statement_text(statement, 5),
                                 .file = velm_statement_text(statement, 6),
                                 .report = velm_statement_text(statement, 7)};
  return version;
}

/* @sql: with the product as its first parameter and @number as the second. */
static GPtrArray *list(VelmDatabase *database, const char *sql, const char *product, gint64 number,
                       GError **error) {
  g_autoptr(GPtrArray) versions =
      g_ptr_array_new_with_free_func((GDestroyNotify)velm_stored_version_free);
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, error);
  if (!statement)
    return NULL;
  velm_statement_bind_text(statement, 1, product);
  velm_statement_bind_int(statement, 2, number);
  VelmStep step;
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    g_ptr_array_add(versions, read_version(statement));
  return step == VELM_STEP_DONE ? g_steal_pointer(&versions) : NULL;
}

static GPtrArray *read_list(VelmStore *store, const char *sql, const char *product, gint64 number,
                            GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return NULL;
  GPtrArray *versions = list(database, sql, product, number, error);
  velm_store_end_reading(store, database);
  return versions;
}

GPtrArray *velm_store_list_versions(VelmStore *store, const char *product, guint limit,
                                    GError **error) {
  return read_list(store,
                   "SELECT " COLUMNS " FROM versions WHERE product = ?1 ORDER BY id DESC LIMIT ?2",
                   product, MIN(limit, VELM_STORE_MAX_PAGE), error);
}

/* The one row of @sql, or none. */
static gboolean read_one(VelmStore *store, const char *sql, const char *product, gint64 number,
                         VelmStoredVersion **version, GError **error) {
  g_autoptr(GPtrArray) versions = read_list(store, sql, product, number, error);
  *version = versions && versions->len > 0 ? g_ptr_array_steal_index(versions, 0) : NULL;
  return versions != NULL;
}

gboolean velm_store_get_version(VelmStore *store, const char *product, gint64 id,
                                VelmStoredVersion **version, GError **error) {
  return read_one(store, "SELECT " COLUMNS " FROM versions WHERE product = ?1 AND id = ?2", product,
                  id, version, error);
}

gboolean velm_store_get_used_version(VelmStore *store, const char *product,
                                     VelmStoredVersion **version, GError **error) {
  return read_one(store,
                  "SELECT " COLUMNS " FROM versions WHERE product = ?1 AND id ="
                  " (SELECT version FROM used_versions WHERE product = ?1) AND ?2 = 0",
                  product, 0, version, error);
}

/* ---- using ---- */

static gboolean write_use(VelmDatabase *database, const char *product, gint64 id, GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database,
                            "INSERT INTO used_versions (product, version) VALUES (?1, ?2)"
                            " ON CONFLICT (product) DO UPDATE SET version = excluded.version",
                            error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, product);
  velm_statement_bind_int(statement, 2, id);
  return velm_statement_finish(statement, error);
}

gboolean velm_store_use_version(VelmStore *store, const char *product, gint64 id, const char *who,
                                GError **error) {
  gint64 time = g_get_real_time();
  g_autoptr(GError) cause = NULL;
  gboolean sound = velm_store_check_text(product, "product", VELM_STORE_MAX_NAME, FALSE, error) &&
                   velm_store_check_text(who, "person", VELM_STORE_MAX_NAME, FALSE, error);
  VelmDatabase *database = sound ? velm_store_begin_writing(store, error) : NULL;
  if (!database)
    return FALSE;
  gboolean ok = velm_database_begin(database, &cause) && write_use(database, product, id, &cause) &&
                write_entry(database, product, time, who, "use version", id, &cause);
  return velm_store_end_transaction(store, ok, g_steal_pointer(&cause), error);
}
