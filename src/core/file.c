#include "core/file.h"

#include "velm.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

GBytes *velm_file_read(const char *path, GError **error) {
  if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: is a folder, not a file", path);
    return NULL;
  }
  char *data = NULL;
  gsize size = 0;
  g_autoptr(GError) cause = NULL;
  if (!g_file_get_contents(path, &data, &size, &cause)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", path,
                g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? "no such file"
                                                                         : cause->message);
    return NULL;
  }
  return g_bytes_new_take(data, size);
}

char *velm_file_read_limited(const char *path, gsize most, gsize *length, GError **error) {
  FILE *file = g_fopen(path, "rb");
  if (!file) {
    int code = errno;
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", path,
                code == ENOENT ? "no such file" : g_strerror(code));
    return NULL;
  }
  g_autofree char *text = g_malloc(most + 1);
  *length = fread(text, 1, most + 1, file);
  int code = ferror(file) ? errno : 0;
  fclose(file);
  if (code) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", path,
                code == EISDIR ? "is a folder, not a file" : g_strerror(code));
    return NULL;
  }
  return g_steal_pointer(&text);
}

char *velm_file_sha256(const char *path, GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, &cause);
  if (!file) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", path,
                g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? "no such file"
                                                                         : cause->message);
    return NULL;
  }
  g_autoptr(GBytes) bytes = g_mapped_file_get_bytes(file);
  return g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
}

/* Whether @path is there and is neither a file nor a folder: a device or a pipe, which a renamed
 * file would take the place of. */
static gboolean is_device(const char *path) {
  GStatBuf status;
  return g_stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

static gboolean write_to_device(const char *path, gconstpointer data, gsize size, GError **error) {
  FILE *file = g_fopen(path, "wb");
  gboolean ok = file && fwrite(data, 1, size, file) == size;
  int code = errno;
  if (file && fclose(file) != 0 && ok) {
    code = errno;
    ok = FALSE;
  }
  if (!ok)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be written: %s", path,
                g_strerror(code));
  return ok;
}

gboolean velm_file_write(const char *path, gconstpointer data, gsize size, GError **error) {
  if (size > G_MAXSSIZE) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: too large to write", path);
    return FALSE;
  }
  if (is_device(path))
    return write_to_device(path, data, size, error);
  /* What a link points to is written, not the link replaced. */
  g_autofree char *target = realpath(path, NULL);
  g_autoptr(GError) cause = NULL;
  if (g_file_set_contents_full(target ? target : path, data, (gssize)size,
                               G_FILE_SET_CONTENTS_CONSISTENT, 0644, &cause))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be written: %s", path,
              cause->message);
  return FALSE;
}

gboolean velm_file_make_folder(const char *path, GError **error) {
  if (g_mkdir_with_parents(path, 0755) == 0)
    return TRUE;
  int code = errno;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: the folder cannot be made: %s", path,
              g_strerror(code));
  return FALSE;
}

static int compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *list(const char *path, GFileTest kind, GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(GDir) folder = g_dir_open(path, 0, &cause);
  if (!folder) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", path,
                g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? "no such folder"
                                                                         : cause->message);
    return NULL;
  }
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  const char *name;
  while ((name = g_dir_read_name(folder))) {
    g_autofree char *full = g_build_filename(path, name, NULL);
    if (name[0] != '.' && g_file_test(full, kind))
      g_ptr_array_add(names, g_strdup(name));
  }
  g_ptr_array_sort(names, compare_names);
  return names;
}

GPtrArray *velm_file_list(const char *path, GError **error) {
  return list(path, G_FILE_TEST_IS_REGULAR, error);
}

GPtrArray *velm_file_list_folders(const char *path, GError **error) {
  return list(path, G_FILE_TEST_IS_DIR, error);
}

gboolean velm_file_is_image_name(const char *path) {
  static const char *const endings[] = {".png",  ".jpg",  ".jpeg", ".bmp", ".tif",
                                        ".tiff", ".webp", ".gif",  ".ppm", ".pgm",
                                        ".pnm",  ".avif", ".heic", ".jp2", ".jxl"};
  const char *dot = strrchr(path, '.');
  if (!dot)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(endings); i++)
    if (g_ascii_strcasecmp(dot, endings[i]) == 0)
      return TRUE;
  return FALSE;
}

gboolean velm_file_is_same(const GStatBuf *a, const GStatBuf *b) {
  return a->st_ino == b->st_ino && a->st_size == b->st_size &&
         a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}
