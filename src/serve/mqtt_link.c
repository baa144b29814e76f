#include "serve/mqtt_link.h"

#include "core/secret_file.h"
#include "serve/allowed_file.h"
#include "serve/media_type.h"
#include "serve/mqtt_connection.h"
#include "serve/mqtt_message.h"
#include "serve/mqtt_out.h"
#include "serve/mqtt_session.h"
#include "serve/wakeup.h"

#include <mqtt_protocol.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define TURN_MS 1000
/* How long leave-taking may take. */
#define LEAVE_US G_TIME_SPAN_SECOND
/* Waits before the next attempt: twice as long each time, up to the last. */
#define FIRST_WAIT_S 1
#define LAST_WAIT_S 10
/* Before an image that the store does not take is tried again. */
#define STORE_WAIT_S 1
#define MOST_PREFIX 200
#define MOST_CLIENT 200

typedef struct {
  VelmLink link;
  VelmMqttUrl url;
  char *prefix, *ca, *password, *images, *subscription, *status;
  VelmMqttSession *session;
  VelmMqttSettings settings;
  VelmMqttIntake intake;
  GThread *thread;
  GCancellable *stopping;
  int wake;

  /* the thread's own */
  VelmMqttOut *out;
} Mqtt;

static gboolean is_stopping(const Mqtt *mqtt) { return g_cancellable_is_cancelled(mqtt->stopping); }

/* Returns: FALSE where the link is to stop. */
static gboolean pause_for(const Mqtt *mqtt, guint seconds) {
  gint64 end = g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND;
  for (gint64 left; !is_stopping(mqtt) && (left = end - g_get_monotonic_time()) > 0;) {
    struct pollfd fd = {mqtt->wake, POLLIN, 0};
    if (poll(&fd, 1, (int)(left / 1000) + 1) > 0)
      velm_wakeup_clear(mqtt->wake);
  }
  return !is_stopping(mqtt);
}

/* ---- in ---- */

static gboolean enqueue(const Mqtt *mqtt, const char *product, const VelmMqttMessage *message,
                        GError **error) {
  const VelmQueued queued = {.key = message->key,
                             .product = (char *)(guintptr)product, /* lent to be read */
                             .time = g_get_real_time(),
                             .media_type = (char *)(guintptr)velm_media_type_of(message->image),
                             .name = message->name,
                             .part = message->part};
  return velm_station_enqueue(mqtt->link.station, &queued, message->image, NULL, error);
}

/* The broker waits while the store takes nothing, and sends no more. Returns: FALSE where the link
 * is to stop meanwhile. */
static gboolean keep(Mqtt *mqtt, const char *product, const VelmMqttMessage *message) {
  for (;;) {
    g_autoptr(GError) error = NULL;
    if (enqueue(mqtt, product, message, &error))
      return TRUE;
    if (g_error_matches(error, VELM_ERROR, VELM_ERROR_USAGE)) {
      velm_mqtt_out_reject(mqtt->out, product, message->key, message->name, error->message);
      return TRUE;
    }
    velm_link_set_status(&mqtt->link, VELM_STATE_DEGRADED, error->message);
    if (!pause_for(mqtt, STORE_WAIT_S))
      return FALSE;
  }
}

/* The product in PREFIX/PRODUCT/inspect. Returns: (transfer full). */
static char *product_of(const Mqtt *mqtt, const char *topic) {
  const char *start = topic + strlen(mqtt->prefix) + 1;
  return g_strndup(start, strcspn(start, "/"));
}

static gboolean take_message(const struct mosquitto_message *sent,
                             const mosquitto_property *properties, gpointer user_data) {
  Mqtt *mqtt = user_data;
  g_auto(VelmMqttMessage) message = {0};
  g_autoptr(GError) error = NULL;
  g_autofree char *product = product_of(mqtt, sent->topic);
  gboolean ok = velm_mqtt_message_read(&mqtt->intake, sent, properties, &message, &error);
  gboolean known = velm_station_find_product(mqtt->link.station, product) != NULL;
  if (!ok || !known) {
    velm_mqtt_out_reject(mqtt->out, product, message.key, message.name,
                         known ? error->message : "there is no such product");
    return TRUE;
  }
  if (!message.key)
    message.key = velm_mqtt_session_make_key(mqtt->session, (guint16)sent->mid, message.image);
  return keep(mqtt, product, &message);
}

