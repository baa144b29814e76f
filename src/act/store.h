/*
 * The store: what was inspected at a station, and what people said of it, in one folder.
 *
 *   records.sqlite   records, reviews, the queue and the audit log; SQLite with a write-ahead log
 *   images/          the images as they came, each named by the SHA-256 of its bytes
 *   lock             held by the one process that uses the folder
 *   reserve          2 MiB that retention gives up on a full disk, to free more
 *
 * What velm_store_add() has returned is on the disk: the image first, then its record, in one
 * transaction that is synchronised before it returns. So a killed process, or a power cut, leaves
 * no record without its image and no half of either. At worst it leaves an image without a record,
 * which the next velm_store_open() removes. velm_store_enqueue() promises the same of an image that
 * waits for its record.
 *
 * Every failure is the one call's: a full or read-only disk, or one damaged image, stops nothing
 * else, and the next call tries anew. velm_store_get_health() says how the last one went.
 *
 * A shared store is one that many processes on many machines use at once: all but the images is in
 * a PostgreSQL database, and the folder with the images is one that all of them see. See
 * velm_store_open_shared().
 *
 * Any number of threads may use a store at once. Readers do not wait for writers. Times are
 * microseconds of g_get_real_time(). Every failure is VELM_ERROR_FILE, unless a function says
 * otherwise.
 */
#pragma once

#include "core/database.h"
#include "detect/inspection.h"

typedef struct _VelmStore VelmStore;

/* The word in place of a decision in the record of an image that could not be inspected. */
#define VELM_STORE_FAILED "failed"

/* The longest text of a kind, in bytes; more is VELM_ERROR_USAGE. */
#define VELM_STORE_MAX_KEY 200
#define VELM_STORE_MAX_NAME                                                                        \
  800                             /* of a product, a class, a person: 200 characters of any script \
                                   */
#define VELM_STORE_MAX_NOTE 16000 /* 4,000 characters */
#define VELM_STORE_MAX_IMAGE (512 * 1024 * 1024) /* the bytes of an image's file */

/**
 * Opens the store in @folder, makes it there, or brings one of an older velm up to date. After a
 * process that was killed it is checked, and what that left is removed.
 * Returns: (transfer full): NULL where another process uses it, where it cannot be written, or
 * where it is damaged, no store, or of a newer velm: it is then left as it is
 */
VelmStore *velm_store_open(const char *folder, GError **error);

/**
 * Opens a store that others use too, or makes it, or brings one of an older velm up to date.
 * Records, reviews, specs, versions and the audit log are of all of them; the queue, callbacks and
 * marks are the station's own, and velm_store_next() gives its own records.
 * @folder: has images/, the same for all of them; made where it is missing
 * @url: postgresql://[USER@]HOST[:PORT]/DATABASE; the password may be in PGPASSWORD or a passfile
 * instead, and no message has it
 * @station: the name of who opens it; no two that run at once have the same
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE where @url or @station is none; else with
 * VELM_ERROR_FILE, as for velm_store_open(), or where the server cannot be reached. Once it is
 * open, a server that goes away fails only the calls meanwhile (VELM_DATABASE_AWAY): the next call
 * connects anew
 */
VelmStore *velm_store_open_shared(const char *folder, const char *url, const char *station,
                                  GError **error);

/** Whether @place is a shared store's address, not a folder. */
gboolean velm_store_is_address(const char *place);

/** Nothing may be using @store. */
void velm_store_free(VelmStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmStore, velm_store_free)

/* ---- health ---- */

/**
 * VelmStoreHealth: how the store's disk does.
 * @state: VELM_DATABASE_FINE until a write fails, and again after velm_store_add(),
 * velm_store_enqueue() or velm_store_probe() succeeds
 * @since: when it came to be in this state
 * @message: why, where it is not fine; or NULL
 */
typedef struct {
  VelmDatabaseState state;
  gint64 since;
  char *message;
} VelmStoreHealth;

/** Returns: (transfer full): to be cleared with velm_store_health_clear(). */
VelmStoreHealth velm_store_get_health(VelmStore *store);
void velm_store_health_clear(VelmStoreHealth *health);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmStoreHealth, velm_store_health_clear)

/** Writes to the database, and asks for the space of an image (4 MiB) in the images' folder, to
 * find whether records could be kept now: that the store has recovered is known without an image.
 */
