/* Cameras: each frame that one sends has one record in the end, or is counted as lost. The cameras
 * are Aravis' two that are none: one in this process, and one in a process of its own that speaks
 * GigE Vision on the loopback address. */
#include "serve/camera_link.h"

#include "core/scratch.h"
#include "serve/line_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM "arv-fake-gv-camera-0.8"
#define ADDRESS "127.0.0.1"
#define FAKE "Fake_1"

typedef struct {
  LineFixture station;
  VelmLink *link;
  GPid camera; /* its process, or 0 */
  int lock;
} Fixture;

/* ---- the station ---- */

static void make(Fixture *f, const char *settings) {
  line_make(&f->station);
  VelmProduct *product = velm_station_find_product(f->station.station, LINE_PRODUCT);
  f->link = line_add_link(
      &f->station, velm_camera_link_new(f->station.station, product, settings, &f->station.error));
}

static void open_station(Fixture *f, const char *settings) {
  make(f, settings);
  line_start(&f->station);
}

static void set_up(Fixture *f, gconstpointer data) {
  line_set_up(&f->station, data);
  f->lock = -1;
}

static double metric(Fixture *f, const char *name) {
  g_autoptr(GString) text = g_string_new(NULL);
  velm_metrics_print(velm_station_get_metrics(f->station.station), text);
  const char *line = strstr(text->str, name);
  g_assert_nonnull(line);
  return g_ascii_strtod(line + strlen(name), NULL);
}

static double n_taken(Fixture *f, const char *id) {
  g_autofree char *name = g_strdup_printf("\nvelm_camera_frames_total{camera=\"%s\"} ", id);
  return metric(f, name);
}

static double n_lost_for(Fixture *f, const char *id, const char *reason) {
  g_autofree char *name =
      g_strdup_printf("\nvelm_camera_frames_lost_total{camera=\"%s\",reason=\"%s\"} ", id, reason);
  return metric(f, name);
}

static double n_lost(Fixture *f, const char *id) {
  static const char *const reasons[] = {"missing", "incomplete", "slow",
                                        "queue",   "refused",    "stopped"};
  double n = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(reasons); i++)
    n += n_lost_for(f, id, reasons[i]);
  return n;
}

/* It works, whether or not frames were lost a moment ago. */
static gboolean works(Fixture *f) {
  return line_link_is(f->link, VELM_STATE_READY, NULL) ||
         line_link_is(f->link, VELM_STATE_DEGRADED, "frames lost since 2");
}

/* Ends the link, but not the station, so that what it counted can be read; and waits until what
 * it took has its record. */
static void stop_link(Fixture *f) {
  f->link->klass->stop(f->link);
  line_wait_for(line_count_queued(&f->station) == 0);
}

/* ---- records ---- */

/* A stream of frames, by the keys of its records. */
typedef struct {
  char *start; /* the key without the frame's number */
  guint64 first, last, n;
} Stream;

static void stream_free(gpointer data) {
  g_free(((Stream *)data)->start);
  g_free(data);
}

static void add_record(GPtrArray *streams, const VelmStoredRecord *record) {
  const char *colon = strrchr(record->key, ':');
  g_autofree char *start = g_strndup(record->key, (gsize)(colon - record->key));
  guint64 number = g_ascii_strtoull(colon + 1, NULL, 10);
  Stream *last = streams->len > 0 ? streams->pdata[streams->len - 1] : NULL;
  if (!last || !g_str_equal(last->start, start)) {
    last = g_new(Stream, 1);
    *last = (Stream){g_steal_pointer(&start), number, number, 1};
    g_ptr_array_add(streams, last);
    return;
  }
  g_assert_cmpuint(number, >, last->last); /* in order, and each once */
  last->last = number;
  last->n++;
}

/* The records' streams. Returns: (transfer full) (element-type Stream). */
static GPtrArray *read_streams(Fixture *f, const char *id) {
  GPtrArray *streams = g_ptr_array_new_with_free_func(stream_free);
  g_autoptr(GPtrArray) records = line_records(&f->station);
  g_autofree char *start = g_strdup_printf("camera:%s:", id);
  for (guint i = 0; i < records->len; i++) {
    const VelmStoredRecord *record = records->pdata[i];
    g_assert_true(g_str_has_prefix(record->key, start));
    g_assert_nonnull(strstr(record->json, "\"width\":512"));
    g_assert_nonnull(strstr(record->json, "\"height\":512"));
    add_record(streams, record);
  }
  for (guint i = 0; i < streams->len; i++)
    for (guint j = 0; j < i; j++)
      g_assert_cmpstr(((Stream *)streams->pdata[i])->start, !=,
                      ((Stream *)streams->pdata[j])->start);
  return streams;
}

