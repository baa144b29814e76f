/*
 * Copying a store into another: a batch of records with all that is theirs in each transaction, so
 * that it can be given up and begun again at any record. What is there already is known by its key;
 * of the tables that have none, a mark of the target says how far they are.
 */
#include "act/store_private.h"

#include <string.h>

enum { RECORDS_A_BATCH = 64, ENTRIES_A_BATCH = 500 };

void velm_store_copied_clear(VelmStoreCopied *copied) {
  g_clear_pointer(&copied->faults, g_ptr_array_unref);
}

typedef struct {
  VelmStore *from, *to;
  VelmDatabase *source; /* of from, one state of it */
  char *name;           /* of from, for the marks */
  VelmProgress progress;
  gpointer progress_data;
  VelmStoreCopied *copied;
  gint64 done, total;
} Copy;

static gboolean go_on(Copy *copy, GError **error) {
  copy->done++;
  if (!copy->progress || copy->progress("records", (gsize)copy->done,
                                        (gsize)MAX(copy->total, copy->done), copy->progress_data))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "the copy was given up");
  return FALSE;
}

/* It stays behind; the others go on. */
static void add_fault(Copy *copy, const char *key, const char *why) {
  VelmStoreCopied *copied = copy->copied;
  copied->n_faults++;
  if (copied->faults->len < VELM_STORE_MAX_FAULTS)
    g_ptr_array_add(copied->faults, g_strdup_printf("%s: %s", key, why));
}

/* ---- a record and what is its own ---- */

typedef struct {
  gint64 id; /* in the source */
  VelmStoreRow row;
  GPtrArray *texts;       /* what the row borrows */
  GPtrArray *reviews;     /* of VelmReview, the oldest first */
  VelmCallback *callback; /* or NULL */
  gboolean is_put;        /* its image is held in the target */
} Item;

static void item_free(Item *item) {
  g_ptr_array_unref(item->texts);
  g_clear_pointer(&item->reviews, g_ptr_array_unref);
  velm_callback_free(item->callback);
  g_clear_pointer(&item->row.map, g_bytes_unref);
  g_free(item);
}

static const char *take_text(Item *item, VelmStatement *statement, int column) {
  char *text = velm_statement_text(statement, column);
  if (text)
    g_ptr_array_add(item->texts, text);
  return text;
}

/* @station: of a record that names none. */
static Item *read_item(VelmStatement *statement, const char *station) {
  Item *item = g_new0(Item, 1);
  item->texts = g_ptr_array_new_with_free_func(g_free);
  item->id = velm_statement_int(statement, 0);
  gboolean asked = !velm_statement_is_null(statement, 16);
  item->row = (VelmStoreRow){
      .key = take_text(item, statement, 1),
      .product = take_text(item, statement, 2),
      .time = velm_statement_int(statement, 3),
      .image = take_text(item, statement, 4),
      .decision = take_text(item, statement, 5),
      .class_name = take_text(item, statement, 6),
      .detected_class = take_text(item, statement, 7),
      .score = velm_statement_double(statement, 8),
      .threshold = velm_statement_double(statement, 9),
      .confidence = velm_statement_double(statement, 10),
      .certainty = velm_statement_double(statement, 11),
      .ms = velm_statement_double(statement, 12),
      .part = take_text(item, statement, 13),
      .verdict = (VelmReviewVerdict)velm_statement_int(statement, 14),
      .media_type = take_text(item, statement, 15),
      .llm_requests = asked ? velm_statement_int(statement, 16) : -1,
      .llm_tokens = velm_statement_int(statement, 17),
      .llm_usd = velm_statement_double(statement, 18),
      .json = take_text(item, statement, 19),
      .map = velm_statement_bytes(statement, 20),
      .prompt = take_text(item, statement, 21),
      .image_bytes = velm_statement_int(statement, 22),
      .station = take_text(item, statement, 23),
  };
  if (!item->row.station && *station)
    item->row.station = station;
  return item;
}

