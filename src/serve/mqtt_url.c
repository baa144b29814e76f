#include "serve/mqtt_url.h"

#include "velm.h"

#include <string.h>

#define PORT 1883
#define TLS_PORT 8883

/* Not what it was, as there may be a password in it. */
static gboolean fail(const char *why, GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "the address of the MQTT broker %s", why);
  return FALSE;
}

static gboolean check(GUri *uri, GError **error) {
  const char *scheme = g_uri_get_scheme(uri), *host = g_uri_get_host(uri);
  const char *path = g_uri_get_path(uri);
  if (g_uri_get_password(uri))
    return fail("has a password, which others can read there: give it by --mqtt-password-file or "
                "VELM_MQTT_PASSWORD",
                error);
  if (!(g_str_equal(scheme, "mqtt") || g_str_equal(scheme, "mqtts")) || !host || !host[0] ||
      !(path[0] == '\0' || g_str_equal(path, "/")) || g_uri_get_query(uri) ||
      g_uri_get_fragment(uri) || g_uri_get_port(uri) == 0)
    return fail("is to be mqtt://[USER@]HOST[:PORT] or mqtts://[USER@]HOST[:PORT]", error);
  return TRUE;
}

gboolean velm_mqtt_url_parse(const char *text, VelmMqttUrl *url, GError **error) {
  g_autoptr(GUri) uri = g_uri_parse(text, G_URI_FLAGS_HAS_PASSWORD, NULL);
  *url = (VelmMqttUrl){0};
  if (!uri)
    return fail("is to be mqtt://[USER@]HOST[:PORT] or mqtts://[USER@]HOST[:PORT]", error);
  if (!check(uri, error))
    return FALSE;
  const char *user = g_uri_get_user(uri), *host = g_uri_get_host(uri);
  int port = g_uri_get_port(uri);
  url->tls = g_str_equal(g_uri_get_scheme(uri), "mqtts");
  url->host = g_strdup(host);
  url->user = user && user[0] ? g_strdup(user) : NULL;
  url->port = (guint16)(port > 0 ? port : url->tls ? TLS_PORT : PORT);
  url->shown = g_strdup_printf(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, url->port);
  return TRUE;
}

void velm_mqtt_url_clear(VelmMqttUrl *url) {
  g_clear_pointer(&url->host, g_free);
  g_clear_pointer(&url->user, g_free);
  g_clear_pointer(&url->shown, g_free);
}
