#include "serve/camera_link.h"

#include "serve/camera_stream.h"
#include "serve/worker.h"

#include <stdint.h>

/* Frames that wait to be written to the disk; more are lost. */
#define MOST_WAITING 16
/* Buffers of a camera: of those that wait, of the one that is written, and of those to come. */
#define N_BUFFERS (MOST_WAITING + 5)
/* How long before a camera that is not there, or a disk that refuses, is tried again. */
#define RETRY_S 1
/* A frame is waited for so long at a time; where a trigger may be asked for, it waits no longer. */
#define POP_US (100 * 1000)
#define TRIGGERED_POP_US (5 * 1000)
/* What was sent before the camera was stopped has come by then: Aravis waits for a frame's missing
 * packets for 100 ms. One that does not stop is not waited for. */
#define LAST_POP_US (250 * 1000)
#define LAST_US G_TIME_SPAN_SECOND
#define MOST_TRIGGERS 16
/* The status says how many frames were lost until none was for so long. */
#define LOSS_US (30 * G_TIME_SPAN_SECOND)
#define STATUS_US (500 * 1000)
/* A step of frame numbers that is no gap, but the camera counts anew. */
#define MOST_GAP 30000

/* Why a frame is lost. */
typedef enum {
  LOST_MISSING,    /* nothing of it came */
  LOST_INCOMPLETE, /* packets of it did not come */
  LOST_SLOW,       /* too many waited to be written */
  LOST_QUEUE,      /* too many wait to be inspected */
  LOST_REFUSED,    /* it cannot be used */
  LOST_STOPPED,    /* the station stopped while the disk refused it */
  N_LOST
} Loss;

static const char *const loss_names[N_LOST] = {"missing", "incomplete", "slow",
                                               "queue",   "refused",    "stopped"};

/* The numbers of a stream's frames. */
typedef struct {
  gint64 start;     /* when it began, which makes the keys unique */
  gboolean begun;   /* there is a last one */
  guint64 last;     /* as the camera counts */
  guint64 number;   /* likewise, but without end */
  guint incomplete; /* came since, whose numbers cannot be relied on; they are counted as lost */
} Count;

typedef struct {
  VelmLink link;
  VelmProduct *product;
  VelmCameraSettings settings;
  char *plain;       /* the id, as it may be in a key and in a file's name */
  VelmWorker worker; /* takes frames */
  GThread *keeper;   /* writes them */

  /* the worker's own */
  Count count;
  gint64 last_frame, next_trigger, next_status;

  GMutex lock;
  GCond changed;
  VelmCameraStream *stream; /* or NULL */
  guint n_streams;          /* so far */
  GQueue waiting;           /* of Frame */
  gboolean taken_all;       /* no more will wait */
  guint n_triggers;         /* that were asked for */
  char *trouble;            /* of the disk or the queue; or NULL */
  guint64 n_lost;
  gint64 first_lost, last_lost; /* when */
  Loss last_loss;
} Camera;

typedef struct {
  ArvBuffer *buffer; /* NULL once it is a PNG */
  guint stream;      /* the number of its stream */
  gint64 time;
  char *key, *name;
} Frame;

/* ---- what becomes of a frame ---- */

static VelmMetrics *metrics_of(const Camera *camera) {
  return velm_station_get_metrics(camera->link.station);
}

static void lose(Camera *camera, Loss loss, guint64 n) {
  if (n == 0)
    return;
  velm_metrics_add(metrics_of(camera), VELM_METRIC_CAMERA_LOST, camera->settings.id,
                   loss_names[loss], (double)n);
  g_mutex_lock(&camera->lock);
  camera->last_lost = g_get_real_time();
  camera->first_lost = camera->n_lost > 0 ? camera->first_lost : camera->last_lost;
  camera->n_lost += n;
  camera->last_loss = loss;
  g_mutex_unlock(&camera->lock);
}