static GPtrArray *read_items(Copy *copy, gint64 after, GError **error) {
  VelmStep step;
  g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func((GDestroyNotify)item_free);
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      copy->source,
      "SELECT records.id, key, product, records.time, image, decision, class, detected_class,"
      " score, threshold, confidence, certainty, ms, part, verdict, media_type, llm_requests,"
      " llm_tokens, llm_usd, json, map, prompt, images.bytes, station FROM records"
      " JOIN images ON sha256 = image"
      " JOIN documents ON record = records.id AND documents.time = records.time"
      " WHERE records.id > ?1 ORDER BY records.id LIMIT ?2",
      error);
  if (!statement)
    return NULL;
  velm_statement_bind_int(statement, 1, after);
  velm_statement_bind_int(statement, 2, RECORDS_A_BATCH);
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    g_ptr_array_add(items, read_item(statement, copy->to->station));
  return step == VELM_STEP_DONE ? g_steal_pointer(&items) : NULL;
}

/* The callbacks of a record that are still to be delivered. */
static gboolean read_callback(Copy *copy, Item *item, GError **error) {
  gboolean found = FALSE;
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      copy->source, "SELECT url FROM callbacks WHERE record = ?1 AND station = ?2", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, item->id);
  velm_statement_bind_text(statement, 2, copy->from->station);
  if (!velm_statement_find(statement, &found, error))
    return FALSE;
  if (found) {
    item->callback = g_new0(VelmCallback, 1);
    item->callback->url = velm_statement_text(statement, 0);
  }
  return TRUE;
}

static gboolean read_belongings(Copy *copy, Item *item, GError **error) {
  item->reviews = velm_store_read_reviews(copy->source, item->id, error);
  return item->reviews && read_callback(copy, item, error);
}

static gboolean write_belongings(Copy *copy, VelmDatabase *target, const Item *item,
                                 GError **error) {
  for (guint i = item->reviews->len; i > 0; i--) {
    VelmReview review = *(VelmReview *)item->reviews->pdata[i - 1];
    review.record = item->row.id;
    if (!velm_store_write_review(target, &review, review.time, error))
      return FALSE;
  }
  return !item->callback || velm_store_write_callback(target, copy->to->station, item->row.id,
                                                      item->callback->url, error);
}

/* ---- a batch of records ---- */

/* Takes out of @items those whose key has a record. */
static gboolean leave_known(Copy *copy, VelmDatabase *target, GPtrArray *items, GError **error) {
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  for (guint i = 0; i < items->len; i++)
    g_ptr_array_add(keys, (gpointer)((Item *)items->pdata[i])->row.key);
  g_autoptr(GHashTable) known = velm_store_find_records(target, keys, error);
  for (guint i = known ? items->len : 0; i > 0; i--) {
    const VelmStoreRow *row = &((Item *)items->pdata[i - 1])->row;
    const VelmStoredRecord *record = g_hash_table_lookup(known, row->key);
    g_autoptr(GError) cause = NULL;
    if (!record)
      continue;
    if (velm_store_check_same(row->key, row->product, row->image, record->product, record->image,
                              &cause))
      copy->copied->existed++;
    else
      add_fault(copy, row->key, cause->message);
    if (((Item *)items->pdata[i - 1])->is_put)
      velm_store_release_image(copy->to, row->image);
    g_ptr_array_remove_index(items, i - 1);
  }
  return known != NULL;
}

static gboolean leave_known_before(Copy *copy, GPtrArray *items, GError **error) {
  VelmDatabase *target = velm_store_begin_reading(copy->to, error);
  if (!target)
    return FALSE;
  gboolean ok = leave_known(copy, target, items, error);
  velm_store_end_reading(copy->to, target);
  return ok;
}

/* Puts the images into the target, and takes out of @items those whose image is damaged. */
static gboolean put_images(Copy *copy, GPtrArray *items, GError **error) {
  for (guint i = items->len; i > 0; i--) {
    Item *item = items->pdata[i - 1];
    g_autoptr(GError) cause = NULL;
    g_autoptr(GBytes) bytes = velm_store_read_image(copy->from, item->row.image, &cause);
    if (!bytes) {
      add_fault(copy, item->row.key, cause->message);
      g_ptr_array_remove_index(items, i - 1);
      continue;
    }
    g_autofree char *sha256 = velm_store_put_image(copy->to, bytes, error);
    if (!sha256 || !read_belongings(copy, item, error))
      return FALSE;
    item->is_put = TRUE;
  }
  return TRUE;
}

