/* Rows of many records at once, in the transaction of whoever has looked at their keys. */
#include "act/store_private.h"

#include <string.h>

/* ---- lists of parameters ---- */

/* There are few different statements, which the server prepares once. */
static guint places_for(guint n) {
  guint places = 1;
  while (places < n)
    places *= 8;
  return places;
}

void velm_store_add_places(GString *sql, guint n) {
  g_string_append(sql, "(?");
  for (guint i = 1; i < places_for(n); i++)
    g_string_append(sql, ", ?");
  g_string_append_c(sql, ')');
}

void velm_store_bind_places(VelmStatement *statement, int first, const GPtrArray *texts) {
  for (guint i = 0; i < places_for(texts->len); i++)
    velm_statement_bind_text(statement, first + (int)i, texts->pdata[MIN(i, texts->len - 1)]);
}

/* ---- images ---- */

static GPtrArray *list_images(const VelmStoreRow *rows, gsize n) {
  GPtrArray *images = g_ptr_array_new();
  for (gsize i = 0; i < n; i++)
    if (rows[i].image_bytes >= 0)
      g_ptr_array_add(images, (gpointer)&rows[i]);
  return images;
}

/* Those that are noted already, and the places that are left over, change nothing. */
static gboolean write_images(VelmDatabase *database, const VelmStoreRow *rows, gsize n,
                             GError **error) {
  g_autoptr(GPtrArray) images = list_images(rows, n);
  g_autoptr(GString) sql = g_string_new("INSERT INTO images (sha256, media_type, bytes) VALUES ");
  if (images->len == 0)
    return TRUE;
  guint places = places_for(images->len);
  for (guint i = 0; i < places; i++)
    g_string_append(sql, i > 0 ? ", (?, ?, ?)" : "(?, ?, ?)");
  g_string_append(sql, " ON CONFLICT DO NOTHING");
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql->str, error);
  if (!statement)
    return FALSE;
  for (guint i = 0; i < places; i++) {
    const VelmStoreRow *row = images->pdata[MIN(i, images->len - 1)];
    velm_statement_bind_text(statement, (int)i * 3 + 1, row->image);
    velm_statement_bind_text(statement, (int)i * 3 + 2, row->media_type);
    velm_statement_bind_int(statement, (int)i * 3 + 3, row->image_bytes);
  }
  return velm_statement_finish(statement, error);
}

/* ---- records ---- */

/* The numbers follow one another also where many write: none is seen before a smaller one. */
static gboolean draw_numbers(VelmDatabase *database, VelmStoreRow *rows, gsize n, GError **error) {
  gboolean found = FALSE;
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database, "UPDATE store SET last_record = last_record + ? RETURNING last_record", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, (gint64)n);
  if (!velm_statement_find(statement, &found, error))
    return FALSE;
  gint64 last = velm_statement_int(statement, 0);
  for (gsize i = 0; i < n; i++)
    rows[i].id = last - (gint64)(n - 1 - i);
  return TRUE;
}

static gboolean note_weeks(VelmDatabase *database, const VelmStoreRow *rows, gsize n,
                           GError **error) {
  g_autoptr(GHashTable) changes = velm_store_new_weeks();
  for (gsize i = 0; i < n; i++)
    velm_store_count_in_week(changes, rows[i].time, 1);
  return velm_store_note_weeks(database, changes, error);
}

static void bind_record(VelmStatement *statement, const VelmStoreRow *row) {
  velm_statement_bind_int(statement, 1, row->id);
  velm_statement_bind_text(statement, 2, row->key);
  velm_statement_bind_text(statement, 3, row->product);
  velm_statement_bind_int(statement, 4, row->time);
  velm_statement_bind_text(statement, 5, row->image);
  velm_statement_bind_text(statement, 6, row->decision);
  velm_statement_bind_text(statement, 7, row->class_name);
  velm_statement_bind_text(statement, 8, row->detected_class);
  velm_statement_bind_double(statement, 9, row->score);
  velm_statement_bind_double(statement, 10, row->threshold);
  velm_statement_bind_double(statement, 11, row->confidence);
  velm_statement_bind_double(statement, 12, row->certainty);
  velm_statement_bind_double(statement, 13, row->ms);
  velm_statement_bind_text(statement, 14, row->part);
  velm_statement_bind_int(statement, 15, row->verdict);
  velm_statement_bind_text(statement, 16, row->station);
  if (row->llm_requests < 0)
    return;
  velm_statement_bind_int(statement, 17, row->llm_requests);
  velm_statement_bind_int(statement, 18, row->llm_tokens);
  velm_statement_bind_double(statement, 19, row->llm_usd);
}

static void bind_document(VelmStatement *statement, const VelmStoreRow *row) {
  gsize bytes = strlen(row->json) + (row->prompt ? strlen(row->prompt) : 0) +
                (row->map ? g_bytes_get_size(row->map) : 0);
  velm_statement_bind_int(statement, 1, row->id);
  velm_statement_bind_int(statement, 2, row->time);
  velm_statement_bind_int(statement, 3, (gint64)bytes);
  velm_statement_bind_text(statement, 4, row->json);
  velm_statement_bind_bytes(statement, 5, row->map);
  velm_statement_bind_text(statement, 6, row->prompt);
}

static void bind_key(VelmStatement *statement, const VelmStoreRow *row) {
  velm_statement_bind_text(statement, 1, row->key);
  velm_statement_bind_int(statement, 2, row->id);
  velm_statement_bind_int(statement, 3, row->time);
  velm_statement_bind_text(statement, 4, row->station);
}

static gboolean write_table(VelmDatabase *database, const char *table, const char *const *columns,
                            void (*bind)(VelmStatement *statement, const VelmStoreRow *row),
                            const VelmStoreRow *rows, gsize n, GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare_rows(database, table, columns, error);
  for (gsize i = 0; statement && i < n; i++) {
    bind(statement, &rows[i]);
    if (!velm_statement_add_row(statement, error))
      return FALSE;
  }
  return statement && velm_statement_end_rows(statement, error);
}

gboolean velm_store_write_rows(VelmDatabase *database, VelmStoreRow *rows, gsize n,
                               GError **error) {
  static const char *const record[] = {"id",           "key",        "product",    "time",
                                       "image",        "decision",   "class",      "detected_class",
                                       "score",        "threshold",  "confidence", "certainty",
                                       "ms",           "part",       "verdict",    "station",
                                       "llm_requests", "llm_tokens", "llm_usd",    NULL};
  static const char *const document[] = {"record", "time", "bytes", "json", "map", "prompt", NULL};
  static const char *const key[] = {"key", "id", "time", "station", NULL};
  gboolean in_parts = velm_store_is_on_server(database);
  return write_images(database, rows, n, error) && draw_numbers(database, rows, n, error) &&
         (!in_parts || note_weeks(database, rows, n, error)) &&
         write_table(database, "records", record, bind_record, rows, n, error) &&
         write_table(database, "documents", document, bind_document, rows, n, error) &&
         (!in_parts || write_table(database, "keys", key, bind_key, rows, n, error));
}
