/*
 * What a store of 100,000 records costs: pages, first and deep, of every kind of filter and order,
 * counts, figures for charts, adding, queueing. Fails where a page or the figures take 200 ms or
 * more.
 *
 *   bench_store [RECORDS]
 *
 * The records are written in one transaction beforehand, images only by name, as one after another
 * would take a quarter of an hour; adding is measured with real images on top of them.
 */
#include "act/store.h"
#include "core/database_sqlite.h"
#include "core/scratch.h"
#include "median.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 100000, TIMES = 5, ADDED = 100, IMAGE_BYTES = 200000, MOST_MS = 200 };

/* Of the records that are filled in, one a second. */
#define FIRST_TIME G_GINT64_CONSTANT(1700000000000000)

/* Three products, seven classes, 3 % anomalous or failed, of which a language model was asked about
 * every other one, a record's text of some 1.5 kB. */
static const char fill[] =
    "BEGIN;"
    "CREATE TEMP TABLE n (i INTEGER PRIMARY KEY);"
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d)"
    " INSERT INTO n SELECT i FROM c;"
    "INSERT INTO images SELECT printf('%%064x', i * 2654435761 %% 4294967296 * 1048576 + i),"
    " 'image/jpeg', 200000 FROM n;"
    "INSERT INTO records (key, product, time, image, decision, class, detected_class, score,"
    " threshold, confidence, certainty, verdict, ms, llm_requests, llm_tokens, llm_usd)"
    " SELECT 'line 1/' || i, 'product ' || (i / 7 %% 3), 1700000000000000 + i * 1000000,"
    " printf('%%064x', i * 2654435761 %% 4294967296 * 1048576 + i),"
    " CASE WHEN i %% 33 THEN 'normal' WHEN i %% 66 THEN 'defect' ELSE 'review' END,"
    " CASE WHEN i %% 33 THEN NULL ELSE 'class ' || (i / 33 %% 7) END, NULL,"
    " (i * 7919 %% 10007) / 1000.0, 9.7, 0.5,"
    " CASE WHEN i %% 33 THEN NULL ELSE (i * 31 %% 1009) / 1009.0 END, i %% 500 = 0, 40 + i %% 97 / "
    "7.0, CASE WHEN i %% 66 THEN NULL ELSE 1 END, CASE WHEN i %% 66 THEN NULL ELSE 1500 + i %% 100 "
    "END,"
    " CASE WHEN i %% 66 THEN NULL ELSE 0.0042 END FROM n;"
    "INSERT INTO documents SELECT id, time, 1500, '{\"image\":\"' || hex(zeroblob(700)) || '\"}', "
    "NULL,"
    " CASE WHEN id %% 66 THEN NULL ELSE '{\"text\":\"' || hex(zeroblob(1500)) || '\"}' END"
    " FROM records;"
    "UPDATE store SET last_record = (SELECT max(id) FROM records);"
    "COMMIT";

static gboolean fill_store(const char *folder, int records, GError **error) {
  g_autofree char *path = g_build_filename(folder, "records.sqlite", NULL);
  g_autofree char *sql = g_strdup_printf(fill, records);
  g_autoptr(VelmDatabase) database = velm_sqlite_open(path, "the store", FALSE, NULL, error);
  return database && velm_database_run_script(database, sql, error);
}

static double since(gint64 start) { return (double)(g_get_monotonic_time() - start) / 1000; }

/* Milliseconds of one page, the least of several: what else the machine does is not the store's.
 * @cursor becomes the next page's. */
static double time_page(VelmStore *store, const VelmStoreQuery *query, char **cursor,
                        GError **error) {
  double least = INFINITY;
  g_autofree char *from = g_steal_pointer(cursor);
  for (int i = 0; i < TIMES; i++) {
    g_clear_pointer(cursor, g_free);
    gint64 start = g_get_monotonic_time();
    g_autoptr(GPtrArray) page = velm_store_list(store, query, from, 100, cursor, error);
    double ms = since(start);
    if (!page)
      return NAN;
    least = MIN(least, ms);
  }
  return least;
}

static double time_count(VelmStore *store, const VelmStoreQuery *query, gint64 *n, GError **error) {
  double least = INFINITY;
  for (int i = 0; i < TIMES; i++) {
    gint64 start = g_get_monotonic_time();
    if (!velm_store_count(store, query, n, error))
      return NAN;
    least = MIN(least, since(start));
  }
  return least;
}