static guint64 n_missing(const GPtrArray *streams) {
  guint64 n = 0;
  for (guint i = 0; i < streams->len; i++) {
    const Stream *stream = streams->pdata[i];
    n += stream->last - stream->first + 1 - stream->n;
  }
  return n;
}

/* ---- the camera in this process ---- */

static void test_frames(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  open_station(f, FAKE ",rate=10,exposure=1000,gain=1");
  line_wait_for(line_count(&f->station) >= 10);
  stop_link(f);
  g_autoptr(GPtrArray) streams = read_streams(f, FAKE);
  g_assert_cmpuint(streams->len, ==, 1);
  g_assert_cmpuint(n_missing(streams), ==, n_lost(f, FAKE));
  g_assert_cmpuint(line_count(&f->station), ==, n_taken(f, FAKE));
  g_autofree char *name =
      g_strdup_printf(FAKE "-%06" G_GUINT64_FORMAT ".png", ((Stream *)streams->pdata[0])->first);
  g_assert_cmpuint(line_count_of(&f->station, name), ==, 1);
}

static void test_formats(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const formats[] = {"RGB8", "BayerRG8", "Mono16"};
  guint n = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
    g_autofree char *settings = g_strdup_printf(FAKE ",rate=4,format=%s", formats[i]);
    open_station(f, settings);
    line_wait_for(line_count(&f->station) >= n + 2);
    stop_link(f);
    g_assert_cmpfloat(n_lost_for(f, FAKE, "refused"), ==, 0);
    n = line_count(&f->station);
    line_end(&f->station);
  }
}

/* After a restart the same numbers come again, and are others. */
static void test_restart(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  for (guint i = 1; i <= 2; i++) {
    guint before = i == 1 ? 0 : 3;
    open_station(f, FAKE ",rate=5");
    line_wait_for(line_count(&f->station) >= before + 3);
    if (i == 1)
      line_end(&f->station);
  }
  stop_link(f);
  g_autoptr(GPtrArray) streams = read_streams(f, FAKE);
  g_assert_cmpuint(streams->len, ==, 2);
}

/* More than can be written: the rest is counted. The camera starts near the end of 16 bits, and
 * counts from 1 again. */
static void test_too_fast(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  open_station(f, FAKE ",rate=1000");
  line_wait_for(n_taken(f, FAKE) + n_lost_for(f, FAKE, "slow") > 200);
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "the last: slow"));
  stop_link(f);
  g_autoptr(GPtrArray) streams = read_streams(f, FAKE);
  g_assert_cmpuint(streams->len, ==, 1);
  const Stream *stream = streams->pdata[0];
  g_assert_cmpuint(stream->first, <=, G_MAXUINT16);
  g_assert_cmpuint(stream->last, >, G_MAXUINT16);
  g_assert_cmpuint(stream->n, ==, n_taken(f, FAKE));
  g_assert_cmpuint(n_missing(streams), <=, n_lost(f, FAKE));
}

/* The queue is as full as it may be, of images that nobody takes. */
static void test_queue_full(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  make(f, FAKE ",rate=5,queue=2");
  line_enqueue(&f->station, "absent", "a", 0, NULL);
  line_enqueue(&f->station, "absent", "b", 1, NULL);
  line_start(&f->station);
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "2 images wait to be inspected"));
  line_wait_for(n_lost_for(f, FAKE, "queue") >= 3);
  g_assert_cmpuint(line_count(&f->station), ==, 0);
  line_add_product(&f->station, "absent");
  velm_product_start(velm_station_find_product(f->station.station, "absent"));
  line_wait_for(line_count(&f->station) >= 5);
  line_wait_for(works(f));
}

