/* A watched folder: each image that is put there has one record in the end, however it came, and
 * whatever happens meanwhile. */
#include "serve/folder_link.h"

#include "core/scratch.h"
#include "serve/line_fixture.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the folder ---- */

static char *path_of(const LineFixture *f, const char *name) {
  return g_build_filename(f->folder, "in", name, NULL);
}

static void set_up(LineFixture *f, gconstpointer data) {
  line_set_up(f, data);
  g_autofree char *in = g_build_filename(f->folder, "in", NULL);
  g_assert_cmpint(g_mkdir(in, 0755), ==, 0);
}

/* A station that watches the folder, and is started. */
static VelmLink *watch(LineFixture *f) {
  g_autofree char *in = g_build_filename(f->folder, "in", NULL);
  line_make(f);
  VelmProduct *product = velm_station_find_product(f->station, LINE_PRODUCT);
  VelmLink *link = line_add_link(f, velm_folder_link_new(f->station, product, in, &f->error));
  line_start(f);
  return link;
}

static void write_file(const LineFixture *f, const char *name, guint number) {
  g_autofree char *path = path_of(f, name);
  line_write_image(path, number);
}

static void rename_to(const LineFixture *f, const char *name, guint number) {
  g_autofree char *path = path_of(f, name);
  g_autofree char *outside = g_build_filename(f->folder, "outside", NULL);
  line_write_image(outside, number);
  g_assert_cmpint(g_rename(outside, path), ==, 0);
}

static gboolean is_there(const LineFixture *f, const char *name) {
  g_autofree char *path = path_of(f, name);
  return g_file_test(path, G_FILE_TEST_EXISTS);
}

static gboolean was_taken(const LineFixture *f, const char *name) {
  g_autofree char *path = g_build_filename(f->folder, "in", "taken", name, NULL);
  return !is_there(f, name) && g_file_test(path, G_FILE_TEST_EXISTS);
}

static VelmStoredRecord *only_record(LineFixture *f) {
  g_autoptr(GPtrArray) records = line_records(f);
  g_assert_cmpuint(records->len, ==, 1);
  return g_ptr_array_steal_index(records, 0);
}

/* ---- how they come ---- */

static void test_ways(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  write_file(f, "before.png", 0);
  VelmLink *link = watch(f);
  write_file(f, "written.png", 1);
  rename_to(f, "renamed.png", 10);
  line_wait_for(was_taken(f, "before.png"));
  line_wait_for(was_taken(f, "written.png"));
  line_wait_for(was_taken(f, "renamed.png"));
  g_assert_cmpuint(line_count(f), ==, 3);
  g_assert_cmpuint(line_count_of(f, "before.png"), ==, 1);
  g_assert_cmpuint(line_count_of(f, "written.png"), ==, 1);
  g_assert_cmpuint(line_count_of(f, "renamed.png"), ==, 1);
  g_assert_true(line_link_is(link, VELM_STATE_READY, NULL));
}

/* Longer than a file that nobody closes must be still, to be taken. */
static void test_grows(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) image = line_image(2);
  g_autofree char *path = path_of(f, "slow.png");
  gsize size = 0;
  const char *bytes = g_bytes_get_data(image, &size);
  watch(f);
  FILE *file = fopen(path, "wb");
  for (gsize i = 0; i < 10; i++) {
    gsize from = i * size / 10, n = (i + 1) * size / 10 - from;
    g_assert_cmpuint(fwrite(bytes + from, 1, n, file), ==, n);
    g_assert_cmpint(fflush(file), ==, 0);
    g_usleep(250 * 1000);
    g_assert_cmpuint(line_count(f), ==, 0);
  }
  g_assert_cmpint(fclose(file), ==, 0);
  line_wait_for(was_taken(f, "slow.png"));
  g_autoptr(VelmStoredRecord) record = only_record(f);
  g_autofree char *sha256 = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, image);
  g_assert_cmpstr(record->image, ==, sha256);
}

