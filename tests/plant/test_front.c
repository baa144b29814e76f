/* A station as a front of the plant: what is handed in to it comes back as a record, whatever
 * happens to the broker, the workers and the network meanwhile. */
#include "plant/front.h"

#include "core/file.h"
#include "core/postgres_server.h"
#include "core/scratch.h"
#include "plant/catalog.h"
#include "plant/dead_letter.h"
#include "plant/job.h"
#include "plant/job_link.h"
#include "plant/model_link.h"
#include "plant/nats_fixture.h"
#include "plant/record_message.h"
#include "serve/line_fixture.h"
#include "serve/station_fixture.h"

#include <glib/gstdio.h>
#include <string.h>

#define N_FRONTS 2

/* A station that is a front, with a link that counts what it is told. */
typedef struct {
  VelmBroker *broker;
  VelmStation *station;
  VelmLink *link, *spec; /* spec: NULL where it has one of its own */
  VelmApi *api;
  const char *url;
  gint n_told; /* atomic */
} Front;

typedef struct {
  char *folder;
  NatsServer server;
  VelmBroker *broker; /* the test's own, and the worker's */
  VelmStation *worker;
  Front fronts[N_FRONTS];
  gboolean shared;         /* of fronts that are started */
  char *spec;              /* (nullable): of fronts that are started; else the small product's */
  gboolean follows;        /* these have the catalog's instead */
  VelmImageSource *source; /* of all that are started */
  char *database;          /* (nullable): which all that are started share */
} Plant;

/* ---- the plant ---- */

static void set_up(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  plant->folder = scratch_new();
  nats_server_set_up(&plant->server, plant->folder);
  nats_server_start(&plant->server);
  plant->broker = nats_server_connect(&plant->server, "test");
}

static VelmStation *new_station(const Plant *plant, const char *name) {
  g_autoptr(GError) error = NULL;
  g_autofree char *data = g_build_filename(plant->folder, plant->database ? "all" : name, NULL);
  VelmStation *station = plant->database
                             ? velm_station_new_shared(data, plant->database, name, &error)
                             : velm_station_new(data, &error);
  g_assert_no_error(error);
  return station;
}

static void start_worker(Plant *plant) {
  g_autoptr(GError) error = NULL;
  const VelmProductParams product = {.name = PRODUCT,
                                     .model = small_product_model(),
                                     .spec = small_product_spec(),
                                     .inspector = velm_inspector_params_default(),
                                     .most_queued = 64};
  const VelmJobLinkParams params = {.broker = plant->broker,
                                    .source = plant->source,
                                    .worker = "worker",
                                    .stage = VELM_STAGE_DETECT,
                                    .most = 8,
                                    .most_bytes = 1000 * 1000};
  plant->worker = new_station(plant, "worker");
  velm_station_add_product(plant->worker, &product, &error);
  g_assert_no_error(error);
  VelmProduct *own = velm_station_find_product(plant->worker, PRODUCT);
  velm_station_add_link(plant->worker, velm_job_link_new(plant->worker, own, &params));
  velm_station_start(plant->worker);
}

static void stop_front(Front *front) {
  if (front->link)
    velm_front_end(front->link, 0);
  front->link = NULL;
  g_clear_pointer(&front->api, velm_api_free);
  g_clear_pointer(&front->station, velm_station_free);
  g_clear_pointer(&front->broker, velm_broker_free);
}

static void tear_down(Plant *plant, gconstpointer data) {
  for (guint i = 0; i < N_FRONTS; i++)
    stop_front(&plant->fronts[i]);
  velm_station_free(plant->worker);
  velm_image_source_free(plant->source);
  velm_broker_free(plant->broker);
  nats_server_tear_down(&plant->server);
  scratch_remove(plant->folder);
  g_free(plant->database);
  g_free(plant->spec);
}

/* ---- fronts ---- */

typedef struct {
  VelmLink link;
  Front *front;
} Listener;

static void listener_start(VelmLink *link) { velm_link_set_status(link, VELM_STATE_READY, NULL); }

static void listener_tell(VelmLink *link, const VelmStoredRecord *record) {
  g_atomic_int_inc(&((Listener *)link)->front->n_told);
}

static void listener_free(VelmLink *link) {
  velm_link_clear(link);
  g_free(link);
}

static VelmLink *listener_new(VelmStation *station, Front *front) {
  static const VelmLinkClass klass = {
      .start = listener_start, .tell = listener_tell, .free = listener_free};
  Listener *listener = g_new0(Listener, 1);
  velm_link_init(&listener->link, &klass, station, g_strdup("listener"));
  listener->front = front;
  return &listener->link;
}

static void add_spec_link(Plant *plant, Front *front) {
  g_autofree char *cache = g_build_filename(plant->folder, "cache", NULL);
  VelmProduct *product = velm_station_find_product(front->station, PRODUCT);
  front->spec = velm_model_link_new(front->station, product, front->broker, cache);
  velm_station_add_link(front->station, front->spec);
}

