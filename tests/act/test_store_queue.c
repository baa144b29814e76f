/* The queue of the store and its callbacks: each key that was queued ends as one record, also where
 * the process is killed, the disk is full, or several threads are at it. */
#include "act/store.h"

#include "act/store_fixture.h"
#include "core/file.h"
#include "core/scratch.h"

#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define URL "http://line.example/told"

static gint64 count(StoreFixture *f) {
  const VelmStoreQuery query = velm_store_query_default();
  gint64 n = -1;
  g_assert_true(velm_store_count(f->store, &query, &n, &f->error));
  return n;
}

static gint64 count_queued(StoreFixture *f) {
  gint64 n = -1;
  g_assert_true(velm_store_count_queued(f->store, &n, &f->error));
  return n;
}

static gboolean enqueue(StoreFixture *f, const char *key, guint image, const char *callback,
                        gboolean *existed) {
  g_autoptr(GBytes) bytes = store_image(image, 2000);
  const VelmQueued queued = {.key = (char *)key,
                             .product = (char *)"bracket",
                             .time = 1234,
                             .media_type = (char *)"image/png",
                             .name = (char *)"in/part.png",
                             .callback = (char *)callback};
  return velm_store_enqueue(f->store, &queued, bytes, existed, &f->error);
}

static void must_enqueue(StoreFixture *f, const char *key, guint image, const char *callback) {
  gboolean existed = TRUE;
  g_assert_true(enqueue(f, key, image, callback, &existed));
  g_assert_no_error(f->error);
  g_assert_false(existed);
}

/* The record of a queued image, without its bytes. */
static VelmStoredRecord *settle(StoreFixture *f, const char *key) {
  const VelmSubmission submission = {
      .key = key, .product = "bracket", .time = 5, .media_type = "image/png", .failure = "damaged"};
  return velm_store_add(f->store, &submission, NULL, &f->error);
}

static GPtrArray *list_queued(StoreFixture *f, gint64 after, guint limit) {
  GPtrArray *rows = velm_store_list_queued(f->store, after, limit, &f->error);
  g_assert_no_error(f->error);
  return rows;
}

static GPtrArray *list_callbacks(StoreFixture *f, gint64 until) {
  GPtrArray *callbacks = velm_store_list_callbacks(f->store, until, VELM_STORE_MAX_PAGE, &f->error);
  g_assert_no_error(f->error);
  return callbacks;
}

/* ---- queueing ---- */

static void test_enqueue(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  must_enqueue(f, "a", 1, NULL);
  must_enqueue(f, "b", 2, URL);
  must_enqueue(f, "c", 1, NULL);
  for (int round = 0; round < 2; round++) { /* also over a restart */
    g_autoptr(GPtrArray) rows = list_queued(f, 0, 10);
    g_assert_cmpuint(rows->len, ==, 3);
    const VelmQueued *a = rows->pdata[0], *b = rows->pdata[1], *c = rows->pdata[2];
    g_assert_cmpstr(a->key, ==, "a");
    g_assert_cmpstr(a->product, ==, "bracket");
    g_assert_cmpint(a->time, ==, 1234);
    g_assert_cmpstr(a->media_type, ==, "image/png");
    g_assert_cmpstr(a->name, ==, "in/part.png");
    g_assert_null(a->callback);
    g_assert_cmpstr(b->callback, ==, URL);
    g_assert_cmpstr(a->image, ==, c->image);
    g_autoptr(GBytes) expected = store_image(2, 2000);
    g_autoptr(GBytes) image = velm_store_read_image(f->store, b->image, &f->error);
    g_assert_true(g_bytes_equal(image, expected));
    g_autoptr(GPtrArray) next = list_queued(f, a->id, 1);
    g_assert_cmpuint(next->len, ==, 1);
    g_assert_cmpstr(((VelmQueued *)next->pdata[0])->key, ==, "b");
    store_reopen(f);
  }
  g_assert_cmpint(count_queued(f), ==, 3);
  g_assert_cmpint(count(f), ==, 0);
  store_assert_whole(f, 2);
}

