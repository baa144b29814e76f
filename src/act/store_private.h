/*
 * What the operations of the store share: connections, health, images on the disk. For store*.c
 * alone.
 */
#pragma once

#include "act/store.h"
#include "core/database.h"

/* Folder of images that are still being written, in that of the images. */
#define VELM_STORE_UNFINISHED "unfinished"

/* The class of a part that a person found nothing wrong with. */
#define VELM_STORE_CLASS_GOOD "good"

struct _VelmStore {
  char *folder, *images;
  char *url;     /* of the shared database, maybe with a password; NULL for one in the folder */
  char *name;    /* of the store for messages */
  char *station; /* whose rows of the queue, callbacks and marks are this one's; "" where all are */
  int lock;      /* file descriptor; -1 where it is shared */
  int clean;     /* atomic: the folder has nothing that the next opening must look for */

  GMutex writing; /* held by who uses writer */
  VelmDatabase *writer;

  GMutex reading;
  GPtrArray *readers; /* of VelmDatabase: those that nobody uses */

  GMutex holding;   /* held by who removes an image */
  GHashTable *held; /* SHA-256 -> images that must stay though they may have no record */

  GMutex
      keeping; /* records and their images stay while it is held: a backup's, against retention */

  GMutex judging; /* of health */
  VelmStoreHealth health;
};

/** Whether other processes use the store too, and its database is on a server. */
gboolean velm_store_is_shared(const VelmStore *store);
/** The same of one of its connections. */
gboolean velm_store_is_on_server(const VelmDatabase *database);

/* ---- connections ---- */

/** Takes the writing connection, and opens it where an earlier failure has closed it. Returns:
 * NULL with the error; else velm_store_end_writing() must follow. */
VelmDatabase *velm_store_begin_writing(VelmStore *store, GError **error);
/** Gives it back. @ok: whether the write went well; else @cause (transfer full) says why not, to
 * the health and to @error. Returns: @ok. */
gboolean velm_store_end_writing(VelmStore *store, gboolean ok, GError *cause, GError **error);
/** Likewise, after it has ended the transaction of the connection by velm_database_end(): returns
 * whether the writes are kept. */
gboolean velm_store_end_transaction(VelmStore *store, gboolean ok, GError *cause, GError **error);

/** Takes a connection to read with. Returns: NULL with the error; else velm_store_end_reading()
 * must follow. */
VelmDatabase *velm_store_begin_reading(VelmStore *store, GError **error);
void velm_store_end_reading(VelmStore *store, VelmDatabase *reader);

/** Notes how a write went. @error: NULL where it went well. */
void velm_store_note(VelmStore *store, VelmDatabaseState state, const GError *error);

/* ---- the folder ---- */

/** Makes the folder of a store with those of its images, each of them on the disk. */
gboolean velm_store_make_folders(const char *folder, GError **error);
/** Takes the folder's lock. @unclean: (out): whoever had it last did not give it back. Returns: the
 * file descriptor, or -1 with the error. */
int velm_store_lock(const char *folder, gboolean *unclean, GError **error);
/** Gives it back. @clean: nothing is left undone in the folder. */
void velm_store_unlock(int lock, gboolean clean);

/** Sets space aside in @folder, which on a full disk is given up for what frees more: removing
 * records takes some first. Where there is no room for it, that is how it is. */
void velm_store_set_aside(const char *folder);
/** Returns: whether there was some to give up. */
gboolean velm_store_give_up_reserve(const char *folder);

/** The folder's database and its images' folder. Returns: (transfer full). */
char *velm_store_database_path(const char *folder);
char *velm_store_images_path(const char *folder);

/* ---- images on the disk ---- */

gboolean velm_store_is_sha256(const char *text);
/** Returns: (transfer full): the file of image @sha256 below @images. */
char *velm_store_file_of(const char *images, const char *sha256);
/** Writes an image, unless it is there and whole. @state: (out): why it failed. */
gboolean velm_store_write_file(const char *images, const char *sha256, GBytes *bytes,
                               VelmDatabaseState *state, GError **error);
