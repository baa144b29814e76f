/* Pages of the store: filters, orders, cursors, and by which index each is found. */
#include "act/store.h"

#include "act/store_fixture.h"
#include "act/store_private.h"
#include "core/scratch.h"

#include <math.h>
#include <string.h>

enum { N = 240 };

/* What record @i is like; several are equal in what orders them. */
static gint64 time_of(int i) { return 1000 + i / 3; }
static double score_of(int i) { return (i * 37 % 50) / 10.0; }
static const char *class_of(int i) { return score_of(i) <= 1 ? NULL : i % 2 ? "dent" : "scratch"; }
static const char *product_of(int i) { return i % 5 ? "bracket" : "bolt"; }
static const char *station_of(int i) {
  return i % 7 == 3 ? NULL : i % 7 == 4 ? "station 2" : "station 1";
}
static VelmDecision decision_of(int i) {
  return score_of(i) <= 1 ? VELM_DECISION_NORMAL
                          : (i % 4 ? VELM_DECISION_DEFECT : VELM_DECISION_REVIEW);
}

static void fill(StoreFixture *f, gconstpointer data) {
  store_set_up(f, data);
  for (int i = 0; i < N; i++) {
    g_autofree char *key = g_strdup_printf("k%d", i);
    g_autoptr(GBytes) image = store_image((guint)i / 2, 64);
    g_autoptr(VelmInspection) inspection =
        store_inspection(class_of(i), (i * 13 % 20) / 20.0, score_of(i), decision_of(i));
    const VelmSubmission submission = {.key = key,
                                       .product = product_of(i),
                                       .time = time_of(i),
                                       .image = image,
                                       .media_type = "image/png",
                                       .station = station_of(i),
                                       .inspection = i % 60 == 7 ? NULL : inspection,
                                       .failure = "no image"};
    g_autoptr(VelmStoredRecord) record = velm_store_add(f->store, &submission, NULL, &f->error);
    g_assert_no_error(f->error);
    g_assert_cmpint(record->id, ==, i + 1);
  }
}

static GPtrArray *page(StoreFixture *f, const VelmStoreQuery *query, const char *cursor,
                       guint limit, char **next) {
  GPtrArray *records = velm_store_list(f->store, query, cursor, limit, next, &f->error);
  g_assert_no_error(f->error);
  return records;
}

/* All pages of a query, one after another. */
static GPtrArray *list_all(StoreFixture *f, const VelmStoreQuery *query, guint limit) {
  GPtrArray *all = g_ptr_array_new_with_free_func((GDestroyNotify)velm_stored_record_free);
  g_autofree char *cursor = NULL;
  do {
    char *next = NULL;
    g_autoptr(GPtrArray) records = page(f, query, cursor, limit, &next);
    g_assert_true(!next || records->len == limit);
    g_assert_cmpuint(records->len, <=, limit);
    g_ptr_array_extend_and_steal(all, g_steal_pointer(&records));
    g_free(cursor);
    cursor = next;
  } while (cursor);
  return all;
}

/* ---- orders ---- */

static double value_of(const VelmStoredRecord *record, VelmStoreOrder order) {
  if (order == VELM_STORE_HIGHEST_SCORE)
    return -record->score;
  if (order == VELM_STORE_LEAST_CERTAIN)
    return record->class_name ? record->confidence : 0;
  return order == VELM_STORE_NEWEST ? -(double)record->time : (double)record->time;
}

static void assert_ordered(const GPtrArray *records, VelmStoreOrder order) {
  gboolean down = order == VELM_STORE_NEWEST || order == VELM_STORE_HIGHEST_SCORE;
  for (guint i = 1; i < records->len; i++) {
    const VelmStoredRecord *a = records->pdata[i - 1], *b = records->pdata[i];
    double x = value_of(a, order), y = value_of(b, order);
    g_assert_true(x < y || (x == y && (down ? a->id > b->id : a->id < b->id)));
  }
}

static void test_orders(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  for (int order = VELM_STORE_NEWEST; order <= VELM_STORE_LEAST_CERTAIN; order++) {
    VelmStoreQuery query = velm_store_query_default();
    query.order = (VelmStoreOrder)order;
    g_autoptr(GPtrArray) whole = list_all(f, &query, VELM_STORE_MAX_PAGE);
    assert_ordered(whole, query.order);
    int expected = 0;
    for (int i = 0; i < N; i++)
      expected += order <= VELM_STORE_OLDEST ||
                  (order == VELM_STORE_HIGHEST_SCORE && i % 60 != 7) ||
                  (order == VELM_STORE_LEAST_CERTAIN && (i % 60 == 7 || score_of(i) > 1));
    g_assert_cmpuint(whole->len, ==, expected);
    for (guint limit = 1; limit < 20; limit += 6) {
      g_autoptr(GPtrArray) pages = list_all(f, &query, limit);
      g_assert_cmpuint(pages->len, ==, whole->len);
      for (guint i = 0; i < whole->len; i++)
        g_assert_cmpint(((VelmStoredRecord *)pages->pdata[i])->id, ==,
                        ((VelmStoredRecord *)whole->pdata[i])->id);
    }
  }
}

