/* Marks of the store: how far each who goes through the records has come. */
#include "act/store.h"

#include "act/store_fixture.h"
#include "core/scratch.h"

#include <string.h>

/* The number of the record after @after; 0 where there is none. */
static gint64 next(StoreFixture *f, gint64 after) {
  g_autoptr(VelmStoredRecord) record = NULL;
  g_assert_true(velm_store_next(f->store, after, &record, &f->error));
  g_assert_no_error(f->error);
  return record ? record->id : 0;
}

static gint64 begin(StoreFixture *f, const char *name) {
  gint64 record = -1;
  g_assert_true(velm_store_begin_mark(f->store, name, &record, &f->error));
  g_assert_no_error(f->error);
  return record;
}

static void set(StoreFixture *f, const char *name, gint64 record) {
  g_assert_true(velm_store_set_mark(f->store, name, record, &f->error));
  g_assert_no_error(f->error);
}

static void remove_older(StoreFixture *f, gint64 time, gint64 expected) {
  gint64 removed = -1;
  const VelmRetention retention = {.max_age = 1};
  g_assert_true(velm_store_retain(f->store, &retention, time + 1, &removed, &f->error));
  g_assert_cmpint(removed, ==, expected);
}

/* ---- the next record ---- */

static void test_next(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_assert_cmpint(next(f, 0), ==, 0);
  gint64 first = store_add_part(f, "a", 1, 300), second = store_add_part(f, "b", 2, 100),
         third = store_add_part(f, "c", 3, 200);
  for (int round = 0; round < 2; round++) { /* also over a restart */
    /* As they came to be on the disk, whatever their times. */
    g_assert_cmpint(next(f, 0), ==, first);
    g_assert_cmpint(next(f, first), ==, second);
    g_assert_cmpint(next(f, second), ==, third);
    g_assert_cmpint(next(f, third), ==, 0);
    g_assert_cmpint(next(f, G_MAXINT64), ==, 0);
    g_assert_cmpint(next(f, G_MININT64), ==, first);
    store_reopen(f);
  }
}

static void test_next_is_whole(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 id = store_add_part(f, "a", 1, 300);
  g_autoptr(VelmStoredRecord) record = NULL, expected = NULL;
  g_assert_true(velm_store_next(f->store, 0, &record, &f->error));
  g_assert_true(velm_store_get(f->store, id, &expected, &f->error));
  g_assert_cmpstr(record->key, ==, "a");
  g_assert_cmpstr(record->image, ==, expected->image);
  g_assert_nonnull(record->json);
  g_assert_cmpstr(record->json, ==, expected->json);
}

/* Those that retention has removed are passed over. */
static void test_next_of_a_gap(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 first = store_add_part(f, "a", 1, 300);
  store_add_part(f, "b", 2, 100);
  store_add_part(f, "c", 3, 100);
  gint64 last = store_add_part(f, "d", 4, 300);
  remove_older(f, 200, 2);
  g_assert_cmpint(next(f, first), ==, last);
}

static void add_of(StoreFixture *f, const char *key, const char *station) {
  g_autoptr(GBytes) image = store_image(1, 500);
  const VelmSubmission submission = {.key = key,
                                     .product = "bracket",
                                     .station = station,
                                     .time = 1,
                                     .image = image,
                                     .media_type = "image/png",
                                     .failure = "x"};
  g_autoptr(VelmStoredRecord) record = velm_store_add(f->store, &submission, NULL, &f->error);
  g_assert_no_error(f->error);
  g_assert_cmpstr(record->station, ==, station);
}

/* Of a shared store, whoever opens it as a station follows that one's. */
static void test_next_of_station(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const stations[] = {"station 2", NULL, "station 1", "station 2", "station 1"};
  for (guint i = 0; i < G_N_ELEMENTS(stations); i++) {
    g_autofree char *key = g_strdup_printf("%u", i);
    add_of(f, key, stations[i]);
  }
  g_assert_cmpint(next(f, 0), ==, f->url ? 3 : 1);
  g_assert_cmpint(next(f, 3), ==, f->url ? 5 : 4);
  g_assert_cmpint(next(f, 5), ==, 0);
}

