/*
 * A message that came in: an image's bytes, or a JSON object that has them or names a file; what is
 * known of it besides is in the object, or in the properties of MQTT 5.
 */
#pragma once

#include <glib.h>
#include <mosquitto.h>

/**
 * VelmMqttIntake: what is taken; all borrowed.
 * @images: (nullable): the folder whose files may be named, as velm_allowed_folder() says it; NULL
 * for none
 * @most: bytes of an image's file
 */
typedef struct {
  const char *images;
  gsize most;
} VelmMqttIntake;

/** The bytes that a message of an image of @most bytes may have: as base64 it takes a third more.
 */
gsize velm_mqtt_message_most(gsize most);

/** @key, @name, @part: NULL where the sender gave none. */
typedef struct {
  char *key, *name, *part;
  GBytes *image;
} VelmMqttMessage;

/** @properties: (nullable). Returns: FALSE where it cannot be taken; what is known of it is in
 * @message then, too. */
gboolean velm_mqtt_message_read(const VelmMqttIntake *intake, const struct mosquitto_message *sent,
                                const mosquitto_property *properties, VelmMqttMessage *message,
                                GError **error);
void velm_mqtt_message_clear(VelmMqttMessage *message);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmMqttMessage, velm_mqtt_message_clear)
