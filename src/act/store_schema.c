#include "act/store_schema.h"

/*
 * Version 1. Rows of records are narrow, with the wide texts in documents: whatever the filters
 * are, a page of 100,000 records is found by looking through few pages of the disk.
 *
 * llm_requests, llm_tokens and llm_usd are NULL where no language model was asked, which is of most
 * records: the others have an index of their own, and the figures a pass over it.
 *
 * class is the class as it stands, detected_class the classifier's. certainty orders the review
 * queue; NULL where there is nothing to doubt. AUTOINCREMENT: a number is never used again after
 * its record went, as links to it may be about.
 *
 * Each filter has an index that goes on with time, the order of most lists, and with the record's
 * number, which orders those of one time; where it is not named, it is the last column all the
 * same. Score and certainty have indexes for their own orders. Those that may have to be gone
 * through in full hold all that the filters and the figures ask for, so that no record is fetched
 * in vain.
 */
static const char version_1[] =
    "CREATE TABLE images ("
    " sha256 TEXT NOT NULL PRIMARY KEY,"
    " media_type TEXT NOT NULL,"
    " bytes INTEGER NOT NULL"
    ") WITHOUT ROWID;"

    "CREATE TABLE records ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " key TEXT NOT NULL UNIQUE,"
    " product TEXT NOT NULL,"
    " time INTEGER NOT NULL,"
    " image TEXT NOT NULL REFERENCES images (sha256),"
    " decision TEXT NOT NULL,"
    " class TEXT,"
    " detected_class TEXT,"
    " score REAL,"
    " threshold REAL,"
    " confidence REAL,"
    " certainty REAL,"
    " ms REAL,"
    " part TEXT,"
    " verdict INTEGER NOT NULL DEFAULT 0,"
    " llm_requests INTEGER,"
    " llm_tokens INTEGER,"
    " llm_usd REAL);"
    "CREATE INDEX records_by_time ON records"
    " (time, id, product, class, decision, verdict, score, ms);"
    "CREATE INDEX records_by_product ON records"
    " (product, time, id, class, decision, verdict, score, ms);"
    "CREATE INDEX records_by_class ON records (class, time);"
    "CREATE INDEX records_by_decision ON records (decision, time);"
    "CREATE INDEX records_by_product_class ON records (product, class, time);"
    "CREATE INDEX records_by_product_decision ON records (product, decision, time);"
    "CREATE INDEX records_by_score ON records"
    " (score, id, product, class, decision, verdict, time) WHERE score IS NOT NULL;"
    "CREATE INDEX records_by_certainty ON records (certainty) WHERE certainty IS NOT NULL;"
    "CREATE INDEX unreviewed_by_certainty ON records (certainty)"
    " WHERE certainty IS NOT NULL AND verdict = 0;"
    "CREATE INDEX records_by_llm ON records"
    " (time, product, class, decision, verdict, score, llm_requests, llm_tokens, llm_usd)"
    " WHERE llm_requests IS NOT NULL;"
    "CREATE INDEX records_by_image ON records (image);"

    /* Images that have no record yet: a key has a row here or one of records, never both. */
    "CREATE TABLE queue ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " key TEXT NOT NULL UNIQUE,"
    " product TEXT NOT NULL,"
    " time INTEGER NOT NULL,"
    " image TEXT NOT NULL REFERENCES images (sha256),"
    " name TEXT,"
    " part TEXT,"
    " callback TEXT);"
    "CREATE INDEX queue_by_image ON queue (image);"

    /* Records that somebody is still to be told of. */
    "CREATE TABLE callbacks ("
    " record INTEGER PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,"
    " url TEXT NOT NULL,"
    " due INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " message TEXT);"
    "CREATE INDEX callbacks_by_due ON callbacks (due);"

    "CREATE TABLE specs ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " product TEXT NOT NULL,"
    " time INTEGER NOT NULL,"
    " who TEXT NOT NULL,"
    " text TEXT NOT NULL);"
    "CREATE INDEX specs_by_product ON specs (product, id);"

    "CREATE TABLE versions ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " product TEXT NOT NULL,"
    " time INTEGER NOT NULL,"
    " who TEXT NOT NULL,"
    " kind TEXT NOT NULL,"
    " base TEXT NOT NULL,"
    " file TEXT NOT NULL,"
    " report TEXT NOT NULL);"
    "CREATE INDEX versions_by_product ON versions (product, id);"

    /* version is 0 for the model that the product was given. */
    "CREATE TABLE used_versions ("
    " product TEXT NOT NULL PRIMARY KEY,"
    " version INTEGER NOT NULL"
    ") WITHOUT ROWID;"

    "CREATE TABLE marks ("
    " name TEXT NOT NULL PRIMARY KEY,"
    " record INTEGER NOT NULL"
    ") WITHOUT ROWID;"

    "CREATE TABLE documents ("
    " record INTEGER PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,"
    " json TEXT NOT NULL,"
    " map BLOB,"
    " prompt TEXT);"

    "CREATE TABLE reviews ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " record INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,"
    " time INTEGER NOT NULL,"
    " who TEXT NOT NULL,"
    " verdict INTEGER NOT NULL,"
    " class TEXT,"
    " note TEXT);"
    "CREATE INDEX reviews_by_record ON reviews (record);"

    "CREATE TABLE audit ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " time INTEGER NOT NULL,"
    " who TEXT NOT NULL,"
    " action TEXT NOT NULL,"
    " target TEXT NOT NULL,"
    " detail TEXT);"
    "CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit"
    " BEGIN SELECT raise(ABORT, 'the audit log is not changed'); END;"
    "CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit"
    " BEGIN SELECT raise(ABORT, 'the audit log is not removed'); END;"

    /* One row: which store this is, for its backups, and what velm_store_probe() writes. */
    "CREATE TABLE store (name TEXT NOT NULL, probed INTEGER NOT NULL);"
    "INSERT INTO store VALUES (lower(hex(randomblob(16))), 0);";