/* Frames wait while the disk refuses, and none is lost. */
static void test_disk_refuses(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  make(f, FAKE ",rate=4");
  line_run_sql(&f->station, "ALTER TABLE queue RENAME TO away");
  line_start(&f->station);
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "queue"));
  g_usleep(G_USEC_PER_SEC);
  g_assert_cmpuint(line_count(&f->station), ==, 0);
  line_run_sql(&f->station, "ALTER TABLE away RENAME TO queue");
  line_wait_for(line_count(&f->station) >= 5);
  line_wait_for(line_link_is(f->link, VELM_STATE_READY, NULL));
  stop_link(f);
  g_autoptr(GPtrArray) streams = read_streams(f, FAKE);
  g_assert_cmpuint(streams->len, ==, 1);
  g_assert_cmpuint(n_missing(streams), ==, 0);
  g_assert_cmpfloat(n_lost(f, FAKE), ==, 0);
}

/* Those that the disk has not taken when the station stops are counted. */
static void test_stops_while_disk_refuses(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  make(f, FAKE ",rate=10");
  line_run_sql(&f->station, "ALTER TABLE queue RENAME TO away");
  line_start(&f->station);
  line_wait_for(line_link_is(f->link, VELM_STATE_DEGRADED, "queue"));
  gint64 start = g_get_monotonic_time();
  f->link->klass->stop(f->link);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_TIME_SPAN_SECOND);
  g_assert_cmpfloat(n_taken(f, FAKE), ==, 0);
  g_assert_cmpfloat(n_lost_for(f, FAKE, "stopped"), >, 0);
  line_run_sql(&f->station, "ALTER TABLE away RENAME TO queue");
}

/* ---- settings ---- */

static void refuse(Fixture *f, const char *settings, const char *words) {
  VelmProduct *product = velm_station_find_product(f->station.station, LINE_PRODUCT);
  g_assert_null(velm_camera_link_new(f->station.station, product, settings, &f->station.error));
  assert_failure(&f->station.error, VELM_ERROR_USAGE, words);
}

static void test_refused(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  make(f, FAKE);
  refuse(f, FAKE, "--camera " FAKE ": this camera is there already");
  refuse(f, "Fake_2,rate=often", "--camera Fake_2,rate=often: rate is to be a number");
  g_assert_true(velm_camera_link_find(f->station.station, FAKE) == f->link);
  g_assert_null(velm_camera_link_find(f->station.station, "Fake_2"));
}

/* What the camera cannot do is told when it is there. */
static void test_beyond_camera(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  open_station(f, FAKE ",gain=1000");
  line_wait_for(line_link_is(f->link, VELM_STATE_FAILED, "gain=1000: this camera takes 0 to 10"));
  line_end(&f->station);
  open_station(f, FAKE ",format=Mono12");
  line_wait_for(line_link_is(f->link, VELM_STATE_FAILED, "format=Mono12"));
  line_end(&f->station);
  open_station(f, FAKE ",trigger=hardware,source=Line9");
  line_wait_for(line_link_is(f->link, VELM_STATE_FAILED, "trigger: "));
}

static void test_absent(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  GError *error = NULL;
  open_station(f, "Nobody-Nothing-0,trigger=software");
  line_wait_for(line_link_is(f->link, VELM_STATE_FAILED,
                             "the camera Nobody-Nothing-0: there is no such camera"));
  g_assert_false(velm_camera_link_trigger(f->link, &error));
  assert_failure(&error, VELM_ERROR_CANCELLED, "not connected");
  gint64 start = g_get_monotonic_time();
  line_end(&f->station);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_TIME_SPAN_SECOND);
}

/* ---- the camera in another process ---- */

/* The protocol has one port, so only one such camera is there at a time. */
static gboolean lock_address(Fixture *f) {
  g_autofree char *path = g_build_filename(g_get_tmp_dir(), "velm-test-gige-vision.lock", NULL);
  f->lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  return f->lock >= 0 && flock(f->lock, LOCK_EX) == 0;
}

/* It does not outlive this program, however that ends. */
static void tie(G_GNUC_UNUSED gpointer data) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

static void plug(Fixture *f) {
  char *argv[] = {(char *)PROGRAM, (char *)"-i", (char *)ADDRESS, NULL};
  g_spawn_async(NULL, argv, NULL,
                G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
                    G_SPAWN_STDERR_TO_DEV_NULL,
                tie, NULL, &f->camera, &f->station.error);
  g_assert_no_error(f->station.error);
}

static void unplug(Fixture *f) {
  kill(f->camera, SIGKILL);
  waitpid(f->camera, NULL, 0);
  f->camera = 0;
}

/* Whether the camera could begin; another program may have its port. */
static gboolean is_plugged(Fixture *f) {
  g_usleep(300 * 1000);
  if (waitpid(f->camera, NULL, WNOHANG) == 0)
    return TRUE;
  f->camera = 0;
  return FALSE;
}

