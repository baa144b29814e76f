#include "serve/camera_stream.h"

#include <math.h>

/* The system's buffer for packets that were not read yet: frames, within bounds. Without rights the
 * system gives no more than net.core.rmem_max. */
#define BUFFERED_FRAMES 4
#define LEAST_BUFFERED (4 * 1024 * 1024)
#define MOST_BUFFERED (64 * 1024 * 1024)
/* A camera is given up when it is silent for so long, and for so many frames. */
#define SILENCE_US (5 * G_TIME_SPAN_SECOND)
#define SILENT_FRAMES 5
/* Aravis' camera that is none, in this process. */
#define FAKE "Fake_"

struct _VelmCameraStream {
  ArvCamera *camera;
  ArvStream *stream;
  gulong handler;
  gint lost; /* atomic */
  gint64 longest_silence;
};

/* ---- finding it ---- */

/* Aravis' list of devices is one for all threads. */
static GMutex devices;

static gboolean is_listed(const char *id) {
  gboolean listed = FALSE;
  g_mutex_lock(&devices);
  arv_update_device_list();
  for (guint i = 0; i < arv_get_n_devices() && !listed; i++)
    listed = g_strcmp0(arv_get_device_id(i), id) == 0;
  g_mutex_unlock(&devices);
  return listed;
}

/* What is no address and not listed is not asked for, as Aravis would take it for the name of a
 * host, which may take long to be found unknown. */
static ArvCamera *find(const char *id, GError **error) {
  if (g_str_has_prefix(id, FAKE))
    arv_enable_interface("Fake");
  if (g_hostname_is_ip_address(id) || is_listed(id))
    return arv_camera_new(id, error);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "there is no such camera now");
  return NULL;
}

/* ---- setting it ---- */

/* Aravis' functions tell of a failure by the error alone, so in here there is always one to set. */

static gboolean is_within(const char *key, double value, double least, double most,
                          GError **error) {
  if (*error || (value >= least && value <= most))
    return !*error;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s=%g: this camera takes %g to %g", key, value,
              least, most);
  return FALSE;
}

static gboolean set_format(ArvCamera *camera, const VelmCameraFormat *wanted, GError **error) {
  guint n = 0;
  g_autofree gint64 *numbers = arv_camera_dup_available_pixel_formats(camera, &n, error);
  if (*error)
    return FALSE;
  const VelmCameraFormat *format = wanted ? wanted : velm_camera_format_best(numbers, n);
  if (!format) {
    g_autofree char *names = velm_camera_format_names();
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "none of its pixel formats can be used, which are: %s", names);
    return FALSE;
  }
  arv_camera_set_pixel_format(camera, velm_camera_format_number(format), error);
  if (*error)
    g_prefix_error(error, "format=%s: ", velm_camera_format_name(format));
  return !*error;
}

static gboolean set_trigger(ArvCamera *camera, const VelmCameraSettings *settings, GError **error) {
  if (settings->trigger == VELM_CAMERA_SOFTWARE)
    arv_camera_set_trigger(camera, "Software", error);
  else if (settings->trigger == VELM_CAMERA_HARDWARE)
    arv_camera_set_trigger(camera, settings->source, error);
  else if (arv_camera_is_feature_available(camera, "TriggerMode", error) && !*error)
    arv_camera_clear_triggers(camera, error);
  if (*error)
    g_prefix_error(error, "trigger: ");
  return !*error;
}

static gboolean set_rate(ArvCamera *camera, const VelmCameraSettings *settings, GError **error) {
  double least = 0, most = 0;
  if (settings->rate <= 0 || settings->trigger != VELM_CAMERA_FREE)
    return TRUE;
  arv_camera_get_frame_rate_bounds(camera, &least, &most, error);
  if (is_within("rate", settings->rate, least, most, error))
    arv_camera_set_frame_rate(camera, settings->rate, error);
  return !*error;
}

