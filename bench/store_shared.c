/*
 * What a shared store takes: records a second, one by one and in batches, by one process's store
 * and by several at once, and pages and counts of what is there then. On a PostgreSQL of its own,
 * on this machine, whose commits do not wait for the disk.
 *
 *   bench_store_shared [RECORDS]
 */
#include "act/store.h"
#include "core/postgres_server.h"
#include "core/scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORDS = 40000, SINGLE = 200, IMAGES = 50, WRITERS = 4, TIMES = 5 };

/* Of the first record; there is one every five minutes. */
#define FIRST_TIME G_GINT64_CONSTANT(1700000000000000)
#define BETWEEN (5 * G_TIME_SPAN_MINUTE)

typedef struct {
  const char *folder, *url;
  guint first, n, batch; /* records, and how many at once */
} Work;

static double since(gint64 start) { return (double)(g_get_monotonic_time() - start) / 1e6; }

/* @error: looked at after @ok is known. */
static void must(gboolean ok, GError *const *error) {
  if (ok)
    return;
  fprintf(stderr, "bench_store_shared: %s\n", (*error)->message);
  exit(1);
}

/* One of few images, as the disk's part is the same as that of a store in a folder. */
static GBytes *make_image(guint number) {
  char *bytes = g_malloc0(20000);
  g_snprintf(bytes, 20, "image %u", number % IMAGES);
  return g_bytes_new_take(bytes, 20000);
}

static VelmInspection *make_inspection(guint number) {
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->score = number % 1000 / 100.0;
  inspection->threshold = 9.7;
  inspection->anomalous = inspection->score > 9.7;
  inspection->decision = inspection->anomalous ? VELM_DECISION_DEFECT : VELM_DECISION_NORMAL;
  inspection->class_name = inspection->anomalous ? g_strdup("scratch") : NULL;
  return inspection;
}

static void add_batch(VelmStore *store, guint first, guint n) {
  VelmSubmission submissions[VELM_STORE_MAX_BATCH] = {0};
  VelmStoreAdded added[VELM_STORE_MAX_BATCH];
  char keys[VELM_STORE_MAX_BATCH][20];
  GError *error = NULL;
  for (guint i = 0; i < n; i++) {
    g_snprintf(keys[i], sizeof keys[i], "part %u", first + i);
    submissions[i] = (VelmSubmission){.key = keys[i],
                                      .product = (first + i) % 3 ? "bracket" : "bolt",
                                      .time = FIRST_TIME + (first + i) * BETWEEN,
                                      .image = make_image(first + i),
                                      .media_type = "image/png",
                                      .inspection = make_inspection(first + i)};
  }
  must(velm_store_add_many(store, submissions, n, added, &error), &error);
  for (guint i = 0; i < n; i++) {
    must(added[i].error == NULL, &added[i].error);
    velm_store_added_clear(&added[i]);
    g_bytes_unref(submissions[i].image);
    velm_inspection_free((VelmInspection *)submissions[i].inspection);
  }
}

static gpointer write_all(gpointer data) {
  const Work *work = data;
  GError *error = NULL;
  g_autofree char *station = g_strdup_printf("writer %u", work->first);
  g_autoptr(VelmStore) store = velm_store_open_shared(work->folder, work->url, station, &error);
  must(store != NULL, &error);
  for (guint i = 0; i < work->n; i += work->batch)
    add_batch(store, work->first + i, MIN(work->batch, work->n - i));
  return NULL;
}

static void measure_writers(const Work *all, guint writers, const char *what) {
  Work works[WRITERS];
  GThread *threads[WRITERS];
  gint64 start = g_get_monotonic_time();
  for (guint i = 0; i < writers; i++) {
    works[i] = *all;
    works[i].n = all->n / writers;
    works[i].first = all->first + i * works[i].n;
    threads[i] = g_thread_new("writer", write_all, &works[i]);
  }
  for (guint i = 0; i < writers; i++)
    g_thread_join(threads[i]);
  printf("%-48s %8.0f records/s\n", what, all->n / since(start));
}

static void measure_query(VelmStore *store, const VelmStoreQuery *query, const char *what) {
  double page_ms = INFINITY, count_ms = INFINITY;
  gint64 n = 0;
  GError *error = NULL;
  for (int i = 0; i < TIMES; i++) {
    g_autofree char *next = NULL;
    gint64 start = g_get_monotonic_time();
    g_autoptr(GPtrArray) page = velm_store_list(store, query, NULL, 100, &next, &error);
    must(page != NULL, &error);
    page_ms = MIN(page_ms, since(start) * 1e3);
    start = g_get_monotonic_time();
    must(velm_store_count(store, query, &n, &error), &error);
    count_ms = MIN(count_ms, since(start) * 1e3);
  }
  printf("%-48s %8.2f ms, count %8.2f ms of %" G_GINT64_FORMAT "\n", what, page_ms, count_ms, n);
}

static void measure_reading(const Work *all) {
  GError *error = NULL;
  VelmStoreInfo info;
  VelmStoreQuery query = velm_store_query_default();
  g_autoptr(VelmStore) store = velm_store_open_shared(all->folder, all->url, "reader", &error);
  must(store != NULL, &error);
  measure_query(store, &query, "the newest 100");
  query.product = "bolt";
  measure_query(store, &query, "of a product");
  query.class_name = "scratch";
  query.order = VELM_STORE_LEAST_CERTAIN;
  measure_query(store, &query, "of a class, the least certain");
  query = velm_store_query_default();
  query.order = VELM_STORE_HIGHEST_SCORE;
  measure_query(store, &query, "the highest score");
  gint64 start = g_get_monotonic_time();
  for (gint64 i = 1; i <= 1000; i++) {
    g_autoptr(VelmStoredRecord) record = NULL;
    must(velm_store_get(store, i * 17, &record, &error), &error);
  }
  printf("%-48s %8.2f ms\n", "one record by its number", since(start));
  must(velm_store_read_info(all->url, &info, &error), &error);
  printf("%" G_GINT64_FORMAT " records in %u partitions\n", info.size.records, info.weeks->len);
  velm_store_info_clear(&info);
}

int main(int argc, char *argv[]) {
  guint n = argc > 1 ? (guint)strtoul(argv[1], NULL, 10) : RECORDS;
  if (!postgres_server_is_installed()) {
    fprintf(stderr, "bench_store_shared: PostgreSQL is not installed\n");
    return 77; /* skipped */
  }
  g_autofree char *url = postgres_server_new_database();
  char *folder = scratch_new();
  Work work = {folder, url, 0, SINGLE, 1};
  measure_writers(&work, 1, "one by one, one writer");
  work.first += SINGLE;
  measure_writers(&work, WRITERS, "one by one, four writers");
  work = (Work){folder, url, 2 * SINGLE, n / 2, VELM_STORE_MAX_BATCH};
  measure_writers(&work, 1, "in batches of 500, one writer");
  work.first += n / 2;
  measure_writers(&work, WRITERS, "in batches of 500, four writers");
  measure_reading(&work);
  scratch_remove(folder);
  return 0;
}
