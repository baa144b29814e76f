#include "core/secret_file.h"

#include "core/file.h"
#include "velm.h"

#include <glib/gstdio.h>
#include <string.h>

static gboolean fail(const char *path, const char *why, GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", path, why);
  return FALSE;
}

char *velm_secret_file_read(const char *path, gsize most, GError **error) {
  GStatBuf status;
  gsize length = 0;
  if (g_stat(path, &status) == 0 && (status.st_mode & 077) != 0) {
    fail(path, "others may read the key in it; chmod 600 it", error);
    return NULL;
  }
  g_autofree char *contents = velm_file_read_limited(path, most, &length, error);
  if (!contents)
    return NULL;
  char *secret = length <= most ? g_strndup(contents, length) : NULL;
  explicit_bzero(contents, length);
  if (!secret)
    fail(path, "is no file with a key", error);
  return secret;
}

char *velm_secret_file_read_key(const char *path, gsize most, GError **error) {
  char *key = velm_secret_file_read(path, most, error);
  if (!key || g_strstrip(key)[0])
    return key;
  velm_secret_free(key);
  fail(path, "is no file with a key", error);
  return NULL;
}

void velm_secret_free(char *secret) {
  if (secret)
    explicit_bzero(secret, strlen(secret));
  g_free(secret);
}