gboolean velm_store_probe(VelmStore *store, GError **error);

/** Asks the server of a shared store whether it is still there, which its health then tells. */
void velm_store_watch(VelmStore *store);

/* ---- images ---- */

/**
 * Keeps an image's bytes, so that they are on the disk when it returns, and stay there until
 * velm_store_release_image(), as often as they were put: meanwhile they can be inspected by their
 * path, and get a record by velm_store_add() or a place in the queue.
 * @bytes: the file as it came, of any kind
 * Returns: (transfer full): its SHA-256 in hexadecimal; NULL with VELM_ERROR_USAGE where it is
 * empty or too large, else VELM_ERROR_FILE
 */
char *velm_store_put_image(VelmStore *store, GBytes *bytes, GError **error);

/** Ends what velm_store_put_image() began. An image without a record goes, unless
 * it is queued. */
void velm_store_release_image(VelmStore *store, const char *sha256);

/** Where the image @sha256 lies. It must not be written to. Returns: (transfer full): NULL where
 * @sha256 is not 64 digits, so that no text from outside leads elsewhere. */
char *velm_store_image_path(const VelmStore *store, const char *sha256);

/** Returns: (transfer full): its bytes as they came; NULL with VELM_ERROR_FILE where there is none,
 * VELM_ERROR_IMAGE where it has been damaged on the disk. */
GBytes *velm_store_read_image(VelmStore *store, const char *sha256, GError **error);

/* ---- records ---- */

/**
 * VelmSubmission: one image and what came of it; all borrowed.
 * @key: of the submitter's choice, and the same when it tries again
 * @product: what was inspected
 * @time: when the image was taken in
 * @image: its bytes as they came; NULL for those that wait in the queue under @key, which are then
 * not read: they may be damaged
 * @media_type: such as "image/png"
 * @inspection: the record; NULL where it could not be inspected
 * @json: (nullable): the record's JSON, where another process made it: @inspection is then what
 * velm_record_read() and velm_record_read_prompt() say of it
 * @part: (nullable): the part that it shows, where the submitter names it: other images may show it
 * @station: (nullable): the station whose image it is, where that is known
 * @name: (nullable): of the image that could not be, for its record
 * @failure: why it could not
 * @map: (nullable): the score map, in whatever form the caller reads again
 */
typedef struct {
  const char *key, *product;
  gint64 time;
  GBytes *image;
  const char *media_type, *part, *station;
  const VelmInspection *inspection;
  const char *json, *name, *failure;
  GBytes *map;
} VelmSubmission;

/** What a person said of a record. */
typedef enum {
  VELM_VERDICT_NONE,    /* nothing yet, or it was taken back */
  VELM_VERDICT_CONFIRM, /* it is as the record says */
  VELM_VERDICT_CORRECT, /* it is of another class */
  VELM_VERDICT_GOOD,    /* there is nothing wrong with the part */
} VelmReviewVerdict;

/** The verdict's word: "none", "confirm", "correct", "good". */
const char *velm_verdict_name(VelmReviewVerdict verdict);

/**
 * VelmStoredRecord: a record as the store has it.
 * @part: the submitter's name of the part; or NULL
 * @station: the station whose image it is; or NULL
 * @image: SHA-256 of the image; @media_type: its kind; @image_bytes: its size
 * @decision: as it left, a velm_decision_name() or VELM_STORE_FAILED
 * @class_name: as it stands: the person's where one said so, else the classifier's; or NULL
 * @detected_class: the classifier's; or NULL
 * @score, @threshold, @confidence: NaN where there is none
 * @verdict: of the latest review
 * @json: the whole record, velm_inspection_to_json(); NULL in lists
 */
typedef struct {
  gint64 id, time;
  char *key, *product, *part, *station;
  char *image, *media_type;
  gint64 image_bytes;
  char *decision, *class_name, *detected_class;
  double score, threshold, confidence;
  VelmReviewVerdict verdict;
  char *json;
} VelmStoredRecord;

void velm_stored_record_free(VelmStoredRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmStoredRecord, velm_stored_record_free)

