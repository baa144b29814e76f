/* The store that many processes share: what a store in a folder has no part in. */
#include "act/store.h"

#include "act/store_fixture.h"
#include "act/store_private.h"
#include "core/postgres_server.h"
#include "core/scratch.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#define DAY G_TIME_SPAN_DAY
#define MONDAY (G_GINT64_CONSTANT(1795392000) * G_USEC_PER_SEC) /* 2026-11-23 */

/* Another process's, of the station @name. */
static VelmStore *open_other(StoreFixture *f, const char *name) {
  VelmStore *store = velm_store_open_shared(f->path, f->url, name, &f->error);
  g_assert_no_error(f->error);
  return store;
}

static gint64 count(StoreFixture *f) { return store_read_int(f, "SELECT count(*) FROM records"); }

static gboolean has_table(StoreFixture *f, const char *name) {
  g_autofree char *sql = g_strdup_printf("SELECT to_regclass('%s') IS NOT NULL", name);
  return (gboolean)store_read_int(f, sql);
}

/* ---- batches ---- */

typedef struct {
  GPtrArray *keys, *images;
  GArray *submissions;
} Parts;

static Parts *parts_new(void) {
  Parts *parts = g_new0(Parts, 1);
  parts->keys = g_ptr_array_new_with_free_func(g_free);
  parts->images = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
  parts->submissions = g_array_new(FALSE, TRUE, sizeof(VelmSubmission));
  return parts;
}

static void parts_free(Parts *parts) {
  g_ptr_array_unref(parts->keys);
  g_ptr_array_unref(parts->images);
  g_array_unref(parts->submissions);
  g_free(parts);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Parts, parts_free)

static void add_submission(Parts *parts, const char *key, guint image, gint64 time,
                           const VelmInspection *inspection) {
  GBytes *bytes = store_image(image, 500);
  char *copy = g_strdup(key);
  const VelmSubmission submission = {.key = copy,
                                     .product = "bracket",
                                     .time = time,
                                     .image = bytes,
                                     .media_type = "image/png",
                                     .station = STORE_STATION,
                                     .inspection = inspection,
                                     .failure = "tab\there, \\ back, \"quoted\"\nand more",
                                     .part = "p\xc3\xa4rt"};
  g_ptr_array_add(parts->keys, copy);
  g_ptr_array_add(parts->images, bytes);
  g_array_append_val(parts->submissions, submission);
}

static VelmSubmission *submission_of(Parts *parts, guint i) {
  return &g_array_index(parts->submissions, VelmSubmission, i);
}

static VelmStoreAdded *add_all(StoreFixture *f, VelmStore *store, Parts *parts) {
  VelmStoreAdded *added = g_new0(VelmStoreAdded, parts->submissions->len);
  velm_store_add_many(store, submission_of(parts, 0), parts->submissions->len, added, &f->error);
  return added;
}

static void free_added(VelmStoreAdded *added, gsize n) {
  for (gsize i = 0; i < n; i++)
    velm_store_added_clear(&added[i]);
  g_free(added);
}

/* Some are new, some there were, some do not fit: each gets its own answer. */
static void test_batch(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(Parts) parts = parts_new();
  g_autoptr(VelmInspection) defect = store_inspection("d\xc3\xa9nt", 0.7, 3, VELM_DECISION_DEFECT);
  g_autoptr(GBytes) empty = g_bytes_new(NULL, 0);
  store_add_part(f, "there", 1, 5);
  add_submission(parts, "a", 10, 7, defect);
  add_submission(parts, "there", 99, 7, defect); /* another image */
  add_submission(parts, "b", 11, 8, NULL);
  add_submission(parts, "a", 10, 9, defect);  /* once more */
  add_submission(parts, "a", 12, 10, defect); /* another image */
  add_submission(parts, "", 13, 10, defect);
  add_submission(parts, "empty", 14, 10, defect);
  submission_of(parts, 6)->image = empty;
  VelmStoreAdded *added = add_all(f, f->store, parts);
  g_assert_no_error(f->error);
  g_assert_cmpstr(added[0].record->class_name, ==, "d\xc3\xa9nt");
  g_assert_cmpfloat(added[0].record->score, ==, 3);
  g_assert_false(added[0].existed);
  assert_failure(&added[1].error, VELM_ERROR_USAGE, "the key \"there\" was used for another image");
  g_assert_nonnull(
      strstr(added[2].record->json, "tab\\there, \\\\ back, \\\"quoted\\\"\\nand more"));
  g_assert_cmpstr(added[2].record->part, ==, "p\xc3\xa4rt");
  g_assert_true(isnan(added[2].record->score));
  g_assert_true(added[3].existed);
  g_assert_cmpint(added[3].record->id, ==, added[0].record->id);
  assert_failure(&added[4].error, VELM_ERROR_USAGE, "the key \"a\" was used for another image");
  assert_failure(&added[5].error, VELM_ERROR_USAGE, "the key is missing");
  assert_failure(&added[6].error, VELM_ERROR_USAGE, "has 0 bytes");
  for (guint i = 4; i < 7; i++)
    g_assert_null(added[i].record);
  g_assert_cmpint(count(f), ==, 3);
  free_added(added, parts->submissions->len);
  store_assert_whole(f, 3);
}

