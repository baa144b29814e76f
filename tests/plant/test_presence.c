/* Workers tell the plant how they do, and are gone when they are gone. */
#include "plant/presence.h"

#include "core/json_member.h"
#include "core/scratch.h"
#include "plant/bucket.h"
#include "plant/job.h"
#include "plant/job_link.h"
#include "plant/nats_fixture.h"
#include "serve/line_fixture.h"
#include "serve/station_fixture.h"

#include <string.h>
#include <unistd.h>

#define WORKER "worker 1"

/* A broker, and a station that takes jobs from it and tells how it does. */
typedef struct {
  char *folder;
  NatsServer server;
  VelmBroker *broker;
  VelmStation *station;
  VelmLink *presence;
} Plant;

static void start_worker(Plant *plant) {
  g_autoptr(GError) error = NULL;
  g_autofree char *data = g_build_filename(plant->folder, "data", NULL);
  const VelmProductParams product = {.name = PRODUCT,
                                     .model = small_product_model(),
                                     .inspector = velm_inspector_params_default(),
                                     .most_queued = 64};
  const VelmJobLinkParams jobs = {
      .broker = plant->broker, .worker = WORKER, .most = 8, .most_bytes = 1000 * 1000};
  const VelmPresenceParams presence = {
      .broker = plant->broker, .name = WORKER, .role = "all", .period_s = 1};
  plant->station = velm_station_new(data, &error);
  g_assert_no_error(error);
  velm_station_add_product(plant->station, &product, &error);
  g_assert_no_error(error);
  VelmProduct *taken = velm_station_find_product(plant->station, PRODUCT);
  VelmLink *link = velm_job_link_new(plant->station, taken, &jobs);
  plant->presence = velm_presence_link_new(plant->station, &presence);
  velm_presence_link_watch(plant->presence, VELM_STAGE_DETECT, taken,
                           velm_job_link_get_counts(link));
  velm_station_add_link(plant->station, plant->presence);
  velm_station_add_link(plant->station, link);
  velm_station_start(plant->station);
}

static void set_up(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  plant->folder = scratch_new();
  nats_server_set_up(&plant->server, plant->folder);
  nats_server_start(&plant->server);
  plant->broker = nats_server_connect(&plant->server, "test");
  velm_streams_ensure(plant->broker, NULL, &error);
  g_assert_no_error(error);
}

static void tear_down(Plant *plant, gconstpointer data) {
  g_clear_pointer(&plant->station, velm_station_free);
  velm_broker_free(plant->broker);
  nats_server_tear_down(&plant->server);
  scratch_remove(plant->folder);
}

static void submit(Plant *plant, const char *key, GBytes *image) {
  g_autoptr(GError) error = NULL;
  const VelmPlantJob job = {
      .key = (char *)key, .product = (char *)PRODUCT, .name = (char *)"image.png", .image = image};
  velm_plant_job_submit(plant->broker, &job, VELM_STAGE_DETECT, NULL, &error);
  g_assert_no_error(error);
}

/* ---- what is told ---- */

/* Returns: (transfer full): what the only worker tells; NULL where there is none. */
static JsonNode *get_told(Plant *plant) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) entries = velm_bucket_list(plant->broker, VELM_WORKERS_BUCKET, &error);
  if (!entries || entries->len == 0)
    return NULL;
  g_assert_cmpuint(entries->len, ==, 1);
  VelmBucketEntry *entry = entries->pdata[0];
  g_autofree char *key = velm_presence_key(WORKER);
  g_assert_cmpstr(entry->key, ==, key);
  g_assert_cmpint(ABS(g_get_real_time() - entry->time), <, G_TIME_SPAN_MINUTE);
  return json_node_ref(entry->value);
}

static gboolean tells(Plant *plant, const char *name, gint64 value) {
  g_autoptr(JsonNode) node = get_told(plant);
  return node && velm_json_int_member(json_node_get_object(node), name, -1) == value;
}

static gboolean tells_state(Plant *plant, const char *state) {
  g_autoptr(JsonNode) node = get_told(plant);
  return node &&
         g_strcmp0(velm_json_string_member(json_node_get_object(node), "state"), state) == 0;
}

/* Whether /metrics has this line. */
static gboolean measures(Plant *plant, const char *line) {
  const GPtrArray *links = velm_station_get_links(plant->station);
  VelmMetrics *metrics = velm_station_get_metrics(plant->station);
  g_autoptr(GString) text = g_string_new(NULL);
  g_autofree char *whole = g_strdup_printf("\n%s\n", line);
  for (guint i = 0; i < links->len; i++) {
    VelmLink *link = links->pdata[i];
    if (link->klass->measure)
      link->klass->measure(link, metrics);
  }
  velm_metrics_print(metrics, text);
  return strstr(text->str, whole) != NULL;
}

static void assert_is_worker(JsonObject *worker) {
  JsonObject *product = velm_json_object_at(velm_json_array_member(worker, "products"), 0);
  g_assert_cmpstr(velm_json_string_member(worker, "name"), ==, WORKER);
  g_assert_cmpstr(velm_json_string_member(worker, "host"), ==, g_get_host_name());
  g_assert_cmpint(velm_json_int_member(worker, "pid", 0), ==, getpid());
  g_assert_cmpstr(velm_json_string_member(worker, "role"), ==, "all");
  g_assert_cmpstr(velm_json_string_member(worker, "store"), ==, "ready");
  g_assert_cmpstr(velm_json_string_member(worker, "version"), ==, velm_version());
  g_assert_nonnull(velm_json_string_member(worker, "since"));
  g_assert_cmpstr(velm_json_string_member(product, "name"), ==, PRODUCT);
  g_assert_cmpstr(velm_json_string_member(product, "state"), ==, "ready");
  g_assert_cmpint(velm_json_int_member(product, "jobs_in_hand", -1), ==, 0);
}

