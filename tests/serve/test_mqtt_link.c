/* Images that come by an MQTT broker, and records that go out by it: none lost and none twice,
 * whatever becomes of the broker, the station or the connection. */
#include "serve/mqtt_link.h"

#include "core/json.h"
#include "core/postgres_server.h"
#include "core/scratch.h"
#include "serve/line_fixture.h"
#include "serve/mqtt_connection.h"
#include "serve/mqtt_fixture.h"
#include "serve/mqtt_session.h"
#include "serve/readiness.h"

#include <glib/gstdio.h>
#include <mqtt_protocol.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORDS "velm/" LINE_PRODUCT "/record"
#define REJECTED "velm/" LINE_PRODUCT "/rejected"
#define STATUS "velm/status"
#define PASSWORD "a password that nobody is to see"

typedef struct {
  LineFixture station;
  Broker broker;
  VelmMqttParams params;
  Peer *peer;
  VelmLink *link;
  char *images;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
  line_set_up(&f->station, data);
  broker_set_up(&f->broker, f->station.folder);
  f->images = g_build_filename(f->station.folder, "images", NULL);
  g_assert_cmpint(g_mkdir(f->images, 0755), ==, 0);
  f->params = (VelmMqttParams){
      .url = f->broker.url, .prefix = "velm", .images = f->images, .most = 100 * 1000};
}

static void tear_down(Fixture *f, gconstpointer data) {
  line_end(&f->station);
  peer_free(f->peer);
  broker_tear_down(&f->broker);
  g_free(f->images);
  line_tear_down(&f->station, data);
}

static void open_station(Fixture *f) {
  line_make(&f->station);
  f->link = line_add_link(&f->station,
                          velm_mqtt_link_new(f->station.station, &f->params, &f->station.error));
  line_start(&f->station);
}

static void wait_until_ready(Fixture *f) {
  line_wait_for(line_link_is(f->link, VELM_STATE_READY, NULL));
}

/* Broker, station and client. Returns: FALSE where there is no broker. */
static gboolean open_all(Fixture *f) {
  if (!broker_is_there())
    return FALSE;
  broker_start(&f->broker);
  f->peer = peer_new(&f->broker);
  open_station(f);
  wait_until_ready(f);
  return TRUE;
}

static void send_image(Fixture *f, guint number, const char *key) {
  g_autoptr(GBytes) image = line_image(number);
  peer_send(f->peer, LINE_PRODUCT, image, &(PeerWords){.key = key});
}

static void send_keyed(Fixture *f, guint number) {
  g_autofree char *key = g_strdup_printf("k%u", number);
  send_image(f, number, key);
}

/* The member @name of the object that came under @topic as number @index. Returns: (transfer
 * full). */
static char *member_of(Fixture *f, const char *topic, guint index, const char *name) {
  g_autoptr(GError) error = NULL;
  g_autofree char *text = peer_get(f->peer, topic, index);
  g_autoptr(JsonNode) node = velm_json_parse(text, -1, "message", &error);
  g_assert_no_error(error);
  JsonNode *member = json_object_get_member(json_node_get_object(node), name);
  g_assert_nonnull(member);
  if (JSON_NODE_HOLDS_NULL(member))
    return NULL;
  return json_node_get_value_type(member) == G_TYPE_STRING
             ? g_strdup(json_node_get_string(member))
             : g_strdup_printf("%" G_GINT64_FORMAT, json_node_get_int(member));
}

/* Records 1 to @n came, in order; again only what was on its way when the broker went. */
static void check_order(Fixture *f, guint n) {
  gint64 last = 0;
  for (guint i = 0; last < n; i++) {
    g_autofree char *id = member_of(f, RECORDS, i, "id");
    gint64 now = g_ascii_strtoll(id, NULL, 10);
    g_assert_true(now == last || now == last + 1);
    last = now;
  }
}

/* ---- in and out ---- */

