#include "serve/call.h"

#include "serve/key.h"
#include "serve/record_json.h"

#include <math.h>
#include <string.h>

#define MOST_NAME 200
/* The largest number up to which a double holds every whole one. */
#define MOST_WHOLE 9007199254740991.0

gboolean velm_call_may_try(const VelmCall *call) {
  return velm_rate_has(call->context->failures, velm_exchange_get_peer(call->exchange),
                       g_get_monotonic_time());
}

void velm_call_note_failure(const VelmCall *call) {
  velm_rate_take(call->context->failures, velm_exchange_get_peer(call->exchange),
                 g_get_monotonic_time());
}

gint64 velm_call_id(const VelmCall *call) {
  gint64 id = 0;
  return g_ascii_string_to_signed(call->argument, 10, 1, G_MAXINT64, &id, NULL) ? id : 0;
}

VelmStoredRecord *velm_call_record(const VelmCall *call, VelmResponse **response, GError **error) {
  VelmStoredRecord *record = NULL;
  gint64 id = velm_call_id(call);
  if (id && !velm_store_get(velm_station_get_store(call->context->station), id, &record, error))
    return NULL;
  if (!record)
    *response = velm_response_new_problem(404, "there is no such record");
  return record;
}

VelmProduct *velm_call_own_product(const VelmCall *call, VelmResponse **response) {
  VelmProduct *product = velm_station_find_product(call->context->station, call->argument);
  if (product && !velm_product_is_elsewhere(product))
    return product;
  *response = product ? velm_response_new_problem(409, "the product is inspected by the plant: its "
                                                       "model and its spec are not the station's")
                      : velm_response_new_problem(404, "there is no such product");
  return NULL;
}

VelmResponse *velm_call_respond_record(const VelmCall *call, guint status,
                                       const VelmStoredRecord *record, GError **error) {
  char *json =
      velm_stored_record_to_json(velm_station_get_store(call->context->station), record, error);
  if (!json)
    return NULL;
  gsize length = strlen(json);
  return velm_response_new(status, "application/json", g_bytes_new_take(json, length));
}

/* ---- bodies ---- */

static gboolean has_only(JsonObject *object, const char *const *names, GError **error) {
  g_autoptr(GList) members = json_object_get_members(object);
  for (const GList *link = members; link; link = link->next)
    if (!g_strv_contains(names, link->data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s: there is no such member here",
                  (const char *)link->data);
      return FALSE;
    }
  return TRUE;
}

JsonNode *velm_call_json(const VelmCall *call, const char *const *names, GError **error) {
  gsize length = 0;
  const char *text = g_bytes_get_data(velm_exchange_get_body(call->exchange), &length);
  g_autoptr(JsonNode) node = text ? velm_json_parse_object(text, length) : NULL;
  if (!node) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "the body is to be a JSON object, in UTF-8");
    return NULL;
  }
  return has_only(json_node_get_object(node), names, error) ? g_steal_pointer(&node) : NULL;
}

gboolean velm_call_text(JsonNode *body, const char *name, gsize most, const char **value,
                        GError **error) {
  JsonNode *member = json_object_get_member(json_node_get_object(body), name);
  *value = NULL;
  if (!member || JSON_NODE_HOLDS_NULL(member))
    return TRUE;
  if (JSON_NODE_HOLDS_VALUE(member) && json_node_get_value_type(member) == G_TYPE_STRING)
    *value = json_node_get_string(member);
  if (*value && g_utf8_strlen(*value, -1) <= (glong)most)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "%s: it is to be a text of %" G_GSIZE_FORMAT " characters at most", name, most);
  return FALSE;
}

gboolean velm_call_whole(JsonNode *node, gint64 least, gint64 *value) {
  if (!node || !JSON_NODE_HOLDS_VALUE(node))
    return FALSE;
  GType type = json_node_get_value_type(node);
  double number = json_node_get_double(node);
  if ((type != G_TYPE_INT64 && type != G_TYPE_DOUBLE) || !(fabs(number) <= MOST_WHOLE) ||
      number != floor(number) || number < (double)least)
    return FALSE;
  *value = (gint64)number;
  return TRUE;
}

gboolean velm_call_who(const VelmCall *call, JsonNode *body, const char **who, GError **error) {
  if (!velm_call_text(body, "who", MOST_NAME, who, error))
    return FALSE;
  if (*who && !velm_text_is_plain(*who)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "who: it has control characters");
    return FALSE;
  }
  /* Who has a token is known by it, whatever it says. */
  *who = call->who ? call->who : *who && (*who)[0] ? *who : "local";
  return TRUE;
}