static void begin_front(Plant *plant, guint number, const char *url) {
  g_autoptr(GError) error = NULL;
  Front *front = &plant->fronts[number];
  g_autofree char *name = g_strdup_printf("front-%u", number);
  const VelmBrokerParams broker = {.url = url, .name = name, .patient = TRUE};
  const char *spec = plant->spec ? plant->spec : small_product_spec();
  const VelmProductParams product = {
      .name = PRODUCT, .spec = plant->follows ? NULL : spec, .most_queued = 64, .elsewhere = TRUE};
  VelmApiParams api = velm_api_params_default();
  api.http.listen = "127.0.0.1:0";
  front->broker = velm_broker_connect(&broker, &error);
  g_assert_no_error(error);
  const VelmFrontParams params = {
      .broker = front->broker, .source = plant->source, .shared = plant->shared};
  front->station = new_station(plant, name);
  velm_station_set_name(front->station, name);
  velm_station_own_records(front->station);
  velm_station_add_product(front->station, &product, &error);
  g_assert_no_error(error);
  front->link = velm_front_new(front->station, &params);
  velm_station_add_link(front->station, front->link);
  velm_station_add_link(front->station, listener_new(front->station, front));
  if (plant->follows)
    add_spec_link(plant, front);
  front->api = velm_api_new(front->station, &api, &error);
  g_assert_no_error(error);
  front->url = velm_api_get_url(front->api);
  velm_station_start(front->station);
}

static gboolean is_in(const Front *front, VelmState state) {
  VelmProduct *product = velm_station_find_product(front->station, PRODUCT);
  g_auto(VelmStatus) status = velm_product_get_status(product);
  return status.state == state;
}

static Front *start_front(Plant *plant, guint number) {
  begin_front(plant, number, plant->server.url);
  line_wait_for(is_in(&plant->fronts[number], VELM_STATE_READY));
  return &plant->fronts[number];
}

/* ---- asking ---- */

static char *headers_for(const char *key) {
  return g_strdup_printf("Content-Type: image/png\r\nIdempotency-Key: %s\r\n", key);
}

static HttpReply *post(const Front *front, const char *key, GBytes *image) {
  g_autofree char *headers = headers_for(key);
  return http_ask(front->url, "POST", INSPECTIONS, headers, image);
}

/* It is not waited for. */
static HttpClient *begin_post(const Front *front, const char *key, GBytes *image) {
  g_autofree char *headers = headers_for(key);
  HttpClient *client = http_client_new(front->url);
  g_assert_true(http_client_ask(client, "POST", INSPECTIONS, headers, image));
  return client;
}

static void post_later(const Front *front, const char *key, GBytes *image) {
  g_autofree char *headers = headers_for(key);
  g_autoptr(HttpReply) reply =
      http_ask(front->url, "POST", INSPECTIONS "?wait=false", headers, image);
  g_assert_cmpuint(reply->status, ==, 202);
}

static gint64 id_of(const HttpReply *reply) {
  g_autoptr(JsonNode) node = http_reply_json(reply);
  return json_object_get_int_member(json_node_get_object(node), "id");
}

static void assert_reply(const HttpReply *reply, guint status, const char *part) {
  if (reply->status != status || (part && !strstr(http_reply_text(reply), part)))
    g_error("%u: %s (and not %u: %s)", reply->status, http_reply_text(reply), status, part);
}

static gint64 finish_post(HttpClient *client, guint status) {
  g_autoptr(HttpClient) owned = client;
  g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
  assert_reply(reply, status, NULL);
  return id_of(reply);
}

static VelmStoredRecord *find(VelmStation *station, const char *key) {
  g_autoptr(GError) error = NULL;
  VelmStoredRecord *record = NULL;
  velm_store_find(velm_station_get_store(station), key, &record, &error);
  g_assert_no_error(error);
  return record;
}

static gboolean is_done(const Front *front, const char *key) {
  g_autoptr(GError) error = NULL;
  gboolean queued = FALSE;
  g_autoptr(VelmStoredRecord) record = find(front->station, key);
  velm_store_is_queued(velm_station_get_store(front->station), key, &queued, &error);
  g_assert_no_error(error);
  return record && !queued;
}

static guint64 count_jobs(Plant *plant) {
  return nats_count_messages(plant->broker, velm_stage_stream(VELM_STAGE_DETECT));
}

/* ---- inspecting ---- */

static gint64 count_records(VelmStation *station) {
  g_autoptr(GError) error = NULL;
  const VelmStoreQuery query = velm_store_query_default();
  gint64 n = 0;
  velm_store_count(velm_station_get_store(station), &query, &n, &error);
  g_assert_no_error(error);
  return n;
}

