#include "act/store.h"

#include "act/store_fixture.h"
#include "act/store_private.h"
#include "act/store_schema.h"
#include "core/database_sqlite.h"
#include "core/file.h"
#include "core/postgres_server.h"
#include "core/scratch.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define DAY (G_TIME_SPAN_DAY)

static VelmStoredRecord *get(StoreFixture *f, gint64 id) {
  VelmStoredRecord *record = NULL;
  g_assert_true(velm_store_get(f->store, id, &record, &f->error));
  g_assert_no_error(f->error);
  return record;
}

static gint64 count(StoreFixture *f) {
  const VelmStoreQuery query = velm_store_query_default();
  gint64 n = -1;
  g_assert_true(velm_store_count(f->store, &query, &n, &f->error));
  return n;
}

/* ---- records ---- */

static void assert_is_scratch(const VelmStoredRecord *record) {
  g_assert_cmpstr(record->key, ==, "line 1/17");
  g_assert_cmpstr(record->product, ==, "bracket");
  g_assert_cmpint(record->time, ==, 1234);
  g_assert_cmpstr(record->decision, ==, "defect");
  g_assert_cmpstr(record->class_name, ==, "scratch");
  g_assert_cmpstr(record->detected_class, ==, "scratch");
  g_assert_cmpfloat(record->score, ==, 2.5);
  g_assert_cmpfloat(record->threshold, ==, 1);
  g_assert_cmpfloat(record->confidence, ==, 0.8);
  g_assert_cmpint(record->verdict, ==, VELM_VERDICT_NONE);
  g_assert_cmpstr(record->media_type, ==, "image/png");
  g_assert_cmpint(record->image_bytes, ==, 2000);
  g_assert_nonnull(strstr(record->json, "\"class\":\"scratch\""));
}

/* Also over a restart. */
static void test_add(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 id = store_add_part(f, "line 1/17", 5, 1234);
  for (int round = 0; round < 2; round++) {
    g_autoptr(VelmStoredRecord) found = NULL;
    g_autoptr(VelmStoredRecord) record = get(f, id);
    g_autoptr(GBytes) expected = store_image(5, 2000);
    assert_is_scratch(record);
    g_assert_true(velm_store_find(f->store, "line 1/17", &found, &f->error));
    g_assert_cmpint(found->id, ==, id);
    g_autoptr(GBytes) image = velm_store_read_image(f->store, record->image, &f->error);
    g_assert_no_error(f->error);
    g_assert_true(g_bytes_equal(image, expected));
    store_reopen(f);
  }
  store_assert_whole(f, 1);
}

static void test_missing(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoredRecord *record = (VelmStoredRecord *)f;
  GBytes *map = (GBytes *)f;
  g_assert_true(velm_store_get(f->store, 99, &record, &f->error));
  g_assert_null(record);
  g_assert_true(velm_store_find(f->store, "nobody's", &record, &f->error));
  g_assert_null(record);
  g_assert_true(velm_store_get_map(f->store, 99, &map, &f->error));
  g_assert_null(map);
}

static void test_failed_image(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmStoredRecord) record = store_add(f, "k", 1, 10, NULL);
  g_assert_no_error(f->error);
  g_assert_cmpstr(record->decision, ==, VELM_STORE_FAILED);
  g_assert_null(record->class_name);
  g_assert_true(isnan(record->score));
  g_assert_nonnull(strstr(record->json, "\"error\":\"not an image\""));
}

static void test_map(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmInspection) inspection = store_inspection(NULL, 0, 0.5, VELM_DECISION_NORMAL);
  g_autoptr(GBytes) image = store_image(1, 100), map = store_image(2, 300);
  const VelmSubmission submission = {.key = "k",
                                     .product = "p",
                                     .image = image,
                                     .media_type = "image/png",
                                     .inspection = inspection,
                                     .map = map};
  g_autoptr(VelmStoredRecord) record = velm_store_add(f->store, &submission, NULL, &f->error);
  g_autoptr(GBytes) kept = NULL;
  g_assert_no_error(f->error);
  g_assert_true(velm_store_get_map(f->store, record->id, &kept, &f->error));
  g_assert_true(g_bytes_equal(kept, map));
  g_assert_true(isnan(record->confidence));
}

