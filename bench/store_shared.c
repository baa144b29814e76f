/*
 * What a shared store takes: records a second, one by one and in batches, by one process's store
 * and by several at once, and pages and counts of what is there then; the same and figures of four
 * weeks of many more records; and how many go in a second that are too old. On a PostgreSQL of its
 * own, on this machine, whose commits do not wait for the disk.
 *
 *   bench_store_shared [RECORDS [RECORDS_OF_FOUR_WEEKS]]
 */
#include "act/store.h"
#include "core/database_postgres.h"
#include "core/postgres_server.h"
#include "core/scratch.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utime.h>

enum {
  RECORDS = 40000,
  LARGE = 1000000, /* of four weeks */
  SINGLE = 200,
  IMAGES = 50,
  WRITERS = 4,
  TIMES = 5,
  OLD = 20000, /* of the four weeks: records that go */
};

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

/* ---- four weeks ---- */

#define FOUR_WEEKS (28 * G_TIME_SPAN_DAY)

/* The parts are there already. One record in 33 is anomalous, one in 500 reviewed, of one in 66 a
 * language model was asked, and every other one has an image that no other has. */
static const char fill[] =
    "CREATE TEMP TABLE n AS SELECT i, 1000 + i AS id, 'line 1/' || i AS key,"
    " %" G_GINT64_FORMAT " + i * %" G_GINT64_FORMAT " AS time,"
    " encode(sha256(CAST(CAST(i - i %% 2 * (i %% 1000) AS TEXT) AS BYTEA)), 'hex') AS image"
    " FROM generate_series(CAST(0 AS BIGINT), %u - 1) AS i;"
    "INSERT INTO images SELECT image, 'image/jpeg', 38000 FROM n GROUP BY image;"
    "INSERT INTO keys SELECT key, id, time FROM n;"
    "INSERT INTO documents SELECT id, time, 2, '{}', NULL, NULL FROM n;"
    "INSERT INTO records (id, key, product, time, image, decision, class, score, threshold,"
    " confidence, certainty, ms, verdict, llm_requests, llm_tokens, llm_usd)"
    " SELECT id, key, 'product ' || i / 5 %% 3, time, image,"
    " CASE WHEN i %% 33 > 0 THEN 'normal' WHEN i %% 66 > 0 THEN 'defect' ELSE 'review' END,"
    " CASE WHEN i %% 33 = 0 THEN 'class ' || i / 33 %% 7 END, i * 7919 %% 10007 / 1000.0, 9.7, 0.5,"
    " CASE WHEN i %% 33 = 0 THEN i * 31 %% 1009 / 1009.0 END, 40 + i %% 97 / 7.0,"
    " CASE WHEN i %% 500 = 0 THEN 1 ELSE 0 END, CASE WHEN i %% 66 = 0 THEN 1 END,"
    " CASE WHEN i %% 66 = 0 THEN 1500 + i %% 100 END, CASE WHEN i %% 66 = 0 THEN 0.0042 END FROM n;"
    "UPDATE weeks SET records = counts.n, added = counts.n FROM (SELECT weeks.first, count(*) AS n"
    " FROM weeks JOIN records ON time >= first AND time < first + %" G_GINT64_FORMAT
    " GROUP BY weeks.first) AS counts WHERE weeks.first = counts.first;"
    "UPDATE store SET last_record = 1000 + %u";

static void make_weeks(VelmStore *store) {
  GError *error = NULL;
  for (gint64 time = 0; time <= FOUR_WEEKS; time += 7 * G_TIME_SPAN_DAY) {
    g_autofree char *key = g_strdup_printf("week of %" G_GINT64_FORMAT, time);
    g_autoptr(GBytes) image = make_image(0);
    const VelmSubmission submission = {.key = key,
                                       .product = "bolt",
                                       .time = FIRST_TIME + MIN(time, FOUR_WEEKS - 1),
                                       .image = image,
                                       .media_type = "image/png"};
    g_autoptr(VelmStoredRecord) record = velm_store_add(store, &submission, NULL, &error);
    must(record != NULL, &error);
  }
}

/* And the server's own tidying, as it would come by itself. */
static void fill_weeks(const char *url, guint n) {
  GError *error = NULL;
  g_autofree char *sql =
      g_strdup_printf(fill, FIRST_TIME, FOUR_WEEKS / n, n, 7 * G_TIME_SPAN_DAY, n);
  g_autoptr(VelmDatabase) database = velm_postgres_open(url, "the store", 0, FALSE, NULL, &error);
  must(database && velm_database_run_script(database, sql, &error), &error);
  must(velm_database_run(database, "VACUUM ANALYZE", &error), &error);
}

static void measure_figures(VelmStore *store, const VelmStoreQuery *query, const char *what) {
  double ms = INFINITY;
  gint64 n = 0;
  for (int i = 0; i < TIMES; i++) {
    GError *error = NULL;
    gint64 start = g_get_monotonic_time();
    g_autoptr(VelmStoreStats) stats = velm_store_stats(store, query, &error);
    must(stats != NULL, &error);
    ms = MIN(ms, since(start) * 1e3);
    n = stats->total;
  }
  printf("%-48s %8.2f ms, figures of %" G_GINT64_FORMAT "\n", what, ms, n);
}

