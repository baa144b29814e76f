/*
 * New records, up to a batch of them in one transaction: which of the keys have a record or wait in
 * the queue is looked up first, the others are written at once.
 */
#include "act/store_private.h"

#include "act/record.h"
#include "core/parallel.h"

#include <math.h>
#include <string.h>

void velm_store_added_clear(VelmStoreAdded *added) {
  g_clear_pointer(&added->record, velm_stored_record_free);
  g_clear_error(&added->error);
}

/* ---- what a record is made of ---- */

static gboolean check(const VelmSubmission *submission, GError **error) {
  return velm_store_check_text(submission->key, "key", VELM_STORE_MAX_KEY, FALSE, error) &&
         velm_store_check_text(submission->product, "product", VELM_STORE_MAX_NAME, FALSE, error) &&
         velm_store_check_text(submission->media_type, "media type", VELM_STORE_MAX_NAME, FALSE,
                               error) &&
         (!submission->part ||
          velm_store_check_text(submission->part, "part", VELM_STORE_MAX_NAME, FALSE, error)) &&
         (!submission->station ||
          velm_store_check_text(submission->station, "station", VELM_STORE_MAX_NAME, FALSE, error));
}

/* How sure the class is, for the order of the review queue; NaN where nothing is in doubt. */
static double certainty_of(const VelmInspection *inspection) {
  if (!inspection->anomalous)
    return NAN;
  return inspection->class_name && isfinite(inspection->confidence) ? inspection->confidence : 0;
}

static gint64 tokens_of(const VelmLlmUsage *llm) {
  return MAX(llm->prompt_tokens, 0) + MAX(llm->completion_tokens, 0);
}

static void fill_from_inspection(VelmStoreRow *row, const VelmInspection *inspection) {
  const VelmLlmUsage *llm = &inspection->llm;
  row->decision = velm_decision_name(inspection->decision);
  row->class_name = row->detected_class = inspection->class_name;
  row->score = inspection->score;
  row->threshold = inspection->threshold;
  row->confidence = inspection->class_name ? inspection->confidence : NAN;
  row->certainty = certainty_of(inspection);
  row->ms = inspection->timings_ms[VELM_TIMING_TOTAL];
  if (!inspection->transcript.text)
    return;
  row->llm_requests = llm->requests;
  row->llm_tokens = tokens_of(llm);
  row->llm_usd = llm->requests ? llm->usd : NAN; /* the sum of no requests is no price */
}

static char *print_document(const VelmSubmission *submission) {
  if (submission->json)
    return g_strdup(submission->json);
  if (submission->inspection)
    return velm_inspection_to_json(submission->inspection);
  return velm_record_error_json(submission->name ? submission->name : submission->key,
                                submission->failure ? submission->failure : "no reason given");
}

/* ---- one submission of a batch ---- */

typedef struct {
  const VelmSubmission *submission;
  VelmStoreAdded *added;
  char *sha256;             /* of the image that it comes with; or NULL */
  char *json, *prompt;      /* of the record */
  const VelmQueued *queued; /* under its key */
  gboolean is_new;
  GError *failure; /* why the store could not take its image */
} Entry;

static void entry_clear(Entry *entry) {
  g_clear_error(&entry->failure);
  g_free(entry->sha256);
  g_free(entry->json);
  g_free(entry->prompt);
}

static VelmStoreRow row_of(const Entry *entry) {
  const VelmSubmission *submission = entry->submission;
  VelmStoreRow row = {
      .key = submission->key,
      .product = submission->product,
      .part = submission->part,
      .station = submission->station,
      .time = submission->time,
      .image = entry->sha256 ? entry->sha256 : entry->queued->image,
      .media_type = submission->media_type,
      .image_bytes = entry->sha256 ? (gint64)g_bytes_get_size(submission->image) : -1,
      .decision = VELM_STORE_FAILED,
      .score = NAN,
      .threshold = NAN,
      .confidence = NAN,
      .ms = NAN,
      .llm_requests = -1,
      .llm_usd = NAN,
      .json = entry->json,
      .prompt = entry->prompt,
      .map = submission->map,
  };
  if (submission->inspection)
    fill_from_inspection(&row, submission->inspection);
  return row;
}

/* Its image is on the disk after that, and stays there until it is released. What does not fit of
 * the submission is its own error. */
static void prepare(VelmStore *store, Entry *entry) {
  const VelmSubmission *submission = entry->submission;
  if (!check(submission, &entry->added->error))
    return;
  if (submission->image) {
    entry->sha256 = velm_store_put_image(store, submission->image, &entry->failure);
    if (g_error_matches(entry->failure, VELM_ERROR, VELM_ERROR_USAGE))
      entry->added->error = g_steal_pointer(&entry->failure);
    if (!entry->sha256)
      return;
  }
  entry->json = print_document(submission);
  entry->prompt = submission->inspection ? velm_record_prompt_json(submission->inspection) : NULL;
}

