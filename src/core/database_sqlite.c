#include "core/database_sqlite.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>

#define BUSY_MS 10000 /* that another process may hold the lock */
#define RETRY_US 20000

enum { PAGES_A_STEP = 1024 };

typedef struct {
  VelmDatabase parent;
  sqlite3 *handle;
} Sqlite;

typedef struct {
  VelmStatement parent;
  sqlite3_stmt *handle;
} Statement;

static sqlite3 *handle_of(const VelmDatabase *database) {
  return ((const Sqlite *)database)->handle;
}

static sqlite3_stmt *statement_of(const VelmStatement *statement) {
  return ((const Statement *)statement)->handle;
}

/* ---- failures ---- */

/* The errno behind SQLite's result; 0 where it is not from a call, and what SQLite still has is of
 * another failure. */
static int cause_of(const VelmDatabase *database, int code) {
  int primary = code & 0xFF;
  if (!handle_of(database) || (primary != SQLITE_IOERR && primary != SQLITE_CANTOPEN))
    return 0;
  return sqlite3_system_errno(handle_of(database));
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
static char *reason(const VelmDatabase *database, VelmDatabaseState state, int code) {
  sqlite3 *handle = handle_of(database);
  const char *message = handle ? sqlite3_errmsg(handle) : sqlite3_errstr(code);
  int cause = cause_of(database, code);
  switch (state) {
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

static void fail(VelmDatabase *database, int code, GError **error) {
  VelmDatabaseState state = state_of_result(database, code);
  g_autofree char *why = reason(database, state, code);
  velm_database_fail(database, state, error, why);
}

/* ---- opening ---- */

/* Files come from disks that may be damaged: nothing in them is trusted to be code, and pages are
 * looked at before they are used. A commit is on the disk when it returns. */
static gboolean configure(VelmDatabase *database, GError **error) {
  sqlite3_extended_result_codes(handle_of(database), 1);
  sqlite3_busy_timeout(handle_of(database), BUSY_MS);
  return velm_database_run(database, "PRAGMA trusted_schema = OFF", error) &&
         velm_database_run(database, "PRAGMA cell_size_check = ON", error) &&
         velm_database_run(database, "PRAGMA foreign_keys = ON", error) &&
         velm_database_run(database, "PRAGMA synchronous = FULL", error);
}

VelmDatabase *velm_sqlite_open(const char *path, const char *what, gboolean make,
                               VelmDatabaseState *state, GError **error) {
  Sqlite *sqlite = g_new0(Sqlite, 1);
  g_autoptr(VelmDatabase) database = &sqlite->parent;
  database->class = &velm_sqlite_class;
  /* Absolute: SQLite takes some names, such as ":memory:", for no file. */
  database->name = g_canonicalize_filename(path, NULL);
  database->what = what;
  int code = sqlite3_open_v2(database->name, &sqlite->handle,
                             SQLITE_OPEN_READWRITE | (make ? SQLITE_OPEN_CREATE : 0), NULL);
  if (code != SQLITE_OK)
    fail(database, code, error);
  else if (configure(database, error))
    return g_steal_pointer(&database);
  if (state)
    *state = database->state;
  return NULL;
}

static void sqlite_close(VelmDatabase *database) {
  sqlite3_close(handle_of(database));
  g_free(database->name);
  g_free(database);
}

static gboolean sqlite_is_alive(VelmDatabase *database) { return TRUE; }

/* SQLite does not wait here by itself where several processes do it at once. */
gboolean velm_sqlite_use_write_ahead_log(VelmDatabase *database, GError **error) {
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

/* ---- statements ---- */

static VelmStatement *sqlite_prepare(VelmDatabase *database, const char *sql, GError **error) {
  sqlite3_stmt *handle = NULL;
  int code = sqlite3_prepare_v2(handle_of(database), sql, -1, &handle, NULL);
  if (code != SQLITE_OK) {
    fail(database, code, error);
    return NULL;
  }
  Statement *statement = g_new0(Statement, 1);
  statement->parent.database = database;
  statement->handle = handle;
  return &statement->parent;
}

static void sqlite_free_statement(VelmStatement *statement) {
  sqlite3_finalize(statement_of(statement));
  g_free(statement);
}

static VelmStep sqlite_step(VelmStatement *statement, GError **error) {
  VelmDatabase *database = statement->database;
  int code = sqlite3_step(statement_of(statement));
  if (code == SQLITE_ROW)
    return VELM_STEP_ROW;
  if (code != SQLITE_DONE) {
    fail(database, code, error);
    return VELM_STEP_FAILED;
  }
  database->changes = sqlite3_changes64(handle_of(database));
  return VELM_STEP_DONE;
}

static gboolean sqlite_run_script(VelmDatabase *database, const char *script, GError **error) {
  int code = sqlite3_exec(handle_of(database), script, NULL, NULL, NULL);
  if (code != SQLITE_OK)
    fail(database, code, error);
  return code == SQLITE_OK;
}

static void sqlite_bind_text(VelmStatement *statement, int index, const char *text) {
  sqlite3_bind_text(statement_of(statement), index, text, -1, SQLITE_TRANSIENT);
}

static void sqlite_bind_double(VelmStatement *statement, int index, double value) {
  sqlite3_bind_double(statement_of(statement), index, value);
}

static void sqlite_bind_int(VelmStatement *statement, int index, gint64 value) {
  sqlite3_bind_int64(statement_of(statement), index, value);
}

static void sqlite_bind_bytes(VelmStatement *statement, int index, GBytes *bytes) {
  gsize size = 0;
  const void *data = bytes ? g_bytes_get_data(bytes, &size) : NULL;
  if (bytes)
    sqlite3_bind_blob64(statement_of(statement), index, data ? data : "", size, SQLITE_TRANSIENT);
  else
    sqlite3_bind_null(statement_of(statement), index);
}

static gboolean sqlite_is_null(VelmStatement *statement, int index) {
  return sqlite3_column_type(statement_of(statement), index) == SQLITE_NULL;
}

static const char *sqlite_column_text(VelmStatement *statement, int index) {
  return (const char *)sqlite3_column_text(statement_of(statement), index);
}

static double sqlite_column_double(VelmStatement *statement, int index) {
  return sqlite_is_null(statement, index) ? NAN
                                          : sqlite3_column_double(statement_of(statement), index);
}

static gint64 sqlite_column_int(VelmStatement *statement, int index) {
  return sqlite3_column_int64(statement_of(statement), index);
}

static GBytes *sqlite_column_bytes(VelmStatement *statement, int index) {
  const void *bytes = sqlite3_column_blob(statement_of(statement), index);
  return g_bytes_new(bytes, (gsize)sqlite3_column_bytes(statement_of(statement), index));
}

/* ---- many rows ---- */

static VelmStatement *sqlite_prepare_rows(VelmDatabase *database, const char *table,
                                          const char *const *columns, GError **error) {
  g_autofree char *names = g_strjoinv(", ", (char **)columns);
  g_autoptr(GString) sql = g_string_new(NULL);
  g_string_printf(sql, "INSERT INTO %s (%s) VALUES (?", table, names);
  for (gsize i = 1; columns[i]; i++)
    g_string_append(sql, ", ?");
  g_string_append_c(sql, ')');
  return sqlite_prepare(database, sql->str, error);
}

static gboolean sqlite_add_row(VelmStatement *rows, GError **error) {
  if (sqlite_step(rows, error) != VELM_STEP_DONE)
    return FALSE;
  sqlite3_reset(statement_of(rows));
  sqlite3_clear_bindings(statement_of(rows));
  return TRUE;
}

static gboolean sqlite_end_rows(VelmStatement *rows, GError **error) { return TRUE; }

/* ---- transactions ---- */

static gboolean sqlite_begin(VelmDatabase *database, GError **error) {
  return velm_database_run(database, "BEGIN IMMEDIATE", error);
}

static gboolean sqlite_begin_reading(VelmDatabase *database, GError **error) {
  return velm_database_run(database, "BEGIN", error);
}

static gboolean sqlite_commit(VelmDatabase *database, GError **error) {
  return velm_database_run(database, "COMMIT", error);
}

/* Some failures, such as a full disk, have ended it already. */
static void sqlite_roll_back(VelmDatabase *database) {
  if (!sqlite3_get_autocommit(handle_of(database)))
    sqlite3_exec(handle_of(database), "ROLLBACK", NULL, NULL, NULL);
}

const VelmDatabaseClass velm_sqlite_class = {
    .close = sqlite_close,
    .is_alive = sqlite_is_alive,
    .run_script = sqlite_run_script,
    .begin = sqlite_begin,
    .begin_reading = sqlite_begin_reading,
    .commit = sqlite_commit,
    .roll_back = sqlite_roll_back,
    .prepare = sqlite_prepare,
    .step = sqlite_step,
    .free_statement = sqlite_free_statement,
    .bind_text = sqlite_bind_text,
    .bind_double = sqlite_bind_double,
    .bind_int = sqlite_bind_int,
    .bind_bytes = sqlite_bind_bytes,
    .is_null = sqlite_is_null,
    .column_text = sqlite_column_text,
    .column_double = sqlite_column_double,
    .column_int = sqlite_column_int,
    .column_bytes = sqlite_column_bytes,
    .prepare_rows = sqlite_prepare_rows,
    .add_row = sqlite_add_row,
    .end_rows = sqlite_end_rows,
};

/* ---- copying ---- */

gboolean velm_sqlite_copy(VelmDatabase *from, VelmDatabase *to, VelmSqliteProgress progress,
                          gpointer progress_data, GError **error) {
  sqlite3_backup *copy = sqlite3_backup_init(handle_of(to), "main", handle_of(from), "main");
  gboolean ok = copy != NULL;
  int code = SQLITE_OK;
  while (ok && code == SQLITE_OK) {
    code = sqlite3_backup_step(copy, PAGES_A_STEP);
    gint64 total = sqlite3_backup_pagecount(copy);
    ok = (code != SQLITE_OK && code != SQLITE_DONE) ||
         progress(total - sqlite3_backup_remaining(copy), total, progress_data, error);
  }
  int finished = sqlite3_backup_finish(copy);
  if (!ok && copy)
    return FALSE;
  if (!copy || code != SQLITE_DONE || finished != SQLITE_OK) {
    fail(to, finished != SQLITE_OK ? finished : sqlite3_errcode(handle_of(to)), error);
    return FALSE;
  }
  return TRUE;
}
