#include "act/store_private.h"

enum { IMAGES_A_PAGE = 256 };

void velm_store_check_free(VelmStoreCheck *check) {
  if (!check)
    return;
  g_ptr_array_unref(check->faults);
  g_free(check);
}

/* Takes @fault. */
static void add_fault(VelmStoreCheck *check, char *fault) {
  check->n_faults++;
  if (check->faults->len >= VELM_STORE_MAX_FAULTS) {
    g_free(fault);
    return;
  }
  g_ptr_array_add(check->faults, g_strdelimit(fault, "\r\n", ' '));
}

/* ---- the database ---- */

static gboolean check_structure(VelmDatabase *database, VelmStoreCheck *check, GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, "PRAGMA integrity_check(100)", error);
  VelmStep step = VELM_STEP_FAILED;
  while (statement && (step = velm_statement_step(statement, error)) == VELM_STEP_ROW) {
    char *fault = velm_statement_text(statement, 0);
    if (g_strcmp0(fault, "ok") == 0)
      g_free(fault);
    else
      add_fault(check, g_steal_pointer(&fault));
  }
  return step == VELM_STEP_DONE;
}

/* Rows that refer to others that are not there, records without their document, and images that
 * have a record and wait for one too. */
static const char references_in_file[] =
    "SELECT \"table\" || ': row ' || rowid || ' lacks its ' || parent"
    " FROM pragma_foreign_key_check"
    " UNION ALL SELECT 'records: row ' || id || ' lacks its document'"
    " FROM records WHERE id NOT IN (SELECT record FROM documents)"
    " UNION ALL SELECT 'queue: row ' || id || ' has a record already'"
    " FROM queue WHERE key IN (SELECT key FROM records)";

/* What the server does not see to itself. */
static const char references_on_server[] =
    "SELECT 'records: row ' || id || ' lacks its document' FROM records WHERE NOT EXISTS"
    " (SELECT 1 FROM documents WHERE record = id AND documents.time = records.time)"
    " UNION ALL SELECT 'documents: row ' || record || ' lacks its record' FROM documents"
    " WHERE NOT EXISTS (SELECT 1 FROM records WHERE id = record AND records.time = documents.time)"
    " UNION ALL SELECT 'records: row ' || id || ' lacks its key' FROM records WHERE NOT EXISTS"
    " (SELECT 1 FROM keys WHERE keys.id = records.id AND keys.time = records.time AND"
    " keys.key = records.key)"
    " UNION ALL SELECT 'keys: row ' || id || ' lacks its record' FROM keys WHERE NOT EXISTS"
    " (SELECT 1 FROM records WHERE records.id = keys.id AND records.time = keys.time)"
    " UNION ALL SELECT 'records: row ' || id || ' lacks its image' FROM records WHERE NOT EXISTS"
    " (SELECT 1 FROM images WHERE sha256 = image)"
    " UNION ALL SELECT 'weeks: ' || name || ' has another number of records' FROM weeks"
    " WHERE records <> (SELECT count(*) FROM records AS r WHERE r.time >= first"
    " AND r.time < first + 604800000000)";

static gboolean check_references(VelmDatabase *database, VelmStoreCheck *check, GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database, velm_store_is_on_server(database) ? references_on_server : references_in_file,
      error);
  VelmStep step = VELM_STEP_FAILED;
  while (statement && (step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    add_fault(check, velm_statement_text(statement, 0));
  return step == VELM_STEP_DONE;
}

/* ---- images ---- */

typedef struct {
  char *sha256;
  gint64 bytes;
} Image;

static void image_clear(Image *image) { g_free(image->sha256); }

/* The next images after @after: a page at a time, as a statement that stayed open would let the log
 * grow for as long as the images are read. */
static GArray *list_images(VelmDatabase *database, const char *after, GError **error) {
  g_autoptr(GArray) images = g_array_new(FALSE, FALSE, sizeof(Image));
  g_array_set_clear_func(images, (GDestroyNotify)image_clear);
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database, "SELECT sha256, bytes FROM images WHERE sha256 > ?1 ORDER BY sha256 LIMIT ?2",
      error);
  VelmStep step = VELM_STEP_FAILED;
  if (!statement)
    return NULL;
  velm_statement_bind_text(statement, 1, after);
  velm_statement_bind_int(statement, 2, IMAGES_A_PAGE);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW) {
    Image image = {velm_statement_text(statement, 0), velm_statement_int(statement, 1)};
    g_array_append_val(images, image);
  }
  return step == VELM_STEP_DONE ? g_steal_pointer(&images) : NULL;
}

