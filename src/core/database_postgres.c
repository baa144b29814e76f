#include "core/database_postgres.h"

#include <libpq-fe.h>
#include <math.h>
#include <string.h>

enum {
  MAX_LAST_WORDS = 10,
  MAX_PREPARED = 200,      /* statements that a connection keeps; then it starts anew */
  COPY_BYTES = 256 * 1024, /* that are sent at once */
};

typedef struct _Statement Statement;

typedef struct {
  VelmDatabase parent;
  PGconn *handle;
  char *begin;                   /* starts a transaction that writes */
  GHashTable *prepared;          /* SQL -> name on the server */
  guint next_name, n_statements; /* the latter: that are not freed */
  Statement *active;             /* whose rows are still coming; or NULL */
} Postgres;

typedef struct {
  char *text; /* NULL: the value is */
  gsize length;
  gboolean binary;
} Value;

struct _Statement {
  VelmStatement parent;
  char *name;      /* on the server */
  GArray *values;  /* of Value, by their parameter */
  gboolean begun;  /* it was sent */
  PGresult *row;   /* the row that it is at */
  GQueue ahead;    /* of PGresult: rows after it */
  GError *failure; /* after those */
  VelmDatabaseState state;
  gint64 changes;
  GBytes *bytes;   /* of rows to be added: */
  GString *buffer; /* not sent yet */
  gsize n_columns;
};

static Postgres *postgres_of(VelmDatabase *database) { return (Postgres *)database; }

/* ---- failures ---- */

static VelmDatabaseState state_of_class(const char *sqlstate) {
  static const struct {
    const char *class;
    VelmDatabaseState state;
  } states[] = {
      {"53100", VELM_DATABASE_FULL},      {"53300", VELM_DATABASE_AWAY},
      {"25006", VELM_DATABASE_READ_ONLY}, {"42501", VELM_DATABASE_READ_ONLY},
      {"55P03", VELM_DATABASE_LOCKED},    {"40", VELM_DATABASE_LOCKED},
      {"XX001", VELM_DATABASE_DAMAGED},   {"XX002", VELM_DATABASE_DAMAGED},
      {"57P", VELM_DATABASE_AWAY},        {"08", VELM_DATABASE_AWAY},
      {"25P03", VELM_DATABASE_AWAY},
  };
  for (gsize i = 0; sqlstate && i < G_N_ELEMENTS(states); i++)
    if (g_str_has_prefix(sqlstate, states[i].class))
      return states[i].state;
  return VELM_DATABASE_BROKEN;
}

/* libpq's messages have several lines, of which the later explain. Returns: (transfer full). */
static char *one_line(const char *message) {
  g_auto(GStrv) words = g_strsplit_set(message ? message : "", " \t\r\n", -1);
  GString *line = g_string_new(NULL);
  for (gsize i = 0; words[i]; i++)
    if (words[i][0])
      g_string_append_printf(line, "%s%s", line->len > 0 ? " " : "", words[i]);
  return g_string_free(line, FALSE);
}

static const char *phrase_of(VelmDatabaseState state) {
  switch (state) {
  case VELM_DATABASE_FULL:
  case VELM_DATABASE_READ_ONLY:
    return "cannot be written";
  case VELM_DATABASE_LOCKED:
    return "stays locked by another process";
  case VELM_DATABASE_DAMAGED:
    return "is damaged";
  case VELM_DATABASE_AWAY:
    return "cannot be reached";
  default:
    return "cannot be used";
  }
}

static void fail(VelmDatabase *database, VelmDatabaseState state, const char *message,
                 GError **error) {
  g_autofree char *line = one_line(message);
  g_autofree char *why = g_strdup_printf("%s %s: %s", database->what, phrase_of(state), line);
  velm_database_fail(database, state, error, why);
}

