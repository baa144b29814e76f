/* A station's store, copied into a shared one. */
#include "act/store.h"

#include "act/store_fixture.h"
#include "core/file.h"
#include "core/scratch.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

enum { N = 150 }; /* several batches */

/* The store of the fixture is the target; this is the source. */
static VelmStore *open_source(StoreFixture *f) {
  g_autofree char *path = g_build_filename(f->folder, "source", NULL);
  VelmStore *store = velm_store_open(path, &f->error);
  g_assert_no_error(f->error);
  return store;
}

static gint64 add(StoreFixture *f, VelmStore *store, const char *key, guint image, gint64 time) {
  g_autoptr(GBytes) bytes = store_image(image, 2000), map = store_image(image + 1, 100);
  g_autoptr(VelmInspection) inspection =
      store_inspection("scratch", 0.25, 2.5, VELM_DECISION_DEFECT);
  const VelmSubmission submission = {.key = key,
                                     .product = "bracket",
                                     .part = "p 1",
                                     .station = image == 6 ? "line 6" : NULL,
                                     .time = time,
                                     .image = bytes,
                                     .media_type = "image/png",
                                     .inspection = inspection,
                                     .map = map};
  g_autoptr(VelmStoredRecord) record = velm_store_add(store, &submission, NULL, &f->error);
  g_assert_no_error(f->error);
  return record->id;
}

static void review(StoreFixture *f, VelmStore *store, gint64 id, VelmReviewVerdict verdict,
                   const char *class_name) {
  gboolean found = FALSE;
  const VelmReview review = {.record = id,
                             .verdict = verdict,
                             .class_name = (char *)class_name,
                             .note = (char *)"a\nnote",
                             .who = (char *)"Aiko"};
  g_assert_true(velm_store_review(store, &review, &found, &f->error));
  g_assert_true(found);
}

static void enqueue(StoreFixture *f, VelmStore *store, const char *key, guint image) {
  g_autoptr(GBytes) bytes = store_image(image, 2000);
  const VelmQueued queued = {.key = (char *)key,
                             .product = (char *)"bracket",
                             .media_type = (char *)"image/png",
                             .callback = (char *)"http://line.example/told",
                             .time = 9};
  g_assert_true(velm_store_enqueue(store, &queued, bytes, NULL, &f->error));
}

static void add_rest(StoreFixture *f, VelmStore *store) {
  gint64 id = 0;
  const VelmStoredSpec spec = {
      .product = (char *)"bracket", .who = (char *)"Ben", .text = (char *)"product: bracket"};
  const VelmStoredVersion version = {.product = (char *)"bracket",
                                     .who = (char *)"Ben",
                                     .kind = (char *)"teach",
                                     .base = (char *)"abc",
                                     .file = (char *)"1.velm",
                                     .report = (char *)"{}"};
  g_assert_true(velm_store_add_spec(store, &spec, &f->error));
  g_assert_true(velm_store_add_version(store, &version, &id, &f->error));
  g_assert_true(velm_store_use_version(store, "bracket", id, "Ben", &f->error));
}

/* A source with all that a store holds. */
static void fill(StoreFixture *f, VelmStore *store) {
  gint64 mark = 0;
  for (guint i = 0; i < N; i++) {
    g_autofree char *key = g_strdup_printf("part %u", i);
    add(f, store, key, i % 40, (gint64)i * G_TIME_SPAN_DAY);
  }
  review(f, store, 7, VELM_VERDICT_CORRECT, "dent");
  review(f, store, 7, VELM_VERDICT_GOOD, NULL);
  add_rest(f, store);
  enqueue(f, store, "waits", 60);
  enqueue(f, store, "told", 61);
  add(f, store, "told", 61, 5);
  g_assert_true(velm_store_begin_mark(store, "webhook", &mark, &f->error));
  g_assert_true(velm_store_set_mark(store, "webhook", 100, &f->error));
}

static VelmStoredRecord *find(StoreFixture *f, const char *key) {
  VelmStoredRecord *record = NULL;
  g_assert_true(velm_store_find(f->store, key, &record, &f->error));
  g_assert_nonnull(record);
  return record;
}

