/* The address of an MQTT broker, as a person writes it. */
#pragma once

#include <glib.h>

/** @user: (nullable). @shown: host and port, for messages. */
typedef struct {
  char *host, *user, *shown;
  guint16 port;
  gboolean tls;
} VelmMqttUrl;

/** Reads mqtt://[USER@]HOST[:PORT] or mqtts://. Returns: FALSE with VELM_ERROR_USAGE, also where
 * there is a password in it, which the message does not repeat. */
gboolean velm_mqtt_url_parse(const char *text, VelmMqttUrl *url, GError **error);
void velm_mqtt_url_clear(VelmMqttUrl *url);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmMqttUrl, velm_mqtt_url_clear)