static void fail_by_connection(VelmDatabase *database, GError **error) {
  PGconn *handle = postgres_of(database)->handle;
  fail(database, PQstatus(handle) == CONNECTION_BAD ? VELM_DATABASE_AWAY : VELM_DATABASE_BROKEN,
       PQerrorMessage(handle), error);
}

static void fail_by_result(VelmDatabase *database, const PGresult *result, GError **error) {
  const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  VelmDatabaseState state = PQstatus(postgres_of(database)->handle) == CONNECTION_BAD
                                ? VELM_DATABASE_AWAY
                                : state_of_class(sqlstate);
  fail(database, state, primary ? primary : PQresultErrorMessage(result), error);
}

/* ---- addresses ---- */

gboolean velm_postgres_is_url(const char *url) {
  return url && (g_str_has_prefix(url, "postgresql://") || g_str_has_prefix(url, "postgres://"));
}

static const char *option_of(const PQconninfoOption *options, const char *keyword) {
  for (const PQconninfoOption *option = options; option && option->keyword; option++)
    if (g_str_equal(option->keyword, keyword))
      return option->val && option->val[0] ? option->val : NULL;
  return NULL;
}

/* A password with signs that an address must escape is taken for a part of the host or the port,
 * and would be seen in messages. */
static gboolean is_plain(const char *host, const char *port) {
  return !strchr(host, '@') && strspn(port, "0123456789,") == strlen(port);
}

static char *print_name(const PQconninfoOption *given, const PQconninfoOption *defaults) {
  const char *values[3];
  static const char *const keywords[] = {"host", "port", "dbname"};
  static const char *const fallbacks[] = {"localhost", "5432", ""};
  for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
    values[i] = option_of(given, keywords[i]);
    if (!values[i])
      values[i] = option_of(defaults, keywords[i]);
    if (!values[i])
      values[i] = fallbacks[i];
  }
  if (!is_plain(values[0], values[1]))
    return NULL;
  return values[0][0] == '/'
             ? g_strdup_printf("postgresql:///%s?host=%s&port=%s", values[2], values[0], values[1])
             : g_strdup_printf("postgresql://%s:%s/%s", values[0], values[1], values[2]);
}

char *velm_postgres_name(const char *url, GError **error) {
  char *name = NULL;
  PQconninfoOption *given = velm_postgres_is_url(url) ? PQconninfoParse(url, NULL) : NULL;
  PQconninfoOption *defaults = PQconndefaults();
  if (given)
    name = print_name(given, defaults);
  PQconninfoFree(given);
  PQconninfoFree(defaults);
  if (!name) /* what is wrong with it might be a part of the password */
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "the database's address is none of PostgreSQL:"
                " postgresql://[USER@]HOST[:PORT]/DATABASE");
  return name;
}

/* ---- opening ---- */

/* A cut network is noticed by both ends: the server then ends the transaction, and gives its lock
 * to others. */
#define NOTICE_CUT                                                                                 \
  "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 -c tcp_keepalives_count=3"                \
  " -c tcp_user_timeout=10000 -c statement_timeout=600s "
/* Compiling a statement takes longer than most of them do. */
#define NO_COMPILING "-c jit=off "
#define READ_ONLY NOTICE_CUT NO_COMPILING "-c default_transaction_read_only=on "
#define READ_WRITE                                                                                 \
  NOTICE_CUT NO_COMPILING "-c lock_timeout=60s -c idle_in_transaction_session_timeout=60s "

/* What the address itself sets comes later, and stands. */
static PGconn *connect_to(const char *url, gboolean read_only) {
  static const char *const keywords[] = {"connect_timeout",
                                         "keepalives",
                                         "keepalives_idle",
                                         "keepalives_interval",
                                         "keepalives_count",
                                         "tcp_user_timeout",
                                         "dbname",
                                         "client_encoding",
                                         "fallback_application_name",
                                         "options",
                                         NULL};
  PQconninfoOption *given = PQconninfoParse(url, NULL);
  const char *own = option_of(given, "options");
  g_autofree char *options = g_strconcat(read_only ? READ_ONLY : READ_WRITE, own, NULL);
  const char *const values[] = {"5", "1",    "5",    "2",     "3", "10000",
                                url, "UTF8", "velm", options, NULL};
  PQconninfoFree(given);
  return PQconnectdbParams(keywords, values, 1);
}