static void test_same_key(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gboolean existed = FALSE;
  must_enqueue(f, "k", 1, NULL);
  g_assert_true(enqueue(f, "k", 1, NULL, &existed));
  g_assert_true(existed);
  g_assert_false(enqueue(f, "k", 2, NULL, &existed));
  g_assert_false(existed);
  assert_failure(&f->error, VELM_ERROR_USAGE, "the key \"k\" was used for another image");
  g_assert_cmpuint(store_count_files(f), ==, f->url ? 2 : 1); /* and its image did not stay */
  store_run_sql(f, "UPDATE queue SET product = 'bolt'");
  g_assert_false(enqueue(f, "k", 1, NULL, NULL));
  assert_failure(&f->error, VELM_ERROR_USAGE, "for another product");
  g_assert_cmpint(count_queued(f), ==, 1);
}

static void test_key_of_a_record(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gboolean existed = FALSE;
  store_add_part(f, "k", 1, 1);
  g_assert_true(enqueue(f, "k", 1, NULL, &existed));
  g_assert_true(existed);
  g_assert_false(enqueue(f, "k", 2, NULL, NULL));
  assert_failure(&f->error, VELM_ERROR_USAGE, "was used for another image");
  g_assert_cmpint(count_queued(f), ==, 0);
}

static void test_bad(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) image = store_image(1, 100);
  g_autofree char *url = g_strnfill(VELM_STORE_MAX_URL + 1, 'u');
  const struct {
    const char *key, *product, *media_type, *name, *callback, *words;
    GBytes *image;
  } bad[] = {{NULL, "p", "image/png", NULL, NULL, "key is missing", image},
             {"k", "", "image/png", NULL, NULL, "product is missing", image},
             {"k", "p", NULL, NULL, NULL, "media type is missing", image},
             {"k", "p", "image/png", "\xff", NULL, "name is not UTF-8", image},
             {"k", "p", "image/png", NULL, "", "callback is missing", image},
             {"k", "p", "image/png", NULL, "a\nb", "callback holds control", image},
             {"k", "p", "image/png", NULL, url, "callback is too long", image},
             {"k", "p", "image/png", NULL, NULL, "has 0 bytes", NULL}};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    const VelmQueued queued = {.key = (char *)bad[i].key,
                               .product = (char *)bad[i].product,
                               .media_type = (char *)bad[i].media_type,
                               .name = (char *)bad[i].name,
                               .callback = (char *)bad[i].callback};
    g_assert_false(velm_store_enqueue(f->store, &queued, bad[i].image, NULL, &f->error));
    assert_failure(&f->error, VELM_ERROR_USAGE, bad[i].words);
  }
  g_assert_null(velm_store_list_queued(f->store, 0, 0, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "a page has 1 to 500");
  g_assert_null(velm_store_list_callbacks(f->store, 0, VELM_STORE_MAX_PAGE + 1, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "a page has 1 to 500");
  g_assert_cmpint(count_queued(f), ==, 0);
  g_assert_cmpuint(store_count_files(f), ==, 0);
}

/* ---- from the queue to a record ---- */

static void test_add_takes_it_from_the_queue(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  must_enqueue(f, "a", 1, NULL);
  must_enqueue(f, "b", 1, NULL);
  store_add_part(f, "a", 1, 1);
  g_assert_cmpint(count_queued(f), ==, 1);
  g_assert_cmpint(count(f), ==, 1);
  store_add_part(f, "b", 1, 1);
  g_assert_cmpint(count_queued(f), ==, 0);
  g_autoptr(GPtrArray) callbacks = list_callbacks(f, G_MAXINT64);
  g_assert_cmpuint(callbacks->len, ==, 0); /* nobody is to be told */
  store_assert_whole(f, 1);
}

static void test_add_another_image(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  must_enqueue(f, "k", 1, URL);
  g_assert_null(store_add(f, "k", 2, 1, NULL));
  assert_failure(&f->error, VELM_ERROR_USAGE, "the key \"k\" was used for another image");
  g_assert_cmpint(count_queued(f), ==, 1);
  g_assert_cmpint(count(f), ==, 0);
  g_assert_cmpuint(store_count_files(f), ==, f->url ? 2 : 1);
}

static void test_add_without_bytes(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) expected = store_image(1, 2000);
  must_enqueue(f, "k", 1, NULL);
  for (int i = 0; i < 2; i++) { /* the second finds the record */
    g_autoptr(VelmStoredRecord) record = settle(f, "k");
    g_assert_no_error(f->error);
    g_assert_cmpint(record->id, ==, 1);
    g_assert_cmpint(record->image_bytes, ==, 2000);
    g_autoptr(GBytes) image = velm_store_read_image(f->store, record->image, &f->error);
    g_assert_true(g_bytes_equal(image, expected));
  }
  g_assert_null(settle(f, "unknown"));
  assert_failure(&f->error, VELM_ERROR_USAGE, "none waits under the key \"unknown\"");
  g_assert_cmpint(count_queued(f), ==, 0);
  store_assert_whole(f, 1);
}

