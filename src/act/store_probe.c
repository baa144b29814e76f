#include "act/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#define PROBED_BYTES (4 * 1024 * 1024)

static gboolean probe_database(VelmStore *store, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  g_autofree char *sql =
      g_strdup_printf("UPDATE store SET probed = %" G_GINT64_FORMAT, g_get_real_time());
  gboolean ok = velm_database_run(database, sql, &cause);
  return velm_store_end_writing(store, ok, g_steal_pointer(&cause), error);
}

/* Not only a name: on a disk that is nearly full, a few bytes still fit. */
static gboolean probe_images(VelmStore *store, GError **error) {
  g_autofree char *path =
      g_build_filename(store->images, VELM_STORE_UNFINISHED, "probe-XXXXXX", NULL);
  int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
  int code = fd < 0 ? errno : posix_fallocate(fd, 0, PROBED_BYTES);
  if (fd >= 0) {
    close(fd);
    g_unlink(path);
  }
  if (code == 0)
    return TRUE;
  g_autoptr(GError) cause =
      g_error_new(VELM_ERROR, VELM_ERROR_FILE, "%s: images cannot be written: %s", store->images,
                  g_strerror(code));
  velm_store_note(store, velm_database_state_of(code), cause);
  g_propagate_error(error, g_steal_pointer(&cause));
  return FALSE;
}

gboolean velm_store_probe(VelmStore *store, GError **error) {
  if (!probe_images(store, error) || !probe_database(store, error))
    return FALSE;
  velm_store_note(store, VELM_DATABASE_FINE, NULL);
  return TRUE;
}

/* What fails is noted by what it fails at. */
void velm_store_watch(VelmStore *store) {
  gint64 one = 0;
  VelmDatabase *database =
      velm_store_is_shared(store) ? velm_store_begin_reading(store, NULL) : NULL;
  if (!database)
    return;
  velm_database_read_int(database, "SELECT 1", &one, NULL);
  velm_store_end_reading(store, database);
}