static gboolean set_exposure(ArvCamera *camera, double exposure, GError **error) {
  double least = 0, most = 0;
  if (exposure <= 0)
    return TRUE;
  if (arv_camera_is_exposure_auto_available(camera, NULL))
    arv_camera_set_exposure_time_auto(camera, ARV_AUTO_OFF, error);
  if (!*error)
    arv_camera_get_exposure_time_bounds(camera, &least, &most, error);
  if (is_within("exposure", exposure, least, most, error))
    arv_camera_set_exposure_time(camera, exposure, error);
  return !*error;
}

static gboolean set_gain(ArvCamera *camera, double gain, GError **error) {
  double least = 0, most = 0;
  if (gain < 0)
    return TRUE;
  if (arv_camera_is_gain_auto_available(camera, NULL))
    arv_camera_set_gain_auto(camera, ARV_AUTO_OFF, error);
  if (!*error)
    arv_camera_get_gain_bounds(camera, &least, &most, error);
  if (is_within("gain", gain, least, most, error))
    arv_camera_set_gain(camera, gain, error);
  return !*error;
}

/* The usual socket, as Aravis' faster one needs root's rights. */
static gboolean set_network(ArvCamera *camera, guint packet, GError **error) {
  if (!arv_camera_is_gv_device(camera))
    return TRUE;
  if (!arv_gv_device_is_controller(ARV_GV_DEVICE(arv_camera_get_device(camera)))) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "somebody else has it");
    return FALSE;
  }
  arv_camera_gv_set_stream_options(camera, ARV_GV_STREAM_OPTION_PACKET_SOCKET_DISABLED);
  if (packet > 0) {
    arv_camera_gv_set_packet_size_adjustment(camera, ARV_GV_PACKET_SIZE_ADJUSTMENT_NEVER);
    arv_camera_gv_set_packet_size(camera, (gint)packet, error);
  }
  return !*error;
}

/* One that was not stopped, as its station was killed, is stopped first. */
static gboolean set_all(ArvCamera *camera, const VelmCameraSettings *settings, GError **error) {
  if (!set_network(camera, settings->packet, error))
    return FALSE;
  arv_camera_stop_acquisition(camera, NULL);
  if (!set_format(camera, settings->format, error) || !set_trigger(camera, settings, error) ||
      !set_rate(camera, settings, error) || !set_exposure(camera, settings->exposure, error) ||
      !set_gain(camera, settings->gain, error))
    return FALSE;
  arv_camera_set_acquisition_mode(camera, ARV_ACQUISITION_MODE_CONTINUOUS, error);
  return !*error;
}

/* By what the camera says, which need not be what it was told. */
static gint64 longest_silence(ArvCamera *camera, const VelmCameraSettings *settings) {
  if (settings->trigger != VELM_CAMERA_FREE)
    return 0;
  double rate = arv_camera_is_frame_rate_available(camera, NULL)
                    ? arv_camera_get_frame_rate(camera, NULL)
                    : settings->rate;
  double exposure = arv_camera_is_exposure_time_available(camera, NULL)
                        ? arv_camera_get_exposure_time(camera, NULL)
                        : settings->exposure;
  double period = fmax(rate > 0 ? 1e6 / rate : 0, exposure);
  return SILENCE_US + (gint64)(SILENT_FRAMES * period);
}

/* ---- opening ---- */

static void take_loss(ArvDevice *device, gpointer user_data) {
  g_atomic_int_set(&((VelmCameraStream *)user_data)->lost, TRUE);
}

static gboolean start_stream(VelmCameraStream *stream, guint n_buffers, GError **error) {
  stream->stream = arv_camera_create_stream(stream->camera, NULL, NULL, error);
  guint size = *error ? 0 : arv_camera_get_payload(stream->camera, error);
  if (*error)
    return FALSE;
  if (ARV_IS_GV_STREAM(stream->stream))
    g_object_set(stream->stream, "socket-buffer", ARV_GV_STREAM_SOCKET_BUFFER_FIXED,
                 "socket-buffer-size",
                 (gint)CLAMP((gint64)size * BUFFERED_FRAMES, LEAST_BUFFERED, MOST_BUFFERED), NULL);
  for (guint i = 0; i < n_buffers; i++)
    arv_stream_push_buffer(stream->stream, arv_buffer_new_allocate(size));
  arv_camera_start_acquisition(stream->camera, error);
  return !*error;
}

