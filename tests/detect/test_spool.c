#include "detect/spool.h"

#include "core/scratch.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define ROW 5

static float *numbered(gsize first, gsize n) {
  float *rows = g_new(float, n *ROW);
  for (gsize i = 0; i < n * ROW; i++)
    rows[i] = (float)(first * ROW + i);
  return rows;
}

static VelmSpool *open_spool(void) {
  g_autoptr(GError) error = NULL;
  VelmSpool *spool = velm_spool_new(ROW, &error);
  g_assert_no_error(error);
  g_assert_nonnull(spool);
  return spool;
}

static void append(VelmSpool *spool, gsize n) {
  g_autoptr(GError) error = NULL;
  gsize first = velm_spool_n_rows(spool);
  g_autofree float *rows = numbered(first, n);
  gboolean ok = velm_spool_append(spool, rows, n, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  g_assert_cmpuint(velm_spool_n_rows(spool), ==, first + n);
}

static void check_rows(VelmSpool *spool, gsize first, gsize n) {
  g_autoptr(GError) error = NULL;
  g_autofree float *right = numbered(first, n);
  g_autofree float *rows = g_new0(float, MAX(n, 1) * ROW);
  gboolean ok = velm_spool_read(spool, first, n, rows, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  g_assert_cmpmem(rows, n * ROW * sizeof(float), right, n * ROW * sizeof(float));
}

static void test_round_trip(void) {
  g_autoptr(VelmSpool) spool = open_spool();
  g_assert_cmpuint(velm_spool_n_rows(spool), ==, 0);
  append(spool, 1);
  append(spool, 1000);
  append(spool, 0);
  append(spool, 70000);
  check_rows(spool, 0, 71001);
  check_rows(spool, 0, 1);
  check_rows(spool, 71000, 1);
  check_rows(spool, 500, 600);
  check_rows(spool, 71001, 0);
}

/* Reading and appending may take turns. */
static void test_turns(void) {
  g_autoptr(VelmSpool) spool = open_spool();
  for (gsize i = 0; i < 10; i++) {
    append(spool, 3);
    check_rows(spool, 0, 3 * (i + 1));
  }
}

static void test_two(void) {
  g_autoptr(VelmSpool) one = open_spool();
  g_autoptr(VelmSpool) other = open_spool();
  append(one, 2);
  append(other, 5);
  append(one, 2);
  check_rows(one, 0, 4);
  check_rows(other, 0, 5);
}

static void test_past_the_end(void) {
  g_autoptr(VelmSpool) spool = open_spool();
  append(spool, 3);
  float rows[4 * ROW];
  GError *error = NULL;
  g_assert_false(velm_spool_read(spool, 0, 4, rows, &error));
  g_assert_null(strstr(error->message, g_strerror(0)));
  assert_failure(&error, VELM_ERROR_FILE, "cannot be read");
  g_assert_false(velm_spool_read(spool, 100, 1, rows, &error));
  assert_failure(&error, VELM_ERROR_FILE, "cannot be read");
  check_rows(spool, 0, 3);
}

/* Whatever happens to the process, nothing stays behind. */
static void test_unnamed(void) {
  g_autoptr(VelmSpool) spool = open_spool();
  append(spool, 3);
  g_autoptr(GDir) temporary = g_dir_open(g_get_tmp_dir(), 0, NULL);
  g_assert_null(g_dir_read_name(temporary));
}

/* A limit on the size of files stands for a full disk. */
static void test_full(void) {
  g_autoptr(VelmSpool) spool = open_spool();
  append(spool, 10);
  struct rlimit was, small;
  g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &was), ==, 0);
  small = was;
  small.rlim_cur = 4096;
  signal(SIGXFSZ, SIG_IGN);
  g_autofree float *rows = numbered(10, 1000);
  GError *error = NULL;
  g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
  gboolean ok = velm_spool_append(spool, rows, 1000, &error);
  g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &was), ==, 0);
  g_assert_false(ok);
  assert_failure(&error, VELM_ERROR_FILE, "cannot be written");
  g_assert_cmpuint(velm_spool_n_rows(spool), ==, 10);
  append(spool, 1000);
  check_rows(spool, 0, 1010);
}

/* The last test: the folder for temporary files is gone after it. */
static void test_no_folder(void) {
  GError *error = NULL;
  g_assert_cmpint(g_rmdir(g_get_tmp_dir()), ==, 0);
  g_assert_null(velm_spool_new(ROW, &error));
  assert_failure(&error, VELM_ERROR_FILE, g_get_tmp_dir());
}

/* An empty folder for temporary files, before GLib looks where that is, which it does once. */
static void use_own_folder(void) {
  const char *base = g_getenv("TMPDIR");
  g_autofree char *folder = g_build_filename(base ? base : "/tmp", "velm-spool-XXXXXX", NULL);
  g_assert_nonnull(g_mkdtemp(folder));
  g_setenv("TMPDIR", folder, TRUE);
  g_assert_cmpstr(g_get_tmp_dir(), ==, folder);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  use_own_folder();
  g_test_add_func("/spool/round-trip", test_round_trip);
  g_test_add_func("/spool/turns", test_turns);
  g_test_add_func("/spool/two", test_two);
  g_test_add_func("/spool/past-the-end", test_past_the_end);
  g_test_add_func("/spool/unnamed", test_unnamed);
  g_test_add_func("/spool/full", test_full);
  g_test_add_func("/spool/no-folder", test_no_folder);
  int result = g_test_run();
  g_rmdir(g_get_tmp_dir());
  return result;
}