/* One that the disk has damaged while it waited has a record too. */
static void test_damaged_while_it_waits(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  must_enqueue(f, "k", 1, NULL);
  g_autoptr(GPtrArray) rows = list_queued(f, 0, 1);
  const char *sha256 = ((VelmQueued *)rows->pdata[0])->image;
  g_autofree char *path = velm_store_image_path(f->store, sha256);
  g_assert_true(velm_file_write(path, "x", 1, &f->error));
  g_assert_null(velm_store_read_image(f->store, sha256, &f->error));
  assert_failure(&f->error, VELM_ERROR_IMAGE, "damaged on the disk");
  g_autoptr(VelmStoredRecord) record = settle(f, "k");
  g_assert_no_error(f->error);
  g_assert_cmpstr(record->decision, ==, VELM_STORE_FAILED);
  g_assert_cmpint(count_queued(f), ==, 0);
}

/* ---- callbacks ---- */

static void test_callback(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  must_enqueue(f, "k", 1, URL);
  g_autoptr(GPtrArray) none = list_callbacks(f, G_MAXINT64);
  g_assert_cmpuint(none->len, ==, 0); /* there is nothing to tell of */
  gint64 before = g_get_real_time(), id = store_add_part(f, "k", 1, 1);
  for (int round = 0; round < 2; round++) { /* also over a restart */
    g_autoptr(GPtrArray) callbacks = list_callbacks(f, g_get_real_time());
    g_assert_cmpuint(callbacks->len, ==, 1);
    const VelmCallback *callback = callbacks->pdata[0];
    g_assert_cmpint(callback->record, ==, id);
    g_assert_cmpstr(callback->url, ==, URL);
    g_assert_cmpint(callback->due, >=, before);
    g_assert_cmpint(callback->attempts, ==, 0);
    g_assert_null(callback->message);
    store_reopen(f);
  }
  store_add_part(f, "k", 1, 1); /* again: it is not told twice */
  g_autoptr(GPtrArray) callbacks = list_callbacks(f, G_MAXINT64);
  g_assert_cmpuint(callbacks->len, ==, 1);
  for (int i = 0; i < 2; i++)
    g_assert_true(velm_store_callback_done(f->store, callbacks->pdata[0], &f->error));
  g_autoptr(GPtrArray) after = list_callbacks(f, G_MAXINT64);
  g_assert_cmpuint(after->len, ==, 0);
}

static void test_callback_fails(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 later = g_get_real_time() + G_TIME_SPAN_HOUR;
  must_enqueue(f, "a", 1, URL);
  must_enqueue(f, "b", 2, URL "/b");
  store_add_part(f, "a", 1, 1);
  store_add_part(f, "b", 2, 1);
  g_autoptr(GPtrArray) both = list_callbacks(f, g_get_real_time());
  g_assert_cmpuint(both->len, ==, 2);
  for (int i = 0; i < 2; i++)
    g_assert_true(
        velm_store_callback_failed(f->store, both->pdata[0], later, "no\xff route", &f->error));
  g_autoptr(GPtrArray) due = list_callbacks(f, g_get_real_time());
  g_assert_cmpuint(due->len, ==, 1);
  g_assert_cmpstr(((VelmCallback *)due->pdata[0])->url, ==, URL "/b");
  g_autoptr(GPtrArray) all = list_callbacks(f, later);
  g_assert_cmpuint(all->len, ==, 2);
  const VelmCallback *last = all->pdata[1];
  g_assert_cmpint(last->due, ==, later);
  g_assert_cmpint(last->attempts, ==, 2);
  g_assert_cmpstr(last->message, ==, "no\xef\xbf\xbd route");
}

