#include "serve/mqtt_message.h"

#include "core/image.h"
#include "core/json_member.h"
#include "serve/allowed_file.h"
#include "serve/key.h"

#include <mqtt_protocol.h>
#include <stdlib.h>
#include <string.h>

#define MOST_NAME 200 /* characters; of a part likewise */
/* Of a message, beside the image. */
#define REST (64 * 1024)

#define BASE64 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

gsize velm_mqtt_message_most(gsize most) { return most / 3 * 4 + 4 + REST; }

void velm_mqtt_message_clear(VelmMqttMessage *message) {
  g_clear_pointer(&message->key, g_free);
  g_clear_pointer(&message->name, g_free);
  g_clear_pointer(&message->part, g_free);
  g_clear_pointer(&message->image, g_bytes_unref);
}

static gboolean fail(const char *why, GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s", why);
  return FALSE;
}

/* ---- key, name and part ---- */

static gboolean is_plain_name(const char *name) {
  return g_utf8_validate(name, -1, NULL) && g_utf8_strlen(name, -1) <= MOST_NAME &&
         velm_text_is_plain(name);
}

/* Each is taken only where it is sound, so that it can be named in what is answered. */
static gboolean set_key(VelmMqttMessage *message, const char *key, GError **error) {
  if (!velm_key_is_valid(key))
    return fail("key: " VELM_KEY_RULE, error);
  g_free(message->key);
  message->key = g_strdup(key);
  return TRUE;
}

/* @what: the message's name or part. */
static gboolean set_text(char **what, const char *text, const char *why, GError **error) {
  if (!is_plain_name(text))
    return fail(why, error);
  g_free(*what);
  *what = text[0] ? g_strdup(text) : NULL;
  return TRUE;
}

static gboolean set_name(VelmMqttMessage *message, const char *name, GError **error) {
  return set_text(&message->name, name,
                  "name: it has more than 200 characters, or control characters", error);
}

static gboolean set_part(VelmMqttMessage *message, const char *part, GError **error) {
  return set_text(&message->part, part,
                  "part: it has more than 200 characters, or control characters", error);
}

/* ---- properties ---- */

/* What a requester calls its request makes a key: it is the same when it asks again. */
static void take_correlation(const mosquitto_property *properties, VelmMqttMessage *message) {
  void *data = NULL;
  uint16_t length = 0;
  if (!mosquitto_property_read_binary(properties, MQTT_PROP_CORRELATION_DATA, &data, &length,
                                      false))
    return;
  g_autofree char *text = g_strndup(data, length);
  if (strlen(text) == length && velm_key_is_valid(text)) {
    set_key(message, text, NULL);
  } else if (length > 0) {
    g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, length);
    g_autofree char *key = g_strconcat("mqtt:", digest, NULL);
    set_key(message, key, NULL);
  }
  free(data);
}

static gboolean take_user_property(const char *name, const char *value, VelmMqttMessage *message,
                                   GError **error) {
  if (g_str_equal(name, "key"))
    return set_key(message, value, error);
  if (g_str_equal(name, "part"))
    return set_part(message, value, error);
  return !g_str_equal(name, "name") || set_name(message, value, error);
}

static gboolean read_properties(const mosquitto_property *properties, VelmMqttMessage *message,
                                GError **error) {
  take_correlation(properties, message);
  gboolean ok = TRUE, is_next = FALSE;
  for (const mosquitto_property *at = properties; at && ok; is_next = TRUE) {
    char *name = NULL, *value = NULL;
    at = mosquitto_property_read_string_pair(at, MQTT_PROP_USER_PROPERTY, &name, &value, is_next);
    ok = !at || take_user_property(name, value, message, error);
    free(name);
    free(value);
  }
  return ok;
}

/* ---- JSON ---- */

/* A member that is there and no text is a mistake, not one that is missing. */
static gboolean read_text(JsonObject *object, const char *name, const char **text, GError **error) {
  JsonNode *node = json_object_get_member(object, name);
  *text = NULL;
  if (!node || JSON_NODE_HOLDS_NULL(node))
    return TRUE;
  *text = velm_json_string_member(object, name);
  if (*text)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s: it is to be a text", name);
  return FALSE;
}

/* GLib passes over what is no base64. */
static gboolean is_base64(const char *text, gsize length) {
  gsize n = strspn(text, BASE64);
  return length % 4 == 0 && length - n <= 2 && strspn(text + n, "=") == length - n;
}

static GBytes *decode(const char *text, gsize most, GError **error) {
  gsize length = strlen(text), size = 0;
  if (!is_base64(text, length)) {
    fail("image: it is no base64", error);
    return NULL;
  }
  if (length / 4 * 3 > most + 2) {
    fail("image: it is too large", error);
    return NULL;
  }
  guint8 *bytes = g_base64_decode(text, &size);
  return g_bytes_new_take(bytes, size);
}

static GBytes *read_file(const VelmMqttIntake *intake, const char *path, GError **error) {
  if (intake->images) {
    GBytes *bytes = velm_allowed_file_read(intake->images, path, intake->most, NULL, error);
    if (!bytes)
      g_prefix_error(error, "path: ");
    return bytes;
  }
  fail("path: the station takes no paths, as --mqtt-images names no folder", error);
  return NULL;
}

static gboolean read_object(const VelmMqttIntake *intake, JsonObject *object,
                            VelmMqttMessage *message, GError **error) {
  const char *key, *name, *part, *path, *image;
  if (!read_text(object, "key", &key, error) || !read_text(object, "name", &name, error) ||
      !read_text(object, "part", &part, error) || !read_text(object, "path", &path, error) ||
      !read_text(object, "image", &image, error) || (key && !set_key(message, key, error)) ||
      (name && !set_name(message, name, error)) || (part && !set_part(message, part, error)))
    return FALSE;
  if (!path == !image)
    return fail("the object is to have either \"path\" or \"image\"", error);
  message->image = path ? read_file(intake, path, error) : decode(image, intake->most, error);
  if (message->image && path && !message->name) {
    g_autofree char *base = g_path_get_basename(path);
    return set_name(message, base, error);
  }
  return message->image != NULL;
}

static gboolean read_json(const VelmMqttIntake *intake, const struct mosquitto_message *sent,
                          VelmMqttMessage *message, GError **error) {
  g_autoptr(JsonNode) node = velm_json_parse_object(sent->payload, (gsize)sent->payloadlen);
  if (!node)
    return fail("the message is neither an image nor a JSON object", error);
  return read_object(intake, json_node_get_object(node), message, error);
}

/* ---- all of it ---- */

static gboolean starts_object(const struct mosquitto_message *sent) {
  const char *text = sent->payload;
  int at = 0;
  while (at < sent->payloadlen && g_ascii_isspace(text[at]))
    at++;
  return at < sent->payloadlen && text[at] == '{';
}

gboolean velm_mqtt_message_read(const VelmMqttIntake *intake, const struct mosquitto_message *sent,
                                const mosquitto_property *properties, VelmMqttMessage *message,
                                GError **error) {
  if (!read_properties(properties, message, error))
    return FALSE;
  if (sent->payloadlen == 0)
    return fail("the message is empty", error);
  if (starts_object(sent)) {
    if (!read_json(intake, sent, message, error))
      return FALSE;
  } else {
    message->image = g_bytes_new(sent->payload, (gsize)sent->payloadlen);
  }
  if (g_bytes_get_size(message->image) > intake->most)
    return fail("the image is too large", error);
  return velm_image_is_known(message->image) ||
         fail("the message is neither an image nor a JSON object", error);
}
