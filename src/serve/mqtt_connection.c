#include "serve/mqtt_connection.h"

#include "serve/wakeup.h"
#include "velm.h"

#include <errno.h>
#include <mqtt_protocol.h>
#include <poll.h>
#include <string.h>

#define KEEP_ALIVE_S 15
/* How long the broker may take to answer. */
#define ANSWER_S 10
/* Messages that the broker may send ahead. */
#define MOST_AHEAD 8
/* How long the broker keeps what comes for a station that is away. */
#define SESSION_S (7 * 24 * 60 * 60)
#define REFUSED 128 /* reason codes from here on are refusals */

struct _VelmMqttConnection {
  const VelmMqttSettings *settings;
  const VelmMqttEvents *events;
  gpointer user_data;
  struct mosquitto *client;
  gint64 deadline; /* until when the broker is to have answered */
  gboolean up, old, left;
  gboolean refusing; /* a message was not taken: nothing may be sent any more */
  char *trouble;     /* see velm_mqtt_connection_get_trouble() */
  char *detail;      /* the last thing that the library said went wrong */
  GError *error;     /* why it is over */
};

static void start_library(void) {
  static gsize started = 0;
  if (g_once_init_enter(&started)) {
    mosquitto_lib_init();
    g_once_init_leave(&started, 1);
  }
}

/* ---- what goes wrong ---- */

static gboolean fail(const VelmMqttConnection *connection, const char *what, const char *why,
                     GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "the MQTT broker %s %s: %s",
              connection->settings->url->shown, what, why);
  return FALSE;
}

/* @code: of the library, where errno may say more. */
static const char *say(const VelmMqttConnection *connection, int code) {
  if (code == MOSQ_ERR_ERRNO && errno != 0 && errno != EPROTO)
    return g_strerror(errno);
  return connection->detail ? connection->detail : mosquitto_strerror(code);
}

static void note_log(struct mosquitto *client, void *data, int level, const char *text) {
  VelmMqttConnection *connection = data;
  if (level != MOSQ_LOG_ERR)
    return;
  g_free(connection->detail);
  connection->detail = g_strdup(text);
}

/* ---- what the broker says ---- */

static const char *reason(const VelmMqttConnection *connection, int code) {
  return connection->settings->version == MQTT_PROTOCOL_V5 ? mosquitto_reason_string(code)
                                                           : mosquitto_connack_string(code);
}

static void subscribe(VelmMqttConnection *connection) {
  int code = mosquitto_subscribe_v5(connection->client, NULL, connection->settings->subscription, 1,
                                    MQTT_SUB_OPT_SEND_RETAIN_NEVER, NULL);
  if (code != MOSQ_ERR_SUCCESS)
    fail(connection, "takes no subscription", mosquitto_strerror(code), &connection->error);
}

static void take_connected(struct mosquitto *client, void *data, int code, int flags,
                           const mosquitto_property *properties) {
  VelmMqttConnection *connection = data;
  gboolean is_v5 = connection->settings->version == MQTT_PROTOCOL_V5;
  if (connection->error)
    return;
  if (code != 0) {
    connection->old = is_v5 && (code == MQTT_RC_UNSUPPORTED_PROTOCOL_VERSION || code == 1);
    fail(connection, "refuses the station", reason(connection, code), &connection->error);
    return;
  }
  if (!connection->events->begin(flags & 1, connection->user_data, &connection->error))
    return;
  connection->up = TRUE;
  subscribe(connection);
  if (!connection->error)
    velm_mqtt_connection_publish(connection, connection->settings->status, "online", TRUE, NULL,
                                 &connection->error);
}

static void take_subscribed(struct mosquitto *client, void *data, int number, int n,
                            const int *granted, const mosquitto_property *properties) {
  VelmMqttConnection *connection = data;
  g_clear_pointer(&connection->trouble, g_free);
  if (n > 0 && granted[0] == 1)
    return;
  connection->trouble = g_strdup_printf(
      "the MQTT broker %s %s %s", connection->settings->url->shown,
      n > 0 && granted[0] == 0 ? "may lose messages (QoS 0) of" : "does not let the station have",
      connection->settings->subscription);
}

