/* How the station does: health, readiness, metrics, events, the audit log, and what the API is. */
#include "serve/call.h"
#include "serve/query.h"
#include "serve/readiness.h"
#include "serve/record_json.h"

#include <gio/gio.h>

/* What a number in JSON holds exactly. */
#define MAX_NUMBER ((G_GINT64_CONSTANT(1) << 53) - 1)

VelmResponse *velm_api_get_health(VelmCall *call, GError **error) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "status", "alive");
  velm_json_set_string(builder, "version", velm_version());
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}

static gboolean is_ready(VelmState state) {
  return state == VELM_STATE_READY || state == VELM_STATE_DEGRADED;
}

/* Strangers are told the state alone: parts and reasons name files and addresses. */
static VelmState build_readiness(const VelmCall *call, JsonBuilder *builder) {
  if (call->role > VELM_ROLE_NOBODY)
    return velm_readiness_build(call->context->station, builder);
  VelmState state = velm_readiness(call->context->station);
  velm_json_set_string(builder, "state", velm_state_name(state));
  json_builder_set_member_name(builder, "parts");
  json_builder_begin_array(builder);
  json_builder_end_array(builder);
  return state;
}

VelmResponse *velm_api_get_readiness(VelmCall *call, GError **error) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  VelmState state = build_readiness(call, builder);
  json_builder_end_object(builder);
  return velm_response_new_json(is_ready(state) ? 200 : 503, builder);
}

static void print_products(VelmStation *station, GString *text) {
  const GPtrArray *products = velm_station_get_products(station);
  for (guint i = 0; i < products->len; i++)
    velm_metrics_print_labelled(
        text, "velm_queue", i == 0 ? "Images that wait or are looked at" : NULL, "product",
        velm_product_get_name(products->pdata[i]), velm_product_get_queued(products->pdata[i]));
}

static void measure_links(VelmStation *station) {
  const GPtrArray *links = velm_station_get_links(station);
  for (guint i = 0; i < links->len; i++) {
    VelmLink *link = links->pdata[i];
    if (link->klass->measure)
      link->klass->measure(link, velm_station_get_metrics(station));
  }
}

VelmResponse *velm_api_get_metrics(VelmCall *call, GError **error) {
  VelmStation *station = call->context->station;
  VelmStoreSize size;
  gint64 queued = 0;
  GString *text = g_string_new(NULL);
  measure_links(station);
  velm_metrics_print(velm_station_get_metrics(station), text);
  print_products(station, text);
  velm_metrics_print_gauge(text, "velm_ready", "Whether images can be inspected and kept",
                           is_ready(velm_readiness(station)));
  velm_metrics_print_gauge(text, "velm_connections", "Connections to this server",
                           velm_http_server_get_n_connections(call->context->server));
  if (velm_store_count_queued(velm_station_get_store(station), &queued, NULL))
    velm_metrics_print_gauge(text, "velm_store_queued", "Images that are kept and wait",
                             (double)queued);
  if (velm_store_measure(velm_station_get_store(station), &size, NULL)) {
    velm_metrics_print_gauge(text, "velm_store_records", "Records in the store",
                             (double)size.records);
    velm_metrics_print_gauge(text, "velm_store_bytes", "Of images and database",
                             (double)(size.image_bytes + size.database_bytes));
  }
  return velm_response_new(200, "text/plain; version=0.0.4; charset=utf-8",
                           g_string_free_to_bytes(text));
}

VelmResponse *velm_api_get_openapi(VelmCall *call, GError **error) {
  GBytes *text = g_resources_lookup_data("/velm/station/openapi.yaml", 0, error);
  return text ? velm_response_new(200, "application/yaml", text) : NULL;
}

VelmResponse *velm_api_follow_events(VelmCall *call, GError **error) {
  return velm_events_follow(velm_station_get_events(call->context->station), call->exchange,
                            velm_exchange_get_header(call->exchange, "Last-Event-ID"));
}

/* ---- the audit log ---- */

static void build_entry(JsonBuilder *builder, const VelmAuditEntry *entry) {
  json_builder_begin_object(builder);
  velm_json_set_int(builder, "id", entry->id);
  velm_json_set_time(builder, "time", entry->time);
  velm_json_set_string(builder, "who", entry->who);
  velm_json_set_string(builder, "action", entry->action);
  velm_json_set_string(builder, "target", entry->target);
  JsonNode *detail =
      entry->detail ? velm_json_parse(entry->detail, -1, "the audit log", NULL) : NULL;
  if (detail) {
    json_builder_set_member_name(builder, "detail");
    json_builder_add_value(builder, detail);
  }
  json_builder_end_object(builder);
}

VelmResponse *velm_api_list_audit(VelmCall *call, GError **error) {
  static const char *const names[] = {"before", "limit", NULL};
  GHashTable *query = velm_exchange_get_query(call->exchange);
  gint64 before = 0, limit = 100;
  if (!velm_query_only(query, names, FALSE, error) ||
      !velm_query_int(query, "before", 1, MAX_NUMBER, &before, error) ||
      !velm_query_int(query, "limit", 1, VELM_STORE_MAX_PAGE, &limit, error))
    return NULL;
  g_autoptr(GPtrArray) entries = velm_store_list_audit(
      velm_station_get_store(call->context->station), before, (guint)limit, error);
  if (!entries)
    return NULL;
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  json_builder_set_member_name(builder, "entries");
  json_builder_begin_array(builder);
  for (guint i = 0; i < entries->len; i++)
    build_entry(builder, entries->pdata[i]);
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}