static gboolean write_items(Copy *copy, VelmDatabase *target, GPtrArray *items, GError **error) {
  if (!leave_known(copy, target, items, error))
    return FALSE;
  g_autofree VelmStoreRow *rows = g_new0(VelmStoreRow, items->len);
  for (guint i = 0; i < items->len; i++)
    rows[i] = ((Item *)items->pdata[i])->row;
  if (items->len > 0 && !velm_store_write_rows(target, rows, items->len, error))
    return FALSE;
  for (guint i = 0; i < items->len; i++) {
    Item *item = items->pdata[i];
    item->row.id = rows[i].id;
    if (!write_belongings(copy, target, item, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean write_in_transaction(Copy *copy, GPtrArray *items, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmDatabase *target = velm_store_begin_writing(copy->to, error);
  if (!target)
    return FALSE;
  gboolean ok = velm_database_begin(target, &cause) && write_items(copy, target, items, &cause);
  return velm_store_end_transaction(copy->to, ok, g_steal_pointer(&cause), error);
}

static gboolean copy_batch(Copy *copy, GPtrArray *items, GError **error) {
  if (!leave_known_before(copy, items, error))
    return FALSE;
  gboolean ok = put_images(copy, items, error) &&
                (items->len == 0 || write_in_transaction(copy, items, error));
  for (guint i = 0; i < items->len; i++)
    if (((Item *)items->pdata[i])->is_put)
      velm_store_release_image(copy->to, ((Item *)items->pdata[i])->row.image);
  if (ok)
    copy->copied->copied += items->len;
  return ok;
}

static gboolean copy_records(Copy *copy, GError **error) {
  gint64 last = 0;
  if (!velm_database_read_int(copy->source, "SELECT count(*) FROM records", &copy->total, error))
    return FALSE;
  for (;;) {
    g_autoptr(GPtrArray) items = read_items(copy, last, error);
    if (!items || items->len == 0)
      return items != NULL;
    guint n = items->len;
    last = ((Item *)items->pdata[n - 1])->id;
    if (!copy_batch(copy, items, error))
      return FALSE;
    while (n-- > 0)
      if (!go_on(copy, error))
        return FALSE;
  }
}

/* ---- tables without a key: how far each is copied ---- */

static char *mark_of(const Copy *copy, const char *table) {
  return g_strdup_printf("%s copied from %s", table, copy->name);
}

static gboolean read_mark(Copy *copy, VelmDatabase *target, const char *table, gint64 *last,
                          GError **error) {
  gboolean found = FALSE;
  g_autofree char *name = mark_of(copy, table);
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      target, "SELECT record FROM marks WHERE station = ?1 AND name = ?2", error);
  *last = 0;
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, copy->to->station);
  velm_statement_bind_text(statement, 2, name);
  if (!velm_statement_find(statement, &found, error))
    return FALSE;
  if (found)
    *last = velm_statement_int(statement, 0);
  return TRUE;
}

static gboolean write_mark(Copy *copy, VelmDatabase *target, const char *table, gint64 last,
                           GError **error) {
  g_autofree char *name = mark_of(copy, table);
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(target,
                            "INSERT INTO marks (station, name, record) VALUES (?1, ?2, ?3)"
                            " ON CONFLICT (station, name) DO UPDATE SET record = excluded.record",
                            error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, copy->to->station);
  velm_statement_bind_text(statement, 2, name);
  velm_statement_bind_int(statement, 3, last);
  return velm_statement_finish(statement, error);
}

/* One table: rows after the last that was copied, each of which @write writes to the target. */
typedef struct {
  const char *name, *select; /* the latter with the id first and two parameters: after, limit */
  gboolean (*write)(Copy *copy, VelmDatabase *target, VelmStatement *row, GError **error);
} Table;

/* @n: (out): rows that were copied. */
static gboolean copy_rows(Copy *copy, VelmDatabase *target, const Table *table, guint *n,
                          GError **error) {
  gint64 last = 0;
  VelmStep step;
  *n = 0;
  if (!read_mark(copy, target, table->name, &last, error))
    return FALSE;
  g_autoptr(VelmStatement) rows = velm_database_prepare(copy->source, table->select, error);
  if (!rows)
    return FALSE;
  velm_statement_bind_int(rows, 1, last);
  velm_statement_bind_int(rows, 2, ENTRIES_A_BATCH);
  while ((step = velm_statement_step(rows, error)) == VELM_STEP_ROW) {
    last = velm_statement_int(rows, 0);
    if (!table->write(copy, target, rows, error))
      return FALSE;
    ++*n;
  }
  return step == VELM_STEP_DONE && (*n == 0 || write_mark(copy, target, table->name, last, error));
}

static gboolean copy_table(Copy *copy, const Table *table, GError **error) {
  guint n = 0;
  do {
    g_autoptr(GError) cause = NULL;
    VelmDatabase *target = velm_store_begin_writing(copy->to, error);
    if (!target)
      return FALSE;
    gboolean ok = velm_database_begin(target, &cause) && copy_rows(copy, target, table, &n, &cause);
    if (!velm_store_end_transaction(copy->to, ok, g_steal_pointer(&cause), error))
      return FALSE;
  } while (n == ENTRIES_A_BATCH);
  return TRUE;
}

/* ---- specs, versions ---- */

static gboolean copy_spec(Copy *copy, VelmDatabase *target, VelmStatement *row, GError **error) {
  g_autoptr(VelmStoredSpec) spec = g_new0(VelmStoredSpec, 1);
  spec->product = velm_statement_text(row, 2);
  spec->who = velm_statement_text(row, 3);
  spec->text = velm_statement_text(row, 4);
  return velm_store_write_spec(target, spec, velm_statement_int(row, 1), error);
}

/* Where the product uses it at the source, it does so at the target, unless it uses one there. */
static gboolean copy_version(Copy *copy, VelmDatabase *target, VelmStatement *row, GError **error) {
  gint64 id = 0;
  g_autoptr(VelmStoredVersion) version = g_new0(VelmStoredVersion, 1);
  version->product = velm_statement_text(row, 2);
  version->who = velm_statement_text(row, 3);
  version->kind = velm_statement_text(row, 4);
  version->base = velm_statement_text(row, 5);
  version->file = velm_statement_text(row, 6);
  version->report = velm_statement_text(row, 7);
  if (!velm_store_write_version(target, version, velm_statement_int(row, 1), &id, error))
    return FALSE;
  if (velm_statement_int(row, 8) == 0)
    return TRUE;
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      target, "INSERT INTO used_versions (product, version) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
      error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, version->product);
  velm_statement_bind_int(statement, 2, id);
  return velm_statement_finish(statement, error);
}

/* ---- the audit log ---- */

/* The number that the source's record @id has at the target; 0 where it is not there. */
static gboolean find_number(Copy *copy, VelmDatabase *target, gint64 id, gint64 *number,
                            GError **error) {
  gboolean found = FALSE;
  *number = 0;
  g_autoptr(VelmStatement) key =
      velm_database_prepare(copy->source, "SELECT key FROM keys WHERE id = ?", error);
  g_autoptr(VelmStatement) other =
      key ? velm_database_prepare(target, "SELECT id FROM keys WHERE key = ?", error) : NULL;
  if (!other)
    return FALSE;
  velm_statement_bind_int(key, 1, id);
  if (!velm_statement_find(key, &found, error))
    return FALSE;
  if (!found)
    return TRUE;
  velm_statement_bind_text(other, 1, velm_statement_peek_text(key, 0));
  if (!velm_statement_find(other, &found, error))
    return FALSE;
  if (found)
    *number = velm_statement_int(other, 0);
  return TRUE;
}

/* An entry tells of a record by its number, which is another at the target. */
static gboolean copy_entry(Copy *copy, VelmDatabase *target, VelmStatement *row, GError **error) {
  static const char record[] = "record ";
  const char *what = velm_statement_peek_text(row, 4);
  g_autofree char *renamed = NULL;
  if (what && g_str_has_prefix(what, record)) {
    gint64 number = 0;
    if (!find_number(copy, target, g_ascii_strtoll(what + strlen(record), NULL, 10), &number,
                     error))
      return FALSE;
    renamed = number ? g_strdup_printf("record %" G_GINT64_FORMAT, number)
                     : g_strdup_printf("%s of the store %s", what, copy->name);
  }
  return velm_store_write_audit(target, velm_statement_int(row, 1),
                                velm_statement_peek_text(row, 2), velm_statement_peek_text(row, 3),
                                renamed ? renamed : what, velm_statement_peek_text(row, 5), error);
}

/* ---- the station's own ---- */

/* Who follows the records goes on where it was: at the last of those that it has seen. */
static gboolean copy_mark(Copy *copy, VelmDatabase *target, VelmStatement *row, GError **error) {
  gint64 number = 0;
  if (!find_number(copy, target, velm_statement_int(row, 1), &number, error))
    return FALSE;
  if (number == 0)
    return TRUE;
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      target,
      "INSERT INTO marks (station, name, record) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
      error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, copy->to->station);
  velm_statement_bind_text(statement, 2, velm_statement_peek_text(row, 0));
  velm_statement_bind_int(statement, 3, number);
  return velm_statement_finish(statement, error);
}

