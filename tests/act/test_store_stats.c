/* Figures of the store: against counts made here, for every filter, and by which index. */
#include "act/store.h"

#include "act/store_fixture.h"
#include "act/store_private.h"

#include <math.h>
#include <string.h>

enum { N = 200 };

static gint64 time_of(int i) { return 1000000 + i * i * 7; }
static gboolean fails(int i) { return i % 40 == 3; }
static double score_of(int i) { return fails(i) ? NAN : (i * 37 % 50) / 10.0; }
static double ms_of(int i) { return fails(i) ? NAN : 20 + i % 9; }
static const char *product_of(int i) { return i % 5 ? "bracket" : "bolt"; }
static VelmDecision decision_of(int i) {
  return score_of(i) <= 1     ? VELM_DECISION_NORMAL
         : score_of(i) <= 1.5 ? VELM_DECISION_NEGLIGIBLE
         : i % 4              ? VELM_DECISION_DEFECT
                              : VELM_DECISION_REVIEW;
}
static const char *class_of(int i) {
  return fails(i) || score_of(i) <= 1 ? NULL : i % 3 ? "dent" : "scratch";
}

static void fill(StoreFixture *f, gconstpointer data) {
  store_set_up(f, data);
  for (int i = 0; i < N; i++) {
    g_autofree char *key = g_strdup_printf("k%d", i);
    g_autoptr(GBytes) image = store_image((guint)i % 4, 64);
    g_autoptr(VelmInspection) inspection =
        store_inspection(class_of(i), 0.5, score_of(i), decision_of(i));
    inspection->timings_ms[VELM_TIMING_TOTAL] = ms_of(i);
    const VelmSubmission submission = {.key = key,
                                       .product = product_of(i),
                                       .time = time_of(i),
                                       .image = image,
                                       .media_type = "image/png",
                                       .inspection = fails(i) ? NULL : inspection,
                                       .failure = "no image"};
    g_autoptr(VelmStoredRecord) record = velm_store_add(f->store, &submission, NULL, &f->error);
    g_assert_no_error(f->error);
  }
}

static VelmStoreStats *stats_of(StoreFixture *f, const VelmStoreQuery *query) {
  VelmStoreStats *stats = velm_store_stats(f->store, query, &f->error);
  g_assert_no_error(f->error);
  g_assert_nonnull(stats);
  return stats;
}

/* ---- against what was added ---- */

static gboolean matches(int i, const VelmStoreQuery *query) {
  return (!query->product || g_str_equal(query->product, product_of(i))) &&
         (!query->since || time_of(i) >= query->since) &&
         (!query->until || time_of(i) < query->until) &&
         (isnan(query->min_score) || score_of(i) >= query->min_score);
}

static gint64 count_named(const VelmStoreCount *counts, gsize n, const char *name) {
  gint64 count = 0;
  for (gsize i = 0; i < n; i++)
    if (g_strcmp0(counts[i].name, name) == 0)
      count += counts[i].count;
  return count;
}

static void assert_sorted(const VelmStoreCount *counts, gsize n, gint64 total) {
  gint64 sum = 0;
  for (gsize i = 0; i < n; i++) {
    g_assert_cmpint(counts[i].count, >, 0);
    g_assert_true(i == 0 || counts[i].count <= counts[i - 1].count);
    sum += counts[i].count;
  }
  g_assert_cmpint(sum, ==, total);
}

static void assert_counts(const VelmStoreStats *stats, const VelmStoreQuery *query) {
  static const char *const decisions[] = {"normal", "negligible", "defect", "review", "failed"};
  static const char *const classes[] = {NULL, "dent", "scratch"};
  gint64 total = 0, by_decision[5] = {0}, by_class[3] = {0};
  for (int i = 0; i < N; i++) {
    if (!matches(i, query))
      continue;
    total++;
    by_decision[fails(i)                                     ? 4
                : decision_of(i) == VELM_DECISION_NORMAL     ? 0
                : decision_of(i) == VELM_DECISION_NEGLIGIBLE ? 1
                : decision_of(i) == VELM_DECISION_DEFECT     ? 2
                                                             : 3]++;
    by_class[!class_of(i) ? 0 : g_str_equal(class_of(i), "dent") ? 1 : 2]++;
  }
  g_assert_cmpint(stats->total, ==, total);
  for (int i = 0; i < 5; i++)
    g_assert_cmpint(count_named(stats->decisions, stats->n_decisions, decisions[i]), ==,
                    by_decision[i]);
  for (int i = 0; i < 3; i++)
    g_assert_cmpint(count_named(stats->classes, stats->n_classes, classes[i]), ==, by_class[i]);
  assert_sorted(stats->decisions, stats->n_decisions, total);
  assert_sorted(stats->classes, stats->n_classes, total);
}