/* Goes on to a page deep within. */
static gboolean go_deep(VelmStore *store, const VelmStoreQuery *query, char **cursor,
                        GError **error) {
  for (int i = 0; i < 50 && *cursor; i++) {
    g_autofree char *from = g_steal_pointer(cursor);
    g_autoptr(GPtrArray) page =
        velm_store_list(store, query, from, VELM_STORE_MAX_PAGE, cursor, error);
    if (!page)
      return FALSE;
  }
  return TRUE;
}

/* Returns: the slowest of all, or NaN with the error. */
static double measure_query(VelmStore *store, const VelmStoreQuery *query, const char *name,
                            GError **error) {
  g_autofree char *cursor = NULL;
  gint64 n = 0;
  double first = time_page(store, query, &cursor, error);
  if (isnan(first) || !go_deep(store, query, &cursor, error))
    return NAN;
  double deep = cursor ? time_page(store, query, &cursor, error) : 0;
  double count = time_count(store, query, &n, error);
  if (isnan(count))
    return NAN;
  printf("%-44s %8.2f %8.2f %8.2f %8" G_GINT64_FORMAT "\n", name, first, deep, count, n);
  return MAX(MAX(first, deep), count);
}

/* Every set of filters, in every order. Returns: the slowest, or NaN with the error. */
static double measure_queries(VelmStore *store, GError **error) {
  static const char *const orders[] = {"newest", "oldest", "highest score", "least certain"};
  double slowest = 0;
  printf("%-44s %8s %8s %8s %8s\n", "filters and order", "first ms", "deep ms", "count ms",
         "records");
  for (guint bits = 0; bits < 128; bits++) {
    VelmStoreQuery query = velm_store_query_default();
    query.product = bits & 1 ? "product 1" : NULL;
    query.class_name = bits & 2 ? "class 3" : NULL;
    query.decision = bits & 4 ? "defect" : NULL;
    query.min_score = bits & 8 ? 9.9 : NAN;
    query.reviewed = bits & 16 ? VELM_STORE_UNREVIEWED : VELM_STORE_ALL;
    query.order = (VelmStoreOrder)(bits >> 5);
    g_autofree char *name = g_strdup_printf(
        "%s%s%s%s%s%s", orders[bits >> 5], bits & 1 ? ", product" : "", bits & 2 ? ", class" : "",
        bits & 4 ? ", decision" : "", bits & 8 ? ", score" : "", bits & 16 ? ", unreviewed" : "");
    double ms = measure_query(store, &query, name, error);
    if (isnan(ms))
      return NAN;
    slowest = MAX(slowest, ms);
  }
  return slowest;
}

static double time_stats(VelmStore *store, const VelmStoreQuery *query, gint64 *n, GError **error) {
  double least = INFINITY;
  for (int i = 0; i < TIMES; i++) {
    gint64 start = g_get_monotonic_time();
    g_autoptr(VelmStoreStats) stats = velm_store_stats(store, query, error);
    if (!stats)
      return NAN;
    least = MIN(least, since(start));
    *n = stats->total;
  }
  return least;
}

/* Figures of every set of filters. Returns: the slowest, or NaN with the error. */
static double measure_stats(VelmStore *store, int records, GError **error) {
  double slowest = 0;
  printf("%-44s %8s %8s\n", "figures, filters", "ms", "records");
  for (guint bits = 0; bits < 32; bits++) {
    gint64 n = 0;
    VelmStoreQuery query = velm_store_query_default();
    query.product = bits & 1 ? "product 1" : NULL;
    query.since = bits & 2 ? FIRST_TIME + records / 4 * G_GINT64_CONSTANT(1000000) : 0;
    query.until = bits & 2 ? FIRST_TIME + records / 4 * G_GINT64_CONSTANT(3000000) : 0;
    query.class_name = bits & 4 ? "class 3" : NULL;
    query.decision = bits & 8 ? "defect" : NULL;
    query.min_score = bits & 16 ? 5 : NAN;
    double ms = time_stats(store, &query, &n, error);
    if (isnan(ms))
      return NAN;
    g_autofree char *name = g_strdup_printf(
        "figures%s%s%s%s%s", bits & 1 ? ", product" : "", bits & 2 ? ", time" : "",
        bits & 4 ? ", class" : "", bits & 8 ? ", decision" : "", bits & 16 ? ", score" : "");
    printf("%-44s %8.2f %8" G_GINT64_FORMAT "\n", name, ms, n);
    slowest = MAX(slowest, ms);
  }
  return slowest;
}