static void test_one_name_twice(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  watch(f);
  rename_to(f, "part.png", 10);
  line_wait_for(was_taken(f, "part.png"));
  rename_to(f, "part.png", 11);
  line_wait_for(was_taken(f, "part.png") && line_count(f) == 2);
  g_autofree char *second = g_build_filename(f->folder, "in", "taken", "1-part.png", NULL);
  line_wait_for(g_file_test(second, G_FILE_TEST_EXISTS));
  g_assert_cmpuint(line_count_of(f, "part.png"), ==, 2);
}

/* Others come under the names of those that are on their way. */
static void test_replaced_at_once(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  watch(f);
  for (guint i = 0; i < 30; i++) {
    rename_to(f, "part.png", 10 + i);
    g_usleep((gulong)g_test_rand_int_range(0, 10000));
  }
  line_wait_for(was_taken(f, "part.png"));
  /* What is replaced before it is taken has none. The last one has, and all have one at most. */
  g_autoptr(GPtrArray) records = line_records(f);
  g_autoptr(GHashTable) images = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < records->len; i++)
    g_assert_true(g_hash_table_add(images, ((VelmStoredRecord *)records->pdata[i])->image));
  g_autoptr(GBytes) last = line_image(39);
  g_autofree char *sha256 = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, last);
  g_assert_true(g_hash_table_contains(images, sha256));
}

static void test_one_content_twice(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  watch(f);
  rename_to(f, "a.png", 10);
  rename_to(f, "b.png", 10);
  line_wait_for(was_taken(f, "a.png") && was_taken(f, "b.png"));
  g_assert_cmpuint(line_count(f), ==, 2);
  g_assert_cmpuint(line_count_of(f, "a.png"), ==, 1);
  g_assert_cmpuint(line_count_of(f, "b.png"), ==, 1);
}

/* Names that no key, or no text at all, could be. */
static void test_odd_names(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const names[] = {"p\xff\xfe.png", "two\nlines.png", "a \"b\" %s.PNG",
                                      "\xc2\x85.png", NULL};
  g_autofree char *digits = g_strnfill(240, '7');
  g_autofree char *longest = g_strconcat(digits, ".png", NULL);
  VelmLink *link = watch(f);
  for (guint i = 0; names[i]; i++)
    rename_to(f, names[i], 10 + i);
  rename_to(f, longest, 20);
  for (guint i = 0; names[i]; i++)
    line_wait_for(was_taken(f, names[i]));
  line_wait_for(was_taken(f, longest));
  g_assert_cmpuint(line_count(f), ==, 5);
  g_assert_cmpuint(line_count_of(f, "two\nlines.png"), ==, 1);
  g_assert_cmpuint(line_count_of(f, "p\xef\xbf\xbd\xef\xbf\xbd.png"), ==, 1);
  g_assert_true(line_link_is(link, VELM_STATE_READY, NULL));
}

/* ---- what is no good ---- */

static void test_broken(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GBytes) image = line_image(0);
  g_autofree char *outside = scratch_write(f->folder, "outside", g_bytes_get_data(image, NULL),
                                           g_bytes_get_size(image) / 2);
  g_autofree char *path = path_of(f, "broken.png");
  VelmLink *link = watch(f);
  g_assert_cmpint(g_rename(outside, path), ==, 0);
  line_wait_for(was_taken(f, "broken.png"));
  g_autoptr(VelmStoredRecord) record = only_record(f);
  g_assert_cmpstr(record->decision, ==, VELM_STORE_FAILED);
  g_assert_nonnull(strstr(record->json, "broken.png"));
  g_assert_null(strstr(record->json, f->data)); /* it is not told where the store has it */
  g_assert_true(line_link_is(link, VELM_STATE_READY, NULL));
}