/* Returns: FALSE where the test cannot be run. */
static gboolean begin_gige(Fixture *f) {
  g_autofree char *program = g_find_program_in_path(PROGRAM);
  if (!program)
    g_test_skip(PROGRAM " is not there (aravis-tools)");
  else if (!lock_address(f))
    g_test_skip("the lock cannot be had");
  else
    return TRUE;
  return FALSE;
}

static void tear_down(Fixture *f, gconstpointer data) {
  line_tear_down(&f->station, data);
  if (f->camera)
    unplug(f);
  if (f->lock >= 0)
    close(f->lock);
}

static void test_unplugged(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  if (!begin_gige(f))
    return;
  open_station(f, ADDRESS ",rate=20");
  line_wait_for(line_link_is(f->link, VELM_STATE_FAILED, "the camera " ADDRESS ": "));
  plug(f);
  if (!is_plugged(f)) {
    g_test_skip(PROGRAM " does not start");
    return;
  }
  line_wait_for(line_count(&f->station) >= 5);
  line_wait_for(works(f));
  unplug(f);
  plug(f); /* at once: it does not know the station any more */
  line_wait_for(line_link_is(f->link, VELM_STATE_FAILED, "the camera " ADDRESS ": "));
  guint n = line_count(&f->station);
  line_wait_for(line_count(&f->station) >= n + 5);
  line_wait_for(works(f));
  gint64 start = g_get_monotonic_time();
  stop_link(f);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * G_TIME_SPAN_SECOND);
  g_autoptr(GPtrArray) streams = read_streams(f, ADDRESS);
  g_assert_cmpuint(streams->len, ==, 2);
  g_assert_cmpuint(line_count(&f->station), ==, n_taken(f, ADDRESS));
  g_assert_cmpuint(n_missing(streams), <=, n_lost(f, ADDRESS));
}

static gboolean trigger(Fixture *f) {
  GError *error = NULL;
  gboolean triggered = velm_camera_link_trigger(f->link, &error);
  g_clear_error(&error);
  return triggered;
}

/* One frame for each time, and none else. */
static void test_trigger(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  GError *error = NULL;
  if (!begin_gige(f))
    return;
  plug(f);
  if (!is_plugged(f)) {
    g_test_skip(PROGRAM " does not start");
    return;
  }
  open_station(f, ADDRESS ",trigger=software");
  line_wait_for(line_link_is(f->link, VELM_STATE_READY, NULL));
  g_usleep(500 * 1000);
  g_assert_cmpuint(line_count(&f->station), ==, 0);
  for (guint i = 1; i <= 3; i++) {
    g_assert_true(trigger(f));
    line_wait_for(n_taken(f, ADDRESS) + n_lost(f, ADDRESS) >= i);
  }
  g_usleep(500 * 1000);
  stop_link(f);
  g_assert_cmpfloat(n_taken(f, ADDRESS) + n_lost(f, ADDRESS), ==, 3);
  g_assert_cmpuint(line_count(&f->station), ==, n_taken(f, ADDRESS));
  g_assert_false(velm_camera_link_trigger(f->link, &error));
  assert_failure(&error, VELM_ERROR_CANCELLED, "not connected");
  line_end(&f->station);
  open_station(f, ADDRESS ",trigger=software,rate=10");
  line_wait_for(n_taken(f, ADDRESS) >= 3);
  line_end(&f->station);
  open_station(f, ADDRESS);
  g_assert_false(velm_camera_link_trigger(f->link, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "not on software trigger");
}

#define ADD(name, function)                                                                        \
  g_test_add("/serve/camera/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_log_set_always_fatal((GLogLevelFlags)(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL));
  line_fit_model();
  ADD("frames", test_frames);
  ADD("formats", test_formats);
  ADD("restart", test_restart);
  ADD("too-fast", test_too_fast);
  ADD("queue-full", test_queue_full);
  ADD("disk-refuses", test_disk_refuses);
  ADD("stops-while-disk-refuses", test_stops_while_disk_refuses);
  ADD("refused", test_refused);
  ADD("beyond-camera", test_beyond_camera);
  ADD("absent", test_absent);
  ADD("unplugged", test_unplugged);
  ADD("trigger", test_trigger);
  int code = g_test_run();
  line_remove_model();
  return code;
}
