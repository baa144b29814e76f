#include "serve/mqtt_fixture.h"

#include "serve/line_fixture.h"

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

/* ---- the broker ---- */

/* Debian has it where only root looks. */
static char *find_broker(void) {
  char *path = g_find_program_in_path("mosquitto");
  return path || !g_file_test("/usr/sbin/mosquitto", G_FILE_TEST_IS_EXECUTABLE)
             ? path
             : g_strdup("/usr/sbin/mosquitto");
}

gboolean broker_is_there(void) {
  g_autofree char *path = find_broker();
  if (!path)
    g_test_skip("there is no mosquitto (package mosquitto)");
  return path != NULL;
}

static void write_passwords(const Broker *broker, const char *path) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSubprocess) process =
      g_subprocess_new(G_SUBPROCESS_FLAGS_NONE, &error, "mosquitto_passwd", "-b", "-c", path,
                       BROKER_USER, broker->password, NULL);
  g_assert_no_error(error);
  g_assert_true(g_subprocess_wait_check(process, NULL, &error));
}

static char *write_settings(const Broker *broker) {
  g_autoptr(GError) error = NULL;
  char *path = g_build_filename(broker->folder, "mosquitto.conf", NULL);
  g_autofree char *passwords = g_build_filename(broker->folder, "passwords", NULL);
  g_autofree char *who = broker->password
                             ? g_strdup_printf("allow_anonymous false\npassword_file %s", passwords)
                             : g_strdup("allow_anonymous true");
  g_autofree char *text = g_strdup_printf("listener %s 127.0.0.1\n%s\nuser root\npersistence true\n"
                                          "persistence_location %s/\nlog_dest none\n"
                                          "max_queued_messages 0\nmax_inflight_messages 20\n",
                                          strchr(broker->address, ':') + 1, who, broker->folder);
  if (broker->password)
    write_passwords(broker, passwords);
  g_assert_true(g_file_set_contents(path, text, -1, &error));
  return path;
}

static gboolean answers(const Broker *broker) {
  g_autoptr(GSocketClient) client = g_socket_client_new();
  g_autoptr(GSocketConnection) connection =
      g_socket_client_connect_to_host(client, broker->address, 1883, NULL, NULL);
  return connection != NULL;
}

/* In the broker's process: it ends with the test, however that ends. */
static void end_with_test(G_GNUC_UNUSED gpointer data) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

void broker_start(Broker *broker) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = find_broker();
  g_autofree char *settings = write_settings(broker);
  g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_subprocess_launcher_set_child_setup(launcher, end_with_test, NULL, NULL);
  broker->process = g_subprocess_launcher_spawn(launcher, &error, path, "-c", settings, NULL);
  g_assert_no_error(error);
  line_wait_for(answers(broker));
}

void broker_stop(Broker *broker) {
  g_autoptr(GError) error = NULL;
  if (!broker->process)
    return;
  g_subprocess_send_signal(broker->process, SIGTERM);
  g_subprocess_wait(broker->process, NULL, &error);
  g_assert_no_error(error);
  g_clear_object(&broker->process);
}

void broker_set_up(Broker *broker, const char *folder) {
  broker->folder = g_strdup(folder);
  broker->address = line_free_address();
  broker->url = g_strdup_printf("mqtt://%s", broker->address);
}

void broker_tear_down(Broker *broker) {
  broker_stop(broker);
  g_free(broker->folder);
  g_free(broker->address);
  g_free(broker->url);
}

/* ---- the client ---- */

typedef struct {
  char *topic, *text;
} Message;

struct _Peer {
  struct mosquitto *client;
  GMutex lock;
  GPtrArray *messages; /* of Message */
  guint n_sent, n_delivered;
};

static void message_free(gpointer data) {
  Message *message = data;
  g_free(message->topic);
  g_free(message->text);
  g_free(message);
}

static void take_message(G_GNUC_UNUSED struct mosquitto *client, void *data,
                         const struct mosquitto_message *sent,
                         G_GNUC_UNUSED const mosquitto_property *properties) {
  Peer *peer = data;
  if (g_str_has_suffix(sent->topic, "/inspect"))
    return;
  Message *message = g_new(Message, 1);
  *message = (Message){g_strdup(sent->topic), g_strndup(sent->payload, (gsize)sent->payloadlen)};
  g_mutex_lock(&peer->lock);
  g_ptr_array_add(peer->messages, message);
  g_mutex_unlock(&peer->lock);
}

static void take_delivered(G_GNUC_UNUSED struct mosquitto *client, void *data,
                           G_GNUC_UNUSED int number, G_GNUC_UNUSED int code,
                           G_GNUC_UNUSED const mosquitto_property *properties) {
  Peer *peer = data;
  g_mutex_lock(&peer->lock);
  peer->n_delivered++;
  g_mutex_unlock(&peer->lock);
}

