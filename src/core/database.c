#include "core/database.h"

#include <errno.h>
#include <math.h>

#define BUSY_MS 10000 /* that another process may hold the lock */
#define RETRY_US 20000

/* ---- failures ---- */

VelmDatabaseState velm_database_state_of(int code) {
  switch (code) {
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
    return VELM_DATABASE_FULL;
  case EROFS:
  case EACCES:
  case EPERM:
    return VELM_DATABASE_READ_ONLY;
  default:
    return VELM_DATABASE_BROKEN;
  }
}

/* The errno behind SQLite's result; 0 where it is not from a call, and what SQLite still has is of
 * another failure. */
static int cause_of(const VelmDatabase *database, int code) {
  int primary = code & 0xFF;
  if (!database->handle || (primary != SQLITE_IOERR && primary != SQLITE_CANTOPEN))
    return 0;
  return sqlite3_system_errno(database->handle);
}

static VelmDatabaseState state_of_result(const VelmDatabase *database, int code) {
  switch (code & 0xFF) {
  case SQLITE_FULL:
    return VELM_DATABASE_FULL;
  case SQLITE_READONLY:
    return VELM_DATABASE_READ_ONLY;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return VELM_DATABASE_LOCKED;
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
    return VELM_DATABASE_DAMAGED;
  case SQLITE_IOERR:
  case SQLITE_CANTOPEN:
    return velm_database_state_of(cause_of(database, code));
  default:
    return VELM_DATABASE_BROKEN;
  }
}

/* The reason for a person. SQLite's own word for a failed write, "disk I/O error", hides the cause.
 * Returns: (transfer full). */
static char *reason(const VelmDatabase *database, int code) {
  const char *message = database->handle ? sqlite3_errmsg(database->handle) : sqlite3_errstr(code);
  int cause = cause_of(database, code);
  switch (database->state) {
  case VELM_DATABASE_FULL:
    return g_strdup_printf("%s cannot be written: %s", database->what,
                           g_strerror(cause ? cause : ENOSPC));
  case VELM_DATABASE_READ_ONLY:
    return g_strdup_printf("%s cannot be written: %s", database->what,
                           cause ? g_strerror(cause) : "it is read-only");
  case VELM_DATABASE_LOCKED:
    return g_strdup_printf("%s stays locked by another process", database->what);
  case VELM_DATABASE_DAMAGED:
    return g_strdup_printf("%s is damaged: %s", database->what, message);
  default:
    return g_strdup_printf("%s cannot be used: %s%s%s", database->what, message, cause ? ": " : "",
                           cause ? g_strerror(cause) : "");
  }
}

void velm_database_fail(VelmDatabase *database, int code, GError **error) {
  database->state = state_of_result(database, code);
  g_autofree char *why = reason(database, code);
  g_autofree char *name = g_filename_display_name(database->path);
  g_strdelimit(why, "\r\n", ' ');
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", name, why);
}

/* ---- opening ---- */

/* Files come from disks that may be damaged: nothing in them is trusted to be code, and pages are
 * looked at before they are used. A commit is on the disk when it returns. */
static gboolean configure(VelmDatabase *database, GError **error) {
  sqlite3_extended_result_codes(database->handle, 1);
  sqlite3_busy_timeout(database->handle, BUSY_MS);
  return velm_database_run(database, "PRAGMA trusted_schema = OFF", error) &&
         velm_database_run(database, "PRAGMA cell_size_check = ON", error) &&
         velm_database_run(database, "PRAGMA foreign_keys = ON", error) &&
         velm_database_run(database, "PRAGMA synchronous = FULL", error);
}

VelmDatabase *velm_database_open(const char *path, const char *what, int flags,
                                 VelmDatabaseState *state, GError **error) {
  g_autoptr(VelmDatabase) database = g_new0(VelmDatabase, 1);
  /* Absolute: SQLite takes some names, such as ":memory:", for no file. */
  database->path = g_canonicalize_filename(path, NULL);
  database->what = what;
  int code = sqlite3_open_v2(database->path, &database->handle, flags, NULL);
  if (code != SQLITE_OK)
    velm_database_fail(database, code, error);
  else if (configure(database, error))
    return g_steal_pointer(&database);
  if (state)
    *state = database->state;
  return NULL;
}

