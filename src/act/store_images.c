/*
 * Images on the disk, each named by the SHA-256 of its bytes, in one of 256 folders by its first
 * two digits. A file is whole from the moment it has its name: it is written under another one,
 * synchronised and renamed, and the folder is synchronised too.
 */
#include "act/store_private.h"

#include "core/parallel.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define SHA256_DIGITS 64
#define SHARED_FOR_S 3600 /* that an image without a record may be another process's */

gboolean velm_store_is_sha256(const char *text) {
  return text && strlen(text) == SHA256_DIGITS && strspn(text, "0123456789abcdef") == SHA256_DIGITS;
}

static char *folder_of(const char *images, const char *sha256) {
  const char shard[] = {sha256[0], sha256[1], '\0'};
  return g_build_filename(images, shard, NULL);
}

char *velm_store_file_of(const char *images, const char *sha256) {
  g_autofree char *folder = folder_of(images, sha256);
  return g_build_filename(folder, sha256, NULL);
}

char *velm_store_image_path(const VelmStore *store, const char *sha256) {
  return velm_store_is_sha256(sha256) ? velm_store_file_of(store->images, sha256) : NULL;
}

static gboolean fail(const char *path, const char *why, int code, VelmDatabaseState *state,
                     GError **error) {
  g_autofree char *name = g_filename_display_name(path);
  *state = velm_database_state_of(code);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: the image cannot be %s: %s", name, why,
              g_strerror(code));
  return FALSE;
}

/* ---- writing ---- */

static gboolean write_all(int fd, GBytes *bytes) {
  gsize size = 0;
  const char *at = g_bytes_get_data(bytes, &size);
  while (size > 0) {
    ssize_t n = write(fd, at, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return FALSE;
    at += n;
    size -= (gsize)n;
  }
  return TRUE;
}

/* Writes a file under a name that nobody looks for. Returns: (transfer full): the name. */
static char *write_unfinished(const char *images, GBytes *bytes, VelmDatabaseState *state,
                              GError **error) {
  g_autofree char *path = g_build_filename(images, VELM_STORE_UNFINISHED, "image-XXXXXX", NULL);
  int fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
  if (fd < 0) {
    fail(path, "written", errno, state, error);
    return NULL;
  }
  gboolean ok = write_all(fd, bytes) && fsync(fd) == 0;
  int code = errno;
  if (close(fd) != 0 && ok) {
    code = errno;
    ok = FALSE;
  }
  if (ok)
    return g_steal_pointer(&path);
  g_unlink(path);
  fail(path, "written", code, state, error);
  return NULL;
}

/* Whether @path holds these bytes: one that was damaged since is written anew. */
static gboolean has_bytes(const char *path, GBytes *bytes) {
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);
  return file && g_mapped_file_get_length(file) == g_bytes_get_size(bytes) &&
         memcmp(g_mapped_file_get_contents(file), g_bytes_get_data(bytes, NULL),
                g_bytes_get_size(bytes)) == 0;
}

gboolean velm_store_write_file(const char *images, const char *sha256, GBytes *bytes,
                               VelmDatabaseState *state, GError **error) {
  g_autofree char *folder = folder_of(images, sha256);
  g_autofree char *path = velm_store_file_of(images, sha256);
  if (has_bytes(path, bytes)) {
    /* Its time tells that somebody is about to give it a record. */
    g_utime(path, NULL);
    /* Whoever wrote it may not have got so far yet. */
    return velm_store_sync_folder(folder, state, error);
  }
  g_autofree char *unfinished = write_unfinished(images, bytes, state, error);
  if (!unfinished)
    return FALSE;
  if (g_rename(unfinished, path) == 0)
    return velm_store_sync_folder(folder, state, error);
  int code = errno;
  g_unlink(unfinished);
  return fail(path, "written", code, state, error);
}

static gboolean check_size(GBytes *bytes, GError **error) {
  gsize size = bytes ? g_bytes_get_size(bytes) : 0;
  if (size > 0 && size <= VELM_STORE_MAX_IMAGE)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "the image has %" G_GSIZE_FORMAT " bytes; it must have 1 to %d", size,
              VELM_STORE_MAX_IMAGE);
  return FALSE;
}

/* ---- holding ---- */

/* An image that somebody works with. */
typedef struct {
  guint times;
  gboolean written; /* its bytes are on the disk */
} Hold;

