#include "serve/allowed_file.h"

#include "velm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *velm_allowed_folder(const char *folder, GError **error) {
  char *real = realpath(folder, NULL);
  if (real && g_file_test(real, G_FILE_TEST_IS_DIR)) {
    char *copy = g_strdup(real);
    free(real);
    return copy;
  }
  free(real);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: no folder that images could be in", folder);
  return NULL;
}

static gboolean is_below(const char *folder, const char *path) {
  gsize length = strlen(folder);
  return strncmp(path, folder, length) == 0 &&
         (path[length] == '/' || (length == 1 && folder[0] == '/'));
}

/* Where the open file is now: between looking and opening, a folder may have become a link. */
static gboolean is_open_below(int file, const char *folder) {
  g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", file);
  char *now = realpath(link, NULL);
  gboolean is_there = now && is_below(folder, now);
  free(now);
  return is_there;
}

/* Returns: negative where it is not there, or not in the folder, or no file. */
static int open_allowed(const char *folder, const char *path) {
  struct stat status;
  char *real = path[0] == '/' ? realpath(path, NULL) : NULL;
  /* Without waiting, as opening a pipe would. */
  int file = real && is_below(folder, real)
                 ? open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
                 : -1;
  free(real);
  if (file < 0 ||
      (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && is_open_below(file, folder)))
    return file;
  close(file);
  return -1;
}

/* Returns: FALSE with errno; EFBIG where it is longer than @most. */
static gboolean read_all(int file, gsize most, GByteArray *bytes) {
  guint8 block[65536];
  for (;;) {
    ssize_t n = read(file, block, sizeof block);
    if (n == 0)
      return TRUE;
    if (n < 0 && errno == EINTR)
      continue;
    if (n > 0 && (gsize)n > most - bytes->len)
      errno = EFBIG;
    if (n < 0 || (gsize)n > most - bytes->len)
      return FALSE;
    g_byte_array_append(bytes, block, (guint)n);
  }
}

GBytes *velm_allowed_file_read(const char *folder, const char *path, gsize most, GError **error) {
  int file = open_allowed(folder, path);
  if (file < 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
                "path: there is no such file in the folder that images may be in");
    return NULL;
  }
  GByteArray *bytes = g_byte_array_new();
  gboolean ok = read_all(file, most, bytes);
  if (!ok)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "path: the file cannot be read: %s",
                g_strerror(errno));
  close(file);
  if (ok)
    return g_byte_array_free_to_bytes(bytes);
  g_byte_array_unref(bytes);
  return NULL;
}