static void test_ignored(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *folder = path_of(f, "folder.png");
  g_assert_cmpint(g_mkdir(folder, 0755), ==, 0);
  write_file(f, ".hidden.png", 10);
  write_file(f, "notes.txt", 11);
  VelmLink *link = watch(f);
  rename_to(f, ".hidden2.png", 12);
  rename_to(f, "notes2.txt", 13);
  rename_to(f, "part.png", 14);
  line_wait_for(was_taken(f, "part.png"));
  line_end(f);
  link = watch(f); /* looks through the folder before it takes the next */
  rename_to(f, "part2.png", 15);
  line_wait_for(was_taken(f, "part2.png"));
  g_assert_cmpuint(line_count(f), ==, 2);
  g_assert_true(is_there(f, "folder.png") && is_there(f, ".hidden.png") &&
                is_there(f, "notes.txt") && is_there(f, ".hidden2.png") &&
                is_there(f, "notes2.txt"));
  g_assert_true(line_link_is(link, VELM_STATE_READY, NULL));
}

/* A file without content is one whose content has yet to come. */
static void test_empty(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *outside = scratch_write(f->folder, "outside", "", 0);
  g_autofree char *path = path_of(f, "empty.png");
  VelmLink *link = watch(f);
  g_assert_cmpint(g_rename(outside, path), ==, 0);
  line_wait_for(line_link_is(link, VELM_STATE_DEGRADED, "empty.png: the file is empty"));
  g_assert_true(is_there(f, "empty.png"));
  g_assert_cmpuint(line_count(f), ==, 0);
  write_file(f, "empty.png", 3);
  line_wait_for(was_taken(f, "empty.png"));
  line_wait_for(line_link_is(link, VELM_STATE_READY, NULL));
  g_autoptr(VelmStoredRecord) record = only_record(f);
  g_assert_cmpstr(record->decision, ==, "normal");
}

static void test_no_folder(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *path = g_build_filename(f->folder, "absent", NULL);
  line_make(f);
  VelmProduct *product = velm_station_find_product(f->station, LINE_PRODUCT);
  g_assert_null(velm_folder_link_new(f->station, product, path, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "absent: no folder that could be watched");
}

/* ---- the disk's moods ---- */

/* Whether it is known when an image has come: one of which it is not is taken when it has been the
 * same for two seconds. Only too slow a machine needs several tries. */
static gboolean is_told_of_images(LineFixture *f) {
  for (guint i = 0; i < 20; i++) {
    g_autofree char *name = g_strdup_printf("part%u.png", i);
    gint64 start = g_get_monotonic_time();
    rename_to(f, name, 10 + i);
    line_wait_for(was_taken(f, name));
    if (g_get_monotonic_time() - start < 2 * G_TIME_SPAN_SECOND)
      return TRUE;
  }
  return FALSE;
}

static void test_comes_back(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *in = g_build_filename(f->folder, "in", NULL);
  VelmLink *link = watch(f);
  line_wait_for(line_link_is(link, VELM_STATE_READY, NULL));
  g_assert_cmpint(g_rmdir(in), ==, 0);
  line_wait_for(line_link_is(link, VELM_STATE_FAILED, in));
  g_assert_cmpint(g_mkdir(in, 0755), ==, 0);
  line_wait_for(line_link_is(link, VELM_STATE_READY, NULL));
  g_assert_true(is_told_of_images(f));
}

/* Another is put in the place of the folder. */
static void test_replaced(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *in = g_build_filename(f->folder, "in", NULL);
  g_autofree char *earlier = g_build_filename(f->folder, "earlier", NULL);
  VelmLink *link = watch(f);
  line_wait_for(line_link_is(link, VELM_STATE_READY, NULL));
  g_assert_cmpint(g_rename(in, earlier), ==, 0);
  g_assert_cmpint(g_mkdir(in, 0755), ==, 0);
  g_assert_true(is_told_of_images(f));
}

/* It stays in the folder, but does not get a second record: not after a restart, nor once it can be
 * moved. */
static void test_cannot_be_moved(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *taken = path_of(f, "taken");
  g_assert_true(g_file_set_contents(taken, "in the way", -1, NULL));
  for (int round = 0; round < 2; round++) {
    VelmLink *link = watch(f);
    if (round == 0)
      rename_to(f, "part.png", 10);
    line_wait_for(line_link_is(link, VELM_STATE_DEGRADED, "taken"));
    g_assert_true(is_there(f, "part.png"));
    g_assert_cmpuint(line_count(f), ==, 1);
    if (round == 1) {
      g_assert_cmpint(g_remove(taken), ==, 0);
      line_wait_for(was_taken(f, "part.png"));
      line_wait_for(line_link_is(link, VELM_STATE_READY, NULL));
      g_assert_cmpuint(line_count(f), ==, 1);
    }
    line_end(f);
  }
}

/* The product takes one at a time; while its model is opened, none is done. */
static void test_queue_full(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->most_queued = 1;
  for (guint i = 0; i < 8; i++) {
    g_autofree char *name = g_strdup_printf("part%u.png", i);
    rename_to(f, name, 10 + i);
  }
  VelmLink *link = watch(f);
  line_wait_for(line_link_is(link, VELM_STATE_DEGRADED, "wait already"));
  for (guint i = 0; i < 8; i++) {
    g_autofree char *name = g_strdup_printf("part%u.png", i);
    line_wait_for(was_taken(f, name));
  }
  g_assert_cmpuint(line_count(f), ==, 8);
  line_wait_for(line_link_is(link, VELM_STATE_READY, NULL));
}

/* ---- killed ---- */

/* This program as a station that is to be killed: PROGRAM --station SCRATCH MODEL. */
static G_NORETURN void run_until_killed(char **argv) {
  LineFixture f = {
      .folder = argv[2], .data = g_build_filename(argv[2], "station", NULL), .most_queued = 100};
  line_use_model(argv[3]);
  watch(&f);
  for (;;)
    pause();
}

static GPid start_child(LineFixture *f) {
  GPid child = 0;
  char *argv[] = {(char *)"/proc/self/exe", (char *)"--station", f->folder,
                  (char *)line_model_folder(), NULL};
  g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &child, &f->error);
  g_assert_no_error(f->error);
  return child;
}

