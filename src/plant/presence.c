#include "plant/presence.h"

#include "plant/bucket.h"
#include "serve/readiness.h"
#include "serve/record_json.h"
#include "serve/worker.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define PERIOD_S 5
/* How often it is looked whether there is something new to tell. */
#define LOOK_S 1
#define NS_PER_S G_GINT64_CONSTANT(1000000000)
#define MOST_KEY 64
#define DIGEST 8

/* A stage's jobs of a product. */
typedef struct {
  VelmStage stage;
  VelmProduct *product;
  VelmJobCounts *counts;
} Watched;

typedef struct {
  VelmLink link;
  VelmBroker *broker;
  char *name, *role, *key;
  guint period_s;
  gint64 since;
  GPtrArray *watched;
  VelmWorker worker;
  gint stopping; /* atomic */
  /* The thread's. */
  kvStore *store;    /* NULL where it must be opened */
  const char *state; /* that was told; NULL where that failed */
  gint64 told_at;
} Presence;

/* What others call it may hold what a key may not. */
char *velm_presence_key(const char *name) {
  static const char allowed[] = G_CSET_a_2_z G_CSET_A_2_Z "0123456789_-";
  if (name[0] && strlen(name) <= MOST_KEY && strspn(name, allowed) == strlen(name))
    return g_strdup(name);
  g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, name, -1);
  g_autofree char *start = g_strcanon(g_strndup(name, MOST_KEY), allowed, '_');
  return g_strdup_printf("%s-%.*s", start, DIGEST, digest);
}

/* ---- what is told ---- */

/* Under which the product's jobs are counted. Returns: NULL where they are not. */
static const Watched *find_watched(const Presence *presence, const VelmProduct *product) {
  for (guint i = 0; i < presence->watched->len; i++) {
    const Watched *watched = presence->watched->pdata[i];
    if (watched->product == product)
      return watched;
  }
  return NULL;
}

static void build_product(const Presence *presence, JsonBuilder *builder, VelmProduct *product,
                          gint64 now) {
  const Watched *watched = find_watched(presence, product);
  g_auto(VelmStatus) status = velm_product_get_status(product);
  guint in_hand = watched ? velm_job_counts_get(watched->counts, now).in_hand
                          : velm_product_get_queued(product);
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "name", velm_product_get_name(product));
  velm_json_set_string(builder, "state", velm_state_name(status.state));
  velm_json_set_string(builder, "reason", status.reason);
  velm_json_set_int(builder, "jobs_in_hand", in_hand);
  json_builder_end_object(builder);
}

static void build_products(const Presence *presence, JsonBuilder *builder, gint64 now) {
  const GPtrArray *products = velm_station_get_products(presence->link.station);
  json_builder_set_member_name(builder, "products");
  json_builder_begin_array(builder);
  for (guint i = 0; i < products->len; i++)
    build_product(presence, builder, products->pdata[i], now);
  json_builder_end_array(builder);
}

static void build_figures(const Presence *presence, JsonBuilder *builder, gint64 now) {
  VelmJobFigures sum = {0};
  for (guint i = 0; i < presence->watched->len; i++) {
    const Watched *watched = presence->watched->pdata[i];
    VelmJobFigures figures = velm_job_counts_get(watched->counts, now);
    velm_job_figures_add(&sum, &figures);
  }
  for (VelmJobEnd end = 0; end < VELM_N_JOB_ENDS; end++)
    velm_json_set_int(builder, velm_job_end_name(end), (gint64)sum.ended[end]);
  velm_json_set_int(builder, "jobs_in_hand", sum.in_hand);
  velm_json_set_double(builder, "images_per_second", sum.per_second);
  velm_json_set_double(builder, "ms_mean", sum.ms_mean > 0 ? sum.ms_mean : NAN);
}

static const char *state_of(Presence *presence) {
  return g_atomic_int_get(&presence->stopping)
             ? "stopping"
             : velm_state_name(velm_readiness(presence->link.station));
}

/* Returns: (transfer full): an object. */
static char *describe(Presence *presence) {
  VelmStation *station = presence->link.station;
  gint64 now = g_get_monotonic_time();
  g_auto(VelmStoreHealth) health = velm_store_get_health(velm_station_get_store(station));
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "name", presence->name);
  velm_json_set_string(builder, "host", g_get_host_name());
  velm_json_set_int(builder, "pid", getpid());
  velm_json_set_string(builder, "role", presence->role);
  velm_json_set_string(builder, "version", velm_version());
  velm_json_set_time(builder, "since", presence->since);
  velm_json_set_string(builder, "state", state_of(presence));
  build_products(presence, builder, now);
  build_figures(presence, builder, now);
  velm_json_set_string(builder, "store", health.state == VELM_DATABASE_FINE ? "ready" : "failed");
  velm_json_set_int(builder, "broker_reconnects",
                    (gint64)velm_broker_count_reconnects(presence->broker));
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}

/* ---- telling: in the thread ---- */

kvStore *velm_presence_open(VelmBroker *broker, GError **error) {
  kvConfig config;
  kvConfig_Init(&config);
  config.Bucket = VELM_WORKERS_BUCKET;
  config.History = 1;
  config.TTL = VELM_PRESENCE_S * NS_PER_S;
  config.StorageType = js_FileStorage;
  return velm_bucket_open(broker, &config, error);
}

static gboolean open_bucket(Presence *presence, GError **error) {
  if (!presence->store)
    presence->store = velm_presence_open(presence->broker, error);
  return presence->store != NULL;
}

