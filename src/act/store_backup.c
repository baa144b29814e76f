/*
 * A backup is a store of its own: the database as it was at one moment, by SQLite's backup, then
 * the images that it names. While it is made, retention waits; records are added as ever.
 */
#include "act/store_private.h"

#include "core/database_sqlite.h"

#include <glib/gstdio.h>
#include <unistd.h>

typedef struct {
  VelmStore *store;
  char *folder, *database_path, *images;
  VelmProgress progress;
  gpointer progress_data;
  gint64 damaged;
} Backup;

static gboolean go_on(const Backup *backup, const char *stage, gint64 done, gint64 total,
                      GError **error) {
  if (!backup->progress ||
      backup->progress(stage, (gsize)done, (gsize)total, backup->progress_data))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "the backup was given up");
  return FALSE;
}

/* ---- records ---- */

static gboolean go_on_copying(gint64 done, gint64 total, gpointer backup, GError **error) {
  return go_on(backup, "records", done, total, error);
}

/* The transaction holds one state of the records: without it, each record that is added between two
 * steps would start the copy again. */
static gboolean copy_snapshot(const Backup *backup, VelmDatabase *to, GError **error) {
  gint64 version = 0;
  VelmDatabase *from = velm_store_begin_reading(backup->store, error);
  if (!from)
    return FALSE;
  gboolean ok = velm_database_begin_reading(from, error) &&
                velm_database_read_int(from, "SELECT count(*) FROM store", &version, error) &&
                velm_sqlite_copy(from, to, go_on_copying, (gpointer)backup, error);
  velm_database_end(from, FALSE, NULL);
  velm_store_end_reading(backup->store, from);
  return ok;
}

/* One file, without a log beside it, and whole on the disk when it gets its name. */
static VelmDatabase *copy_records(const Backup *backup, const char *path, GError **error) {
  g_unlink(path);
  g_autoptr(VelmDatabase) to = velm_sqlite_open(path, "the backup", TRUE, NULL, error);
  if (!to || g_chmod(path, 0600) != 0 || !copy_snapshot(backup, to, error) ||
      !velm_database_run(to, "PRAGMA journal_mode = DELETE", error))
    return NULL;
  return g_steal_pointer(&to);
}

/* ---- images ---- */

/* One that is there already is not looked into: velm_store_check() of the backup does that. */
static gboolean copy_image(Backup *backup, const char *sha256, GError **error) {
  VelmDatabaseState state = VELM_DATABASE_FINE;
  g_autofree char *path = velm_store_file_of(backup->images, sha256);
  if (g_file_test(path, G_FILE_TEST_IS_REGULAR))
    return TRUE;
  g_autoptr(GBytes) bytes = velm_store_read_file(backup->store->images, sha256, NULL);
  if (bytes)
    return velm_store_write_file(backup->images, sha256, bytes, &state, error);
  backup->damaged++;
  return TRUE;
}

static gboolean copy_images(Backup *backup, VelmDatabase *copied, GError **error) {
  gint64 total = 0, done = 0;
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(copied, "SELECT sha256 FROM images ORDER BY sha256", error);
  VelmStep step = VELM_STEP_FAILED;
  if (!velm_database_read_int(copied, "SELECT count(*) FROM images", &total, error))
    return FALSE;
  while (statement && (step = velm_statement_step(statement, error)) == VELM_STEP_ROW) {
    const char *sha256 = velm_statement_peek_text(statement, 0);
    if (!velm_store_is_sha256(sha256)) {
      velm_database_fail(copied, VELM_DATABASE_DAMAGED, error,
                         "the backup is damaged: an image has no name of one");
      return FALSE;
    }
    if (!copy_image(backup, sha256, error) || !go_on(backup, "images", ++done, total, error))
      return FALSE;
  }
  return step == VELM_STEP_DONE;
}

/* ---- all ---- */

/* The new records take the place of the old only when their images are there; those that only the
 * old had go after that. */
static gboolean make(Backup *backup, GError **error) {
  g_autofree char *unfinished = g_strconcat(backup->database_path, ".new", NULL);
  g_autoptr(VelmDatabase) copied = copy_records(backup, unfinished, error);
  if (!copied || !copy_images(backup, copied, error)) {
    g_unlink(unfinished);
    return FALSE;
  }
  if (g_rename(unfinished, backup->database_path) != 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: the backup cannot be written",
                backup->database_path);
    return FALSE;
  }
  return velm_store_sync_folder(backup->folder, NULL, error) &&
         velm_store_sweep(backup->images, copied, error);
}

/* A log of the records before would be taken for one of the new. */
static gboolean is_settled(const Backup *backup, GError **error) {
  g_autofree char *log = g_strconcat(backup->database_path, "-wal", NULL);
  if (!g_file_test(log, G_FILE_TEST_EXISTS))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
              "%s: a store was in use there and was not closed; give another folder",
              backup->folder);
  return FALSE;
}

char *velm_store_read_name(VelmDatabase *database, GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, "SELECT name FROM store", error);
  if (!statement || velm_statement_step(statement, error) != VELM_STEP_ROW)
    return NULL;
  return velm_statement_text(statement, 0);
}

/* The name of the store whose records @path holds. */
static char *read_name_of(const char *path, GError **error) {
  g_autoptr(VelmDatabase) database = velm_sqlite_open(path, "the backup", FALSE, NULL, error);
  return database ? velm_store_read_name(database, error) : NULL;
}

static gboolean is_of_store(const Backup *backup, GError **error) {
  VelmDatabase *reader = velm_store_begin_reading(backup->store, error);
  g_autofree char *name = reader ? velm_store_read_name(reader, error) : NULL;
  if (reader)
    velm_store_end_reading(backup->store, reader);
  g_autofree char *other = name ? read_name_of(backup->database_path, NULL) : NULL;
  if (name && g_strcmp0(name, other) != 0)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "%s: has something else than a backup of this store; give another folder",
                backup->folder);
  return name && g_strcmp0(name, other) == 0;
}

/* Another station's records are not written over. */
static gboolean may_replace(const Backup *backup, GError **error) {
  if (g_str_equal(backup->folder, backup->store->folder)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s: a store is not its own backup",
                backup->folder);
    return FALSE;
  }
  return !g_file_test(backup->database_path, G_FILE_TEST_EXISTS) ||
         (is_settled(backup, error) && is_of_store(backup, error));
}

static gboolean make_in_folder(Backup *backup, GError **error) {
  gboolean unclean = FALSE;
  if (!may_replace(backup, error) || !velm_store_make_folders(backup->folder, error))
    return FALSE;
  int lock = velm_store_lock(backup->folder, &unclean, error);
  if (lock < 0)
    return FALSE;
  g_mutex_lock(&backup->store->keeping);
  gboolean ok = make(backup, error);
  g_mutex_unlock(&backup->store->keeping);
  velm_store_unlock(lock, ok);
  return ok;
}

gboolean velm_store_backup(VelmStore *store, const char *folder, VelmProgress progress,
                           gpointer progress_data, gint64 *damaged, GError **error) {
  if (damaged)
    *damaged = 0;
  if (velm_store_is_shared(store)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "%s: a shared store is backed up by pg_dump, and its images' folder by a copy",
                store->name);
    return FALSE;
  }
  g_autofree char *absolute = g_canonicalize_filename(folder, NULL);
  g_autofree char *database_path = velm_store_database_path(absolute);
  g_autofree char *images = velm_store_images_path(absolute);
  Backup backup = {store, absolute, database_path, images, progress, progress_data, 0};
  gboolean ok = make_in_folder(&backup, error);
  if (damaged)
    *damaged = backup.damaged;
  return ok;
}
