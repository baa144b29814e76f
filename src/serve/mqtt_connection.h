/*
 * One connection to an MQTT broker, from opening it to its loss: one thread's.
 *
 * A message is acknowledged when VelmMqttEvents.message() has taken it, never before: libmosquitto
 * puts the acknowledgement in the queue of what is to be sent and then hands the message on, but
 * what is in the queue is sent by velm_mqtt_connection_turn() alone, afterwards, and not at all
 * where the message was not taken. The broker then has it for the next connection.
 */
#pragma once

#include "serve/mqtt_url.h"

#include <gio/gio.h>
#include <mosquitto.h>

/**
 * VelmMqttSettings: all borrowed.
 * @client: the client's name; @ca: (nullable): PEM file, NULL for the system's certificates
 * @password: (nullable)
 * @subscription, @status: topics; the latter says "online" or "offline", and stays there
 * @most: bytes of a message; @version: MQTT_PROTOCOL_V5 or MQTT_PROTOCOL_V311
 */
typedef struct {
  const VelmMqttUrl *url;
  const char *client, *ca, *password, *subscription, *status;
  gsize most;
  int version;
} VelmMqttSettings;

/**
 * VelmMqttEvents: called by velm_mqtt_connection_turn().
 * @begin: the broker has taken the station; @resumed: it knows the session
 * @message: FALSE ends the connection, and the broker keeps the message
 * @delivered: the broker has what velm_mqtt_connection_publish() numbered so; @refusal: (nullable):
 * why it has not taken it
 */
typedef struct {
  gboolean (*begin)(gboolean resumed, gpointer user_data, GError **error);
  gboolean (*message)(const struct mosquitto_message *message, const mosquitto_property *properties,
                      gpointer user_data);
  void (*delivered)(int number, const char *refusal, gpointer user_data);
} VelmMqttEvents;

typedef struct _VelmMqttConnection VelmMqttConnection;

/** Connects; the broker has still to answer. Returns: (transfer full): NULL where it cannot be
 * reached. */
VelmMqttConnection *velm_mqtt_connection_open(const VelmMqttSettings *settings,
                                              const VelmMqttEvents *events, gpointer user_data,
                                              GCancellable *cancellable, GError **error);
/** Closes it at once. */
void velm_mqtt_connection_free(VelmMqttConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmMqttConnection, velm_mqtt_connection_free)

/** Waits for @wait_ms at most, or until @wake is readable; reads, and writes. Returns: FALSE where
 * the connection has ended. */
gboolean velm_mqtt_connection_turn(VelmMqttConnection *connection, int wake, int wait_ms,
                                   GError **error);

/** Whether the broker has taken the station. */
gboolean velm_mqtt_connection_is_up(const VelmMqttConnection *connection);
/** Why no messages come in, though the connection is up; or NULL. */
const char *velm_mqtt_connection_get_trouble(const VelmMqttConnection *connection);
/** Whether the broker speaks no MQTT 5. */
gboolean velm_mqtt_connection_is_old(const VelmMqttConnection *connection);

/** Sends @text once at least (QoS 1). @number: (out). */
gboolean velm_mqtt_connection_publish(VelmMqttConnection *connection, const char *topic,
                                      const char *text, gboolean retain, int *number,
                                      GError **error);
/** Takes leave, in the turns that follow: they end with FALSE when it is said. */
void velm_mqtt_connection_leave(VelmMqttConnection *connection);