static void test_large_batch(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(Parts) parts = parts_new();
  g_autoptr(GBytes) map = store_image(3, 100000);
  for (guint i = 0; i < VELM_STORE_MAX_BATCH; i++) {
    g_autofree char *key = g_strdup_printf("part %u", i);
    add_submission(parts, key, i % 30, MONDAY + i * DAY / 10, NULL);
  }
  submission_of(parts, 7)->map = map;
  for (int round = 0; round < 2; round++) {
    VelmStoreAdded *added = add_all(f, f->store, parts);
    g_assert_no_error(f->error);
    for (guint i = 0; i < VELM_STORE_MAX_BATCH; i++) {
      g_assert_cmpstr(added[i].record->key, ==, parts->keys->pdata[i]);
      g_assert_cmpint(added[i].record->id, ==, i + 1);
      g_assert_cmpint(added[i].existed, ==, round);
    }
    free_added(added, VELM_STORE_MAX_BATCH);
  }
  g_autoptr(GBytes) kept = NULL;
  g_assert_true(velm_store_get_map(f->store, 8, &kept, &f->error));
  g_assert_true(g_bytes_equal(kept, map));
  store_assert_whole(f, 30);
  add_submission(parts, "one more", 1, MONDAY, NULL);
  VelmStoreAdded *added = add_all(f, f->store, parts);
  assert_failure(&f->error, VELM_ERROR_USAGE, "a batch has 500 submissions at most");
  free_added(added, parts->submissions->len);
}

/* Those that wait end with their record, also one that another station has given them. */
static void test_batch_of_queued(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(Parts) parts = parts_new();
  gint64 n = -1;
  for (guint i = 0; i < 3; i++) {
    const VelmQueued queued = {.key = (char *)(i ? i > 1 ? "c" : "b" : "a"),
                               .product = (char *)"bracket",
                               .media_type = (char *)"image/png",
                               .callback = (char *)"http://line.example/told"};
    g_autoptr(GBytes) bytes = store_image(i, 500);
    g_assert_true(velm_store_enqueue(f->store, &queued, bytes, NULL, &f->error));
    add_submission(parts, queued.key, i, 5, NULL);
    submission_of(parts, i)->image = NULL;
  }
  if (f->url) {
    g_autoptr(VelmStore) other = open_other(f, "station 2");
    g_autoptr(GBytes) bytes = store_image(1, 500);
    VelmSubmission same = *submission_of(parts, 1);
    same.image = bytes;
    g_autoptr(VelmStoredRecord) record = velm_store_add(other, &same, NULL, &f->error);
    g_assert_no_error(f->error);
    g_assert_nonnull(record);
  }
  VelmStoreAdded *added = add_all(f, f->store, parts);
  g_assert_no_error(f->error);
  for (guint i = 0; i < 3; i++)
    g_assert_nonnull(added[i].record);
  g_assert_cmpint(added[1].existed, ==, f->url != NULL);
  free_added(added, 3);
  g_assert_true(velm_store_count_queued(f->store, &n, &f->error));
  g_assert_cmpint(n, ==, 0);
  g_autoptr(GPtrArray) callbacks = velm_store_list_callbacks(f->store, G_MAXINT64, 10, &f->error);
  g_assert_cmpuint(callbacks->len, ==, 3);
}

/* ---- many writers ---- */