/* The front keeps what the worker kept. */
static void assert_same(Plant *plant, const Front *front, const char *key) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) map = NULL, other_map = NULL;
  g_autoptr(VelmStoredRecord) record = find(front->station, key);
  g_autoptr(VelmStoredRecord) other = find(plant->worker, key);
  g_autoptr(JsonNode) json = json_from_string(record->json, NULL);
  g_autoptr(JsonNode) other_json = json_from_string(other->json, NULL);
  g_assert_true(json_node_equal(json, other_json));
  g_assert_cmpstr(record->decision, ==, other->decision);
  g_assert_cmpstr(record->class_name, ==, other->class_name);
  g_assert_cmpstr(record->image, ==, other->image);
  g_assert_cmpstr(record->station, ==, "front-0");
  g_assert_cmpstr(other->station, ==, "front-0");
  g_assert_cmpint(record->time, ==, other->time);
  g_assert_cmpfloat(record->score, ==, other->score);
  g_assert_cmpfloat(record->threshold, ==, other->threshold);
  velm_store_get_map(velm_station_get_store(front->station), record->id, &map, &error);
  velm_store_get_map(velm_station_get_store(plant->worker), other->id, &other_map, &error);
  g_assert_no_error(error);
  g_assert_nonnull(map);
  g_assert_true(g_bytes_equal(map, other_map));
}

static void test_inspect(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) good = small_product_image("good", 0);
  g_autoptr(GBytes) scratch = small_product_image("scratch", 0);
  Front *front = start_front(plant, 0);
  start_worker(plant);
  g_autoptr(HttpReply) first = post(front, "k", scratch);
  assert_reply(first, 201, "\"inspection\"");
  g_assert_cmpint(id_of(first), ==, 1);
  g_autoptr(HttpReply) second = post(front, "l", good);
  assert_reply(second, 201, "\"inspection\"");
  assert_same(plant, front, "k");
  assert_same(plant, front, "l");
  g_autoptr(HttpReply) picture = http_get(front->url, "/v1/records/1/picture?view=heatmap");
  assert_reply(picture, 200, NULL);
  /* The same again is the same record; another image is none of this key's. */
  g_autoptr(HttpReply) again = post(front, "k", scratch);
  assert_reply(again, 200, NULL);
  g_assert_cmpint(id_of(again), ==, 1);
  g_autoptr(HttpReply) clash = post(front, "k", good);
  assert_reply(clash, 409, "was used for another image");
  g_assert_cmpint(g_atomic_int_get(&front->n_told), ==, 2);
  g_assert_cmpint(count_records(plant->worker), ==, 2);
}

static void test_failed(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) broken = g_bytes_new("no image at all", 15);
  Front *front = start_front(plant, 0);
  start_worker(plant);
  g_autoptr(HttpReply) reply = post(front, "broken", broken);
  assert_reply(reply, 422, "\"record\":1");
  g_autoptr(VelmStoredRecord) record = find(front->station, "broken");
  g_autoptr(VelmStoredRecord) other = find(plant->worker, "broken");
  g_assert_cmpstr(record->decision, ==, VELM_STORE_FAILED);
  g_assert_cmpstr(record->json, ==, other->json);
}

/* The same key from many at once is one record, told once. */
static void test_same_key_at_once(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  HttpClient *clients[6];
  guint n_new = 0;
  Front *front = start_front(plant, 0);
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++)
    clients[i] = begin_post(front, "k", image);
  start_worker(plant);
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    g_autoptr(HttpClient) client = clients[i];
    g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
    g_assert_true(reply->status == 200 || reply->status == 201);
    n_new += reply->status == 201;
    g_assert_cmpint(id_of(reply), ==, 1);
  }
  g_assert_cmpuint(n_new, ==, 1);
  g_assert_cmpint(g_atomic_int_get(&front->n_told), ==, 1);
}

/* Each gets its own, and what the plant has a record of already. */
static void test_two_fronts(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) good = small_product_image("good", 0);
  g_autoptr(GBytes) other = small_product_image("good", 1);
  Front *one = start_front(plant, 0), *two = start_front(plant, 1);
  HttpClient *same = begin_post(one, "same", good), *also = begin_post(two, "same", good);
  HttpClient *first = begin_post(one, "one", good), *second = begin_post(two, "two", other);
  start_worker(plant);
  finish_post(same, 201);
  finish_post(also, 201);
  finish_post(first, 201);
  finish_post(second, 201);
  g_assert_cmpint(count_records(one->station), ==, 2);
  g_assert_cmpint(count_records(two->station), ==, 2);
  g_assert_cmpint(count_records(plant->worker), ==, 3);
  g_clear_pointer(&plant->worker, velm_station_free);
  g_autoptr(HttpReply) known = post(two, "one", good);
  assert_reply(known, 201, "\"inspection\"");
  g_autoptr(HttpReply) clash = post(one, "two", good);
  assert_reply(clash, 409, "was used for another image");
}

/* ---- the broker away ---- */