static void ignore_notice(void *data, const PGresult *result) {}

/* Texts are of any script. */
static gboolean check_encoding(VelmDatabase *database, GError **error) {
  const char *encoding = PQparameterStatus(postgres_of(database)->handle, "server_encoding");
  if (g_strcmp0(encoding, "UTF8") == 0)
    return TRUE;
  g_autofree char *why = g_strdup_printf("its encoding is %s, and must be UTF8", encoding);
  fail(database, VELM_DATABASE_BROKEN, why, error);
  return FALSE;
}

static gboolean start(VelmDatabase *database, const char *url, gboolean read_only, GError **error) {
  Postgres *postgres = postgres_of(database);
  postgres->handle = connect_to(url, read_only);
  if (PQstatus(postgres->handle) != CONNECTION_OK) {
    fail(database, VELM_DATABASE_AWAY, PQerrorMessage(postgres->handle), error);
    return FALSE;
  }
  PQsetNoticeReceiver(postgres->handle, ignore_notice, NULL);
  return check_encoding(database, error);
}

VelmDatabase *velm_postgres_open(const char *url, const char *what, gint64 lock, gboolean read_only,
                                 VelmDatabaseState *state, GError **error) {
  g_autofree char *name = velm_postgres_name(url, error);
  if (!name)
    return NULL;
  Postgres *postgres = g_new0(Postgres, 1);
  g_autoptr(VelmDatabase) database = &postgres->parent;
  database->class = &velm_postgres_class;
  database->name = g_steal_pointer(&name);
  database->what = what;
  postgres->begin =
      g_strdup_printf("BEGIN; SELECT pg_advisory_xact_lock(%" G_GINT64_FORMAT ")", lock);
  postgres->prepared = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  if (start(database, url, read_only, error))
    return g_steal_pointer(&database);
  if (state)
    *state = database->state;
  return NULL;
}

static void postgres_close(VelmDatabase *database) {
  Postgres *postgres = postgres_of(database);
  PQfinish(postgres->handle);
  g_hash_table_unref(postgres->prepared);
  g_free(postgres->begin);
  g_free(database->name);
  g_free(database);
}

/* The server's end of an idle connection lies in the socket already, after its last words. */
static gboolean postgres_is_alive(VelmDatabase *database) {
  PGconn *handle = postgres_of(database)->handle;
  GPollFD socket = {.fd = PQsocket(handle), .events = G_IO_IN};
  for (guint i = 0; i < MAX_LAST_WORDS && PQstatus(handle) == CONNECTION_OK; i++) {
    if (g_poll(&socket, 1, 0) <= 0)
      return TRUE;
    if (!PQconsumeInput(handle))
      return FALSE;
    PQisBusy(handle); /* takes them in */
  }
  return FALSE;
}

/* ---- one statement after another ---- */

static gboolean is_fine(const PGresult *result) {
  switch (PQresultStatus(result)) {
  case PGRES_COMMAND_OK:
  case PGRES_TUPLES_OK:
  case PGRES_SINGLE_TUPLE:
    return TRUE;
  default:
    return FALSE;
  }
}

/* The next row from the server. Returns: (transfer full): NULL where there is none. @failure:
 * (out): why the statement failed. */