enum { WRITERS = 4, SAME_KEYS = 120, OWN_KEYS = 40 };

typedef struct {
  StoreFixture *f;
  guint number;
  int *n_new; /* atomic: those that did not exist */
} Writer;

/* Each adds the same keys, and some of its own, in batches of a few. */
static gpointer write_keys(gpointer data) {
  const Writer *writer = data;
  g_autofree char *station = g_strdup_printf("writer %u", writer->number);
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmStore) store =
      velm_store_open_shared(writer->f->path, writer->f->url, station, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < SAME_KEYS + OWN_KEYS;) {
    g_autoptr(Parts) parts = parts_new();
    VelmStoreAdded added[8];
    for (guint j = 0; j < 8; j++, i++) {
      g_autofree char *key = i < SAME_KEYS ? g_strdup_printf("same %u", i)
                                           : g_strdup_printf("own %u of %u", i, writer->number);
      add_submission(parts, key, i % 20, MONDAY + i, NULL);
    }
    g_assert_true(velm_store_add_many(store, submission_of(parts, 0), 8, added, &error));
    for (guint j = 0; j < 8; j++) {
      g_atomic_int_add(writer->n_new, !added[j].existed);
      velm_store_added_clear(&added[j]);
    }
  }
  return NULL;
}

/* Who goes on after each record sees all of them: none appears behind it. */
static void test_many_writers(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  enum { ALL = SAME_KEYS + WRITERS * OWN_KEYS };
  GThread *threads[WRITERS];
  Writer writers[WRITERS];
  int n_new = 0;
  gint64 last = 0;
  for (guint i = 0; i < WRITERS; i++) {
    writers[i] = (Writer){f, i, &n_new};
    threads[i] = g_thread_new("writer", write_keys, &writers[i]);
  }
  for (guint seen = 0; seen < ALL;) {
    g_autoptr(VelmStoredRecord) record = NULL;
    g_assert_true(velm_store_next(f->store, last, &record, &f->error));
    if (!record) {
      g_usleep(500);
      continue;
    }
    last = record->id;
    seen++;
  }
  for (guint i = 0; i < WRITERS; i++)
    g_thread_join(threads[i]);
  g_assert_cmpint(n_new, ==, ALL);
  g_assert_cmpint(count(f), ==, ALL);
  g_assert_cmpint(store_read_int(f, "SELECT max(id) FROM keys"), ==, last);
  store_assert_whole(f, 20);
}

static gpointer open_one(gpointer data) {
  StoreFixture *f = data;
  g_autoptr(GError) error = NULL;
  VelmStore *store = velm_store_open_shared(f->path, f->url, "same", &error);
  g_assert_no_error(error);
  return store;
}

/* One makes the tables, the others find them. */
static void test_opened_at_once(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  GThread *threads[WRITERS];
  g_free(f->url);
  f->url = postgres_server_new_database();
  for (guint i = 0; i < WRITERS; i++)
    threads[i] = g_thread_new("open", open_one, f);
  for (guint i = 0; i < WRITERS; i++)
    velm_store_free(g_thread_join(threads[i]));
  store_reopen(f);
  g_assert_cmpint(store_read_int(f, "SELECT count(*) FROM store"), ==, 1);
}

/* ---- stations ---- */

static void enqueue(StoreFixture *f, VelmStore *store, const char *key) {
  g_autoptr(GBytes) bytes = store_image(1, 500);
  const VelmQueued queued = {
      .key = (char *)key, .product = (char *)"bracket", .media_type = (char *)"image/png"};
  g_assert_true(velm_store_enqueue(store, &queued, bytes, NULL, &f->error));
}

static void test_two_stations(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmStore) other = open_other(f, "station 2");
  gint64 n = -1, mark = -1;
  gboolean queued = FALSE;
  store_add_part(f, "both see it", 1, 1);
  enqueue(f, f->store, "k");
  enqueue(f, other, "k");
  enqueue(f, other, "l");
  g_assert_true(velm_store_count_queued(f->store, &n, &f->error));
  g_assert_cmpint(n, ==, 1);
  g_autoptr(GPtrArray) theirs = velm_store_list_queued(other, 0, 10, &f->error);
  g_assert_cmpuint(theirs->len, ==, 2);
  g_assert_true(velm_store_is_queued(f->store, "l", &queued, &f->error));
  g_assert_false(queued);
  g_assert_true(velm_store_begin_mark(f->store, "mqtt", &mark, &f->error));
  g_assert_cmpint(mark, ==, 1);
  g_assert_true(velm_store_set_mark(other, "mqtt", 77, &f->error));
  g_assert_true(velm_store_begin_mark(f->store, "mqtt", &mark, &f->error));
  g_assert_cmpint(mark, ==, 1);
  g_autoptr(VelmStoredRecord) record = NULL;
  g_assert_true(velm_store_find(other, "both see it", &record, &f->error));
  g_assert_nonnull(record);
}

