/* Records: pages of them, one, and what people say of it. */
#include "serve/call.h"
#include "serve/query.h"
#include "serve/record_json.h"

#include <stdint.h>
#include <string.h>

#define MOST_CURSOR 200
#define MOST_NAME 200
#define MOST_NOTE 4000

static VelmResponse *respond_page(const GPtrArray *records, const char *next) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  json_builder_set_member_name(builder, "records");
  json_builder_begin_array(builder);
  for (guint i = 0; i < records->len; i++) {
    json_builder_begin_object(builder);
    velm_summary_build(builder, records->pdata[i]);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
  velm_json_set_string(builder, "next", next);
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}

VelmResponse *velm_api_list_records(VelmCall *call, GError **error) {
  static const char *const names[] = {"order", "limit", "cursor", NULL};
  static const char *const orders[] = {"newest", "oldest", "highest_score", "least_certain", NULL};
  GHashTable *query = velm_exchange_get_query(call->exchange);
  VelmStoreQuery filters;
  const char *cursor = NULL;
  guint order = VELM_STORE_NEWEST;
  gint64 limit = 60;
  if (!velm_query_only(query, names, TRUE, error) || !velm_query_filters(query, &filters, error) ||
      !velm_query_word(query, "order", orders, &order, error) ||
      !velm_query_int(query, "limit", 1, VELM_STORE_MAX_PAGE, &limit, error) ||
      !velm_query_text(query, "cursor", MOST_CURSOR, &cursor, error))
    return NULL;
  filters.order = (VelmStoreOrder)order;
  g_autofree char *next = NULL;
  g_autoptr(GPtrArray) records = velm_store_list(velm_station_get_store(call->context->station),
                                                 &filters, cursor, (guint)limit, &next, error);
  return records ? respond_page(records, next) : NULL;
}

VelmResponse *velm_api_list_stations(VelmCall *call, GError **error) {
  g_autoptr(GPtrArray) stations =
      velm_store_list_stations(velm_station_get_store(call->context->station), error);
  if (!stations)
    return NULL;
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  json_builder_set_member_name(builder, "stations");
  json_builder_begin_array(builder);
  for (guint i = 0; i < stations->len; i++)
    json_builder_add_string_value(builder, stations->pdata[i]);
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}

VelmResponse *velm_api_get_record(VelmCall *call, GError **error) {
  VelmResponse *missing = NULL;
  g_autoptr(VelmStoredRecord) record = velm_call_record(call, &missing, error);
  return record ? velm_call_respond_record(call, 200, record, error) : missing;
}

VelmResponse *velm_api_get_prompt(VelmCall *call, GError **error) {
  VelmResponse *missing = NULL;
  char *json = NULL;
  g_autoptr(VelmStoredRecord) record = velm_call_record(call, &missing, error);
  if (!record)
    return missing;
  if (!velm_store_get_prompt(velm_station_get_store(call->context->station), record->id, &json,
                             error))
    return NULL;
  if (!json)
    return velm_response_new_problem(404, "no language model was asked about this part");
  gsize length = strlen(json);
  return velm_response_new(200, "application/json", g_bytes_new_take(json, length));
}

/* ---- reviews ---- */

static gboolean read_verdict(JsonNode *body, VelmReviewVerdict *verdict, GError **error) {
  const char *word = NULL;
  if (!velm_call_text(body, "verdict", MOST_NAME, &word, error))
    return FALSE;
  for (*verdict = VELM_VERDICT_NONE; word && *verdict <= VELM_VERDICT_GOOD; (*verdict)++)
    if (g_str_equal(word, velm_verdict_name(*verdict)))
      return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "verdict: it is to be none, confirm, correct or good");
  return FALSE;
}

/* @review: its texts are @body's or @call's. */
static gboolean read_review(const VelmCall *call, JsonNode *body, VelmReview *review,
                            GError **error) {
  const char *class_name = NULL, *note = NULL, *who = NULL;
  if (!read_verdict(body, &review->verdict, error) ||
      !velm_call_text(body, "class", MOST_NAME, &class_name, error) ||
      !velm_call_text(body, "note", MOST_NOTE, &note, error) ||
      !velm_call_who(call, body, &who, error))
    return FALSE;
  review->class_name = (char *)(uintptr_t)class_name;
  review->note = (char *)(uintptr_t)(note && note[0] ? note : NULL);
  review->who = (char *)(uintptr_t)who;
  return TRUE;
}

VelmResponse *velm_api_review(VelmCall *call, GError **error) {
  static const char *const names[] = {"verdict", "class", "note", "who", NULL};
  VelmStation *station = call->context->station;
  g_autoptr(JsonNode) body = velm_call_json(call, names, error);
  VelmReview review = {.record = velm_call_id(call)};
  gboolean found = FALSE;
  if (!body || !read_review(call, body, &review, error) ||
      !velm_store_review(velm_station_get_store(station), &review, &found, error))
    return NULL;
  VelmResponse *missing = NULL;
  g_autoptr(VelmStoredRecord) record = velm_call_record(call, &missing, error);
  if (!record)
    return missing;
  velm_station_tell_review(station, record);
  return velm_call_respond_record(call, 201, record, error);
}