static void assert_span(const VelmStoreStats *stats, gsize at, const VelmStoreQuery *query) {
  gint64 total = 0, good = 0, defect = 0, n = 0;
  double score = 0, ms = 0;
  gint64 end = at + 1 < stats->n_spans ? stats->spans[at + 1].time : stats->last + 1;
  const VelmStoreSpan *span = &stats->spans[at];
  for (int i = 0; i < N; i++) {
    if (!matches(i, query) || time_of(i) < span->time || time_of(i) >= end)
      continue;
    total++;
    good += !fails(i) && decision_of(i) <= VELM_DECISION_NEGLIGIBLE;
    defect += !fails(i) && decision_of(i) == VELM_DECISION_DEFECT;
    n += !fails(i);
    score += fails(i) ? 0 : score_of(i);
    ms += fails(i) ? 0 : ms_of(i);
  }
  g_assert_cmpint(span->total, ==, total);
  g_assert_cmpint(span->good, ==, good);
  g_assert_cmpint(span->defect, ==, defect);
  g_assert_true(isnan(span->mean_score) == (n == 0) && isnan(span->mean_ms) == (n == 0));
  if (n > 0) {
    g_assert_cmpfloat_with_epsilon(span->mean_score, score / (double)n, 1e-9);
    g_assert_cmpfloat_with_epsilon(span->mean_ms, ms / (double)n, 1e-9);
  }
}

static void assert_spans(const VelmStoreStats *stats, const VelmStoreQuery *query) {
  g_assert_cmpuint(stats->n_spans, >, 50);
  g_assert_cmpuint(stats->n_spans, <=, VELM_STORE_MAX_SPANS);
  g_assert_cmpint(stats->spans[0].time, ==, stats->first);
  for (gsize i = 0; i < stats->n_spans; i++) {
    g_assert_true(i == 0 || stats->spans[i].time - stats->spans[i - 1].time ==
                                stats->spans[1].time - stats->spans[0].time);
    assert_span(stats, i, query);
  }
}

static void assert_bins(const VelmStoreStats *stats, const VelmStoreQuery *query) {
  double low = INFINITY, high = -INFINITY;
  gint64 n = 0, good = 0, in_bins = 0, good_in_bins = 0;
  g_assert_cmpuint(stats->n_bins, ==, VELM_STORE_MAX_BINS);
  for (int i = 0; i < N; i++) {
    if (!matches(i, query) || fails(i))
      continue;
    low = MIN(low, score_of(i));
    high = MAX(high, score_of(i));
    n++;
    good += decision_of(i) <= VELM_DECISION_NEGLIGIBLE;
  }
  for (gsize i = 0; i < stats->n_bins; i++) {
    in_bins += stats->bins[i].good + stats->bins[i].other;
    good_in_bins += stats->bins[i].good;
  }
  g_assert_cmpfloat_with_epsilon(stats->bins[0].low, low, 1e-9);
  g_assert_cmpfloat_with_epsilon(stats->bins[VELM_STORE_MAX_BINS - 1].high, high, 1e-9);
  g_assert_cmpint(in_bins, ==, n);
  g_assert_cmpint(good_in_bins, ==, good);
}

static void test_filters(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  for (guint bits = 0; bits < 8; bits++) {
    VelmStoreQuery query = velm_store_query_default();
    query.product = bits & 1 ? "bracket" : NULL;
    query.since = bits & 2 ? time_of(20) : 0;
    query.until = bits & 2 ? time_of(150) : 0;
    query.min_score = bits & 4 ? 0.7 : NAN;
    g_autoptr(VelmStoreStats) stats = stats_of(f, &query);
    assert_counts(stats, &query);
    assert_spans(stats, &query);
    assert_bins(stats, &query);
  }
}

/* ---- as it stands ---- */