/**
 * Keeps an image with its record; both are on the disk when it returns. Where the key is queued,
 * its row goes in the same transaction, and its callback is due.
 * @existed: (out) (nullable): the key had a record, of the very same product and image; that one
 * stays as it is, and is returned. It may be queued all the same, where another process made the
 * record
 * Returns: (transfer full): the record; NULL with VELM_ERROR_USAGE where the key was used or
 * is queued for another product or image, where there is no image, or a text is missing, too long
 * or no UTF-8; else VELM_ERROR_FILE, and there is then no record of the key
 */
VelmStoredRecord *velm_store_add(VelmStore *store, const VelmSubmission *submission,
                                 gboolean *existed, GError **error);

/* The most submissions that velm_store_add_many() takes. */
#define VELM_STORE_MAX_BATCH 500

/**
 * VelmStoreAdded: what came of one submission of a batch; to be cleared with
 * velm_store_added_clear().
 * @record: as velm_store_add() returns it; NULL with @error
 * @existed: the key had a record, or has got it by another submission of the batch
 * @error: VELM_ERROR_USAGE: why this submission could not be kept
 */
typedef struct {
  VelmStoredRecord *record;
  gboolean existed;
  GError *error;
} VelmStoreAdded;

void velm_store_added_clear(VelmStoreAdded *added);

/**
 * velm_store_add() of up to VELM_STORE_MAX_BATCH submissions in one transaction: one that does not
 * fit keeps no other from its record.
 * @added: (out caller-allocates) (array length=n)
 * Returns: FALSE with the error, and nothing in @added, where none of them is kept: with
 * VELM_ERROR_USAGE where there are too many, else VELM_ERROR_FILE
 */
gboolean velm_store_add_many(VelmStore *store, const VelmSubmission *submissions, gsize n,
                             VelmStoreAdded *added, GError **error);

/** Finds a record by its number, or by its key. @record: (out) (transfer full): NULL where there is
 * none. Returns: FALSE where the store fails. */
gboolean velm_store_get(VelmStore *store, gint64 id, VelmStoredRecord **record, GError **error);
gboolean velm_store_find(VelmStore *store, const char *key, VelmStoredRecord **record,
                         GError **error);

/** The score map that was kept with the record. @map: (out) (transfer full): NULL where there is
 * none. */
gboolean velm_store_get_map(VelmStore *store, gint64 id, GBytes **map, GError **error);

/** What a language model was asked about the part, as velm_record_prompt_json(). @json: (out)
 * (transfer full): NULL where none was asked, or there is no such record. */
gboolean velm_store_get_prompt(VelmStore *store, gint64 id, char **json, GError **error);

typedef enum {
  VELM_STORE_NEWEST,        /* by time */
  VELM_STORE_OLDEST,        /* by time */
  VELM_STORE_HIGHEST_SCORE, /* those that have a score */
  VELM_STORE_LEAST_CERTAIN, /* those that are anomalous or failed: first those without a class */
} VelmStoreOrder;

typedef enum {
  VELM_STORE_ALL,
  VELM_STORE_REVIEWED,
  VELM_STORE_UNREVIEWED,
} VelmStoreReviewed;

/**
 * VelmStoreQuery: which records, and in which order. Start from velm_store_query_default(): all,
 * the newest first.
 * @product, @station, @decision: NULL for any
 * @class_name: as it stands; NULL for any
 * @min_score, @max_score: both inclusive; NaN for no limit
 * @since, @until: @since <= time < @until; 0 for no limit
 */
typedef struct {
  const char *product, *station, *class_name, *decision;
  double min_score, max_score;
  gint64 since, until;
  VelmStoreReviewed reviewed;
  VelmStoreOrder order;
} VelmStoreQuery;

VelmStoreQuery velm_store_query_default(void);

#define VELM_STORE_MAX_PAGE 500

/**
 * One page of records. Records that come or go between two pages neither repeat nor hide others.
 * @cursor: NULL for the first page, else @next of the page before, of the same query
 * @limit: records at most, 1 to VELM_STORE_MAX_PAGE
 * @next: (out) (transfer full): NULL where this is the last page
 * Returns: (transfer full) (element-type VelmStoredRecord): NULL with VELM_ERROR_USAGE where
 * @cursor is none of this order, or a filter is no UTF-8
 */
GPtrArray *velm_store_list(VelmStore *store, const VelmStoreQuery *query, const char *cursor,
                           guint limit, char **next, GError **error);

/** How many records there are of a query; its order does not matter. */
gboolean velm_store_count(VelmStore *store, const VelmStoreQuery *query, gint64 *count,
                          GError **error);