static void check_image(VelmStore *store, const Image *image, VelmStoreCheck *check) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(GBytes) bytes = velm_store_read_image(store, image->sha256, &cause);
  check->images++;
  if (!bytes)
    add_fault(check, g_strdup(cause->message));
  else if ((gint64)g_bytes_get_size(bytes) != image->bytes)
    add_fault(check, g_strdup_printf("%s: has %" G_GSIZE_FORMAT " bytes, not %" G_GINT64_FORMAT,
                                     image->sha256, g_bytes_get_size(bytes), image->bytes));
}

static gboolean check_images(VelmStore *store, VelmDatabase *database, VelmProgress progress,
                             gpointer progress_data, VelmStoreCheck *check, GError **error) {
  gint64 total = 0;
  g_autofree char *last = g_strdup("");
  if (!velm_database_read_int(database, "SELECT count(*) FROM images", &total, error))
    return FALSE;
  for (;;) {
    g_autoptr(GArray) images = list_images(database, last, error);
    if (!images || images->len == 0)
      return images != NULL;
    for (guint i = 0; i < images->len; i++) {
      check_image(store, &g_array_index(images, Image, i), check);
      if (progress && !progress("images", (gsize)check->images, (gsize)MAX(total, check->images),
                                progress_data)) {
        g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "the check was given up");
        return FALSE;
      }
    }
    g_free(last);
    last = g_strdup(g_array_index(images, Image, images->len - 1).sha256);
  }
}

/* A stage that stumbles over damage has found some; the others may find more. */
static gboolean go_on(VelmDatabase *database, VelmStoreCheck *check, gboolean ok, GError *cause,
                      GError **error) {
  if (ok)
    return TRUE;
  if (database->state == VELM_DATABASE_DAMAGED) {
    add_fault(check, g_strdup(cause->message));
    g_error_free(cause);
    database->state = VELM_DATABASE_FINE;
    return TRUE;
  }
  g_propagate_error(error, cause);
  return FALSE;
}

static gboolean check_all(VelmStore *store, VelmDatabase *database, VelmProgress progress,
                          gpointer progress_data, VelmStoreCheck *check, GError **error) {
  GError *cause = NULL;
  gboolean ok = velm_store_is_shared(store) || check_structure(database, check, &cause);
  if (!go_on(database, check, ok, g_steal_pointer(&cause), error))
    return FALSE;
  ok = check_references(database, check, &cause);
  if (!go_on(database, check, ok, g_steal_pointer(&cause), error))
    return FALSE;
  ok = check_images(store, database, progress, progress_data, check, &cause);
  return go_on(database, check, ok, cause, error);
}

/* Retention waits: an image that goes meanwhile would pass for a missing one. */
VelmStoreCheck *velm_store_check(VelmStore *store, VelmProgress progress, gpointer progress_data,
                                 GError **error) {
  g_autoptr(VelmStoreCheck) check = g_new0(VelmStoreCheck, 1);
  check->faults = g_ptr_array_new_with_free_func(g_free);
  g_mutex_lock(&store->keeping);
  VelmDatabase *database = velm_store_begin_reading(store, error);
  gboolean ok = database && check_all(store, database, progress, progress_data, check, error);
  if (database)
    velm_store_end_reading(store, database);
  g_mutex_unlock(&store->keeping);
  return ok ? g_steal_pointer(&check) : NULL;
}
