/*
 * A connection to a database, SQLite's or PostgreSQL's, its failures in velm's words.
 *
 * Both take the same SQL where both speak it: parameters are ? and ?N. A connection serves one
 * thread at a time. What is bound is copied.
 */
#pragma once

#include "velm.h"

/* Why a database cannot be used, where that matters to what is done about it. */
typedef enum {
  VELM_DATABASE_FINE,
  VELM_DATABASE_FULL,      /* no space is left, or the file may not grow */
  VELM_DATABASE_READ_ONLY, /* the disk, the file or the server cannot be written */
  VELM_DATABASE_LOCKED,    /* by another process, for longer than was waited */
  VELM_DATABASE_DAMAGED,
  VELM_DATABASE_AWAY,   /* the server is not reached, or has ended the connection */
  VELM_DATABASE_BROKEN, /* anything else, such as a disk that fails */
} VelmDatabaseState;

typedef struct _VelmDatabase VelmDatabase;
typedef struct _VelmStatement VelmStatement;

typedef enum {
  VELM_STEP_FAILED,
  VELM_STEP_ROW,
  VELM_STEP_DONE,
} VelmStep;

/**
 * VelmDatabaseClass: an engine. See the functions below of the same names.
 */
typedef struct {
  void (*close)(VelmDatabase *database);
  gboolean (*is_alive)(VelmDatabase *database);
  gboolean (*run_script)(VelmDatabase *database, const char *script, GError **error);
  gboolean (*begin)(VelmDatabase *database, GError **error);
  gboolean (*begin_reading)(VelmDatabase *database, GError **error);
  gboolean (*commit)(VelmDatabase *database, GError **error);
  void (*roll_back)(VelmDatabase *database); /* where a transaction is still open */

  VelmStatement *(*prepare)(VelmDatabase *database, const char *sql, GError **error);
  VelmStep (*step)(VelmStatement *statement, GError **error);
  void (*free_statement)(VelmStatement *statement);
  void (*bind_text)(VelmStatement *statement, int index, const char *text);
  void (*bind_double)(VelmStatement *statement, int index, double value);
  void (*bind_int)(VelmStatement *statement, int index, gint64 value);
  void (*bind_bytes)(VelmStatement *statement, int index, GBytes *bytes);
  gboolean (*is_null)(VelmStatement *statement, int index);
  const char *(*column_text)(VelmStatement *statement, int index);
  double (*column_double)(VelmStatement *statement, int index);
  gint64 (*column_int)(VelmStatement *statement, int index);
  GBytes *(*column_bytes)(VelmStatement *statement, int index);

  VelmStatement *(*prepare_rows)(VelmDatabase *database, const char *table,
                                 const char *const *columns, GError **error);
  gboolean (*add_row)(VelmStatement *statement, GError **error);
  gboolean (*end_rows)(VelmStatement *statement, GError **error);
} VelmDatabaseClass;

/* At the head of an engine's own. */
struct _VelmDatabase {
  const VelmDatabaseClass *class;
  char *name;              /* of the file, or of the server and the database, without password */
  const char *what;        /* for messages, such as "the store"; static */
  VelmDatabaseState state; /* after the last failure; what succeeds leaves it */
  gint64 changes;          /* rows that the last statement changed */
};

struct _VelmStatement {
  VelmDatabase *database;
};

/** The state for errno @code of an input or output call. */
VelmDatabaseState velm_database_state_of(int code);

/** Sets @error: the database, and why in one line; and its state. @why: static or not. */
void velm_database_fail(VelmDatabase *database, VelmDatabaseState state, GError **error,
                        const char *why);

void velm_database_close(VelmDatabase *database);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDatabase, velm_database_close)

/** Whether the connection still stands, as far as is known without asking the server. */
gboolean velm_database_is_alive(VelmDatabase *database);

/** Compiles one statement of constant text. Returns: (transfer full): NULL with VELM_ERROR_FILE. */
VelmStatement *velm_database_prepare(VelmDatabase *database, const char *sql, GError **error);
void velm_statement_free(VelmStatement *statement);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmStatement, velm_statement_free)

/** Goes to the next row. Returns: VELM_STEP_FAILED with the error. */
VelmStep velm_statement_step(VelmStatement *statement, GError **error);
/** Steps to the end, whatever the rows are. */
gboolean velm_statement_finish(VelmStatement *statement, GError **error);
/** Steps to the first row, the only one that matters. @found: (out): whether there is one. */
gboolean velm_statement_find(VelmStatement *statement, gboolean *found, GError **error);
/** Prepares and finishes one statement. */
gboolean velm_database_run(VelmDatabase *database, const char *sql, GError **error);
/** Runs several statements, separated by semicolons. */
gboolean velm_database_run_script(VelmDatabase *database, const char *script, GError **error);
/** The whole number in the first column of the only row of @sql. */
gboolean velm_database_read_int(VelmDatabase *database, const char *sql, gint64 *value,
                                GError **error);
/** Rows that the last statement that was finished has changed. */
gint64 velm_database_changes(const VelmDatabase *database);

/** Parameter @index, from 1; a NULL @text is NULL. */
void velm_statement_bind_text(VelmStatement *statement, int index, const char *text);
/** A number that is none (NaN) is NULL. */
void velm_statement_bind_double(VelmStatement *statement, int index, double value);
void velm_statement_bind_int(VelmStatement *statement, int index, gint64 value);
/** @bytes: (nullable). */
void velm_statement_bind_bytes(VelmStatement *statement, int index, GBytes *bytes);

/** Column @index, from 0. Returns: (transfer full): NULL where it is NULL. */
char *velm_statement_text(VelmStatement *statement, int index);
/** Likewise. Returns: (transfer none): until the next step. */
const char *velm_statement_peek_text(VelmStatement *statement, int index);
/** Column @index; NaN where it is NULL. */
double velm_statement_double(VelmStatement *statement, int index);
/** Column @index; 0 where it is NULL. */
gint64 velm_statement_int(VelmStatement *statement, int index);
/** Returns: (transfer full): NULL where it is NULL. */
GBytes *velm_statement_bytes(VelmStatement *statement, int index);
gboolean velm_statement_is_null(VelmStatement *statement, int index);

/**
 * Begins to add many rows to @table, by the engine's fastest way. Each is bound as a statement's
 * parameters are, one for each of @columns, and added; what is not bound is NULL. No other
 * statement of the connection may run before velm_database_end_rows(). To be freed as a statement:
 * before its end, that gives the transaction up.
 * @columns: NULL-terminated
 */
VelmStatement *velm_database_prepare_rows(VelmDatabase *database, const char *table,
                                          const char *const *columns, GError **error);
gboolean velm_statement_add_row(VelmStatement *rows, GError **error);
gboolean velm_statement_end_rows(VelmStatement *rows, GError **error);

/** Starts a transaction that writes: others that write wait for its end. */
gboolean velm_database_begin(VelmDatabase *database, GError **error);
/** Starts a transaction that reads one state of the database. */
gboolean velm_database_begin_reading(VelmDatabase *database, GError **error);
/** Ends it: keeps its writes where @ok, and drops them where not, or where they cannot be kept.
 * Returns: whether they were kept; the error is set where @ok and they were not. */
gboolean velm_database_end(VelmDatabase *database, gboolean ok, GError **error);