/* Who sends again is told again; what was given meanwhile outlasts the delivery of the earlier. */
static void test_callback_given_again(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gboolean existed = FALSE;
  must_enqueue(f, "k", 1, NULL);
  g_assert_true(enqueue(f, "k", 1, URL "/old", &existed));
  g_assert_true(enqueue(f, "k", 1, URL, &existed));
  g_assert_true(enqueue(f, "k", 1, NULL, &existed));
  store_add_part(f, "k", 1, 1);
  g_autoptr(GPtrArray) first = list_callbacks(f, G_MAXINT64);
  g_assert_cmpuint(first->len, ==, 1);
  g_assert_cmpstr(((VelmCallback *)first->pdata[0])->url, ==, URL);
  g_assert_true(enqueue(f, "k", 1, URL "/new", &existed));
  g_assert_true(existed);
  g_assert_true(velm_store_callback_done(f->store, first->pdata[0], &f->error));
  g_autoptr(GPtrArray) second = list_callbacks(f, g_get_real_time());
  g_assert_cmpuint(second->len, ==, 1);
  g_assert_cmpstr(((VelmCallback *)second->pdata[0])->url, ==, URL "/new");
  g_assert_true(velm_store_callback_done(f->store, second->pdata[0], &f->error));
  g_assert_true(enqueue(f, "k", 1, URL, &existed));
  g_autoptr(GPtrArray) third = list_callbacks(f, g_get_real_time());
  g_assert_cmpuint(third->len, ==, 1);
}

/* ---- upkeep ---- */

static gint64 retain(StoreFixture *f, VelmRetention retention) {
  gint64 removed = -1;
  g_assert_true(velm_store_retain(f->store, &retention, 1000000, &removed, &f->error));
  g_assert_no_error(f->error);
  return removed;
}

static void test_retention(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoreSize size;
  must_enqueue(f, "a", 1, NULL);
  must_enqueue(f, "b", 2, NULL);
  store_add_part(f, "old", 1, 1); /* of the same image */
  store_add_part(f, "older", 3, 1);
  g_assert_cmpint(retain(f, (VelmRetention){.max_age = 10}), ==, 2);
  g_assert_cmpint(retain(f, (VelmRetention){.max_bytes = 1, .reviewed_too = TRUE}), ==, 0);
  g_assert_cmpuint(store_count_files(f), ==, 2);
  g_assert_true(velm_store_measure(f->store, &size, &f->error));
  g_assert_cmpint(size.image_bytes, ==, 4000);
  store_assert_whole(f, 2);
  store_add_part(f, "a", 1, 1);
  g_assert_cmpint(retain(f, (VelmRetention){.max_age = 10}), ==, 1);
  g_assert_cmpuint(store_count_files(f), ==, 1);
  store_assert_whole(f, 1);
}

/* What is to be told must be there. */
static void test_retention_waits_for_callbacks(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmRetention all = {.max_age = 10, .max_bytes = 1, .reviewed_too = TRUE};
  must_enqueue(f, "k", 1, URL);
  gint64 id = store_add_part(f, "k", 1, 1);
  store_add_part(f, "other", 2, 1);
  g_assert_cmpint(retain(f, all), ==, 1);
  g_autoptr(GPtrArray) callbacks = list_callbacks(f, G_MAXINT64);
  g_assert_cmpuint(callbacks->len, ==, 1);
  g_assert_cmpint(((VelmCallback *)callbacks->pdata[0])->record, ==, id);
  store_assert_whole(f, 1);
  g_assert_true(velm_store_callback_done(f->store, callbacks->pdata[0], &f->error));
  g_assert_cmpint(retain(f, all), ==, 1);
  g_assert_cmpuint(store_count_files(f), ==, 0);
}

static void test_held_and_released(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) bytes = store_image(1, 2000);
  g_autofree char *sha256 = velm_store_put_image(f->store, bytes, &f->error);
  must_enqueue(f, "k", 1, NULL);
  velm_store_release_image(f->store, sha256);
  store_assert_whole(f, 1);
}

/* The opening after a killed process removes images that nothing has. */
static void test_sweep(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *lock = g_build_filename(f->path, "lock", NULL);
  must_enqueue(f, "k", 1, NULL);
  g_clear_pointer(&f->store, velm_store_free);
  g_assert_true(velm_file_write(lock, "in use\n", 7, &f->error));
  store_reopen(f);
  g_assert_cmpuint(store_count_files(f), ==, 1);
  store_assert_whole(f, 1);
}