/* From here on nobody removes the image. Returns: whether its bytes are on the disk. */
static gboolean hold(VelmStore *store, const char *sha256) {
  g_mutex_lock(&store->holding);
  Hold *held = g_hash_table_lookup(store->held, sha256);
  if (!held) {
    held = g_new0(Hold, 1);
    g_hash_table_insert(store->held, g_strdup(sha256), held);
  }
  held->times++;
  gboolean written = held->written;
  g_mutex_unlock(&store->holding);
  return written;
}

static void mark_written(VelmStore *store, const char *sha256) {
  g_mutex_lock(&store->holding);
  Hold *held = g_hash_table_lookup(store->held, sha256);
  held->written = TRUE;
  g_mutex_unlock(&store->holding);
}

/* Returns: whether it was the last. */
static gboolean let_go(VelmStore *store, const char *sha256) {
  g_mutex_lock(&store->holding);
  Hold *held = g_hash_table_lookup(store->held, sha256);
  gboolean last = held && --held->times == 0;
  if (last)
    g_hash_table_remove(store->held, sha256);
  g_mutex_unlock(&store->holding);
  return last;
}

char *velm_store_put_image(VelmStore *store, GBytes *bytes, GError **error) {
  VelmDatabaseState state = VELM_DATABASE_FINE;
  g_autoptr(GError) cause = NULL;
  if (!check_size(bytes, error))
    return NULL;
  g_autofree char *sha256 = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
  if (hold(store, sha256))
    return g_steal_pointer(&sha256);
  if (velm_store_write_file(store->images, sha256, bytes, &state, &cause)) {
    mark_written(store, sha256);
    return g_steal_pointer(&sha256);
  }
  velm_store_note(store, state, cause);
  velm_store_release_image(store, sha256);
  g_propagate_error(error, g_steal_pointer(&cause));
  return NULL;
}

void velm_store_release_image(VelmStore *store, const char *sha256) {
  /* In a shared store, others may be at the same image: retention looks after it. */
  if (!let_go(store, sha256) || velm_store_is_shared(store))
    return;
  VelmDatabase *database = velm_store_begin_reading(store, NULL);
  if (!database) {
    g_atomic_int_set(&store->clean, FALSE); /* the next opening looks */
    return;
  }
  velm_store_remove_unused(store, database, sha256);
  velm_store_end_reading(store, database);
}

/* ---- reading ---- */

GBytes *velm_store_read_file(const char *images, const char *sha256, GError **error) {
  g_autofree char *path = velm_store_file_of(images, sha256);
  g_autofree char *contents = NULL;
  gsize length = 0;
  g_autoptr(GError) cause = NULL;
  if (!g_file_get_contents(path, &contents, &length, &cause)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", path,
                g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT) ? "no such image"
                                                                         : cause->message);
    return NULL;
  }
  g_autoptr(GBytes) bytes = g_bytes_new_take(g_steal_pointer(&contents), length);
  g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
  if (g_str_equal(digest, sha256))
    return g_steal_pointer(&bytes);
  g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE,
              "%s: the image has been damaged on the disk: its SHA-256 is another", path);
  return NULL;
}

GBytes *velm_store_read_image(VelmStore *store, const char *sha256, GError **error) {
  if (velm_store_is_sha256(sha256))
    return velm_store_read_file(store->images, sha256, error);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "an image's name is 64 hexadecimal digits");
  return NULL;
}

/* ---- removing ---- */

/* Whether a record or the queue has the image. */
gboolean velm_store_is_noted(VelmDatabase *database, const char *sha256, gboolean *used,
                             GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, "SELECT 1 FROM images WHERE sha256 = ?", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, sha256);
  return velm_statement_find(statement, used, error);
}

/* Who is about to give it a record holds it, and has either held it before this looks, or finds
 * after it that the file is gone and writes it anew. */
void velm_store_remove_unused(VelmStore *store, VelmDatabase *database, const char *sha256) {
  gboolean used = FALSE;
  g_autofree char *path = velm_store_file_of(store->images, sha256);
  g_mutex_lock(&store->holding);
  if (!g_hash_table_contains(store->held, sha256)) {
    if (!velm_store_is_noted(database, sha256, &used, NULL) ||
        (!used && g_unlink(path) != 0 && errno != ENOENT))
      g_atomic_int_set(&store->clean, FALSE); /* the next opening looks */
  }
  g_mutex_unlock(&store->holding);
}

static gboolean sweep_shard(const char *folder, VelmDatabase *database, GError **error) {
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    gboolean used = FALSE;
    g_autofree char *path = g_build_filename(folder, name, NULL);
    /* What is not named like an image is not the store's to remove. */
    if (velm_store_is_sha256(name) && !velm_store_is_noted(database, name, &used, error))
      return FALSE;
    if (velm_store_is_sha256(name) && !used)
      g_unlink(path);
  }
  return TRUE;
}

