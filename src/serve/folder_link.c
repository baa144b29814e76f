#include "serve/folder_link.h"

#include "core/file.h"
#include "serve/media_type.h"
#include "serve/wakeup.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define TAKEN "taken"
/* How often the folder is looked through, whatever inotify says: it says nothing of what other
 * machines do on a shared folder. */
#define SCAN_MS 1000
/* A file that nobody was seen to close is complete when it has been the same for so long. */
#define STILL_US (2 * G_TIME_SPAN_SECOND)
/* Handed in at a time; the rest waits in the folder. */
#define MOST_ON_WAY 16
/* The characters of a file's name in the record's key, of up to four bytes each. */
#define MOST_NAME 25

typedef struct {
  VelmLink link;
  VelmProduct *product;
  char *folder, *taken;
  GThread *thread;
  int watch, wake; /* inotify; what ends the waiting */
  int watch_id;    /* the thread's own: of the folder, in inotify; negative for none */

  GMutex lock;
  gboolean stopping;
  guint n_on_way;
  GHashTable *files; /* name -> File: those that are there */
} Folder;

/* What is known of a file in the folder. */
typedef struct {
  GStatBuf status;
  gint64 seen; /* since when it is as it is, or was tried in vain */
  gboolean closed, on_way;
  gboolean kept;     /* it has a record, but cannot be moved */
  gboolean troubled; /* it could not be taken when it was tried */
} File;

/* A file that was handed in. */
typedef struct {
  Folder *folder;
  char *name;
  GStatBuf status; /* as it was read */
} Errand;

/* ---- what is there ---- */

/* Under the lock. Notes that the file @name is there. @closed: its writer is done. */
static void note_file(Folder *folder, const char *name, gboolean closed) {
  GStatBuf status;
  g_autofree char *path = g_build_filename(folder->folder, name, NULL);
  if (!velm_file_is_image_name(name) || name[0] == '.' || g_stat(path, &status) != 0 ||
      !S_ISREG(status.st_mode))
    return;
  File *file = g_hash_table_lookup(folder->files, name);
  if (!file) {
    file = g_new0(File, 1);
    g_hash_table_insert(folder->files, g_strdup(name), file);
  }
  if (!velm_file_is_same(&file->status, &status)) {
    gboolean on_way = file->on_way;
    *file = (File){.status = status, .seen = g_get_monotonic_time(), .on_way = on_way};
  }
  file->closed = file->closed || closed;
}

/* ---- moving ---- */

/* A name in "taken" that no file has yet: two images of one name may come one after the other. */
static char *free_name(const Folder *folder, const char *name) {
  g_autofree char *path = g_build_filename(folder->taken, name, NULL);
  for (guint i = 1; g_file_test(path, G_FILE_TEST_EXISTS); i++) {
    g_autofree char *other = g_strdup_printf("%u-%s", i, name);
    g_free(path);
    path = g_build_filename(folder->taken, other, NULL);
  }
  return g_steal_pointer(&path);
}

static gboolean move(const Folder *folder, const char *name, GError **error) {
  g_autofree char *from = g_build_filename(folder->folder, name, NULL);
  if (!velm_file_make_folder(folder->taken, error))
    return FALSE;
  g_autofree char *to = free_name(folder, name);
  if (g_rename(from, to) == 0 || errno == ENOENT)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be moved to %s: %s", from,
              folder->taken, g_strerror(errno));
  return FALSE;
}

/* ---- looking through it ---- */

/* Under the lock. Files that went are forgotten; those that could not be moved are tried again.
 * Returns: whether any that is there makes trouble. */
static gboolean forget_gone(Folder *folder) {
  GHashTableIter iter;
  gpointer name, value;
  gboolean trouble = FALSE;
  g_hash_table_iter_init(&iter, folder->files);
  while (g_hash_table_iter_next(&iter, &name, &value)) {
    File *file = value;
    g_autofree char *path = g_build_filename(folder->folder, name, NULL);
    if (file->kept && !file->on_way)
      file->kept = !move(folder, name, NULL);
    if (!file->on_way && !g_file_test(path, G_FILE_TEST_EXISTS))
      g_hash_table_iter_remove(&iter);
    else
      trouble = trouble || file->kept || file->troubled;
  }
  return trouble;
}

/* Anew each time: the folder may have gone, and another come in its place. */
static void watch_events(Folder *folder) {
  if (folder->watch < 0)
    return;
  int id = inotify_add_watch(folder->watch, folder->folder, IN_CLOSE_WRITE | IN_MOVED_TO);
  if (folder->watch_id >= 0 && id != folder->watch_id)
    inotify_rm_watch(folder->watch, folder->watch_id);
  folder->watch_id = id;
}

