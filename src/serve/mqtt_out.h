/*
 * What goes out to an MQTT broker: the records, in order and one after the other, each until the
 * broker has it, also over a restart; and why messages were not taken, which is kept in memory
 * alone.
 */
#pragma once

#include "serve/mqtt_connection.h"
#include "serve/station.h"

typedef struct _VelmMqttOut VelmMqttOut;

/** @name: of the outbox; @prefix: of the topics. Returns: (transfer full): NULL with
 * VELM_ERROR_FILE. */
VelmMqttOut *velm_mqtt_out_new(VelmStore *store, const char *name, const char *prefix,
                               GError **error);
void velm_mqtt_out_free(VelmMqttOut *out);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmMqttOut, velm_mqtt_out_free)

/** There is a new connection, or none: what was on its way is sent again. */
void velm_mqtt_out_reset(VelmMqttOut *out);
/** Sends what there is, where nothing is on its way. What went wrong is tried again later. */
void velm_mqtt_out_send(VelmMqttOut *out, VelmMqttConnection *connection);
/** The broker has what has this number. @refusal: (nullable): why it has not. */
void velm_mqtt_out_take(VelmMqttOut *out, int number, const char *refusal);
/** Notes that a message to @product was not taken. @key, @name: (nullable). */
void velm_mqtt_out_reject(VelmMqttOut *out, const char *product, const char *key, const char *name,
                          const char *reason);
/** Why records do not go out; or NULL. */
const char *velm_mqtt_out_get_trouble(const VelmMqttOut *out);
