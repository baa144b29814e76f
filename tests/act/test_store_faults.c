/* The store when it is killed, when the disk is full or read-only, and under many threads. */
#include "act/store.h"

#include "act/store_fixture.h"
#include "core/file.h"
#include "core/scratch.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static gint64 count(StoreFixture *f) {
  const VelmStoreQuery query = velm_store_query_default();
  gint64 n = -1;
  g_assert_true(velm_store_count(f->store, &query, &n, &f->error));
  return n;
}

static VelmDatabaseState state_of(StoreFixture *f) {
  g_auto(VelmStoreHealth) health = velm_store_get_health(f->store);
  g_assert_true((health.state == VELM_DATABASE_FINE) == (health.message == NULL));
  return health.state;
}

/* ---- killed ---- */

enum { ROUNDS = 50, WRITERS = 3 };

typedef struct {
  VelmStore *store;
  int writer, round, pipe;
} Writer;

/* The number of an image is that of its key, but every third is that of the one before. */
static guint image_of(guint number) { return number % 3 == 2 ? number - 1 : number; }

static gboolean add_number(VelmStore *store, guint number) {
  g_autofree char *key = g_strdup_printf("%u", number);
  g_autoptr(GBytes) bytes = store_image(image_of(number), 20000);
  g_autoptr(VelmInspection) inspection = store_inspection("dent", 0.5, 2, VELM_DECISION_DEFECT);
  const VelmSubmission submission = {.key = key,
                                     .product = "bracket",
                                     .time = number + 1,
                                     .image = bytes,
                                     .media_type = "image/png",
                                     .inspection = inspection};
  g_autoptr(VelmStoredRecord) record = velm_store_add(store, &submission, NULL, NULL);
  return record != NULL;
}

/* Adds parts, and acknowledges each. */
static gpointer write_until_killed(gpointer data) {
  const Writer *writer = data;
  for (guint i = 0;; i++) {
    guint number = ((guint)writer->round * 200 + i) * WRITERS + (guint)writer->writer;
    if (!add_number(writer->store, number) ||
        write(writer->pipe, &number, sizeof number) != sizeof number)
      _exit(1);
  }
  return NULL;
}

/* Threads are made only in the child: it has them all. */
static G_NORETURN void run_writers(const char *path, int round, int pipe) {
  Writer writers[WRITERS];
  VelmStore *store = velm_store_open(path, NULL);
  if (!store)
    _exit(2);
  for (int i = 0; i < WRITERS; i++) {
    writers[i] = (Writer){store, i, round, pipe};
    g_thread_new("writer", write_until_killed, &writers[i]);
  }
  for (;;) { /* retention takes some of what the others add, and their images */
    const VelmRetention retention = {.max_bytes = 1000000};
    if (!velm_store_retain(store, &retention, 0, NULL, NULL))
      _exit(3);
    g_usleep(3000);
  }
}

/* Returns: (element-type guint): what was acknowledged before the kill. */
static GArray *kill_writers(const char *path, int round, gulong after_us) {
  GArray *acknowledged = g_array_new(FALSE, FALSE, sizeof(guint));
  int ends[2], status = 0;
  guint number;
  g_assert_cmpint(pipe(ends), ==, 0);
  pid_t child = fork();
  if (child == 0)
    run_writers(path, round, ends[1]);
  close(ends[1]);
  g_assert_cmpint(read(ends[0], &number, sizeof number), ==, sizeof number);
  g_array_append_val(acknowledged, number);
  g_usleep(after_us);
  kill(child, SIGKILL);
  while (read(ends[0], &number, sizeof number) == sizeof number)
    g_array_append_val(acknowledged, number);
  waitpid(child, &status, 0);
  close(ends[0]);
  g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  return acknowledged;
}