static void scan(Folder *folder) {
  watch_events(folder);
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) names = velm_file_list(folder->folder, &error);
  if (!names) {
    velm_link_set_status(&folder->link, VELM_STATE_FAILED, error->message);
    return;
  }
  g_mutex_lock(&folder->lock);
  for (guint i = 0; i < names->len; i++)
    note_file(folder, names->pdata[i], FALSE);
  gboolean trouble = forget_gone(folder);
  g_mutex_unlock(&folder->lock);
  if (!trouble)
    velm_link_set_status(&folder->link, VELM_STATE_READY, NULL);
}

/* ---- once there is a record ---- */

/* Under the lock. The image of @errand has its record: it leaves the folder. Another that has come
 * under its name meanwhile stays, to be taken. */
static gboolean put_away(Folder *folder, const Errand *errand, File *file, GError **error) {
  GStatBuf now;
  g_autofree char *path = g_build_filename(folder->folder, errand->name, NULL);
  if (g_stat(path, &now) != 0 || !velm_file_is_same(&errand->status, &now))
    return TRUE;
  file->kept = !move(folder, errand->name, error);
  return !file->kept;
}

static void take_record(VelmStoredRecord *record, gboolean existed, const GError *error,
                        gpointer user_data) {
  Errand *errand = user_data;
  Folder *folder = errand->folder;
  g_autoptr(GError) stuck = NULL;
  g_mutex_lock(&folder->lock);
  File *file = g_hash_table_lookup(folder->files, errand->name);
  gboolean away = record && put_away(folder, errand, file, &stuck);
  file->on_way = FALSE;
  file->troubled = !record;
  file->seen = g_get_monotonic_time(); /* what could not be taken is tried again, not at once */
  folder->n_on_way--;
  g_mutex_unlock(&folder->lock);
  if (!away)
    velm_link_set_status(&folder->link, VELM_STATE_DEGRADED,
                         stuck ? stuck->message : error->message);
  velm_stored_record_free(record);
  velm_wakeup_wake(folder->wake);
  g_free(errand->name);
  g_free(errand);
}

/* ---- handing in ---- */

/* The start of a file's name, as a key may hold it. */
static char *readable_name(const char *name) {
  g_autofree char *valid = g_utf8_make_valid(name, -1);
  GString *readable = g_string_new(NULL);
  const char *at = valid;
  for (guint i = 0; *at && i < MOST_NAME; i++, at = g_utf8_next_char(at))
    g_string_append_unichar(readable,
                            g_unichar_iscntrl(g_utf8_get_char(at)) ? '_' : g_utf8_get_char(at));
  return g_string_free(readable, FALSE);
}

static char *key_of(const char *name, const GStatBuf *status, GBytes *image) {
  g_autofree char *digest = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, image);
  g_autofree char *readable = readable_name(name);
  return g_strdup_printf("file:%.16s:%lx.%lx.%lx:%s", digest, (gulong)status->st_ino,
                         (gulong)status->st_mtim.tv_sec, (gulong)status->st_mtim.tv_nsec, readable);
}

/* Reads an image that nobody writes to meanwhile. */
static GBytes *read_whole(const char *path, const GStatBuf *status, GError **error) {
  GStatBuf now;
  if (status->st_size > VELM_STORE_MAX_IMAGE) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "%s: the file is larger than %d MiB", path,
                VELM_STORE_MAX_IMAGE / 1024 / 1024);
    return NULL;
  }
  g_autoptr(GBytes) image = velm_file_read(path, error);
  if (!image)
    return NULL;
  if (g_bytes_get_size(image) > 0 && g_stat(path, &now) == 0 && velm_file_is_same(status, &now))
    return g_steal_pointer(&image);
  g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "%s: the file %s", path,
              g_bytes_get_size(image) > 0 ? "changes while it is read" : "is empty");
  return NULL;
}

static void hand_in(Folder *folder, const char *name, const GStatBuf *status) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = g_build_filename(folder->folder, name, NULL);
  g_autoptr(GBytes) image = read_whole(path, status, &error);
  Errand *errand = g_new(Errand, 1);
  *errand = (Errand){folder, g_strdup(name), *status};
  if (!image) {
    take_record(NULL, FALSE, error, errand);
    return;
  }
  g_autofree char *key = key_of(name, status, image);
  g_autofree char *valid = g_utf8_make_valid(name, -1);
  const VelmArrival arrival = {
      .key = key, .name = valid, .media_type = velm_media_type_of(image), .image = image};
  velm_station_inspect(folder->link.station, folder->product, &arrival, take_record, errand);
}