/* ---- keys ---- */

static void test_same_key(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 id = store_add_part(f, "k", 1, 10);
  g_autoptr(VelmInspection) other = store_inspection("dent", 0.4, 9, VELM_DECISION_REVIEW);
  g_autoptr(VelmStoredRecord) again = store_add(f, "k", 1, 20, other);
  g_assert_no_error(f->error);
  g_assert_cmpint(again->id, ==, id);
  g_assert_cmpint(again->time, ==, 10);
  g_assert_cmpstr(again->class_name, ==, "scratch"); /* the first stays */
  g_assert_cmpint(count(f), ==, 1);
}

static void test_existed(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) image = store_image(1, 100);
  const VelmSubmission submission = {
      .key = "k", .product = "p", .image = image, .media_type = "image/png", .failure = "x"};
  for (int i = 0; i < 3; i++) {
    gboolean existed = i == 0;
    g_autoptr(VelmStoredRecord) record = velm_store_add(f->store, &submission, &existed, &f->error);
    g_assert_nonnull(record);
    g_assert_cmpint(existed, ==, i > 0);
  }
}

static void test_key_of_another(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_add_part(f, "k", 1, 10);
  g_assert_null(store_add(f, "k", 2, 20, NULL));
  assert_failure(&f->error, VELM_ERROR_USAGE, "the key \"k\" was used for another image");
  g_assert_cmpuint(store_count_files(f), ==, 1); /* and its image did not stay */
  g_autoptr(GBytes) image = store_image(1, 2000);
  const VelmSubmission submission = {
      .key = "k", .product = "bolt", .image = image, .media_type = "image/png"};
  g_assert_null(velm_store_add(f->store, &submission, NULL, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "for another product");
  VelmStoreHealth health = velm_store_get_health(f->store);
  g_assert_cmpint(health.state, ==, VELM_DATABASE_FINE); /* the disk has no part in it */
  g_assert_null(health.message);
}

static void test_bad_submissions(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) image = store_image(1, 100), empty = g_bytes_new(NULL, 0);
  g_autofree char *longest = g_strnfill(VELM_STORE_MAX_KEY, 'k');
  g_autofree char *longer = g_strnfill(VELM_STORE_MAX_KEY + 1, 'k');
  const struct {
    const char *key, *product;
    GBytes *image;
    const char *words;
  } bad[] = {{NULL, "p", image, "key is missing"},      {"", "p", image, "key is missing"},
             {longer, "p", image, "key is too long"},   {"\xff", "p", image, "key is not UTF-8"},
             {"a\nb", "p", image, "key holds control"}, {"k", NULL, image, "product is missing"},
             {"k", "p", empty, "has 0 bytes"},          {"k", "p", NULL, "there is no image"}};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    const VelmSubmission submission = {.key = bad[i].key,
                                       .product = bad[i].product,
                                       .image = bad[i].image,
                                       .media_type = "image/png"};
    g_assert_null(velm_store_add(f->store, &submission, NULL, &f->error));
    assert_failure(&f->error, VELM_ERROR_USAGE, bad[i].words);
  }
  store_add_part(f, longest, 1, 1);
  store_add_part(f, "'; DROP TABLE records; --", 1, 1);
  g_assert_cmpint(count(f), ==, 2);
}

/* ---- images ---- */

static void test_one_file_for_equal_images(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_add_part(f, "a", 7, 1);
  store_add_part(f, "b", 7, 2);
  store_add_part(f, "c", 8, 3);
  g_assert_cmpuint(store_count_files(f), ==, 2);
  store_assert_whole(f, 2);
}

static void test_held_image(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) bytes = store_image(1, 2000);
  g_autofree char *one = velm_store_put_image(f->store, bytes, &f->error);
  g_autofree char *two = velm_store_put_image(f->store, bytes, &f->error);
  g_autofree char *path = velm_store_image_path(f->store, one);
  g_assert_cmpstr(one, ==, two);
  velm_store_release_image(f->store, one);
  g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR)); /* the other still holds it */
  velm_store_release_image(f->store, two);
  g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_image_with_record_stays(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) bytes = store_image(1, 2000);
  g_autofree char *sha256 = velm_store_put_image(f->store, bytes, &f->error);
  store_add_part(f, "k", 1, 1);
  velm_store_release_image(f->store, sha256);
  store_assert_whole(f, 1);
}