/* ---- filters ---- */

static gboolean matches(int i, const VelmStoreQuery *query) {
  gboolean failed = i % 60 == 7;
  double score = failed ? NAN : score_of(i);
  const char *class_name = failed ? NULL : class_of(i);
  const char *decision = failed ? VELM_STORE_FAILED : velm_decision_name(decision_of(i));
  return (!query->product || g_str_equal(query->product, product_of(i))) &&
         (!query->station || g_strcmp0(query->station, station_of(i)) == 0) &&
         (!query->class_name || g_strcmp0(query->class_name, class_name) == 0) &&
         (!query->decision || g_str_equal(query->decision, decision)) &&
         (!query->since || time_of(i) >= query->since) &&
         (!query->until || time_of(i) < query->until) &&
         (isnan(query->min_score) || score >= query->min_score) &&
         (isnan(query->max_score) || score <= query->max_score);
}

/* The query with the filters of @bits. */
static VelmStoreQuery query_of(guint bits) {
  VelmStoreQuery query = velm_store_query_default();
  query.product = bits & 1 ? "bracket" : NULL;
  query.class_name = bits & 2 ? "dent" : NULL;
  query.decision = bits & 4 ? "defect" : NULL;
  query.since = bits & 8 ? 1010 : 0;
  query.until = bits & 8 ? 1060 : 0;
  query.min_score = bits & 16 ? 2 : NAN;
  query.max_score = bits & 16 ? 4 : NAN;
  query.station = bits & 32 ? "station 1" : NULL;
  return query;
}

static void test_filters(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  for (guint bits = 0; bits < 64; bits++) {
    const VelmStoreQuery query = query_of(bits);
    g_autoptr(GPtrArray) records = list_all(f, &query, 7);
    gint64 n = -1;
    guint expected = 0;
    for (int i = 0; i < N; i++)
      expected += matches(i, &query);
    g_assert_cmpuint(records->len, ==, expected);
    g_assert_cmpuint(expected, >, 3);
    assert_ordered(records, query.order);
    for (guint i = 0; i < records->len; i++)
      g_assert_true(matches((int)((VelmStoredRecord *)records->pdata[i])->id - 1, &query));
    g_assert_true(velm_store_count(f->store, &query, &n, &f->error));
    g_assert_cmpint(n, ==, expected);
  }
}

static void test_failed(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoreQuery query = velm_store_query_default();
  query.decision = VELM_STORE_FAILED;
  g_autoptr(GPtrArray) records = list_all(f, &query, 3);
  g_assert_cmpuint(records->len, ==, 4);
}

static void test_reviewed(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoreQuery query = velm_store_query_default();
  gboolean found = FALSE;
  const VelmReview review = {.record = 9,
                             .verdict = VELM_VERDICT_CORRECT,
                             .class_name = (char *)"burr",
                             .who = (char *)"A"};
  g_assert_true(velm_store_review(f->store, &review, &found, &f->error));
  query.reviewed = VELM_STORE_REVIEWED;
  g_autoptr(GPtrArray) reviewed = list_all(f, &query, 10);
  g_assert_cmpuint(reviewed->len, ==, 1);
  g_assert_cmpint(((VelmStoredRecord *)reviewed->pdata[0])->id, ==, 9);
  query.reviewed = VELM_STORE_UNREVIEWED;
  g_autoptr(GPtrArray) others = list_all(f, &query, 100);
  g_assert_cmpuint(others->len, ==, N - 1);
  query.reviewed = VELM_STORE_ALL;
  query.class_name = "burr"; /* as it stands */
  g_autoptr(GPtrArray) burrs = list_all(f, &query, 10);
  g_assert_cmpuint(burrs->len, ==, 1);
}

/* ---- cursors ---- */

/* Those that come between two pages are newer than the first, those that go were seen or are not.
 */
static void test_changes_between_pages(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmStoreQuery query = velm_store_query_default();
  g_autofree char *next = NULL, *last = NULL;
  g_autoptr(GPtrArray) first = page(f, &query, NULL, 10, &next);
  gint64 id = ((VelmStoredRecord *)first->pdata[9])->id;
  store_add_part(f, "late", 1, 5000);
  store_run_sql(f, "DELETE FROM records WHERE id IN (SELECT id FROM records ORDER BY id DESC"
                   " LIMIT 1 OFFSET 10)"); /* the very record that the cursor names */
  g_autoptr(GPtrArray) second = page(f, &query, next, 10, &last);
  g_assert_cmpint(((VelmStoredRecord *)second->pdata[0])->id, ==, id - 1);
}