/** The stations that records are of, by their names, VELM_STORE_MAX_PAGE of them at most. Returns:
 * (transfer full) (element-type utf8). */
GPtrArray *velm_store_list_stations(VelmStore *store, GError **error);

/* ---- the queue: images that wait for their record ---- */

#define VELM_STORE_MAX_PATH 4096 /* the bytes of an image's name */
#define VELM_STORE_MAX_URL 2000

/**
 * VelmQueued: an image that was accepted and is inspected later.
 * @key, @product, @time, @media_type: as in a VelmSubmission
 * @name: (nullable): of the image, for its record; @part: (nullable): as in a VelmSubmission
 * @callback: (nullable): the URL where somebody is to be told of the record
 * @id, @image: the store's, @image is the SHA-256; not read when it is queued
 */
typedef struct {
  gint64 id, time;
  char *key, *product, *media_type;
  char *name, *part, *callback;
  char *image;
} VelmQueued;

void velm_queued_free(VelmQueued *queued);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmQueued, velm_queued_free)

/**
 * Queues an image: it and its row are on the disk when it returns, and stay there, whatever happens
 * to this process, until velm_store_add() gives the key its record. So each key that was queued
 * ends as one record.
 * @existed: (out) (nullable): the key was queued or has a record, of the very same product and
 * image: that stays as it is, but for the callback. One given now takes the place of an earlier
 * one; that of a record is due at once. Returns: FALSE with VELM_ERROR_USAGE where the key was used
 * or is queued for another product or image, or a text is missing, too long or no UTF-8; else with
 * VELM_ERROR_FILE, and the key is not queued then
 */
gboolean velm_store_enqueue(VelmStore *store, const VelmQueued *queued, GBytes *image,
                            gboolean *existed, GError **error);

/** What is queued after the row @after (0 for the first), in the order of arrival. It stays queued
 * while it is inspected: who lists again must know what he has begun. @limit: as for
 * velm_store_list(). Returns: (transfer full) (element-type VelmQueued). */
GPtrArray *velm_store_list_queued(VelmStore *store, gint64 after, guint limit, GError **error);

/** Whether the key is queued. @queued: (out). */
gboolean velm_store_is_queued(VelmStore *store, const char *key, gboolean *queued, GError **error);

gboolean velm_store_count_queued(VelmStore *store, gint64 *count, GError **error);

/* ---- callbacks: who is to be told of a record ---- */

/**
 * VelmCallback: somebody who is to be told of a record. It stays until velm_store_callback_done(),
 * and meanwhile retention keeps the record. It is told once at least: again, where this process is
 * killed in between.
 * @record: the record's number, and the callback's
 * @due: when it is to be tried (next)
 * @attempts: that failed
 * @message: (nullable): why the last one did
 */
typedef struct {
  gint64 record, due, attempts;
  char *url, *message;
} VelmCallback;

void velm_callback_free(VelmCallback *callback);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmCallback, velm_callback_free)

/** Callbacks that are due at @until or earlier, the earliest first, also those that are being
 * delivered. With G_MAXINT64 the first of them is the next to come due. @limit: as for
 * velm_store_list(). Returns: (transfer full) (element-type VelmCallback). */
GPtrArray *velm_store_list_callbacks(VelmStore *store, gint64 until, guint limit, GError **error);

/** @callback, from a list, was delivered, or is given up. One that is not there any more is no
 * failure; where its record has another URL by now, that one stays. */
gboolean velm_store_callback_done(VelmStore *store, const VelmCallback *callback, GError **error);

/** @callback, from a list, was not delivered. @retry_at: when it is to be tried again. @message:
 * (nullable): why; its first VELM_STORE_MAX_NOTE bytes are kept, made UTF-8. */
gboolean velm_store_callback_failed(VelmStore *store, const VelmCallback *callback, gint64 retry_at,
                                    const char *message, GError **error);

/* ---- marks: who goes through the records in the order in which they came to be on the disk ----
 */

/** The first record with a number over @after: of a shared store, of those of the station that
 * opened it. @record: (out) (transfer full): NULL where there is none. */
gboolean velm_store_next(VelmStore *store, gint64 after, VelmStoredRecord **record, GError **error);

/** Reads the mark @name: the number of the last record that is done with. One that is new is set to
 * the latest record there is. @record: (out). Returns: FALSE with VELM_ERROR_USAGE where the name
 * will not do, else VELM_ERROR_FILE. */