static void test_broker_away(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  Front *front = start_front(plant, 0);
  start_worker(plant);
  nats_server_stop(&plant->server);
  line_wait_for(is_in(front, VELM_STATE_DEGRADED));
  g_autoptr(HttpReply) refused = post(front, "now", image);
  assert_reply(refused, 503, "is away");
  g_autofree char *after = http_reply_header(refused, "Retry-After");
  g_assert_nonnull(after);
  post_later(front, "later", image);
  nats_server_start(&plant->server);
  line_wait_for(is_done(front, "later"));
  g_autoptr(HttpReply) done = http_get(front->url, "/v1/inspections/later");
  assert_reply(done, 200, "\"done\"");
  g_autoptr(HttpReply) now = post(front, "now", image);
  assert_reply(now, 201, NULL);
  g_assert_cmpint(g_atomic_int_get(&front->n_told), ==, 2);
}

/* The front is there first, and takes what may wait. */
static void test_broker_comes(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  nats_server_stop(&plant->server);
  begin_front(plant, 0, plant->server.url);
  Front *front = &plant->fronts[0];
  line_wait_for(is_in(front, VELM_STATE_STARTING));
  g_autoptr(HttpReply) refused = post(front, "now", image);
  assert_reply(refused, 503, NULL);
  post_later(front, "later", image);
  nats_server_start(&plant->server);
  start_worker(plant);
  line_wait_for(is_done(front, "later"));
}

static void test_broker_restarts(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  Front *front = start_front(plant, 0);
  HttpClient *client = begin_post(front, "k", image);
  line_wait_for(count_jobs(plant) == 1);
  nats_server_kill(&plant->server);
  nats_server_start(&plant->server);
  start_worker(plant);
  g_assert_cmpint(finish_post(client, 201), ==, 1);
}

/* ---- a broker that loses its data ---- */

static void restart_with(Plant *plant, const char *noted) {
  nats_server_kill(&plant->server);
  nats_server_put_back(&plant->server, noted);
  nats_server_start(&plant->server);
}

/* What it took is handed in again, by itself; and the streams are made again. */
static void test_data_lost(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  g_autoptr(GBytes) other = small_product_image("scratch", 0);
  Front *front = start_front(plant, 0);
  HttpClient *client = begin_post(front, "k", image);
  post_later(front, "later", other);
  line_wait_for(count_jobs(plant) == 2);
  restart_with(plant, NULL);
  line_wait_for(count_jobs(plant) == 2);
  start_worker(plant);
  g_assert_cmpint(finish_post(client, 201), >, 0);
  line_wait_for(is_done(front, "later"));
  assert_same(plant, front, "k");
  assert_same(plant, front, "later");
  restart_with(plant, NULL);
  line_wait_for(count_jobs(plant) == 0);
  post_later(front, "m", image);
  line_wait_for(is_done(front, "m"));
  g_assert_cmpint(count_records(plant->worker), ==, 3);
}

/* Its streams are those that they were, but the last jobs are not in them. */
static void test_jobs_lost(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  Front *front = start_front(plant, 0);
  HttpClient *first = begin_post(front, "first", image);
  line_wait_for(count_jobs(plant) == 1);
  nats_server_stop(&plant->server);
  nats_server_note(&plant->server, "early");
  nats_server_start(&plant->server);
  post_later(front, "last", image);
  line_wait_for(count_jobs(plant) == 2);
  restart_with(plant, "early");
  start_worker(plant);
  finish_post(first, 201);
  line_wait_for(is_done(front, "last"));
  g_assert_cmpint(count_records(plant->worker), ==, 2);
  g_autoptr(VelmStoredRecord) record = find(plant->worker, "last");
  g_assert_cmpstr(record->station, ==, "front-0");
}

/* ---- a network that is cut ---- */

/* Carries connections to the broker, until it is cut. */
typedef struct {
  GSocketListener *listener;
  const char *to;
  char *url;
  GThread *thread;
  GCancellable *ending;
  GMutex lock;
  GPtrArray *streams; /* of GIOStream: both ends */
  gboolean cut;
} Relay;

typedef struct {
  GIOStream *from, *to;
} Way;

static gpointer carry(gpointer data) {
  Way *way = data;
  g_output_stream_splice(g_io_stream_get_output_stream(way->to),
                         g_io_stream_get_input_stream(way->from), G_OUTPUT_STREAM_SPLICE_NONE, NULL,
                         NULL);
  g_socket_shutdown(g_socket_connection_get_socket(G_SOCKET_CONNECTION(way->to)), TRUE, TRUE, NULL);
  g_object_unref(way->from);
  g_object_unref(way->to);
  g_free(way);
  return NULL;
}