static void test_raw(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!open_all(f))
    return;
  for (guint i = 0; i < 10; i++) {
    g_autofree char *key = g_strdup_printf("k%u", i);
    g_autofree char *name = g_strdup_printf("part %u", i);
    g_autoptr(GBytes) image = line_image(i);
    peer_send(f->peer, LINE_PRODUCT, image, &(PeerWords){.key = key, .name = name});
  }
  for (guint i = 0; i < 10; i++) {
    g_autofree char *key = g_strdup_printf("k%u", i);
    g_autofree char *name = g_strdup_printf("part %u", i);
    g_autofree char *id = member_of(f, RECORDS, i, "id");
    g_assert_cmpint(g_ascii_strtoll(id, NULL, 10), ==, i + 1);
    g_autoptr(VelmStoredRecord) record = NULL;
    g_assert_true(velm_store_find(velm_station_get_store(f->station.station), key, &record, NULL));
    g_assert_nonnull(record);
    g_assert_cmpstr(record->media_type, ==, "image/png");
    g_assert_cmpuint(line_count_of(&f->station, name), ==, 1);
  }
  g_assert_cmpuint(line_count(&f->station), ==, 10);
  g_assert_cmpuint(peer_count(f->peer, REJECTED), ==, 0);
}

static void test_status(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!open_all(f))
    return;
  g_autofree char *online = peer_get(f->peer, STATUS, 0);
  g_assert_cmpstr(online, ==, "online");
  gint64 start = g_get_monotonic_time();
  line_end(&f->station);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 2 * G_TIME_SPAN_SECOND);
  g_autofree char *offline = peer_get(f->peer, STATUS, 1);
  g_assert_cmpstr(offline, ==, "offline");
}

static void send_path(Fixture *f, const char *path, const char *key) {
  g_autofree char *text = g_strdup_printf("{\"path\": \"%s\", \"key\": \"%s\"}", path, key);
  peer_send_text(f->peer, LINE_PRODUCT, text);
}

static void test_json(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!open_all(f))
    return;
  g_autofree char *path = g_build_filename(f->images, "a.png", NULL);
  line_write_image(path, 7);
  send_path(f, path, "by-path");
  g_autoptr(GBytes) image = line_image(8);
  g_autofree char *base64 = g_base64_encode(g_bytes_get_data(image, NULL), g_bytes_get_size(image));
  g_autofree char *text =
      g_strdup_printf(" {\"image\": \"%s\", \"key\": \"by-value\", \"name\": \"b\", "
                      "\"part\": \"tile 7\"}",
                      base64);
  peer_send_text(f->peer, LINE_PRODUCT, text);
  g_autofree char *first = member_of(f, RECORDS, 0, "key");
  g_autofree char *second = member_of(f, RECORDS, 1, "key");
  g_assert_cmpstr(first, ==, "by-path");
  g_assert_cmpstr(second, ==, "by-value");
  g_assert_cmpuint(line_count_of(&f->station, "a.png"), ==, 1);
  g_assert_cmpuint(line_count_of(&f->station, "b"), ==, 1);
  g_autofree char *part = member_of(f, RECORDS, 1, "part");
  g_assert_cmpstr(part, ==, "tile 7");
  g_autofree char *sha256 = member_of(f, RECORDS, 1, "image_sha256");
  g_autofree char *expected = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, image);
  g_assert_cmpstr(sha256, ==, expected);
}