static void test_reviewed(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmStoreQuery query = velm_store_query_default();
  gboolean found = FALSE;
  const VelmReview review = {.record = 9,
                             .verdict = VELM_VERDICT_CORRECT,
                             .class_name = (char *)"burr",
                             .who = (char *)"A"};
  g_assert_true(velm_store_review(f->store, &review, &found, &f->error));
  g_autoptr(VelmStoreStats) stats = stats_of(f, &query);
  g_assert_cmpint(stats->reviewed, ==, 1);
  g_assert_cmpint(count_named(stats->classes, stats->n_classes, "burr"), ==, 1);
  g_assert_cmpint(stats->total, ==, N);
}

/* ---- few ---- */

static void test_none(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoreQuery query = velm_store_query_default();
  query.product = "nut";
  g_autoptr(VelmStoreStats) stats = stats_of(f, &query);
  g_assert_cmpint(stats->total, ==, 0);
  g_assert_cmpint(stats->first, ==, 0);
  g_assert_cmpuint(stats->n_spans + stats->n_bins + stats->n_decisions + stats->n_classes, ==, 0);
}

static void test_one(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoreQuery query = velm_store_query_default();
  query.since = time_of(11);
  query.until = time_of(12);
  g_autoptr(VelmStoreStats) stats = stats_of(f, &query);
  gint64 in_bins = 0;
  g_assert_cmpint(stats->total, ==, 1);
  g_assert_cmpint(stats->first, ==, time_of(11));
  g_assert_cmpint(stats->last, ==, time_of(11));
  g_assert_cmpuint(stats->n_spans, ==, 1);
  g_assert_cmpfloat(stats->spans[0].mean_score, ==, score_of(11));
  for (gsize i = 0; i < stats->n_bins; i++) {
    const VelmStoreBin *bin = &stats->bins[i];
    g_assert_true(!bin->other || (bin->low <= score_of(11) && score_of(11) < bin->high));
    in_bins += bin->good + bin->other;
  }
  g_assert_cmpint(in_bins, ==, 1);
}

/* Only images that could not be inspected: nothing to draw a histogram of. */
static void test_failed(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoreQuery query = velm_store_query_default();
  query.decision = VELM_STORE_FAILED;
  g_autoptr(VelmStoreStats) stats = stats_of(f, &query);
  g_assert_cmpint(stats->total, ==, 5);
  g_assert_cmpuint(stats->n_bins, ==, 0);
  g_assert_true(isnan(stats->spans[0].mean_ms));
  g_assert_cmpuint(stats->n_decisions, ==, 1);
  g_assert_cmpstr(stats->decisions[0].name, ==, VELM_STORE_FAILED);
  g_assert_null(stats->classes[0].name);
}

/* ---- odd numbers ---- */

/* Gives the record @id the value @sql in @column, whatever a record may have there. */
static void set(StoreFixture *f, gint64 id, const char *column, const char *sql) {
  g_autofree char *text =
      g_strdup_printf("UPDATE records SET %s = %s WHERE id = %" G_GINT64_FORMAT, column, sql, id);
  store_run_sql(f, text);
}

static gint64 count_in_bins(const VelmStoreStats *stats) {
  gint64 n = 0;
  for (gsize i = 0; i < stats->n_bins; i++)
    n += stats->bins[i].good + stats->bins[i].other;
  return n;
}

static void assert_means_are_finite(const VelmStoreStats *stats) {
  for (gsize i = 0; i < stats->n_spans; i++)
    g_assert_false(isinf(stats->spans[i].mean_score) || isinf(stats->spans[i].mean_ms));
}

/* A score that is none, or far off, takes no others with it. */
static void test_odd_scores(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmStoreQuery query = velm_store_query_default();
  const char *const changes[] = {f->url ? "'NaN'" : "NULL",
                                 f->url ? "'Infinity'" : "9e999",
                                 f->url ? "'-Infinity'" : "-9e999",
                                 "1.7e308",
                                 "1.7e308",
                                 "-1.7e308",
                                 "-1.7e308",
                                 "5e-324"};
  for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
    set(f, (gint64)i + 10, "score", changes[i]);
    set(f, (gint64)i + 10, "ms", changes[i]);
    g_autoptr(VelmStoreStats) stats = stats_of(f, &query);
    g_assert_cmpint(count_in_bins(stats), ==, N - 5 - (gint64)MIN(i + 1, 3));
    g_assert_cmpint(stats->total, ==, N);
    assert_means_are_finite(stats);
  }
}

