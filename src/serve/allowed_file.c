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

/* Returns: negative with errno: ENOENT where it is not there, or not in the folder, or no file. */
static int open_allowed(const char *folder, const char *path) {
  struct stat status;
  errno = ENOENT;
  char *real = path[0] == '/' ? realpath(path, NULL) : NULL;
  gboolean is_there = real && is_below(folder, real);
  if (real && !is_there)
    errno = ENOENT;
  /* Without waiting, as opening a pipe would. */
  int file = is_there ? open(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
  free(real);
  if (file < 0 ||
      (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && is_open_below(file, folder)))
    return file;
  close(file);
  errno = ENOENT;
  return -1;
}

/* Of the disk or the network behind the folder, or of this process, and not of the file. */
static gboolean may_pass(int code) {
  return code == EIO || code == ESTALE || code == ETIMEDOUT || code == EHOSTDOWN ||
         code == EMFILE || code == ENFILE || code == ENOMEM;
}

static void set_error(int code, gsize most, gboolean *retry, GError **error) {
  if (retry)
    *retry = may_pass(code);
  if (code == EFBIG)
    g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE,
                "the file has more than %" G_GSIZE_FORMAT " bytes", most);
  else
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "the file cannot be read: %s",
                g_strerror(code));
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

/* Whoever asks is not told whether something is there that it may not have. */
static void set_open_error(int code, gsize most, gboolean *retry, GError **error) {
  if (may_pass(code)) {
    set_error(code, most, retry, error);
    return;
  }
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
              "there is no such file in the folder that images may be in");
}

GBytes *velm_allowed_file_read(const char *folder, const char *path, gsize most, gboolean *retry,
                               GError **error) {
  if (retry)
    *retry = FALSE;
  int file = open_allowed(folder, path);
  if (file < 0) {
    set_open_error(errno, most, retry, error);
    return NULL;
  }
  GByteArray *bytes = g_byte_array_new();
  gboolean ok = read_all(file, most, bytes);
  if (!ok)
    set_error(errno, most, retry, error);
  close(file);
  if (ok)
    return g_byte_array_free_to_bytes(bytes);
  g_byte_array_unref(bytes);
  return NULL;
}

char *velm_allowed_file_find(const char *folder, const char *path, GError **error) {
  struct stat status;
  char *real = realpath(path, NULL);
  gsize length = strlen(folder);
  gboolean is_there = real && is_below(folder, real) && stat(real, &status) == 0;
  char *relative = NULL;
  if (is_there && S_ISREG(status.st_mode))
    relative = g_strdup(real + length + (length > 1 ? 1 : 0));
  free(real);
  if (!relative)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "there is no such file in %s", folder);
  return relative;
}