/* Whatever a path is made of, it stays in the folder. */
static void test_paths(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!open_all(f))
    return;
  g_autofree char *outside = g_build_filename(f->station.folder, "outside.png", NULL);
  g_autofree char *beside = g_strconcat(f->images, "-more.png", NULL);
  g_autofree char *link = g_build_filename(f->images, "link.png", NULL);
  g_autofree char *folder = g_build_filename(f->images, "folder", NULL);
  g_autofree char *dots = g_build_filename(f->images, "..", "outside.png", NULL);
  g_autofree char *through = g_build_filename(folder, "outside.png", NULL);
  g_autofree char *missing = g_build_filename(f->images, "missing.png", NULL);
  line_write_image(outside, 9);
  line_write_image(beside, 9);
  g_assert_cmpint(symlink(outside, link), ==, 0);
  g_assert_cmpint(symlink(f->station.folder, folder), ==, 0);
  const char *const paths[] = {outside,
                               beside,
                               link,
                               dots,
                               through,
                               missing,
                               f->images,
                               "/",
                               "",
                               "a.png",
                               "images/../outside.png"};
  for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
    g_autofree char *key = g_strdup_printf("p%u", i);
    send_path(f, paths[i], key);
    g_autofree char *named = member_of(f, REJECTED, i, "key");
    g_autofree char *reason = member_of(f, REJECTED, i, "reason");
    g_assert_cmpstr(named, ==, key);
    g_assert_cmpstr(reason, ==, "path: there is no such file in the folder that images may be in");
  }
  g_assert_cmpuint(line_count_queued(&f->station), ==, 0);
  g_assert_cmpuint(line_count(&f->station), ==, 0);
}

static void test_no_paths(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *path = g_build_filename(f->images, "a.png", NULL);
  line_write_image(path, 7);
  f->params.images = NULL;
  if (!open_all(f))
    return;
  send_path(f, path, "k");
  g_autofree char *reason = member_of(f, REJECTED, 0, "reason");
  g_assert_nonnull(strstr(reason, "takes no paths"));
}

/* What cannot be taken is said, and stops nothing. */
static void test_garbage(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    const char *text, *reason;
  } cases[] = {
      {"", "empty"},
      {"garbage", "neither an image"},
      {"{\"key\": ", "neither an image"},
      {"[1]", "neither an image"},
      {"{}", "either \"path\" or \"image\""},
      {"{\"path\": \"/a\", \"image\": \"AAAA\"}", "either \"path\" or \"image\""},
      {"{\"path\": 7}", "path: it is to be a text"},
      {"{\"image\": \"***\"}", "no base64"},
      {"{\"image\": \"AAAA\"}", "neither an image"},
      {"{\"image\": \"\"}", "neither an image"},
      {"{\"image\": \"AAAA\", \"key\": \"a b\"}", "key: "},
      {"{\"image\": \"AAAA\", \"name\": \"a\\nb\"}", "name: "},
  };
  if (!open_all(f))
    return;
  for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
    peer_send_text(f->peer, LINE_PRODUCT, cases[i].text);
    g_autofree char *reason = member_of(f, REJECTED, i, "reason");
    if (!strstr(reason, cases[i].reason))
      g_error("%s: %s", cases[i].text, reason);
  }
  peer_send_text(f->peer, "other", "garbage");
  g_autofree char *other = member_of(f, "velm/other/rejected", 0, "reason");
  g_assert_cmpstr(other, ==, "there is no such product");
  g_autofree char *much = g_strnfill(110 * 1000, 'x');
  peer_send_text(f->peer, LINE_PRODUCT, much);
  g_autofree char *large = member_of(f, REJECTED, G_N_ELEMENTS(cases), "reason");
  g_assert_cmpstr(large, ==, "the image is too large");
  send_keyed(f, 5);
  g_autofree char *key = member_of(f, RECORDS, 0, "key");
  g_assert_cmpstr(key, ==, "k5");
  g_assert_true(line_link_is(f->link, VELM_STATE_READY, NULL));
}

/* ---- once each ---- */

static void test_keys(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!open_all(f))
    return;
  g_autoptr(GBytes) image = line_image(5);
  send_image(f, 5, "same");
  send_image(f, 5, "same");
  peer_send(f->peer, LINE_PRODUCT, image, &(PeerWords){.correlation = "job-1", .n_correlation = 5});
  peer_send(f->peer, LINE_PRODUCT, image, &(PeerWords){.correlation = "job-1", .n_correlation = 5});
  peer_send(f->peer, LINE_PRODUCT, image, &(PeerWords){.correlation = "\0\1", .n_correlation = 2});
  peer_send(f->peer, LINE_PRODUCT, image, &(PeerWords){.correlation = "\0\1", .n_correlation = 2});
  send_image(f, 6, "same"); /* of another image */
  g_autofree char *key = member_of(f, REJECTED, 0, "key");
  g_assert_cmpstr(key, ==, "same");
  line_wait_for(line_count_queued(&f->station) == 0);
  g_assert_cmpuint(line_count(&f->station), ==, 3);
}