static const char *const versions[] = {version_1};

static void refuse(const VelmDatabase *database, GError **error, const char *why) {
  g_autofree char *name = g_filename_display_name(database->path);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s; it is left as it is", name, why);
}

/* Which version the file is of; 0 where it holds nothing yet. */
static gboolean read_version(VelmDatabase *database, gint64 newest, gint64 *version,
                             GError **error) {
  gint64 application = 0, tables = 0;
  if (!velm_database_read_int(database, "PRAGMA application_id", &application, error) ||
      !velm_database_read_int(database, "PRAGMA user_version", version, error) ||
      !velm_database_read_int(database, "SELECT count(*) FROM sqlite_master", &tables, error))
    return FALSE;
  if (application == 0 && *version == 0 && tables == 0)
    return TRUE;
  if (application != VELM_STORE_APPLICATION_ID || *version < 1) {
    refuse(database, error, "is not a store of velm");
    return FALSE;
  }
  if (*version > newest) {
    g_autofree char *why = g_strdup_printf("the store is of a newer velm (schema %" G_GINT64_FORMAT
                                           ", this one knows up to %" G_GINT64_FORMAT ")",
                                           *version, newest);
    refuse(database, error, why);
    return FALSE;
  }
  return TRUE;
}

static gboolean go_to(VelmDatabase *database, const char *script, gsize version, GError **error) {
  g_autofree char *marks =
      g_strdup_printf("PRAGMA application_id = %d; PRAGMA user_version = %" G_GSIZE_FORMAT,
                      VELM_STORE_APPLICATION_ID, version);
  gboolean ok = velm_database_begin(database, error) &&
                velm_database_run_script(database, script, error) &&
                velm_database_run_script(database, marks, error);
  return velm_database_end(database, ok, error);
}

gboolean velm_store_migrate(VelmDatabase *database, const char *const *scripts, gsize n,
                            GError **error) {
  gint64 version = 0;
  if (!read_version(database, (gint64)n, &version, error))
    return FALSE;
  /* Before the first table: space of records that went can then be given back. */
  if (version == 0 && !velm_database_run(database, "PRAGMA auto_vacuum = INCREMENTAL", error))
    return FALSE;
  if (!velm_database_use_write_ahead_log(database, error))
    return FALSE;
  for (gsize i = (gsize)version; i < n; i++)
    if (!go_to(database, scripts[i], i + 1, error))
      return FALSE;
  return TRUE;
}

gboolean velm_store_schema_apply(VelmDatabase *database, GError **error) {
  return velm_store_migrate(database, versions, G_N_ELEMENTS(versions), error);
}