static void take_connected(struct mosquitto *client, G_GNUC_UNUSED void *data,
                           G_GNUC_UNUSED int code, G_GNUC_UNUSED int flags,
                           G_GNUC_UNUSED const mosquitto_property *properties) {
  mosquitto_subscribe_v5(client, NULL, "velm/#", 1, 0, NULL);
}

static void dial(Peer *peer, const Broker *broker) {
  mosquitto_property *properties = NULL;
  int port = atoi(strchr(broker->address, ':') + 1);
  mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, 3600);
  g_assert_cmpint(mosquitto_connect_bind_v5(peer->client, "127.0.0.1", port, 60, NULL, properties),
                  ==, MOSQ_ERR_SUCCESS);
  mosquitto_property_free_all(&properties);
  g_assert_cmpint(mosquitto_loop_start(peer->client), ==, MOSQ_ERR_SUCCESS);
}

Peer *peer_new(const Broker *broker) {
  Peer *peer = g_new0(Peer, 1);
  mosquitto_lib_init();
  g_mutex_init(&peer->lock);
  peer->messages = g_ptr_array_new_with_free_func(message_free);
  peer->client = mosquitto_new("peer", false, peer);
  g_assert_nonnull(peer->client);
  mosquitto_int_option(peer->client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
  if (broker->password)
    mosquitto_username_pw_set(peer->client, BROKER_USER, broker->password);
  mosquitto_connect_v5_callback_set(peer->client, take_connected);
  mosquitto_message_v5_callback_set(peer->client, take_message);
  mosquitto_publish_v5_callback_set(peer->client, take_delivered);
  dial(peer, broker);
  return peer;
}

void peer_free(Peer *peer) {
  if (!peer)
    return;
  mosquitto_disconnect(peer->client);
  mosquitto_loop_stop(peer->client, true);
  mosquitto_destroy(peer->client);
  g_ptr_array_unref(peer->messages);
  g_mutex_clear(&peer->lock);
  g_free(peer);
}

/* ---- handing in ---- */

static mosquitto_property *make_properties(const PeerWords *words) {
  mosquitto_property *properties = NULL;
  if (words && words->key)
    mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY, "key", words->key);
  if (words && words->name)
    mosquitto_property_add_string_pair(&properties, MQTT_PROP_USER_PROPERTY, "name", words->name);
  if (words && words->correlation)
    mosquitto_property_add_binary(&properties, MQTT_PROP_CORRELATION_DATA, words->correlation,
                                  words->n_correlation);
  return properties;
}

void peer_send(Peer *peer, const char *product, GBytes *payload, const PeerWords *words) {
  gsize size = 0;
  const void *data = g_bytes_get_data(payload, &size);
  g_autofree char *topic = g_strdup_printf("velm/%s/inspect", product);
  mosquitto_property *properties = make_properties(words);
  g_mutex_lock(&peer->lock);
  peer->n_sent++;
  g_mutex_unlock(&peer->lock);
  int code = mosquitto_publish_v5(peer->client, NULL, topic, (int)size, data, 1, false, properties);
  g_assert_true(code == MOSQ_ERR_SUCCESS || code == MOSQ_ERR_NO_CONN);
  mosquitto_property_free_all(&properties);
}

void peer_send_text(Peer *peer, const char *product, const char *text) {
  g_autoptr(GBytes) payload = g_bytes_new(text, strlen(text));
  peer_send(peer, product, payload, NULL);
}

static gboolean is_flushed(Peer *peer) {
  g_mutex_lock(&peer->lock);
  gboolean flushed = peer->n_delivered == peer->n_sent;
  g_mutex_unlock(&peer->lock);
  return flushed;
}

void peer_flush(Peer *peer) { line_wait_for(is_flushed(peer)); }

/* ---- reading ---- */

/* Under the lock. */
static const Message *find(const Peer *peer, const char *topic, guint index) {
  for (guint i = 0; i < peer->messages->len; i++) {
    const Message *message = peer->messages->pdata[i];
    if (g_str_equal(message->topic, topic) && index-- == 0)
      return message;
  }
  return NULL;
}

guint peer_count(Peer *peer, const char *topic) {
  guint n = 0;
  g_mutex_lock(&peer->lock);
  while (find(peer, topic, n))
    n++;
  g_mutex_unlock(&peer->lock);
  return n;
}

char *peer_get(Peer *peer, const char *topic, guint index) {
  line_wait_for(peer_count(peer, topic) > index);
  g_mutex_lock(&peer->lock);
  char *text = g_strdup(find(peer, topic, index)->text);
  g_mutex_unlock(&peer->lock);
  return text;
}