/* ---- weeks ---- */

static void add_at(StoreFixture *f, const char *key, guint image, gint64 time) {
  store_add_part(f, key, image, time);
}

static void test_weeks(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmRetention retention = {.max_age = DAY};
  gint64 removed = 0;
  add_at(f, "sunday", 1, MONDAY - 1);
  add_at(f, "monday", 2, MONDAY);
  add_at(f, "sunday after", 3, MONDAY + 7 * DAY - 1);
  add_at(f, "long ago", 4, 0);
  g_assert_true(has_table(f, "records_20261116"));
  g_assert_true(has_table(f, "documents_20261123"));
  g_assert_true(has_table(f, "records_19691229"));
  g_assert_cmpint(store_read_int(f, "SELECT count(*) FROM weeks"), ==, 3);
  g_assert_cmpint(store_read_int(f, "SELECT count(*) FROM records_20261123"), ==, 2);
  /* On that sunday: the week before is over, its own is not, though both are empty. */
  g_assert_true(velm_store_retain(f->store, &retention, MONDAY + 6 * DAY, &removed, &f->error));
  g_assert_cmpint(removed, ==, 3);
  g_assert_false(has_table(f, "records_20261116"));
  g_assert_false(has_table(f, "documents_20261116"));
  g_assert_false(has_table(f, "records_19691229"));
  g_assert_true(has_table(f, "records_20261123"));
  store_assert_whole(f, 1);
  /* One that comes late is no trouble. */
  add_at(f, "late", 1, MONDAY - 1);
  g_assert_true(has_table(f, "records_20261116"));
  store_assert_whole(f, 2);
}

static void test_week_of(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_assert_cmpint(velm_store_week_of(MONDAY), ==, MONDAY);
  g_assert_cmpint(velm_store_week_of(MONDAY - 1), ==, MONDAY - 7 * DAY);
  g_assert_cmpint(velm_store_week_of(MONDAY + 7 * DAY - 1), ==, MONDAY);
  g_assert_cmpint(velm_store_week_of(0), ==, -3 * DAY);
  g_assert_cmpint(velm_store_week_of(-3 * DAY - 1), ==, -10 * DAY);
  /* No year of four digits. */
  g_autoptr(VelmStoredRecord) record = store_add(f, "k", 1, G_MAXINT64 / 2, NULL);
  g_assert_null(record);
  assert_failure(&f->error, VELM_ERROR_USAGE, "no record is of the time");
}

/* ---- retention ---- */

enum { OLD = 2500, OLD_IMAGES = 30 };

/* Records a minute apart, some in each of two weeks; every 100th is reviewed. */
static void add_old(StoreFixture *f) {
  g_autofree char *reviewed =
      g_strdup_printf("UPDATE records SET verdict = 1 WHERE id %% 100 = 0 AND id <= %d", OLD);
  for (guint i = 0; i < OLD;) {
    g_autoptr(Parts) parts = parts_new();
    for (guint j = 0; j < VELM_STORE_MAX_BATCH; j++, i++) {
      g_autofree char *key = g_strdup_printf("old %u", i);
      add_submission(parts, key, i * OLD_IMAGES / OLD,
                     MONDAY + ((gint64)i - OLD / 2) * G_TIME_SPAN_MINUTE, NULL);
    }
    VelmStoreAdded *added = add_all(f, f->store, parts);
    g_assert_no_error(f->error);
    for (guint j = 0; j < VELM_STORE_MAX_BATCH; j++)
      store_age_image(f, added[j].record->image);
    free_added(added, parts->submissions->len);
  }
  store_run_sql(f, reviewed);
}