/* Two messages of one image are two parts. */
static void test_no_keys(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!open_all(f))
    return;
  for (guint i = 0; i < 3; i++)
    send_image(f, 5, NULL);
  check_order(f, 3);
  g_assert_cmpuint(line_count(&f->station), ==, 3);
}

static void test_session_keys(void) {
  g_autoptr(GError) error = NULL;
  char *folder = scratch_new();
  g_autoptr(GBytes) a = g_bytes_new_static("a", 1), b = g_bytes_new_static("b", 1);
  g_autoptr(VelmMqttSession) session = velm_mqtt_session_load(folder, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(strlen(velm_mqtt_session_get_client(session)), <=, 23);
  g_assert_true(velm_mqtt_session_begin(session, FALSE, &error));
  g_autofree char *first = velm_mqtt_session_make_key(session, 1, a);
  g_autofree char *other_image = velm_mqtt_session_make_key(session, 1, b);
  g_autofree char *other_packet = velm_mqtt_session_make_key(session, 2, a);
  g_autofree char *round = velm_mqtt_session_make_key(session, 2, a);
  g_autofree char *none = velm_mqtt_session_make_key(session, 0, a);
  g_autofree char *none_again = velm_mqtt_session_make_key(session, 0, a);
  g_assert_cmpstr(first, !=, other_image);
  g_assert_cmpstr(first, !=, other_packet);
  g_assert_cmpstr(other_packet, !=, round);
  g_assert_cmpstr(none, !=, none_again);
  /* Sent again after the connection was lost, or the station started anew. */
  g_assert_true(velm_mqtt_session_begin(session, TRUE, &error));
  g_autofree char *again = velm_mqtt_session_make_key(session, 2, a);
  g_assert_cmpstr(again, ==, round);
  g_autoptr(VelmMqttSession) later = velm_mqtt_session_load(folder, NULL, &error);
  g_assert_cmpstr(velm_mqtt_session_get_client(later), ==, velm_mqtt_session_get_client(session));
  g_assert_true(velm_mqtt_session_begin(later, TRUE, &error));
  g_autofree char *after_start = velm_mqtt_session_make_key(later, 1, a);
  g_assert_cmpstr(after_start, ==, first);
  /* A broker that has forgotten the session sends nothing again. */
  g_assert_true(velm_mqtt_session_begin(later, FALSE, &error));
  g_autofree char *another = velm_mqtt_session_make_key(later, 1, a);
  g_assert_cmpstr(another, !=, first);
  scratch_remove(folder);
}

/* ---- what is acknowledged ---- */

typedef struct {
  guint n_seen, n_refused;
  char *last;
} Intake;

static gboolean begin(G_GNUC_UNUSED gboolean resumed, G_GNUC_UNUSED gpointer data,
                      G_GNUC_UNUSED GError **error) {
  return TRUE;
}

static gboolean refuse_first(const struct mosquitto_message *message,
                             G_GNUC_UNUSED const mosquitto_property *properties, gpointer data) {
  Intake *intake = data;
  g_free(intake->last);
  intake->last = g_strndup(message->payload, (gsize)message->payloadlen);
  intake->n_seen++;
  g_usleep(200 * 1000); /* an acknowledgement that went out before would be there by now */
  return intake->n_seen > intake->n_refused;
}

static void ignore(G_GNUC_UNUSED int number, G_GNUC_UNUSED const char *refusal,
                   G_GNUC_UNUSED gpointer data) {}

/* One connection, until it ends or a message was taken. */
static void connect_once(const VelmMqttSettings *settings, Intake *intake) {
  static const VelmMqttEvents events = {begin, refuse_first, ignore};
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmMqttConnection) connection =
      velm_mqtt_connection_open(settings, &events, intake, NULL, &error);
  g_assert_no_error(error);
  gint64 end = g_get_monotonic_time() + G_TIME_SPAN_SECOND / 2;
  while (g_get_monotonic_time() < end && velm_mqtt_connection_turn(connection, -1, 50, &error))
    continue;
}