gboolean velm_store_begin_mark(VelmStore *store, const char *name, gint64 *record, GError **error);

/** Sets it, so that it is on the disk when it returns. */
gboolean velm_store_set_mark(VelmStore *store, const char *name, gint64 record, GError **error);

/* ---- figures ---- */

#define VELM_STORE_MAX_SPANS 60
#define VELM_STORE_MAX_BINS 40

/** How many records have @name. */
typedef struct {
  char *name;
  gint64 count;
} VelmStoreCount;

/**
 * VelmStoreLlm: what asking language models took, by those who tell.
 * @usd: NaN where no price is known
 */
typedef struct {
  gint64 requests, tokens;
  double usd;
} VelmStoreLlm;

/**
 * VelmStoreSpan: the records of a span of time.
 * @time: its beginning; the next begins where it ends
 * @good: normal or negligible
 * @mean_score, @mean_ms: of those that have them, the latter of the whole inspection; NaN where
 * none has
 * @llm: what asking language models took
 */
typedef struct {
  gint64 time, total, good, defect;
  double mean_score, mean_ms;
  VelmStoreLlm llm;
} VelmStoreSpan;

/** The records with @low <= score < @high, normal or negligible, and others; the last bin has its
 * @high as well. */
typedef struct {
  double low, high;
  gint64 good, other;
} VelmStoreBin;

/**
 * VelmStoreStats: figures of a query's records.
 * @first, @last: the earliest and the latest time; 0 where there is no record
 * @reviewed: those that a person has reviewed
 * @llm: what asking language models took
 * @decisions: how many left with each, the most frequent first; those that none has are not named
 * @classes: likewise, as they stand; the name of those without a class is NULL
 * @spans: equal spans of time from @first to @last, also those without a record; @n_spans is 0
 * where there is no record
 * @bins: equal bins from the lowest score to the highest; @n_bins is 0 where there is no score,
 * else VELM_STORE_MAX_BINS
 */
typedef struct {
  gint64 first, last, total, reviewed;
  VelmStoreLlm llm;
  VelmStoreCount *decisions, *classes;
  gsize n_decisions, n_classes, n_spans, n_bins;
  VelmStoreSpan spans[VELM_STORE_MAX_SPANS];
  VelmStoreBin bins[VELM_STORE_MAX_BINS];
} VelmStoreStats;

void velm_store_stats_free(VelmStoreStats *stats);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmStoreStats, velm_store_stats_free)

/** Figures of the records of a query, all of one moment; its order does not matter. Returns:
 * (transfer full): NULL with VELM_ERROR_USAGE where a filter is no UTF-8, else VELM_ERROR_FILE. */
VelmStoreStats *velm_store_stats(VelmStore *store, const VelmStoreQuery *query, GError **error);

/* ---- specs: who changed a product's, and how it was ---- */

/**
 * VelmStoredSpec: a spec that somebody put in use.
 * @text: YAML
 */
typedef struct {
  gint64 id, time;
  char *product, *who, *text;
} VelmStoredSpec;

void velm_stored_spec_free(VelmStoredSpec *spec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmStoredSpec, velm_stored_spec_free)

/** Adds one, with an entry in the audit log. @spec: id and time are the store's. Returns: FALSE
 * with VELM_ERROR_USAGE or VELM_ERROR_FILE. */
gboolean velm_store_add_spec(VelmStore *store, const VelmStoredSpec *spec, GError **error);

/** Those of @product, the latest first. @limit: as for velm_store_list(). Returns: (transfer full)
 * (element-type VelmStoredSpec). */
GPtrArray *velm_store_list_specs(VelmStore *store, const char *product, guint limit,
                                 GError **error);

/* ---- versions: models that were made here ---- */

#define VELM_STORE_MAX_REPORT (1024 * 1024)

/**
 * VelmStoredVersion: a model that was made at the station, from another and from reviews.
 * @kind: how: "teach" or "refit"
 * @base: SHA-256 of the model that the product was given: where that is another by now, this
 * version is not its
 * @file: its file's name, in a folder of the caller's
 * @report: what it was found to be, as JSON
 */
typedef struct {
  gint64 id, time;
  char *product, *who, *kind, *base, *file, *report;
} VelmStoredVersion;