/* ---- a batch ---- */

typedef struct {
  VelmStore *store;
  Entry *entries;
  gsize n;
  GPtrArray *keys;      /* of those without an error */
  GHashTable *records;  /* key -> VelmStoredRecord: those there were, then all */
  GHashTable *queued;   /* key -> VelmQueued */
  GHashTable *new_keys; /* key -> Entry: those that are to be written */
} Batch;

static void batch_clear(Batch *batch) {
  for (gsize i = 0; i < batch->n; i++)
    entry_clear(&batch->entries[i]);
  g_free(batch->entries);
  g_clear_pointer(&batch->keys, g_ptr_array_unref);
  g_clear_pointer(&batch->records, g_hash_table_unref);
  g_clear_pointer(&batch->queued, g_hash_table_unref);
  g_clear_pointer(&batch->new_keys, g_hash_table_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Batch, batch_clear)

static gboolean find_keys(Batch *batch, VelmDatabase *database, GError **error) {
  batch->records = velm_store_find_records(database, batch->keys, error);
  if (!batch->records)
    return FALSE;
  batch->queued = velm_store_find_queued(database, batch->store->station, batch->keys, error);
  return batch->queued != NULL;
}

/* Whether it may get a record, or is the repetition of one that has; else it has its error. */
static gboolean fits(const Batch *batch, const Entry *entry) {
  const VelmSubmission *submission = entry->submission;
  const VelmStoredRecord *record = g_hash_table_lookup(batch->records, submission->key);
  const Entry *twin = g_hash_table_lookup(batch->new_keys, submission->key);
  GError **error = &entry->added->error;
  if (record)
    return velm_store_check_same(submission->key, submission->product, entry->sha256,
                                 record->product, record->image, error);
  if (!entry->sha256 && !entry->queued) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "there is no image, and none waits under the key \"%s\"", submission->key);
    return FALSE;
  }
  if (entry->queued && !velm_store_check_same(submission->key, submission->product, entry->sha256,
                                              entry->queued->product, entry->queued->image, error))
    return FALSE;
  return !twin || velm_store_check_same(submission->key, submission->product, entry->sha256,
                                        twin->submission->product,
                                        twin->sha256 ? twin->sha256 : twin->queued->image, error);
}

/* What becomes of each, by what was found. */
static void judge(Batch *batch) {
  batch->new_keys = g_hash_table_new(g_str_hash, g_str_equal);
  for (gsize i = 0; i < batch->n; i++) {
    Entry *entry = &batch->entries[i];
    const char *key = entry->submission->key;
    if (entry->added->error)
      continue;
    entry->queued = g_hash_table_lookup(batch->queued, key);
    if (!fits(batch, entry))
      continue;
    entry->is_new =
        !g_hash_table_contains(batch->records, key) && !g_hash_table_contains(batch->new_keys, key);
    entry->added->existed = !entry->is_new;
    if (entry->is_new)
      g_hash_table_insert(batch->new_keys, (gpointer)key, entry);
  }
}

/* In a shared folder, somebody else may have removed a file before this transaction began. */
static gboolean keep_files(const Batch *batch, VelmDatabase *database, GError **error) {
  for (gsize i = 0; velm_store_is_shared(batch->store) && i < batch->n; i++) {
    const Entry *entry = &batch->entries[i];
    if (entry->is_new && entry->sha256 &&
        !velm_store_keep_file(batch->store, database, entry->sha256, entry->submission->image,
                              error))
      return FALSE;
  }
  return TRUE;
}

/* Writes those that are new, and reads them as they are found from now on. */
static gboolean write_new(Batch *batch, VelmDatabase *database, GError **error) {
  g_autofree VelmStoreRow *rows = g_new0(VelmStoreRow, batch->n);
  g_autoptr(GPtrArray) keys = g_ptr_array_new();
  for (gsize i = 0; i < batch->n; i++)
    if (batch->entries[i].is_new) {
      rows[keys->len] = row_of(&batch->entries[i]);
      g_ptr_array_add(keys, (gpointer)batch->entries[i].submission->key);
    }
  if (keys->len == 0)
    return TRUE;
  if (!velm_store_write_rows(database, rows, keys->len, error))
    return FALSE;
  g_autoptr(GHashTable) written = velm_store_find_records(database, keys, error);
  for (guint i = 0; written && i < keys->len; i++) {
    gpointer key = NULL, record = NULL;
    if (g_hash_table_steal_extended(written, keys->pdata[i], &key, &record))
      g_hash_table_insert(batch->records, key, record);
  }
  return written && keep_files(batch, database, error);
}

