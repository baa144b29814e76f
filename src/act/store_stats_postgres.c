/*
 * Counting for figures of a shared store: the server counts, and what comes here are groups, of
 * which there are some thousands however many records there are.
 */
#include "act/store_stats.h"

/* What a number adds to a sum; NULL where it is none: NaN is beyond the largest here. */
#define SUMMAND(column)                                                                            \
  "CASE WHEN " column " BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308"                \
  " THEN greatest(least(" column ", " MOST "), -" MOST ") END"
#define MOST G_STRINGIFY(VELM_STORE_MOST_SUMMED)

/* Binds where the spans begin and how long they are, from parameter @next on. */
static void bind_spans(VelmStatement *statement, int next, const VelmStoreTally *tally) {
  velm_statement_bind_int(statement, next, tally->stats->first);
  velm_statement_bind_int(statement, next + 1, tally->span_us);
}

/* ---- groups ---- */

/* The beginnings of the bins. Returns: (transfer full). */
static char *print_edges(const VelmStoreStats *stats) {
  GString *edges = g_string_new("{");
  for (gsize i = 0; i < stats->n_bins; i++) {
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    g_string_append_printf(edges, "%s%s", i > 0 ? "," : "",
                           g_ascii_dtostr(text, sizeof text, stats->bins[i].low));
  }
  g_string_append_c(edges, '}');
  return g_string_free(edges, FALSE);
}

static void count_group(VelmStoreTally *tally, VelmStatement *statement) {
  gint64 bin = velm_statement_int(statement, 1), n_ms = velm_statement_int(statement, 7);
  const VelmStoreGroup group = {.span = (gsize)velm_statement_int(statement, 0),
                                .bin = bin > 0 ? &tally->stats->bins[bin - 1] : NULL,
                                .decision = velm_statement_peek_text(statement, 2),
                                .class_name = velm_statement_peek_text(statement, 3),
                                .reviewed = velm_statement_int(statement, 4) > 0,
                                .n = velm_statement_int(statement, 5),
                                .n_ms = n_ms,
                                .scores = velm_statement_double(statement, 6),
                                .ms = n_ms > 0 ? velm_statement_double(statement, 8) : 0};
  velm_store_tally_group(tally, &group);
}

static const char select_chosen[] =
    "WITH chosen AS (SELECT time, decision, class, verdict > 0 AS reviewed, score, " SUMMAND(
        "score") " AS summand, " SUMMAND("ms") " AS ms FROM records";
static const char select_groups[] =
    ") SELECT (time - ?) / ?, CASE WHEN summand IS NOT NULL"
    " THEN width_bucket(score, CAST(? AS DOUBLE PRECISION[])) END, decision, class, reviewed,"
    " count(*), sum(summand), count(ms), sum(ms) FROM chosen GROUP BY 1, 2, 3, 4, 5";

static gboolean count_groups(VelmDatabase *database, const VelmStoreQuery *query,
                             VelmStoreTally *tally, GError **error) {
  g_autofree char *edges = print_edges(tally->stats);
  g_autoptr(GString) sql = g_string_new(select_chosen);
  VelmStep step;
  velm_store_add_filters(sql, query);
  g_string_append(sql, select_groups);
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql->str, error);
  if (!statement)
    return FALSE;
  int next = velm_store_bind_filters(statement, query);
  bind_spans(statement, next, tally);
  velm_statement_bind_text(statement, next + 2, edges);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    count_group(tally, statement);
  return step == VELM_STEP_DONE;
}

/* ---- language models ---- */

static gboolean count_llms(VelmDatabase *database, const VelmStoreQuery *query,
                           VelmStoreTally *tally, GError **error) {
  g_autoptr(GString) sql =
      g_string_new("WITH chosen AS (SELECT time, llm_requests, llm_tokens, " SUMMAND(
          "llm_usd") " AS usd FROM records");
  VelmStep step;
  velm_store_add_condition(sql, "llm_requests IS NOT NULL");
  velm_store_add_filters(sql, query);
  g_string_append(sql, ") SELECT (time - ?) / ?, sum(llm_requests), sum(llm_tokens), sum(usd)"
                       " FROM chosen GROUP BY 1");
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql->str, error);
  if (!statement)
    return FALSE;
  bind_spans(statement, velm_store_bind_filters(statement, query), tally);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    velm_store_tally_llm(tally, (gsize)velm_statement_int(statement, 0),
                         velm_statement_int(statement, 1), velm_statement_int(statement, 2),
                         velm_statement_double(statement, 3));
  return step == VELM_STEP_DONE;
}

/* How few groups there are, the server does not know: it would rather sort all records. */
gboolean velm_store_tally_on_server(VelmDatabase *database, const VelmStoreQuery *query,
                                    VelmStoreTally *tally, GError **error) {
  return velm_database_run(database, "SET LOCAL enable_sort = off", error) &&
         count_groups(database, query, tally, error) && count_llms(database, query, tally, error);
}