/* Everything acknowledged has its record, unless retention took it as one of the oldest. */
static guint assert_kept(StoreFixture *f, const GArray *acknowledged) {
  VelmStoreQuery query = velm_store_query_default();
  query.order = VELM_STORE_OLDEST;
  g_autofree char *next = NULL;
  g_autoptr(GPtrArray) oldest = velm_store_list(f->store, &query, NULL, 1, &next, &f->error);
  g_assert_no_error(f->error);
  guint n_kept = 0;
  for (guint i = 0; i < acknowledged->len; i++) {
    guint number = g_array_index(acknowledged, guint, i);
    g_autofree char *key = g_strdup_printf("%u", number);
    g_autoptr(VelmStoredRecord) record = NULL;
    g_assert_true(velm_store_find(f->store, key, &record, &f->error));
    if (!record) {
      /* Threads are not in step: one's next part may be older than what went already. */
      g_assert_cmpint(number, <, ((VelmStoredRecord *)oldest->pdata[0])->time + 1000);
      continue;
    }
    g_autoptr(GBytes) expected = store_image(image_of(number), 20000);
    g_autoptr(GBytes) image = velm_store_read_image(f->store, record->image, &f->error);
    g_assert_no_error(f->error);
    g_assert_true(g_bytes_equal(image, expected));
    n_kept++;
  }
  return n_kept;
}

/* As many files as images with a record, no key twice, nothing damaged. */
static void assert_consistent(StoreFixture *f) {
  gint64 images = store_read_int(f, "SELECT count(DISTINCT image) FROM records");
  store_assert_whole(f, images);
  g_assert_cmpint(store_count_files(f), ==, images);
  g_assert_cmpint(store_read_int(f, "SELECT count(*) - count(DISTINCT key) FROM records"), ==, 0);
  g_assert_cmpint(store_read_int(f, "SELECT count(*) FROM records WHERE id NOT IN"
                                    " (SELECT record FROM documents)"),
                  ==, 0);
}

static void test_killed(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GRand) random = g_rand_new_with_seed(17);
  guint n_acknowledged = 0, n_kept = 0;
  for (int round = 0; round < ROUNDS; round++) {
    g_clear_pointer(&f->store, velm_store_free);
    g_autoptr(GArray) acknowledged =
        kill_writers(f->path, round, (gulong)g_rand_int_range(random, 0, 80000));
    store_reopen(f);
    n_acknowledged += acknowledged->len;
    n_kept += assert_kept(f, acknowledged);
    assert_consistent(f);
  }
  g_test_message("%u acknowledged, %u there after their kill, %u at the end", n_acknowledged,
                 n_kept, (guint)count(f));
  g_assert_cmpuint(n_kept, >, ROUNDS);
  g_assert_cmpint(count(f), <, n_acknowledged); /* retention was at it */
}

/* Without retention nothing at all may be missing, whoever sends it again. */
static void test_killed_and_sent_again(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GRand) random = g_rand_new_with_seed(5);
  guint sent = 0;
  for (int round = 0; round < 10; round++) {
    int ends[2], status = 0;
    guint number = 0, acknowledged = 0;
    g_clear_pointer(&f->store, velm_store_free);
    g_assert_cmpint(pipe(ends), ==, 0);
    pid_t child = fork();
    if (child == 0) {
      VelmStore *store = velm_store_open(f->path, NULL);
      for (guint i = 0; store && add_number(store, i); i++)
        if (write(ends[1], &i, sizeof i) != sizeof i)
          break;
      _exit(1);
    }
    close(ends[1]);
    g_assert_cmpint(read(ends[0], &number, sizeof number), ==, sizeof number);
    acknowledged = number + 1;
    g_usleep((gulong)g_rand_int_range(random, 0, 60000));
    kill(child, SIGKILL);
    while (read(ends[0], &number, sizeof number) == sizeof number)
      acknowledged = number + 1;
    waitpid(child, &status, 0);
    close(ends[0]);
    sent = MAX(sent, acknowledged);
    store_reopen(f);
    g_assert_cmpint(count(f), >=, sent);
    g_assert_cmpint(count(f), <=, MAX(sent, acknowledged) + 1); /* one may be on its way */
    sent = (guint)count(f);
    assert_consistent(f);
  }
  for (guint i = 0; i < sent; i++)
    g_assert_true(add_number(f->store, i));
  g_assert_cmpint(count(f), ==, sent);
}

/* ---- disk full ---- */

