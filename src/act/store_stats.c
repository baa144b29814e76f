/*
 * Figures for charts, in two passes over the records of one moment: the first finds how far time
 * and scores reach, the second counts each record in its span and its bin; and a third over those
 * that a language model was asked about. Indexes hold all that they read. What is kept meanwhile
 * does not grow with the records.
 */
#include "act/store_private.h"

#include <math.h>
#include <string.h>

/* What the second pass gathers beside the figures themselves. */
typedef struct {
  VelmStoreStats *stats;
  GHashTable *decisions, *classes; /* name -> gint64, how many */
  gint64 unclassed;
  gint64 span_us;
  gint64 n_scores[VELM_STORE_MAX_SPANS], n_ms[VELM_STORE_MAX_SPANS]; /* of the means */
} Tally;

static void clear_counts(VelmStoreCount *counts, gsize n) {
  for (gsize i = 0; i < n; i++)
    g_free(counts[i].name);
  g_free(counts);
}

void velm_store_stats_free(VelmStoreStats *stats) {
  if (!stats)
    return;
  clear_counts(stats->decisions, stats->n_decisions);
  clear_counts(stats->classes, stats->n_classes);
  g_free(stats);
}

/* ---- how far it reaches ---- */

/* Equal spans of whole microseconds, the last of which holds the last record. */
static void lay_out_spans(Tally *tally) {
  VelmStoreStats *stats = tally->stats;
  gint64 reach = stats->last - stats->first;
  tally->span_us = reach / VELM_STORE_MAX_SPANS + 1;
  stats->n_spans = (gsize)(reach / tally->span_us) + 1;
  for (gsize i = 0; i < stats->n_spans; i++)
    stats->spans[i] =
        (VelmStoreSpan){.time = stats->first + (gint64)i * tally->span_us, .llm.usd = NAN};
}

/* Scores that are all the same get bins around them, of 1 together. */
static void lay_out_bins(VelmStoreStats *stats, double low, double high) {
  if (!isfinite(low) || !isfinite(high))
    return;
  double start = low < high ? low : low - 0.5;
  double width = (low < high ? high / VELM_STORE_MAX_BINS - low / VELM_STORE_MAX_BINS
                             : 1.0 / VELM_STORE_MAX_BINS);
  stats->n_bins = VELM_STORE_MAX_BINS;
  for (gsize i = 0; i < stats->n_bins; i++) {
    stats->bins[i].low = start + (double)i * width;
    stats->bins[i].high = start + (double)(i + 1) * width;
  }
}

static gboolean read_reach(VelmDatabase *database, const VelmStoreQuery *query, Tally *tally,
                           GError **error) {
  VelmStoreStats *stats = tally->stats;
  /* The largest number there is: a score that is not finite has no place in a histogram. */
  g_autoptr(GString) sql =
      g_string_new("SELECT count(*), min(time), max(time),"
                   " min(score) FILTER (WHERE score >= -1.7976931348623157e308),"
                   " max(score) FILTER (WHERE score <= 1.7976931348623157e308) FROM records");
  velm_store_add_filters(sql, query);
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql->str, error);
  if (!statement)
    return FALSE;
  velm_store_bind_filters(statement, query);
  if (velm_statement_step(statement, error) != VELM_STEP_ROW)
    return FALSE;
  stats->total = velm_statement_int(statement, 0);
  stats->first = velm_statement_int(statement, 1);
  stats->last = velm_statement_int(statement, 2);
  if (stats->total > 0)
    lay_out_spans(tally);
  lay_out_bins(stats, velm_statement_double(statement, 3), velm_statement_double(statement, 4));
  return TRUE;
}

/* ---- counting ---- */

static void count_name(GHashTable *counts, const char *name) {
  gint64 *count = g_hash_table_lookup(counts, name);
  if (!count) {
    count = g_new0(gint64, 1);
    g_hash_table_insert(counts, g_strdup(name), count);
  }
  ++*count;
}

static VelmStoreBin *bin_of(VelmStoreStats *stats, double score) {
  double low = stats->bins[0].low;
  double at = (score - low) / (stats->bins[0].high - low);
  /* Rounding may take the extremes out of theirs. */
  return &stats->bins[at >= VELM_STORE_MAX_BINS ? VELM_STORE_MAX_BINS - 1 : at > 0 ? (int)at : 0];
}

static void count_score(Tally *tally, gsize span, double score, gboolean good) {
  if (tally->stats->n_bins == 0 || !isfinite(score))
    return;
  VelmStoreBin *bin = bin_of(tally->stats, score);
  *(good ? &bin->good : &bin->other) += 1;
  tally->stats->spans[span].mean_score += score; /* their sum, so far */
  tally->n_scores[span]++;
}

/* Of the record whose time comes first. */
static gsize span_of(const Tally *tally, VelmStatement *statement) {
  return (gsize)((velm_statement_int(statement, 0) - tally->stats->first) / tally->span_us);
}