/* The broker has a message as long as it was not taken, and no longer. */
static void test_acknowledgement(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_auto(VelmMqttUrl) url = {0};
  Intake intake = {.n_refused = 2};
  if (!broker_is_there())
    return;
  broker_start(&f->broker);
  g_assert_true(velm_mqtt_url_parse(f->broker.url, &url, NULL));
  const VelmMqttSettings settings = {.url = &url,
                                     .client = "taker",
                                     .subscription = "velm/+/inspect",
                                     .status = STATUS,
                                     .most = 100000,
                                     .version = MQTT_PROTOCOL_V5};
  connect_once(&settings, &intake);
  f->peer = peer_new(&f->broker);
  peer_send_text(f->peer, LINE_PRODUCT, "the only one");
  peer_flush(f->peer);
  for (guint i = 1; i <= 3; i++) {
    connect_once(&settings, &intake);
    g_assert_cmpuint(intake.n_seen, ==, i);
    g_assert_cmpstr(intake.last, ==, "the only one");
  }
  connect_once(&settings, &intake);
  g_assert_cmpuint(intake.n_seen, ==, 3);
  g_free(intake.last);
}

/* ---- what goes and comes back ---- */

static void test_broker_restart(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!open_all(f))
    return;
  for (guint i = 0; i < 40; i++) {
    send_keyed(f, i);
    if (i == 10)
      broker_stop(&f->broker);
    if (i == 20)
      line_wait_for(line_link_is(f->link, VELM_STATE_FAILED, f->broker.address));
    if (i == 30)
      broker_start(&f->broker);
  }
  check_order(f, 40);
  g_assert_cmpuint(line_count(&f->station), ==, 40);
  wait_until_ready(f);
}

/* What comes while the station is away waits at the broker. */
static void test_station_restart(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!open_all(f))
    return;
  send_keyed(f, 0);
  check_order(f, 1);
  line_end(&f->station);
  for (guint i = 1; i < 20; i++)
    send_keyed(f, i);
  peer_flush(f->peer);
  open_station(f);
  check_order(f, 20);
  g_assert_cmpuint(line_count(&f->station), ==, 20);
}

/* Records that there are while the broker is away go out when it is back. */
static void test_outbox(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!open_all(f))
    return;
  broker_stop(&f->broker);
  for (guint i = 0; i < 5; i++) {
    g_autofree char *key = g_strdup_printf("k%u", i);
    line_inspect(&f->station, key, i);
  }
  line_end(&f->station);
  open_station(f);
  broker_start(&f->broker);
  check_order(f, 5);
}

/* Where stations share a store, each tells of its own images. */
static void test_own_records(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!postgres_server_is_installed()) {
    g_test_skip("there is no PostgreSQL");
    return;
  }
  f->station.database = postgres_server_new_database();
  if (!open_all(f))
    return;
  line_add_record_of(&f->station, "line-2", 1);
  gint64 first = line_add_record_of(&f->station, LINE_STATION, 2);
  line_add_record_of(&f->station, "line-2", 3);
  const gint64 own[] = {first, line_inspect(&f->station, "k", 0)};
  for (guint i = 0; i < G_N_ELEMENTS(own); i++) {
    g_autofree char *id = member_of(f, RECORDS, i, "id");
    g_assert_cmpint(g_ascii_strtoll(id, NULL, 10), ==, own[i]);
  }
}

static void test_no_broker(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!broker_is_there())
    return;
  g_autofree char *reason =
      g_strdup_printf("the MQTT broker %s cannot be reached: ", f->broker.address);
  open_station(f);
  line_wait_for(line_link_is(f->link, VELM_STATE_FAILED, reason));
  g_assert_cmpint(velm_readiness(f->station.station), ==, VELM_STATE_DEGRADED);
  g_autofree char *json = velm_readiness_to_json(f->station.station);
  g_assert_nonnull(strstr(json, reason));
  line_inspect(&f->station, "k", 5); /* the rest goes on */
  broker_start(&f->broker);
  wait_until_ready(f);
  g_assert_cmpint(velm_readiness(f->station.station), ==, VELM_STATE_READY);
}

