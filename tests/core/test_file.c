#include "core/file.h"

#include "core/scratch.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static char *folder;

static char *in_folder(const char *name) { return g_build_filename(folder, name, NULL); }

static GBytes *read_file(const char *path) {
  g_autoptr(GError) error = NULL;
  GBytes *bytes = velm_file_read(path, &error);
  g_assert_no_error(error);
  g_assert_nonnull(bytes);
  return bytes;
}

static void check_content(const char *path, const char *content) {
  g_autoptr(GBytes) bytes = read_file(path);
  g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), content, strlen(content));
}

static void check_write(const char *path, const char *content) {
  g_autoptr(GError) error = NULL;
  gboolean ok = velm_file_write(path, content, strlen(content), &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  check_content(path, content);
}

/* ---- whole files ---- */

static void test_round_trip(void) {
  g_autofree char *path = in_folder("a file \xc3\xa4[1].txt");
  check_write(path, "first");
  check_write(path, "another, longer");
  check_write(path, "");
  GStatBuf status;
  g_assert_cmpint(g_stat(path, &status), ==, 0);
  g_assert_cmpint(status.st_mode & 0644, ==, 0644);
}

static void test_zero_bytes(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = in_folder("zeros");
  g_assert_true(velm_file_write(path, "a\0b\0", 4, &error));
  g_autoptr(GBytes) bytes = read_file(path);
  g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "a\0b\0", 4);
}

static void test_unreadable(void) {
  GError *error = NULL;
  g_autofree char *missing = in_folder("missing");
  g_assert_null(velm_file_read(missing, &error));
  assert_failure(&error, VELM_ERROR_FILE, "missing: no such file");
  g_assert_null(velm_file_read(folder, &error));
  assert_failure(&error, VELM_ERROR_FILE, "is a folder");
  g_autofree char *below = in_folder("missing/deeper");
  g_assert_null(velm_file_read(below, &error));
  assert_failure(&error, VELM_ERROR_FILE, "missing/deeper: no such file");
}

static void test_unwritable(void) {
  GError *error = NULL;
  g_autofree char *below = in_folder("missing/new");
  g_assert_false(velm_file_write(below, "x", 1, &error));
  assert_failure(&error, VELM_ERROR_FILE, "missing/new: cannot be written");
  g_assert_false(velm_file_write(folder, "x", 1, &error));
  assert_failure(&error, VELM_ERROR_FILE, "cannot be written");
  g_assert_false(velm_file_write("", "x", 1, &error));
  assert_failure(&error, VELM_ERROR_FILE, "cannot be written");
}

static guint n_entries(const char *path) {
  guint n = 0;
  g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
  g_assert_nonnull(directory);
  while (g_dir_read_name(directory))
    n++;
  return n;
}

/* A full disk, as far as a limit on the size of files is one: the old content stays, and nothing
 * else is left behind. */
static void test_full(void) {
  GError *error = NULL;
  g_autofree char *inner = in_folder("full");
  g_assert_true(velm_file_make_folder(inner, &error));
  g_autofree char *path = g_build_filename(inner, "model", NULL);
  check_write(path, "the old one");
  struct rlimit was, small = {4096, RLIM_INFINITY};
  g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &was), ==, 0);
  small.rlim_max = was.rlim_max;
  signal(SIGXFSZ, SIG_IGN);
  g_autofree char *large = g_strnfill(1000 * 1000, 'x');
  g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
  gboolean ok = velm_file_write(path, large, 1000 * 1000, &error);
  g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &was), ==, 0);
  g_assert_false(ok);
  assert_failure(&error, VELM_ERROR_FILE, "model: cannot be written");
  check_content(path, "the old one");
  g_assert_cmpuint(n_entries(inner), ==, 1);
}

/* ---- folders ---- */

static void test_make_folder(void) {
  GError *error = NULL;
  g_autofree char *deep = in_folder("one/two/three");
  g_assert_true(velm_file_make_folder(deep, &error));
  g_assert_true(velm_file_make_folder(deep, &error));
  g_assert_no_error(error);
  g_assert_true(g_file_test(deep, G_FILE_TEST_IS_DIR));
  g_autofree char *file = in_folder("one/file");
  check_write(file, "x");
  g_assert_false(velm_file_make_folder(file, &error));
  assert_failure(&error, VELM_ERROR_FILE, "one/file: the folder cannot be made");
  g_autofree char *below = in_folder("one/file/below");
  g_assert_false(velm_file_make_folder(below, &error));
  assert_failure(&error, VELM_ERROR_FILE, "one/file/below: the folder cannot be made");
}

static char *joined(GPtrArray *names) {
  g_ptr_array_add(names, NULL);
  char *text = g_strjoinv("|", (char **)names->pdata);
  g_ptr_array_unref(names);
  return text;
}

