#include "core/scratch.h"

#include <glib/gstdio.h>
#include <string.h>

char *scratch_new(void) {
  GError *error = NULL;
  char *folder = g_dir_make_tmp("velm-test-XXXXXX", &error);
  g_assert_no_error(error);
  return folder;
}

static void remove_tree(const char *path) {
  g_autoptr(GDir) folder =
      g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name(folder))) {
    g_autofree char *below = g_build_filename(path, name, NULL);
    remove_tree(below);
  }
  g_remove(path);
}

void scratch_remove(char *folder) {
  remove_tree(folder);
  g_free(folder);
}

char *scratch_write(const char *folder, const char *name, gconstpointer data, gsize size) {
  GError *error = NULL;
  char *path = g_build_filename(folder, name, NULL);
  g_file_set_contents(path, data, (gssize)size, &error);
  g_assert_no_error(error);
  return path;
}

void assert_failure(GError **error, VelmError code, const char *text) {
  g_assert_error(*error, VELM_ERROR, (int)code);
  g_test_message("%s", (*error)->message);
  g_assert_true(g_utf8_validate((*error)->message, -1, NULL));
  g_assert_null(strpbrk((*error)->message, "\r\n"));
  if (!strstr((*error)->message, text))
    g_error("the message \"%s\" lacks \"%s\"", (*error)->message, text);
  g_clear_error(error);
}