/* Back to its stream, where that is open still. */
static void give_back(Camera *camera, Frame *frame) {
  ArvBuffer *buffer = g_steal_pointer(&frame->buffer);
  g_mutex_lock(&camera->lock);
  if (buffer && camera->stream && camera->n_streams == frame->stream)
    velm_camera_stream_push(camera->stream, g_steal_pointer(&buffer));
  g_mutex_unlock(&camera->lock);
  g_clear_object(&buffer);
}

static void frame_free(Camera *camera, Frame *frame) {
  give_back(camera, frame);
  g_free(frame->key);
  g_free(frame->name);
  g_free(frame);
}

/* ---- writing: the keeper ---- */

/* Returns: (transfer full): NULL where there will be none. */
static Frame *wait_for_frame(Camera *camera) {
  g_mutex_lock(&camera->lock);
  while (g_queue_is_empty(&camera->waiting) && !camera->taken_all)
    g_cond_wait(&camera->changed, &camera->lock);
  Frame *frame = g_queue_pop_head(&camera->waiting);
  g_mutex_unlock(&camera->lock);
  return frame;
}

/* @trouble: (nullable). */
static void note_trouble(Camera *camera, const char *trouble) {
  g_mutex_lock(&camera->lock);
  if (g_strcmp0(camera->trouble, trouble) != 0) {
    g_free(camera->trouble);
    camera->trouble = g_strdup(trouble);
  }
  g_mutex_unlock(&camera->lock);
}

/* Waits before the disk is tried again. Returns: FALSE where the station stops. */
static gboolean wait_for_disk(Camera *camera) {
  gint64 end = g_get_monotonic_time() + RETRY_S * G_TIME_SPAN_SECOND;
  g_mutex_lock(&camera->lock);
  while (!camera->taken_all && g_cond_wait_until(&camera->changed, &camera->lock, end))
    continue;
  gboolean goes_on = !camera->taken_all;
  g_mutex_unlock(&camera->lock);
  return goes_on;
}

static GBytes *encode(Camera *camera, Frame *frame, GError **error) {
  VelmCameraFrame pixels;
  GBytes *png = velm_camera_stream_read(frame->buffer, &pixels, error)
                    ? velm_camera_frame_to_png(&pixels, error)
                    : NULL;
  give_back(camera, frame);
  return png;
}

/* Returns: FALSE with VELM_ERROR_CANCELLED where too many images wait in the queue. */
static gboolean has_room(const Camera *camera, GError **error) {
  gint64 n = 0;
  if (!velm_store_count_queued(velm_station_get_store(camera->link.station), &n, error))
    return FALSE;
  if (n < camera->settings.queue)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED,
              "frames are lost, as %" G_GINT64_FORMAT " images wait to be inspected", n);
  return FALSE;
}

static gboolean enqueue(const Camera *camera, const Frame *frame, GBytes *png, GError **error) {
  /* Lent to be read. */
  const VelmQueued queued = {.key = frame->key,
                             .product = (char *)(uintptr_t)velm_product_get_name(camera->product),
                             .time = frame->time,
                             .media_type = (char *)(uintptr_t) "image/png",
                             .name = frame->name};
  return has_room(camera, error) &&
         velm_station_enqueue(camera->link.station, &queued, png, NULL, error);
}

/* What the disk refuses is tried again, as long as the station runs. Returns: FALSE with the
 * error. */
static gboolean enqueue_in_time(Camera *camera, const Frame *frame, GBytes *png, GError **error) {
  for (;;) {
    g_autoptr(GError) cause = NULL;
    if (enqueue(camera, frame, png, &cause)) {
      note_trouble(camera, NULL);
      return TRUE;
    }
    note_trouble(camera, cause->message);
    if (!g_error_matches(cause, VELM_ERROR, VELM_ERROR_FILE) || !wait_for_disk(camera)) {
      g_propagate_error(error, g_steal_pointer(&cause));
      return FALSE;
    }
  }
}

static Loss loss_of(const GError *error) {
  if (g_error_matches(error, VELM_ERROR, VELM_ERROR_CANCELLED))
    return LOST_QUEUE;
  return g_error_matches(error, VELM_ERROR, VELM_ERROR_FILE) ? LOST_STOPPED : LOST_REFUSED;
}