/* A key that waits has its record now, whoever wrote that. */
static gboolean end_queued(Batch *batch, VelmDatabase *database, GError **error) {
  GHashTableIter iter;
  gpointer key, queued;
  g_hash_table_iter_init(&iter, batch->queued);
  while (g_hash_table_iter_next(&iter, &key, &queued)) {
    const VelmStoredRecord *record = g_hash_table_lookup(batch->records, key);
    if (record && g_str_equal(record->image, ((VelmQueued *)queued)->image) &&
        !velm_store_end_queued(database, batch->store->station, queued, record->id, error))
      return FALSE;
  }
  return TRUE;
}

/* Each record is given to one of those of its key; the others, which are rare, read theirs. */
static gboolean give_records(Batch *batch, VelmDatabase *database, GError **error) {
  for (gsize i = 0; i < batch->n; i++) {
    VelmStoreAdded *added = batch->entries[i].added;
    const char *key = batch->entries[i].submission->key;
    gpointer record = NULL;
    if (added->error)
      continue;
    if (g_hash_table_steal_extended(batch->records, key, NULL, &record))
      added->record = record;
    else if (!velm_store_read_record(database, key, 0, &added->record, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean write_batch(Batch *batch, VelmDatabase *database, GError **error) {
  if (!find_keys(batch, database, error))
    return FALSE;
  judge(batch);
  return write_new(batch, database, error) && end_queued(batch, database, error) &&
         give_records(batch, database, error);
}

static gboolean write_in_transaction(Batch *batch, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_begin_writing(batch->store, error);
  if (!database)
    return FALSE;
  gboolean ok = velm_database_begin(database, &cause) && write_batch(batch, database, &cause);
  return velm_store_end_transaction(batch->store, ok, g_steal_pointer(&cause), error);
}

static void prepare_at(gsize i, gpointer data) {
  Batch *batch = data;
  prepare(batch->store, &batch->entries[i]);
}

/* Side by side: most of it is waiting for the disk. */
static gboolean prepare_all(Batch *batch, GError **error) {
  batch->keys = g_ptr_array_new();
  velm_parallel(batch->n, prepare_at, batch);
  for (gsize i = 0; i < batch->n; i++) {
    Entry *entry = &batch->entries[i];
    if (entry->failure) {
      g_propagate_error(error, g_steal_pointer(&entry->failure));
      return FALSE;
    }
    if (!entry->added->error)
      g_ptr_array_add(batch->keys, (gpointer)entry->submission->key);
  }
  return TRUE;
}

static gboolean add_batch(Batch *batch, GError **error) {
  gboolean ok =
      prepare_all(batch, error) && (batch->keys->len == 0 || write_in_transaction(batch, error));
  for (gsize i = 0; i < batch->n; i++) {
    if (batch->entries[i].sha256)
      velm_store_release_image(batch->store, batch->entries[i].sha256);
    if (!ok)
      velm_store_added_clear(batch->entries[i].added);
  }
  return ok;
}

/* Where all were refused, nothing was tried of the disk. */
static void note_success(const Batch *batch) {
  for (gsize i = 0; i < batch->n; i++)
    if (batch->entries[i].added->record) {
      velm_store_note(batch->store, VELM_DATABASE_FINE, NULL);
      return;
    }
}

gboolean velm_store_add_many(VelmStore *store, const VelmSubmission *submissions, gsize n,
                             VelmStoreAdded *added, GError **error) {
  g_auto(Batch) batch = {.store = store, .entries = g_new0(Entry, n), .n = n};
  memset(added, 0, n * sizeof *added);
  if (n > VELM_STORE_MAX_BATCH) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "a batch has %d submissions at most",
                VELM_STORE_MAX_BATCH);
    return FALSE;
  }
  for (gsize i = 0; i < n; i++) {
    batch.entries[i].submission = &submissions[i];
    batch.entries[i].added = &added[i];
  }
  if (!add_batch(&batch, error))
    return FALSE;
  note_success(&batch);
  return TRUE;
}

VelmStoredRecord *velm_store_add(VelmStore *store, const VelmSubmission *submission,
                                 gboolean *existed, GError **error) {
  VelmStoreAdded added = {0};
  if (existed)
    *existed = FALSE;
  if (!velm_store_add_many(store, submission, 1, &added, error))
    return NULL;
  if (added.error) {
    g_propagate_error(error, added.error);
    return NULL;
  }
  if (existed)
    *existed = added.existed;
  return added.record;
}
