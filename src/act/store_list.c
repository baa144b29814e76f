/*
 * Pages of records. A page goes on after the last record of the one before it, by the value that
 * orders and the record's number: however deep a page is, it takes as long as the first.
 */
#include "act/store_private.h"

#include <math.h>
#include <string.h>

/* How records are ordered: the column, which is also what the cursor holds, and the condition that
 * its partial index has. */
typedef struct {
  char letter; /* in the cursor */
  const char *column;
  gboolean descending, real;
  const char *condition;
} Order;

static const Order orders[] = {
    [VELM_STORE_NEWEST] = {'n', "time", TRUE, FALSE, NULL},
    [VELM_STORE_OLDEST] = {'o', "time", FALSE, FALSE, NULL},
    [VELM_STORE_HIGHEST_SCORE] = {'s', "score", TRUE, TRUE, "score IS NOT NULL"},
    [VELM_STORE_LEAST_CERTAIN] = {'c', "certainty", FALSE, TRUE, "certainty IS NOT NULL"},
};

/* Where the next page starts: after the record @id, whose ordering value is @bits, of a whole
 * number or a double. */
typedef struct {
  gint64 id;
  guint64 bits;
} Position;

/* ---- cursors ---- */

static guint64 bits_of(double value) {
  guint64 bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static double double_of(guint64 bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* The order's letter, sixteen digits for the value, sixteen for the number. */
static char *print_cursor(const Order *order, const Position *position) {
  return g_strdup_printf("%c%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x", order->letter,
                         position->bits, (guint64)position->id);
}

static gboolean read_cursor(const Order *order, const char *cursor, Position *position,
                            GError **error) {
  enum { DIGITS = 16, LENGTH = 1 + 2 * DIGITS };
  if (strlen(cursor) != LENGTH || cursor[0] != order->letter ||
      strspn(cursor + 1, "0123456789abcdef") != LENGTH - 1) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "the cursor is not one that a page of this order gave");
    return FALSE;
  }
  g_autofree char *value = g_strndup(cursor + 1, DIGITS);
  position->bits = g_ascii_strtoull(value, NULL, 16);
  position->id = (gint64)g_ascii_strtoull(cursor + 1 + DIGITS, NULL, 16);
  return TRUE;
}

/* ---- statements ---- */

/* The page's records are chosen, and sorted where no index gives their order, by their numbers
 * alone; the rows are fetched for those. */
char *velm_store_page_sql(const VelmStoreQuery *query, gboolean goes_on) {
  const Order *order = &orders[query->order];
  const char *direction = order->descending ? "DESC" : "ASC";
  GString *sql = g_string_new("SELECT " VELM_STORE_COLUMNS);
  g_string_append_printf(sql, ", records.%s FROM (SELECT id AS chosen, time AS at FROM records",
                         order->column);
  velm_store_add_filters(sql, query);
  if (order->condition)
    velm_store_add_condition(sql, order->condition);
  if (goes_on) {
    g_autofree char *after =
        g_strdup_printf("(%s, id) %c (?, ?)", order->column, order->descending ? '<' : '>');
    velm_store_add_condition(sql, after);
  }
  g_string_append_printf(sql,
                         " ORDER BY %s %s, id %s LIMIT ?) AS page"
                         " JOIN records ON records.id = chosen AND records.time = at"
                         " JOIN images ON images.sha256 = records.image"
                         " ORDER BY records.%s %s, records.id %s",
                         order->column, direction, direction, order->column, direction, direction);
  return g_string_free(sql, FALSE);
}

static void bind_position(VelmStatement *statement, int index, const Order *order,
                          const Position *position) {
  if (order->real)
    velm_statement_bind_double(statement, index, double_of(position->bits));
  else
    velm_statement_bind_int(statement, index, (gint64)position->bits);
  velm_statement_bind_int(statement, index + 1, position->id);
}

static Position position_of(VelmStatement *statement, const Order *order) {
  const int column = VELM_STORE_N_COLUMNS;
  return (Position){.id = velm_statement_int(statement, 0),
                    .bits = order->real ? bits_of(velm_statement_double(statement, column))
                                        : (guint64)velm_statement_int(statement, column)};
}

