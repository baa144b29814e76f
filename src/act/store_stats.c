/*
 * Figures for charts, in two passes over the records of one moment: the first finds how far time
 * and scores reach, the second counts each record in its span and its bin; and a third over those
 * that a language model was asked about. What is kept meanwhile does not grow with the records.
 */
#include "act/store_stats.h"

#include <math.h>

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
static void lay_out_spans(VelmStoreTally *tally) {
  VelmStoreStats *stats = tally->stats;
  gint64 reach = stats->last - stats->first;
  tally->span_us = reach / VELM_STORE_MAX_SPANS + 1;
  stats->n_spans = (gsize)(reach / tally->span_us) + 1;
  for (gsize i = 0; i < stats->n_spans; i++)
    stats->spans[i] =
        (VelmStoreSpan){.time = stats->first + (gint64)i * tally->span_us, .llm.usd = NAN};
}

/* Where bin @i begins. The product alone may be beyond all numbers. */
static double edge_of(double start, double width, double end, gsize i) {
  return i < VELM_STORE_MAX_BINS ? MIN(fma((double)i, width, start), end) : end;
}

/* Scores that are all the same get bins around them, of 1 together. */
static void lay_out_bins(VelmStoreStats *stats, double low, double high) {
  if (!isfinite(low) || !isfinite(high))
    return;
  double start = low < high ? low : low - 0.5, end = low < high ? high : high + 0.5;
  double width = end / VELM_STORE_MAX_BINS - start / VELM_STORE_MAX_BINS;
  stats->n_bins = VELM_STORE_MAX_BINS;
  for (gsize i = 0; i < stats->n_bins; i++) {
    stats->bins[i].low = edge_of(start, width, end, i);
    stats->bins[i].high = edge_of(start, width, end, i + 1);
  }
}

static gboolean read_reach(VelmDatabase *database, const VelmStoreQuery *query,
                           VelmStoreTally *tally, GError **error) {
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

static void count_name(GHashTable *counts, const char *name, gint64 n) {
  gint64 *count = g_hash_table_lookup(counts, name);
  if (!count) {
    count = g_new0(gint64, 1);
    g_hash_table_insert(counts, g_strdup(name), count);
  }
  *count += n;
}

static void count_scores(VelmStoreTally *tally, const VelmStoreGroup *group, gboolean good) {
  *(good ? &group->bin->good : &group->bin->other) += group->n;
  tally->stats->spans[group->span].mean_score += group->scores;
  tally->n_scores[group->span] += group->n;
}

void velm_store_tally_group(VelmStoreTally *tally, const VelmStoreGroup *group) {
  VelmStoreSpan *span = &tally->stats->spans[group->span];
  gboolean good = g_str_equal(group->decision, velm_decision_name(VELM_DECISION_NORMAL)) ||
                  g_str_equal(group->decision, velm_decision_name(VELM_DECISION_NEGLIGIBLE));
  gboolean defect = g_str_equal(group->decision, velm_decision_name(VELM_DECISION_DEFECT));
  span->total += group->n;
  span->good += good ? group->n : 0;
  span->defect += defect ? group->n : 0;
  span->mean_ms += group->ms;
  tally->n_ms[group->span] += group->n_ms;
  tally->stats->reviewed += group->reviewed ? group->n : 0;
  if (group->bin)
    count_scores(tally, group, good);
  count_name(tally->decisions, group->decision, group->n);
  if (group->class_name)
    count_name(tally->classes, group->class_name, group->n);
  else
    tally->unclassed += group->n;
}

static void add_llm(VelmStoreLlm *sum, gint64 requests, gint64 tokens, double usd) {
  sum->requests += requests;
  sum->tokens += tokens;
  if (isfinite(usd))
    sum->usd = isfinite(sum->usd) ? sum->usd + usd : usd;
}

void velm_store_tally_llm(VelmStoreTally *tally, gsize span, gint64 requests, gint64 tokens,
                          double usd) {
  add_llm(&tally->stats->llm, requests, tokens, usd);
  add_llm(&tally->stats->spans[span].llm, requests, tokens, usd);
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

static void finish(VelmStoreTally *tally) {
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
  VelmStoreTally tally = {.stats = stats, .decisions = decisions, .classes = classes};
  /* Both passes see one state of the records: one that came between them would have no span. */
  gboolean ok =
      velm_database_begin_reading(database, error) && read_reach(database, query, &tally, error) &&
      (stats->total == 0 ||
       (velm_store_is_on_server(database) ? velm_store_tally_on_server
                                          : velm_store_tally_rows)(database, query, &tally, error));
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
