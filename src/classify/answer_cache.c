#include "classify/answer_cache.h"

#include "core/database_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define APPLICATION_ID 0x56454C41 /* "VELA": whose file it is */
#define SCHEMA_VERSION 1

/* What to do with a damaged file. */
#define ADVICE "it is left as it is; give another file, or delete it to start anew"

/* A file up to this size is checked whole when it is opened; of a larger one only what is read. */
#define CHECKED_BYTES (64 * 1024 * 1024)

/* The digest finds damage that leaves SQLite's own structure whole. */
static const char schema[] =
    "CREATE TABLE answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL, digest TEXT NOT NULL,"
    " prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL, time INTEGER NOT NULL,"
    " used INTEGER NOT NULL)";

struct _VelmAnswerCache {
  char *path;
  VelmDatabase *db;
};

void velm_cached_answer_free(VelmCachedAnswer *answer) {
  if (!answer)
    return;
  g_free(answer->answer);
  g_free(answer);
}

/* ---- errors ---- */

static void fail(const VelmAnswerCache *cache, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static void fail(const VelmAnswerCache *cache, GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *why = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_autofree char *name = g_filename_display_name(cache->path);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", name, why);
}

static void fail_damaged(const VelmAnswerCache *cache, const char *what, GError **error) {
  fail(cache, error, "the answer cache is damaged (%s); " ADVICE, what);
}

static void fail_foreign(const VelmAnswerCache *cache, GError **error) {
  fail(cache, error, "is not an answer cache of velm; it is left as it is");
}

/* What to do about @error, which the database has set. */
static void explain(const VelmAnswerCache *cache, VelmDatabaseState state, GError **error) {
  if (!error || !*error)
    return;
  if (state == VELM_DATABASE_FOREIGN) {
    g_clear_error(error);
    fail_foreign(cache, error);
  } else if (state == VELM_DATABASE_DAMAGED) {
    char *whole = g_strconcat((*error)->message, "; " ADVICE, NULL);
    g_free((*error)->message);
    (*error)->message = whole;
  }
}

/* ---- statements ---- */

static VelmStatement *prepare(VelmAnswerCache *cache, const char *sql, GError **error) {
  VelmStatement *statement = velm_database_prepare(cache->db, sql, error);
  if (!statement)
    explain(cache, cache->db->state, error);
  return statement;
}

static VelmStep step(VelmAnswerCache *cache, VelmStatement *statement, GError **error) {
  VelmStep result = velm_statement_step(statement, error);
  if (result == VELM_STEP_FAILED)
    explain(cache, cache->db->state, error);
  return result;
}

/* Runs @sql, whose rows do not matter. */
static gboolean run(VelmAnswerCache *cache, const char *sql, GError **error) {
  VelmStep result = VELM_STEP_ROW;
  g_autoptr(VelmStatement) statement = prepare(cache, sql, error);
  while (statement && result == VELM_STEP_ROW)
    result = step(cache, statement, error);
  return result == VELM_STEP_DONE;
}

/* The whole number in the first column of the only row of @sql. */
static gboolean read_int(VelmAnswerCache *cache, const char *sql, gint64 *value, GError **error) {
  gboolean ok = velm_database_read_int(cache->db, sql, value, error);
  if (!ok)
    explain(cache, cache->db->state, error);
  return ok;
}

/* ---- opening ---- */

/* Makes the file so that only the user can read it: SQLite would let others. */
static gboolean make_file(const VelmAnswerCache *cache, GError **error) {
  int fd = g_open(cache->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno != EEXIST) {
    fail(cache, error, "the answer cache cannot be made: %s", g_strerror(errno));
    return FALSE;
  }
  if (fd >= 0)
    close(fd);
  return TRUE;
}

/* Refuses what is no database before SQLite touches it. */
static gboolean check_file(const VelmAnswerCache *cache, GError **error) {
  static const char magic[16] = "SQLite format 3";
  char start[sizeof magic];
  GStatBuf status;
  if (g_stat(cache->path, &status) != 0) {
    fail(cache, error, "%s", g_strerror(errno));
    return FALSE;
  }
  if (!S_ISREG(status.st_mode)) {
    fail(cache, error, "the answer cache must be a file");
    return FALSE;
  }
  int fd = g_open(cache->path, O_RDONLY | O_CLOEXEC, 0);
  ssize_t n = fd < 0 ? -1 : read(fd, start, sizeof start);
  int cause = errno;
  if (fd >= 0)
    close(fd);
  if (n < 0)
    fail(cache, error, "%s", g_strerror(cause));
  else if (n > 0 && (n < (ssize_t)sizeof start || memcmp(start, magic, sizeof magic) != 0))
    fail_foreign(cache, error);
  else
    return TRUE;
  return FALSE;
}

static gboolean connect_file(VelmAnswerCache *cache, GError **error) {
  VelmDatabaseState state = VELM_DATABASE_FINE;
  cache->db = velm_sqlite_open(cache->path, "the answer cache", FALSE, &state, error);
  if (!cache->db) {
    explain(cache, state, error);
    return FALSE;
  }
  return run(cache, "PRAGMA synchronous = NORMAL", error);
}

/* Whose the file is. @is_new: (out): it holds nothing yet. */
static gboolean identify(VelmAnswerCache *cache, gboolean *is_new, GError **error) {
  gint64 application = 0, version = 0, tables = 0;
  if (!read_int(cache, "PRAGMA application_id", &application, error) ||
      !read_int(cache, "PRAGMA user_version", &version, error) ||
      !read_int(cache, "SELECT count(*) FROM sqlite_master", &tables, error))
    return FALSE;
  *is_new = application == 0 && version == 0 && tables == 0;
  if (*is_new)
    return TRUE;
  if (application != APPLICATION_ID)
    fail_foreign(cache, error);
  else if (version != SCHEMA_VERSION)
    fail(cache, error,
         "the answer cache is of another version of velm (schema %" G_GINT64_FORMAT
         ", not %d); it is left as it is",
         version, SCHEMA_VERSION);
  else
    return TRUE;
  return FALSE;
}

/* identify() at one moment: another process may be about to make the tables. */
static gboolean identify_at_once(VelmAnswerCache *cache, gboolean *is_new, GError **error) {
  if (!run(cache, "BEGIN", error))
    return FALSE;
  gboolean known = identify(cache, is_new, error);
  run(cache, "ROLLBACK", NULL); /* nothing was written */
  return known;
}

static gboolean create_tables(VelmAnswerCache *cache, GError **error) {
  g_autofree char *own = g_strdup_printf("PRAGMA application_id = %d", APPLICATION_ID);
  g_autofree char *version = g_strdup_printf("PRAGMA user_version = %d", SCHEMA_VERSION);
  return run(cache, schema, error) && run(cache, own, error) && run(cache, version, error);
}

/* Another process may be at it too: the second to get the lock finds the work done. */
static gboolean create(VelmAnswerCache *cache, GError **error) {
  gboolean is_new = FALSE;
  if (!run(cache, "PRAGMA auto_vacuum = INCREMENTAL", error) ||
      !velm_sqlite_use_write_ahead_log(cache->db, error) || !run(cache, "BEGIN IMMEDIATE", error))
    return FALSE;
  gboolean done = identify(cache, &is_new, error) && (!is_new || create_tables(cache, error)) &&
                  run(cache, "COMMIT", error);
  if (!done)
    run(cache, "ROLLBACK", NULL);
  return done;
}

static gboolean check_whole(VelmAnswerCache *cache, GError **error) {
  GStatBuf status;
  if (g_stat(cache->path, &status) == 0 && status.st_size > CHECKED_BYTES)
    return TRUE;
  g_autoptr(VelmStatement) statement = prepare(cache, "PRAGMA quick_check(1)", error);
  if (!statement || step(cache, statement, error) != VELM_STEP_ROW)
    return FALSE;
  const char *verdict = velm_statement_peek_text(statement, 0);
  if (g_strcmp0(verdict, "ok") == 0)
    return TRUE;
  g_autofree char *line = g_strdelimit(g_strdup(verdict ? verdict : "unreadable"), "\r\n", ' ');
  fail_damaged(cache, line, error);
  return FALSE;
}

static gboolean open_file(VelmAnswerCache *cache, GError **error) {
  gboolean is_new = FALSE;
  return make_file(cache, error) && check_file(cache, error) && connect_file(cache, error) &&
         identify_at_once(cache, &is_new, error) &&
         (is_new ? create(cache, error) : check_whole(cache, error));
}

VelmAnswerCache *velm_answer_cache_open(const char *path, GError **error) {
  g_autoptr(VelmAnswerCache) cache = g_new0(VelmAnswerCache, 1);
  /* Absolute: SQLite takes some names, such as ":memory:", for no file. */
  cache->path = g_canonicalize_filename(path, NULL);
  return open_file(cache, error) ? g_steal_pointer(&cache) : NULL;
}

void velm_answer_cache_free(VelmAnswerCache *cache) {
  if (!cache)
    return;
  velm_database_close(cache->db);
  g_free(cache->path);
  g_free(cache);
}

/* ---- keys ---- */

/* With its length before it, so that no two requests become the same bytes. */
static void hash_part(GChecksum *checksum, gconstpointer part, gsize length) {
  const guchar *at = part;
  guint64 size = GUINT64_TO_BE((guint64)length);
  g_checksum_update(checksum, (const guchar *)&size, sizeof size);
  for (; length > 0; length -= MIN(length, G_MAXINT), at += G_MAXINT)
    g_checksum_update(checksum, at, (gssize)MIN(length, G_MAXINT));
}

char *velm_answer_cache_key(const char *llm, const char *parameters, gconstpointer body,
                            gsize length) {
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  parameters = parameters ? parameters : "";
  hash_part(checksum, llm, strlen(llm));
  hash_part(checksum, parameters, strlen(parameters));
  hash_part(checksum, body, length);
  return g_strdup(g_checksum_get_string(checksum));
}

/* ---- answers ---- */

static char *digest_of(const char *key, const char *answer, gint64 prompt_tokens,
                       gint64 completion_tokens) {
  g_autofree char *tokens =
      g_strdup_printf("%" G_GINT64_FORMAT " %" G_GINT64_FORMAT, prompt_tokens, completion_tokens);
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  hash_part(checksum, key, strlen(key));
  hash_part(checksum, tokens, strlen(tokens));
  hash_part(checksum, answer, strlen(answer));
  return g_strdup(g_checksum_get_string(checksum));
}

/* The row that @statement is at: answer, digest, tokens, time. Returns: (transfer full). */
static VelmCachedAnswer *read_row(const VelmAnswerCache *cache, VelmStatement *statement,
                                  const char *key, GError **error) {
  const char *text = velm_statement_peek_text(statement, 0);
  const char *digest = velm_statement_peek_text(statement, 1);
  g_autoptr(VelmCachedAnswer) answer = g_new0(VelmCachedAnswer, 1);
  answer->answer = g_strdup(text ? text : "");
  answer->prompt_tokens = velm_statement_int(statement, 2);
  answer->completion_tokens = velm_statement_int(statement, 3);
  answer->time = velm_statement_int(statement, 4);
  g_autofree char *right =
      digest_of(key, answer->answer, answer->prompt_tokens, answer->completion_tokens);
  if (g_strcmp0(right, digest) == 0)
    return g_steal_pointer(&answer);
  fail_damaged(cache, "an answer has changed", error);
  return NULL;
}

/* Only pruning needs it: where it fails, nothing is lost. */
static void mark_used(VelmAnswerCache *cache, const char *key) {
  g_autoptr(VelmStatement) statement =
      prepare(cache, "UPDATE answers SET used = ?2 WHERE key = ?1", NULL);
  if (!statement)
    return;
  velm_statement_bind_text(statement, 1, key);
  velm_statement_bind_int(statement, 2, g_get_real_time());
  step(cache, statement, NULL);
}

gboolean velm_answer_cache_get(VelmAnswerCache *cache, const char *key, VelmCachedAnswer **answer,
                               GError **error) {
  *answer = NULL;
  g_autoptr(VelmStatement) statement =
      prepare(cache,
              "SELECT answer, digest, prompt_tokens, completion_tokens, time FROM answers"
              " WHERE key = ?1",
              error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, key);
  VelmStep result = step(cache, statement, error);
  if (result != VELM_STEP_ROW)
    return result == VELM_STEP_DONE;
  *answer = read_row(cache, statement, key, error);
  /* A reader that is not at its end keeps its lock. */
  g_clear_pointer(&statement, velm_statement_free);
  if (*answer)
    mark_used(cache, key);
  return *answer != NULL;
}

gboolean velm_answer_cache_put(VelmAnswerCache *cache, const char *key, const char *answer,
                               gint64 prompt_tokens, gint64 completion_tokens, GError **error) {
  g_autofree char *digest = digest_of(key, answer, prompt_tokens, completion_tokens);
  gint64 now = g_get_real_time();
  g_autoptr(VelmStatement) statement =
      prepare(cache,
              "INSERT INTO answers VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)"
              " ON CONFLICT (key) DO NOTHING",
              error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, key);
  velm_statement_bind_text(statement, 2, answer);
  velm_statement_bind_text(statement, 3, digest);
  velm_statement_bind_int(statement, 4, prompt_tokens);
  velm_statement_bind_int(statement, 5, completion_tokens);
  velm_statement_bind_int(statement, 6, now);
  return step(cache, statement, error) == VELM_STEP_DONE;
}

/* ---- size ---- */

gboolean velm_answer_cache_measure(VelmAnswerCache *cache, gint64 *answers, gint64 *bytes,
                                   GError **error) {
  gint64 n = 0, size = 0;
  if (!read_int(cache, "SELECT count(*) FROM answers", &n, error) ||
      !read_int(cache, "SELECT coalesce(sum(length(CAST(answer AS BLOB))), 0) FROM answers", &size,
                error))
    return FALSE;
  if (answers)
    *answers = n;
  if (bytes)
    *bytes = size;
  return TRUE;
}

gboolean velm_answer_cache_prune(VelmAnswerCache *cache, gint64 max_answers, gint64 max_bytes,
                                 GError **error) {
  g_autoptr(VelmStatement) statement =
      prepare(cache,
              "DELETE FROM answers WHERE rowid IN (SELECT id FROM (SELECT rowid AS id,"
              " row_number() OVER latest AS n,"
              " sum(length(CAST(answer AS BLOB))) OVER latest AS size FROM answers"
              " WINDOW latest AS (ORDER BY used DESC, rowid DESC ROWS UNBOUNDED PRECEDING))"
              " WHERE n > ?1 OR size > ?2)",
              error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, MAX(max_answers, 0));
  velm_statement_bind_int(statement, 2, MAX(max_bytes, 0));
  if (step(cache, statement, error) != VELM_STEP_DONE)
    return FALSE;
  g_clear_pointer(&statement, velm_statement_free);
  /* The file is cut when the log is carried over into it. */
  return run(cache, "PRAGMA incremental_vacuum", error) &&
         run(cache, "PRAGMA wal_checkpoint(TRUNCATE)", error);
}