/* No image can be written, and soon no record either. */
static void test_no_file_may_grow(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_add_part(f, "before", 1, 1);
  store_limit_files(1000);
  for (int i = 0; i < 3; i++) {
    g_assert_null(store_add(f, "during", 2, 2, NULL));
    assert_failure(&f->error, VELM_ERROR_FILE, "cannot be written: File too large");
    g_assert_cmpint(state_of(f), ==, VELM_DATABASE_FULL);
    g_assert_false(velm_store_probe(f->store, &f->error));
    assert_failure(&f->error, VELM_ERROR_FILE, "images cannot be written");
  }
  /* The image is there already: it is the record that has no room. SQLite does not keep why. */
  g_assert_null(store_add(f, "record", 1, 2, NULL));
  assert_failure(&f->error, VELM_ERROR_FILE, "disk I/O error");
  g_assert_cmpint(count(f), ==, 1); /* reading goes on */
  store_limit_files(RLIM_INFINITY);
  g_assert_true(velm_store_probe(f->store, &f->error));
  g_assert_cmpint(state_of(f), ==, VELM_DATABASE_FINE);
  store_add_part(f, "during", 2, 2);
  g_assert_cmpint(count(f), ==, 2);
  store_assert_whole(f, 2);
  g_assert_cmpuint(store_count_files(f), ==, 2);
}

static void fill_small_disk(StoreFixture *f) {
  guint n = 0;
  while (add_number(f->store, n))
    n++;
  g_assert_cmpuint(n, >, 20);
  g_assert_cmpint(state_of(f), ==, VELM_DATABASE_FULL);
  g_assert_false(velm_store_probe(f->store, &f->error));
  g_clear_error(&f->error);
  for (int i = 0; i < 5; i++)
    g_assert_false(add_number(f->store, n + 3));
  /* Everything acknowledged is there, and can be read. */
  g_assert_cmpint(count(f), ==, n);
  store_assert_whole(f, store_read_int(f, "SELECT count(*) FROM images"));
  /* It opens on the full disk too. */
  store_reopen(f);
  g_assert_cmpint(count(f), ==, n);
  /* A larger disk, and it goes on by itself. */
  g_assert_cmpint(mount("tmpfs", f->folder, "tmpfs", MS_REMOUNT, "size=20m"), ==, 0);
  g_assert_true(velm_store_probe(f->store, &f->error));
  g_assert_true(add_number(f->store, n));
  g_assert_cmpint(state_of(f), ==, VELM_DATABASE_FINE);
  g_assert_cmpint(count(f), ==, n + 1);
  assert_consistent(f);
}

static void test_disk_full(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_with_small_disk(f, fill_small_disk);
}

/* Retention on a full disk makes room: it must not need some first. */
static void free_small_disk(StoreFixture *f) {
  const VelmRetention retention = {.max_bytes = 300000};
  guint n = 0;
  while (add_number(f->store, n))
    n++;
  gint64 removed = 0;
  g_assert_true(velm_store_retain(f->store, &retention, 0, &removed, &f->error));
  g_assert_no_error(f->error);
  g_assert_cmpint(removed, >, 0);
  g_assert_cmpint(count(f), ==, n - removed);
  g_assert_true(add_number(f->store, n));
  g_assert_cmpint(state_of(f), ==, VELM_DATABASE_FINE);
  assert_consistent(f);
}

static void test_retention_on_a_full_disk(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_with_small_disk(f, free_small_disk);
}

/* ---- read-only ---- */

/* The disk itself turns read-only, as one that fails does. */
static void turn_read_only(StoreFixture *f) {
  g_assert_true(add_number(f->store, 0));
  g_clear_pointer(&f->store,
                  velm_store_free); /* a disk with files being written cannot be turned */
  g_assert_cmpint(mount("tmpfs", f->folder, "tmpfs", MS_REMOUNT | MS_RDONLY, "size=6m"), ==, 0);
  g_assert_null(velm_store_open(f->path, &f->error));
  assert_failure(&f->error, VELM_ERROR_FILE, "Read-only file system");
  g_assert_cmpint(mount("tmpfs", f->folder, "tmpfs", MS_REMOUNT, "size=6m"), ==, 0);
  store_reopen(f);
  g_assert_true(add_number(f->store, 1));
  assert_consistent(f);
}

static void test_disk_read_only(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  store_with_small_disk(f, turn_read_only);
}