static void test_names_of_images(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const bad[] = {"", "../../etc/passwd", "abc", NULL};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    g_assert_null(velm_store_image_path(f->store, bad[i]));
    g_assert_null(velm_store_read_image(f->store, bad[i], &f->error));
    assert_failure(&f->error, VELM_ERROR_FILE, "64 hexadecimal digits");
  }
  g_autofree char *unknown = g_strnfill(64, '0');
  g_assert_null(velm_store_read_image(f->store, unknown, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "no such image");
}

/* One damaged image is that one's trouble; the same image again mends it. */
static void test_damaged_image(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmStoredRecord) record = get(f, store_add_part(f, "a", 1, 1));
  store_add_part(f, "b", 2, 2);
  g_autofree char *path = velm_store_image_path(f->store, record->image);
  g_assert_true(velm_file_write(path, "x", 1, &f->error));
  g_assert_null(velm_store_read_image(f->store, record->image, &f->error));
  assert_failure(&f->error, VELM_ERROR_IMAGE, "damaged on the disk");
  g_autoptr(VelmStoreCheck) check = velm_store_check(f->store, NULL, NULL, &f->error);
  g_assert_cmpint(check->n_faults, ==, 1);
  g_assert_nonnull(strstr(check->faults->pdata[0], record->image));
  g_assert_cmpint(check->images, ==, 2);
  store_add_part(f, "c", 1, 3);
  store_assert_whole(f, 2);
}

static void test_missing_image(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmStoredRecord) record = get(f, store_add_part(f, "a", 1, 1));
  g_autofree char *path = velm_store_image_path(f->store, record->image);
  g_remove(path);
  g_autoptr(VelmStoreCheck) check = velm_store_check(f->store, NULL, NULL, &f->error);
  g_assert_cmpint(check->n_faults, ==, 1);
  g_assert_nonnull(strstr(check->faults->pdata[0], "no such image"));
}

/* ---- reviews ---- */

static void review(StoreFixture *f, gint64 id, VelmReviewVerdict verdict, const char *class_name) {
  gboolean found = FALSE;
  const VelmReview review = {.record = id,
                             .verdict = verdict,
                             .class_name = (char *)class_name,
                             .note = (char *)"two\nlines",
                             .who = (char *)"Aiko"};
  g_assert_true(velm_store_review(f->store, &review, &found, &f->error));
  g_assert_no_error(f->error);
  g_assert_true(found);
}

static void assert_stands(StoreFixture *f, gint64 id, VelmReviewVerdict verdict,
                          const char *class_name) {
  g_autoptr(VelmStoredRecord) record = get(f, id);
  g_assert_cmpint(record->verdict, ==, verdict);
  g_assert_cmpstr(record->class_name, ==, class_name);
  g_assert_cmpstr(record->detected_class, ==, "scratch");
  g_assert_cmpstr(record->decision, ==, "defect"); /* it has left */
}

static void test_review(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 id = store_add_part(f, "a", 1, 1);
  review(f, id, VELM_VERDICT_CONFIRM, NULL);
  assert_stands(f, id, VELM_VERDICT_CONFIRM, "scratch");
  review(f, id, VELM_VERDICT_CORRECT, "dent");
  assert_stands(f, id, VELM_VERDICT_CORRECT, "dent");
  review(f, id, VELM_VERDICT_GOOD, NULL);
  assert_stands(f, id, VELM_VERDICT_GOOD, "good");
  review(f, id, VELM_VERDICT_NONE, NULL);
  assert_stands(f, id, VELM_VERDICT_NONE, "scratch");
  g_autoptr(GPtrArray) reviews = velm_store_list_reviews(f->store, id, &f->error);
  g_assert_cmpuint(reviews->len, ==, 4);
  const VelmReview *second = reviews->pdata[2];
  g_assert_cmpint(second->verdict, ==, VELM_VERDICT_CORRECT);
  g_assert_cmpstr(second->class_name, ==, "dent");
  g_assert_cmpstr(second->who, ==, "Aiko");
  g_assert_cmpstr(second->note, ==, "two\nlines");
  g_assert_cmpint(second->time, >, 0);
}

