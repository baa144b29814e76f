/* An image comes in, and its record goes out. */
#include "serve/call.h"
#include "serve/query.h"
#include "serve/record_json.h"

#include <string.h>

#define MOST_TEXT 200

/* ---- what is answered ---- */

static VelmResponse *respond_record(const VelmCall *call, const VelmStoredRecord *record,
                                    gboolean existed) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) reviews =
      velm_store_list_reviews(velm_station_get_store(call->context->station), record->id, &error);
  if (!reviews)
    return velm_response_new_error(error);
  g_autofree char *location = g_strdup_printf("/v1/records/%" G_GINT64_FORMAT, record->id);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_stored_record_build(builder, record, reviews);
  json_builder_end_object(builder);
  VelmResponse *response = velm_response_new_json(existed ? 200 : 201, builder);
  velm_response_set_header(response, "Location", location);
  return response;
}

/* Why the image of @record could not be inspected, as the record says. */
static VelmResponse *respond_failed(const VelmStoredRecord *record) {
  g_autoptr(JsonNode) node =
      record->json ? velm_json_parse_object(record->json, strlen(record->json)) : NULL;
  const char *why = node ? velm_json_string_member(json_node_get_object(node), "error") : NULL;
  return velm_response_new_problem_with(422, why, "record", record->id);
}

static VelmResponse *respond_error(const GError *error) {
  if (g_error_matches(error, VELM_ERROR, VELM_ERROR_USAGE))
    return velm_response_new_problem(409, error->message);
  return velm_response_new_error(error);
}

static void take_record(VelmStoredRecord *record, gboolean existed, const GError *error,
                        gpointer user_data) {
  VelmCall *call = user_data;
  g_autoptr(VelmStoredRecord) owned = record;
  if (!record)
    velm_call_answer(call, respond_error(error));
  else if (g_str_equal(record->decision, VELM_STORE_FAILED))
    velm_call_answer(call, respond_failed(record));
  else
    velm_call_answer(call, respond_record(call, record, existed));
}

/* ---- what is asked ---- */

/* Printable, so that it can be told apart in a log. */
static gboolean is_key(const char *key) {
  gsize length = strlen(key);
  for (const char *c = key; *c; c++)
    if (!g_ascii_isgraph(*c))
      return FALSE;
  return length >= 1 && length <= MOST_TEXT;
}

static gboolean is_plain(const char *text) {
  for (const char *c = text; *c; c++)
    if (g_ascii_iscntrl(*c))
      return FALSE;
  return TRUE;
}

static VelmResponse *check(const VelmCall *call, const char **key, const char **name) {
  static const char *const names[] = {"name", NULL};
  g_autoptr(GError) error = NULL;
  GHashTable *query = velm_exchange_get_query(call->exchange);
  *key = velm_exchange_get_header(call->exchange, "Idempotency-Key");
  if (!velm_query_only(query, names, FALSE, &error) ||
      !velm_query_text(query, "name", MOST_TEXT, name, &error))
    return velm_response_new_error(error);
  if (*key && !is_key(*key))
    return velm_response_new_problem(400, "Idempotency-Key: it is to be 1 to 200 printable ASCII "
                                          "characters without spaces");
  if (*name && !is_plain(*name))
    return velm_response_new_problem(400, "name: it has control characters");
  if (g_bytes_get_size(velm_exchange_get_body(call->exchange)) == 0)
    return velm_response_new_problem(400, "the request has no image");
  return NULL;
}

/* The media type without its parameters. Returns: (transfer full). */
static char *media_type_of(const VelmCall *call) {
  const char *text = velm_exchange_get_header(call->exchange, "Content-Type");
  return g_ascii_strdown(text, (gssize)strcspn(text, "; \t"));
}

void velm_api_inspect(VelmCall *call) {
  const char *key = NULL, *name = NULL;
  VelmProduct *product = velm_station_find_product(call->context->station, call->argument);
  VelmResponse *problem = product ? check(call, &key, &name)
                                  : velm_response_new_problem(404, "there is no such product");
  if (problem) {
    velm_call_answer(call, problem);
    return;
  }
  g_autofree char *made_up = key ? NULL : g_uuid_string_random();
  g_autofree char *media_type = media_type_of(call);
  key = key ? key : made_up;
  const VelmArrival arrival = {.key = key,
                               .name = name ? name : key,
                               .media_type = media_type,
                               .image = velm_exchange_get_body(call->exchange)};
  velm_station_inspect(call->context->station, product, &arrival, take_record, call);
}