void velm_database_close(VelmDatabase *database) {
  if (!database)
    return;
  sqlite3_close(database->handle);
  g_free(database->path);
  g_free(database);
}

/* ---- statements ---- */

sqlite3_stmt *velm_database_prepare(VelmDatabase *database, const char *sql, GError **error) {
  sqlite3_stmt *statement = NULL;
  int code = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);
  if (code == SQLITE_OK)
    return statement;
  velm_database_fail(database, code, error);
  return NULL;
}

int velm_database_step(VelmDatabase *database, sqlite3_stmt *statement, GError **error) {
  int code = sqlite3_step(statement);
  if (code != SQLITE_ROW && code != SQLITE_DONE)
    velm_database_fail(database, code, error);
  return code;
}

gboolean velm_database_finish(VelmDatabase *database, sqlite3_stmt *statement, GError **error) {
  int code;
  do
    code = velm_database_step(database, statement, error);
  while (code == SQLITE_ROW);
  return code == SQLITE_DONE;
}

gboolean velm_database_run(VelmDatabase *database, const char *sql, GError **error) {
  g_autoptr(sqlite3_stmt) statement = velm_database_prepare(database, sql, error);
  return statement && velm_database_finish(database, statement, error);
}

gboolean velm_database_run_script(VelmDatabase *database, const char *script, GError **error) {
  int code = sqlite3_exec(database->handle, script, NULL, NULL, NULL);
  if (code != SQLITE_OK)
    velm_database_fail(database, code, error);
  return code == SQLITE_OK;
}

gboolean velm_database_read_int(VelmDatabase *database, const char *sql, gint64 *value,
                                GError **error) {
  g_autoptr(sqlite3_stmt) statement = velm_database_prepare(database, sql, error);
  int code = statement ? velm_database_step(database, statement, error) : SQLITE_ERROR;
  if (code == SQLITE_DONE)
    velm_database_fail(database, SQLITE_CORRUPT, error);
  if (code == SQLITE_ROW)
    *value = sqlite3_column_int64(statement, 0);
  return code == SQLITE_ROW;
}

void velm_database_bind_text(sqlite3_stmt *statement, int index, const char *text) {
  sqlite3_bind_text(statement, index, text, -1, SQLITE_TRANSIENT);
}

void velm_database_bind_double(sqlite3_stmt *statement, int index, double value) {
  sqlite3_bind_double(statement, index, value);
}

void velm_database_bind_int(sqlite3_stmt *statement, int index, gint64 value) {
  sqlite3_bind_int64(statement, index, value);
}

char *velm_database_column_text(sqlite3_stmt *statement, int index) {
  return g_strdup((const char *)sqlite3_column_text(statement, index));
}

double velm_database_column_double(sqlite3_stmt *statement, int index) {
  return sqlite3_column_type(statement, index) == SQLITE_NULL
             ? NAN
             : sqlite3_column_double(statement, index);
}

/* ---- transactions ---- */

gboolean velm_database_begin(VelmDatabase *database, GError **error) {
  return velm_database_run(database, "BEGIN IMMEDIATE", error);
}

gboolean velm_database_end(VelmDatabase *database, gboolean ok, GError **error) {
  gboolean kept = ok && velm_database_run(database, "COMMIT", error);
  /* Some failures, such as a full disk, have ended it already. */
  if (!kept && !sqlite3_get_autocommit(database->handle))
    sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
  return kept;
}

/* SQLite does not wait here by itself where several processes do it at once. */
gboolean velm_database_use_write_ahead_log(VelmDatabase *database, GError **error) {
  gint64 end = g_get_monotonic_time() + BUSY_MS * 1000;
  for (;;) {
    g_autoptr(GError) cause = NULL;
    if (velm_database_run(database, "PRAGMA journal_mode = WAL", &cause))
      return TRUE;
    if (database->state != VELM_DATABASE_LOCKED || g_get_monotonic_time() > end) {
      g_propagate_error(error, g_steal_pointer(&cause));
      return FALSE;
    }
    g_usleep(RETRY_US);
  }
}