static PGresult *receive(Statement *statement, GError **failure) {
  Postgres *postgres = postgres_of(statement->parent.database);
  PGresult *result;
  while ((result = PQgetResult(postgres->handle))) {
    if (PQresultStatus(result) == PGRES_SINGLE_TUPLE)
      return result;
    if (is_fine(result))
      statement->changes = g_ascii_strtoll(PQcmdTuples(result), NULL, 10);
    else if (!*failure)
      fail_by_result(&postgres->parent, result, failure);
    PQclear(result);
    /* A copy that was cut gives results without end. */
    if (PQstatus(postgres->handle) == CONNECTION_BAD)
      break;
  }
  if (postgres->active == statement)
    postgres->active = NULL;
  return NULL;
}

/* Makes the connection free for another statement. */
static void settle(VelmDatabase *database) {
  Postgres *postgres = postgres_of(database);
  Statement *active = postgres->active;
  PGresult *row;
  if (!active || active->buffer)
    return;
  while ((row = receive(active, &active->failure)))
    g_queue_push_tail(&active->ahead, row);
  active->state = database->state;
}

/* Sends without parameters. Returns: whether all of it went well. */
static gboolean execute(VelmDatabase *database, const char *sql, GError **error) {
  settle(database);
  PGresult *result = PQexec(postgres_of(database)->handle, sql);
  gboolean ok = is_fine(result);
  if (ok)
    database->changes = g_ascii_strtoll(PQcmdTuples(result), NULL, 10);
  else
    fail_by_result(database, result, error);
  PQclear(result);
  return ok;
}

/* ---- preparing ---- */

/* SQL with $N for ? and ?N, outside of what is quoted. Returns: (transfer full). */
static char *number_parameters(const char *sql) {
  GString *text = g_string_new(NULL);
  guint last = 0;
  char quote = '\0';
  for (const char *at = sql; *at; at++) {
    if (quote ? *at == quote : (*at == '\'' || *at == '"'))
      quote = quote ? '\0' : *at;
    if (quote || *at != '?') {
      g_string_append_c(text, *at);
      continue;
    }
    guint number = g_ascii_isdigit(at[1]) ? (guint)g_ascii_strtoull(at + 1, NULL, 10) : last + 1;
    last = MAX(last, number);
    g_string_append_printf(text, "$%u", number);
    while (g_ascii_isdigit(at[1]))
      at++;
  }
  return g_string_free(text, FALSE);
}

static gboolean forget_prepared(VelmDatabase *database, GError **error) {
  Postgres *postgres = postgres_of(database);
  if (g_hash_table_size(postgres->prepared) < MAX_PREPARED || postgres->n_statements > 0)
    return TRUE;
  g_hash_table_remove_all(postgres->prepared);
  return execute(database, "DEALLOCATE ALL", error);
}

/* Returns: (transfer none): the name of @sql on the server. */
static const char *prepare_on_server(VelmDatabase *database, const char *sql, GError **error) {
  Postgres *postgres = postgres_of(database);
  const char *known = g_hash_table_lookup(postgres->prepared, sql);
  if (known)
    return known;
  settle(database);
  if (!forget_prepared(database, error))
    return NULL;
  g_autofree char *name = g_strdup_printf("s%u", postgres->next_name++);
  g_autofree char *text = number_parameters(sql);
  PGresult *result = PQprepare(postgres->handle, name, text, 0, NULL);
  gboolean ok = is_fine(result);
  if (!ok)
    fail_by_result(database, result, error);
  PQclear(result);
  if (!ok)
    return NULL;
  known = name;
  g_hash_table_insert(postgres->prepared, g_strdup(sql), g_steal_pointer(&name));
  return known;
}

static void value_clear(Value *value) {
  g_free(value->text);
  *value = (Value){0};
}

static Statement *new_statement(VelmDatabase *database) {
  Statement *statement = g_new0(Statement, 1);
  statement->parent.database = database;
  postgres_of(database)->n_statements++;
  statement->values = g_array_new(FALSE, TRUE, sizeof(Value));
  g_array_set_clear_func(statement->values, (GDestroyNotify)value_clear);
  g_queue_init(&statement->ahead);
  return statement;
}