/* More than go at once, while others write. */
static void test_retain_many(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmRetention retention = {.max_age = DAY};
  const VelmRetention all = {.max_age = DAY, .reviewed_too = TRUE};
  gint64 removed = 0, now = MONDAY + 8 * DAY;
  add_old(f);
  Writer writer = {f, 1, &(int){0}};
  GThread *thread = g_thread_new("writer", write_keys, &writer);
  g_assert_true(velm_store_retain(f->store, &retention, now - DAY, &removed, &f->error));
  g_thread_join(thread);
  g_assert_cmpint(removed, >=, OLD - OLD / 100);
  g_assert_cmpint(store_read_int(f, "SELECT count(*) FROM records WHERE key LIKE 'old %'"), ==,
                  OLD / 100);
  g_assert_cmpint(store_read_int(f, "SELECT count(*) FROM records WHERE verdict = 0"), ==,
                  *writer.n_new - (removed - (OLD - OLD / 100)));
  store_assert_whole(f, store_read_int(f, "SELECT count(DISTINCT image) FROM records"));
  g_assert_true(velm_store_retain(f->store, &all, now, &removed, &f->error));
  g_assert_cmpint(count(f), ==, 0);
  g_assert_cmpint(store_read_int(f, "SELECT count(*) FROM weeks"), ==, 0);
  store_assert_whole(f, 0);
}

/* Not one record more goes than must. */
static void test_retain_by_size(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoreSize full, after;
  add_old(f);
  g_assert_true(velm_store_measure(f->store, &full, &f->error));
  gint64 of_record = full.database_bytes / full.records;
  const VelmRetention retention = {.max_bytes =
                                       full.image_bytes + full.database_bytes - 100 * of_record};
  gint64 removed = 0;
  g_assert_true(velm_store_retain(f->store, &retention, MONDAY, &removed, &f->error));
  g_assert_cmpint(removed, >=, 90);
  g_assert_cmpint(removed, <=, 101);
  g_assert_true(velm_store_measure(f->store, &after, &f->error));
  g_assert_cmpint(after.image_bytes + after.database_bytes, <=, retention.max_bytes);
  store_assert_whole(f, store_read_int(f, "SELECT count(DISTINCT image) FROM records"));
}

/* ---- images of a folder that others use ---- */

static void test_young_images_stay(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmRetention all = {.max_age = 1};
  g_autoptr(VelmStore) other = open_other(f, "station 2");
  g_autoptr(GBytes) bytes = store_image(1, 2000);
  g_autoptr(VelmInspection) inspection = store_inspection(NULL, 0, 0, VELM_DECISION_NORMAL);
  store_add_part(f, "old", 1, 1);
  /* Another process is about to give the image a record. */
  g_autofree char *sha256 = velm_store_put_image(other, bytes, &f->error);
  g_assert_true(velm_store_retain(f->store, &all, DAY, NULL, &f->error));
  g_assert_cmpuint(store_count_files(f), ==, 1);
  const VelmSubmission submission = {.key = "new",
                                     .product = "bracket",
                                     .time = DAY,
                                     .image = bytes,
                                     .media_type = "image/png",
                                     .inspection = inspection};
  /* Or so slowly that the file went. */
  g_autofree char *path = velm_store_image_path(f->store, sha256);
  g_remove(path);
  g_autoptr(VelmStoredRecord) record = velm_store_add(other, &submission, NULL, &f->error);
  g_assert_no_error(f->error);
  velm_store_release_image(other, sha256);
  store_assert_whole(f, 1);
}

/* Of many at once, those go that nothing has or is about to have. */
static void test_remove_files(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  for (guint i = 0; i < 5; i++) {
    g_autoptr(GBytes) bytes = store_image(i, 2000);
    g_ptr_array_add(names, velm_store_put_image(f->store, bytes, &f->error));
    if (i != 1) /* held */
      velm_store_release_image(f->store, names->pdata[i]);
    if (i != 2) /* young */
      store_age_image(f, names->pdata[i]);
  }
  store_add_part(f, "k", 3, 1);
  g_assert_true(velm_store_remove_shared(f->store, names, &f->error));
  for (guint i = 0; i < 5; i++) {
    g_autofree char *path = velm_store_image_path(f->store, names->pdata[i]);
    g_assert_cmpint(g_file_test(path, G_FILE_TEST_EXISTS), ==, i >= 1 && i <= 3);
  }
  velm_store_release_image(f->store, names->pdata[1]);
}

