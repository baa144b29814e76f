/* Single records: rows of the database, and texts that may become some. */
#include "act/store_private.h"

#include <string.h>

void velm_stored_record_free(VelmStoredRecord *record) {
  if (!record)
    return;
  g_free(record->key);
  g_free(record->product);
  g_free(record->part);
  g_free(record->image);
  g_free(record->media_type);
  g_free(record->decision);
  g_free(record->class_name);
  g_free(record->detected_class);
  g_free(record->json);
  g_free(record);
}

const char *velm_verdict_name(VelmReviewVerdict verdict) {
  static const char *const names[] = {"none", "confirm", "correct", "good"};
  return (guint)verdict < G_N_ELEMENTS(names) ? names[verdict] : names[0];
}

VelmStoredRecord *velm_store_read_row(sqlite3_stmt *statement) {
  VelmStoredRecord *record = g_new0(VelmStoredRecord, 1);
  *record = (VelmStoredRecord){
      .id = sqlite3_column_int64(statement, 0),
      .key = velm_database_column_text(statement, 1),
      .product = velm_database_column_text(statement, 2),
      .time = sqlite3_column_int64(statement, 3),
      .image = velm_database_column_text(statement, 4),
      .media_type = velm_database_column_text(statement, 5),
      .image_bytes = sqlite3_column_int64(statement, 6),
      .decision = velm_database_column_text(statement, 7),
      .class_name = velm_database_column_text(statement, 8),
      .detected_class = velm_database_column_text(statement, 9),
      .score = velm_database_column_double(statement, 10),
      .threshold = velm_database_column_double(statement, 11),
      .confidence = velm_database_column_double(statement, 12),
      .verdict = (VelmReviewVerdict)sqlite3_column_int(statement, 13),
      .part = velm_database_column_text(statement, 14),
  };
  return record;
}

gboolean velm_store_read_record(VelmDatabase *database, const char *key, gint64 id,
                                VelmStoredRecord **record, GError **error) {
  static const char select[] = "SELECT " VELM_STORE_COLUMNS ", documents.json" VELM_STORE_FROM
                               " JOIN documents ON documents.record = records.id WHERE records.";
  g_autofree char *sql = g_strconcat(select, key ? "key = ?" : "id = ?", NULL);
  g_autoptr(sqlite3_stmt) statement = velm_database_prepare(database, sql, error);
  *record = NULL;
  if (!statement)
    return FALSE;
  if (key)
    velm_database_bind_text(statement, 1, key);
  else
    velm_database_bind_int(statement, 1, id);
  int code = velm_database_step(database, statement, error);
  if (code == SQLITE_ROW) {
    *record = velm_store_read_row(statement);
    (*record)->json = velm_database_column_text(statement, VELM_STORE_N_COLUMNS);
  }
  return code == SQLITE_ROW || code == SQLITE_DONE;
}

static gboolean read_record(VelmStore *store, const char *key, gint64 id, VelmStoredRecord **record,
                            GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return FALSE;
  gboolean ok = velm_store_read_record(database, key, id, record, error);
  velm_store_end_reading(store, database);
  return ok;
}

gboolean velm_store_get(VelmStore *store, gint64 id, VelmStoredRecord **record, GError **error) {
  return read_record(store, NULL, id, record, error);
}

gboolean velm_store_find(VelmStore *store, const char *key, VelmStoredRecord **record,
                         GError **error) {
  return read_record(store, key, 0, record, error);
}

static gboolean read_map(VelmDatabase *database, gint64 id, GBytes **map, GError **error) {
  g_autoptr(sqlite3_stmt) statement =
      velm_database_prepare(database, "SELECT map FROM documents WHERE record = ?", error);
  *map = NULL;
  if (!statement)
    return FALSE;
  velm_database_bind_int(statement, 1, id);
  int code = velm_database_step(database, statement, error);
  if (code == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL) {
    const void *bytes = sqlite3_column_blob(statement, 0);
    *map = g_bytes_new(bytes, (gsize)sqlite3_column_bytes(statement, 0));
  }
  return code == SQLITE_ROW || code == SQLITE_DONE;
}

gboolean velm_store_get_map(VelmStore *store, gint64 id, GBytes **map, GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return FALSE;
  gboolean ok = read_map(database, id, map, error);
  velm_store_end_reading(store, database);
  return ok;
}

static gboolean read_prompt(VelmDatabase *database, gint64 id, char **json, GError **error) {
  g_autoptr(sqlite3_stmt) statement =
      velm_database_prepare(database, "SELECT prompt FROM documents WHERE record = ?", error);
  *json = NULL;
  if (!statement)
    return FALSE;
  velm_database_bind_int(statement, 1, id);
  int code = velm_database_step(database, statement, error);
  if (code == SQLITE_ROW)
    *json = velm_database_column_text(statement, 0);
  return code == SQLITE_ROW || code == SQLITE_DONE;
}

gboolean velm_store_get_prompt(VelmStore *store, gint64 id, char **json, GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return FALSE;
  gboolean ok = read_prompt(database, id, json, error);
  velm_store_end_reading(store, database);
  return ok;
}

/* ---- what rows are made of ---- */

gboolean velm_store_write_image(VelmDatabase *database, const char *sha256, const char *media_type,
                                GBytes *bytes, GError **error) {
  g_autoptr(sqlite3_stmt) statement = velm_database_prepare(
      database, "INSERT INTO images VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING", error);
  if (!statement)
    return FALSE;
  velm_database_bind_text(statement, 1, sha256);
  velm_database_bind_text(statement, 2, media_type);
  velm_database_bind_int(statement, 3, (gint64)g_bytes_get_size(bytes));
  return velm_database_finish(database, statement, error);
}

gboolean velm_store_check_same(const char *key, const char *product, const char *sha256,
                               const char *other_product, const char *other_sha256,
                               GError **error) {
  gboolean same_product = g_str_equal(product, other_product);
  if (same_product && (!sha256 || g_str_equal(sha256, other_sha256)))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "the key \"%s\" was used for another %s", key,
              same_product ? "image" : "product");
  return FALSE;
}

/* ---- texts ---- */

static gboolean has_control(const char *text, gboolean lines) {
  for (const char *at = text; *at; at = g_utf8_next_char(at)) {
    gunichar c = g_utf8_get_char(at);
    if (g_unichar_iscntrl(c) && !(lines && (c == '\n' || c == '\r' || c == '\t')))
      return TRUE;
  }
  return FALSE;
}

gboolean velm_store_check_text(const char *text, const char *name, gsize most, gboolean lines,
                               GError **error) {
  const char *why = NULL;
  if (!text || !text[0])
    why = "is missing";
  else if (strlen(text) > most)
    why = "is too long";
  else if (!g_utf8_validate(text, -1, NULL))
    why = "is not UTF-8";
  else if (has_control(text, lines))
    why = "holds control characters";
  if (!why)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "the %s %s", name, why);
  return FALSE;
}
