#include "act/store_private.h"

#include "act/store_schema.h"
#include "core/database_postgres.h"
#include "core/database_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>

/* A database up to this size is checked whole after a process was killed; a larger one would keep
 * the line waiting, and velm_store_check() checks it while it is in use. */
#define CHECKED_BYTES (64 * 1024 * 1024)
/* What the log is cut to when it is carried over; a long backup lets it grow. */
#define SET_LOG_SIZE "PRAGMA journal_size_limit = 16777216"

/* 16 MiB for each connection that reads: the indexes of 100,000 records stay in it. */
#define SET_CACHE_SIZE "PRAGMA cache_size = -16384"

/* Of a server's advisory locks, which are numbers: "velmstor". */
#define WRITERS_LOCK 0x76656C6D73746F72

static const char what[] = "the store";

gboolean velm_store_is_shared(const VelmStore *store) { return store->url != NULL; }

gboolean velm_store_is_on_server(const VelmDatabase *database) {
  return database->class == &velm_postgres_class;
}

/* ---- writing ---- */

static VelmDatabase *open_writer(const VelmStore *store, gboolean make, VelmDatabaseState *state,
                                 GError **error) {
  if (velm_store_is_shared(store))
    return velm_postgres_open(store->url, what, WRITERS_LOCK, FALSE, state, error);
  g_autofree char *path = velm_store_database_path(store->folder);
  g_autoptr(VelmDatabase) writer = velm_sqlite_open(path, what, make, state, error);
  return writer && velm_database_run(writer, SET_LOG_SIZE, error) ? g_steal_pointer(&writer) : NULL;
}

/* Nothing of an open connection is worth keeping after these: a disk that went away and came back
 * is another one. */
static gboolean is_broken(VelmDatabaseState state) {
  return state == VELM_DATABASE_READ_ONLY || state == VELM_DATABASE_DAMAGED ||
         state == VELM_DATABASE_AWAY || state == VELM_DATABASE_BROKEN;
}

VelmDatabase *velm_store_begin_writing(VelmStore *store, GError **error) {
  g_mutex_lock(&store->writing);
  if (store->writer && !velm_database_is_alive(store->writer))
    g_clear_pointer(&store->writer, velm_database_close);
  if (!store->writer) {
    VelmDatabaseState state = VELM_DATABASE_BROKEN;
    g_autoptr(GError) cause = NULL;
    store->writer = open_writer(store, FALSE, &state, &cause);
    if (!store->writer) {
      velm_store_note(store, state, cause);
      g_mutex_unlock(&store->writing);
      g_propagate_error(error, g_steal_pointer(&cause));
      return NULL;
    }
  }
  store->writer->state = VELM_DATABASE_FINE;
  return store->writer;
}

gboolean velm_store_end_writing(VelmStore *store, gboolean ok, GError *cause, GError **error) {
  VelmDatabaseState state = store->writer->state;
  /* A submission that does not fit is no fault of the disk. */
  if (cause && state != VELM_DATABASE_FINE)
    velm_store_note(store, state, cause);
  if (cause && is_broken(state))
    g_clear_pointer(&store->writer, velm_database_close);
  g_mutex_unlock(&store->writing);
  if (cause)
    g_propagate_error(error, cause);
  return ok;
}

gboolean velm_store_end_transaction(VelmStore *store, gboolean ok, GError *cause, GError **error) {
  ok = velm_database_end(store->writer, ok, &cause);
  return velm_store_end_writing(store, ok, cause, error);
}

/* ---- reading ---- */

static VelmDatabase *open_reader(VelmStore *store, GError **error) {
  g_autofree char *path = velm_store_database_path(store->folder);
  g_autoptr(VelmDatabase) reader = velm_sqlite_open(path, what, FALSE, NULL, error);
  return reader && velm_database_run(reader, "PRAGMA query_only = ON", error) &&
                 velm_database_run(reader, SET_CACHE_SIZE, error)
             ? g_steal_pointer(&reader)
             : NULL;
}

/* A server that cannot be read cannot be written either. */
static VelmDatabase *open_reader_on_server(VelmStore *store, GError **error) {
  VelmDatabaseState state = VELM_DATABASE_BROKEN;
  g_autoptr(GError) cause = NULL;
  VelmDatabase *reader = velm_postgres_open(store->url, what, WRITERS_LOCK, TRUE, &state, &cause);
  if (!reader) {
    velm_store_note(store, state, cause);
    g_propagate_error(error, g_steal_pointer(&cause));
  }
  return reader;
}

/* One that nobody uses; NULL where there is none. */
static VelmDatabase *take_reader(VelmStore *store) {
  VelmDatabase *reader = NULL;
  g_mutex_lock(&store->reading);
  while (!reader && store->readers->len > 0) {
    reader = g_ptr_array_steal_index_fast(store->readers, store->readers->len - 1);
    if (!velm_database_is_alive(reader))
      g_clear_pointer(&reader, velm_database_close);
  }
  g_mutex_unlock(&store->reading);
  return reader;
}

VelmDatabase *velm_store_begin_reading(VelmStore *store, GError **error) {
  VelmDatabase *reader = take_reader(store);
  if (!reader)
    reader = velm_store_is_shared(store) ? open_reader_on_server(store, error)
                                         : open_reader(store, error);
  if (reader)
    reader->state = VELM_DATABASE_FINE;
  return reader;
}

static void note_away(VelmStore *store, const VelmDatabase *reader) {
  g_autoptr(GError) cause =
      g_error_new(VELM_ERROR, VELM_ERROR_FILE, "%s: the connection was cut", reader->name);
  velm_store_note(store, VELM_DATABASE_AWAY, cause);
}