static gboolean copy_marks(Copy *copy, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmStep step = VELM_STEP_FAILED;
  VelmDatabase *target = velm_store_begin_writing(copy->to, error);
  if (!target)
    return FALSE;
  gboolean ok = velm_database_begin(target, &cause);
  g_autoptr(VelmStatement) rows =
      ok ? velm_database_prepare(copy->source,
                                 "SELECT name, (SELECT max(id) FROM keys WHERE id <= record)"
                                 " FROM marks WHERE station = ?",
                                 &cause)
         : NULL;
  if (rows)
    velm_statement_bind_text(rows, 1, copy->from->station);
  while (rows && (step = velm_statement_step(rows, &cause)) == VELM_STEP_ROW)
    if (!copy_mark(copy, target, rows, &cause))
      break;
  return velm_store_end_transaction(copy->to, step == VELM_STEP_DONE, g_steal_pointer(&cause),
                                    error);
}

static gboolean copy_queued(Copy *copy, GError **error) {
  for (gint64 after = 0; after >= 0;) {
    g_autoptr(GPtrArray) page =
        velm_store_list_queued(copy->from, after, VELM_STORE_MAX_PAGE, error);
    if (!page)
      return FALSE;
    after = page->len == VELM_STORE_MAX_PAGE ? ((VelmQueued *)page->pdata[page->len - 1])->id : -1;
    for (guint i = 0; i < page->len; i++) {
      const VelmQueued *queued = page->pdata[i];
      g_autoptr(GError) cause = NULL;
      g_autoptr(GBytes) bytes = velm_store_read_image(copy->from, queued->image, &cause);
      if (bytes && velm_store_enqueue(copy->to, queued, bytes, NULL, &cause))
        continue;
      if (bytes && !g_error_matches(cause, VELM_ERROR, VELM_ERROR_USAGE)) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
      }
      add_fault(copy, queued->key, cause->message);
    }
  }
  return TRUE;
}

