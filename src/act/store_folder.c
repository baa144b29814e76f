/* The store's folder: what lies where, and who uses it. */
#include "act/store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* What the lock's file holds while it is held: after a killed process it still does. */
static const char in_use[] = "in use\n";

char *velm_store_database_path(const char *folder) {
  return g_build_filename(folder, "records.sqlite", NULL);
}

char *velm_store_images_path(const char *folder) {
  return g_build_filename(folder, "images", NULL);
}

static void fail(const char *path, const char *cannot, VelmDatabaseState *state, GError **error) {
  int code = errno;
  g_autofree char *name = g_filename_display_name(path);
  if (state)
    *state = velm_database_state_of(code);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: the store's folder cannot be %s: %s", name,
              cannot, g_strerror(code));
}

gboolean velm_store_sync_folder(const char *folder, VelmDatabaseState *state, GError **error) {
  int fd = g_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  gboolean ok = fd >= 0 && fsync(fd) == 0;
  if (!ok)
    fail(folder, "written", state, error);
  if (fd >= 0)
    close(fd);
  return ok;
}

static gboolean make_folder(const char *path, GError **error) {
  if (g_mkdir_with_parents(path, 0700) == 0)
    return TRUE;
  fail(path, "made", NULL, error);
  return FALSE;
}

/* All at once, so that none has to be made, and synchronised, with an image. */
static gboolean make_shards(const char *images, GError **error) {
  for (guint i = 0; i < 256; i++) {
    char name[3];
    g_snprintf(name, sizeof name, "%02x", i);
    g_autofree char *path = g_build_filename(images, name, NULL);
    if (!make_folder(path, error))
      return FALSE;
  }
  return TRUE;
}

gboolean velm_store_make_folders(const char *folder, GError **error) {
  g_autofree char *images = velm_store_images_path(folder);
  g_autofree char *unfinished = g_build_filename(images, VELM_STORE_UNFINISHED, NULL);
  g_autofree char *parent = g_path_get_dirname(folder);
  return make_folder(images, error) && make_shards(images, error) &&
         velm_store_sync_folder(images, NULL, error) && make_folder(unfinished, error) &&
         velm_store_sync_folder(images, NULL, error) &&
         velm_store_sync_folder(folder, NULL, error) && velm_store_sync_folder(parent, NULL, error);
}

static gboolean is_marked(int lock) {
  struct stat status;
  return fstat(lock, &status) == 0 && status.st_size > 0;
}

static gboolean mark(int lock) {
  return pwrite(lock, in_use, sizeof in_use - 1, 0) == (ssize_t)sizeof in_use - 1 &&
         fsync(lock) == 0;
}

int velm_store_lock(const char *folder, gboolean *unclean, GError **error) {
  g_autofree char *path = g_build_filename(folder, "lock", NULL);
  int lock = g_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    fail(path, "used", NULL, error);
    return -1;
  }
  if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
    *unclean = is_marked(lock);
    if (mark(lock))
      return lock;
    fail(path, "written", NULL, error);
  } else if (errno == EWOULDBLOCK) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: the store is in use by another process",
                folder);
  } else {
    fail(path, "locked", NULL, error);
  }
  close(lock);
  return -1;
}

void velm_store_unlock(int lock, gboolean clean) {
  if (lock < 0)
    return;
  /* Where this fails, the next opening looks once more than it needs to. */
  if (clean && ftruncate(lock, 0) != 0)
    g_debug("the store's lock stays marked: %s", g_strerror(errno));
  close(lock);
}

/* ---- the reserve ---- */

#define RESERVED_BYTES (2 * 1024 * 1024)

static char *reserve_path(const char *folder) { return g_build_filename(folder, "reserve", NULL); }

void velm_store_set_aside(const char *folder) {
  g_autofree char *path = reserve_path(folder);
  int fd = g_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return;
  if (posix_fallocate(fd, 0, RESERVED_BYTES) != 0)
    g_unlink(path);
  close(fd);
}

gboolean velm_store_give_up_reserve(const char *folder) {
  g_autofree char *path = reserve_path(folder);
  return g_unlink(path) == 0;
}
