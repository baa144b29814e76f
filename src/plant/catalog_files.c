#include "plant/catalog_files.h"

#include "core/file.h"
#include "plant/catalog_version.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES ((gsize)512 * 1024)
/* What a message has besides its piece. */
#define MESSAGE_BYTES ((gsize)8 * 1024)
#define MOST_PIECES 100000
/* Publishing takes no longer. */
#define WANTED_US G_TIME_SPAN_HOUR
#define US_PER_NS 1000
#define LIST_MS 30000

static char *piece_key(const char *sha256, guint number) {
  return g_strdup_printf("%s.%04u", sha256, number);
}

static char *wanted_key(const char *sha256) { return g_strconcat(sha256, ".wanted", NULL); }

static gsize piece_bytes(VelmBroker *broker) {
  gsize most = velm_broker_get_most(broker);
  return CLAMP(most - MIN(most / 2, MESSAGE_BYTES), 1024, PIECE_BYTES);
}

/* ---- sending ---- */

typedef struct {
  VelmBroker *broker;
  kvStore *files;
  const char *path;
  FILE *file;
  char *sha256;
  gint64 bytes;
  guint sent;
} Sending;

/* Whether the bucket has just that piece. */
static gboolean has_piece(Sending *sending, const char *key, const char *data, gsize size,
                          natsStatus *status) {
  g_autoptr(kvEntry) entry = NULL;
  *status = kvStore_Get(&entry, sending->files, key);
  if (*status == NATS_NOT_FOUND)
    *status = NATS_OK;
  return entry && (gsize)kvEntry_ValueLen(entry) == size &&
         memcmp(kvEntry_Value(entry), data, size) == 0;
}

static gboolean send_piece(Sending *sending, guint number, const char *data, gsize size,
                           GError **error) {
  natsStatus status = NATS_OK;
  g_autofree char *key = piece_key(sending->sha256, number);
  if (has_piece(sending, key, data, size, &status))
    return TRUE;
  if (status == NATS_OK) {
    sending->sent++;
    status = kvStore_Put(NULL, sending->files, key, data, (int)size);
  }
  g_autofree char *what = g_strdup_printf("%s cannot be sent", sending->path);
  return velm_broker_check(sending->broker, status, 0, what, error);
}

static gboolean fail_file(const char *path, const char *what, int code, GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s: %s", path, what, g_strerror(code));
  return FALSE;
}

static gboolean send_pieces(Sending *sending, GError **error) {
  gsize most = piece_bytes(sending->broker);
  g_autofree char *data = g_malloc(most);
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  for (guint number = 0;; number++) {
    gsize size = fread(data, 1, most, sending->file);
    if (ferror(sending->file))
      return fail_file(sending->path, "cannot be read", errno, error);
    g_checksum_update(checksum, (const guchar *)data, (gssize)size);
    sending->bytes += (gint64)size;
    if (size > 0 && !send_piece(sending, number, data, size, error))
      return FALSE;
    if (size < most)
      break;
  }
  if (g_str_equal(g_checksum_get_string(checksum), sending->sha256))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: changes while it is being sent",
              sending->path);
  return FALSE;
}

static gboolean check_size(const char *path, GError **error) {
  GStatBuf status;
  if (g_stat(path, &status) != 0)
    return fail_file(path, "cannot be read", errno, error);
  if (status.st_size <= VELM_CATALOG_MOST_BYTES && status.st_size > 0)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", path,
              status.st_size > 0 ? "too large to be published" : "is empty");
  return FALSE;
}

static gboolean send_file(Sending *sending, const char *who, GError **error) {
  g_autofree char *key = wanted_key(sending->sha256);
  natsStatus status = kvStore_PutString(NULL, sending->files, key, who);
  if (!velm_broker_check(sending->broker, status, 0, "files cannot be sent", error))
    return FALSE;
  sending->file = g_fopen(sending->path, "rb");
  if (!sending->file)
    return fail_file(sending->path, "cannot be read", errno, error);
  gboolean ok = send_pieces(sending, error);
  fclose(sending->file);
  return ok;
}

gboolean velm_catalog_files_put(VelmBroker *broker, kvStore *files, const char *path,
                                const char *who, char **sha256, gint64 *bytes, guint *sent,
                                GError **error) {
  if (!check_size(path, error))
    return FALSE;
  g_autofree char *digest = velm_file_sha256(path, error);
  Sending sending = {.broker = broker, .files = files, .path = path, .sha256 = digest};
  if (!digest || !send_file(&sending, who, error))
    return FALSE;
  *sha256 = g_steal_pointer(&digest);
  *bytes = sending.bytes;
  if (sent)
    *sent = sending.sent;
  return TRUE;
}

/* ---- fetching ---- */

typedef struct {
  VelmBroker *broker;
  kvStore *files;
  const char *sha256;
  gint64 bytes;
  VelmCatalogStop stop;
  gpointer user_data;
} Fetching;

static gboolean fail_fetching(const Fetching *fetching, VelmError code, const char *why,
                              GError **error) {
  g_set_error(error, VELM_ERROR, code, "the file %s in the plant's catalog %s", fetching->sha256,
              why);
  return FALSE;
}