static VelmStatement *postgres_prepare(VelmDatabase *database, const char *sql, GError **error) {
  const char *name = prepare_on_server(database, sql, error);
  if (!name)
    return NULL;
  Statement *statement = new_statement(database);
  statement->name = g_strdup(name);
  return &statement->parent;
}

static void give_up_rows(Statement *statement);

static void postgres_free_statement(VelmStatement *parent) {
  Statement *statement = (Statement *)parent;
  Postgres *postgres = postgres_of(parent->database);
  VelmDatabaseState state = parent->database->state;
  PGresult *row;
  if (postgres->active == statement && statement->buffer)
    give_up_rows(statement);
  while (postgres->active == statement && (row = receive(statement, &statement->failure)))
    PQclear(row);
  parent->database->state = state; /* what came too late is nobody's trouble */
  postgres->n_statements--;
  PQclear(statement->row);
  g_queue_clear_full(&statement->ahead, (GDestroyNotify)PQclear);
  g_clear_error(&statement->failure);
  g_array_unref(statement->values);
  if (statement->buffer)
    g_string_free(statement->buffer, TRUE);
  g_clear_pointer(&statement->bytes, g_bytes_unref);
  g_free(statement->name);
  g_free(statement);
}

/* ---- parameters ---- */

/* Takes @text. */
static void bind_value(VelmStatement *parent, int index, char *text, gsize length,
                       gboolean binary) {
  Statement *statement = (Statement *)parent;
  if (statement->values->len < (guint)index)
    g_array_set_size(statement->values, (guint)index);
  Value *value = &g_array_index(statement->values, Value, index - 1);
  value_clear(value);
  *value = (Value){text, length, binary};
}

static void postgres_bind_text(VelmStatement *statement, int index, const char *text) {
  bind_value(statement, index, g_strdup(text), text ? strlen(text) : 0, FALSE);
}

static void postgres_bind_double(VelmStatement *statement, int index, double value) {
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  if (isnan(value))
    postgres_bind_text(statement, index, NULL);
  else if (isinf(value))
    postgres_bind_text(statement, index, value > 0 ? "Infinity" : "-Infinity");
  else
    postgres_bind_text(statement, index, g_ascii_dtostr(text, sizeof text, value));
}

static void postgres_bind_int(VelmStatement *statement, int index, gint64 value) {
  bind_value(statement, index, g_strdup_printf("%" G_GINT64_FORMAT, value), 0, FALSE);
}

static void postgres_bind_bytes(VelmStatement *statement, int index, GBytes *bytes) {
  gsize size = 0;
  const void *data = bytes ? g_bytes_get_data(bytes, &size) : NULL;
  char *copy = bytes ? g_malloc(size + 1) : NULL;
  if (size > 0)
    memcpy(copy, data, size);
  bind_value(statement, index, copy, size, TRUE);
}

/* ---- stepping ---- */

static gboolean send_statement(Statement *statement, GError **error) {
  Postgres *postgres = postgres_of(statement->parent.database);
  guint n = statement->values->len;
  g_autofree const char **texts = g_new0(const char *, n + 1);
  g_autofree int *lengths = g_new0(int, n + 1), *formats = g_new0(int, n + 1);
  for (guint i = 0; i < n; i++) {
    const Value *value = &g_array_index(statement->values, Value, i);
    texts[i] = value->text;
    lengths[i] = (int)value->length;
    formats[i] = value->binary;
  }
  settle(&postgres->parent);
  if (!PQsendQueryPrepared(postgres->handle, statement->name, (int)n, texts, lengths, formats, 0)) {
    fail_by_connection(&postgres->parent, error);
    return FALSE;
  }
  PQsetSingleRowMode(postgres->handle);
  statement->begun = TRUE;
  postgres->active = statement;
  return TRUE;
}

