/* The models that a product can use: the one that it was given, and versions that were made here.
 */
#include "serve/call.h"
#include "serve/record_json.h"
#include "serve/versions.h"

/* ---- listing ---- */

/* @version: (nullable): the model that was given. */
static void build_version(JsonBuilder *builder, const VelmStoredVersion *version, gboolean in_use,
                          gboolean available) {
  json_builder_begin_object(builder);
  velm_json_set_int(builder, "id", version ? version->id : 0);
  velm_json_set_string(builder, "kind", version ? version->kind : "given");
  velm_json_set_time(builder, "time", version ? version->time : 0);
  velm_json_set_string(builder, "who", version ? version->who : NULL);
  velm_json_set_boolean(builder, "in_use", in_use);
  velm_json_set_boolean(builder, "available", available);
  g_autoptr(JsonNode) report =
      version ? velm_json_parse(version->report, -1, "the report", NULL) : NULL;
  json_builder_set_member_name(builder, "report");
  if (report)
    json_builder_add_value(builder, g_steal_pointer(&report));
  else
    json_builder_add_null_value(builder);
  json_builder_end_object(builder);
}

static VelmResponse *respond_none(void) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  json_builder_set_member_name(builder, "versions");
  json_builder_begin_array(builder);
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}

VelmResponse *velm_api_list_versions(VelmCall *call, GError **error) {
  VelmStation *station = call->context->station;
  VelmProduct *product = velm_station_find_product(station, call->argument);
  gint64 used = 0;
  if (!product)
    return velm_response_new_problem(404, "there is no such product");
  if (velm_product_is_elsewhere(product))
    return respond_none();
  g_autoptr(GPtrArray) versions = velm_store_list_versions(
      velm_station_get_store(station), call->argument, VELM_STORE_MAX_PAGE, error);
  g_autofree char *base = velm_product_get_given_sha256(product, NULL);
  if (!versions || !velm_versions_get_used(station, product, &used, error))
    return NULL;
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  json_builder_set_member_name(builder, "versions");
  json_builder_begin_array(builder);
  for (guint i = 0; i < versions->len; i++) {
    const VelmStoredVersion *version = versions->pdata[i];
    g_autofree char *path = velm_versions_path(station, version);
    build_version(builder, version, version->id == used,
                  g_strcmp0(version->base, base) == 0 && g_file_test(path, G_FILE_TEST_IS_REGULAR));
  }
  build_version(builder, NULL, used == 0, base != NULL);
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}

/* ---- putting in use ---- */

static gboolean read_version(JsonNode *body, gint64 *version, GError **error) {
  JsonNode *member = json_object_get_member(json_node_get_object(body), "version");
  if (velm_call_whole(member, 0, version))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "version: it is to be the number of a version, or 0 for the model that was given");
  return FALSE;
}

VelmResponse *velm_api_put_version(VelmCall *call, GError **error) {
  static const char *const names[] = {"version", "who", NULL};
  VelmStation *station = call->context->station;
  VelmResponse *problem = NULL;
  VelmProduct *product = velm_call_own_product(call, &problem);
  g_autoptr(GError) cause = NULL;
  const char *who = NULL;
  gint64 version = 0;
  gboolean found = FALSE;
  if (!product)
    return problem;
  g_autoptr(JsonNode) body = velm_call_json(call, names, error);
  if (!body || !read_version(body, &version, error) || !velm_call_who(call, body, &who, error))
    return NULL;
  gboolean ok = velm_versions_use(station, product, version, who, &found, &cause);
  if (ok && !found)
    return velm_response_new_problem(404, "there is no such version, or its file has gone");
  if (g_error_matches(cause, VELM_ERROR, VELM_ERROR_USAGE))
    return velm_response_new_problem(409, cause->message);
  if (!ok)
    g_propagate_error(error, g_steal_pointer(&cause));
  return ok ? velm_response_new(202, NULL, NULL) : NULL;
}