/* The first that had the key: it stays of that one's. */
static void test_next_of_same_key(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) image = store_image(1, 500);
  VelmSubmission submission = {.key = "k",
                               .product = "bracket",
                               .station = "station 2",
                               .time = 1,
                               .image = image,
                               .media_type = "image/png",
                               .failure = "x"};
  for (int round = 0; round < 2; round++) {
    gboolean existed = FALSE;
    g_autoptr(VelmStoredRecord) record = velm_store_add(f->store, &submission, &existed, &f->error);
    g_assert_no_error(f->error);
    g_assert_cmpint(existed, ==, round);
    g_assert_cmpstr(record->station, ==, "station 2");
    submission.station = "station 1";
  }
  g_assert_cmpint(next(f, 0), ==, f->url ? 0 : 1);
}

/* ---- marks ---- */

static void test_begin(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_assert_cmpint(begin(f, "early"), ==, 0);
  gint64 id = store_add_part(f, "a", 1, 1);
  g_assert_cmpint(begin(f, "early"), ==, 0); /* it is not new any more */
  g_assert_cmpint(begin(f, "late"), ==, id);
  store_add_part(f, "b", 2, 1);
  store_reopen(f);
  g_assert_cmpint(begin(f, "early"), ==, 0);
  g_assert_cmpint(begin(f, "late"), ==, id);
}

/* The next record is one that the mark has yet to see, also where the last has gone. */
static void test_begin_after_retention(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_add_part(f, "a", 1, 100);
  gint64 last = store_add_part(f, "b", 2, 100);
  remove_older(f, 200, 2);
  g_assert_cmpint(next(f, 0), ==, 0);
  store_reopen(f);
  g_assert_cmpint(begin(f, "new"), ==, last);
  gint64 id = store_add_part(f, "c", 3, 300);
  g_assert_cmpint(id, >, last);
  g_assert_cmpint(next(f, begin(f, "new")), ==, id);
}

static void test_set(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  gint64 first = store_add_part(f, "a", 1, 1), second = store_add_part(f, "b", 2, 1);
  begin(f, "plc");
  set(f, "plc", first);
  set(f, "hook", second); /* which did not begin */
  for (int round = 0; round < 2; round++) {
    g_assert_cmpint(begin(f, "plc"), ==, first);
    g_assert_cmpint(begin(f, "hook"), ==, second);
    store_reopen(f);
  }
  set(f, "plc", second);
  set(f, "hook", first); /* back */
  store_reopen(f);
  g_assert_cmpint(begin(f, "plc"), ==, second);
  g_assert_cmpint(begin(f, "hook"), ==, first);
}

static void test_names(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *longest = g_strnfill(VELM_STORE_MAX_NAME, 'n');
  g_autofree char *longer = g_strnfill(VELM_STORE_MAX_NAME + 1, 'n');
  const struct {
    const char *name, *words;
  } bad[] = {{NULL, "mark is missing"},
             {"", "mark is missing"},
             {"\xff", "mark is not UTF-8"},
             {"a\nb", "mark holds control"},
             {longer, "mark is too long"}};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    gint64 record = 0;
    g_assert_false(velm_store_begin_mark(f->store, bad[i].name, &record, &f->error));
    assert_failure(&f->error, VELM_ERROR_USAGE, bad[i].words);
    g_assert_false(velm_store_set_mark(f->store, bad[i].name, 1, &f->error));
    assert_failure(&f->error, VELM_ERROR_USAGE, bad[i].words);
  }
  g_assert_cmpint(store_read_int(f, "SELECT count(*) FROM marks"), ==, 0);
  set(f, longest, 7);
  set(f, "it's \"one\"; \xc3\xa4", 8);
  g_assert_cmpint(begin(f, longest), ==, 7);
  g_assert_cmpint(begin(f, "it's \"one\"; \xc3\xa4"), ==, 8);
}

#define BOTH(name, function) STORE_ADD_BOTH(shared, "/store/marks/", name, store_set_up, function)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  gboolean shared = store_add_shared();
  BOTH("next", test_next);
  BOTH("next-is-whole", test_next_is_whole);
  BOTH("next-of-a-gap", test_next_of_a_gap);
  BOTH("next-of-station", test_next_of_station);
  BOTH("next-of-same-key", test_next_of_same_key);
  BOTH("begin", test_begin);
  BOTH("begin-after-retention", test_begin_after_retention);
  BOTH("set", test_set);
  BOTH("names", test_names);
  return g_test_run();
}