static void test_told(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  g_autoptr(GBytes) poison = g_bytes_new_static("no image", 8);
  submit(plant, "a", image);
  submit(plant, "b", image);
  submit(plant, "c", poison);
  start_worker(plant);
  line_wait_for(tells(plant, "done", 2) && tells(plant, "failed", 1));
  line_wait_for(tells_state(plant, "ready"));
  g_autoptr(JsonNode) node = get_told(plant);
  JsonObject *worker = json_node_get_object(node);
  assert_is_worker(worker);
  g_assert_cmpint(velm_json_int_member(worker, "dead", -1), ==, 0);
  g_assert_cmpfloat(velm_json_double_member(worker, "images_per_second", 0), >, 0);
  g_assert_cmpfloat(velm_json_double_member(worker, "ms_mean", 0), >, 0);
  g_assert_true(measures(plant, "velm_jobs_total{product=\"disc\",outcome=\"done\"} 2"));
  g_assert_true(measures(plant, "velm_jobs_total{product=\"disc\",outcome=\"failed\"} 1"));
  g_assert_true(measures(plant, "velm_jobs_in_hand{product=\"disc\"} 0"));
  g_assert_true(measures(plant, "velm_queue_waiting{stage=\"detect\",product=\"disc\"} 0"));
  g_assert_true(measures(plant, "velm_broker_up 1"));
  g_assert_true(measures(plant, "velm_broker_reconnects_total 0"));
}

/* ---- the end of it ---- */

static void test_stopped(Plant *plant, gconstpointer data) {
  start_worker(plant);
  line_wait_for(tells(plant, "done", 0));
  g_clear_pointer(&plant->station, velm_station_free);
  g_assert_null(get_told(plant));
}

/* Who is killed takes nothing back: what he told is forgotten by its age. */
static void test_forgotten(Plant *plant, gconstpointer data) {
  start_worker(plant);
  line_wait_for(tells(plant, "done", 0));
  g_autoptr(kvStore) store = NULL;
  kvStatus *status = NULL;
  jsCtx *jetstream = velm_broker_get_jetstream(plant->broker);
  g_assert_cmpint(js_KeyValue(&store, jetstream, VELM_WORKERS_BUCKET), ==, NATS_OK);
  g_assert_cmpint(kvStore_Status(&status, store), ==, NATS_OK);
  g_assert_cmpint(kvStatus_TTL(status), ==, VELM_PRESENCE_S * G_GINT64_CONSTANT(1000000000));
  kvStatus_Destroy(status);
}

/* ---- trouble ---- */

static void test_broker_away(Plant *plant, gconstpointer data) {
  start_worker(plant);
  line_wait_for(tells(plant, "done", 0));
  nats_server_kill(&plant->server);
  line_wait_for(line_link_is(plant->presence, VELM_STATE_DEGRADED, "is away"));
  g_assert_true(measures(plant, "velm_broker_up 0"));
  line_wait_for(measures(plant, "velm_queue_waiting{stage=\"detect\",product=\"disc\"} NaN"));
  nats_server_start(&plant->server);
  line_wait_for(tells_state(plant, "ready") && tells(plant, "broker_reconnects", 1));
  g_assert_true(line_link_is(plant->presence, VELM_STATE_READY, NULL));
}

static void test_bucket_lost(Plant *plant, gconstpointer data) {
  start_worker(plant);
  line_wait_for(tells(plant, "done", 0));
  g_assert_cmpint(js_DeleteKeyValue(velm_broker_get_jetstream(plant->broker), VELM_WORKERS_BUCKET),
                  ==, NATS_OK);
  g_assert_null(get_told(plant));
  line_wait_for(tells(plant, "done", 0));
}

/* ---- keys ---- */

static void assert_key(const char *name, const char *key) {
  g_autofree char *is = velm_presence_key(name);
  g_assert_cmpstr(is, ==, key);
}

static void test_keys(void) {
  g_autofree char *spaced = velm_presence_key("line 1"), *other = velm_presence_key("line_1");
  g_autofree char *text = g_strnfill(5000, 'x'), *longest = velm_presence_key(text);
  assert_key("host-12", "host-12");
  assert_key("line_1", "line_1");
  g_assert_true(g_str_has_prefix(spaced, "line_1-"));
  g_assert_cmpstr(spaced, !=, other);
  g_assert_cmpuint(strlen(longest), <, 100);
}

#define ADD(name, run) g_test_add("/plant/presence/" name, Plant, NULL, set_up, run, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (!nats_server_is_there())
    return nats_server_skip();
  small_product_set_up();
  g_test_add_func("/plant/presence/keys", test_keys);
  ADD("told", test_told);
  ADD("stopped", test_stopped);
  ADD("forgotten", test_forgotten);
  ADD("broker-away", test_broker_away);
  ADD("bucket-lost", test_bucket_lost);
  int code = g_test_run();
  small_product_tear_down();
  return code;
}