static void keep(Camera *camera, Frame *frame) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) png = encode(camera, frame, &error);
  if (!png)
    note_trouble(camera, error->message);
  if (png && enqueue_in_time(camera, frame, png, &error))
    velm_metrics_add(metrics_of(camera), VELM_METRIC_CAMERA_FRAMES, camera->settings.id, NULL, 1);
  else
    lose(camera, loss_of(error), 1);
}

static gpointer keep_in_thread(gpointer data) {
  Camera *camera = data;
  for (Frame *frame; (frame = wait_for_frame(camera));) {
    keep(camera, frame);
    frame_free(camera, frame);
  }
  return NULL;
}

/* ---- counting ---- */

static void begin_count(Count *count) { *count = (Count){.start = g_get_real_time()}; }

/* By how much @id is ahead of the last; less than 1 where the camera counts anew. GigE Vision
 * counts to 65535 and then from 1, unless it is told to count further. */
static gint64 step_to(const Count *count, guint64 id) {
  gboolean wraps = id < count->last && count->last <= G_MAXUINT16;
  gint64 step = (gint64)(id - count->last) + (wraps ? G_MAXUINT16 + (id == 0) : 0);
  return step <= MOST_GAP ? step : 0;
}

static void count_incomplete(Camera *camera) {
  camera->count.incomplete++;
  lose(camera, LOST_INCOMPLETE, 1);
}

/* A frame came whole: notes it, and those before it of which nothing came. Those that came
 * incomplete are among the numbers that are missing. */
static void count_frame(Camera *camera, guint64 id) {
  Count *count = &camera->count;
  gint64 step = count->begun ? step_to(count, id) : 0;
  if (step >= 1) {
    guint64 n_missing = (guint64)step - 1;
    lose(camera, LOST_MISSING, n_missing - MIN(n_missing, count->incomplete));
    count->number += (guint64)step;
  } else {
    if (count->begun)
      begin_count(count);
    count->number = id;
  }
  count->begun = TRUE;
  count->last = id;
  count->incomplete = 0;
}

/* ---- taking: the worker ---- */

static Frame *new_frame(const Camera *camera, ArvBuffer *buffer) {
  const Count *count = &camera->count;
  Frame *frame = g_new0(Frame, 1);
  frame->buffer = buffer;
  frame->stream = camera->n_streams;
  frame->time = g_get_real_time();
  frame->key = g_strdup_printf("camera:%s:%" G_GINT64_MODIFIER "x:%" G_GUINT64_FORMAT,
                               camera->plain, (guint64)count->start, count->number);
  frame->name = g_strdup_printf("%s-%06" G_GUINT64_FORMAT ".png", camera->plain, count->number);
  return frame;
}

/* @buffer: (transfer full). */
static void hand_on(Camera *camera, ArvBuffer *buffer) {
  Frame *frame = new_frame(camera, buffer);
  g_mutex_lock(&camera->lock);
  gboolean room = camera->waiting.length < MOST_WAITING;
  if (room)
    g_queue_push_tail(&camera->waiting, frame);
  g_cond_broadcast(&camera->changed);
  g_mutex_unlock(&camera->lock);
  if (room)
    return;
  lose(camera, LOST_SLOW, 1);
  frame_free(camera, frame);
}

/* @buffer: (transfer full). */
static void take(Camera *camera, ArvBuffer *buffer) {
  camera->last_frame = g_get_monotonic_time();
  if (arv_buffer_get_status(buffer) != ARV_BUFFER_STATUS_SUCCESS) {
    count_incomplete(camera);
    velm_camera_stream_push(camera->stream, buffer);
    return;
  }
  count_frame(camera, arv_buffer_get_frame_id(buffer));
  hand_on(camera, buffer);
}

/* ---- triggers ---- */

