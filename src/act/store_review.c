#include "act/store_private.h"

#include "core/json.h"

void velm_review_free(VelmReview *review) {
  if (!review)
    return;
  g_free(review->class_name);
  g_free(review->note);
  g_free(review->who);
  g_free(review);
}

static gboolean check(const VelmReview *review, GError **error) {
  gboolean corrects = review->verdict == VELM_VERDICT_CORRECT;
  if ((guint)review->verdict > VELM_VERDICT_GOOD) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "there is no such verdict");
    return FALSE;
  }
  if (!corrects && review->class_name) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "a class is given only to correct one");
    return FALSE;
  }
  return velm_store_check_text(review->who, "person", VELM_STORE_MAX_NAME, FALSE, error) &&
         (!corrects ||
          velm_store_check_text(review->class_name, "class", VELM_STORE_MAX_NAME, FALSE, error)) &&
         (!review->note ||
          velm_store_check_text(review->note, "note", VELM_STORE_MAX_NOTE, TRUE, error));
}

/* The record's class as it stands from now on: a review that is taken back, or that confirms,
 * leaves it to the classifier. */
static gboolean write_verdict(VelmDatabase *database, const VelmReview *review, gboolean *found,
                              GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database,
                            "UPDATE records SET verdict = ?2, class = coalesce(?3, detected_class)"
                            " WHERE id = ?1 AND time = (SELECT time FROM keys WHERE id = ?1)",
                            error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, review->record);
  velm_statement_bind_int(statement, 2, review->verdict);
  velm_statement_bind_text(statement, 3,
                           review->verdict == VELM_VERDICT_GOOD ? VELM_STORE_CLASS_GOOD
                                                                : review->class_name);
  gboolean ok = velm_statement_finish(statement, error);
  *found = ok && velm_database_changes(database) > 0;
  return ok;
}

gboolean velm_store_write_review(VelmDatabase *database, const VelmReview *review, gint64 time,
                                 GError **error) {
  g_autoptr(VelmStatement) statement =
      velm_database_prepare(database,
                            "INSERT INTO reviews (record, time, who, verdict, class, note)"
                            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                            error);
  if (!statement)
    return FALSE;
  velm_statement_bind_int(statement, 1, review->record);
  velm_statement_bind_int(statement, 2, time);
  velm_statement_bind_text(statement, 3, review->who);
  velm_statement_bind_int(statement, 4, review->verdict);
  velm_statement_bind_text(statement, 5, review->class_name);
  velm_statement_bind_text(statement, 6, review->note);
  return velm_statement_finish(statement, error);
}

static gboolean write_entry(VelmDatabase *database, const VelmReview *review, gint64 time,
                            GError **error) {
  g_autofree char *target = g_strdup_printf("record %" G_GINT64_FORMAT, review->record);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "verdict", velm_verdict_name(review->verdict));
  velm_json_set_string(builder, "class", review->class_name);
  velm_json_set_string(builder, "note", review->note);
  json_builder_end_object(builder);
  g_autofree char *detail = velm_json_print(builder, FALSE);
  return velm_store_write_audit(database, time, review->who, "review", target, detail, error);
}

gboolean velm_store_review(VelmStore *store, const VelmReview *review, gboolean *found,
                           GError **error) {
  gint64 time = g_get_real_time();
  g_autoptr(GError) cause = NULL;
  *found = FALSE;
  VelmDatabase *database = check(review, error) ? velm_store_begin_writing(store, error) : NULL;
  if (!database)
    return FALSE;
  gboolean ok = velm_database_begin(database, &cause) &&
                write_verdict(database, review, found, &cause) &&
                (!*found || (velm_store_write_review(database, review, time, &cause) &&
                             write_entry(database, review, time, &cause)));
  return velm_store_end_transaction(store, ok, g_steal_pointer(&cause), error);
}

/* ---- reading ---- */

static VelmReview *read_review(VelmStatement *statement) {
  VelmReview *review = g_new0(VelmReview, 1);
  *review = (VelmReview){.id = velm_statement_int(statement, 0),
                         .record = velm_statement_int(statement, 1),
                         .time = velm_statement_int(statement, 2),
                         .who = velm_statement_text(statement, 3),
                         .verdict = (VelmReviewVerdict)velm_statement_int(statement, 4),
                         .class_name = velm_statement_text(statement, 5),
                         .note = velm_statement_text(statement, 6)};
  return review;
}

GPtrArray *velm_store_read_reviews(VelmDatabase *database, gint64 record, GError **error) {
  g_autoptr(GPtrArray) reviews = g_ptr_array_new_with_free_func((GDestroyNotify)velm_review_free);
  g_autoptr(VelmStatement) statement = velm_database_prepare(
      database,
      "SELECT id, record, time, who, verdict, class, note FROM reviews WHERE record = ?"
      " ORDER BY id DESC",
      error);
  if (!statement)
    return NULL;
  velm_statement_bind_int(statement, 1, record);
  VelmStep step;
  while ((step = velm_statement_step(statement, error)) == VELM_STEP_ROW)
    g_ptr_array_add(reviews, read_review(statement));
  return step == VELM_STEP_DONE ? g_steal_pointer(&reviews) : NULL;
}

GPtrArray *velm_store_list_reviews(VelmStore *store, gint64 record, GError **error) {
  VelmDatabase *database = velm_store_begin_reading(store, error);
  if (!database)
    return NULL;
  GPtrArray *reviews = velm_store_read_reviews(database, record, error);
  velm_store_end_reading(store, database);
  return reviews;
}