/* What nobody gave a record goes after a while. */
static void test_sweep(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) bytes = store_image(7, 2000);
  g_autofree char *sha256 = velm_store_put_image(f->store, bytes, &f->error);
  velm_store_release_image(f->store, sha256);
  store_add_part(f, "k", 1, 1);
  g_assert_true(velm_store_sweep_shared(f->store, 0, 256, &f->error));
  g_assert_cmpuint(store_count_files(f), ==, 2);
  store_age_image(f, sha256);
  g_assert_true(velm_store_sweep_shared(f->store, 0, 256, &f->error));
  g_assert_cmpuint(store_count_files(f), ==, 1);
  store_assert_whole(f, 1);
}

/* ---- a server that goes ---- */

static VelmDatabaseState state_of(StoreFixture *f) {
  g_auto(VelmStoreHealth) health = velm_store_get_health(f->store);
  return health.state;
}

/* Between two calls nobody notices; meanwhile calls fail, and the next one after goes. */
static void test_restart(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmStoredRecord) record = NULL;
  store_add_part(f, "a", 1, 1);
  postgres_server_stop();
  postgres_server_start();
  store_add_part(f, "b", 2, 2);
  g_assert_true(velm_store_find(f->store, "a", &record, &f->error));
  velm_store_watch(f->store);
  g_assert_cmpint(state_of(f), ==, VELM_DATABASE_FINE);
  postgres_server_stop();
  velm_store_watch(f->store); /* also where nothing is written */
  g_assert_cmpint(state_of(f), ==, VELM_DATABASE_AWAY);
  g_assert_null(store_add(f, "c", 3, 3, NULL));
  assert_failure(&f->error, VELM_ERROR_FILE, ": the store cannot be reached: ");
  g_assert_false(velm_store_probe(f->store, &f->error));
  g_clear_error(&f->error);
  g_autoptr(VelmStoredRecord) none = NULL;
  g_assert_false(velm_store_find(f->store, "a", &none, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, ": the store cannot be reached: ");
  postgres_server_start();
  g_assert_true(velm_store_probe(f->store, &f->error));
  g_assert_cmpint(state_of(f), ==, VELM_DATABASE_FINE);
  store_add_part(f, "c", 3, 3);
  store_assert_whole(f, 3);
}

typedef struct {
  StoreFixture *f;
  int stop;        /* atomic */
  GPtrArray *kept; /* keys of what was returned */
  int failed;
} Stream;

static gpointer stream_keys(gpointer data) {
  Stream *stream = data;
  for (guint i = 0; !g_atomic_int_get(&stream->stop); i++) {
    g_autofree char *key = g_strdup_printf("key %u", i);
    g_autoptr(GBytes) bytes = store_image(i % 10, 500);
    const VelmSubmission submission = {.key = key,
                                       .product = "bracket",
                                       .time = 1,
                                       .image = bytes,
                                       .media_type = "image/png",
                                       .failure = "x"};
    g_autoptr(VelmStoredRecord) record = velm_store_add(stream->f->store, &submission, NULL, NULL);
    if (record)
      g_ptr_array_add(stream->kept, g_steal_pointer(&key));
    else
      stream->failed++;
  }
  return NULL;
}

/* During calls: each is whole or not at all, and what was returned is there. */
static void test_restart_under_load(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GPtrArray) kept = g_ptr_array_new_with_free_func(g_free);
  Stream stream = {.f = f, .kept = kept};
  GThread *thread = g_thread_new("stream", stream_keys, &stream);
  for (int round = 0; round < 3; round++) {
    g_usleep(100000);
    postgres_server_stop();
    postgres_server_start();
  }
  g_usleep(100000);
  g_atomic_int_set(&stream.stop, TRUE);
  g_thread_join(thread);
  g_test_message("%u kept, %d failed", kept->len, stream.failed);
  g_assert_cmpuint(kept->len, >, 0);
  for (guint i = 0; i < kept->len; i++) {
    g_autoptr(VelmStoredRecord) record = NULL;
    g_assert_true(velm_store_find(f->store, kept->pdata[i], &record, &f->error));
    g_assert_nonnull(record);
  }
  g_assert_cmpint(count(f), >=, kept->len);
  store_assert_whole(f, store_read_int(f, "SELECT count(*) FROM images"));
}

