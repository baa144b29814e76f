/* What is inspected at the station. */
#include "serve/call.h"

#include "act/spec.h"

#include <string.h>

static void build_classes(JsonBuilder *builder, const VelmSpec *spec) {
  const VelmClasses *classes = spec ? velm_spec_get_classes(spec) : NULL;
  velm_json_set_string(builder, "object", classes ? classes->object : NULL);
  json_builder_set_member_name(builder, "classes");
  json_builder_begin_array(builder);
  for (guint i = 0; classes && i < classes->classes->len; i++) {
    const VelmClass *one = classes->classes->pdata[i];
    const VelmOutcome *outcome = velm_spec_get_outcome(spec, i);
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "key", one->key);
    velm_json_set_string(builder, "name", one->name);
    velm_json_set_string(builder, "severity", velm_decision_name(outcome->severity));
    velm_json_set_string(builder, "action", outcome->action);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

/* Members of the product, in the builder's current object. */
static void build_product(JsonBuilder *builder, VelmProduct *product, const VelmProductText *text) {
  g_auto(VelmStatus) status = velm_product_get_status(product);
  g_autoptr(VelmSpec) spec =
      text->spec ? velm_spec_parse(text->spec, strlen(text->spec), "the spec", NULL, NULL) : NULL;
  velm_json_set_string(builder, "name", velm_product_get_name(product));
  velm_json_set_string(builder, "state", velm_state_name(status.state));
  if (status.reason)
    velm_json_set_string(builder, "reason", status.reason);
  velm_json_set_int(builder, "queued", velm_product_get_queued(product));
  velm_json_set_boolean(builder, "elsewhere", velm_product_is_elsewhere(product));
  build_classes(builder, spec);
}

VelmResponse *velm_api_list_products(VelmCall *call, GError **error) {
  const GPtrArray *products = velm_station_get_products(call->context->station);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  json_builder_set_member_name(builder, "products");
  json_builder_begin_array(builder);
  for (guint i = 0; i < products->len; i++) {
    g_auto(VelmProductText) text = velm_product_get_text(products->pdata[i]);
    json_builder_begin_object(builder);
    build_product(builder, products->pdata[i], &text);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}

static const char *describe_model(const VelmProduct *product, const VelmProductText *text) {
  if (velm_product_is_elsewhere(product))
    return "the plant's workers inspect this product\n";
  return text->model ? text->model : "";
}

VelmResponse *velm_api_get_product(VelmCall *call, GError **error) {
  VelmProduct *product = velm_station_find_product(call->context->station, call->argument);
  if (!product)
    return velm_response_new_problem(404, "there is no such product");
  g_auto(VelmProductText) text = velm_product_get_text(product);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  build_product(builder, product, &text);
  velm_json_set_string(builder, "model", describe_model(product, &text));
  velm_json_set_string(builder, "spec", text.spec);
  json_builder_end_object(builder);
  return velm_response_new_json(200, builder);
}

VelmResponse *velm_api_reload_product(VelmCall *call, GError **error) {
  VelmResponse *problem = NULL;
  VelmProduct *product = velm_call_own_product(call, &problem);
  if (!product)
    return problem;
  g_autofree char *target = g_strconcat("product ", call->argument, NULL);
  if (!velm_store_audit(velm_station_get_store(call->context->station),
                        call->who ? call->who : "local", "reload", target, NULL, error))
    return NULL;
  velm_station_reload(call->context->station, product);
  return velm_response_new(202, NULL, NULL);
}