static gboolean is_complete(const File *file, gint64 now) {
  return !file->on_way && !file->kept && (file->closed || now - file->seen >= STILL_US);
}

/* Under the lock. The next file to be handed in, noted as on its way. Returns: (transfer full):
 * NULL where there is none, or enough are on their way. */
static char *next_file(Folder *folder, GStatBuf *status) {
  GHashTableIter iter;
  gpointer name, value;
  char *first = NULL;
  gint64 now = g_get_monotonic_time();
  if (folder->stopping || folder->n_on_way >= MOST_ON_WAY)
    return NULL;
  g_hash_table_iter_init(&iter, folder->files);
  while (g_hash_table_iter_next(&iter, &name, &value))
    if (is_complete(value, now) && (!first || strcmp(name, first) < 0))
      first = name;
  if (!first)
    return NULL;
  File *file = g_hash_table_lookup(folder->files, first);
  file->on_way = TRUE;
  file->closed = FALSE;
  folder->n_on_way++;
  *status = file->status;
  return g_strdup(first);
}

static void hand_in_all(Folder *folder) {
  for (;;) {
    GStatBuf status;
    g_mutex_lock(&folder->lock);
    g_autofree char *name = next_file(folder, &status);
    g_mutex_unlock(&folder->lock);
    if (!name)
      return;
    hand_in(folder, name, &status);
  }
}

/* ---- waiting ---- */

static void read_events(Folder *folder) {
  char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
  ssize_t n = read(folder->watch, buffer, sizeof buffer);
  g_mutex_lock(&folder->lock);
  for (ssize_t at = 0; at < n;) {
    const struct inotify_event *event = (const struct inotify_event *)(const void *)(buffer + at);
    if (event->len > 0)
      note_file(folder, event->name, TRUE);
    at += (ssize_t)(sizeof *event + event->len);
  }
  g_mutex_unlock(&folder->lock);
}

static gboolean is_stopping(Folder *folder) {
  g_mutex_lock(&folder->lock);
  gboolean stopping = folder->stopping;
  g_mutex_unlock(&folder->lock);
  return stopping;
}

static gpointer watch_in_thread(gpointer data) {
  Folder *folder = data;
  gint64 next = 0;
  while (!is_stopping(folder)) {
    gint64 now = g_get_monotonic_time();
    if (now >= next) {
      scan(folder);
      next = now + SCAN_MS * 1000;
    }
    hand_in_all(folder);
    struct pollfd fds[] = {{folder->wake, POLLIN, 0}, {folder->watch, POLLIN, 0}};
    if (poll(fds, folder->watch >= 0 ? 2 : 1, SCAN_MS) <= 0)
      continue;
    if (fds[0].revents)
      velm_wakeup_clear(folder->wake);
    if (fds[1].revents & POLLIN)
      read_events(folder);
  }
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *link) {
  Folder *folder = (Folder *)link;
  folder->thread = g_thread_new("folder", watch_in_thread, folder);
}

static void stop(VelmLink *link) {
  Folder *folder = (Folder *)link;
  g_mutex_lock(&folder->lock);
  folder->stopping = TRUE;
  g_mutex_unlock(&folder->lock);
  velm_wakeup_wake(folder->wake);
  if (folder->thread)
    g_thread_join(folder->thread);
}

static void folder_free(VelmLink *link) {
  Folder *folder = (Folder *)link;
  if (folder->watch >= 0)
    close(folder->watch);
  close(folder->wake);
  g_hash_table_unref(folder->files);
  g_mutex_clear(&folder->lock);
  g_free(folder->folder);
  g_free(folder->taken);
  velm_link_clear(link);
  g_free(folder);
}

static const VelmLinkClass klass = {.start = start, .stop = stop, .free = folder_free};

VelmLink *velm_folder_link_new(VelmStation *station, VelmProduct *product, const char *path,
                               GError **error) {
  if (!g_file_test(path, G_FILE_TEST_IS_DIR)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: no folder that could be watched", path);
    return NULL;
  }
  int wake = velm_wakeup_new();
  if (wake < 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: cannot be watched: %s", path,
                g_strerror(errno));
    return NULL;
  }
  Folder *folder = g_new0(Folder, 1);
  velm_link_init(&folder->link, &klass, station, g_strconcat("folder ", path, NULL));
  folder->product = product;
  folder->folder = g_strdup(path);
  folder->taken = g_build_filename(path, TAKEN, NULL);
  folder->wake = wake;
  /* Where there is none to be had, scanning does, if later. */
  folder->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  folder->watch_id = -1;
  folder->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  g_mutex_init(&folder->lock);
  return &folder->link;
}