static VelmStep end(Statement *statement, GError **error) {
  VelmDatabase *database = statement->parent.database;
  if (statement->failure) {
    if (statement->state != VELM_DATABASE_FINE)
      database->state = statement->state;
    g_propagate_error(error, g_steal_pointer(&statement->failure));
    return VELM_STEP_FAILED;
  }
  database->changes = statement->changes;
  return VELM_STEP_DONE;
}

static VelmStep postgres_step(VelmStatement *parent, GError **error) {
  Statement *statement = (Statement *)parent;
  Postgres *postgres = postgres_of(parent->database);
  g_clear_pointer(&statement->row, PQclear);
  if (!statement->begun && !send_statement(statement, error))
    return VELM_STEP_FAILED;
  statement->row = g_queue_pop_head(&statement->ahead);
  if (!statement->row && postgres->active == statement)
    statement->row = receive(statement, &statement->failure);
  return statement->row ? VELM_STEP_ROW : end(statement, error);
}

static gboolean postgres_run_script(VelmDatabase *database, const char *script, GError **error) {
  return execute(database, script, error);
}

/* ---- columns ---- */

static gboolean postgres_is_null(VelmStatement *statement, int index) {
  const PGresult *row = ((Statement *)statement)->row;
  return !row || PQgetisnull(row, 0, index);
}

static const char *postgres_column_text(VelmStatement *statement, int index) {
  return postgres_is_null(statement, index) ? NULL
                                            : PQgetvalue(((Statement *)statement)->row, 0, index);
}

static double postgres_column_double(VelmStatement *statement, int index) {
  const char *text = postgres_column_text(statement, index);
  return text ? g_ascii_strtod(text, NULL) : NAN;
}

static gint64 postgres_column_int(VelmStatement *statement, int index) {
  const char *text = postgres_column_text(statement, index);
  if (!text)
    return 0;
  return text[0] == 't' ? 1 : g_ascii_strtoll(text, NULL, 10); /* a truth value, or a number */
}

static GBytes *postgres_column_bytes(VelmStatement *statement, int index) {
  size_t size = 0;
  unsigned char *bytes =
      PQunescapeBytea((const unsigned char *)postgres_column_text(statement, index), &size);
  GBytes *copy = g_bytes_new(bytes, size);
  PQfreemem(bytes);
  return copy;
}

/* ---- many rows ---- */

static VelmStatement *postgres_prepare_rows(VelmDatabase *database, const char *table,
                                            const char *const *columns, GError **error) {
  Postgres *postgres = postgres_of(database);
  g_autofree char *names = g_strjoinv(", ", (char **)columns);
  g_autofree char *sql = g_strdup_printf("COPY %s (%s) FROM STDIN", table, names);
  settle(database);
  PGresult *result = PQexec(postgres->handle, sql);
  gboolean ok = PQresultStatus(result) == PGRES_COPY_IN;
  if (!ok)
    fail_by_result(database, result, error);
  PQclear(result);
  if (!ok)
    return NULL;
  Statement *rows = new_statement(database);
  rows->n_columns = g_strv_length((char **)columns);
  rows->buffer = g_string_new(NULL);
  postgres->active = rows;
  return &rows->parent;
}

static void append_escaped(GString *buffer, const char *text) {
  for (const char *at = text; *at; at++)
    switch (*at) {
    case '\\':
      g_string_append(buffer, "\\\\");
      break;
    case '\n':
      g_string_append(buffer, "\\n");
      break;
    case '\r':
      g_string_append(buffer, "\\r");
      break;
    case '\t':
      g_string_append(buffer, "\\t");
      break;
    default:
      g_string_append_c(buffer, *at);
    }
}

static void append_hexadecimal(GString *buffer, const char *bytes, gsize n) {
  static const char digits[] = "0123456789abcdef";
  g_string_append(buffer, "\\\\x");
  for (gsize i = 0; i < n; i++) {
    guchar byte = (guchar)bytes[i];
    g_string_append_c(buffer, digits[byte >> 4]);
    g_string_append_c(buffer, digits[byte & 15]);
  }
}