/* One that is retained is no news: it was sent before, and would come again each time. */
static void take_message(struct mosquitto *client, void *data,
                         const struct mosquitto_message *message,
                         const mosquitto_property *properties) {
  VelmMqttConnection *connection = data;
  if (!connection->refusing && !message->retain)
    connection->refusing = !connection->events->message(message, properties, connection->user_data);
}

static void take_delivered(struct mosquitto *client, void *data, int number, int code,
                           const mosquitto_property *properties) {
  VelmMqttConnection *connection = data;
  connection->events->delivered(number, code >= REFUSED ? mosquitto_reason_string(code) : NULL,
                                connection->user_data);
}

static void take_disconnected(struct mosquitto *client, void *data, int code,
                              const mosquitto_property *properties) {
  VelmMqttConnection *connection = data;
  if (!connection->error && code >= REFUSED)
    fail(connection, "sends the station away", mosquitto_reason_string(code), &connection->error);
}

/* ---- connecting ---- */

/* By GLib first, as its attempt can be given up; the library's cannot. */
static gboolean reach(const VelmMqttConnection *connection, GCancellable *cancellable,
                      GError **error) {
  const VelmMqttUrl *url = connection->settings->url;
  g_autoptr(GSocketClient) client = g_socket_client_new();
  g_autoptr(GError) cause = NULL;
  g_socket_client_set_timeout(client, ANSWER_S);
  g_socket_client_set_enable_proxy(client, FALSE);
  g_autoptr(GSocketConnectable) address = g_network_address_new(url->host, url->port);
  g_autoptr(GSocketConnection) socket =
      g_socket_client_connect(client, address, cancellable, &cause);
  return socket || fail(connection, "cannot be reached", cause->message, error);
}

static int set_tls(VelmMqttConnection *connection) {
  const VelmMqttSettings *settings = connection->settings;
  if (!settings->url->tls)
    return MOSQ_ERR_SUCCESS;
  if (settings->ca)
    return mosquitto_tls_set(connection->client, settings->ca, NULL, NULL, NULL, NULL);
  return mosquitto_int_option(connection->client, MOSQ_OPT_TLS_USE_OS_CERTS, 1);
}

static void set_callbacks(struct mosquitto *client) {
  mosquitto_log_callback_set(client, note_log);
  mosquitto_connect_v5_callback_set(client, take_connected);
  mosquitto_subscribe_v5_callback_set(client, take_subscribed);
  mosquitto_message_v5_callback_set(client, take_message);
  mosquitto_publish_v5_callback_set(client, take_delivered);
  mosquitto_disconnect_v5_callback_set(client, take_disconnected);
}

/* Returns: a code of the library's. */
static int set_up(VelmMqttConnection *connection) {
  const VelmMqttSettings *settings = connection->settings;
  struct mosquitto *client = connection->client;
  set_callbacks(client);
  /* What is to be sent is queued, and sent when this thread says so. */
  mosquitto_threaded_set(client, true);
  int code = mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, settings->version);
  if (code == MOSQ_ERR_SUCCESS)
    code = mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, MOST_AHEAD);
  if (code == MOSQ_ERR_SUCCESS && settings->url->user)
    code = mosquitto_username_pw_set(client, settings->url->user, settings->password);
  if (code == MOSQ_ERR_SUCCESS)
    code = mosquitto_will_set(client, settings->status, (int)strlen("offline"), "offline", 1, true);
  return code == MOSQ_ERR_SUCCESS ? set_tls(connection) : code;
}

static int dial(VelmMqttConnection *connection) {
  const VelmMqttSettings *settings = connection->settings;
  mosquitto_property *properties = NULL;
  int code = MOSQ_ERR_SUCCESS;
  if (settings->version == MQTT_PROTOCOL_V5) {
    code = mosquitto_property_add_int32(&properties, MQTT_PROP_SESSION_EXPIRY_INTERVAL, SESSION_S);
    if (code == MOSQ_ERR_SUCCESS)
      code = mosquitto_property_add_int32(&properties, MQTT_PROP_MAXIMUM_PACKET_SIZE,
                                          (guint32)MIN(settings->most, MQTT_MAX_PAYLOAD));
  }
  if (code == MOSQ_ERR_SUCCESS)
    code = mosquitto_connect_bind_v5(connection->client, settings->url->host, settings->url->port,
                                     KEEP_ALIVE_S, NULL, properties);
  mosquitto_property_free_all(&properties);
  return code;
}