/* ---- opening ---- */

static void test_bad_addresses(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const bad[] = {"", "mysql://h/d", "postgresql://u:secret@extra@h/d",
                                    "postgresql://u:pass/secret@h/d", "postgresql://h/d?secret=1"};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_assert_null(velm_store_open_shared(f->path, bad[i], "s", &f->error));
    g_assert_null(strstr(f->error->message, "secret"));
    assert_failure(&f->error, VELM_ERROR_USAGE, "the database's address is none of PostgreSQL");
  }
  g_assert_null(velm_store_open_shared(f->path, f->url, "", &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "the station is missing");
  g_assert_null(
      velm_store_open_shared(f->path, "postgresql://u:secret@127.0.0.1:1/d", "s", &f->error));
  g_assert_null(strstr(f->error->message, "secret"));
  assert_failure(&f->error, VELM_ERROR_FILE,
                 "postgresql://127.0.0.1:1/d: the store cannot be reached: ");
}

static void test_foreign(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_free(f->url);
  f->url = postgres_server_new_database();
  store_run_sql(f, "CREATE TABLE bookmarks (url TEXT)");
  g_assert_null(velm_store_open_shared(f->path, f->url, "s", &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "is not a store of velm; it is left as it is");
  g_assert_false(has_table(f, "records"));
}

static void test_newer(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_run_sql(f, "UPDATE store SET schema_version = 99");
  g_assert_null(velm_store_open_shared(f->path, f->url, "s", &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "of a newer velm (schema 99");
}

static void test_backup(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *folder = g_build_filename(f->folder, "backup", NULL);
  g_assert_false(velm_store_backup(f->store, folder, NULL, NULL, NULL, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "a shared store is backed up by pg_dump");
}

/* ---- statements ---- */

/* Rows that are still to come do not keep others from the connection. */
static void test_nested_statements(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmDatabase) database = store_connect(f);
  g_autoptr(VelmStatement) outer =
      velm_database_prepare(database, "SELECT n FROM generate_series(1, 1000) AS n", &f->error);
  gint64 sum = 0;
  while (velm_statement_step(outer, &f->error) == VELM_STEP_ROW) {
    gint64 twice = 0;
    gboolean found = FALSE;
    g_autoptr(VelmStatement) inner = velm_database_prepare(
        database, "SELECT CAST(?1 AS BIGINT) * 2 AS \"a ? b\", 'it''s ?'", &f->error);
    velm_statement_bind_int(inner, 1, velm_statement_int(outer, 0));
    g_assert_true(velm_statement_find(inner, &found, &f->error));
    twice = velm_statement_int(inner, 0);
    g_assert_cmpstr(velm_statement_peek_text(inner, 1), ==, "it's ?");
    sum += twice;
  }
  g_assert_no_error(f->error);
  g_assert_cmpint(sum, ==, 1001 * 1000);
}

#define ADD(name, function)                                                                        \
  g_test_add("/store/shared/" name, StoreFixture, STORE_SHARED, store_set_up, function,            \
             store_tear_down)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  gboolean shared = store_add_shared();
  STORE_ADD_BOTH(shared, "/store/", "batch", store_set_up, test_batch);
  STORE_ADD_BOTH(shared, "/store/", "large-batch", store_set_up, test_large_batch);
  STORE_ADD_BOTH(shared, "/store/", "batch-of-queued", store_set_up, test_batch_of_queued);
  if (!shared)
    return g_test_run();
  ADD("many-writers", test_many_writers);
  ADD("opened-at-once", test_opened_at_once);
  ADD("two-stations", test_two_stations);
  ADD("weeks", test_weeks);
  ADD("week-of", test_week_of);
  ADD("retain-many", test_retain_many);
  ADD("retain-by-size", test_retain_by_size);
  ADD("young-images-stay", test_young_images_stay);
  ADD("remove-files", test_remove_files);
  ADD("sweep", test_sweep);
  ADD("restart", test_restart);
  ADD("restart-under-load", test_restart_under_load);
  ADD("bad-addresses", test_bad_addresses);
  ADD("foreign", test_foreign);
  ADD("newer", test_newer);
  ADD("backup", test_backup);
  ADD("nested-statements", test_nested_statements);
  return g_test_run();
}