static void assert_copied(StoreFixture *f) {
  g_autoptr(VelmStoredRecord) record = find(f, "part 6");
  g_autoptr(VelmStoredRecord) nobodys = find(f, "part 7");
  g_autoptr(GBytes) map = NULL, expected = store_image(6 + 1, 100), image = store_image(6, 2000);
  g_assert_cmpint(record->time, ==, 6 * G_TIME_SPAN_DAY);
  g_assert_cmpint(record->verdict, ==, VELM_VERDICT_GOOD);
  g_assert_cmpstr(record->class_name, ==, "good");
  g_assert_cmpstr(record->detected_class, ==, "scratch");
  g_assert_cmpstr(record->part, ==, "p 1");
  g_assert_cmpstr(record->station, ==, "line 6");
  g_assert_cmpstr(nobodys->station, ==, f->url ? STORE_STATION : NULL);
  g_assert_cmpfloat(record->confidence, ==, 0.25);
  g_assert_nonnull(strstr(record->json, "\"class\":\"scratch\""));
  g_assert_true(velm_store_get_map(f->store, record->id, &map, &f->error));
  g_assert_true(g_bytes_equal(map, expected));
  g_autoptr(GBytes) kept = velm_store_read_image(f->store, record->image, &f->error);
  g_assert_true(g_bytes_equal(kept, image));
  g_autoptr(GPtrArray) reviews = velm_store_list_reviews(f->store, record->id, &f->error);
  g_assert_cmpuint(reviews->len, ==, 2);
  g_assert_cmpint(((VelmReview *)reviews->pdata[0])->verdict, ==, VELM_VERDICT_GOOD);
  g_assert_cmpstr(((VelmReview *)reviews->pdata[1])->class_name, ==, "dent");
  g_assert_cmpstr(((VelmReview *)reviews->pdata[1])->note, ==, "a\nnote");
}

static void assert_rest_copied(StoreFixture *f) {
  gint64 n = 0, mark = 0;
  g_autoptr(VelmStoredRecord) reviewed = find(f, "part 6"), seen = find(f, "part 99");
  g_autoptr(VelmStoredVersion) used = NULL;
  g_autoptr(GPtrArray) specs = velm_store_list_specs(f->store, "bracket", 10, &f->error);
  g_autoptr(GPtrArray) versions = velm_store_list_versions(f->store, "bracket", 10, &f->error);
  g_autoptr(GPtrArray) entries = velm_store_list_audit(f->store, 0, 100, &f->error);
  g_autoptr(GPtrArray) callbacks = velm_store_list_callbacks(f->store, G_MAXINT64, 10, &f->error);
  g_autofree char *target = g_strdup_printf("record %" G_GINT64_FORMAT, reviewed->id);
  g_assert_cmpuint(specs->len, ==, 1);
  g_assert_cmpuint(versions->len, ==, 1);
  g_assert_cmpuint(entries->len, ==, 5);
  g_assert_cmpstr(((VelmAuditEntry *)entries->pdata[4])->target, ==, target);
  g_assert_true(velm_store_get_used_version(f->store, "bracket", &used, &f->error));
  g_assert_cmpstr(used->file, ==, "1.velm");
  g_assert_cmpuint(callbacks->len, ==, 1);
  g_assert_true(velm_store_count_queued(f->store, &n, &f->error));
  g_assert_cmpint(n, ==, 1);
  g_assert_true(velm_store_begin_mark(f->store, "webhook", &mark, &f->error));
  g_assert_cmpint(mark, ==, seen->id);
}

/* The second time finds all of it there. */
static void test_copy(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  add(f, f->store, "there before", 90, 3); /* numbers differ from then on */
  for (gint64 round = 0; round < 2; round++) {
    g_auto(VelmStoreCopied) copied = {0};
    g_autoptr(VelmStore) source = open_source(f);
    if (round == 0)
      fill(f, source);
    g_assert_true(velm_store_copy(source, f->store, NULL, NULL, &copied, &f->error));
    g_assert_no_error(f->error);
    g_assert_cmpint(copied.copied, ==, round ? 0 : N + 1);
    g_assert_cmpint(copied.existed, ==, round ? N + 1 : 0);
    g_assert_cmpint(copied.n_faults, ==, 0);
    assert_copied(f);
    assert_rest_copied(f);
    store_assert_whole(f, 40 + 3);
  }
}