static void test_backup(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *folder = g_build_filename(f->folder, "backup", NULL);
  StoreFixture b = {.path = folder};
  must_enqueue(f, "a", 1, NULL);
  must_enqueue(f, "b", 2, URL);
  must_enqueue(f, "c", 3, URL);
  store_add_part(f, "c", 3, 1);
  g_assert_true(velm_store_backup(f->store, folder, NULL, NULL, NULL, &f->error));
  store_reopen(&b);
  g_assert_cmpint(count_queued(&b), ==, 2);
  g_autoptr(GPtrArray) callbacks = list_callbacks(&b, G_MAXINT64);
  g_assert_cmpuint(callbacks->len, ==, 1);
  store_assert_whole(&b, 3);
  store_add_part(&b, "a", 1, 1);
  store_assert_whole(&b, 3);
  velm_store_free(b.store);
}

static gint64 count_faults(StoreFixture *f, const char *words) {
  g_autoptr(VelmStoreCheck) check = velm_store_check(f->store, NULL, NULL, &f->error);
  g_assert_no_error(f->error);
  g_assert_cmpuint(check->faults->len, >, 0);
  g_assert_nonnull(strstr(check->faults->pdata[0], words));
  return check->n_faults;
}

static void test_check(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  must_enqueue(f, "k", 1, NULL);
  store_add_part(f, "r", 2, 1);
  store_run_sql(f, "UPDATE queue SET key = 'r'");
  g_assert_cmpint(count_faults(f, "has a record already"), ==, 1);
  store_run_sql(f, "UPDATE queue SET key = 'k'");
  g_autoptr(GPtrArray) rows = list_queued(f, 0, 1);
  g_autofree char *path = velm_store_image_path(f->store, ((VelmQueued *)rows->pdata[0])->image);
  g_assert_cmpint(unlink(path), ==, 0);
  g_assert_cmpint(count_faults(f, "no such image"), ==, 1);
}

/* ---- killed ---- */

enum { FIRST_TIME = 1000 };

/* Each forks and waits for the disk. */
static guint rounds(void) { return g_test_slow() ? 40 : 10; }

/* What the child did with a part, as it tells its parent. */
typedef struct {
  char what; /* 'q' queued, 'r' has a record, 'd' its callback is being delivered */
  guint number;
} Word;

typedef struct {
  VelmStore *store;
  guint from;
  int pipe;
} Worker;

/* The number of an image is that of its key, but every third is that of the one before. */
static guint image_of(guint number) { return number % 3 == 2 ? number - 1 : number; }

static void tell(int pipe, char what, guint number) {
  const Word word = {what, number};
  if (write(pipe, &word, sizeof word) != sizeof word)
    _exit(1);
}

static gboolean enqueue_number(VelmStore *store, guint number) {
  g_autofree char *key = g_strdup_printf("%u", number);
  g_autoptr(GBytes) bytes = store_image(image_of(number), 20000);
  const VelmQueued queued = {.key = key,
                             .product = (char *)"bracket",
                             .time = FIRST_TIME + number,
                             .media_type = (char *)"image/png",
                             .callback = (char *)(number % 2 ? NULL : URL)};
  return velm_store_enqueue(store, &queued, bytes, NULL, NULL);
}

/* @with_bytes: as who has read the image to inspect it; else the queue's is taken. */
static gboolean add_queued(VelmStore *store, const VelmQueued *queued, gboolean with_bytes) {
  g_autoptr(GBytes) bytes = with_bytes ? velm_store_read_image(store, queued->image, NULL) : NULL;
  g_autoptr(VelmInspection) inspection = store_inspection("dent", 0.5, 2, VELM_DECISION_DEFECT);
  const VelmSubmission submission = {.key = queued->key,
                                     .product = queued->product,
                                     .time = queued->time,
                                     .image = bytes,
                                     .media_type = queued->media_type,
                                     .inspection = inspection};
  g_autoptr(VelmStoredRecord) record =
      with_bytes && !bytes ? NULL : velm_store_add(store, &submission, NULL, NULL);
  return record != NULL;
}

static gpointer enqueue_until_killed(gpointer data) {
  const Worker *worker = data;
  for (guint number = worker->from;; number += 2) {
    if (!enqueue_number(worker->store, number))
      _exit(2);
    tell(worker->pipe, 'q', number);
  }
  return NULL;
}

/* From the first on, as after a restart. */
static gpointer inspect_until_killed(gpointer data) {
  const Worker *worker = data;
  for (;;) {
    g_autoptr(GPtrArray) rows = velm_store_list_queued(worker->store, 0, 20, NULL);
    for (guint i = 0; i < rows->len; i++) {
      const VelmQueued *queued = rows->pdata[i];
      guint number = (guint)g_ascii_strtoull(queued->key, NULL, 10);
      if (!add_queued(worker->store, queued, number % 4 < 2))
        _exit(3);
      tell(worker->pipe, 'r', number);
    }
    g_usleep(500);
  }
  return NULL;
}