/* Reads up to @limit rows. One more tells that there is a next page. */
static gboolean read_page(VelmDatabase *database, VelmStatement *statement, const Order *order,
                          guint limit, GPtrArray *records, char **next, GError **error) {
  Position last = {0};
  VelmStep step;
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW) {
    if (records->len == limit) {
      *next = print_cursor(order, &last);
      return TRUE;
    }
    g_ptr_array_add(records, velm_store_read_row(statement));
    last = position_of(statement, order);
  }
  return step == VELM_STEP_DONE;
}

static GPtrArray *list(VelmDatabase *database, const VelmStoreQuery *query, const Order *order,
                       const Position *after, guint limit, char **next, GError **error) {
  g_autoptr(GPtrArray) records =
      g_ptr_array_new_with_free_func((GDestroyNotify)velm_stored_record_free);
  g_autofree char *sql = velm_store_page_sql(query, after != NULL);
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, error);
  if (!statement)
    return NULL;
  int parameter = velm_store_bind_filters(statement, query);
  if (after) {
    bind_position(statement, parameter, order, after);
    parameter += 2;
  }
  velm_statement_bind_int(statement, parameter, (gint64)limit + 1);
  if (!read_page(database, statement, order, limit, records, next, error))
    return NULL;
  return g_steal_pointer(&records);
}

GPtrArray *velm_store_list(VelmStore *store, const VelmStoreQuery *query, const char *cursor,
                           guint limit, char **next, GError **error) {
  Position after = {0};
  *next = NULL;
  if (!velm_store_check_query(query, error) ||
      (cursor && !read_cursor(&orders[query->order], cursor, &after, error)))
    return NULL;
  if (limit < 1 || limit > VELM_STORE_MAX_PAGE) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "a page has 1 to %d records",
                VELM_STORE_MAX_PAGE);
    return NULL;
  }
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return NULL;
  GPtrArray *records =
      list(database, query, &orders[query->order], cursor ? &after : NULL, limit, next, error);
  velm_store_end_reading(store, database);
  return records;
}

/* ---- stations ---- */

/* From one name to the next by the index, past all records of each. */
static GPtrArray *list_stations(VelmDatabase *database, GError **error) {
  VelmStep step;
  g_autoptr(GPtrArray) stations = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database,
      "WITH RECURSIVE found (station) AS"
      " (SELECT min(station) FROM keys WHERE station IS NOT NULL UNION ALL"
      " SELECT (SELECT min(keys.station) FROM keys WHERE keys.station > found.station) FROM found"
      " WHERE station IS NOT NULL)"
      " SELECT station FROM found WHERE station IS NOT NULL LIMIT ?",
      error);
  if (!statement)
    return NULL;
  velm_statement_bind_int(statement, 1, VELM_STORE_MAX_PAGE);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    g_ptr_array_add(stations, velm_statement_text(statement, 0));
  return step == VELM_STEP_DONE ? g_steal_pointer(&stations) : NULL;
}

GPtrArray *velm_store_list_stations(VelmStore *store, GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return NULL;
  GPtrArray *stations = list_stations(database, error);
  velm_store_end_reading(store, database);
  return stations;
}

/* ---- counting ---- */

/* The weeks of a server know how many they have. */
static gboolean count_rows(VelmDatabase *database, const VelmStoreQuery *query, gint64 *count,
                           GError **error) {
  g_autoptr(GString) sql = g_string_new("SELECT count(*) FROM records");
  gsize of_all = sql->len;
  velm_store_add_filters(sql, query);
  if (sql->len == of_all && velm_store_is_on_server(database))
    g_string_assign(sql, "SELECT sum(records) FROM weeks");
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql->str, error);
  if (!statement)
    return FALSE;
  velm_store_bind_filters(statement, query);
  if (velm_statement_step(statement, error) != VELM_STEP_ROW)
    return FALSE;
  *count = velm_statement_int(statement, 0);
  return TRUE;
}

gboolean velm_store_count(VelmStore *store, const VelmStoreQuery *query, gint64 *count,
                          GError **error) {
  VelmDatabase *database =
      velm_store_check_query(query, error) ? velm_store_begin_reading(store, error) : NULL;
  if (!database)
    return FALSE;
  gboolean ok = count_rows(database, query, count, error);
  velm_store_end_reading(store, database);
  return ok;
}