/* That it could not tell before is not what it has to tell. */
static gboolean put(Presence *presence, GError **error) {
  velm_link_set_status(&presence->link, VELM_STATE_READY, NULL);
  g_autofree char *json = describe(presence);
  natsStatus status = kvStore_PutString(NULL, presence->store, presence->key, json);
  if (status != NATS_OK)
    g_clear_pointer(&presence->store, kvStore_Destroy);
  return velm_broker_check(presence->broker, status, 0, "the worker cannot tell how it does",
                           error);
}

/* The bucket may be another since it was opened. */
static gboolean put_or_open(Presence *presence, GError **error) {
  gboolean fresh = !presence->store;
  if (!open_bucket(presence, error))
    return FALSE;
  if (put(presence, fresh ? error : NULL))
    return TRUE;
  return !fresh && open_bucket(presence, error) && put(presence, error);
}

static void tell_now(Presence *presence) {
  g_autoptr(GError) error = NULL;
  const char *state = state_of(presence);
  gboolean told =
      velm_broker_check_connected(presence->broker, &error) && put_or_open(presence, &error);
  presence->state = told ? state : NULL;
  presence->told_at = g_get_monotonic_time();
  if (!told)
    velm_link_set_status(&presence->link, VELM_STATE_DEGRADED, error->message);
}

/* Another state is told at once. */
static gboolean is_due(Presence *presence) {
  gint64 age = g_get_monotonic_time() - presence->told_at;
  return age >= presence->period_s * G_TIME_SPAN_SECOND ||
         g_strcmp0(presence->state, state_of(presence)) != 0;
}

/* ---- what waits at the broker: in the thread ---- */

static double count_waiting(Presence *presence, const Watched *watched) {
  g_autoptr(jsConsumerInfo) info = NULL;
  natsStatus status = NATS_CONNECTION_DISCONNECTED;
  if (velm_broker_is_connected(presence->broker))
    status = js_GetConsumerInfo(&info, velm_broker_get_jetstream(presence->broker),
                                velm_stage_stream(watched->stage),
                                velm_product_get_name(watched->product), NULL, NULL);
  return status == NATS_OK ? (double)info->NumPending : NAN;
}

static void measure_queues(Presence *presence) {
  VelmMetrics *metrics = velm_station_get_metrics(presence->link.station);
  for (guint i = 0; i < presence->watched->len; i++) {
    const Watched *watched = presence->watched->pdata[i];
    velm_metrics_set(metrics, VELM_METRIC_QUEUE_WAITING, velm_stage_name(watched->stage),
                     velm_product_get_name(watched->product), count_waiting(presence, watched));
  }
}

static gpointer tell_in_thread(gpointer data) {
  Presence *presence = data;
  do {
    if (!is_due(presence))
      continue;
    tell_now(presence);
    measure_queues(presence);
  } while (velm_worker_wait(&presence->worker, LOOK_S));
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *base) {
  Presence *presence = (Presence *)base;
  velm_worker_start(&presence->worker, "presence", tell_in_thread, presence);
}

/* It goes on telling while what is in hand is done. */
static void stop(VelmLink *base) {
  Presence *presence = (Presence *)base;
  g_atomic_int_set(&presence->stopping, TRUE);
  velm_worker_wake(&presence->worker);
}

static void measure(VelmLink *base, VelmMetrics *metrics) {
  const Presence *presence = (const Presence *)base;
  velm_metrics_set(metrics, VELM_METRIC_BROKER_UP, NULL, NULL,
                   velm_broker_is_connected(presence->broker));
  velm_metrics_set(metrics, VELM_METRIC_BROKER_RECONNECTS, NULL, NULL,
                   (double)velm_broker_count_reconnects(presence->broker));
}

static void take_back(Presence *presence) {
  if (presence->store && velm_broker_is_connected(presence->broker))
    kvStore_Delete(presence->store, presence->key);
  g_clear_pointer(&presence->store, kvStore_Destroy);
}

static void end(VelmLink *base) {
  Presence *presence = (Presence *)base;
  velm_worker_end(&presence->worker);
  take_back(presence);
}

static void presence_free(VelmLink *base) {
  Presence *presence = (Presence *)base;
  velm_worker_clear(&presence->worker);
  velm_link_clear(base);
  g_ptr_array_unref(presence->watched);
  g_free(presence->name);
  g_free(presence->role);
  g_free(presence->key);
  g_free(presence);
}

static const VelmLinkClass klass = {
    .start = start, .stop = stop, .end = end, .measure = measure, .free = presence_free};

static void watched_free(gpointer data) {
  velm_job_counts_unref(((Watched *)data)->counts);
  g_free(data);
}

VelmLink *velm_presence_link_new(VelmStation *station, const VelmPresenceParams *params) {
  Presence *presence = g_new0(Presence, 1);
  velm_link_init(&presence->link, &klass, station, g_strdup("presence"));
  presence->broker = params->broker;
  presence->name = g_strdup(params->name);
  presence->role = g_strdup(params->role);
  presence->key = velm_presence_key(params->name);
  presence->period_s = params->period_s ? params->period_s : PERIOD_S;
  presence->since = g_get_real_time();
  presence->watched = g_ptr_array_new_with_free_func(watched_free);
  velm_worker_init(&presence->worker);
  return &presence->link;
}

void velm_presence_link_watch(VelmLink *base, VelmStage stage, VelmProduct *product,
                              VelmJobCounts *counts) {
  Watched *watched = g_new0(Watched, 1);
  *watched = (Watched){stage, product, velm_job_counts_ref(counts)};
  g_ptr_array_add(((Presence *)base)->watched, watched);
}
