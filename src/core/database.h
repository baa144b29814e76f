/*
 * SQLite: one connection to one file, its failures in velm's words.
 *
 * A connection serves one thread at a time. Text that is bound is copied.
 */
#pragma once

#include "velm.h"

#include <sqlite3.h>

/* Why a file cannot be used, where that matters to what is done about it. */
typedef enum {
  VELM_DATABASE_FINE,
  VELM_DATABASE_FULL,      /* no space is left, or the file may not grow */
  VELM_DATABASE_READ_ONLY, /* the disk or the file cannot be written */
  VELM_DATABASE_LOCKED,    /* by another process, for longer than was waited */
  VELM_DATABASE_DAMAGED,
  VELM_DATABASE_BROKEN, /* anything else, such as a disk that fails */
} VelmDatabaseState;

typedef struct {
  sqlite3 *handle;
  char *path;
  const char *what;        /* for messages, such as "the store"; static */
  VelmDatabaseState state; /* after the last failure; what succeeds leaves it */
} VelmDatabase;

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sqlite3_stmt, sqlite3_finalize)

/** The state for errno @code of an input or output call. */
VelmDatabaseState velm_database_state_of(int code);

/**
 * Opens the file @path.
 * @what: what messages call it; static
 * @flags: SQLITE_OPEN_READWRITE, with SQLITE_OPEN_CREATE where it may be made
 * @state: (out) (nullable): why it failed
 * Returns: (transfer full): NULL with VELM_ERROR_FILE
 */
VelmDatabase *velm_database_open(const char *path, const char *what, int flags,
                                 VelmDatabaseState *state, GError **error);
void velm_database_close(VelmDatabase *database);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDatabase, velm_database_close)

/** Sets @error for SQLite's result @code of @database, and its state. */
void velm_database_fail(VelmDatabase *database, int code, GError **error);

/** Compiles one statement of constant text. Returns: (transfer full): NULL with VELM_ERROR_FILE. */
sqlite3_stmt *velm_database_prepare(VelmDatabase *database, const char *sql, GError **error);
/** Goes to the next row. Returns: SQLITE_ROW or SQLITE_DONE, or another code with the error. */
int velm_database_step(VelmDatabase *database, sqlite3_stmt *statement, GError **error);
/** Steps to the end, whatever the rows are. */
gboolean velm_database_finish(VelmDatabase *database, sqlite3_stmt *statement, GError **error);
/** Prepares and finishes one statement. */
gboolean velm_database_run(VelmDatabase *database, const char *sql, GError **error);
/** Runs several statements, separated by semicolons. */
gboolean velm_database_run_script(VelmDatabase *database, const char *script, GError **error);
/** The whole number in the first column of the only row of @sql. */
gboolean velm_database_read_int(VelmDatabase *database, const char *sql, gint64 *value,
                                GError **error);

/** Parameter @index, from 1; a NULL @text is NULL. */
void velm_database_bind_text(sqlite3_stmt *statement, int index, const char *text);
/** A number that is none (NaN) is NULL. */
void velm_database_bind_double(sqlite3_stmt *statement, int index, double value);
void velm_database_bind_int(sqlite3_stmt *statement, int index, gint64 value);
/** Column @index, from 0. Returns: (transfer full): NULL where it is NULL. */
char *velm_database_column_text(sqlite3_stmt *statement, int index);
/** Column @index; NaN where it is NULL. */
double velm_database_column_double(sqlite3_stmt *statement, int index);

/** Starts a transaction that writes: others that write wait for its end. */
gboolean velm_database_begin(VelmDatabase *database, GError **error);
/** Ends it: keeps its writes where @ok, and drops them where not, or where they cannot be kept.
 * Returns: whether they were kept; the error is set where @ok and they were not. */
gboolean velm_database_end(VelmDatabase *database, gboolean ok, GError **error);

/** Lets readers go on while one writes. Several processes may do it at once. */
gboolean velm_database_use_write_ahead_log(VelmDatabase *database, GError **error);
