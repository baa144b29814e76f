#include "core/database.h"

#include <errno.h>

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

void velm_database_fail(VelmDatabase *database, VelmDatabaseState state, GError **error,
                        const char *why) {
  g_autofree char *name = g_filename_display_name(database->name);
  g_autofree char *line = g_strdelimit(g_strdup(why), "\r\n", ' ');
  database->state = state;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", name, line);
}

void velm_database_close(VelmDatabase *database) {
  if (database)
    database->class->close(database);
}

gboolean velm_database_is_alive(VelmDatabase *database) {
  return database->class->is_alive(database);
}

/* ---- statements ---- */

VelmStatement *velm_database_prepare(VelmDatabase *database, const char *sql, GError **error) {
  return database->class->prepare(database, sql, error);
}

void velm_statement_free(VelmStatement *statement) {
  if (statement)
    statement->database->class->free_statement(statement);
}

VelmStep velm_statement_step(VelmStatement *statement, GError **error) {
  return statement->database->class->step(statement, error);
}

gboolean velm_statement_finish(VelmStatement *statement, GError **error) {
  VelmStep step;
  do
    step = velm_statement_step(statement, error);
  while (step == VELM_STEP_ROW);
  return step == VELM_STEP_DONE;
}

gboolean velm_statement_find(VelmStatement *statement, gboolean *found, GError **error) {
  VelmStep step = velm_statement_step(statement, error);
  *found = step == VELM_STEP_ROW;
  return step != VELM_STEP_FAILED;
}

gboolean velm_database_run(VelmDatabase *database, const char *sql, GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, error);
  return statement && velm_statement_finish(statement, error);
}

gboolean velm_database_run_script(VelmDatabase *database, const char *script, GError **error) {
  return database->class->run_script(database, script, error);
}

gboolean velm_database_read_int(VelmDatabase *database, const char *sql, gint64 *value,
                                GError **error) {
  gboolean found = FALSE;
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, error);
  if (!statement || !velm_statement_find(statement, &found, error))
    return FALSE;
  if (found)
    *value = velm_statement_int(statement, 0);
  else
    velm_database_fail(database, VELM_DATABASE_DAMAGED, error, "a value is missing");
  return found;
}

gint64 velm_database_changes(const VelmDatabase *database) { return database->changes; }

/* ---- parameters ---- */

void velm_statement_bind_text(VelmStatement *statement, int index, const char *text) {
  statement->database->class->bind_text(statement, index, text);
}

void velm_statement_bind_double(VelmStatement *statement, int index, double value) {
  statement->database->class->bind_double(statement, index, value);
}

void velm_statement_bind_int(VelmStatement *statement, int index, gint64 value) {
  statement->database->class->bind_int(statement, index, value);
}

void velm_statement_bind_bytes(VelmStatement *statement, int index, GBytes *bytes) {
  statement->database->class->bind_bytes(statement, index, bytes);
}

/* ---- columns ---- */

char *velm_statement_text(VelmStatement *statement, int index) {
  return g_strdup(velm_statement_peek_text(statement, index));
}

const char *velm_statement_peek_text(VelmStatement *statement, int index) {
  return statement->database->class->column_text(statement, index);
}

double velm_statement_double(VelmStatement *statement, int index) {
  return statement->database->class->column_double(statement, index);
}

gint64 velm_statement_int(VelmStatement *statement, int index) {
  return statement->database->class->column_int(statement, index);
}

GBytes *velm_statement_bytes(VelmStatement *statement, int index) {
  return velm_statement_is_null(statement, index)
             ? NULL
             : statement->database->class->column_bytes(statement, index);
}

gboolean velm_statement_is_null(VelmStatement *statement, int index) {
  return statement->database->class->is_null(statement, index);
}

/* ---- many rows ---- */

VelmStatement *velm_database_prepare_rows(VelmDatabase *database, const char *table,
                                          const char *const *columns, GError **error) {
  return database->class->prepare_rows(database, table, columns, error);
}

gboolean velm_statement_add_row(VelmStatement *rows, GError **error) {
  return rows->database->class->add_row(rows, error);
}

gboolean velm_statement_end_rows(VelmStatement *rows, GError **error) {
  return rows->database->class->end_rows(rows, error);
}

/* ---- transactions ---- */

gboolean velm_database_begin(VelmDatabase *database, GError **error) {
  return database->class->begin(database, error);
}

gboolean velm_database_begin_reading(VelmDatabase *database, GError **error) {
  return database->class->begin_reading(database, error);
}

gboolean velm_database_end(VelmDatabase *database, gboolean ok, GError **error) {
  gboolean kept = ok && database->class->commit(database, error);
  if (!kept)
    database->class->roll_back(database);
  return kept;
}
