/* Removing records of a store in a folder: one after another, a few in each transaction. */
#include "act/store_retain.h"

enum { BATCH = 64 };

typedef struct {
  gint64 id, image_bytes, text_bytes;
  char *image;
} Candidate;

/* ---- one record ---- */

static gboolean run_for(VelmDatabase *database, const char *sql, gint64 id, GError **error) {
  g_autoptr(VelmStatement) statement = velm_database_prepare(database, sql, error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, id);
  return velm_statement_finish(statement, error);
}

static gboolean remove_image(VelmDatabase *database, const char *image, gboolean *gone,
                             GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database,
                            "DELETE FROM images WHERE sha256 = ?1"
                            " AND NOT EXISTS (SELECT 1 FROM records WHERE image = ?1)"
                            " AND NOT EXISTS (SELECT 1 FROM queue WHERE image = ?1)",
                            error);
  if (!statement)
    return FALSE;
  velm_statement_bind_text(statement, 1, image);
  gboolean ok = velm_statement_finish(statement, error);
  *gone = ok && velm_database_changes(database) > 0;
  return ok;
}

static gboolean remove_record(VelmDatabase *database, VelmRetentionPass *pass,
                              const Candidate *candidate, GError **error) {
  gboolean gone = FALSE;
  if (!run_for(database, "DELETE FROM reviews WHERE record = ?", candidate->id, error) ||
      !run_for(database, "DELETE FROM documents WHERE record = ?", candidate->id, error) ||
      !run_for(database, "DELETE FROM records WHERE id = ?", candidate->id, error) ||
      !remove_image(database, candidate->image, &gone, error))
    return FALSE;
  if (gone) {
    g_ptr_array_add(pass->images, g_strdup(candidate->image));
    pass->freed += candidate->image_bytes;
  }
  pass->freed += candidate->text_bytes;
  pass->removed++;
  return TRUE;
}

/* ---- the oldest ---- */

/* Those that may go: none whose callback is still to be delivered. */
static VelmStatement *select_oldest(VelmDatabase *database, const VelmRetentionPass *pass,
                                    GError **error) {
  VelmStatement *statement = velm_database_prepare(
      database,
      "SELECT oldest.id, image, images.bytes, documents.bytes"
      " FROM (SELECT id, time, image FROM records WHERE time < ?1 AND (verdict = 0 OR ?3 = 1)"
      " AND NOT EXISTS (SELECT 1 FROM callbacks WHERE record = records.id)"
      " ORDER BY time, id LIMIT ?2) AS oldest"
      " JOIN images ON sha256 = image JOIN documents ON record = oldest.id"
      " ORDER BY oldest.time, oldest.id",
      error);
  if (!statement)
    return NULL;
  velm_statement_bind_int(statement, 1, pass->before);
  velm_statement_bind_int(statement, 2, BATCH);
  velm_statement_bind_int(statement, 3, pass->reviewed_too);
  return statement;
}

static void candidate_clear(Candidate *candidate) { g_free(candidate->image); }

static GArray *list_oldest(VelmDatabase *database, const VelmRetentionPass *pass, GError **error) {
  g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(Candidate));
  g_array_set_clear_func(candidates, (GDestroyNotify)candidate_clear);
  g_autoptr(VelmStatement) statement = select_oldest(database, pass, error);
  VelmStep step = VELM_STEP_FAILED;
  while (statement && (step = velm_statement_step(statement, error)) == VELM_STEP_ROW) {
    Candidate candidate = {.id = velm_statement_int(statement, 0),
                           .image = velm_statement_text(statement, 1),
                           .image_bytes = velm_statement_int(statement, 2),
                           .text_bytes = velm_statement_int(statement, 3)};
    g_array_append_val(candidates, candidate);
  }
  return step == VELM_STEP_DONE ? g_steal_pointer(&candidates) : NULL;
}

gboolean velm_retention_remove_rows(VelmDatabase *database, VelmRetentionPass *pass, gboolean *more,
                                    GError **error) {
  g_autoptr(GArray) candidates = list_oldest(database, pass, error);
  if (!candidates)
    return FALSE;
  for (guint i = 0; i < candidates->len && !velm_retention_is_enough(pass); i++)
    if (!remove_record(database, pass, &g_array_index(candidates, Candidate, i), error))
      return FALSE;
  *more = candidates->len == BATCH && !velm_retention_is_enough(pass);
  return TRUE;
}