static void count_row(Tally *tally, VelmStatement *statement) {
  const char *decision = velm_statement_peek_text(statement, 1);
  const char *class_name = velm_statement_peek_text(statement, 2);
  double ms = velm_statement_double(statement, 5);
  gsize at = span_of(tally, statement);
  VelmStoreSpan *span = &tally->stats->spans[at];
  gboolean good = g_str_equal(decision, velm_decision_name(VELM_DECISION_NORMAL)) ||
                  g_str_equal(decision, velm_decision_name(VELM_DECISION_NEGLIGIBLE));
  span->total++;
  span->good += good;
  span->defect += g_str_equal(decision, velm_decision_name(VELM_DECISION_DEFECT));
  tally->stats->reviewed += velm_statement_int(statement, 3) > 0;
  count_score(tally, at, velm_statement_double(statement, 4), good);
  if (isfinite(ms)) {
    span->mean_ms += ms; /* likewise */
    tally->n_ms[at]++;
  }
  count_name(tally->decisions, decision);
  if (class_name)
    count_name(tally->classes, class_name);
  else
    tally->unclassed++;
}

char *velm_store_stats_sql(const VelmStoreQuery *query) {
  GString *sql = g_string_new("SELECT time, decision, class, verdict, score, ms FROM records");
  velm_store_add_filters(sql, query);
  return g_string_free(sql, FALSE);
}

static gboolean count_rows(VelmDatabase *database, const VelmStoreQuery *query, Tally *tally,
                           GError **error) {
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

static void add_llm(VelmStoreLlm *sum, gint64 requests, gint64 tokens, double usd) {
  sum->requests += requests;
  sum->tokens += tokens;
  if (isfinite(usd))
    sum->usd = isfinite(sum->usd) ? sum->usd + usd : usd;
}

static void count_llm(Tally *tally, VelmStatement *statement) {
  gint64 requests = velm_statement_int(statement, 1), tokens = velm_statement_int(statement, 2);
  double usd = velm_statement_double(statement, 3);
  add_llm(&tally->stats->llm, requests, tokens, usd);
  add_llm(&tally->stats->spans[span_of(tally, statement)].llm, requests, tokens, usd);
}

static gboolean count_llms(VelmDatabase *database, const VelmStoreQuery *query, Tally *tally,
                           GError **error) {
  g_autoptr(GString) sql =
      g_string_new("SELECT time, llm_requests, llm_tokens, llm_usd FROM records");
  VelmStep step;
  if (!velm_store_is_on_server(database)) /* which finds the index by itself */
    g_string_append(sql, " INDEXED BY records_by_llm");
  velm_store_add_condition(sql, "llm_requests IS NOT NULL");
  velm_store_add_filters(sql, query);
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql->str, error);
  if (!statement)
    return FALSE;
  velm_store_bind_filters(statement, query);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    count_llm(tally, statement);
  return step == VELM_STEP_DONE;
}

/* ---- the figures ---- */

static int compare_counts(gconstpointer a, gconstpointer b) {
  const VelmStoreCount *x = a, *y = b;
  if (x->count != y->count)
    return x->count > y->count ? -1 : 1;
  return g_strcmp0(x->name, y->name);
}

/* Returns: (transfer full): the most frequent first. @unnamed: how many have no name. */
static VelmStoreCount *sort_counts(GHashTable *named, gint64 unnamed, gsize *n) {
  GHashTableIter iter;
  gpointer name, count;
  VelmStoreCount *counts = g_new0(VelmStoreCount, g_hash_table_size(named) + 1);
  *n = 0;
  g_hash_table_iter_init(&iter, named);
  while (g_hash_table_iter_next(&iter, &name, &count))
    counts[(*n)++] = (VelmStoreCount){g_strdup(name), *(gint64 *)count};
  if (unnamed > 0)
    counts[(*n)++] = (VelmStoreCount){NULL, unnamed};
  qsort(counts, *n, sizeof *counts, compare_counts);
  return counts;
}

static void finish(Tally *tally) {
  VelmStoreStats *stats = tally->stats;
  for (gsize i = 0; i < stats->n_spans; i++) {
    VelmStoreSpan *span = &stats->spans[i];
    span->mean_score = tally->n_scores[i] ? span->mean_score / (double)tally->n_scores[i] : NAN;
    span->mean_ms = tally->n_ms[i] ? span->mean_ms / (double)tally->n_ms[i] : NAN;
  }
  stats->decisions = sort_counts(tally->decisions, 0, &stats->n_decisions);
  stats->classes = sort_counts(tally->classes, tally->unclassed, &stats->n_classes);
}

static VelmStoreStats *count_all(VelmDatabase *database, const VelmStoreQuery *query,
                                 GError **error) {
  g_autoptr(VelmStoreStats) stats = g_new0(VelmStoreStats, 1);
  stats->llm.usd = NAN;
  g_autoptr(GHashTable) decisions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_autoptr(GHashTable) classes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  Tally tally = {.stats = stats, .decisions = decisions, .classes = classes};
  /* Both passes see one state of the records: one that came between them would have no span. */
  gboolean ok =
      velm_database_begin_reading(database, error) && read_reach(database, query, &tally, error) &&
      count_rows(database, query, &tally, error) && count_llms(database, query, &tally, error);
  velm_database_end(database, FALSE, NULL);
  if (!ok)
    return NULL;
  finish(&tally);
  return g_steal_pointer(&stats);
}

VelmStoreStats *velm_store_stats(VelmStore *store, const VelmStoreQuery *query, GError **error) {
  VelmDatabase *database =
      velm_store_check_query(query, error) ? velm_store_begin_reading(store, error) : NULL;
  if (!database)
    return NULL;
  VelmStoreStats *stats = count_all(database, query, error);
  velm_store_end_reading(store, database);
  return stats;
}