static void deliver(VelmStore *store, const VelmCallback *callback, int pipe) {
  g_autoptr(VelmStoredRecord) record = NULL;
  if (!velm_store_get(store, callback->record, &record, NULL) || !record)
    _exit(4);
  guint number = (guint)g_ascii_strtoull(record->key, NULL, 10);
  if (number % 8 == 0 && callback->attempts == 0) {
    if (!velm_store_callback_failed(store, callback, callback->due, "try again", NULL))
      _exit(5);
    return;
  }
  tell(pipe, 'd', number);
  if (!velm_store_callback_done(store, callback, NULL))
    _exit(6);
}

static gpointer deliver_until_killed(gpointer data) {
  const Worker *worker = data;
  for (;;) {
    g_autoptr(GPtrArray) callbacks =
        velm_store_list_callbacks(worker->store, g_get_real_time(), 20, NULL);
    for (guint i = 0; i < callbacks->len; i++)
      deliver(worker->store, callbacks->pdata[i], worker->pipe);
    g_usleep(500);
  }
  return NULL;
}

/* Old records of the same images come, and go by retention. */
static G_NORETURN void churn_until_killed(const Worker *worker) {
  const VelmRetention retention = {.max_age = FIRST_TIME / 2};
  for (guint number = worker->from;; number++) {
    g_autofree char *key = g_strdup_printf("old %u", number);
    g_autoptr(GBytes) bytes = store_image(image_of(number), 20000);
    const VelmSubmission submission = {
        .key = key, .product = "bracket", .time = 1, .image = bytes, .media_type = "image/png"};
    g_autoptr(VelmStoredRecord) record = velm_store_add(worker->store, &submission, NULL, NULL);
    if (!record || !velm_store_retain(worker->store, &retention, FIRST_TIME, NULL, NULL))
      _exit(7);
  }
}

/* Threads are made only in the child: it has them all. */
static G_NORETURN void run_child(const char *path, guint from, int pipe) {
  VelmStore *store = velm_store_open(path, NULL);
  Worker workers[] = {{store, from, pipe}, {store, from + 1, pipe}};
  if (!store)
    _exit(8);
  g_thread_new("enqueue", enqueue_until_killed, &workers[0]);
  g_thread_new("enqueue", enqueue_until_killed, &workers[1]);
  g_thread_new("inspect", inspect_until_killed, &workers[0]);
  g_thread_new("deliver", deliver_until_killed, &workers[0]);
  churn_until_killed(&workers[0]);
}

/* What is known of all rounds. */
typedef struct {
  GHashTable *queued, *recorded, *delivered; /* of numbers */
} Known;

static void learn(Known *known, const Word *word) {
  g_hash_table_add(word->what == 'q'   ? known->queued
                   : word->what == 'r' ? known->recorded
                                       : known->delivered,
                   GUINT_TO_POINTER(word->number));
}

static void kill_child(const char *path, guint from, gulong after_us, Known *known) {
  int ends[2], status = 0;
  Word word;
  g_assert_cmpint(pipe(ends), ==, 0);
  pid_t child = fork();
  if (child == 0)
    run_child(path, from, ends[1]);
  close(ends[1]);
  g_assert_cmpint(read(ends[0], &word, sizeof word), ==, sizeof word);
  learn(known, &word);
  g_usleep(after_us);
  kill(child, SIGKILL);
  while (read(ends[0], &word, sizeof word) == sizeof word)
    learn(known, &word);
  waitpid(child, &status, 0);
  close(ends[0]);
  g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* One row a key, of the queue or of the records; the callback is there, or was delivered. */
static void assert_number(StoreFixture *f, const Known *known, guint number) {
  gpointer item = GUINT_TO_POINTER(number);
  g_autofree char *in_queue =
      g_strdup_printf("SELECT count(*) FROM queue WHERE key = '%u'", number);
  g_autofree char *told =
      g_strdup_printf("SELECT (SELECT count(*) FROM queue WHERE key = '%u' AND callback = '" URL
                      "') + (SELECT count(*) FROM callbacks JOIN records ON id = record"
                      " WHERE key = '%u')",
                      number, number);
  g_autofree char *key = g_strdup_printf("%u", number);
  g_autoptr(VelmStoredRecord) record = NULL;
  g_assert_true(velm_store_find(f->store, key, &record, &f->error));
  g_assert_cmpint(store_read_int(f, in_queue) + (record != NULL), ==, 1);
  g_assert_true(record || !g_hash_table_contains(known->recorded, item));
  if (number % 2 == 0)
    g_assert_cmpint(store_read_int(f, told) + g_hash_table_contains(known->delivered, item), >=, 1);
  g_autofree char *sha256 = NULL;
  g_autoptr(GBytes) expected = store_image(image_of(number), 20000);
  sha256 = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, expected);
  g_autoptr(GBytes) image = velm_store_read_image(f->store, sha256, &f->error);
  g_assert_no_error(f->error);
  g_assert_true(g_bytes_equal(image, expected));
}

