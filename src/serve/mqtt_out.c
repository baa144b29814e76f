#include "serve/mqtt_out.h"

#include "core/json.h"
#include "serve/outbox.h"
#include "serve/record_json.h"

/* Before what went wrong is tried again. */
#define WAIT_US (2 * G_TIME_SPAN_SECOND)
/* Rejections that wait; more are not told. */
#define MOST_REJECTIONS 1000

/* A message that was not taken. @number: under which it is on its way; 0 where it is not. */
typedef struct {
  char *topic, *text;
  int number;
} Rejection;

struct _VelmMqttOut {
  VelmStore *store;
  VelmOutbox *outbox;
  char *prefix;
  VelmStoredRecord *record; /* on its way */
  int number;
  gboolean has; /* the broker has it: the disk is to know */
  gint64 next;  /* not before */
  GQueue *rejections;
  GError *error;
};

static void rejection_free(gpointer data) {
  Rejection *rejection = data;
  g_free(rejection->topic);
  g_free(rejection->text);
  g_free(rejection);
}

VelmMqttOut *velm_mqtt_out_new(VelmStore *store, const char *name, const char *prefix,
                               GError **error) {
  VelmOutbox *outbox = velm_outbox_new(store, name, error);
  if (!outbox)
    return NULL;
  VelmMqttOut *out = g_new0(VelmMqttOut, 1);
  out->store = store;
  out->outbox = outbox;
  out->prefix = g_strdup(prefix);
  out->rejections = g_queue_new();
  return out;
}

void velm_mqtt_out_free(VelmMqttOut *out) {
  if (!out)
    return;
  velm_outbox_free(out->outbox);
  velm_stored_record_free(out->record);
  g_queue_free_full(out->rejections, rejection_free);
  g_clear_error(&out->error);
  g_free(out->prefix);
  g_free(out);
}

static char *topic_of(const VelmMqttOut *out, const char *product, const char *what) {
  return g_strdup_printf("%s/%s/%s", out->prefix, product, what);
}

/* ---- records ---- */

static gboolean publish_record(VelmMqttOut *out, VelmMqttConnection *connection, GError **error) {
  g_autofree char *json = velm_stored_record_to_json(out->store, out->record, error);
  g_autofree char *topic = topic_of(out, out->record->product, "record");
  return json && velm_mqtt_connection_publish(connection, topic, json, FALSE, &out->number, error);
}

static gboolean end_record(VelmMqttOut *out, GError **error) {
  if (!velm_outbox_done(out->outbox, out->record, error))
    return FALSE;
  g_clear_pointer(&out->record, velm_stored_record_free);
  out->has = FALSE;
  return TRUE;
}

/* The next one goes only when it is on the disk that the broker has this one. */
static gboolean send_record(VelmMqttOut *out, VelmMqttConnection *connection, GError **error) {
  if (out->has && !end_record(out, error))
    return FALSE;
  if (out->record)
    return TRUE;
  if (!velm_outbox_next(out->outbox, &out->record, error))
    return FALSE;
  if (!out->record || publish_record(out, connection, error))
    return TRUE;
  g_clear_pointer(&out->record, velm_stored_record_free);
  return FALSE;
}

/* ---- rejections ---- */

void velm_mqtt_out_reject(VelmMqttOut *out, const char *product, const char *key, const char *name,
                          const char *reason) {
  if (g_queue_get_length(out->rejections) >= MOST_REJECTIONS)
    return;
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "reason", reason);
  velm_json_set_string(builder, "key", key);
  velm_json_set_string(builder, "name", name);
  json_builder_end_object(builder);
  Rejection *rejection = g_new(Rejection, 1);
  *rejection = (Rejection){topic_of(out, product, "rejected"), velm_json_print(builder, FALSE), 0};
  g_queue_push_tail(out->rejections, rejection);
}

static void send_rejections(VelmMqttOut *out, VelmMqttConnection *connection) {
  for (GList *at = out->rejections->head; at; at = at->next) {
    Rejection *rejection = at->data;
    if (rejection->number == 0 &&
        !velm_mqtt_connection_publish(connection, rejection->topic, rejection->text, FALSE,
                                      &rejection->number, NULL))
      rejection->number = 0;
  }
}

static void take_rejection(VelmMqttOut *out, int number) {
  for (GList *at = out->rejections->head; at; at = at->next) {
    Rejection *rejection = at->data;
    if (rejection->number != number)
      continue;
    g_queue_delete_link(out->rejections, at);
    rejection_free(rejection);
    return;
  }
}

/* ---- sending ---- */

void velm_mqtt_out_reset(VelmMqttOut *out) {
  if (!out->has)
    g_clear_pointer(&out->record, velm_stored_record_free);
  for (GList *at = out->rejections->head; at; at = at->next)
    ((Rejection *)at->data)->number = 0;
  out->number = 0;
}

void velm_mqtt_out_send(VelmMqttOut *out, VelmMqttConnection *connection) {
  send_rejections(out, connection);
  if (g_get_monotonic_time() < out->next)
    return;
  g_autoptr(GError) error = NULL;
  if (send_record(out, connection, &error)) {
    if (!out->record)
      g_clear_error(&out->error);
    return;
  }
  out->next = g_get_monotonic_time() + WAIT_US;
  g_clear_error(&out->error);
  out->error = g_steal_pointer(&error);
}

/* What the broker does not take is offered again: it may come to let the station. */
static void take_refusal(VelmMqttOut *out, const char *refusal) {
  g_clear_error(&out->error);
  out->error = g_error_new(VELM_ERROR, VELM_ERROR_FILE,
                           "the MQTT broker does not take records at %s/%s/record: %s", out->prefix,
                           out->record->product, refusal);
  g_clear_pointer(&out->record, velm_stored_record_free);
  out->next = g_get_monotonic_time() + WAIT_US;
}

void velm_mqtt_out_take(VelmMqttOut *out, int number, const char *refusal) {
  if (!out->record || out->has || number != out->number)
    take_rejection(out, number);
  else if (refusal)
    take_refusal(out, refusal);
  else {
    out->has = TRUE;
    g_clear_error(&out->error);
  }
}

const char *velm_mqtt_out_get_trouble(const VelmMqttOut *out) {
  return out->error ? out->error->message : NULL;
}