/* ---- one connection ---- */

static gboolean take_begin(gboolean resumed, gpointer user_data, GError **error) {
  Mqtt *mqtt = user_data;
  velm_mqtt_out_reset(mqtt->out);
  return velm_mqtt_session_begin(mqtt->session, resumed, error);
}

static void take_delivered(int number, const char *refusal, gpointer user_data) {
  velm_mqtt_out_take(((Mqtt *)user_data)->out, number, refusal);
}

static const VelmMqttEvents events = {take_begin, take_message, take_delivered};

static void show(Mqtt *mqtt, const VelmMqttConnection *connection) {
  const char *in = velm_mqtt_connection_get_trouble(connection);
  const char *out = velm_mqtt_out_get_trouble(mqtt->out);
  velm_link_set_status(&mqtt->link, in || out ? VELM_STATE_DEGRADED : VELM_STATE_READY,
                       in ? in : out);
}

/* Says that the station goes, as the broker would say it only of one that is lost. */
static void leave(Mqtt *mqtt, VelmMqttConnection *connection) {
  gint64 end = g_get_monotonic_time() + LEAVE_US;
  if (velm_mqtt_connection_is_up(connection))
    velm_mqtt_connection_publish(connection, mqtt->status, "offline", TRUE, NULL, NULL);
  velm_mqtt_connection_leave(connection);
  while (g_get_monotonic_time() < end &&
         velm_mqtt_connection_turn(connection, mqtt->wake, 100, NULL))
    continue;
}

/* Until the connection ends, or the link is to stop. @wait_s: (inout): before the next attempt. */
static void run(Mqtt *mqtt, VelmMqttConnection *connection, guint *wait_s, GError **error) {
  while (velm_mqtt_connection_turn(connection, mqtt->wake, TURN_MS, error)) {
    if (is_stopping(mqtt)) {
      leave(mqtt, connection);
      return;
    }
    if (!velm_mqtt_connection_is_up(connection))
      continue;
    *wait_s = FIRST_WAIT_S;
    velm_mqtt_out_send(mqtt->out, connection);
    show(mqtt, connection);
  }
  if (velm_mqtt_connection_is_old(connection))
    mqtt->settings.version = MQTT_PROTOCOL_V311;
}

static gpointer work_in_thread(gpointer data) {
  Mqtt *mqtt = data;
  guint wait_s = FIRST_WAIT_S;
  while (!is_stopping(mqtt)) {
    g_autoptr(GError) error = NULL;
    g_autoptr(VelmMqttConnection) connection =
        velm_mqtt_connection_open(&mqtt->settings, &events, mqtt, mqtt->stopping, &error);
    if (connection)
      run(mqtt, connection, &wait_s, &error);
    if (is_stopping(mqtt))
      break;
    velm_link_set_status(&mqtt->link, VELM_STATE_FAILED, error->message);
    g_clear_pointer(&connection, velm_mqtt_connection_free); /* the broker need not wait for it */
    pause_for(mqtt, wait_s);
    wait_s = MIN(2 * wait_s, LAST_WAIT_S);
  }
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *link) {
  Mqtt *mqtt = (Mqtt *)link;
  mqtt->thread = g_thread_new("mqtt", work_in_thread, mqtt);
}

/* Records that are still to come go out after the next start. */
static void stop(VelmLink *link) {
  Mqtt *mqtt = (Mqtt *)link;
  g_cancellable_cancel(mqtt->stopping);
  velm_wakeup_wake(mqtt->wake);
  if (mqtt->thread)
    g_thread_join(g_steal_pointer(&mqtt->thread));
}

static void tell(VelmLink *link, const VelmStoredRecord *record) {
  velm_wakeup_wake(((Mqtt *)link)->wake);
}