static void carry_both(Relay *relay, GIOStream *one, GIOStream *other) {
  g_ptr_array_add(relay->streams, g_object_ref(one));
  g_ptr_array_add(relay->streams, g_object_ref(other));
  for (guint i = 0; i < 2; i++) {
    Way *way = g_new(Way, 1);
    *way = (Way){g_object_ref(i ? one : other), g_object_ref(i ? other : one)};
    g_thread_unref(g_thread_new("way", carry, way));
  }
}

static void join_ends(Relay *relay, GSocketConnection *one) {
  g_autoptr(GSocketClient) client = g_socket_client_new();
  g_mutex_lock(&relay->lock);
  g_autoptr(GSocketConnection) other =
      relay->cut ? NULL : g_socket_client_connect_to_host(client, relay->to, 4222, NULL, NULL);
  if (other)
    carry_both(relay, G_IO_STREAM(one), G_IO_STREAM(other));
  else
    g_io_stream_close(G_IO_STREAM(one), NULL, NULL);
  g_mutex_unlock(&relay->lock);
}

static gpointer relay_in_thread(gpointer data) {
  Relay *relay = data;
  for (;;) {
    g_autoptr(GSocketConnection) one =
        g_socket_listener_accept(relay->listener, NULL, relay->ending, NULL);
    if (!one)
      return NULL;
    join_ends(relay, one);
  }
}

static void relay_start(Relay *relay, const char *to) {
  *relay = (Relay){.listener = g_socket_listener_new(), .to = to, .ending = g_cancellable_new()};
  relay->streams = g_ptr_array_new_with_free_func(g_object_unref);
  g_mutex_init(&relay->lock);
  guint16 port = g_socket_listener_add_any_inet_port(relay->listener, NULL, NULL);
  relay->url = g_strdup_printf("nats://127.0.0.1:%u", port);
  relay->thread = g_thread_new("relay", relay_in_thread, relay);
}

static void relay_set_cut(Relay *relay, gboolean cut) {
  g_mutex_lock(&relay->lock);
  relay->cut = cut;
  for (guint i = 0; cut && i < relay->streams->len; i++)
    g_socket_shutdown(g_socket_connection_get_socket(relay->streams->pdata[i]), TRUE, TRUE, NULL);
  g_ptr_array_set_size(relay->streams, 0);
  g_mutex_unlock(&relay->lock);
}

static void relay_end(Relay *relay) {
  relay_set_cut(relay, TRUE);
  g_cancellable_cancel(relay->ending);
  g_thread_join(relay->thread);
  g_socket_listener_close(relay->listener);
  g_object_unref(relay->listener);
  g_object_unref(relay->ending);
  g_ptr_array_unref(relay->streams);
  g_mutex_clear(&relay->lock);
  g_free(relay->url);
}

static void give_up(Plant *plant, guint64 number, const char *reason);

/* Both the record and the dead letter are told while the front is cut off. */
static void test_cut(Plant *plant, gconstpointer data) {
  Relay relay;
  g_autoptr(GBytes) image = small_product_image("good", 0);
  relay_start(&relay, plant->server.address);
  begin_front(plant, 0, relay.url);
  Front *front = &plant->fronts[0];
  line_wait_for(is_in(front, VELM_STATE_READY));
  HttpClient *dead = begin_post(front, "dead", image);
  line_wait_for(count_jobs(plant) == 1);
  HttpClient *alive = begin_post(front, "alive", image);
  line_wait_for(count_jobs(plant) == 2);
  relay_set_cut(&relay, TRUE);
  line_wait_for(is_in(front, VELM_STATE_DEGRADED));
  give_up(plant, 1, "lost while nobody listened");
  start_worker(plant);
  line_wait_for(count_jobs(plant) == 0);
  relay_set_cut(&relay, FALSE);
  finish_post(alive, 201);
  g_autoptr(HttpClient) owned = dead;
  g_autoptr(HttpReply) reply = http_client_receive(dead, FALSE);
  assert_reply(reply, 422, "lost while nobody listened");
  stop_front(front);
  relay_end(&relay);
}

/* ---- no record ---- */

/* The job becomes a dead letter without a record, as if by a worker. */
static void give_up(Plant *plant, guint64 number, const char *reason) {
  g_autoptr(GError) error = NULL;
  g_autoptr(natsMsg) message = NULL;
  jsCtx *jetstream = velm_broker_get_jetstream(plant->broker);
  const char *stream = velm_stage_stream(VELM_STAGE_DETECT);
  g_assert_cmpint(js_GetMsg(&message, jetstream, stream, number, NULL, NULL), ==, NATS_OK);
  velm_dead_letter_send(plant->broker, message, VELM_STAGE_DETECT, PRODUCT, reason, "test", 0,
                        &error);
  g_assert_no_error(error);
  g_assert_cmpint(js_DeleteMsg(jetstream, stream, number, NULL, NULL), ==, NATS_OK);
}