static void assert_known(StoreFixture *f, const Known *known, guint from) {
  GHashTableIter iter;
  gpointer number;
  GHashTable *const sets[] = {known->queued, known->recorded};
  for (gsize i = 0; i < G_N_ELEMENTS(sets); i++) {
    g_hash_table_iter_init(&iter, sets[i]);
    while (g_hash_table_iter_next(&iter, &number, NULL))
      if (GPOINTER_TO_UINT(number) >= from)
        assert_number(f, known, GPOINTER_TO_UINT(number));
  }
}

static void assert_consistent(StoreFixture *f) {
  gint64 images = store_read_int(f, "SELECT count(*) FROM images");
  g_assert_cmpint(
      store_read_int(f, "SELECT count(DISTINCT image) FROM"
                        " (SELECT image FROM records UNION SELECT image FROM queue) AS users"),
      ==, images);
  store_assert_whole(f, images);
  g_assert_cmpuint(store_count_files(f), ==, images);
}

/* Returns: how many there were. */
static guint drain(StoreFixture *f) {
  g_autoptr(GPtrArray) rows = NULL;
  guint n = 0;
  do {
    g_clear_pointer(&rows, g_ptr_array_unref);
    rows = list_queued(f, 0, VELM_STORE_MAX_PAGE);
    for (guint i = 0; i < rows->len; i++, n++)
      g_assert_true(add_queued(f->store, rows->pdata[i], FALSE));
  } while (rows->len > 0);
  return n;
}

static void test_killed(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  enum { NUMBERS_A_ROUND = 10000 };
  g_autoptr(GRand) random = g_rand_new_with_seed(17);
  g_autoptr(GHashTable) queued = g_hash_table_new(NULL, NULL);
  g_autoptr(GHashTable) recorded = g_hash_table_new(NULL, NULL);
  g_autoptr(GHashTable) delivered = g_hash_table_new(NULL, NULL);
  Known known = {queued, recorded, delivered};
  for (guint round = 0; round < rounds(); round++) {
    g_clear_pointer(&f->store, velm_store_free);
    kill_child(f->path, round * NUMBERS_A_ROUND, (gulong)g_rand_int_range(random, 0, 120000),
               &known);
    store_reopen(f);
    assert_known(f, &known, round * NUMBERS_A_ROUND);
    assert_consistent(f);
  }
  guint n_drained = drain(f);
  g_test_message("%u queued, %u of them with a record, %u told, %u left at the end",
                 g_hash_table_size(queued), g_hash_table_size(recorded),
                 g_hash_table_size(delivered), n_drained);
  assert_known(f, &known, 0);
  assert_consistent(f);
  g_assert_cmpint(count_queued(f), ==, 0);
  g_assert_cmpuint(g_hash_table_size(queued), >, rounds());
  g_assert_cmpuint(g_hash_table_size(recorded), >, 0);
  g_assert_cmpuint(g_hash_table_size(delivered), >, 0);
}

/* ---- disk full ---- */