static void test_bad_reviews(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gboolean found = TRUE;
  gint64 id = store_add_part(f, "a", 1, 1);
  const struct {
    VelmReviewVerdict verdict;
    const char *class_name, *who, *words;
  } bad[] = {{VELM_VERDICT_CONFIRM, NULL, NULL, "person is missing"},
             {VELM_VERDICT_CORRECT, NULL, "A", "class is missing"},
             {VELM_VERDICT_GOOD, "dent", "A", "only to correct"},
             {(VelmReviewVerdict)9, NULL, "A", "no such verdict"}};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    const VelmReview review = {.record = id,
                               .verdict = bad[i].verdict,
                               .class_name = (char *)bad[i].class_name,
                               .who = (char *)bad[i].who};
    g_assert_false(velm_store_review(f->store, &review, &found, &f->error));
    assert_failure(&f->error, VELM_ERROR_USAGE, bad[i].words);
  }
  const VelmReview of_none = {.record = 77, .verdict = VELM_VERDICT_GOOD, .who = (char *)"A"};
  g_assert_true(velm_store_review(f->store, &of_none, &found, &f->error));
  g_assert_false(found);
  assert_stands(f, id, VELM_VERDICT_NONE, "scratch");
  g_autoptr(GPtrArray) entries = velm_store_list_audit(f->store, 0, 10, &f->error);
  g_assert_cmpuint(entries->len, ==, 0);
}

/* ---- the audit log ---- */