/* Whether the station is to trigger now. */
static gboolean is_trigger_due(Camera *camera) {
  gint64 now = g_get_monotonic_time();
  if (camera->settings.trigger != VELM_CAMERA_SOFTWARE)
    return FALSE;
  if (camera->settings.rate > 0 && now >= camera->next_trigger) {
    gint64 period = (gint64)(1e6 / camera->settings.rate);
    camera->next_trigger = MAX(camera->next_trigger + period, now);
    return TRUE;
  }
  g_mutex_lock(&camera->lock);
  gboolean asked = camera->n_triggers > 0;
  camera->n_triggers -= asked;
  g_mutex_unlock(&camera->lock);
  return asked;
}

static guint64 pop_time(const Camera *camera) {
  return camera->settings.trigger == VELM_CAMERA_SOFTWARE ? TRIGGERED_POP_US : POP_US;
}

/* ---- the status ---- */

/* Under the lock. Returns: (transfer full). */
static char *describe_loss(const Camera *camera) {
  g_autoptr(GDateTime) since =
      g_date_time_new_from_unix_utc(camera->first_lost / G_TIME_SPAN_SECOND);
  g_autofree char *time = g_date_time_format(since, "%Y-%m-%d %H:%M:%S UTC");
  return g_strdup_printf("%" G_GUINT64_FORMAT " frames lost since %s, the last: %s", camera->n_lost,
                         time, loss_names[camera->last_loss]);
}

static void tell_status(Camera *camera) {
  gint64 now = g_get_monotonic_time();
  if (now < camera->next_status)
    return;
  camera->next_status = now + STATUS_US;
  g_autofree char *reason = NULL;
  g_mutex_lock(&camera->lock);
  if (camera->trouble)
    reason = g_strdup(camera->trouble);
  else if (camera->n_lost > 0 && g_get_real_time() - camera->last_lost < LOSS_US)
    reason = describe_loss(camera);
  g_mutex_unlock(&camera->lock);
  velm_link_set_status(&camera->link, reason ? VELM_STATE_DEGRADED : VELM_STATE_READY, reason);
}

/* ---- a camera, from when it is found until it goes ---- */

static void set_stream(Camera *camera, VelmCameraStream *stream) {
  g_mutex_lock(&camera->lock);
  camera->stream = stream;
  camera->n_streams += stream != NULL;
  camera->n_triggers = 0;
  g_mutex_unlock(&camera->lock);
}

/* Returns: FALSE with the error where the camera has gone. */
static gboolean take_next(Camera *camera, GError **error) {
  gint64 longest = velm_camera_stream_longest_silence(camera->stream);
  if (is_trigger_due(camera) && !velm_camera_stream_trigger(camera->stream, error))
    return FALSE;
  ArvBuffer *buffer = velm_camera_stream_pop(camera->stream, pop_time(camera));
  if (buffer)
    take(camera, buffer);
  tell_status(camera);
  gint64 silence = g_get_monotonic_time() - camera->last_frame;
  if (velm_camera_stream_is_lost(camera->stream))
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "it has gone, or somebody else has it");
  else if (longest > 0 && silence > longest)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
                "no frame has come for %" G_GINT64_FORMAT " seconds", silence / G_TIME_SPAN_SECOND);
  else
    return TRUE;
  return FALSE;
}

/* What has come by now is taken too. */
static void take_last(Camera *camera) {
  velm_camera_stream_halt(camera->stream);
  gint64 end = g_get_monotonic_time() + LAST_US;
  for (guint i = 0; i < N_BUFFERS && g_get_monotonic_time() < end; i++) {
    ArvBuffer *buffer = velm_camera_stream_pop(camera->stream, LAST_POP_US);
    if (!buffer)
      break;
    take(camera, buffer);
  }
}

static void fail(Camera *camera, const GError *error) {
  g_autofree char *reason =
      g_strdup_printf("the camera %s: %s", camera->settings.id, error->message);
  velm_link_set_status(&camera->link, VELM_STATE_FAILED, reason);
}

/* @stream: (transfer full). */
static void run(Camera *camera, VelmCameraStream *stream) {
  g_autoptr(GError) error = NULL;
  set_stream(camera, stream);
  begin_count(&camera->count);
  camera->last_frame = camera->next_trigger = g_get_monotonic_time();
  camera->next_status = 0;
  while (!velm_worker_is_ending(&camera->worker) && take_next(camera, &error))
    continue;
  if (error)
    fail(camera, error);
  take_last(camera);
  set_stream(camera, NULL);
  velm_camera_stream_close(stream);
}

