/* Counting for figures in a store of a folder: each record is read. Indexes hold all of it. */
#include "act/store_stats.h"

#include <math.h>

/* ---- bins ---- */

/* The one whose edges are about @score. */
static VelmStoreBin *guess_bin(VelmStoreStats *stats, double score) {
  double low = stats->bins[0].low;
  double at = (score - low) / (stats->bins[0].high - low);
  return &stats->bins[at >= VELM_STORE_MAX_BINS ? VELM_STORE_MAX_BINS - 1 : at > 0 ? (int)at : 0];
}

/* Rounding may have led to the next one. Returns: (nullable). */
static VelmStoreBin *bin_of(VelmStoreStats *stats, double score) {
  if (stats->n_bins == 0 || !isfinite(score))
    return NULL;
  VelmStoreBin *bin = guess_bin(stats, score);
  const VelmStoreBin *last = &stats->bins[VELM_STORE_MAX_BINS - 1];
  while (score < bin->low)
    bin--;
  while (bin < last && score >= bin[1].low)
    bin++;
  return bin;
}

/* ---- rows ---- */

static double summand_of(double value) {
  return CLAMP(value, -VELM_STORE_MOST_SUMMED, VELM_STORE_MOST_SUMMED);
}

/* Of the record whose time comes first. */
static gsize span_of(const VelmStoreTally *tally, VelmStatement *statement) {
  return (gsize)((velm_statement_int(statement, 0) - tally->stats->first) / tally->span_us);
}

static void count_row(VelmStoreTally *tally, VelmStatement *statement) {
  double score = velm_statement_double(statement, 4), ms = velm_statement_double(statement, 5);
  const VelmStoreGroup group = {.span = span_of(tally, statement),
                                .bin = bin_of(tally->stats, score),
                                .decision = velm_statement_peek_text(statement, 1),
                                .class_name = velm_statement_peek_text(statement, 2),
                                .reviewed = velm_statement_int(statement, 3) > 0,
                                .n = 1,
                                .n_ms = isfinite(ms),
                                .scores = summand_of(score),
                                .ms = isfinite(ms) ? summand_of(ms) : 0};
  velm_store_tally_group(tally, &group);
}

char *velm_store_stats_sql(const VelmStoreQuery *query) {
  GString *sql = g_string_new("SELECT time, decision, class, verdict, score, ms FROM records");
  velm_store_add_filters(sql, query);
  return g_string_free(sql, FALSE);
}

static gboolean count_rows(VelmDatabase *database, const VelmStoreQuery *query,
                           VelmStoreTally *tally, GError **error) {
  g_autofree char *sql = velm_store_stats_sql(query);
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, error);
  VelmStep step;
  if (!statement)
    return FALSE;
  velm_store_bind_filters(statement, query);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    count_row(tally, statement);
  return step == VELM_STEP_DONE;
}

/* ---- language models ---- */

static gboolean count_llms(VelmDatabase *database, const VelmStoreQuery *query,
                           VelmStoreTally *tally, GError **error) {
  g_autoptr(GString) sql = g_string_new("SELECT time, llm_requests, llm_tokens, llm_usd FROM"
                                        " records INDEXED BY records_by_llm");
  VelmStep step;
  velm_store_add_condition(sql, "llm_requests IS NOT NULL");
  velm_store_add_filters(sql, query);
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql->str, error);
  if (!statement)
    return FALSE;
  velm_store_bind_filters(statement, query);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW) {
    double usd = velm_statement_double(statement, 3);
    velm_store_tally_llm(tally, span_of(tally, statement), velm_statement_int(statement, 1),
                         velm_statement_int(statement, 2), isfinite(usd) ? summand_of(usd) : NAN);
  }
  return step == VELM_STEP_DONE;
}

gboolean velm_store_tally_rows(VelmDatabase *database, const VelmStoreQuery *query,
                               VelmStoreTally *tally, GError **error) {
  return count_rows(database, query, tally, error) && count_llms(database, query, tally, error);
}