static void test_audit(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 id = store_add_part(f, "a", 1, 1);
  g_assert_true(velm_store_audit(f->store, "Ben", "spec", "bracket", "{\"a\":1}", &f->error));
  review(f, id, VELM_VERDICT_CORRECT, "dent");
  g_autoptr(GPtrArray) entries = velm_store_list_audit(f->store, 0, 10, &f->error);
  g_assert_cmpuint(entries->len, ==, 2);
  const VelmAuditEntry *newest = entries->pdata[0], *older = entries->pdata[1];
  g_assert_cmpstr(newest->who, ==, "Aiko");
  g_assert_cmpstr(newest->action, ==, "review");
  g_assert_cmpstr(newest->target, ==, "record 1");
  g_assert_cmpstr(newest->detail, ==,
                  "{\"verdict\":\"correct\",\"class\":\"dent\",\"note\":\"two\\nlines\"}");
  g_assert_cmpstr(older->detail, ==, "{\"a\":1}");
  g_autoptr(GPtrArray) page = velm_store_list_audit(f->store, newest->id, 10, &f->error);
  g_assert_cmpuint(page->len, ==, 1);
  g_assert_false(velm_store_audit(f->store, "", "spec", "x", NULL, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "person is missing");
}

static void test_audit_stays(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const changes[] = {"DELETE FROM audit", "UPDATE audit SET who = 'nobody'"};
  g_assert_true(velm_store_audit(f->store, "Ben", "spec", "x", NULL, &f->error));
  for (gsize i = 0; i < G_N_ELEMENTS(changes); i++) {
    g_autoptr(VelmDatabase) database = store_connect(f);
    g_assert_false(velm_database_run(database, changes[i], &f->error));
    assert_failure(&f->error, VELM_ERROR_FILE, "the audit log is not");
  }
}

/* ---- retention ---- */

static gint64 retain(StoreFixture *f, VelmRetention retention, gint64 now) {
  gint64 removed = -1;
  g_assert_true(velm_store_retain(f->store, &retention, now, &removed, &f->error));
  g_assert_no_error(f->error);
  return removed;
}

static void add_days(StoreFixture *f, int n) {
  for (int i = 0; i < n; i++) {
    g_autofree char *key = g_strdup_printf("day %d", i);
    store_add_part(f, key, (guint)i, (i + 1) * DAY);
  }
}

static void test_retain_by_age(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  add_days(f, 200); /* several batches */
  g_assert_cmpint(retain(f, (VelmRetention){0}, 1000 * DAY), ==, 0);
  g_assert_cmpint(retain(f, (VelmRetention){.max_age = 10 * DAY}, 200 * DAY), ==, 189);
  g_assert_cmpint(count(f), ==, 11);
  g_assert_cmpuint(store_count_files(f), ==, 11);
  store_assert_whole(f, 11);
  g_autoptr(GPtrArray) entries = velm_store_list_audit(f->store, 0, 10, &f->error);
  g_assert_cmpuint(entries->len, ==, 1);
  g_assert_cmpstr(((VelmAuditEntry *)entries->pdata[0])->action, ==, "retention");
  g_assert_cmpstr(((VelmAuditEntry *)entries->pdata[0])->target, ==, "189 records");
  /* A number is not given again. */
  g_assert_cmpint(retain(f, (VelmRetention){.max_age = 1}, 1000 * DAY), ==, 11);
  g_assert_cmpint(store_add_part(f, "new", 1, 1), ==, 201);
}

static void test_retain_by_size(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmStoreSize full, after;
  add_days(f, 300);
  g_assert_true(velm_store_measure(f->store, &full, &f->error));
  g_assert_cmpint(full.records, ==, 300);
  g_assert_cmpint(full.image_bytes, ==, 300 * 2000);
  g_assert_cmpint(full.database_bytes, >, 100000);
  gint64 limit = (full.image_bytes + full.database_bytes) * 2 / 3;
  gint64 removed = retain(f, (VelmRetention){.max_bytes = limit}, 0);
  g_assert_true(velm_store_measure(f->store, &after, &f->error));
  g_assert_cmpint(after.image_bytes + after.database_bytes, <=, limit);
  g_assert_cmpint(after.image_bytes + after.database_bytes, >, limit * 8 / 10); /* no more */
  g_assert_cmpint(after.records, ==, 300 - removed);
  store_assert_whole(f, after.records);
  /* The newest are those that stay. */
  VelmStoreQuery query = velm_store_query_default();
  query.order = VELM_STORE_OLDEST;
  g_autofree char *next = NULL;
  g_autoptr(GPtrArray) page = velm_store_list(f->store, &query, NULL, 1, &next, &f->error);
  g_assert_cmpint(((VelmStoredRecord *)page->pdata[0])->time, ==, (removed + 1) * DAY);
  g_assert_cmpint(retain(f, (VelmRetention){.max_bytes = limit}, 0), ==, 0);
}

static void test_retain_keeps_reviewed(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  add_days(f, 5);
  review(f, 2, VELM_VERDICT_GOOD, NULL);
  g_assert_cmpint(retain(f, (VelmRetention){.max_age = 1}, 100 * DAY), ==, 4);
  g_assert_cmpint(retain(f, (VelmRetention){.max_bytes = 1}, 100 * DAY), ==, 0);
  g_assert_cmpint(count(f), ==, 1);
  g_assert_cmpint(retain(f, (VelmRetention){.max_age = 1, .reviewed_too = TRUE}, 100 * DAY), ==, 1);
  g_assert_cmpuint(store_count_files(f), ==, 0);
  g_autoptr(GPtrArray) reviews = velm_store_list_reviews(f->store, 2, &f->error);
  g_assert_cmpuint(reviews->len, ==, 0);
  store_assert_whole(f, 0);
}

static void test_retain_keeps_shared_images(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_add_part(f, "old", 1, 1 * DAY);
  store_add_part(f, "new", 1, 9 * DAY);
  g_assert_cmpint(retain(f, (VelmRetention){.max_age = DAY}, 9 * DAY), ==, 1);
  store_assert_whole(f, 1);
  g_assert_cmpuint(store_count_files(f), ==, 1);
}

static void test_retain_keeps_held_images(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_add_part(f, "old", 1, 1);
  g_autoptr(GBytes) bytes = store_image(1, 2000);
  g_autofree char *sha256 = velm_store_put_image(f->store, bytes, &f->error);
  g_assert_cmpint(retain(f, (VelmRetention){.max_age = 1}, DAY), ==, 1);
  g_assert_cmpuint(store_count_files(f), ==, 1); /* it is being inspected */
  store_add_part(f, "again", 1, DAY);
  velm_store_release_image(f->store, sha256);
  store_assert_whole(f, 1);
}

static void test_bad_retention(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmRetention retention = {.max_age = -1};
  gint64 removed = -1;
  g_assert_false(velm_store_retain(f->store, &retention, 0, &removed, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "negative");
  g_assert_cmpint(removed, ==, 0);
}

/* ---- opening ---- */

static void assert_refused(StoreFixture *f, const char *words) {
  g_assert_null(velm_store_open(f->path, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, words);
}

static void test_in_use(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  assert_refused(f, "in use by another process");
}

static void test_only_the_user_reads(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  GStatBuf status;
  g_autoptr(VelmStoredRecord) record = get(f, store_add_part(f, "a", 1, 1));
  g_autofree char *image = velm_store_image_path(f->store, record->image);
  g_autofree char *database = g_build_filename(f->path, "records.sqlite", NULL);
  const char *const paths[] = {f->path, image, database};
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
    g_assert_cmpint(g_stat(paths[i], &status), ==, 0);
    g_assert_cmpint(status.st_mode & 077, ==, 0);
  }
}

static void test_foreign(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *path = g_build_filename(f->path, "records.sqlite", NULL);
  g_clear_pointer(&f->store, velm_store_free);
  g_remove(path);
  store_run_sql(f, "CREATE TABLE bookmarks (url TEXT)");
  assert_refused(f, "is not a store of velm");
  g_assert_true(velm_file_write(path, "this is no database at all", 26, &f->error));
  assert_refused(f, "is damaged");
  g_autoptr(GBytes) after = velm_file_read(path, &f->error);
  g_assert_cmpuint(g_bytes_get_size(after), ==, 26);
}

static void test_newer(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_clear_pointer(&f->store, velm_store_free);
  store_run_sql(f, "PRAGMA user_version = 99");
  assert_refused(f, "of a newer velm (schema 99");
}

/* What a killed process leaves. */
static void test_sweep(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *lock = g_build_filename(f->path, "lock", NULL);
  g_autofree char *orphan =
      g_build_filename(f->path, "images", "ab",
                       "ab00000000000000000000000000000000000000000000000000000000000000", NULL);
  g_autofree char *half = g_build_filename(f->path, "images", "unfinished", "image-abcdef", NULL);
  g_autofree char *readme = g_build_filename(f->path, "images", "ab", "README", NULL);
  store_add_part(f, "a", 1, 1);
  g_clear_pointer(&f->store, velm_store_free);
  g_assert_true(velm_file_write(orphan, "x", 1, &f->error));
  g_assert_true(velm_file_write(half, "x", 1, &f->error));
  g_assert_true(velm_file_write(readme, "x", 1, &f->error));
  g_assert_true(velm_file_write(lock, "in use\n", 7, &f->error));
  store_reopen(f);
  g_assert_false(g_file_test(orphan, G_FILE_TEST_EXISTS));
  g_assert_false(g_file_test(half, G_FILE_TEST_EXISTS));
  g_assert_true(g_file_test(readme, G_FILE_TEST_EXISTS)); /* not the store's */
  store_assert_whole(f, 1);
}

/* ---- damage ---- */

/* Damage is told, at opening or by a read, and never gives a wrong record. */
static void test_damaged_database(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GRand) random = g_rand_new_with_seed(3);
  g_autofree char *path = g_build_filename(f->path, "records.sqlite", NULL);
  g_autofree char *lock = g_build_filename(f->path, "lock", NULL);
  int told = 0;
  add_days(f, 60);
  g_clear_pointer(&f->store, velm_store_free);
  g_autoptr(GBytes) whole = velm_file_read(path, &f->error);
  gsize size = g_bytes_get_size(whole);
  for (int round = 0; round < 40; round++) {
    g_autofree guint8 *copy = g_memdup2(g_bytes_get_data(whole, NULL), size);
    guint32 page = (guint32)g_rand_int_range(random, 0, (gint32)(size / 4096));
    memset(copy + page * 4096, 0x5a, 256);
    g_assert_true(velm_file_write(path, copy, size, &f->error));
    g_assert_true(velm_file_write(lock, "in use\n", 7, &f->error));
    f->store = velm_store_open(f->path, &f->error);
    told += f->store ? 0 : 1;
    g_assert_true(f->store || f->error);
    g_clear_error(&f->error);
    g_clear_pointer(&f->store, velm_store_free);
  }
  g_assert_cmpint(told, >, 35);
  g_autoptr(GBytes) last = velm_file_read(path, &f->error);
  g_assert_cmpuint(g_bytes_get_size(last), ==, size);
}

/* ---- migrations ---- */

static const char *const two_versions[] = {
    "CREATE TABLE parts (name TEXT); INSERT INTO parts VALUES ('bolt')",
    "ALTER TABLE parts ADD COLUMN mass REAL; UPDATE parts SET mass = 3"};

static VelmDatabase *open_scratch(StoreFixture *f) {
  g_autofree char *path = g_build_filename(f->folder, "m.sqlite", NULL);
  VelmDatabase *database = velm_sqlite_open(path, "the store", TRUE, NULL, &f->error);
  g_assert_no_error(f->error);
  return database;
}

static gint64 read_int(StoreFixture *f, VelmDatabase *database, const char *sql) {
  gint64 value = -1;
  velm_database_read_int(database, sql, &value, &f->error);
  g_assert_no_error(f->error);
  return value;
}

static void test_migrate(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmDatabase) database = open_scratch(f);
  g_assert_true(velm_store_migrate(database, two_versions, 1, &f->error));
  g_assert_cmpint(read_int(f, database, "PRAGMA user_version"), ==, 1);
  for (int round = 0; round < 2; round++) { /* the second finds it done */
    g_assert_true(velm_store_migrate(database, two_versions, 2, &f->error));
    g_assert_cmpint(read_int(f, database, "PRAGMA user_version"), ==, 2);
    g_assert_cmpint(read_int(f, database, "SELECT sum(mass) FROM parts"), ==, 3);
  }
  g_assert_false(velm_store_migrate(database, two_versions, 1, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "of a newer velm (schema 2, this one knows up to 1)");
}

static void test_migrate_from_nothing(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmDatabase) database = open_scratch(f);
  g_assert_true(velm_store_migrate(database, two_versions, 2, &f->error));
  g_assert_cmpint(read_int(f, database, "SELECT sum(mass) FROM parts"), ==, 3);
}

