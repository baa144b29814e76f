/* Figures for charts. */
#include "serve/call.h"
#include "serve/query.h"
#include "serve/record_json.h"

static void build_decisions(JsonBuilder *builder, const VelmStoreStats *stats) {
  json_builder_set_member_name(builder, "decisions");
  json_builder_begin_object(builder);
  for (gsize i = 0; i < stats->n_decisions; i++)
    velm_json_set_int(builder, stats->decisions[i].name, stats->decisions[i].count);
  json_builder_end_object(builder);
}

static void build_classes(JsonBuilder *builder, const VelmStoreStats *stats) {
  json_builder_set_member_name(builder, "classes");
  json_builder_begin_array(builder);
  for (gsize i = 0; i < stats->n_classes; i++) {
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "class", stats->classes[i].name);
    velm_json_set_int(builder, "count", stats->classes[i].count);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static void build_llm(JsonBuilder *builder, const VelmStoreLlm *llm) {
  json_builder_set_member_name(builder, "llm");
  json_builder_begin_object(builder);
  velm_json_set_int(builder, "requests", llm->requests);
  velm_json_set_int(builder, "tokens", llm->tokens);
  velm_json_set_double(builder, "usd", llm->usd);
  json_builder_end_object(builder);
}

static void build_series(JsonBuilder *builder, const VelmStoreStats *stats) {
  json_builder_set_member_name(builder, "series");
  json_builder_begin_array(builder);
  for (gsize i = 0; i < stats->n_spans; i++) {
    const VelmStoreSpan *span = &stats->spans[i];
    json_builder_begin_object(builder);
    velm_json_set_time(builder, "time", span->time);
    velm_json_set_int(builder, "total", span->total);
    velm_json_set_int(builder, "good", span->good);
    velm_json_set_int(builder, "defect", span->defect);
    velm_json_set_double(builder, "mean_score", span->mean_score);
    velm_json_set_double(builder, "mean_ms", span->mean_ms);
    build_llm(builder, &span->llm);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static void build_scores(JsonBuilder *builder, const VelmStoreStats *stats) {
  json_builder_set_member_name(builder, "scores");
  json_builder_begin_array(builder);
  for (gsize i = 0; i < stats->n_bins; i++) {
    const VelmStoreBin *bin = &stats->bins[i];
    json_builder_begin_object(builder);
    velm_json_set_double(builder, "low", bin->low);
    velm_json_set_double(builder, "high", bin->high);
    velm_json_set_int(builder, "good", bin->good);
    velm_json_set_int(builder, "other", bin->other);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

VelmResponse *velm_api_get_stats(VelmCall *call, GError **error) {
  static const char *const names[] = {NULL};
  GHashTable *query = velm_exchange_get_query(call->exchange);
  VelmStoreQuery filters;
  if (!velm_query_only(query, names, TRUE, error) || !velm_query_filters(query, &filters, error))
    return NULL;
  g_autoptr(VelmStoreStats) stats =
      velm_store_stats(velm_station_get_store(call->context->station), &filters, error);
  if (!stats)
    return NULL;
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_time(builder, "since", stats->first);
  velm_json_set_time(builder, "until", stats->last);
  velm_json_set_int(builder, "total", stats->total);
  velm_json_set_int(builder, "reviewed", stats->reviewed);
  build_llm(builder, &stats->llm);
  build_decisions(builder, stats);
  build_classes(builder, stats);
  build_series(builder, stats);
  build_scores(builder, stats);
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}