/** Reads an image and checks it. Returns: as velm_store_read_image(). */
GBytes *velm_store_read_file(const char *images, const char *sha256, GError **error);
/** Makes new names in @folder last over a power cut. @state: (out) (nullable): why it failed. */
gboolean velm_store_sync_folder(const char *folder, VelmDatabaseState *state, GError **error);
/** Removes all images below @images that nothing in @database has, and what a killed process was
 * writing. */
gboolean velm_store_sweep(const char *images, VelmDatabase *database, GError **error);
/** Removes the file of an image of a store that no other process uses, unless it is held, or a
 * record or the queue of @database has it. */
void velm_store_remove_unused(VelmStore *store, VelmDatabase *database, const char *sha256);
/** Likewise those of @names (1 to VELM_STORE_MAX_BATCH) of a shared store. A file stays if somebody
 * may be about to give it a record. */
gboolean velm_store_remove_shared(VelmStore *store, const GPtrArray *names, GError **error);
/** Removes images of a shared store that nothing has, in @n of its 256 folders from @first on. */
gboolean velm_store_sweep_shared(VelmStore *store, guint first, guint n, GError **error);

/* ---- rows ---- */

/* What velm_store_read_row() needs a SELECT to give first, from records joined with images. */
#define VELM_STORE_COLUMNS                                                                         \
  "records.id, records.key, records.product, records.time, records.image, images.media_type,"      \
  " images.bytes, records.decision, records.class, records.detected_class, records.score,"         \
  " records.threshold, records.confidence, records.verdict, records.part, records.station"
#define VELM_STORE_N_COLUMNS 16

/** Returns: (transfer full): the row that @statement is at. */
VelmStoredRecord *velm_store_read_row(VelmStatement *statement);
/** The record whose @column ("id" or "key") is the only parameter; within a transaction too. */
gboolean velm_store_read_record(VelmDatabase *database, const char *key, gint64 id,
                                VelmStoredRecord **record, GError **error);
/** The records of @keys (1 to VELM_STORE_MAX_BATCH). Returns: (transfer full): key -> record. */
GHashTable *velm_store_find_records(VelmDatabase *database, const GPtrArray *keys, GError **error);

/** Adds places for @n (1 to VELM_STORE_MAX_BATCH) parameters to @sql, in brackets: some more, so
 * that there are few different statements. */
void velm_store_add_places(GString *sql, guint n);
/** Binds @texts to them, the first of which is parameter @first. */
void velm_store_bind_places(VelmStatement *statement, int first, const GPtrArray *texts);

/**
 * VelmStoreRow: a record as it gets into the database; all borrowed.
 * @image: its SHA-256; @image_bytes: its size, or -1 where the image is noted already
 * @llm_requests: -1 where no language model was asked
 * @id: (out)
 */
typedef struct {
  const char *key, *product, *part, *station;
  gint64 time;
  const char *image, *media_type;
  gint64 image_bytes;
  const char *decision, *class_name, *detected_class;
  double score, threshold, confidence, certainty, ms;
  VelmReviewVerdict verdict;
  gint64 llm_requests, llm_tokens;
  double llm_usd;
  const char *json, *prompt;
  GBytes *map;
  gint64 id;
} VelmStoreRow;

/** Adds @rows (1 to VELM_STORE_MAX_BATCH) with their documents and images, in a transaction that
 * writes. None of their keys has a record. */
gboolean velm_store_write_rows(VelmDatabase *database, VelmStoreRow *rows, gsize n, GError **error);

/* ---- weeks: the parts that the records on a server are kept in ---- */

/** The beginning of the week of @time: a Monday, by UTC. */
gint64 velm_store_week_of(gint64 time);
/** Records came or went: makes the parts that they need. @changes: (element-type gint64 gint64):
 * beginning of a week -> records more or, negative, fewer. */
gboolean velm_store_note_weeks(VelmDatabase *database, GHashTable *changes, GError **error);
/** Adds @n to that of the week of @time. */
void velm_store_count_in_week(GHashTable *changes, gint64 time, gint64 n);
/** Returns: (transfer full): for velm_store_count_in_week(). */
GHashTable *velm_store_new_weeks(void);
/** Drops the parts of weeks that are over at @now and have no record any more. Those that somebody
 * reads stay for another time. */
gboolean velm_store_drop_weeks(VelmDatabase *database, gint64 now, GError **error);