/* Files that are put there, before and while it is at them. */
static void kill_child(LineFixture *f, guint *n_files) {
  int status = 0;
  GPid child = start_child(f);
  for (guint i = 0; i < 6; i++) {
    g_autofree char *name = g_strdup_printf("part%u.png", *n_files);
    guint number = 10 + *n_files - *n_files % 3 / 2; /* some have one content */
    ++*n_files;
    if (i % 2)
      rename_to(f, name, number);
    else
      write_file(f, name, number);
    if (i == 3)
      line_wait_for(was_taken(f, name));
  }
  g_usleep((gulong)g_test_rand_int_range(0, 20000));
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void test_killed(LineFixture *f, G_GNUC_UNUSED gconstpointer data) {
  guint n_files = 0;
  for (int round = 0; round < (g_test_slow() ? 40 : 5); round++)
    kill_child(f, &n_files);
  watch(f);
  for (guint i = 0; i < n_files; i++) {
    g_autofree char *name = g_strdup_printf("part%u.png", i);
    line_wait_for(was_taken(f, name));
    g_assert_cmpuint(line_count_of(f, name), ==, 1);
  }
  g_assert_cmpuint(line_count(f), ==, n_files);
}

#define ADD(name, function)                                                                        \
  g_test_add("/serve/folder/" name, LineFixture, NULL, set_up, function, line_tear_down)

int main(int argc, char **argv) {
  if (argc == 4 && g_str_equal(argv[1], "--station"))
    run_until_killed(argv);
  g_test_init(&argc, &argv, NULL);
  g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
  line_fit_model();
  ADD("ways", test_ways);
  ADD("grows", test_grows);
  ADD("one-name-twice", test_one_name_twice);
  ADD("replaced-at-once", test_replaced_at_once);
  ADD("one-content-twice", test_one_content_twice);
  ADD("odd-names", test_odd_names);
  ADD("broken", test_broken);
  ADD("ignored", test_ignored);
  ADD("empty", test_empty);
  ADD("no-folder", test_no_folder);
  ADD("comes-back", test_comes_back);
  ADD("replaced", test_replaced);
  ADD("cannot-be-moved", test_cannot_be_moved);
  ADD("queue-full", test_queue_full);
  ADD("killed", test_killed);
  int code = g_test_run();
  line_remove_model();
  return code;
}