static void append_value(GString *buffer, const Value *value) {
  if (!value || !value->text)
    g_string_append(buffer, "\\N");
  else if (value->binary)
    append_hexadecimal(buffer, value->text, value->length);
  else
    append_escaped(buffer, value->text);
}

static gboolean flush(Statement *rows, GError **error) {
  VelmDatabase *database = rows->parent.database;
  gboolean ok =
      rows->buffer->len == 0 ||
      PQputCopyData(postgres_of(database)->handle, rows->buffer->str, (int)rows->buffer->len) == 1;
  g_string_truncate(rows->buffer, 0);
  if (!ok)
    fail_by_connection(database, error);
  return ok;
}

static gboolean postgres_add_row(VelmStatement *parent, GError **error) {
  Statement *rows = (Statement *)parent;
  for (gsize i = 0; i < rows->n_columns; i++) {
    if (i > 0)
      g_string_append_c(rows->buffer, '\t');
    append_value(rows->buffer,
                 i < rows->values->len ? &g_array_index(rows->values, Value, i) : NULL);
  }
  g_string_append_c(rows->buffer, '\n');
  g_array_set_size(rows->values, 0);
  return rows->buffer->len < COPY_BYTES || flush(rows, error);
}

static gboolean postgres_end_rows(VelmStatement *parent, GError **error) {
  Statement *rows = (Statement *)parent;
  if (!flush(rows, error))
    return FALSE;
  if (PQputCopyEnd(postgres_of(parent->database)->handle, NULL) != 1) {
    fail_by_connection(parent->database, error);
    return FALSE;
  }
  PQclear(receive(rows, &rows->failure));
  return end(rows, error) == VELM_STEP_DONE;
}

static void give_up_rows(Statement *rows) {
  PQputCopyEnd(postgres_of(rows->parent.database)->handle, "given up");
}

/* ---- transactions ---- */

static gboolean postgres_begin(VelmDatabase *database, GError **error) {
  return execute(database, postgres_of(database)->begin, error);
}

static gboolean postgres_begin_reading(VelmDatabase *database, GError **error) {
  return execute(database, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", error);
}

/* Of a transaction that has failed, the server's answer to this is no failure. */
static gboolean postgres_commit(VelmDatabase *database, GError **error) {
  if (PQtransactionStatus(postgres_of(database)->handle) == PQTRANS_INTRANS)
    return execute(database, "COMMIT", error);
  fail(database, VELM_DATABASE_AWAY, "the transaction has failed", error);
  return FALSE;
}

/* Where this fails, the server ends the transaction with the connection. */
static void postgres_roll_back(VelmDatabase *database) {
  VelmDatabaseState state = database->state;
  settle(database);
  if (PQtransactionStatus(postgres_of(database)->handle) != PQTRANS_IDLE)
    execute(database, "ROLLBACK", NULL);
  if (state != VELM_DATABASE_FINE)
    database->state = state;
}

const VelmDatabaseClass velm_postgres_class = {
    .close = postgres_close,
    .is_alive = postgres_is_alive,
    .run_script = postgres_run_script,
    .begin = postgres_begin,
    .begin_reading = postgres_begin_reading,
    .commit = postgres_commit,
    .roll_back = postgres_roll_back,
    .prepare = postgres_prepare,
    .step = postgres_step,
    .free_statement = postgres_free_statement,
    .bind_text = postgres_bind_text,
    .bind_double = postgres_bind_double,
    .bind_int = postgres_bind_int,
    .bind_bytes = postgres_bind_bytes,
    .is_null = postgres_is_null,
    .column_text = postgres_column_text,
    .column_double = postgres_column_double,
    .column_int = postgres_column_int,
    .column_bytes = postgres_column_bytes,
    .prepare_rows = postgres_prepare_rows,
    .add_row = postgres_add_row,
    .end_rows = postgres_end_rows,
};