static gboolean stop_at(const char *stage, gsize done, gsize total, gpointer most) {
  return done < *(gsize *)most;
}

/* Given up at any record, it goes on from there. */
static void test_given_up(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmStore) source = open_source(f);
  gint64 sum = 0;
  fill(f, source);
  for (gsize most = 30; most < N; most += 60) {
    g_auto(VelmStoreCopied) copied = {0};
    g_assert_false(velm_store_copy(source, f->store, stop_at, &most, &copied, &f->error));
    assert_failure(&f->error, VELM_ERROR_CANCELLED, "given up");
    sum += copied.copied;
  }
  g_auto(VelmStoreCopied) copied = {0};
  g_assert_true(velm_store_copy(source, f->store, NULL, NULL, &copied, &f->error));
  g_assert_cmpint(sum, >, 0);
  g_assert_cmpint(sum + copied.copied, ==, N + 1);
  assert_copied(f);
  assert_rest_copied(f);
}

/* What cannot be copied stays behind, and is named. */
static void test_faults(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmStore) source = open_source(f);
  g_autoptr(VelmStoredRecord) record = NULL;
  g_auto(VelmStoreCopied) copied = {0};
  add(f, source, "good", 1, 1);
  add(f, source, "damaged", 2, 2);
  add(f, source, "another", 3, 3);
  add(f, f->store, "another", 4, 3);
  g_assert_true(velm_store_find(source, "damaged", &record, &f->error));
  g_autofree char *path = velm_store_image_path(source, record->image);
  g_assert_true(velm_file_write(path, "x", 1, &f->error));
  g_assert_true(velm_store_copy(source, f->store, NULL, NULL, &copied, &f->error));
  g_assert_cmpint(copied.copied, ==, 1);
  g_assert_cmpint(copied.n_faults, ==, 2);
  g_autofree char *faults = g_strjoin("\n", copied.faults->pdata[0], copied.faults->pdata[1], NULL);
  g_assert_nonnull(strstr(faults, "damaged: "));
  g_assert_nonnull(strstr(faults, "damaged on the disk"));
  g_assert_nonnull(strstr(faults, "the key \"another\" was used for another image"));
  store_assert_whole(f, 2);
}

/* ---- a look from outside ---- */

static void test_info(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_auto(VelmStoreInfo) info = {0}, none = {0};
  g_autofree char *missing = g_build_filename(f->folder, "missing", NULL);
  add(f, f->store, "a", 1, 0);
  add(f, f->store, "b", 1, 30 * G_TIME_SPAN_DAY);
  g_assert_true(velm_store_read_info(f->url ? f->url : f->path, &info, &f->error));
  g_assert_cmpint(info.size.records, ==, 2);
  g_assert_cmpint(info.images, ==, 1);
  g_assert_cmpint(info.size.image_bytes, ==, 2000);
  g_assert_cmpint(info.version, ==, 2);
  g_assert_true((info.weeks != NULL) == (f->url != NULL));
  if (info.weeks) {
    g_assert_cmpuint(info.weeks->len, ==, 2);
    g_assert_cmpstr(g_array_index(info.weeks, VelmStoreCount, 0).name, ==, "19691229");
    g_assert_cmpint(g_array_index(info.weeks, VelmStoreCount, 0).count, ==, 1);
  }
  g_assert_false(velm_store_read_info(missing, &none, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "there is no store");
  g_assert_false(g_file_test(missing, G_FILE_TEST_EXISTS));
}

#define BOTH(name, function) STORE_ADD_BOTH(shared, "/store/copy/", name, store_set_up, function)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  gboolean shared = store_add_shared();
  BOTH("copy", test_copy);
  BOTH("given-up", test_given_up);
  BOTH("faults", test_faults);
  BOTH("info", test_info);
  return g_test_run();
}