/** Checks what a query holds. Returns: FALSE with VELM_ERROR_USAGE. */
gboolean velm_store_check_query(const VelmStoreQuery *query, GError **error);
/** Adds a condition to @sql, a SELECT that has reached its WHERE, or not yet. */
void velm_store_add_condition(GString *sql, const char *condition);
/** Adds the conditions of @query, with parameters that velm_store_bind_filters() then binds; they
 * must be the first of the statement. */
void velm_store_add_filters(GString *sql, const VelmStoreQuery *query);
/** Returns: the number of the next parameter. */
int velm_store_bind_filters(VelmStatement *statement, const VelmStoreQuery *query);

/** Notes an image that is on the disk, unless it is noted already: as long as it is, its file
 * stays. */
gboolean velm_store_write_image(VelmStore *store, VelmDatabase *database, const char *sha256,
                                const char *media_type, GBytes *bytes, GError **error);
/** Whether an image is noted: a record or the queue has it. */
gboolean velm_store_is_noted(VelmDatabase *database, const char *sha256, gboolean *noted,
                             GError **error);
/** In a shared folder, another process may have removed a file before the transaction of @database
 * began: writes it anew then. */
gboolean velm_store_keep_file(VelmStore *store, VelmDatabase *database, const char *sha256,
                              GBytes *bytes, GError **error);
/** A key stands for one submission: another image under it is a mistake that must not pass for a
 * repetition. @sha256: (nullable): whatever @other_sha256 is. Returns: FALSE with
 * VELM_ERROR_USAGE. */
gboolean velm_store_check_same(const char *key, const char *product, const char *sha256,
                               const char *other_product, const char *other_sha256, GError **error);

/** The rows of the queue of @station with @keys (1 to VELM_STORE_MAX_BATCH). Returns: (transfer
 * full): key -> VelmQueued. */
GHashTable *velm_store_find_queued(VelmDatabase *database, const char *station,
                                   const GPtrArray *keys, GError **error);
/** Removes the row, in the transaction that gives its key the record @record. Its callback is due
 * from then on. */
gboolean velm_store_end_queued(VelmDatabase *database, const char *station,
                               const VelmQueued *queued, gint64 record, GError **error);
/** Somebody is to be told of @record at @url, at once. */
gboolean velm_store_write_callback(VelmDatabase *database, const char *station, gint64 record,
                                   const char *url, GError **error);

/** Writes a review, a spec or a version, without its entry in the audit log. @id: (out). */
gboolean velm_store_write_review(VelmDatabase *database, const VelmReview *review, gint64 time,
                                 GError **error);
gboolean velm_store_write_spec(VelmDatabase *database, const VelmStoredSpec *spec, gint64 time,
                               GError **error);
gboolean velm_store_write_version(VelmDatabase *database, const VelmStoredVersion *version,
                                  gint64 time, gint64 *id, GError **error);
/** velm_store_list_reviews() of @database. */
GPtrArray *velm_store_read_reviews(VelmDatabase *database, gint64 record, GError **error);
/** Which store it is. Returns: (transfer full). */
char *velm_store_read_name(VelmDatabase *database, GError **error);
/** velm_store_measure() of @database. */
gboolean velm_store_measure_database(VelmDatabase *database, VelmStoreSize *size, GError **error);

/** The statement of a page, for a look at how it is found. @goes_on: it is not the first page.
 * Returns: (transfer full). */
char *velm_store_page_sql(const VelmStoreQuery *query, gboolean goes_on);

/** The statement that goes through the records of a folder's store for velm_store_stats(), for a
 * look at how they are found. Returns: (transfer full). */
char *velm_store_stats_sql(const VelmStoreQuery *query);

/** Checks a text from outside: UTF-8 without control characters, no longer than @most bytes and not
 * empty; line breaks are let through where @lines. Returns: FALSE with VELM_ERROR_USAGE naming
 * @name. */
gboolean velm_store_check_text(const char *text, const char *name, gsize most, gboolean lines,
                               GError **error);

/** velm_store_audit() in the transaction of @database. */
gboolean velm_store_write_audit(VelmDatabase *database, gint64 time, const char *who,
                                const char *action, const char *target, const char *detail,
                                GError **error);
