#include "serve/readiness.h"

#include "serve/record_json.h"

/* How many parts there are in each state. */
typedef struct {
  guint of[VELM_STATE_FAILED + 1];
} Count;

static VelmStatus status_of_store(VelmStation *station) {
  VelmStoreHealth health = velm_store_get_health(velm_station_get_store(station));
  return (VelmStatus){health.state == VELM_DATABASE_FINE ? VELM_STATE_READY : VELM_STATE_FAILED,
                      health.message, health.since};
}

static void build_part(JsonBuilder *builder, const char *kind, const char *name,
                       const VelmStatus *status) {
  g_autofree char *whole = g_strconcat(kind, name, NULL);
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "name", whole);
  velm_json_set_string(builder, "state", velm_state_name(status->state));
  if (status->reason)
    velm_json_set_string(builder, "reason", status->reason);
  velm_json_set_time(builder, "since", status->since);
  json_builder_end_object(builder);
}

/* @builder: (nullable). */
static VelmState add_store(VelmStation *station, JsonBuilder *builder) {
  g_auto(VelmStatus) status = status_of_store(station);
  if (builder)
    build_part(builder, "store", "", &status);
  return status.state;
}

static Count add_products(VelmStation *station, JsonBuilder *builder) {
  const GPtrArray *products = velm_station_get_products(station);
  Count count = {0};
  for (guint i = 0; i < products->len; i++) {
    g_auto(VelmStatus) status = velm_product_get_status(products->pdata[i]);
    count.of[status.state]++;
    if (builder)
      build_part(builder, "product ", velm_product_get_name(products->pdata[i]), &status);
  }
  return count;
}

/* The worst of those that products say of the server at @place: each has asked it at another time.
 * @first: (out): the first product that asks it */
static VelmStatus worst_of(const GPtrArray *products, const char *place, guint *first) {
  VelmStatus worst = {.state = VELM_STATE_READY};
  *first = products->len;
  for (guint i = 0; i < products->len; i++) {
    g_autofree char *other = NULL;
    g_auto(VelmStatus) status = {0};
    if (!velm_product_get_llm(products->pdata[i], &other, &status) || !g_str_equal(place, other))
      continue;
    if (*first == products->len || status.state > worst.state) {
      VelmStatus before = worst;
      worst = status;
      status = before;
    }
    *first = MIN(*first, i);
  }
  return worst;
}

/* Servers of language models, each once. */
static Count add_llms(VelmStation *station, JsonBuilder *builder) {
  const GPtrArray *products = velm_station_get_products(station);
  Count count = {0};
  for (guint i = 0; i < products->len; i++) {
    guint first = 0;
    g_autofree char *place = NULL;
    g_auto(VelmStatus) own = {0};
    if (!velm_product_get_llm(products->pdata[i], &place, &own))
      continue;
    g_auto(VelmStatus) status = worst_of(products, place, &first);
    if (first != i)
      continue;
    count.of[status.state]++;
    if (builder)
      build_part(builder, "llm ", place, &status);
  }
  return count;
}

static Count add_links(VelmStation *station, JsonBuilder *builder) {
  const GPtrArray *links = velm_station_get_links(station);
  Count count = {0};
  for (guint i = 0; i < links->len; i++) {
    VelmLink *link = links->pdata[i];
    g_auto(VelmStatus) status = velm_status_get(&link->status);
    count.of[status.state]++;
    if (builder)
      build_part(builder, "", link->name, &status);
  }
  return count;
}

/* One product that works makes a station that works, if not as it is to. */
static VelmState add_all(VelmStation *station, JsonBuilder *builder) {
  VelmState store = add_store(station, builder);
  Count products = add_products(station, builder), llms = add_llms(station, builder),
        links = add_links(station, builder);
  guint n = velm_station_get_products(station)->len;
  if (store != VELM_STATE_READY || products.of[VELM_STATE_FAILED] == n)
    return VELM_STATE_FAILED;
  if (products.of[VELM_STATE_STARTING])
    return VELM_STATE_STARTING;
  guint n_lame = products.of[VELM_STATE_FAILED] + products.of[VELM_STATE_DEGRADED] +
                 llms.of[VELM_STATE_DEGRADED] + links.of[VELM_STATE_FAILED] +
                 links.of[VELM_STATE_DEGRADED];
  return n_lame > 0 ? VELM_STATE_DEGRADED : VELM_STATE_READY;
}

VelmState velm_readiness(VelmStation *station) { return add_all(station, NULL); }

VelmState velm_readiness_build(VelmStation *station, JsonBuilder *builder) {
  json_builder_set_member_name(builder, "parts");
  json_builder_begin_array(builder);
  VelmState state = add_all(station, builder);
  json_builder_end_array(builder);
  velm_json_set_string(builder, "state", velm_state_name(state));
  return state;
}

char *velm_readiness_to_json(VelmStation *station) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_readiness_build(station, builder);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}
