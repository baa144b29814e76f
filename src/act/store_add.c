#include "act/store_private.h"

#include "act/record.h"

#include <math.h>
#include <string.h>

static gboolean check(const VelmSubmission *submission, GError **error) {
  return velm_store_check_text(submission->key, "key", VELM_STORE_MAX_KEY, FALSE, error) &&
         velm_store_check_text(submission->product, "product", VELM_STORE_MAX_NAME, FALSE, error) &&
         velm_store_check_text(submission->media_type, "media type", VELM_STORE_MAX_NAME, FALSE,
                               error) &&
         (!submission->part ||
          velm_store_check_text(submission->part, "part", VELM_STORE_MAX_NAME, FALSE, error));
}

/* How sure the class is, for the order of the review queue; NaN where nothing is in doubt. */
static double certainty_of(const VelmInspection *inspection) {
  if (!inspection)
    return 0;
  if (!inspection->anomalous)
    return NAN;
  return inspection->class_name && isfinite(inspection->confidence) ? inspection->confidence : 0;
}

static gint64 tokens_of(const VelmLlmUsage *llm) {
  return MAX(llm->prompt_tokens, 0) + MAX(llm->completion_tokens, 0);
}

/* As parameters from @first on. */
static void bind_llm(sqlite3_stmt *statement, int first, const VelmInspection *inspection) {
  if (!inspection || !inspection->transcript.text)
    return;
  velm_database_bind_int(statement, first, inspection->llm.requests);
  velm_database_bind_int(statement, first + 1, tokens_of(&inspection->llm));
  /* The sum of no requests is no price. */
  velm_database_bind_double(statement, first + 2,
                            inspection->llm.requests ? inspection->llm.usd : NAN);
}

static gboolean write_row(VelmDatabase *database, const VelmSubmission *submission,
                          const char *sha256, GError **error) {
  const VelmInspection *inspection = submission->inspection;
  g_autoptr(sqlite3_stmt) statement = velm_database_prepare(
      database,
      "INSERT INTO records (key, product, time, image, decision, class, detected_class, score,"
      " threshold, confidence, certainty, ms, llm_requests, llm_tokens, llm_usd, part)"
      " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
      error);
  if (!statement)
    return FALSE;
  velm_database_bind_text(statement, 1, submission->key);
  velm_database_bind_text(statement, 2, submission->product);
  velm_database_bind_int(statement, 3, submission->time);
  velm_database_bind_text(statement, 4, sha256);
  velm_database_bind_text(
      statement, 5, inspection ? velm_decision_name(inspection->decision) : VELM_STORE_FAILED);
  velm_database_bind_text(statement, 6, inspection ? inspection->class_name : NULL);
  velm_database_bind_double(statement, 7, inspection ? inspection->score : NAN);
  velm_database_bind_double(statement, 8, inspection ? inspection->threshold : NAN);
  velm_database_bind_double(statement, 9,
                            inspection && inspection->class_name ? inspection->confidence : NAN);
  velm_database_bind_double(statement, 10, certainty_of(inspection));
  velm_database_bind_double(statement, 11,
                            inspection ? inspection->timings_ms[VELM_TIMING_TOTAL] : NAN);
  bind_llm(statement, 12, inspection);
  velm_database_bind_text(statement, 15, submission->part);
  return velm_database_finish(database, statement, error);
}

/* The record's JSON. */
static char *describe(const VelmSubmission *submission) {
  if (submission->json)
    return g_strdup(submission->json);
  if (submission->inspection)
    return velm_inspection_to_json(submission->inspection);
  return velm_record_error_json(submission->name ? submission->name : submission->key,
                                submission->failure ? submission->failure : "no reason given");
}

static gboolean write_document(VelmDatabase *database, const VelmSubmission *submission,
                               GError **error) {
  g_autofree char *json = describe(submission);
  g_autoptr(sqlite3_stmt) statement = velm_database_prepare(
      database, "INSERT INTO documents VALUES (last_insert_rowid(), ?1, ?2, ?3)", error);
  if (!statement)
    return FALSE;
  g_autofree char *prompt =
      submission->inspection ? velm_record_prompt_json(submission->inspection) : NULL;
  velm_database_bind_text(statement, 3, prompt);
  velm_database_bind_text(statement, 1, json);
  if (submission->map)
    sqlite3_bind_blob64(statement, 2, g_bytes_get_data(submission->map, NULL),
                        g_bytes_get_size(submission->map), SQLITE_STATIC);
  return velm_database_finish(database, statement, error);
}

/* The image of a submission that comes without one is the queue's: its row in images is there. */
static gboolean write_all(VelmDatabase *database, const VelmSubmission *submission,
                          const char *sha256, const VelmQueued *queued, VelmStoredRecord **record,
                          GError **error) {
  return (!sha256 || velm_store_write_image(database, sha256, submission->media_type,
                                            submission->image, error)) &&
         write_row(database, submission, sha256 ? sha256 : queued->image, error) &&
         write_document(database, submission, error) &&
         velm_store_read_record(database, submission->key, 0, record, error) &&
         (!queued || velm_store_end_queued(database, queued, (*record)->id, error));
}

/* @sha256: (nullable): the submission comes without an image. */
static gboolean write_record(VelmDatabase *database, const VelmSubmission *submission,
                             const char *sha256, VelmStoredRecord **record, gboolean *existed,
                             GError **error) {
  g_autoptr(VelmQueued) queued = NULL;
  if (!velm_store_read_record(database, submission->key, 0, record, error) ||
      !velm_store_read_queued(database, submission->key, &queued, error))
    return FALSE;
  *existed = *record != NULL;
  if (*existed)
    return velm_store_check_same(submission->key, submission->product, sha256, (*record)->product,
                                 (*record)->image, error) &&
           (!queued || velm_store_end_queued(database, queued, (*record)->id, error));
  if (!sha256 && !queued) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "there is no image, and none waits under the key \"%s\"", submission->key);
    return FALSE;
  }
  if (queued && !velm_store_check_same(submission->key, submission->product, sha256,
                                       queued->product, queued->image, error))
    return FALSE;
  return write_all(database, submission, sha256, queued, record, error);
}

/* The record, in one transaction with the look whether its key has one. */
static VelmStoredRecord *add(VelmStore *store, const VelmSubmission *submission, const char *sha256,
                             gboolean *existed, GError **error) {
  g_autoptr(VelmStoredRecord) record = NULL;
  g_autoptr(GError) cause = NULL;
  VelmDatabase *database = velm_store_begin_writing(store, error);
  if (!database)
    return NULL;
  gboolean ok = velm_database_begin(database, &cause) &&
                write_record(database, submission, sha256, &record, existed, &cause);
  ok = velm_store_end_transaction(store, ok, g_steal_pointer(&cause), error);
  return ok ? g_steal_pointer(&record) : NULL;
}

VelmStoredRecord *velm_store_add(VelmStore *store, const VelmSubmission *submission,
                                 gboolean *existed, GError **error) {
  gboolean had = FALSE;
  if (!check(submission, error))
    return NULL;
  g_autofree char *sha256 =
      submission->image ? velm_store_put_image(store, submission->image, error) : NULL;
  if (submission->image && !sha256)
    return NULL;
  VelmStoredRecord *record = add(store, submission, sha256, &had, error);
  if (sha256)
    velm_store_release_image(store, sha256);
  if (record)
    velm_store_note(store, VELM_DATABASE_FINE, NULL);
  if (existed)
    *existed = record && had;
  return record;
}
