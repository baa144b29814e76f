/* An image comes in, and its record goes out. */
#include "core/http_prefix.h"
#include "serve/call.h"
#include "serve/key.h"
#include "serve/query.h"
#include "serve/record_json.h"

#include <stdint.h>
#include <string.h>

#define MOST_TEXT 200
#define MOST_URL 2000

/* ---- what is answered ---- */

static VelmResponse *respond_record(const VelmCall *call, const VelmStoredRecord *record,
                                    gboolean existed) {
  g_autoptr(GError) error = NULL;
  VelmResponse *response = velm_call_respond_record(call, existed ? 200 : 201, record, &error);
  if (!response)
    return velm_response_new_error(error);
  g_autofree char *location = g_strdup_printf("/v1/records/%" G_GINT64_FORMAT, record->id);
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

/* What is asked for behind the question mark and in the headers; borrowed. */
typedef struct {
  const char *key, *name, *part, *callback;
  gboolean later; /* it is queued, and the answer does not wait for the record */
} Wish;

static gboolean read_query(const VelmCall *call, Wish *wish, GError **error) {
  static const char *const names[] = {"name", "part", "wait", "callback", NULL};
  static const char *const words[] = {"true", "false", NULL};
  GHashTable *query = velm_exchange_get_query(call->exchange);
  guint later = FALSE;
  if (!velm_query_only(query, names, FALSE, error) ||
      !velm_query_text(query, "name", MOST_TEXT, &wish->name, error) ||
      !velm_query_text(query, "part", MOST_TEXT, &wish->part, error) ||
      !velm_query_text(query, "callback", MOST_URL, &wish->callback, error) ||
      !velm_query_word(query, "wait", words, &later, error))
    return FALSE;
  wish->later = later;
  return TRUE;
}

/* Why it is not taken; NULL where it is. */
static VelmResponse *check(const VelmCall *call, Wish *wish) {
  g_autoptr(GError) error = NULL;
  wish->key = velm_exchange_get_header(call->exchange, "Idempotency-Key");
  if (!read_query(call, wish, &error))
    return velm_response_new_error(error);
  if (wish->key && !velm_key_is_valid(wish->key))
    return velm_response_new_problem(400, "Idempotency-Key: " VELM_KEY_RULE);
  if (wish->name && !velm_text_is_plain(wish->name))
    return velm_response_new_problem(400, "name: it has control characters");
  if (wish->part && !velm_text_is_plain(wish->part))
    return velm_response_new_problem(400, "part: it has control characters");
  if (wish->callback && !wish->later)
    return velm_response_new_problem(400, "callback: it goes with wait=false");
  if (wish->callback && !velm_http_prefix_allows(call->context->callbacks, wish->callback))
    return velm_response_new_problem(403, "callback: the station does not call this address");
  if (g_bytes_get_size(velm_exchange_get_body(call->exchange)) == 0)
    return velm_response_new_problem(400, "the request has no image");
  return NULL;
}

/* The media type without its parameters. Returns: (transfer full). */
static char *media_type_of(const VelmCall *call) {
  const char *text = velm_exchange_get_header(call->exchange, "Content-Type");
  return g_ascii_strdown(text, (gssize)strcspn(text, "; \t"));
}

/* ---- later ---- */

static VelmResponse *respond_state(guint status, const char *key, const VelmStoredRecord *record) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "key", key);
  velm_json_set_string(builder, "state", record ? "done" : "queued");
  json_builder_set_member_name(builder, "record");
  if (record) {
    json_builder_begin_object(builder);
    velm_summary_build(builder, record);
    json_builder_end_object(builder);
  } else {
    json_builder_add_null_value(builder);
  }
  json_builder_end_object(builder);
  VelmResponse *response = velm_response_new_json(status, builder);
  g_autofree char *escaped = g_uri_escape_string(key, NULL, FALSE);
  g_autofree char *location = g_strconcat("/v1/inspections/", escaped, NULL);
  velm_response_set_header(response, "Location", location);
  return response;
}

static VelmResponse *enqueue(const VelmCall *call, const Wish *wish, const char *media_type) {
  g_autoptr(GError) error = NULL;
  /* Lent to be read. */
  const VelmQueued queued = {.key = (char *)(uintptr_t)wish->key,
                             .product = call->argument,
                             .time = g_get_real_time(),
                             .media_type = (char *)(uintptr_t)media_type,
                             .name = (char *)(uintptr_t)wish->name,
                             .part = (char *)(uintptr_t)wish->part,
                             .callback = (char *)(uintptr_t)wish->callback};
  if (velm_station_enqueue(call->context->station, &queued, velm_exchange_get_body(call->exchange),
                           NULL, &error))
    return respond_state(202, wish->key, NULL);
  return respond_error(error);
}

VelmResponse *velm_api_get_inspection(VelmCall *call, GError **error) {
  VelmStore *store = velm_station_get_store(call->context->station);
  g_autoptr(VelmStoredRecord) record = NULL;
  gboolean queued = FALSE;
  /* In this order: it leaves the queue with its record. */
  if (!velm_store_is_queued(store, call->argument, &queued, error) ||
      !velm_store_find(store, call->argument, &record, error))
    return NULL;
  if (!record && !queued)
    return velm_response_new_problem(404, "no image with this key was handed in");
  return respond_state(200, call->argument, record);
}

/* ---- now ---- */

void velm_api_inspect(VelmCall *call) {
  Wish wish = {0};
  VelmProduct *product = velm_station_find_product(call->context->station, call->argument);
  VelmResponse *problem =
      product ? check(call, &wish) : velm_response_new_problem(404, "there is no such product");
  if (problem) {
    velm_call_answer(call, problem);
    return;
  }
  g_autofree char *made_up = wish.key ? NULL : g_uuid_string_random();
  g_autofree char *media_type = media_type_of(call);
  wish.key = wish.key ? wish.key : made_up;
  wish.name = wish.name ? wish.name : wish.key;
  if (wish.later) {
    velm_call_answer(call, enqueue(call, &wish, media_type));
    return;
  }
  const VelmArrival arrival = {.key = wish.key,
                               .name = wish.name,
                               .part = wish.part,
                               .media_type = media_type,
                               .image = velm_exchange_get_body(call->exchange)};
  velm_station_inspect(call->context->station, product, &arrival, take_record, call);
}