VelmMqttConnection *velm_mqtt_connection_open(const VelmMqttSettings *settings,
                                              const VelmMqttEvents *events, gpointer user_data,
                                              GCancellable *cancellable, GError **error) {
  start_library();
  g_autoptr(VelmMqttConnection) connection = g_new0(VelmMqttConnection, 1);
  connection->settings = settings;
  connection->events = events;
  connection->user_data = user_data;
  connection->deadline = g_get_monotonic_time() + ANSWER_S * G_TIME_SPAN_SECOND;
  if (!reach(connection, cancellable, error))
    return NULL;
  connection->client = mosquitto_new(settings->client, false, connection);
  int code = connection->client ? set_up(connection) : MOSQ_ERR_NOMEM;
  if (code == MOSQ_ERR_SUCCESS)
    code = dial(connection);
  if (code == MOSQ_ERR_SUCCESS)
    return g_steal_pointer(&connection);
  fail(connection, "cannot be reached", say(connection, code), error);
  return NULL;
}

void velm_mqtt_connection_free(VelmMqttConnection *connection) {
  if (!connection)
    return;
  if (connection->client)
    mosquitto_destroy(connection->client);
  g_clear_error(&connection->error);
  g_free(connection->trouble);
  g_free(connection->detail);
  g_free(connection);
}

/* ---- taking turns ---- */

/* Returns: a code of the library's. */
static int read_and_write(VelmMqttConnection *connection, short events) {
  int code = MOSQ_ERR_SUCCESS;
  errno = 0;
  if (events & (POLLIN | POLLERR | POLLHUP))
    code = mosquitto_loop_read(connection->client, 1);
  if (code != MOSQ_ERR_SUCCESS || connection->refusing || connection->error)
    return code;
  if (mosquitto_want_write(connection->client))
    code = mosquitto_loop_write(connection->client, 1);
  return code == MOSQ_ERR_SUCCESS ? mosquitto_loop_misc(connection->client) : code;
}

static gboolean check(VelmMqttConnection *connection, int code, GError **error) {
  if (connection->error) {
    g_propagate_error(error, g_steal_pointer(&connection->error));
    return FALSE;
  }
  if (connection->refusing)
    return fail(connection, "keeps a message", "the station could not take it", error);
  if (code != MOSQ_ERR_SUCCESS)
    return fail(connection, connection->up ? "is lost" : "cannot be reached", say(connection, code),
                error);
  if (!connection->up && g_get_monotonic_time() > connection->deadline)
    return fail(connection, "cannot be reached", "it does not answer", error);
  return TRUE;
}

gboolean velm_mqtt_connection_turn(VelmMqttConnection *connection, int wake, int wait_ms,
                                   GError **error) {
  int socket = mosquitto_socket(connection->client);
  if (socket < 0)
    return check(connection, MOSQ_ERR_NO_CONN, error);
  short wanted = POLLIN;
  if (mosquitto_want_write(connection->client))
    wanted |= POLLOUT;
  struct pollfd fds[] = {{wake, POLLIN, 0}, {socket, wanted, 0}};
  if (poll(fds, G_N_ELEMENTS(fds), wait_ms) > 0 && fds[0].revents)
    velm_wakeup_clear(wake);
  return check(connection, read_and_write(connection, fds[1].revents), error);
}

gboolean velm_mqtt_connection_is_up(const VelmMqttConnection *connection) { return connection->up; }
gboolean velm_mqtt_connection_is_old(const VelmMqttConnection *connection) {
  return connection->old;
}

const char *velm_mqtt_connection_get_trouble(const VelmMqttConnection *connection) {
  return connection->trouble;
}

/* ---- sending ---- */

gboolean velm_mqtt_connection_publish(VelmMqttConnection *connection, const char *topic,
                                      const char *text, gboolean retain, int *number,
                                      GError **error) {
  int code = mosquitto_publish_v5(connection->client, number, topic, (int)strlen(text), text, 1,
                                  retain, NULL);
  return code == MOSQ_ERR_SUCCESS ||
         fail(connection, "takes nothing", say(connection, code), error);
}

void velm_mqtt_connection_leave(VelmMqttConnection *connection) {
  if (!connection->left)
    mosquitto_disconnect_v5(connection->client, 0, NULL);
  connection->left = TRUE;
}