/* Each score is in the bin that has it between its edges. */
static void assert_are_in_their_bins(const VelmStoreStats *stats, const double scores[N]) {
  for (gsize i = 0; i < VELM_STORE_MAX_BINS; i++) {
    const VelmStoreBin *bin = &stats->bins[i];
    gboolean is_last = i + 1 == VELM_STORE_MAX_BINS;
    gint64 n = 0;
    for (int j = 0; j < N; j++)
      n += scores[j] >= bin->low && (scores[j] < bin->high || (is_last && scores[j] == bin->high));
    g_assert_cmpint(bin->good + bin->other, ==, n);
  }
}

/* However the edges were rounded: scores are put upon them, and just below. */
static void test_edges(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmStoreQuery query = velm_store_query_default();
  double scores[N];
  g_autoptr(GString) sql = g_string_new("BEGIN;");
  set(f, 1, "score", "-0.1");
  set(f, 2, "score", "7.7");
  g_autoptr(VelmStoreStats) before = stats_of(f, &query);
  g_assert_cmpfloat(before->bins[0].low, ==, -0.1);
  g_assert_cmpfloat(before->bins[VELM_STORE_MAX_BINS - 1].high, ==, 7.7);
  for (int i = 0; i < N; i++) {
    double edge = before->bins[i / 2 % VELM_STORE_MAX_BINS].high;
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    scores[i] = i == 0 ? -0.1 : i == 1 ? 7.7 : i % 2 ? edge : nextafter(edge, -1);
    g_string_append_printf(sql, "UPDATE records SET score = %s WHERE id = %d;",
                           g_ascii_dtostr(text, sizeof text, scores[i]), i + 1);
  }
  g_string_append(sql, "COMMIT");
  store_run_sql(f, sql->str);
  g_autoptr(VelmStoreStats) stats = stats_of(f, &query);
  assert_are_in_their_bins(stats, scores);
}

/* From the lowest number there is to the highest. */
static void test_far_edges(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmStoreQuery query = velm_store_query_default();
  set(f, 1, "score", "-1.7e308");
  set(f, 2, "score", "1.7e308");
  g_autoptr(VelmStoreStats) stats = stats_of(f, &query);
  for (gsize i = 0; i < VELM_STORE_MAX_BINS; i++) {
    g_assert_true(isfinite(stats->bins[i].low) && isfinite(stats->bins[i].high));
    g_assert_cmpfloat(stats->bins[i].low, <, stats->bins[i].high);
  }
  g_assert_cmpint(stats->bins[0].good + stats->bins[0].other, ==, 1);
  g_assert_cmpint(stats->bins[VELM_STORE_MAX_BINS - 1].good +
                      stats->bins[VELM_STORE_MAX_BINS - 1].other,
                  ==, 1);
}

static void test_equal_scores(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmStoreQuery query = velm_store_query_default();
  store_run_sql(f, "UPDATE records SET score = 2.3 WHERE score IS NOT NULL");
  g_autoptr(VelmStoreStats) stats = stats_of(f, &query);
  g_assert_cmpfloat_with_epsilon(stats->bins[0].low, 1.8, 1e-9);
  g_assert_cmpfloat_with_epsilon(stats->bins[VELM_STORE_MAX_BINS - 1].high, 2.8, 1e-9);
  for (gsize i = 0; i < VELM_STORE_MAX_BINS; i++) {
    const VelmStoreBin *bin = &stats->bins[i];
    g_assert_cmpint(bin->good + bin->other, ==, bin->low <= 2.3 && 2.3 < bin->high ? N - 5 : 0);
  }
}

/* A record of the time at which a span begins is of that span. */
static void test_span_bounds(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  enum { BETWEEN = 60, SPAN = 200 }; /* from the first to the last: 60 spans but for 60 us */
  const VelmStoreQuery query = velm_store_query_default();
  store_run_sql(f, "UPDATE records SET time = 1000000 + (id - 1) * 60");
  g_autoptr(VelmStoreStats) stats = stats_of(f, &query);
  g_assert_cmpuint(stats->n_spans, ==, VELM_STORE_MAX_SPANS);
  for (int i = 0; i < VELM_STORE_MAX_SPANS; i++) {
    gint64 n = 0;
    for (int j = 0; j < N; j++)
      n += j * BETWEEN >= i * SPAN && j * BETWEEN < (i + 1) * SPAN;
    g_assert_cmpint(stats->spans[i].time, ==, 1000000 + i * SPAN);
    g_assert_cmpint(stats->spans[i].total, ==, n);
  }
}