static void test_no_file_may_grow(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  must_enqueue(f, "before", 1, NULL);
  store_limit_files(1000);
  g_assert_false(enqueue(f, "during", 2, NULL, NULL));
  assert_failure(&f->error, VELM_ERROR_FILE, "cannot be written: File too large");
  /* The image is there already: it is the row that has no room. */
  g_assert_false(enqueue(f, "row", 1, NULL, NULL));
  assert_failure(&f->error, VELM_ERROR_FILE, "disk I/O error");
  g_assert_cmpint(count_queued(f), ==, 1); /* reading goes on */
  g_assert_null(settle(f, "before"));
  assert_failure(&f->error, VELM_ERROR_FILE, "disk I/O error");
  g_assert_cmpint(count_queued(f), ==, 1); /* it waits on */
  store_limit_files(RLIM_INFINITY);
  must_enqueue(f, "during", 2, NULL);
  g_autoptr(VelmStoredRecord) record = settle(f, "before");
  g_assert_nonnull(record);
  g_assert_cmpint(count_queued(f), ==, 1);
  assert_consistent(f);
}

static void fill_small_disk(StoreFixture *f) {
  gint64 n = 0;
  while (enqueue_number(f->store, (guint)n))
    n++;
  g_assert_cmpint(n, >, 20);
  g_auto(VelmStoreHealth) health = velm_store_get_health(f->store);
  g_assert_cmpint(health.state, ==, VELM_DATABASE_FULL);
  g_assert_cmpint(count_queued(f), ==, n);
  store_reopen(f); /* on the full disk too */
  g_assert_cmpint(count_queued(f), ==, n);
  assert_consistent(f);
  /* What becomes a record now does, and what cannot waits on. */
  g_autoptr(GPtrArray) rows = list_queued(f, 0, VELM_STORE_MAX_PAGE);
  for (guint i = 0; i < rows->len; i++)
    add_queued(f->store, rows->pdata[i], FALSE);
  g_assert_cmpint(count_queued(f) + count(f), ==, n);
  assert_consistent(f);
  g_assert_cmpint(mount("tmpfs", f->folder, "tmpfs", MS_REMOUNT, "size=20m"), ==, 0);
  g_assert_true(enqueue_number(f->store, (guint)n));
  drain(f);
  g_assert_cmpint(count(f), ==, n + 1);
  assert_consistent(f);
}

static void test_disk_full(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_with_small_disk(f, fill_small_disk);
}

/* ---- many threads ---- */

static gpointer enqueue_same(gpointer data) {
  for (guint i = 0; i < 60; i++)
    g_assert_true(enqueue_number(data, i));
  return NULL;
}

static gpointer drain_same(gpointer data) {
  for (int round = 0; round < 100; round++) {
    g_autoptr(GPtrArray) rows = velm_store_list_queued(data, 0, 10, NULL);
    for (guint i = 0; i < rows->len; i++)
      g_assert_true(add_queued(data, rows->pdata[i], i % 2));
  }
  return NULL;
}

/* Whoever comes first: each key has one record. */
static void test_same_keys_at_once(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const GThreadFunc functions[] = {enqueue_same, drain_same, enqueue_same, drain_same};
  GThread *threads[G_N_ELEMENTS(functions)];
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("same", functions[i], f->store);
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
  drain(f);
  g_assert_cmpint(count(f), ==, 60);
  g_assert_cmpint(count_queued(f), ==, 0);
  assert_consistent(f);
}

#define ADD(name, function)                                                                        \
  g_test_add("/store/queue/" name, StoreFixture, NULL, store_set_up, function, store_tear_down)
#define BOTH(name, function) STORE_ADD_BOTH(shared, "/store/queue/", name, store_set_up, function)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  gboolean shared = store_add_shared();
  BOTH("enqueue", test_enqueue);
  BOTH("same-key", test_same_key);
  BOTH("key-of-a-record", test_key_of_a_record);
  BOTH("bad", test_bad);
  BOTH("add-takes-it-from-the-queue", test_add_takes_it_from_the_queue);
  BOTH("add-another-image", test_add_another_image);
  BOTH("add-without-bytes", test_add_without_bytes);
  BOTH("damaged-while-it-waits", test_damaged_while_it_waits);
  BOTH("callback", test_callback);
  BOTH("callback-fails", test_callback_fails);
  BOTH("callback-given-again", test_callback_given_again);
  BOTH("retention", test_retention);
  BOTH("retention-waits-for-callbacks", test_retention_waits_for_callbacks);
  ADD("held-and-released", test_held_and_released);
  ADD("sweep", test_sweep);
  ADD("backup", test_backup);
  ADD("check", test_check);
  ADD("killed", test_killed);
  ADD("no-file-may-grow", test_no_file_may_grow);
  ADD("disk-full", test_disk_full);
  BOTH("same-keys-at-once", test_same_keys_at_once);
  return g_test_run();
}
