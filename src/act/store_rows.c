/* Single records: rows of the database, and texts that may become some. */
#include "act/store_private.h"

#include <string.h>

void velm_stored_record_free(VelmStoredRecord *record) {
  if (!record)
    return;
  g_free(record->key);
  g_free(record->product);
  g_free(record->part);
  g_free(record->station);
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

VelmStoredRecord *velm_store_read_row(VelmStatement *statement) {
  VelmStoredRecord *record = g_new0(VelmStoredRecord, 1);
  *record = (VelmStoredRecord){
      .id = velm_statement_int(statement, 0),
      .key = velm_statement_text(statement, 1),
      .product = velm_statement_text(statement, 2),
      .time = velm_statement_int(statement, 3),
      .image = velm_statement_text(statement, 4),
      .media_type = velm_statement_text(statement, 5),
      .image_bytes = velm_statement_int(statement, 6),
      .decision = velm_statement_text(statement, 7),
      .class_name = velm_statement_text(statement, 8),
      .detected_class = velm_statement_text(statement, 9),
      .score = velm_statement_double(statement, 10),
      .threshold = velm_statement_double(statement, 11),
      .confidence = velm_statement_double(statement, 12),
      .verdict = (VelmReviewVerdict)velm_statement_int(statement, 13),
      .part = velm_statement_text(statement, 14),
      .station = velm_statement_text(statement, 15),
  };
  return record;
}

/* By keys: a record is found by its number and its time, which tells where it lies. */
#define SELECT_WHOLE                                                                               \
  "SELECT " VELM_STORE_COLUMNS ", documents.json FROM keys"                                        \
  " JOIN records ON records.id = keys.id AND records.time = keys.time"                             \
  " JOIN images ON images.sha256 = records.image"                                                  \
  " JOIN documents ON documents.record = keys.id AND documents.time = keys.time WHERE keys."

static VelmStoredRecord *read_whole(VelmStatement *statement) {
  VelmStoredRecord *record = velm_store_read_row(statement);
  record->json = velm_statement_text(statement, VELM_STORE_N_COLUMNS);
  return record;
}

gboolean velm_store_read_record(VelmDatabase *database, const char *key, gint64 id,
                                VelmStoredRecord **record, GError **error) {
  gboolean found = FALSE;
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, key ? SELECT_WHOLE "key = ?" : SELECT_WHOLE "id = ?", error);
  *record = NULL;
  if (!statement)
    return FALSE;
  if (key)
    velm_statement_bind_text(statement, 1, key);
  else
    velm_statement_bind_int(statement, 1, id);
  if (!velm_statement_find(statement, &found, error))
    return FALSE;
  if (found)
    *record = read_whole(statement);
  return TRUE;
}

GHashTable *velm_store_find_records(VelmDatabase *database, const GPtrArray *keys, GError **error) {
  VelmStep step;
  g_autoptr(GHashTable) found =
      g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)velm_stored_record_free);
  g_autoptr(GString) sql = g_string_new(SELECT_WHOLE "key IN ");
  velm_store_add_places(sql, keys->len);
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql->str, error);
  if (!statement)
    return NULL;
  velm_store_bind_places(statement, 1, keys);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW) {
    VelmStoredRecord *record = read_whole(statement);
    g_hash_table_replace(found, record->key, record);
  }
  return step == VELM_STEP_DONE ? g_steal_pointer(&found) : NULL;
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

#define SELECT_DOCUMENT(column)                                                                    \
  "SELECT " column " FROM keys JOIN documents"                                                     \
  " ON documents.record = keys.id AND documents.time = keys.time WHERE keys.id = ?"

static gboolean read_map(VelmDatabase *database, gint64 id, GBytes **map, GError **error) {
  gboolean found = FALSE;
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, SELECT_DOCUMENT("map"), error);
  *map = NULL;
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, id);
  if (!velm_statement_find(statement, &found, error))
    return FALSE;
  if (found)
    *map = velm_statement_bytes(statement, 0);
  return TRUE;
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
  gboolean found = FALSE;
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database, SELECT_DOCUMENT("prompt"), error);
  *json = NULL;
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, id);
  if (!velm_statement_find(statement, &found, error))
    return FALSE;
  if (found)
    *json = velm_statement_text(statement, 0);
  return TRUE;
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

gboolean velm_store_keep_file(VelmStore *store, VelmDatabase *database, const char *sha256,
                              GBytes *bytes, GError **error) {
  g_autofree char *path = velm_store_file_of(store->images, sha256);
  return !velm_store_is_shared(store) || g_file_test(path, G_FILE_TEST_IS_REGULAR) ||
         velm_store_write_file(store->images, sha256, bytes, &database->state, error);
}

gboolean velm_store_write_image(VelmStore *store, VelmDatabase *database, const char *sha256,
                                const char *media_type, GBytes *bytes, GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database, "INSERT INTO images VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, sha256);
  velm_statement_bind_text(statement, 2, media_type);
  velm_statement_bind_int(statement, 3, (gint64)g_bytes_get_size(bytes));
  return velm_statement_finish(statement, error) &&
         velm_store_keep_file(store, database, sha256, bytes, error);
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