static gboolean fetch_piece(const Fetching *fetching, guint number, kvEntry **entry,
                            GError **error) {
  g_autofree char *key = piece_key(fetching->sha256, number);
  natsStatus status = kvStore_Get(entry, fetching->files, key);
  if (status == NATS_NOT_FOUND)
    return fail_fetching(fetching, VELM_ERROR_FILE, "lacks a piece: publish it again", error);
  return velm_broker_check(fetching->broker, status, 0, "a file cannot be fetched", error);
}

/* Its pieces in a row, as they are. */
static gboolean fetch_pieces(const Fetching *fetching, FILE *file, const char *path,
                             GError **error) {
  gint64 done = 0;
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  for (guint number = 0; done < fetching->bytes && number < MOST_PIECES; number++) {
    g_autoptr(kvEntry) entry = NULL;
    if (fetching->stop && fetching->stop(fetching->user_data))
      return fail_fetching(fetching, VELM_ERROR_CANCELLED, "is not fetched any more", error);
    if (!fetch_piece(fetching, number, &entry, error))
      return FALSE;
    gsize size = (gsize)kvEntry_ValueLen(entry);
    g_checksum_update(checksum, kvEntry_Value(entry), (gssize)size);
    done += (gint64)size;
    if (fwrite(kvEntry_Value(entry), 1, size, file) != size)
      return fail_file(path, "cannot be written", errno, error);
  }
  if (done != fetching->bytes || !g_str_equal(g_checksum_get_string(checksum), fetching->sha256))
    return fail_fetching(fetching, VELM_ERROR_FILE, "is damaged: publish it again", error);
  return TRUE;
}

static gboolean fetch_to(const Fetching *fetching, int fd, const char *temporary, const char *path,
                         GError **error) {
  FILE *file = fdopen(fd, "wb");
  if (!file) {
    close(fd);
    return fail_file(path, "cannot be written", errno, error);
  }
  gboolean ok = fetch_pieces(fetching, file, path, error);
  if (fclose(file) != 0 && ok)
    ok = fail_file(path, "cannot be written", errno, error);
  if (ok && g_rename(temporary, path) != 0)
    ok = fail_file(path, "cannot be written", errno, error);
  return ok;
}

gboolean velm_catalog_files_get(VelmBroker *broker, kvStore *files, const char *sha256,
                                gint64 bytes, const char *path, VelmCatalogStop stop,
                                gpointer user_data, GError **error) {
  const Fetching fetching = {broker, files, sha256, bytes, stop, user_data};
  g_autofree char *temporary = g_strconcat(path, ".XXXXXX", NULL);
  int fd = g_mkstemp_full(temporary, O_RDWR | O_CLOEXEC, 0644);
  if (fd < 0)
    return fail_file(path, "cannot be written", errno, error);
  gboolean ok = fetch_to(&fetching, fd, temporary, path, error);
  if (!ok)
    g_unlink(temporary);
  return ok;
}

/* ---- listing and removing ---- */

GHashTable *velm_catalog_files_list(VelmBroker *broker, kvStore *files, GError **error) {
  g_autoptr(GHashTable) set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  kvKeysList keys = {0};
  kvWatchOptions options;
  kvWatchOptions_Init(&options);
  options.Timeout = LIST_MS;
  natsStatus status = kvStore_Keys(&keys, files, &options);
  for (int i = 0; status == NATS_OK && i < keys.Count; i++) {
    const char *dot = strchr(keys.Keys[i], '.');
    if (dot)
      g_hash_table_add(set, g_strndup(keys.Keys[i], (gsize)(dot - keys.Keys[i])));
  }
  kvKeysList_Destroy(&keys);
  if (status == NATS_NOT_FOUND) /* none */
    status = NATS_OK;
  return velm_broker_check(broker, status, 0, "the catalog's files cannot be listed", error)
             ? g_steal_pointer(&set)
             : NULL;
}

/* Whether somebody publishes it now, or has just done so and is to name it. */
static natsStatus is_wanted(kvStore *files, const char *sha256, gboolean *wanted) {
  g_autofree char *key = wanted_key(sha256);
  g_autoptr(kvEntry) entry = NULL;
  natsStatus status = kvStore_Get(&entry, files, key);
  *wanted = entry && g_get_real_time() - kvEntry_Created(entry) / US_PER_NS < WANTED_US;
  return status == NATS_NOT_FOUND ? NATS_OK : status;
}

gboolean velm_catalog_files_remove(VelmBroker *broker, kvStore *files, const char *sha256,
                                   gboolean *removed, GError **error) {
  g_autofree char *subject = g_strdup_printf("$KV.%s.%s.>", VELM_CATALOG_FILES, sha256);
  gboolean wanted = FALSE;
  jsErrCode code = 0;
  jsOptions options;
  jsOptions_Init(&options);
  options.Stream.Purge.Subject = subject;
  natsStatus status = is_wanted(files, sha256, &wanted);
  if (status == NATS_OK && !wanted)
    status = js_PurgeStream(velm_broker_get_jetstream(broker), "KV_" VELM_CATALOG_FILES, &options,
                            &code);
  *removed = status == NATS_OK && !wanted;
  return velm_broker_check(broker, status, code, "a file cannot be removed", error);
}
