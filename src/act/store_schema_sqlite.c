/* The tables of a store in a folder, in SQLite. */
#include "act/store_schema.h"

/*
 * Version 1. Rows of records are narrow, with the wide texts in documents: whatever the filters
 * are, a page of 100,000 records is found by looking through few pages of the disk.
 *
 * llm_requests, llm_tokens and llm_usd are NULL where no language model was asked, which is of most
 * records: the others have an index of their own, and the figures a pass over it.
 *
 * class is the class as it stands, detected_class the classifier's. certainty orders the review
 * queue; NULL where there is nothing to doubt. A record's number, which is of last_record of store,
 * is never used again after it went, as links to it may be about.
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
    " id INTEGER PRIMARY KEY,"
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

    /* Where the record of a key lies: a table of its own where records lie in parts. */
    "CREATE VIEW keys AS SELECT key, id, time FROM records;"

    /* Images that have no record yet: a key has a row here or one of records, never both. */
    "CREATE TABLE queue ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " station TEXT NOT NULL DEFAULT '',"
    " key TEXT NOT NULL,"
    " product TEXT NOT NULL,"
    " time INTEGER NOT NULL,"
    " image TEXT NOT NULL REFERENCES images (sha256),"
    " name TEXT,"
    " part TEXT,"
    " callback TEXT,"
    " UNIQUE (station, key));"
    "CREATE INDEX queue_by_image ON queue (image);"

    /* Records that somebody is still to be told of. */
    "CREATE TABLE callbacks ("
    " record INTEGER NOT NULL REFERENCES records (id) ON DELETE CASCADE,"
    " station TEXT NOT NULL DEFAULT '',"
    " url TEXT NOT NULL,"
    " due INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0,"
    " message TEXT,"
    " PRIMARY KEY (record, station)"
    ") WITHOUT ROWID;"
    "CREATE INDEX callbacks_by_due ON callbacks (station, due);"

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
    " station TEXT NOT NULL DEFAULT '',"
    " name TEXT NOT NULL,"
    " record INTEGER NOT NULL,"
    " PRIMARY KEY (station, name)"
    ") WITHOUT ROWID;"

    /* time is the record's, bytes those of the three texts. */
    "CREATE TABLE documents ("
    " record INTEGER PRIMARY KEY REFERENCES records (id) ON DELETE CASCADE,"
    " time INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL,"
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

    /* One row: which store this is, for its backups, what velm_store_probe() writes, and the number
     * of the last record. */
    "CREATE TABLE store ("
    " name TEXT NOT NULL,"
    " probed INTEGER NOT NULL,"
    " last_record INTEGER NOT NULL);"
    "INSERT INTO store VALUES (lower(hex(randomblob(16))), 0, 0);";

/* Version 2: the station whose image it is, of which most folders have one or none. */
static const char version_2[] = "ALTER TABLE records ADD COLUMN station TEXT;"
                                "CREATE INDEX records_by_station ON records"
                                " (station, time, id, product, class, decision, verdict, score, ms)"
                                " WHERE station IS NOT NULL;"
                                "DROP VIEW keys;"
                                "CREATE VIEW keys AS SELECT key, id, time, station FROM records;";

const char *const velm_store_sqlite_versions[] = {version_1, version_2};