static void test_dead_letter(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  Front *one = start_front(plant, 0);
  HttpClient *client = begin_post(one, "k", image);
  line_wait_for(count_jobs(plant) == 1);
  give_up(plant, 1, "no worker lived through it");
  g_autoptr(HttpClient) owned = client;
  g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
  assert_reply(reply, 422, "the plant has given the image up: no worker lived through it");
  g_autoptr(VelmStoredRecord) record = find(one->station, "k");
  g_assert_cmpstr(record->decision, ==, VELM_STORE_FAILED);
  /* The broker takes the same job for known for a while: who hands it in then is told as well. */
  Front *two = start_front(plant, 1);
  g_autoptr(HttpReply) known = post(two, "k", image);
  assert_reply(known, 422, "no worker lived through it");
  /* So is one that waits in the queue. */
  post_later(one, "later", image);
  line_wait_for(count_jobs(plant) == 1);
  give_up(plant, 2, "nor through that");
  line_wait_for(is_done(one, "later"));
}

static void test_full(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) image = small_product_image("good", 0);
  const VelmStreamLimits limits = {.max_jobs = 1, .max_bytes = -1};
  velm_streams_ensure(plant->broker, &limits, &error);
  g_assert_no_error(error);
  Front *front = start_front(plant, 0);
  HttpClient *client = begin_post(front, "k", image);
  line_wait_for(count_jobs(plant) == 1);
  g_autoptr(HttpReply) refused = post(front, "l", image);
  assert_reply(refused, 503, "the plant has as many jobs as it may");
  post_later(front, "m", image);
  start_worker(plant);
  finish_post(client, 201);
  line_wait_for(is_done(front, "m"));
}

static void test_too_large(Plant *plant, gconstpointer data) {
  Front *front = start_front(plant, 0);
  gsize size = 1100 * 1000;
  g_autoptr(GBytes) large = g_bytes_new_take(g_malloc0(size), size);
  g_autoptr(HttpReply) reply = post(front, "large", large);
  assert_reply(reply, 503, "more than the");
}

/* The broker takes little: the image goes by the folder that is shared. */
static void test_by_reference(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autofree char *folder = g_build_filename(plant->folder, "shared", NULL);
  const VelmImageSourceParams params = {.shared = folder};
  g_autoptr(GBytes) image = small_product_image("scratch", 0);
  g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
  plant->source = velm_image_source_new(&params, &error);
  g_assert_no_error(error);
  nats_server_stop(&plant->server);
  plant->server.more = "max_payload: 20000";
  nats_server_start(&plant->server);
  g_assert_cmpuint(g_bytes_get_size(image), <, 20000);
  Front *front = start_front(plant, 0);
  HttpClient *client = begin_post(front, "k", image);
  line_wait_for(count_jobs(plant) == 1);
  g_autoptr(natsMsg) message = NULL;
  js_GetMsg(&message, velm_broker_get_jetstream(plant->broker),
            velm_stage_stream(VELM_STAGE_DETECT), 1, NULL, NULL);
  g_autoptr(VelmPlantJob) job = velm_plant_job_read(message, &error);
  g_assert_no_error(error);
  g_assert_true(g_str_has_prefix(job->reference, "file:"));
  start_worker(plant);
  finish_post(client, 201);
  assert_same(plant, front, "k");
}

/* Who waits for the station's answers does not wait for workers that are away. */
static void test_end(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  Front *front = start_front(plant, 0);
  g_autoptr(HttpClient) client = begin_post(front, "k", image);
  post_later(front, "later", image);
  line_wait_for(count_jobs(plant) == 2);
  stop_front(front);
  g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
  assert_reply(reply, 503, "the station is stopping");
  /* What it owes it gets when it is there again. */
  start_worker(plant);
  line_wait_for(count_jobs(plant) == 0);
  front = start_front(plant, 0);
  line_wait_for(is_done(front, "later"));
}

/* ---- what a front does not have ---- */

static void test_no_model(Plant *plant, gconstpointer data) {
  static const struct {
    const char *method, *path, *body;
  } refused[] = {
      {"PUT", "/spec", "{\"spec\": \"classes: []\", \"who\": \"anna\"}"},
      {"POST", "/jobs", "{\"kind\": \"teach\", \"who\": \"anna\"}"},
      {"PUT", "/version", "{\"version\": 0, \"who\": \"anna\"}"},
      {"POST", "/classes", "{}"},
      {"POST", "/reload", NULL},
  };
  Front *front = start_front(plant, 0);
  for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
    g_autofree char *path = g_strconcat("/v1/products/" PRODUCT, refused[i].path, NULL);
    g_autoptr(GBytes) body =
        refused[i].body ? g_bytes_new(refused[i].body, strlen(refused[i].body)) : NULL;
    g_autoptr(HttpReply) reply =
        http_ask(front->url, refused[i].method, path, "Content-Type: application/json\r\n", body);
    assert_reply(reply, 409, "is inspected by the plant");
  }
  g_autoptr(HttpReply) versions = http_get(front->url, "/v1/products/" PRODUCT "/versions");
  assert_reply(versions, 200, "{\"versions\":[]}");
  g_autoptr(HttpReply) product = http_get(front->url, "/v1/products/" PRODUCT);
  assert_reply(product, 200, "the plant's workers");
  assert_reply(product, 200, "\"scratch\"");
  g_autoptr(HttpReply) ready = http_get(front->url, "/readyz");
  assert_reply(ready, 200, "\"plant nats://127.0.0.1");
}