static void mqtt_free(VelmLink *link) {
  Mqtt *mqtt = (Mqtt *)link;
  if (mqtt->wake >= 0)
    close(mqtt->wake);
  g_object_unref(mqtt->stopping);
  velm_mqtt_out_free(mqtt->out);
  velm_mqtt_session_free(mqtt->session);
  velm_mqtt_url_clear(&mqtt->url);
  velm_secret_free(mqtt->password);
  g_free(mqtt->prefix);
  g_free(mqtt->ca);
  g_free(mqtt->images);
  g_free(mqtt->subscription);
  g_free(mqtt->status);
  velm_link_clear(link);
  g_free(mqtt);
}

static const VelmLinkClass klass = {.start = start, .stop = stop, .tell = tell, .free = mqtt_free};

/* ---- what it is made of ---- */

static gboolean check(const VelmMqttParams *params, const VelmMqttUrl *url, GError **error) {
  const char *why = NULL;
  if (!params->prefix[0] || strlen(params->prefix) > MOST_PREFIX ||
      mosquitto_pub_topic_check(params->prefix) != MOSQ_ERR_SUCCESS ||
      !g_utf8_validate(params->prefix, -1, NULL))
    why = "--mqtt-topic: it is to be a topic of 1 to 200 bytes without + and #";
  else if (params->client && (!params->client[0] || strlen(params->client) > MOST_CLIENT ||
                              !g_str_is_ascii(params->client) || strchr(params->client, ' ')))
    why = "--mqtt-client: it is to be 1 to 200 ASCII characters without spaces";
  else if (params->password && !url->user)
    why = "the password of the MQTT broker is for a user, as in mqtt://USER@HOST";
  else if (params->ca && !g_file_test(params->ca, G_FILE_TEST_IS_REGULAR))
    why = "--mqtt-ca: there is no such file";
  if (why)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s", why);
  return !why;
}

static void set_settings(Mqtt *mqtt, const VelmMqttParams *params) {
  mqtt->prefix = g_strdup(params->prefix);
  mqtt->ca = g_strdup(params->ca);
  mqtt->password = g_strdup(params->password);
  mqtt->subscription = g_strconcat(params->prefix, "/+/inspect", NULL);
  mqtt->status = g_strconcat(params->prefix, "/status", NULL);
  mqtt->intake = (VelmMqttIntake){mqtt->images, MIN(params->most, VELM_STORE_MAX_IMAGE)};
  mqtt->settings = (VelmMqttSettings){.url = &mqtt->url,
                                      .client = velm_mqtt_session_get_client(mqtt->session),
                                      .ca = mqtt->ca,
                                      .password = mqtt->password,
                                      .subscription = mqtt->subscription,
                                      .status = mqtt->status,
                                      .most = velm_mqtt_message_most(mqtt->intake.most),
                                      .version = MQTT_PROTOCOL_V5};
}

static gboolean set_up(Mqtt *mqtt, const VelmMqttParams *params, GError **error) {
  VelmStation *station = mqtt->link.station;
  const char *own = NULL;
  if (!check(params, &mqtt->url, error) ||
      (params->images && !(mqtt->images = velm_allowed_folder(params->images, error))) ||
      !(own = velm_station_make_own_folder(station, error)) ||
      !(mqtt->session = velm_mqtt_session_load(own, params->client, error)) ||
      !(mqtt->out = velm_mqtt_out_new(velm_station_get_store(station), mqtt->link.name,
                                      params->prefix, error)))
    return FALSE;
  set_settings(mqtt, params);
  mqtt->wake = velm_wakeup_new();
  if (mqtt->wake < 0)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "the MQTT broker cannot be waited for");
  return mqtt->wake >= 0;
}

VelmLink *velm_mqtt_link_new(VelmStation *station, const VelmMqttParams *params, GError **error) {
  VelmMqttUrl url;
  if (!velm_mqtt_url_parse(params->url, &url, error))
    return NULL;
  Mqtt *mqtt = g_new0(Mqtt, 1);
  velm_link_init(&mqtt->link, &klass, station, g_strconcat("mqtt ", url.shown, NULL));
  mqtt->url = url;
  mqtt->wake = -1;
  mqtt->stopping = g_cancellable_new();
  if (set_up(mqtt, params, error))
    return &mqtt->link;
  mqtt_free(&mqtt->link);
  return NULL;
}