/* The version before stays whole: what the script did before it failed is undone. */
static void test_migration_that_fails(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const broken[] = {
      "CREATE TABLE parts (name TEXT); INSERT INTO parts VALUES ('bolt')",
      "UPDATE parts SET name = 'nut'; DELETE FROM machines"};
  g_autoptr(VelmDatabase) database = open_scratch(f);
  g_assert_false(velm_store_migrate(database, broken, 2, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "no such table: machines");
  g_assert_cmpint(read_int(f, database, "PRAGMA user_version"), ==, 1);
  g_assert_cmpint(read_int(f, database, "SELECT count(*) FROM parts WHERE name = 'bolt'"), ==, 1);
  g_assert_true(velm_store_migrate(database, two_versions, 2, &f->error));
}

/* In place of the fixture's, a store of version 1 with one record. */
static void make_version_1(StoreFixture *f) {
  g_autoptr(GBytes) image = store_image(1, 2000);
  g_autofree char *images = velm_store_images_path(f->path);
  g_autofree char *sha256 = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, image);
  g_autofree char *path = g_build_filename(f->path, "records.sqlite", NULL);
  g_autofree char *rows = g_strdup_printf(
      "INSERT INTO images VALUES ('%s', 'image/png', 2000);"
      "INSERT INTO records (id, key, product, time, image, decision, class, verdict)"
      " VALUES (7, 'old', 'bracket', 1, '%s', 'defect', 'dent', 1);"
      "INSERT INTO documents (record, time, bytes, json) VALUES (7, 1, 2, '{}');"
      "UPDATE store SET last_record = 7;",
      sha256, sha256);
  static const char parts[] = "INSERT INTO weeks VALUES (-259200000000, '19691229', 1, 1);"
                              "CREATE TABLE records_19691229 PARTITION OF records"
                              " FOR VALUES FROM (-259200000000) TO (345600000000);"
                              "CREATE TABLE documents_19691229 PARTITION OF documents"
                              " FOR VALUES FROM (-259200000000) TO (345600000000);"
                              "INSERT INTO keys VALUES ('old', 7, 1);";
  VelmDatabaseState state = VELM_DATABASE_FINE;
  g_clear_pointer(&f->store, velm_store_free);
  if (f->url) {
    g_free(f->url);
    f->url = postgres_server_new_database();
  } else {
    g_assert_cmpint(g_unlink(path), ==, 0);
  }
  g_autoptr(VelmDatabase) database = store_connect(f);
  g_assert_true(velm_store_write_file(images, sha256, image, &state, &f->error));
  g_assert_true(velm_store_migrate(
                    database, f->url ? velm_store_postgres_versions : velm_store_sqlite_versions, 1,
                    &f->error) &&
                (!f->url || velm_database_run_script(database, parts, &f->error)) &&
                velm_database_run_script(database, rows, &f->error));
}