static void test_bad_cursors(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoreQuery query = velm_store_query_default();
  g_autofree char *next = NULL, *none = NULL;
  g_autoptr(GPtrArray) first = page(f, &query, NULL, 10, &next);
  static const char *const bad[] = {"", "n", "1 OR 1=1", "n000000000000000g0000000000000000",
                                    "s00000000000000000000000000000000"};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_assert_null(velm_store_list(f->store, &query, bad[i], 10, &none, &f->error));
    assert_failure(&f->error, VELM_ERROR_USAGE, "the cursor is not one");
    g_assert_null(none);
  }
  query.order = VELM_STORE_HIGHEST_SCORE;
  g_assert_null(velm_store_list(f->store, &query, next, 10, &none, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "of this order");
  /* Whatever digits it has: a page, maybe an empty one. */
  for (guint i = 0; i < 16; i++) {
    g_autofree char *digits = g_strnfill(32, "0123456789abcdef"[i]);
    g_autofree char *cursor = g_strconcat("s", digits, NULL);
    g_autofree char *after = NULL;
    g_autoptr(GPtrArray) records = page(f, &query, cursor, 10, &after);
    g_assert_nonnull(records);
  }
}

static void test_bad_queries(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoreQuery query = velm_store_query_default();
  g_autofree char *next = NULL;
  const guint limits[] = {0, VELM_STORE_MAX_PAGE + 1};
  for (gsize i = 0; i < G_N_ELEMENTS(limits); i++) {
    g_assert_null(velm_store_list(f->store, &query, NULL, limits[i], &next, &f->error));
    assert_failure(&f->error, VELM_ERROR_USAGE, "a page has 1 to 500 records");
  }
  query.product = "\xff";
  g_assert_null(velm_store_list(f->store, &query, NULL, 1, &next, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "not UTF-8");
  query.product = "' OR 1=1 --";
  g_autoptr(GPtrArray) none = page(f, &query, NULL, 10, &next);
  g_assert_cmpuint(none->len, ==, 0);
}

/* ---- plans ---- */

/* How SQLite finds a page: its steps, a line each. */
static char *plan_of(VelmDatabase *database, const VelmStoreQuery *query, gboolean goes_on) {
  GString *plan = g_string_new(NULL);
  g_autofree char *page = velm_store_page_sql(query, goes_on);
  g_autofree char *sql = g_strconcat("EXPLAIN QUERY PLAN ", page, NULL);
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, NULL);
  while (velm_statement_step(statement, NULL) == VELM_STEP_ROW)
    g_string_append_printf(plan, "%s\n", velm_statement_peek_text(statement, 3));
  return g_string_free(plan, FALSE);
}

/* No page of these looks through all records, or sorts more than itself. */
static void test_plans(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmStoreQuery any = velm_store_query_default();
  VelmStoreQuery product = any, station = any, class_name = any, decision = any, both = any,
                 score = any, doubtful = any, highest = any, days = any;
  product.product = both.product = "bracket";
  station.station = "station 1";
  class_name.class_name = both.class_name = "dent";
  decision.decision = "defect";
  score.min_score = 2;
  days.since = 1000;
  days.until = 1010;
  highest.order = VELM_STORE_HIGHEST_SCORE;
  doubtful.order = VELM_STORE_LEAST_CERTAIN;
  doubtful.reviewed = VELM_STORE_UNREVIEWED;
  const struct {
    const VelmStoreQuery *query;
    const char *index;
  } cases[] = {{&any, "records_by_time"},          {&product, "records_by_product"},
               {&station, "records_by_station"},   {&class_name, "records_by_class"},
               {&decision, "records_by_decision"}, {&both, "records_by_product_class"},
               {&score, "records_by_time"},        {&days, "records_by_time"},
               {&highest, "records_by_score"},     {&doubtful, "unreviewed_by_certainty"}};
  VelmDatabase *database = velm_store_begin_reading(f->store, &f->error);
  for (gsize i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
    g_autofree char *plan = plan_of(database, cases[i / 2].query, i % 2);
    g_autofree char *index = g_strconcat("INDEX ", cases[i / 2].index, NULL);
    g_test_message("%s", plan);
    const char *found = strstr(plan, index);
    g_assert_nonnull(found);
    g_assert_true(strchr(" \n", found[strlen(index)]) != NULL); /* not a longer name */
    /* What is sorted is the page, in the order of the outer statement. */
    const char *sorted = strstr(plan, "USE TEMP B-TREE");
    g_assert_true(!sorted || (sorted > strstr(plan, "SEARCH images") &&
                              !strstr(sorted + 1, "USE TEMP B-TREE")));
  }
  velm_store_end_reading(f->store, database);
}

#define ADD(name, function)                                                                        \
  g_test_add("/store/list/" name, StoreFixture, NULL, fill, function, store_tear_down)
#define BOTH(name, function) STORE_ADD_BOTH(shared, "/store/list/", name, fill, function)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  gboolean shared = store_add_shared();
  BOTH("orders", test_orders);
  BOTH("filters", test_filters);
  BOTH("failed", test_failed);
  BOTH("reviewed", test_reviewed);
  BOTH("changes-between-pages", test_changes_between_pages);
  BOTH("bad-cursors", test_bad_cursors);
  BOTH("bad-queries", test_bad_queries);
  ADD("plans", test_plans);
  return g_test_run();
}