/* As a user whom the folder's permissions hold back, where this is root. */
static void test_folder_read_only(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  int status = 0;
  g_autofree char *unfinished = g_build_filename(f->path, "images", "unfinished", NULL);
  g_clear_pointer(&f->store, velm_store_free);
  if (getuid() == 0) {
    g_autofree char *command = g_strdup_printf("chown -R 65534 '%s'", f->folder);
    g_assert_true(g_spawn_command_line_sync(command, NULL, NULL, NULL, NULL));
  }
  pid_t child = fork();
  if (child == 0) {
    if (getuid() == 0 && setuid(65534) != 0)
      _exit(1);
    store_reopen(f);
    store_add_part(f, "before", 1, 1);
    g_assert_cmpint(g_chmod(unfinished, 0500), ==, 0);
    g_assert_null(store_add(f, "during", 2, 2, NULL));
    assert_failure(&f->error, VELM_ERROR_FILE, "cannot be written: Permission denied");
    g_assert_cmpint(state_of(f), ==, VELM_DATABASE_READ_ONLY);
    g_assert_false(velm_store_probe(f->store, &f->error));
    g_clear_error(&f->error);
    g_assert_cmpint(count(f), ==, 1);
    g_assert_cmpint(g_chmod(unfinished, 0700), ==, 0);
    store_add_part(f, "during", 2, 2);
    g_assert_cmpint(state_of(f), ==, VELM_DATABASE_FINE);
    store_assert_whole(f, 2);
    g_clear_pointer(&f->store, velm_store_free);
    _exit(0);
  }
  waitpid(child, &status, 0);
  g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- many threads, backup, check ---- */

typedef struct {
  VelmStore *store;
  guint from;
  int *stop;
  guint n; /* of parts that were added */
} Load;

static gpointer add_load(gpointer data) {
  Load *load = data;
  while (!g_atomic_int_get(load->stop)) {
    g_assert_true(add_number(load->store, load->from + load->n));
    load->n++;
  }
  return NULL;
}

static void test_backup_under_load(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  enum { THREADS = 3 };
  int stop = 0;
  Load loads[THREADS];
  GThread *threads[THREADS];
  g_autofree char *folder = g_build_filename(f->folder, "backup", NULL);
  for (guint i = 0; i < 300; i++)
    g_assert_true(add_number(f->store, i));
  for (guint i = 0; i < THREADS; i++) {
    loads[i] = (Load){f->store, 100000 * (i + 1), &stop, 0};
    threads[i] = g_thread_new("load", add_load, &loads[i]);
  }
  for (int round = 0; round < 4; round++) {
    gint64 damaged = -1, before = count(f);
    g_assert_true(velm_store_backup(f->store, folder, NULL, NULL, &damaged, &f->error));
    g_assert_no_error(f->error);
    g_assert_cmpint(damaged, ==, 0);
    g_autoptr(VelmStore) backup = velm_store_open(folder, &f->error);
    g_assert_no_error(f->error);
    StoreFixture b = {.path = folder, .store = backup};
    g_assert_cmpint(count(&b), >=, before);
    assert_consistent(&b);
  }
  g_atomic_int_set(&stop, 1);
  gint64 added = 300;
  for (int i = 0; i < THREADS; i++) {
    g_thread_join(threads[i]);
    g_assert_cmpuint(loads[i].n, >, 0);
    added += loads[i].n;
  }
  g_assert_cmpint(count(f), ==, added);
  assert_consistent(f);
}

static gboolean stop_at_images(const char *stage, gsize done, gsize total, gpointer user_data) {
  return !g_str_equal(stage, user_data);
}

/* What went from the store goes from its next backup; what is given up changes nothing. */
static void test_backup_is_brought_up_to_date(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  const VelmRetention retention = {.max_age = 10};
  g_autofree char *folder = g_build_filename(f->folder, "backup", NULL);
  StoreFixture b = {.path = folder};
  for (guint i = 0; i < 4; i++)
    store_add_part(f, (char[]){(char)('a' + i), '\0'}, i, i < 2 ? 1 : 1000);
  g_assert_true(velm_store_backup(f->store, folder, NULL, NULL, NULL, &f->error));
  g_assert_cmpuint(store_count_files(&b), ==, 4);
  g_assert_true(velm_store_retain(f->store, &retention, 1000, NULL, &f->error));
  store_add_part(f, "new", 9, 1000);
  static const char *const stages[] = {"records", "images"};
  for (gsize i = 0; i < G_N_ELEMENTS(stages); i++) {
    g_assert_false(
        velm_store_backup(f->store, folder, stop_at_images, (gpointer)stages[i], NULL, &f->error));
    assert_failure(&f->error, VELM_ERROR_CANCELLED, "given up");
    store_reopen(&b);
    g_assert_cmpint(count(&b), ==, 4);
    assert_consistent(&b);
    g_clear_pointer(&b.store, velm_store_free);
  }
  g_assert_true(velm_store_backup(f->store, folder, NULL, NULL, NULL, &f->error));
  store_reopen(&b);
  g_assert_cmpint(count(&b), ==, 3);
  assert_consistent(&b);
  velm_store_free(b.store);
}

static void test_backup_of_damaged_image(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *folder = g_build_filename(f->folder, "backup", NULL);
  g_autoptr(VelmStoredRecord) record = NULL;
  gint64 damaged = 0;
  store_add_part(f, "a", 1, 1);
  store_add_part(f, "b", 2, 1);
  g_assert_true(velm_store_find(f->store, "a", &record, &f->error));
  g_autofree char *path = velm_store_image_path(f->store, record->image);
  g_assert_true(velm_file_write(path, "x", 1, &f->error));
  g_assert_true(velm_store_backup(f->store, folder, NULL, NULL, &damaged, &f->error));
  g_assert_cmpint(damaged, ==, 1);
}

static void test_backup_elsewhere(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *other = g_build_filename(f->folder, "other", NULL);
  StoreFixture o = {.path = other};
  store_reopen(&o);
  store_add_part(&o, "theirs", 1, 1);
  g_assert_false(velm_store_backup(f->store, f->path, NULL, NULL, NULL, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "not its own backup");
  g_assert_false(velm_store_backup(f->store, other, NULL, NULL, NULL, &f->error));
  g_assert_nonnull(f->error);
  g_clear_error(&f->error);
  g_clear_pointer(&o.store, velm_store_free);
  g_assert_false(velm_store_backup(f->store, other, NULL, NULL, NULL, &f->error));
  assert_failure(&f->error, VELM_ERROR_USAGE, "something else than a backup of this store");
  store_reopen(&o);
  g_assert_cmpint(count(&o), ==, 1);
  velm_store_free(o.store);
}

/* Threads that add the same keys: each key has one record. */
static gpointer add_same(gpointer data) {
  for (guint i = 0; i < 60; i++)
    g_assert_true(add_number(data, i));
  return NULL;
}

static void test_same_keys_at_once(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  GThread *threads[4];
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
    threads[i] = g_thread_new("same", add_same, f->store);
  for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
    g_thread_join(threads[i]);
  g_assert_cmpint(count(f), ==, 60);
  assert_consistent(f);
}

#define ADD(name, function)                                                                        \
  g_test_add("/store/faults/" name, StoreFixture, NULL, store_set_up, function, store_tear_down)
#define BOTH(name, function) STORE_ADD_BOTH(shared, "/store/faults/", name, store_set_up, function)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  gboolean shared = store_add_shared();
  ADD("killed", test_killed);
  ADD("killed-and-sent-again", test_killed_and_sent_again);
  ADD("no-file-may-grow", test_no_file_may_grow);
  ADD("disk-full", test_disk_full);
  ADD("retention-on-a-full-disk", test_retention_on_a_full_disk);
  ADD("disk-read-only", test_disk_read_only);
  ADD("folder-read-only", test_folder_read_only);
  ADD("backup-under-load", test_backup_under_load);
  ADD("backup-is-brought-up-to-date", test_backup_is_brought_up_to_date);
  ADD("backup-of-damaged-image", test_backup_of_damaged_image);
  ADD("backup-elsewhere", test_backup_elsewhere);
  BOTH("same-keys-at-once", test_same_keys_at_once);
  return g_test_run();
}