/* What it held is there, and it works as one that is new. */
static void test_version_1(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_auto(VelmStoreInfo) info = {0};
  gint64 n = -1;
  VelmStoreQuery query = velm_store_query_default();
  make_version_1(f);
  g_assert_true(velm_store_read_info(f->url ? f->url : f->path, &info, &f->error));
  g_assert_cmpint(info.version, ==, 1);
  g_assert_cmpint(info.size.records, ==, 1);
  store_reopen(f);
  g_autoptr(VelmStoredRecord) old = NULL, new = store_add(f, "new", 2, 2, NULL);
  g_assert_cmpint(new->id, ==, 8);
  g_assert_cmpstr(new->station, ==, f->url ? STORE_STATION : NULL);
  g_assert_true(velm_store_find(f->store, "old", &old, &f->error));
  g_assert_cmpint(old->id, ==, 7);
  g_assert_cmpstr(old->class_name, ==, "dent");
  g_assert_cmpint(old->verdict, ==, VELM_VERDICT_CONFIRM);
  g_assert_null(old->station);
  query.station = STORE_STATION;
  g_assert_true(velm_store_count(f->store, &query, &n, &f->error));
  g_assert_cmpint(n, ==, f->url != NULL);
  store_assert_whole(f, 2);
  store_reopen(f); /* it is of the new version now */
  g_assert_cmpint(
      store_read_int(f, f->url ? "SELECT schema_version FROM store" : "PRAGMA user_version"), ==,
      2);
}

