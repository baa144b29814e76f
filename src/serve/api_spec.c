/* The spec of a product: checked, tried on past records, put in use, and as it was before. */
#include "serve/call.h"
#include "serve/query.h"
#include "serve/record_json.h"
#include "serve/spec_use.h"

#include "act/policy.h"
#include "act/record.h"
#include "act/spec.h"

#include <string.h>

/* Records that a spec is tried on, unless another number is asked for, and at most. */
#define TRIED 500
#define MOST_TRIED 5000
/* Changes that are listed; all are counted. */
#define MOST_LISTED 100

/* ---- checking ---- */

static void build_findings(JsonBuilder *builder, const GPtrArray *findings) {
  json_builder_set_member_name(builder, "findings");
  json_builder_begin_array(builder);
  for (guint i = 0; findings && i < findings->len; i++) {
    const VelmTextFinding *finding = findings->pdata[i];
    json_builder_begin_object(builder);
    velm_json_set_int(builder, "line", finding->line);
    velm_json_set_int(builder, "column", finding->column);
    velm_json_set_boolean(builder, "error", finding->error);
    velm_json_set_string(builder, "message", finding->message);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

/* What a spec would have made of past records. */
typedef struct {
  VelmStore *store;
  const VelmSpec *spec;
  JsonBuilder *builder; /* in the array of changes */
  guint n_tried, n_changed;
} Trial;

static void list_change(Trial *trial, const VelmStoredRecord *record, const char *action,
                        const VelmInspection *inspection) {
  if (trial->n_changed++ >= MOST_LISTED)
    return;
  json_builder_begin_object(trial->builder);
  json_builder_set_member_name(trial->builder, "record");
  json_builder_begin_object(trial->builder);
  velm_summary_build(trial->builder, record);
  json_builder_end_object(trial->builder);
  velm_json_set_string(trial->builder, "action", action);
  velm_json_set_string(trial->builder, "new_decision", velm_decision_name(inspection->decision));
  velm_json_set_string(trial->builder, "new_action", inspection->action);
  velm_json_set_string(trial->builder, "new_rule", inspection->rule);
  json_builder_end_object(trial->builder);
}

/* Records of images that could not be inspected hang on no spec. */
static gboolean try_record(Trial *trial, gint64 id, GError **error) {
  g_autoptr(VelmStoredRecord) record = NULL;
  if (!velm_store_get(trial->store, id, &record, error))
    return FALSE;
  g_autoptr(VelmInspection) inspection = record ? velm_record_read(record->json, NULL) : NULL;
  if (!inspection)
    return TRUE;
  g_autoptr(JsonNode) node = velm_json_parse_object(record->json, strlen(record->json));
  const char *action = velm_json_string_member(json_node_get_object(node), "action");
  velm_policy_decide(trial->spec, inspection);
  trial->n_tried++;
  if (!g_str_equal(velm_decision_name(inspection->decision), record->decision) ||
      g_strcmp0(inspection->action, action) != 0)
    list_change(trial, record, action, inspection);
  return TRUE;
}

static gboolean try_records(Trial *trial, const char *product, guint most, GError **error) {
  VelmStoreQuery query = velm_store_query_default();
  g_autofree char *cursor = NULL;
  query.product = product;
  for (guint left = most; left > 0;) {
    g_autofree char *next = NULL;
    guint limit = MIN(left, VELM_STORE_MAX_PAGE);
    g_autoptr(GPtrArray) page = velm_store_list(trial->store, &query, cursor, limit, &next, error);
    for (guint i = 0; page && i < page->len; i++)
      if (!try_record(trial, ((VelmStoredRecord *)page->pdata[i])->id, error))
        return FALSE;
    if (!page)
      return FALSE;
    left = next ? left - limit : 0;
    g_free(cursor);
    cursor = g_steal_pointer(&next);
  }
  return TRUE;
}

static gboolean build_trial(const VelmCall *call, JsonBuilder *builder, const VelmSpec *spec,
                            guint most, GError **error) {
  Trial trial = {velm_station_get_store(call->context->station), spec, builder, 0, 0};
  json_builder_set_member_name(builder, "changes");
  json_builder_begin_array(builder);
  if (spec && !try_records(&trial, call->argument, most, error))
    return FALSE;
  json_builder_end_array(builder);
  velm_json_set_int(builder, "tried", trial.n_tried);
  velm_json_set_int(builder, "changed", trial.n_changed);
  return TRUE;
}

/* The spec in the body. Returns: (transfer full): the body, which has it; NULL with the error. */
static JsonNode *read_body(const VelmCall *call, const char *const *names, const char **text,
                           GError **error) {
  g_autoptr(JsonNode) body = velm_call_json(call, names, error);
  if (!body || !velm_call_text(body, "spec", VELM_SPEC_MAX_BYTES, text, error))
    return NULL;
  if (*text)
    return g_steal_pointer(&body);
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "spec: it is missing");
  return NULL;
}

VelmResponse *velm_api_check_spec(VelmCall *call, GError **error) {
  static const char *const names[] = {"spec", NULL};
  static const char *const query_names[] = {"records", NULL};
  GHashTable *query = velm_exchange_get_query(call->exchange);
  const char *text = NULL;
  gint64 most = TRIED;
  if (!velm_station_find_product(call->context->station, call->argument))
    return velm_response_new_problem(404, "there is no such product");
  if (!velm_query_only(query, query_names, FALSE, error) ||
      !velm_query_int(query, "records", 0, MOST_TRIED, &most, error))
    return NULL;
  g_autoptr(JsonNode) body = read_body(call, names, &text, error);
  if (!body)
    return NULL;
  g_autoptr(GPtrArray) findings = NULL;
  g_autoptr(VelmSpec) spec = velm_spec_parse(text, strlen(text), "the spec", &findings, NULL);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_boolean(builder, "usable", spec != NULL);
  build_findings(builder, findings);
  if (!build_trial(call, builder, spec, (guint)most, error))
    return NULL;
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}

/* ---- putting in use ---- */

VelmResponse *velm_api_put_spec(VelmCall *call, GError **error) {
  static const char *const names[] = {"spec", "who", NULL};
  VelmStation *station = call->context->station;
  VelmResponse *problem = NULL;
  VelmProduct *product = velm_call_own_product(call, &problem);
  const char *text = NULL, *who = NULL;
  if (!product)
    return problem;
  g_autoptr(JsonNode) body = read_body(call, names, &text, error);
  if (!body || !velm_call_who(call, body, &who, error) ||
      !velm_spec_use(station, product, text, who, error))
    return NULL;
  return velm_response_new(202, NULL, NULL);
}

/* ---- as it was ---- */

VelmResponse *velm_api_list_specs(VelmCall *call, GError **error) {
  if (!velm_station_find_product(call->context->station, call->argument))
    return velm_response_new_problem(404, "there is no such product");
  g_autoptr(GPtrArray) specs = velm_store_list_specs(velm_station_get_store(call->context->station),
                                                     call->argument, VELM_STORE_MAX_PAGE, error);
  if (!specs)
    return NULL;
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  json_builder_set_member_name(builder, "specs");
  json_builder_begin_array(builder);
  for (guint i = 0; i < specs->len; i++) {
    const VelmStoredSpec *spec = specs->pdata[i];
    json_builder_begin_object(builder);
    velm_json_set_int(builder, "id", spec->id);
    velm_json_set_time(builder, "time", spec->time);
    velm_json_set_string(builder, "who", spec->who);
    velm_json_set_string(builder, "spec", spec->text);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}
