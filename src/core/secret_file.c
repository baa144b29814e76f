#include "core/secret_file.h"

#include "core/file.h"
#include "velm.h"

#include <glib/gstdio.h>
#include <string.h>

char *velm_secret_file_read(const char *path, gsize most, GError **error) {
  GStatBuf status;
  gsize length = 0;
  if (g_stat(path, &status) == 0 && (status.st_mode & 077) != 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
                "%s: others may read the key in it; chmod 600 it", path);
    return NULL;
  }
  g_autofree char *contents = velm_file_read_limited(path, most, &length, error);
  if (!contents)
    return NULL;
  char *secret = g_strndup(contents, MIN(length, most));
  explicit_bzero(contents, length);
  g_strstrip(secret);
  if (length <= most && secret[0])
    return secret;
  velm_secret_free(secret);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: is no file with a key", path);
  return NULL;
}

void velm_secret_free(char *secret) {
  if (secret)
    explicit_bzero(secret, strlen(secret));
  g_free(secret);
}