void velm_stored_version_free(VelmStoredVersion *version);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmStoredVersion, velm_stored_version_free)

/** Adds one, with an entry in the audit log. @version: id and time are the store's. @id: (out).
 * Returns: FALSE with VELM_ERROR_USAGE or VELM_ERROR_FILE. */
gboolean velm_store_add_version(VelmStore *store, const VelmStoredVersion *version, gint64 *id,
                                GError **error);
/** Those of @product, the latest first. @limit: as for velm_store_list(). Returns: (transfer full)
 * (element-type VelmStoredVersion). */
GPtrArray *velm_store_list_versions(VelmStore *store, const char *product, guint limit,
                                    GError **error);
/** @version: (out) (transfer full): NULL where @product has none with this number. */
gboolean velm_store_get_version(VelmStore *store, const char *product, gint64 id,
                                VelmStoredVersion **version, GError **error);
/** Notes which one @product uses, with an entry in the audit log. @id: 0 for the model that it was
 * given. */
gboolean velm_store_use_version(VelmStore *store, const char *product, gint64 id, const char *who,
                                GError **error);
/** @version: (out) (transfer full): NULL where it is the model that it was given. */
gboolean velm_store_get_used_version(VelmStore *store, const char *product,
                                     VelmStoredVersion **version, GError **error);

/* ---- reviews ---- */

/**
 * VelmReview: one person's word on one record.
 * @class_name: VELM_VERDICT_CORRECT: the class; else NULL
 * @note: (nullable)
 * @who: the person
 * @id, @time: the store's; not read when it is added
 */
typedef struct {
  gint64 id, record, time;
  VelmReviewVerdict verdict;
  char *class_name, *note, *who;
} VelmReview;

void velm_review_free(VelmReview *review);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmReview, velm_review_free)

/**
 * Adds a review, which from then on stands; those before it are kept. Its entry in the audit log is
 * written with it.
 * @found: (out): whether there is such a record; nothing is written where not
 * Returns: FALSE with VELM_ERROR_USAGE where the class, the person or the verdict does not fit,
 * else VELM_ERROR_FILE
 */
gboolean velm_store_review(VelmStore *store, const VelmReview *review, gboolean *found,
                           GError **error);

/** The reviews of a record, the latest first. Returns: (transfer full) (element-type VelmReview).
 */
GPtrArray *velm_store_list_reviews(VelmStore *store, gint64 record, GError **error);

/* ---- the audit log ---- */

/**
 * VelmAuditEntry: who changed what. Entries can neither be changed nor removed.
 * @action: such as "review" or "retention"
 * @target: what it was done to, such as "record 17"
 * @detail: (nullable): in what way, as JSON
 */
typedef struct {
  gint64 id, time;
  char *who, *action, *target, *detail;
} VelmAuditEntry;

void velm_audit_entry_free(VelmAuditEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmAuditEntry, velm_audit_entry_free)

/** Adds an entry. @detail: (nullable). Returns: FALSE with VELM_ERROR_USAGE or VELM_ERROR_FILE. */
gboolean velm_store_audit(VelmStore *store, const char *who, const char *action, const char *target,
                          const char *detail, GError **error);

/** The entries with a smaller number than @before (0 for the newest), the newest first. @limit: as
 * for velm_store_list(). Returns: (transfer full) (element-type VelmAuditEntry). */
GPtrArray *velm_store_list_audit(VelmStore *store, gint64 before, guint limit, GError **error);

/* ---- upkeep ---- */

/** What the store holds: records, bytes of images, also of those that are queued, bytes in use in
 * the database: of a shared store, those of its records. */
typedef struct {
  gint64 records, image_bytes, database_bytes;
} VelmStoreSize;

gboolean velm_store_measure(VelmStore *store, VelmStoreSize *size, GError **error);

/**
 * VelmRetention: what is kept. All zero keeps everything.
 * @max_age: microseconds; older records go; 0 for any
 * @max_bytes: of images and database together; the oldest records go first; 0 for any
 * @reviewed_too: records that a person has reviewed go as well: without, they stay, whatever the
 * limits say, as they are examples to learn from
 */
typedef struct {
  gint64 max_age, max_bytes;
  gboolean reviewed_too;
} VelmRetention;