/* A broker that says nothing is given up at once where the station is to end. */
static void test_silent_broker(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSocketListener) listener = g_socket_listener_new();
  guint16 port = g_socket_listener_add_any_inet_port(listener, NULL, &error);
  g_assert_no_error(error);
  g_autofree char *url = g_strdup_printf("mqtt://127.0.0.1:%u", port);
  f->params.url = url;
  open_station(f);
  g_usleep(300 * 1000);
  gint64 start = g_get_monotonic_time();
  line_end(&f->station);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 2 * G_TIME_SPAN_SECOND);
}

/* ---- a broker of the version before ---- */

/* Reads a CONNECT from @stream. Returns: the version in it. */
static guint8 read_version(GIOStream *stream) {
  guint8 bytes[1000];
  gssize n =
      g_input_stream_read(g_io_stream_get_input_stream(stream), bytes, sizeof bytes, NULL, NULL);
  g_assert_cmpint(n, >, 10);
  const guint8 *name = memmem(bytes, (gsize)n, "MQTT", 4);
  g_assert_nonnull(name);
  return name[4];
}

static void answer(GIOStream *stream, guint8 code) {
  const guint8 bytes[] = {0x20, 2, 0, code};
  g_assert_true(g_output_stream_write_all(g_io_stream_get_output_stream(stream), bytes,
                                          sizeof bytes, NULL, NULL, NULL));
}

/* Its first bytes; connections that say nothing are passed over. */
static GSocketConnection *accept_client(GSocketListener *listener, guint8 *version) {
  for (;;) {
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) client = g_socket_listener_accept(listener, NULL, NULL, &error);
    g_assert_no_error(error);
    GSocket *socket = g_socket_connection_get_socket(client);
    guint8 byte = 0;
    if (g_socket_condition_timed_wait(socket, G_IO_IN, 5 * G_TIME_SPAN_SECOND, NULL, NULL) &&
        recv(g_socket_get_fd(socket), &byte, 1, MSG_PEEK) == 1) {
      *version = read_version(G_IO_STREAM(client));
      return g_steal_pointer(&client);
    }
  }
}

static void test_old_broker(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GSocketListener) listener = g_socket_listener_new();
  guint16 port = g_socket_listener_add_any_inet_port(listener, NULL, NULL);
  g_autofree char *url = g_strdup_printf("mqtt://127.0.0.1:%u", port);
  guint8 version = 0;
  f->params.url = url;
  open_station(f);
  g_autoptr(GSocketConnection) first = accept_client(listener, &version);
  g_assert_cmpuint(version, ==, MQTT_PROTOCOL_V5);
  answer(G_IO_STREAM(first), 1); /* "unacceptable protocol version" */
  g_autoptr(GSocketConnection) second = accept_client(listener, &version);
  g_assert_cmpuint(version, ==, MQTT_PROTOCOL_V311);
  answer(G_IO_STREAM(second), 0);
  wait_until_ready(f);
}

/* ---- a store that takes nothing ---- */

static void test_store_full(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!open_all(f))
    return;
  line_run_sql(&f->station, "CREATE TRIGGER full BEFORE INSERT ON queue BEGIN"
                            " SELECT RAISE(ABORT, 'the queue is full'); END");
  send_keyed(f, 0);
  send_keyed(f, 1);
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "the queue is full"));
  line_end(&f->station); /* nothing was acknowledged */
  open_station(f);
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "the queue is full"));
  line_run_sql(&f->station, "DROP TRIGGER full");
  check_order(f, 2);
  wait_until_ready(f);
  g_assert_cmpuint(line_count(&f->station), ==, 2);
}

/* ---- who may ---- */

static void test_password(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *url = g_strdup_printf("mqtt://" BROKER_USER "@%s", f->broker.address);
  f->broker.password = PASSWORD;
  f->params.url = url;
  f->params.password = PASSWORD;
  if (!open_all(f))
    return;
  send_keyed(f, 5);
  check_order(f, 1);
  g_assert_null(strstr(f->link->name, BROKER_USER));
}