static gpointer take_in_thread(gpointer data) {
  Camera *camera = data;
  do {
    g_autoptr(GError) error = NULL;
    VelmCameraStream *stream = velm_camera_stream_open(&camera->settings, N_BUFFERS, &error);
    if (stream)
      run(camera, stream);
    else
      fail(camera, error);
  } while (velm_worker_pause(&camera->worker, RETRY_S));
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *link) {
  Camera *camera = (Camera *)link;
  velm_metrics_add(metrics_of(camera), VELM_METRIC_CAMERA_FRAMES, camera->settings.id, NULL, 0);
  for (Loss i = 0; i < N_LOST; i++)
    velm_metrics_add(metrics_of(camera), VELM_METRIC_CAMERA_LOST, camera->settings.id,
                     loss_names[i], 0);
  camera->keeper = g_thread_new("camera disk", keep_in_thread, camera);
  velm_worker_start(&camera->worker, "camera", take_in_thread, camera);
}

/* What the camera had sent is written before it returns. */
static void stop(VelmLink *link) {
  Camera *camera = (Camera *)link;
  velm_worker_end(&camera->worker);
  g_mutex_lock(&camera->lock);
  camera->taken_all = TRUE;
  g_cond_broadcast(&camera->changed);
  g_mutex_unlock(&camera->lock);
  if (camera->keeper)
    g_thread_join(g_steal_pointer(&camera->keeper));
}

static void camera_free(VelmLink *link) {
  Camera *camera = (Camera *)link;
  velm_worker_clear(&camera->worker);
  g_mutex_clear(&camera->lock);
  g_cond_clear(&camera->changed);
  velm_camera_settings_clear(&camera->settings);
  g_free(camera->plain);
  g_free(camera->trouble);
  velm_link_clear(link);
  g_free(camera);
}

static const VelmLinkClass klass = {.start = start, .stop = stop, .free = camera_free};

VelmLink *velm_camera_link_new(VelmStation *station, VelmProduct *product, const char *settings,
                               GError **error) {
  g_auto(VelmCameraSettings) read = {0};
  if (!velm_camera_settings_parse(settings, &read, error))
    return NULL;
  if (velm_camera_link_find(station, read.id)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "--camera %s: this camera is there already",
                settings);
    return NULL;
  }
  Camera *camera = g_new0(Camera, 1);
  velm_link_init(&camera->link, &klass, station, g_strconcat("camera ", read.id, NULL));
  camera->product = product;
  camera->settings = read;
  read = (VelmCameraSettings){0};
  camera->plain =
      g_strcanon(g_strdup(camera->settings.id), G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS ".-_", '_');
  velm_worker_init(&camera->worker);
  g_mutex_init(&camera->lock);
  g_cond_init(&camera->changed);
  g_queue_init(&camera->waiting);
  return &camera->link;
}

VelmLink *velm_camera_link_find(const VelmStation *station, const char *id) {
  const GPtrArray *links = velm_station_get_links(station);
  for (guint i = 0; i < links->len; i++) {
    VelmLink *link = links->pdata[i];
    if (link->klass == &klass && g_str_equal(((Camera *)link)->settings.id, id))
      return link;
  }
  return NULL;
}

gboolean velm_camera_link_trigger(VelmLink *link, GError **error) {
  Camera *camera = (Camera *)link;
  if (camera->settings.trigger != VELM_CAMERA_SOFTWARE) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "the camera is not on software trigger");
    return FALSE;
  }
  g_mutex_lock(&camera->lock);
  gboolean there = camera->stream != NULL, room = camera->n_triggers < MOST_TRIGGERS;
  camera->n_triggers += there && room;
  g_mutex_unlock(&camera->lock);
  if (there && room)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "%s",
              there ? "too many triggers wait already" : "the camera is not connected");
  return FALSE;
}