/* Gives the images of records before @time their files, as if they had been there for long. */
static void make_files(VelmStore *store, const char *url, gint64 time) {
  const struct utimbuf long_ago = {0};
  GError *error = NULL;
  g_autoptr(VelmDatabase) database = velm_postgres_open(url, "the store", 0, FALSE, NULL, &error);
  must(database != NULL, &error);
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, "SELECT DISTINCT image FROM records WHERE time < ?", &error);
  must(statement != NULL, &error);
  velm_statement_bind_int(statement, 1, time);
  while (velm_statement_step(statement, &error) == VELM_STEP_ROW) {
    g_autofree char *path = velm_store_image_path(store, velm_statement_peek_text(statement, 0));
    must(g_file_set_contents_full(path, "image", 5, G_FILE_SET_CONTENTS_NONE, 0600, &error),
         &error);
    g_utime(path, (struct utimbuf *)&long_ago);
  }
  must(error == NULL, &error);
}

/* Somebody else who writes. */
typedef struct {
  VelmStore *store;
  int stop; /* atomic */
  double longest;
} Neighbour;

static gpointer keep_writing(gpointer data) {
  Neighbour *neighbour = data;
  for (guint i = 0; !g_atomic_int_get(&neighbour->stop); i++) {
    gint64 start = g_get_monotonic_time();
    add_batch(neighbour->store, RECORDS + i, 1);
    neighbour->longest = MAX(neighbour->longest, since(start));
    g_usleep(10000);
  }
  return NULL;
}

/* How many records go in a second, and how long others wait meanwhile. */
static void measure_retention(VelmStore *store, const char *folder, const char *url, guint n) {
  GError *error = NULL;
  gint64 removed = 0, old = MIN(OLD, n / 2) * (FOUR_WEEKS / n);
  const VelmRetention retention = {.max_age = FOUR_WEEKS - old};
  g_autoptr(VelmStore) other = velm_store_open_shared(folder, url, "neighbour", &error);
  must(other != NULL, &error);
  make_files(store, url, FIRST_TIME + old);
  Neighbour neighbour = {.store = other};
  GThread *thread = g_thread_new("neighbour", keep_writing, &neighbour);
  gint64 start = g_get_monotonic_time();
  must(velm_store_retain(store, &retention, FIRST_TIME + FOUR_WEEKS, &removed, &error), &error);
  double seconds = since(start);
  g_atomic_int_set(&neighbour.stop, TRUE);
  g_thread_join(thread);
  printf("%-48s %8.0f records/s, %" G_GINT64_FORMAT
         " of them; another writer waited %.2f s at most\n",
         "removed by age", (double)removed / seconds, removed, neighbour.longest);
}

static void measure_weeks(const char *folder, guint n) {
  GError *error = NULL;
  g_autofree char *url = postgres_server_new_database();
  g_autoptr(VelmStore) store = velm_store_open_shared(folder, url, "reader", &error);
  must(store != NULL, &error);
  make_weeks(store);
  fill_weeks(url, n);
  VelmStoreQuery query = velm_store_query_default();
  measure_figures(store, &query, "all");
  measure_query(store, &query, "the newest 100");
  query.product = "product 1";
  measure_figures(store, &query, "of a product");
  measure_query(store, &query, "of a product");
  query.order = VELM_STORE_HIGHEST_SCORE;
  measure_query(store, &query, "of a product, the highest score");
  query.class_name = "class 3";
  measure_query(store, &query, "of a product and a class, the highest score");
  query.order = VELM_STORE_NEWEST;
  measure_query(store, &query, "of a product and a class");
  query.product = "none";
  query.class_name = NULL;
  query.order = VELM_STORE_HIGHEST_SCORE;
  measure_query(store, &query, "of a product without records");
  query = velm_store_query_default();
  query.since = FIRST_TIME + 10 * G_TIME_SPAN_DAY;
  query.until = FIRST_TIME + 11 * G_TIME_SPAN_DAY;
  measure_figures(store, &query, "of a day");
  measure_query(store, &query, "of a day");
  query.order = VELM_STORE_HIGHEST_SCORE;
  measure_query(store, &query, "of a day, the highest score");
  query = velm_store_query_default();
  query.reviewed = VELM_STORE_REVIEWED;
  measure_query(store, &query, "reviewed");
  query.class_name = "class 3";
  measure_query(store, &query, "of a class, reviewed");
  query = velm_store_query_default();
  query.order = VELM_STORE_LEAST_CERTAIN;
  query.reviewed = VELM_STORE_UNREVIEWED;
  measure_query(store, &query, "unreviewed, the least certain");
  query = velm_store_query_default();
  query.decision = "failed";
  measure_query(store, &query, "failed");
  query.decision = "normal";
  query.min_score = 9.9;
  measure_query(store, &query, "normal with a high score");
  measure_retention(store, folder, url, n);
}

int main(int argc, char *argv[]) {
  guint n = argc > 1 ? (guint)strtoul(argv[1], NULL, 10) : RECORDS;
  guint large = argc > 2 ? (guint)strtoul(argv[2], NULL, 10) : LARGE;
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
  measure_weeks(folder, large);
  scratch_remove(folder);
  return 0;
}