static void test_wrong_password(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *url = g_strdup_printf("mqtt://" BROKER_USER "@%s", f->broker.address);
  if (!broker_is_there())
    return;
  f->broker.password = PASSWORD;
  f->params.url = url;
  f->params.password = "wrong";
  broker_start(&f->broker);
  open_station(f);
  line_wait_for(line_link_is(f->link, VELM_STATE_FAILED, "refuses the station: Not authorized"));
  g_autofree char *json = velm_readiness_to_json(f->station.station);
  g_assert_null(strstr(json, "wrong"));
}

static void refuse(Fixture *f, const VelmMqttParams *params, const char *words) {
  g_assert_null(velm_mqtt_link_new(f->station.station, params, &f->station.error));
  g_assert_null(strstr(f->station.error->message, "secret"));
  assert_failure(&f->station.error, VELM_ERROR_USAGE, words);
}

static void test_settings(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const urls[] = {"",
                                     "localhost",
                                     "http://localhost",
                                     "mqtt://",
                                     "mqtt://localhost/topic",
                                     "mqtt://localhost?secret=1",
                                     "mqtt://localhost:99999",
                                     "mqtt://localhost:0"};
  VelmMqttParams params = f->params;
  line_make(&f->station);
  for (guint i = 0; i < G_N_ELEMENTS(urls); i++) {
    params.url = urls[i];
    refuse(f, &params, "is to be mqtt://");
  }
  params.url = "mqtt://user:secret@localhost";
  refuse(f, &params, "has a password");
  params = f->params;
  params.prefix = "velm/#";
  refuse(f, &params, "--mqtt-topic");
  params = f->params;
  params.password = "secret";
  refuse(f, &params, "is for a user");
  params = f->params;
  params.client = "two words";
  refuse(f, &params, "--mqtt-client");
}

static void test_urls(void) {
  g_auto(VelmMqttUrl) plain = {0}, whole = {0}, six = {0};
  g_assert_true(velm_mqtt_url_parse("mqtt://broker", &plain, NULL));
  g_assert_cmpstr(plain.shown, ==, "broker:1883");
  g_assert_false(plain.tls);
  g_assert_null(plain.user);
  g_assert_true(velm_mqtt_url_parse("mqtts://line%40a@broker", &whole, NULL));
  g_assert_cmpstr(whole.shown, ==, "broker:8883");
  g_assert_cmpstr(whole.user, ==, "line@a");
  g_assert_true(whole.tls);
  g_assert_true(velm_mqtt_url_parse("mqtt://[::1]:1884", &six, NULL));
  g_assert_cmpstr(six.host, ==, "::1");
  g_assert_cmpstr(six.shown, ==, "[::1]:1884");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  line_fit_model();
#define ADD(name, test) g_test_add("/mqtt/" name, Fixture, NULL, set_up, test, tear_down)
  g_test_add_func("/mqtt/urls", test_urls);
  g_test_add_func("/mqtt/session-keys", test_session_keys);
  ADD("settings", test_settings);
  ADD("raw", test_raw);
  ADD("status", test_status);
  ADD("json", test_json);
  ADD("paths", test_paths);
  ADD("no-paths", test_no_paths);
  ADD("garbage", test_garbage);
  ADD("keys", test_keys);
  ADD("no-keys", test_no_keys);
  ADD("acknowledgement", test_acknowledgement);
  ADD("broker-restart", test_broker_restart);
  ADD("station-restart", test_station_restart);
  ADD("outbox", test_outbox);
  ADD("own-records", test_own_records);
  ADD("no-broker", test_no_broker);
  ADD("silent-broker", test_silent_broker);
  ADD("old-broker", test_old_broker);
  ADD("store-full", test_store_full);
  ADD("password", test_password);
  ADD("wrong-password", test_wrong_password);
  int failed = g_test_run();
  line_remove_model();
  return failed;
}