/* Other bytes for each number. Returns: (transfer full). */
static GBytes *make_image(guint number) {
  char *bytes = g_malloc(IMAGE_BYTES);
  memset(bytes, (int)number, IMAGE_BYTES);
  memcpy(bytes, &number, sizeof number);
  return g_bytes_new_take(bytes, IMAGE_BYTES);
}

/* @image: (nullable): the key is queued. */
static gboolean add(VelmStore *store, const char *key, GBytes *image, GError **error) {
  const VelmSubmission submission = {.key = key,
                                     .product = "product 1",
                                     .time = g_get_real_time(),
                                     .image = image,
                                     .media_type = "image/jpeg"};
  g_autoptr(VelmStoredRecord) record = velm_store_add(store, &submission, NULL, error);
  return record != NULL;
}

static gboolean enqueue(VelmStore *store, const char *key, GBytes *image, GError **error) {
  const VelmQueued queued = {.key = (char *)key,
                             .product = (char *)"product 1",
                             .time = g_get_real_time(),
                             .media_type = (char *)"image/jpeg"};
  return velm_store_enqueue(store, &queued, image, NULL, error);
}

static void print_times(const char *what, GArray *times) {
  double middle = median(times); /* and sorted */
  printf("%s, 200 kB: median %.2f ms, slowest %.2f ms\n", what, middle,
         g_array_index(times, double, times->len - 1));
}

/* What each way to a record takes, one part after another. */
static gboolean measure_adding(VelmStore *store, GError **error) {
  g_autoptr(GArray) adding = g_array_new(FALSE, FALSE, sizeof(double));
  g_autoptr(GArray) queueing = g_array_new(FALSE, FALSE, sizeof(double));
  g_autoptr(GArray) settling = g_array_new(FALSE, FALSE, sizeof(double));
  for (guint i = 0; i < ADDED; i++) {
    g_autofree char *added = g_strdup_printf("added %u", i);
    g_autofree char *queued = g_strdup_printf("queued %u", i);
    g_autoptr(GBytes) image = make_image(i), other = make_image(ADDED + i);
    gint64 start = g_get_monotonic_time();
    if (!add(store, added, image, error))
      return FALSE;
    double ms[] = {since(start), 0, 0};
    start = g_get_monotonic_time();
    if (!enqueue(store, queued, other, error))
      return FALSE;
    ms[1] = since(start);
    start = g_get_monotonic_time();
    if (!add(store, queued, NULL, error))
      return FALSE;
    ms[2] = since(start);
    g_array_append_val(adding, ms[0]);
    g_array_append_val(queueing, ms[1]);
    g_array_append_val(settling, ms[2]);
  }
  print_times("adding", adding);
  print_times("queueing", queueing);
  print_times("adding what is queued", settling);
  return TRUE;
}

static gboolean measure(const char *folder, int records, double *slowest, GError **error) {
  g_autoptr(VelmStore) made = velm_store_open(folder, error);
  if (!made || !fill_store(folder, records, error))
    return FALSE;
  g_clear_pointer(&made, velm_store_free);
  gint64 start = g_get_monotonic_time();
  g_autoptr(VelmStore) store = velm_store_open(folder, error);
  if (!store)
    return FALSE;
  printf("opening: %.1f ms\n", since(start));
  double pages = measure_queries(store, error);
  double figures = isnan(pages) ? NAN : measure_stats(store, records, error);
  *slowest = MAX(pages, figures);
  return !isnan(figures) && measure_adding(store, error);
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  double slowest = NAN;
  int records = argc > 1 ? atoi(argv[1]) : RECORDS;
  char *folder = scratch_new();
  gboolean ok = measure(folder, records, &slowest, &error);
  scratch_remove(folder);
  if (!ok) {
    fprintf(stderr, "bench_store: %s\n", error->message);
    return 1;
  }
  printf("slowest page, count or figures: %.1f ms\n", slowest);
  return slowest < MOST_MS ? 0 : 1;
}