static void test_list(void) {
  static const char *const files[] = {"b.png", "a.png", "B.png", ".hidden", "10", "9", "\xc3\xa4"};
  static const char *const folders[] = {"z", "y", ".git"};
  GError *error = NULL;
  g_autofree char *inner = in_folder("list");
  for (gsize i = 0; i < G_N_ELEMENTS(folders); i++) {
    g_autofree char *path = g_build_filename(inner, folders[i], NULL);
    g_assert_true(velm_file_make_folder(path, &error));
  }
  for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
    g_autofree char *path = g_build_filename(inner, files[i], NULL);
    check_write(path, "");
  }
  g_autofree char *names = joined(velm_file_list(inner, &error));
  g_assert_cmpstr(names, ==, "10|9|B.png|a.png|b.png|\xc3\xa4");
  g_autofree char *below = joined(velm_file_list_folders(inner, &error));
  g_assert_cmpstr(below, ==, "y|z");
  g_autofree char *missing = in_folder("missing");
  g_assert_null(velm_file_list(missing, &error));
  assert_failure(&error, VELM_ERROR_FILE, "missing: no such folder");
  g_autofree char *file = g_build_filename(inner, "9", NULL);
  g_assert_null(velm_file_list_folders(file, &error));
  assert_failure(&error, VELM_ERROR_FILE, "list/9");
}

/* Links count as what they lead to; those that lead nowhere, as nothing. */
static void test_list_links(void) {
  GError *error = NULL;
  g_autofree char *inner = in_folder("links");
  g_autofree char *target = g_build_filename(inner, "target", NULL);
  g_autofree char *link_to_folder = g_build_filename(inner, "folder", NULL);
  g_autofree char *broken = g_build_filename(inner, "broken", NULL);
  g_assert_true(velm_file_make_folder(target, &error));
  g_assert_cmpint(symlink("target", link_to_folder), ==, 0);
  g_assert_cmpint(symlink("nowhere", broken), ==, 0);
  g_autofree char *folders = joined(velm_file_list_folders(inner, &error));
  g_assert_cmpstr(folders, ==, "folder|target");
  g_autofree char *files = joined(velm_file_list(inner, &error));
  g_assert_cmpstr(files, ==, "");
}

/* A link stays one, and what it points to is written; a pipe stays a pipe. */
static void test_write_through(void) {
  g_autofree char *target = in_folder("target"), *link = in_folder("alias"),
                  *pipe_path = in_folder("pipe");
  check_write(target, "old");
  g_assert_cmpint(symlink(target, link), ==, 0);
  check_write(link, "new");
  check_content(target, "new");
  g_assert_true(g_file_test(link, G_FILE_TEST_IS_SYMLINK));
  g_assert_cmpint(mkfifo(pipe_path, 0600), ==, 0);
  int reader = open(pipe_path, O_RDWR); /* so that the writer does not wait for one */
  g_assert_cmpint(reader, >=, 0);
  g_assert_true(velm_file_write(pipe_path, "through", 7, NULL));
  char got[8] = "";
  g_assert_cmpint(read(reader, got, 7), ==, 7);
  g_assert_cmpstr(got, ==, "through");
  close(reader);
  GStatBuf status;
  g_assert_cmpint(g_stat(pipe_path, &status), ==, 0);
  g_assert_true(S_ISFIFO(status.st_mode));
  g_assert_cmpint(g_unlink(pipe_path) + g_unlink(link) + g_unlink(target), ==, 0);
}

static void test_image_names(void) {
  static const char *const yes[] = {"a.png",  "/x.y/b.JPG", "c.jpeg",
                                    "d.Tiff", "e.tar.bmp",  ".webp"};
  static const char *const no[] = {"", "png", "a.png.txt", "a.", "x.png/readme", "a.pn", "a.png "};
  for (gsize i = 0; i < G_N_ELEMENTS(yes); i++)
    g_assert_true(velm_file_is_image_name(yes[i]));
  for (gsize i = 0; i < G_N_ELEMENTS(no); i++)
    g_assert_false(velm_file_is_image_name(no[i]));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  folder = scratch_new();
  g_test_add_func("/file/round-trip", test_round_trip);
  g_test_add_func("/file/zero-bytes", test_zero_bytes);
  g_test_add_func("/file/unreadable", test_unreadable);
  g_test_add_func("/file/unwritable", test_unwritable);
  g_test_add_func("/file/full", test_full);
  g_test_add_func("/file/write-through", test_write_through);
  g_test_add_func("/file/make-folder", test_make_folder);
  g_test_add_func("/file/list", test_list);
  g_test_add_func("/file/list-links", test_list_links);
  g_test_add_func("/file/image-names", test_image_names);
  int result = g_test_run();
  scratch_remove(folder);
  return result;
}