/**
 * Removes what @retention does not keep, with the images that nothing else has, a few at a time:
 * records can be added meanwhile. What is queued stays, and so does a record whose callback is
 * still to be delivered. It leaves an entry in the audit log. Of a shared store, weeks that are
 * over and have no record any more are dropped, and images that processes left without a record go
 * after an hour, a part of the folder each time.
 * @now: the time that ages are counted from
 * @removed: (out) (nullable): records that went; also where it fails halfway
 */
gboolean velm_store_retain(VelmStore *store, const VelmRetention *retention, gint64 now,
                           gint64 *removed, GError **error);

/**
 * Copies the store to @folder, which velm_store_open() can then open, while it is in use: the
 * records and the queue of one moment with all their images. An earlier backup there is brought up
 * to date: only images that it lacks are copied. It stays whole until the new one is. Retention
 * waits meanwhile.
 * @progress: (nullable): "records", then "images"
 * @damaged: (out) (nullable): images that could not be copied, as they are damaged or missing
 * Returns: FALSE with VELM_ERROR_CANCELLED, with VELM_ERROR_USAGE where @folder is the store itself
 * or another store than its backup, or where the store is shared, whose database has pg_dump; else
 * with VELM_ERROR_FILE
 */
gboolean velm_store_backup(VelmStore *store, const char *folder, VelmProgress progress,
                           gpointer progress_data, gint64 *damaged, GError **error);

/* What velm_store_check() and velm_store_copy() name at most; more are counted. */
#define VELM_STORE_MAX_FAULTS 100

/**
 * VelmStoreCopied: what velm_store_copy() did; to be cleared with velm_store_copied_clear().
 * @copied, @existed: records that were copied, and that were there already
 * @n_faults: records and queued images that stayed behind
 * @faults: (element-type utf8): the first of them, the key and why
 */
typedef struct {
  gint64 copied, existed, n_faults;
  GPtrArray *faults;
} VelmStoreCopied;

void velm_store_copied_clear(VelmStoreCopied *copied);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmStoreCopied, velm_store_copied_clear)

/**
 * Copies all that @from holds into @to, beside what is there: records with their times, classes,
 * reviews, maps and images, specs, versions and the audit log, and what is of the station of @from
 * to that of @to, as are records that name no station where @to is shared. A record gets another
 * number. It can be given up and begun again: what is there already is known by its key. @from
 * stays as it is.
 * @progress: (nullable)
 * @copied: (out): also where it fails halfway
 * Returns: FALSE with VELM_ERROR_CANCELLED or VELM_ERROR_FILE; records that stay behind are no
 * failure
 */
gboolean velm_store_copy(VelmStore *from, VelmStore *to, VelmProgress progress,
                         gpointer progress_data, VelmStoreCopied *copied, GError **error);

/**
 * VelmStoreInfo: a store as it is; to be cleared with velm_store_info_clear().
 * @name: its folder, or its database's address without password
 * @version: of its tables
 * @size: as velm_store_measure(); @images: how many
 * @weeks: (nullable) (element-type VelmStoreCount): of a shared store, the parts of its records, by
 * the first day of the week, and how many are in each
 */
typedef struct {
  char *name;
  gint64 version, images;
  VelmStoreSize size;
  GArray *weeks;
} VelmStoreInfo;

void velm_store_info_clear(VelmStoreInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmStoreInfo, velm_store_info_clear)

/** Looks at a store, which may be in use or of an older velm, and changes nothing. @place: its
 * folder, or the database's address. Returns: FALSE where there is no store, or it is of a newer
 * velm. */
gboolean velm_store_read_info(const char *place, VelmStoreInfo *info, GError **error);

/**
 * VelmStoreCheck: what is wrong with a store.
 * @images: that were looked at
 * @n_faults: damaged or missing images, and faults of the database
 * @faults: (element-type utf8): the first of them, a line each
 */
typedef struct {
  gint64 images, n_faults;
  GPtrArray *faults;
} VelmStoreCheck;

void velm_store_check_free(VelmStoreCheck *check);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmStoreCheck, velm_store_check_free)

/**
 * Checks the database and reads every image, while the store is in use.
 * @progress: (nullable)
 * Returns: (transfer full): what was found; NULL with VELM_ERROR_CANCELLED, or VELM_ERROR_FILE
 * where it could not be looked at
 */
VelmStoreCheck *velm_store_check(VelmStore *store, VelmProgress progress, gpointer progress_data,
                                 GError **error);