/* ---- its classes ---- */

static const char rust[] = "object: disc\nclasses: {rust: {description: red and rough}}\n";

/* Whether the page shows this class. @class: (nullable): or none */
static gboolean shows(const Front *front, const char *class) {
  g_autofree char *member = g_strdup_printf("\"key\":\"%s\"", class ? class : "");
  g_autoptr(HttpReply) reply = http_get(front->url, "/v1/products/" PRODUCT);
  assert_reply(reply, 200, NULL);
  return strstr(http_reply_text(reply), class ? member : "\"classes\":[]") != NULL;
}

static VelmOpening reload(const Front *front) {
  g_autofree char *why = NULL;
  VelmProduct *product = velm_station_find_product(front->station, PRODUCT);
  velm_station_reload(front->station, product);
  return velm_product_get_opening(product, &why);
}

/* They are those of its file, which is read again when it is asked to; or stay where it is bad. */
static void test_spec_file(Plant *plant, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) spec = velm_file_read(small_product_spec(), &error);
  plant->spec = scratch_write(plant->folder, "spec.yaml", g_bytes_get_data(spec, NULL),
                              g_bytes_get_size(spec));
  Front *front = start_front(plant, 0);
  g_assert_true(shows(front, "scratch"));
  g_assert_true(velm_file_write(plant->spec, rust, strlen(rust), &error));
  g_assert_cmpint(reload(front), ==, VELM_OPENING_DONE);
  g_assert_true(shows(front, "rust"));
  g_assert_false(shows(front, "scratch"));
  g_assert_true(velm_file_write(plant->spec, "classes: 1", 10, &error));
  g_assert_cmpint(reload(front), ==, VELM_OPENING_FAILED);
  g_assert_true(shows(front, "rust"));
  g_assert_true(is_in(front, VELM_STATE_READY));
}

/* @spec: (nullable). */
static void publish(Plant *plant, const char *spec) {
  g_autoptr(GError) error = NULL;
  gboolean known = FALSE;
  const VelmCatalogFiles files = {small_product_model(), spec, "anna", NULL};
  g_autoptr(VelmCatalog) catalog = velm_catalog_open(plant->broker, &error);
  g_assert_no_error(error);
  g_autoptr(VelmCatalogVersion) version =
      velm_catalog_publish(catalog, PRODUCT, &files, &known, &error);
  g_assert_no_error(error);
}

/* They are those of the catalog's version, as long as it has a spec of its own. */
static void test_spec_of_catalog(Plant *plant, gconstpointer data) {
  g_autofree char *other = scratch_write(plant->folder, "rust.yaml", rust, strlen(rust));
  g_autofree char *bad = scratch_write(plant->folder, "bad.yaml", "classes: 1", 10);
  plant->follows = TRUE;
  Front *front = start_front(plant, 0);
  line_wait_for(line_link_is(front->spec, VELM_STATE_READY, NULL));
  g_assert_true(shows(front, NULL));
  publish(plant, small_product_spec());
  line_wait_for(shows(front, "scratch"));
  publish(plant, other);
  line_wait_for(shows(front, "rust"));
  publish(plant, bad);
  line_wait_for(line_link_is(front->spec, VELM_STATE_DEGRADED, "version 3 cannot be opened"));
  g_assert_true(shows(front, "rust"));
  g_assert_true(is_in(front, VELM_STATE_READY));
  publish(plant, NULL);
  line_wait_for(shows(front, NULL));
  publish(plant, other);
  line_wait_for(shows(front, "rust") && line_link_is(front->spec, VELM_STATE_READY, NULL));
  /* Without the broker it has what it had last; a model it never has. */
  stop_front(front);
  nats_server_stop(&plant->server);
  begin_front(plant, 0, plant->server.url);
  line_wait_for(shows(front, "rust"));
  g_autofree char *cache = g_build_filename(plant->folder, "cache", NULL);
  g_autoptr(GPtrArray) names = velm_file_list(cache, NULL);
  for (guint i = 0; i < names->len; i++)
    g_assert_false(g_str_has_suffix(names->pdata[i], ".velm"));
}

/* ---- a store that is shared ---- */