static gboolean open_camera(VelmCameraStream *stream, const VelmCameraSettings *settings,
                            guint n_buffers, GError **error) {
  stream->camera = find(settings->id, error);
  if (!stream->camera)
    return FALSE;
  stream->handler = g_signal_connect(arv_camera_get_device(stream->camera), "control-lost",
                                     G_CALLBACK(take_loss), stream);
  if (!set_all(stream->camera, settings, error))
    return FALSE;
  stream->longest_silence = longest_silence(stream->camera, settings);
  return start_stream(stream, n_buffers, error);
}

VelmCameraStream *velm_camera_stream_open(const VelmCameraSettings *settings, guint n_buffers,
                                          GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmCameraStream *stream = g_new0(VelmCameraStream, 1);
  if (open_camera(stream, settings, n_buffers, &cause))
    return stream;
  velm_camera_stream_close(stream);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s", cause->message);
  return NULL;
}

void velm_camera_stream_halt(VelmCameraStream *stream) {
  if (!velm_camera_stream_is_lost(stream))
    arv_camera_stop_acquisition(stream->camera, NULL);
}

void velm_camera_stream_close(VelmCameraStream *stream) {
  g_clear_object(&stream->stream);
  if (stream->handler)
    g_signal_handler_disconnect(arv_camera_get_device(stream->camera), stream->handler);
  g_clear_object(&stream->camera);
  g_free(stream);
}

/* ---- while it is open ---- */

gboolean velm_camera_stream_is_lost(VelmCameraStream *stream) {
  return g_atomic_int_get(&stream->lost);
}

gint64 velm_camera_stream_longest_silence(const VelmCameraStream *stream) {
  return stream->longest_silence;
}

ArvBuffer *velm_camera_stream_pop(VelmCameraStream *stream, guint64 timeout_us) {
  return arv_stream_timeout_pop_buffer(stream->stream, timeout_us);
}

void velm_camera_stream_push(VelmCameraStream *stream, ArvBuffer *buffer) {
  arv_stream_push_buffer(stream->stream, buffer);
}

gboolean velm_camera_stream_trigger(VelmCameraStream *stream, GError **error) {
  g_autoptr(GError) cause = NULL;
  arv_camera_software_trigger(stream->camera, &cause);
  if (!cause)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "it cannot be triggered: %s", cause->message);
  return FALSE;
}

gboolean velm_camera_stream_read(ArvBuffer *buffer, VelmCameraFrame *frame, GError **error) {
  guint n = arv_buffer_get_n_parts(buffer), i = 0;
  int x_padding = 0, y_padding = 0;
  while (i < n && arv_buffer_get_part_data_type(buffer, i) != ARV_BUFFER_PART_DATA_TYPE_2D_IMAGE)
    i++;
  if (i == n) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "a frame holds no image");
    return FALSE;
  }
  guint32 number = arv_buffer_get_part_pixel_format(buffer, i);
  arv_buffer_get_part_padding(buffer, i, &x_padding, &y_padding);
  *frame = (VelmCameraFrame){.format = velm_camera_format_of(number),
                             .width = arv_buffer_get_part_width(buffer, i),
                             .height = arv_buffer_get_part_height(buffer, i),
                             .padding = (gsize)MAX(x_padding, 0)};
  frame->pixels = arv_buffer_get_part_data(buffer, i, &frame->size);
  if (frame->format && frame->pixels)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "a frame has the pixel format 0x%08x, unusable",
              number);
  return FALSE;
}