/* ---- all ---- */

static gboolean copy_all(Copy *copy, GError **error) {
  static const Table tables[] = {
      {"specs", "SELECT id, time, product, who, text FROM specs WHERE id > ?1 ORDER BY id LIMIT ?2",
       copy_spec},
      {"versions",
       "SELECT id, time, versions.product, who, kind, base, file, report,"
       " EXISTS (SELECT 1 FROM used_versions WHERE version = id) FROM versions"
       " WHERE id > ?1 ORDER BY id LIMIT ?2",
       copy_version},
      {"audit",
       "SELECT id, time, who, action, target, detail FROM audit WHERE id > ?1 ORDER BY id LIMIT ?2",
       copy_entry},
  };
  copy->name = velm_store_read_name(copy->source, error);
  if (!copy->name || !copy_records(copy, error) || !copy_queued(copy, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(tables); i++)
    if (!copy_table(copy, &tables[i], error))
      return FALSE;
  return copy_marks(copy, error);
}

gboolean velm_store_copy(VelmStore *from, VelmStore *to, VelmProgress progress,
                         gpointer progress_data, VelmStoreCopied *copied, GError **error) {
  Copy copy = {.from = from,
               .to = to,
               .progress = progress,
               .progress_data = progress_data,
               .copied = copied};
  *copied = (VelmStoreCopied){.faults = g_ptr_array_new_with_free_func(g_free)};
  copy.source = velm_store_begin_reading(from, error);
  if (!copy.source)
    return FALSE;
  gboolean ok = velm_database_begin_reading(copy.source, error) && copy_all(&copy, error);
  velm_database_end(copy.source, FALSE, NULL);
  velm_store_end_reading(from, copy.source);
  g_free(copy.name);
  return ok;
}