#define ADD(name, function)                                                                        \
  g_test_add("/store/" name, StoreFixture, NULL, store_set_up, function, store_tear_down)
#define BOTH(name, function) STORE_ADD_BOTH(shared, "/store/", name, store_set_up, function)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  gboolean shared = store_add_shared();
  BOTH("add", test_add);
  BOTH("missing", test_missing);
  BOTH("failed-image", test_failed_image);
  BOTH("map", test_map);
  BOTH("same-key", test_same_key);
  BOTH("existed", test_existed);
  ADD("key-of-another", test_key_of_another);
  BOTH("bad-submissions", test_bad_submissions);
  BOTH("one-file-for-equal-images", test_one_file_for_equal_images);
  ADD("held-image", test_held_image);
  BOTH("image-with-record-stays", test_image_with_record_stays);
  BOTH("names-of-images", test_names_of_images);
  BOTH("damaged-image", test_damaged_image);
  BOTH("missing-image", test_missing_image);
  BOTH("review", test_review);
  BOTH("bad-reviews", test_bad_reviews);
  BOTH("audit", test_audit);
  BOTH("audit-stays", test_audit_stays);
  BOTH("retain-by-age", test_retain_by_age);
  BOTH("retain-by-size", test_retain_by_size);
  BOTH("retain-keeps-reviewed", test_retain_keeps_reviewed);
  BOTH("retain-keeps-shared-images", test_retain_keeps_shared_images);
  BOTH("retain-keeps-held-images", test_retain_keeps_held_images);
  BOTH("bad-retention", test_bad_retention);
  ADD("in-use", test_in_use);
  ADD("only-the-user-reads", test_only_the_user_reads);
  ADD("foreign", test_foreign);
  ADD("newer", test_newer);
  ADD("sweep", test_sweep);
  ADD("damaged-database", test_damaged_database);
  ADD("migrate", test_migrate);
  ADD("migrate-from-nothing", test_migrate_from_nothing);
  ADD("migration-that-fails", test_migration_that_fails);
  BOTH("version-1", test_version_1);
  return g_test_run();
}
