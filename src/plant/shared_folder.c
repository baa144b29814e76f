#include "plant/shared_folder.h"

#include "core/file.h"
#include "serve/allowed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define INBOX "inbox"

/* ---- references ---- */

static gboolean climbs(const char *path) {
  g_auto(GStrv) names = g_strsplit(path, "/", -1);
  return g_strv_contains((const char *const *)names, "..");
}

/* The path that @reference names, from the folder on. Returns: (transfer full). */
static char *path_of(const char *reference, GError **error) {
  const char *why = NULL;
  char *path = g_uri_unescape_string(reference + strlen(VELM_SHARED_FOLDER_SCHEME), NULL);
  if (!path)
    why = "it is not percent-encoded as it is to be";
  else if (path[0] == '\0' || path[0] == '/' || climbs(path))
    why = "it is to be a path from the shared folder on, without \"..\"";
  if (!why)
    return path;
  g_free(path);
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s", why);
  return NULL;
}

static char *reference_to(const char *path) {
  g_autofree char *escaped = g_uri_escape_bytes((const guint8 *)path, strlen(path), "/");
  return g_strconcat(VELM_SHARED_FOLDER_SCHEME, escaped, NULL);
}

GBytes *velm_shared_folder_read(const char *folder, const char *reference, gsize most,
                                gboolean *retry, GError **error) {
  *retry = FALSE;
  g_autofree char *path = path_of(reference, error);
  if (!path)
    return NULL;
  g_autofree char *full = g_build_filename(folder, path, NULL);
  return velm_allowed_file_read(folder, full, most, retry, error);
}

char *velm_shared_folder_refer(const char *folder, const char *path, GError **error) {
  g_autofree char *relative = velm_allowed_file_find(folder, path, error);
  if (relative)
    return reference_to(relative);
  g_autofree char *name = g_filename_display_name(path);
  g_prefix_error(error, "%s: ", name);
  return NULL;
}

/* ---- putting an image in ---- */

/* Also where another one wrote the file, who may not have got so far yet. */
static gboolean sync_folder(const char *path, GError **error) {
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  /* Some network file systems know no such thing, and have names at the server at once. */
  gboolean ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
  int code = errno;
  if (fd >= 0)
    close(fd);
  if (!ok)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be written: %s", path,
                g_strerror(code));
  return ok;
}

/* The file, and the names that lead to it. */
static gboolean sync_names(const char *folder, const char *inbox, const char *shard,
                           GError **error) {
  return sync_folder(shard, error) && sync_folder(inbox, error) && sync_folder(folder, error);
}

static gboolean is_there(const char *folder, const char *path, GBytes *image) {
  g_autoptr(GBytes) bytes =
      velm_allowed_file_read(folder, path, g_bytes_get_size(image), NULL, NULL);
  return bytes && g_bytes_equal(bytes, image);
}

static gboolean write_file(const char *path, GBytes *image, GError **error) {
  g_autoptr(GError) cause = NULL;
  gsize size = 0;
  const char *data = g_bytes_get_data(image, &size);
  if (g_file_set_contents_full(path, data ? data : "", (gssize)size,
                               G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0644,
                               &cause))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be written: %s", path,
              cause->message);
  return FALSE;
}

char *velm_shared_folder_share(const char *folder, GBytes *image, GError **error) {
  g_autofree char *sha256 = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, image);
  const char first[] = {sha256[0], sha256[1], '\0'};
  g_autofree char *inbox = g_build_filename(folder, INBOX, NULL);
  g_autofree char *shard = g_build_filename(inbox, first, NULL);
  g_autofree char *path = g_build_filename(shard, sha256, NULL);
  if (!velm_file_make_folder(shard, error) ||
      (!is_there(folder, path, image) && !write_file(path, image, error)) ||
      !sync_names(folder, inbox, shard, error))
    return NULL;
  /* It is elsewhere where somebody made the inbox a link. */
  return velm_shared_folder_refer(folder, path, error);
}