/* As a worker does that shares the front's store. */
static void make_record(Plant *plant, Front *front, const char *key, GBytes *image) {
  g_autoptr(GError) error = NULL;
  VelmStore *store = velm_station_get_store(front->station);
  const VelmSubmission submission = {.key = key,
                                     .product = PRODUCT,
                                     .time = g_get_real_time(),
                                     .image = image,
                                     .media_type = "image/png",
                                     .failure = "made up"};
  g_autoptr(VelmStoredRecord) record = velm_store_add(store, &submission, NULL, &error);
  g_assert_no_error(error);
  velm_record_message_send(plant->broker, store, record, "test", FALSE, &error);
  g_assert_no_error(error);
}

/* Reads events until @part has been told. @text: of all so far */
static void expect_event(HttpClient *client, HttpReply *head, GString *text, const char *part) {
  while (!strstr(text->str, part)) {
    g_autofree char *chunk = http_client_receive_chunk(client, head);
    g_assert_nonnull(chunk);
    g_string_append(text, chunk);
  }
  g_assert_nonnull(strstr(text->str, "event: record"));
}

static void test_shared(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("good", 0);
  g_autoptr(GBytes) other = small_product_image("good", 1);
  plant->shared = TRUE;
  Front *front = start_front(plant, 0);
  g_autoptr(GString) text = g_string_new(NULL);
  g_autoptr(HttpClient) follower = http_client_new(front->url);
  http_client_ask(follower, "GET", "/v1/events", NULL, NULL);
  g_autoptr(HttpReply) events = http_client_receive_head(follower);
  g_autoptr(HttpClient) client = begin_post(front, "now", image);
  post_later(front, "later", image);
  line_wait_for(count_jobs(plant) == 2);
  make_record(plant, front, "now", image);
  make_record(plant, front, "later", image);
  g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
  assert_reply(reply, 422, "made up");
  line_wait_for(is_done(front, "later"));
  line_wait_for(g_atomic_int_get(&front->n_told) == 2);
  expect_event(follower, events, text, "\"key\":\"now\"");
  expect_event(follower, events, text, "\"key\":\"later\"");
  /* Those of others are shown, and told to nobody else. */
  make_record(plant, front, "others", other);
  expect_event(follower, events, text, "\"key\":\"others\"");
  g_assert_cmpint(g_atomic_int_get(&front->n_told), ==, 2);
  g_assert_cmpint(count_records(front->station), ==, 3);
}

static void assert_next(const Front *front, gint64 after, const char *key) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmStoredRecord) record = NULL;
  velm_store_next(velm_station_get_store(front->station), after, &record, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(record ? record->key : NULL, ==, key);
}

/* The workers' database is the fronts' own. */
static void test_shared_database(Plant *plant, gconstpointer data) {
  g_autoptr(GBytes) image = small_product_image("scratch", 0);
  g_autoptr(GBytes) other = small_product_image("good", 0);
  if (!postgres_server_is_installed()) {
    g_test_skip("there is no PostgreSQL");
    return;
  }
  plant->shared = TRUE;
  plant->database = postgres_server_new_database();
  Front *one = start_front(plant, 0), *two = start_front(plant, 1);
  start_worker(plant);
  g_autoptr(HttpReply) first = post(one, "k", image);
  assert_reply(first, 201, "\"inspection\"");
  post_later(two, "later", other);
  line_wait_for(is_done(two, "later"));
  line_wait_for(g_atomic_int_get(&two->n_told) == 1);
  g_assert_cmpint(g_atomic_int_get(&one->n_told), ==, 1);
  /* What one handed in is there for the other. */
  g_autoptr(HttpReply) again = post(two, "k", image);
  assert_reply(again, 200, NULL);
  g_assert_cmpint(id_of(again), ==, id_of(first));
  g_assert_cmpint(count_records(plant->worker), ==, 2);
  /* The links of each follow its own. */
  assert_next(one, 0, "k");
  assert_next(one, 1, NULL);
  assert_next(two, 0, "later");
  assert_next(two, 2, NULL);
}

/* ---- all of them ---- */

#define ADD(name, run) g_test_add("/plant/front/" name, Plant, NULL, set_up, run, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (!nats_server_is_there())
    return nats_server_skip();
  small_product_set_up();
  ADD("inspect", test_inspect);
  ADD("failed", test_failed);
  ADD("same-key-at-once", test_same_key_at_once);
  ADD("two-fronts", test_two_fronts);
  ADD("broker-away", test_broker_away);
  ADD("broker-comes", test_broker_comes);
  ADD("broker-restarts", test_broker_restarts);
  ADD("data-lost", test_data_lost);
  ADD("jobs-lost", test_jobs_lost);
  ADD("cut", test_cut);
  ADD("dead-letter", test_dead_letter);
  ADD("full", test_full);
  ADD("too-large", test_too_large);
  ADD("by-reference", test_by_reference);
  ADD("end", test_end);
  ADD("no-model", test_no_model);
  ADD("spec-file", test_spec_file);
  ADD("spec-of-catalog", test_spec_of_catalog);
  ADD("shared", test_shared);
  ADD("shared-database", test_shared_database);
  int code = g_test_run();
  small_product_tear_down();
  return code;
}
