#include "act/store_fixture.h"

#include "core/database_postgres.h"
#include "core/database_sqlite.h"
#include "core/postgres_server.h"
#include "core/scratch.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utime.h>

void store_set_up(StoreFixture *f, gconstpointer data) {
  f->folder = scratch_new();
  f->url = data == STORE_SHARED ? postgres_server_new_database() : NULL;
  f->path = g_build_filename(f->folder, "station", NULL);
  store_reopen(f);
}

void store_tear_down(StoreFixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_store_free(f->store);
  g_clear_error(&f->error);
  g_free(f->url);
  g_free(f->path);
  scratch_remove(f->folder);
}

void store_reopen(StoreFixture *f) {
  g_clear_pointer(&f->store, velm_store_free);
  f->store = f->url ? velm_store_open_shared(f->path, f->url, STORE_STATION, &f->error)
                    : velm_store_open(f->path, &f->error);
  g_assert_no_error(f->error);
  g_assert_nonnull(f->store);
}

GBytes *store_image(guint number, gsize size) {
  char *bytes = g_malloc(size);
  memset(bytes, 'a' + (int)(number % 26), size);
  g_snprintf(bytes, 16, "part %u", number);
  return g_bytes_new_take(bytes, size);
}

VelmInspection *store_inspection(const char *class_name, double confidence, double score,
                                 VelmDecision decision) {
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->score = score;
  inspection->threshold = 1;
  inspection->anomalous = score > 1;
  inspection->class_name = g_strdup(class_name);
  inspection->confidence = confidence;
  inspection->decision = decision;
  return inspection;
}

static void skip(void) { g_test_skip("PostgreSQL is not installed"); }

VelmStoredRecord *store_add(StoreFixture *f, const char *key, guint image, gint64 time,
                            const VelmInspection *inspection) {
  g_autoptr(GBytes) bytes = store_image(image, 2000);
  const VelmSubmission submission = {.key = key,
                                     .product = "bracket",
                                     .time = time,
                                     .image = bytes,
                                     .media_type = "image/png",
                                     .station = f->url ? STORE_STATION : NULL,
                                     .inspection = inspection,
                                     .failure = "not an image"};
  VelmStoredRecord *record = velm_store_add(f->store, &submission, NULL, &f->error);
  if (record && f->url)
    store_age_image(f, record->image);
  return record;
}

void store_age_image(const StoreFixture *f, const char *sha256) {
  g_autofree char *path = velm_store_image_path(f->store, sha256);
  const struct utimbuf times = {0};
  g_assert_cmpint(g_utime(path, (struct utimbuf *)&times), ==, 0);
}

gboolean store_add_shared(void) {
  if (postgres_server_is_installed())
    return TRUE;
  g_test_message("without a PostgreSQL: the programs of the server are not installed");
  g_test_add_func("/store/shared", skip);
  return FALSE;
}

gint64 store_add_part(StoreFixture *f, const char *key, guint image, gint64 time) {
  g_autoptr(VelmInspection) inspection =
      store_inspection("scratch", 0.8, 2.5, VELM_DECISION_DEFECT);
  g_autoptr(VelmStoredRecord) record = store_add(f, key, image, time, inspection);
  g_assert_no_error(f->error);
  g_assert_nonnull(record);
  return record->id;
}

VelmDatabase *store_connect(StoreFixture *f) {
  g_autofree char *path = g_build_filename(f->path, "records.sqlite", NULL);
  VelmDatabase *database = f->url
                               ? velm_postgres_open(f->url, "the store", 1, FALSE, NULL, &f->error)
                               : velm_sqlite_open(path, "the store", TRUE, NULL, &f->error);
  g_assert_no_error(f->error);
  return database;
}

void store_run_sql(StoreFixture *f, const char *sql) {
  g_autoptr(VelmDatabase) database = store_connect(f);
  velm_database_run_script(database, sql, &f->error);
  g_assert_no_error(f->error);
}

gint64 store_read_int(StoreFixture *f, const char *sql) {
  gint64 value = -1;
  g_autoptr(VelmDatabase) database = store_connect(f);
  velm_database_read_int(database, sql, &value, &f->error);
  g_assert_no_error(f->error);
  return value;
}

guint store_count_files(const StoreFixture *f) {
  guint n = 0;
  g_autofree char *images = g_build_filename(f->path, "images", NULL);
  g_autoptr(GDir) folders = g_dir_open(images, 0, NULL);
  for (const char *name; (name = g_dir_read_name(folders));) {
    g_autofree char *path = g_build_filename(images, name, NULL);
    g_autoptr(GDir) files = g_dir_open(path, 0, NULL);
    while (g_dir_read_name(files))
      n++;
  }
  return n;
}

void store_assert_whole(StoreFixture *f, gint64 images) {
  g_autoptr(VelmStoreCheck) check = velm_store_check(f->store, NULL, NULL, &f->error);
  g_assert_no_error(f->error);
  for (guint i = 0; i < check->faults->len; i++)
    g_error("%s", (const char *)check->faults->pdata[i]);
  g_assert_cmpint(check->n_faults, ==, 0);
  g_assert_cmpint(check->images, ==, images);
}

/* ---- disks ---- */

void store_limit_files(guint64 bytes) {
  const struct rlimit limit = {bytes, RLIM_INFINITY};
  signal(SIGXFSZ, SIG_IGN);
  g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
}

static gboolean write_text(const char *path, const char *text) {
  int fd = g_open(path, O_WRONLY | O_CLOEXEC, 0);
  gboolean ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  if (fd >= 0)
    close(fd);
  return ok;
}

/* Mounts that nobody else sees. Who is not root becomes it, in a world of its own, where that is
 * let. */
static gboolean get_own_mounts(void) {
  g_autofree char *map = g_strdup_printf("0 %u 1", getuid());
  if (unshare(CLONE_NEWNS) != 0 &&
      (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !write_text("/proc/self/uid_map", map)))
    return FALSE;
  return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

void store_with_small_disk(StoreFixture *f, void (*test)(StoreFixture *f)) {
  enum { NO_MOUNT = 77 };
  int status = 0;
  g_clear_pointer(&f->store, velm_store_free);
  pid_t child = fork();
  if (child == 0) {
    if (!get_own_mounts() || mount("tmpfs", f->folder, "tmpfs", 0, "size=6m") != 0)
      _exit(NO_MOUNT);
    store_reopen(f);
    test(f);
    g_clear_pointer(&f->store, velm_store_free);
    _exit(0);
  }
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == NO_MOUNT)
    g_test_skip("a disk cannot be mounted here");
  else
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
