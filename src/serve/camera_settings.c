#include "serve/camera_settings.h"

#include <string.h>

#define MOST_ID 100
#define MOST_RATE 100000
#define MOST_EXPOSURE_US (3600.0 * 1000 * 1000)
#define MOST_GAIN 1000000
#define LEAST_PACKET 576
#define MOST_PACKET 65535
#define MOST_QUEUE 1000000
#define QUEUE 1000
#define SOURCE "Line1"

/* Where a value goes to, and what it may be. */
typedef struct {
  const char *key;
  double least, most;
  double *value;
} Number;

static gboolean refuse(GError **error, const char *text, const char *what) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "--camera %s: %s", text, what);
  return FALSE;
}

static gboolean read_number(const Number *number, const char *text, const char *value,
                            GError **error) {
  char *end = NULL;
  double read = g_ascii_strtod(value, &end);
  if (end != value && !*end && read >= number->least && read <= number->most) {
    *number->value = read;
    return TRUE;
  }
  g_autofree char *what = g_strdup_printf("%s is to be a number from %g to %g", number->key,
                                          number->least, number->most);
  return refuse(error, text, what);
}

static gboolean read_trigger(VelmCameraSettings *settings, const char *text, const char *value,
                             GError **error) {
  static const char *const names[] = {"free", "software", "hardware"};
  for (VelmCameraTrigger i = 0; i < G_N_ELEMENTS(names); i++)
    if (g_str_equal(names[i], value)) {
      settings->trigger = i;
      return TRUE;
    }
  return refuse(error, text, "trigger is to be free, software or hardware");
}

static gboolean read_format(VelmCameraSettings *settings, const char *text, const char *value,
                            GError **error) {
  settings->format = velm_camera_format_find(value);
  if (settings->format)
    return TRUE;
  g_autofree char *names = velm_camera_format_names();
  g_autofree char *what = g_strconcat("format is to be one of ", names, NULL);
  return refuse(error, text, what);
}

static gboolean read_source(VelmCameraSettings *settings, const char *text, const char *value,
                            GError **error) {
  if (!*value)
    return refuse(error, text, "source is to be a line of the camera's, such as Line1");
  g_free(settings->source);
  settings->source = g_strdup(value);
  return TRUE;
}

/* @packet, @queue: numbers before they are whole. */
static gboolean read_pair(VelmCameraSettings *settings, double *packet, double *queue,
                          const char *text, const char *pair, GError **error) {
  const Number numbers[] = {{"rate", 0.001, MOST_RATE, &settings->rate},
                            {"exposure", 0.001, MOST_EXPOSURE_US, &settings->exposure},
                            {"gain", 0, MOST_GAIN, &settings->gain},
                            {"packet", LEAST_PACKET, MOST_PACKET, packet},
                            {"queue", 1, MOST_QUEUE, queue}};
  const char *equals = strchr(pair, '=');
  g_autofree char *key = equals ? g_strndup(pair, (gsize)(equals - pair)) : g_strdup(pair);
  const char *value = equals ? equals + 1 : "";
  for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
    if (g_str_equal(key, numbers[i].key))
      return read_number(&numbers[i], text, value, error);
  if (g_str_equal(key, "trigger"))
    return read_trigger(settings, text, value, error);
  if (g_str_equal(key, "format"))
    return read_format(settings, text, value, error);
  if (g_str_equal(key, "source"))
    return read_source(settings, text, value, error);
  g_autofree char *what = g_strdup_printf(
      "there is no setting \"%s\": there are trigger, source, rate, exposure, gain, "
      "format, packet and queue",
      key);
  return refuse(error, text, what);
}

static gboolean check(VelmCameraSettings *settings, const char *text, GError **error) {
  gboolean hardware = settings->trigger == VELM_CAMERA_HARDWARE;
  if (!*settings->id || strlen(settings->id) > MOST_ID || strchr(settings->id, '='))
    return refuse(error, text,
                  "it is to be [NAME=]ID[,key=value...], with a camera's id or address");
  if (settings->source && !hardware)
    return refuse(error, text, "source goes with trigger=hardware");
  if (settings->rate > 0 && hardware)
    return refuse(error, text, "rate does not go with trigger=hardware");
  if (hardware && !settings->source)
    settings->source = g_strdup(SOURCE);
  return TRUE;
}

gboolean velm_camera_settings_parse(const char *text, VelmCameraSettings *settings,
                                    GError **error) {
  double packet = 0, queue = QUEUE;
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  g_auto(VelmCameraSettings)
      read = {.id = g_strdup(parts[0] ? parts[0] : ""), .rate = -1, .exposure = -1, .gain = -1};
  for (char **part = parts + 1; parts[0] && *part; part++)
    if (!read_pair(&read, &packet, &queue, text, *part, error))
      return FALSE;
  if (!check(&read, text, error))
    return FALSE;
  read.packet = (guint)packet;
  read.queue = (guint)queue;
  *settings = read;
  read = (VelmCameraSettings){0};
  return TRUE;
}

void velm_camera_settings_clear(VelmCameraSettings *settings) {
  g_clear_pointer(&settings->id, g_free);
  g_clear_pointer(&settings->source, g_free);
}