void velm_store_end_reading(VelmStore *store, VelmDatabase *reader) {
  if (is_broken(reader->state)) {
    if (reader->state == VELM_DATABASE_AWAY)
      note_away(store, reader);
    velm_database_close(reader);
    return;
  }
  g_mutex_lock(&store->reading);
  g_ptr_array_add(store->readers, reader);
  g_mutex_unlock(&store->reading);
}

/* ---- health ---- */

void velm_store_note(VelmStore *store, VelmDatabaseState state, const GError *error) {
  g_mutex_lock(&store->judging);
  if (store->health.state != state)
    store->health.since = g_get_real_time();
  store->health.state = state;
  g_free(store->health.message);
  store->health.message = error ? g_strdup(error->message) : NULL;
  g_mutex_unlock(&store->judging);
}

VelmStoreHealth velm_store_get_health(VelmStore *store) {
  g_mutex_lock(&store->judging);
  VelmStoreHealth health = store->health;
  health.message = g_strdup(health.message);
  g_mutex_unlock(&store->judging);
  return health;
}

void velm_store_health_clear(VelmStoreHealth *health) { g_clear_pointer(&health->message, g_free); }

/* ---- opening ---- */

static gboolean check_whole(VelmDatabase *database, GError **error) {
  GStatBuf status;
  if (g_stat(database->name, &status) == 0 && status.st_size > CHECKED_BYTES)
    return TRUE;
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, "PRAGMA quick_check(1)", error);
  if (!statement || velm_statement_step(statement, error) != VELM_STEP_ROW)
    return FALSE;
  g_autofree char *verdict = velm_statement_text(statement, 0);
  if (g_strcmp0(verdict, "ok") == 0)
    return TRUE;
  g_autofree char *name = g_filename_display_name(database->name);
  g_strdelimit(verdict, "\r\n", ' ');
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
              "%s: the store is damaged: %s; it is left as it is: put a backup in its place", name,
              verdict);
  return FALSE;
}

/* A database that is something else must not be written to: its application is asked first. */
static gboolean open_database(VelmStore *store, gboolean unclean, GError **error) {
  store->writer = open_writer(store, TRUE, NULL, error);
  if (!store->writer || !velm_store_schema_apply(store->writer, error) ||
      !velm_store_sync_folder(store->folder, NULL, error))
    return FALSE;
  return !unclean || (check_whole(store->writer, error) &&
                      velm_store_sweep(store->images, store->writer, error));
}

static VelmStore *new_store(const char *folder, const char *station) {
  VelmStore *store = g_new0(VelmStore, 1);
  store->folder = g_canonicalize_filename(folder, NULL);
  store->images = velm_store_images_path(store->folder);
  store->station = g_strdup(station);
  store->lock = -1;
  store->held = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  store->readers = g_ptr_array_new_with_free_func((GDestroyNotify)velm_database_close);
  store->health.since = g_get_real_time();
  g_mutex_init(&store->writing);
  g_mutex_init(&store->reading);
  g_mutex_init(&store->holding);
  g_mutex_init(&store->keeping);
  g_mutex_init(&store->judging);
  return store;
}

/* Others must not read the images or what people said of them. */
static gboolean make_private(const char *folder, GError **error) {
  g_autofree char *path = velm_store_database_path(folder);
  int fd = g_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0)
    return g_close(fd, NULL);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s cannot be opened: %s", path, what,
              g_strerror(errno));
  return FALSE;
}

VelmStore *velm_store_open(const char *folder, GError **error) {
  g_autoptr(VelmStore) store = new_store(folder, "");
  gboolean unclean = FALSE;
  store->name = g_filename_display_name(store->folder);
  if (!velm_store_make_folders(store->folder, error))
    return NULL;
  store->lock = velm_store_lock(store->folder, &unclean, error);
  if (store->lock < 0 || !make_private(store->folder, error) ||
      !open_database(store, unclean, error))
    return NULL;
  g_atomic_int_set(&store->clean, TRUE);
  velm_store_set_aside(store->folder);
  return g_steal_pointer(&store);
}

/* ---- opening a shared one ---- */

gboolean velm_store_is_address(const char *place) { return velm_postgres_is_url(place); }

VelmStore *velm_store_open_shared(const char *folder, const char *url, const char *station,
                                  GError **error) {
  if (!velm_store_check_text(station, "station", VELM_STORE_MAX_NAME, FALSE, error))
    return NULL;
  g_autofree char *name = velm_postgres_name(url, error);
  if (!name)
    return NULL;
  g_autoptr(VelmStore) store = new_store(folder, station);
  store->url = g_strdup(url);
  store->name = g_steal_pointer(&name);
  if (!velm_store_make_folders(store->folder, error))
    return NULL;
  store->writer = open_writer(store, FALSE, NULL, error);
  return store->writer && velm_store_schema_apply(store->writer, error) ? g_steal_pointer(&store)
                                                                        : NULL;
}

void velm_store_free(VelmStore *store) {
  if (!store)
    return;
  g_ptr_array_unref(store->readers);
  velm_database_close(store->writer); /* the last: it carries the log over */
  velm_store_unlock(store->lock, store->clean);
  velm_store_health_clear(&store->health);
  g_hash_table_unref(store->held);
  g_mutex_clear(&store->writing);
  g_mutex_clear(&store->reading);
  g_mutex_clear(&store->holding);
  g_mutex_clear(&store->keeping);
  g_mutex_clear(&store->judging);
  g_free(store->folder);
  g_free(store->images);
  g_free(store->url);
  g_free(store->name);
  g_free(store->station);
  g_free(store);
}
