/*
 * Removing records of a shared store: a batch of them goes by one statement for each table. What
 * goes with each record is known before: nobody else writes until the transaction's end.
 */
#include "act/store_retain.h"

/* Others wait for a batch: those after it have fewer records where it took longer than this, and
 * more where it took a fraction of it. */
#define LONG (400 * G_TIME_SPAN_MILLISECOND)
enum { LEAST_BATCH = 125, MOST_BATCH = 4000 };

/* What goes: in PostgreSQL's words for lists. */
typedef struct {
  GString *ids, *images;
  guint n;
  gint64 first, last; /* times */
  GHashTable *weeks;  /* records fewer in each */
} Batch;

static Batch *batch_new(void) {
  Batch *batch = g_new0(Batch, 1);
  batch->ids = g_string_new("{");
  batch->images = g_string_new("{");
  batch->weeks = velm_store_new_weeks();
  return batch;
}

static void batch_free(Batch *batch) {
  g_string_free(batch->ids, TRUE);
  g_string_free(batch->images, TRUE);
  g_hash_table_unref(batch->weeks);
  g_free(batch);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Batch, batch_free)

/* ---- what goes ---- */

/* The oldest records that may go, none of them with a callback that is still to be delivered, each
 * with the image that goes with it: the last that has an image which neither a record beside these
 * nor the queue has. */
static const char select_oldest[] =
    "WITH oldest AS MATERIALIZED (SELECT id, time, image, row_number() OVER (ORDER BY time, id) AS"
    " place FROM (SELECT id, time, image FROM records WHERE time >= ?1 AND time < ?2"
    " AND (verdict = 0 OR ?3 = 1)"
    " AND NOT EXISTS (SELECT 1 FROM callbacks WHERE record = records.id)"
    " ORDER BY time, id LIMIT ?4) AS batch),"
    " theirs AS MATERIALIZED (SELECT image, max(place) AS place FROM oldest GROUP BY image)"
    " SELECT oldest.id, oldest.time, free.sha256, free.bytes FROM oldest LEFT JOIN"
    " (SELECT place, sha256, bytes FROM theirs JOIN images ON sha256 = image"
    " WHERE NOT EXISTS (SELECT 1 FROM records WHERE records.image = theirs.image"
    " AND records.id NOT IN (SELECT id FROM oldest))"
    " AND NOT EXISTS (SELECT 1 FROM queue WHERE queue.image = theirs.image)) AS free"
    " ON free.place = oldest.place ORDER BY oldest.place";

static VelmStatement *begin_oldest(VelmDatabase *database, const VelmRetentionPass *pass,
                                   GError **error) {
  VelmStatement *statement = velm_database_prepare(database, select_oldest, error);
  if (!statement)
    return NULL;
  velm_statement_bind_int(statement, 1, pass->from);
  velm_statement_bind_int(statement, 2, pass->before);
  velm_statement_bind_int(statement, 3, pass->reviewed_too);
  velm_statement_bind_int(statement, 4, pass->batch);
  return statement;
}

/* Adds to a list of what needs no quotes. */
static void append(GString *list, const char *value) {
  g_string_append_printf(list, "%s%s", list->len > 1 ? "," : "", value);
}

static void take_record(Batch *batch, VelmRetentionPass *pass, VelmStatement *statement) {
  const char *image = velm_statement_peek_text(statement, 2);
  batch->last = velm_statement_int(statement, 1);
  if (batch->n++ == 0)
    batch->first = batch->last;
  append(batch->ids, velm_statement_peek_text(statement, 0));
  velm_store_count_in_week(batch->weeks, batch->last, -1);
  pass->removed++;
  pass->freed += pass->row_bytes;
  if (!image)
    return;
  append(batch->images, image);
  g_ptr_array_add(pass->images, g_strdup(image));
  pass->freed += velm_statement_int(statement, 3);
}

/* @more: (out): there may be others. */
static Batch *choose(VelmDatabase *database, VelmRetentionPass *pass, gboolean *more,
                     GError **error) {
  g_autoptr(Batch) batch = batch_new();
  g_autoptr(VelmStatement) statement = begin_oldest(database, pass, error);
  VelmStep step = statement ? VELM_STEP_ROW : VELM_STEP_FAILED;
  while (statement && !velm_retention_is_enough(pass) &&
         (step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    take_record(batch, pass, statement);
  if (step == VELM_STEP_FAILED)
    return NULL;
  *more = batch->n == pass->batch && !velm_retention_is_enough(pass);
  g_string_append_c(batch->ids, '}');
  g_string_append_c(batch->images, '}');
  return g_steal_pointer(&batch);
}

/* ---- removing it ---- */

/* The times tell in which parts the records lie. */
static gboolean remove_from(VelmDatabase *database, const char *sql, const Batch *batch,
                            gboolean in_parts, GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, batch->ids->str);
  if (in_parts) {
    velm_statement_bind_int(statement, 2, batch->first);
    velm_statement_bind_int(statement, 3, batch->last);
  }
  return velm_statement_finish(statement, error);
}

static gboolean remove_images(VelmDatabase *database, const Batch *batch, GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database, "DELETE FROM images WHERE sha256 = ANY (CAST(?1 AS TEXT[]))", error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, batch->images->str);
  return velm_statement_finish(statement, error);
}

#define THESE "ANY (CAST(?1 AS BIGINT[]))"
#define IN_PARTS " AND time BETWEEN ?2 AND ?3"

static gboolean remove_batch(VelmDatabase *database, const Batch *batch, GError **error) {
  return remove_from(database, "DELETE FROM reviews WHERE record = " THESE, batch, FALSE, error) &&
         remove_from(database, "DELETE FROM documents WHERE record = " THESE IN_PARTS, batch, TRUE,
                     error) &&
         remove_from(database, "DELETE FROM records WHERE id = " THESE IN_PARTS, batch, TRUE,
                     error) &&
         remove_from(database, "DELETE FROM keys WHERE id = " THESE, batch, FALSE, error) &&
         remove_images(database, batch, error) &&
         velm_store_note_weeks(database, batch->weeks, error);
}

static void pace(VelmRetentionPass *pass, gint64 took) {
  if (took > LONG)
    pass->batch = MAX(pass->batch / 2, LEAST_BATCH);
  else if (took < LONG / 4)
    pass->batch = MIN(pass->batch * 2, MOST_BATCH);
}

gboolean velm_retention_remove_on_server(VelmDatabase *database, VelmRetentionPass *pass,
                                         gboolean *more, GError **error) {
  gint64 start = g_get_monotonic_time();
  g_autoptr(Batch) batch = choose(database, pass, more, error);
  if (!batch || (batch->n > 0 && !remove_batch(database, batch, error)))
    return FALSE;
  if (batch->n > 0)
    pass->from = batch->last;
  pace(pass, g_get_monotonic_time() - start);
  return TRUE;
}