/* ---- language models ---- */

static double usd_of(StoreFixture *f) {
  const VelmStoreQuery query = velm_store_query_default();
  g_autoptr(VelmStoreStats) stats = stats_of(f, &query);
  VelmStoreLlm sum = {0};
  double usd = 0;
  for (gsize i = 0; i < stats->n_spans; i++) {
    sum.requests += stats->spans[i].llm.requests;
    sum.tokens += stats->spans[i].llm.tokens;
    usd += isnan(stats->spans[i].llm.usd) ? 0 : stats->spans[i].llm.usd;
  }
  g_assert_cmpint(stats->llm.requests, ==, 7);
  g_assert_cmpint(stats->llm.tokens, ==, 1500);
  g_assert_cmpint(sum.requests, ==, 7);
  g_assert_cmpint(sum.tokens, ==, 1500);
  g_assert_true(isnan(stats->llm.usd) ? usd == 0 : fabs(usd - stats->llm.usd) < 1e-9);
  return stats->llm.usd;
}

/* Prices that are none count as nothing, and where all are, there is none. */
static void test_llm(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const char *const odd[] = {f->url ? "'NaN'" : "NULL", f->url ? "'Infinity'" : "9e999"};
  set(f, 1, "llm_requests", "3");
  set(f, 1, "llm_tokens", "1000");
  set(f, 2, "llm_requests", "4");
  set(f, 2, "llm_tokens", "500");
  set(f, N, "llm_requests", "0");
  g_assert_true(isnan(usd_of(f)));
  for (gsize i = 0; i < G_N_ELEMENTS(odd); i++) {
    set(f, 1, "llm_usd", odd[i]);
    g_assert_true(isnan(usd_of(f)));
  }
  set(f, 2, "llm_usd", "0.25");
  set(f, N, "llm_usd", "0.5");
  g_assert_cmpfloat_with_epsilon(usd_of(f), 0.75, 1e-9);
}

static void test_bad_query(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoreQuery query = velm_store_query_default();
  query.class_name = "\xff";
  g_assert_null(velm_store_stats(f->store, &query, &f->error));
  g_assert_error(f->error, VELM_ERROR, VELM_ERROR_USAGE);
  g_clear_error(&f->error);
}

/* ---- plans ---- */

/* What charts ask for is read from an index alone. */
static void test_plans(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmDatabase *database = velm_store_begin_reading(f->store, &f->error);
  for (guint bits = 0; bits < 8; bits++) {
    VelmStoreQuery query = velm_store_query_default();
    query.product = bits & 1 ? "bracket" : NULL;
    query.since = bits & 2 ? 1000 : 0;
    query.station = bits & 4 ? "station 1" : NULL;
    g_autofree char *select = velm_store_stats_sql(&query);
    g_autofree char *sql = g_strconcat("EXPLAIN QUERY PLAN ", select, NULL);
    g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, &f->error);
    g_assert_no_error(f->error);
    g_assert_cmpint(velm_statement_step(statement, NULL), ==, VELM_STEP_ROW);
    g_test_message("%s", velm_statement_peek_text(statement, 3));
    g_assert_nonnull(strstr(velm_statement_peek_text(statement, 3), " USING COVERING INDEX "));
    g_assert_cmpint(velm_statement_step(statement, NULL), ==, VELM_STEP_DONE);
  }
  velm_store_end_reading(f->store, database);
}

#define ADD(name, function)                                                                        \
  g_test_add("/store/stats/" name, StoreFixture, NULL, fill, function, store_tear_down)
#define BOTH(name, function) STORE_ADD_BOTH(shared, "/store/stats/", name, fill, function)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  gboolean shared = store_add_shared();
  BOTH("filters", test_filters);
  BOTH("reviewed", test_reviewed);
  BOTH("none", test_none);
  BOTH("one", test_one);
  BOTH("failed", test_failed);
  BOTH("odd-scores", test_odd_scores);
  BOTH("edges", test_edges);
  BOTH("far-edges", test_far_edges);
  BOTH("equal-scores", test_equal_scores);
  BOTH("span-bounds", test_span_bounds);
  BOTH("llm", test_llm);
  BOTH("bad-query", test_bad_query);
  ADD("plans", test_plans);
  return g_test_run();
}
