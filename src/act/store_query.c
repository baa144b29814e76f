/* Which records: the filters of a query, in the words of SQL. */
#include "act/store_private.h"

#include <math.h>
#include <string.h>

VelmStoreQuery velm_store_query_default(void) {
  return (VelmStoreQuery){.min_score = NAN, .max_score = NAN};
}

/* A condition and what is bound to its one parameter. */
typedef struct {
  const char *condition;
  gboolean wanted;
  const char *text;
  gint64 number;
  double real;
  char kind; /* 't', 'i' or 'd' */
} Filter;

enum { MAX_FILTERS = 8 };

/* The plus keeps the index of scores from being used for a range of them: its records would all
 * have to be sorted by what orders the page. */
static void list_filters(const VelmStoreQuery *query, Filter filters[MAX_FILTERS]) {
  const Filter all[MAX_FILTERS] = {
      {"product = ?", query->product != NULL, .text = query->product, .kind = 't'},
      {"station = ?", query->station != NULL, .text = query->station, .kind = 't'},
      {"class = ?", query->class_name != NULL, .text = query->class_name, .kind = 't'},
      {"decision = ?", query->decision != NULL, .text = query->decision, .kind = 't'},
      {"time >= ?", query->since != 0, .number = query->since, .kind = 'i'},
      {"time < ?", query->until != 0, .number = query->until, .kind = 'i'},
      {"+score >= ?", !isnan(query->min_score), .real = query->min_score, .kind = 'd'},
      {"+score <= ?", !isnan(query->max_score), .real = query->max_score, .kind = 'd'},
  };
  memcpy(filters, all, sizeof all);
}

void velm_store_add_condition(GString *sql, const char *condition) {
  g_string_append(sql, strstr(sql->str, " WHERE ") ? " AND " : " WHERE ");
  g_string_append(sql, condition);
}

/* Only constant texts get into a statement: what the caller gave is bound to it. */
void velm_store_add_filters(GString *sql, const VelmStoreQuery *query) {
  Filter filters[MAX_FILTERS];
  list_filters(query, filters);
  for (gsize i = 0; i < MAX_FILTERS; i++)
    if (filters[i].wanted)
      velm_store_add_condition(sql, filters[i].condition);
  if (query->reviewed != VELM_STORE_ALL)
    velm_store_add_condition(sql, query->reviewed == VELM_STORE_REVIEWED ? "verdict > 0"
                                                                         : "verdict = 0");
}

int velm_store_bind_filters(VelmStatement *statement, const VelmStoreQuery *query) {
  Filter filters[MAX_FILTERS];
  int next = 1;
  list_filters(query, filters);
  for (gsize i = 0; i < MAX_FILTERS; i++) {
    if (!filters[i].wanted)
      continue;
    if (filters[i].kind == 't')
      velm_statement_bind_text(statement, next, filters[i].text);
    else if (filters[i].kind == 'i')
      velm_statement_bind_int(statement, next, filters[i].number);
    else
      velm_statement_bind_double(statement, next, filters[i].real);
    next++;
  }
  return next;
}

gboolean velm_store_check_query(const VelmStoreQuery *query, GError **error) {
  const char *const texts[] = {query->product, query->station, query->class_name, query->decision};
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    if (texts[i] && !g_utf8_validate(texts[i], -1, NULL)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "a filter is not UTF-8");
      return FALSE;
    }
  if ((guint)query->order <= VELM_STORE_LEAST_CERTAIN)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "there is no such order");
  return FALSE;
}