static void sweep_unfinished(const char *images) {
  g_autofree char *folder = g_build_filename(images, VELM_STORE_UNFINISHED, NULL);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  for (const char *name; dir && (name = g_dir_read_name(dir));) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    g_unlink(path);
  }
}

gboolean velm_store_sweep(const char *images, VelmDatabase *database, GError **error) {
  sweep_unfinished(images);
  for (guint i = 0; i < 256; i++) {
    char name[3];
    g_snprintf(name, sizeof name, "%02x", i);
    g_autofree char *folder = g_build_filename(images, name, NULL);
    if (!sweep_shard(folder, database, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- removing from a shared folder ---- */

/* Whether the file was put there by another process a while ago. One that takes longer than this
 * finds the file gone when it writes the record, and puts it there anew. */
static gboolean is_old(const char *path) {
  GStatBuf status;
  return g_stat(path, &status) == 0 &&
         g_get_real_time() / G_USEC_PER_SEC - status.st_mtime > SHARED_FOR_S;
}

/* Those of @names that nothing has. */
static gboolean find_unused(VelmDatabase *database, const GPtrArray *names, GPtrArray *unused,
                            GError **error) {
  VelmStep step;
  g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr(GString) sql = g_string_new("SELECT sha256 FROM images WHERE sha256 IN ");
  velm_store_add_places(sql, names->len);
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql->str, error);
  if (!statement)
    return FALSE;
  velm_store_bind_places(statement, 1, names);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    g_hash_table_add(used, velm_statement_text(statement, 0));
  for (guint i = 0; i < names->len; i++)
    if (!g_hash_table_contains(used, names->pdata[i]))
      g_ptr_array_add(unused, names->pdata[i]);
  return step == VELM_STEP_DONE;
}

static void remove_file_at(gsize i, gpointer data) {
  const GPtrArray *paths = data;
  if (is_old(paths->pdata[i]))
    g_unlink(paths->pdata[i]);
}

/* Side by side: most of it is waiting for the folder's server. */
static gboolean remove_unused_files(VelmStore *store, VelmDatabase *database,
                                    const GPtrArray *names, GError **error) {
  g_autoptr(GPtrArray) unused = g_ptr_array_new();
  g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
  if (!find_unused(database, names, unused, error))
    return FALSE;
  g_mutex_lock(&store->holding);
  for (guint i = 0; i < unused->len; i++)
    if (!g_hash_table_contains(store->held, unused->pdata[i]))
      g_ptr_array_add(paths, velm_store_file_of(store->images, unused->pdata[i]));
  velm_parallel(paths->len, remove_file_at, paths);
  g_mutex_unlock(&store->holding);
  return TRUE;
}

/* Looks without the lock which may go, and again with it at those: it keeps others from noting one
 * of them meanwhile. */
gboolean velm_store_remove_shared(VelmStore *store, const GPtrArray *names, GError **error) {
  g_autoptr(GPtrArray) unused = g_ptr_array_new();
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return FALSE;
  gboolean ok = find_unused(database, names, unused, &cause);
  if (!ok || unused->len == 0)
    return velm_store_end_writing(store, ok, g_steal_pointer(&cause), error);
  ok =
      velm_database_begin(database, &cause) && remove_unused_files(store, database, unused, &cause);
  return velm_store_end_transaction(store, ok, g_steal_pointer(&cause), error);
}

static gboolean sweep_folder(VelmStore *store, const char *folder, GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
  const char *name = NULL;
  do {
    name = dir ? g_dir_read_name(dir) : NULL;
    g_autofree char *path = name ? g_build_filename(folder, name, NULL) : NULL;
    if (name && velm_store_is_sha256(name) && is_old(path))
      g_ptr_array_add(names, g_strdup(name));
    if (names->len == VELM_STORE_MAX_BATCH || (!name && names->len > 0)) {
      if (!velm_store_remove_shared(store, names, error))
        return FALSE;
      g_ptr_array_set_size(names, 0);
    }
  } while (name);
  return TRUE;
}

gboolean velm_store_sweep_shared(VelmStore *store, guint first, guint n, GError **error) {
  for (guint i = 0; i < n; i++) {
    char name[3];
    g_snprintf(name, sizeof name, "%02x", (first + i) % 256);
    g_autofree char *folder = g_build_filename(store->images, name, NULL);
    if (!sweep_folder(store, folder, error))
      return FALSE;
  }
  return TRUE;
}
