#include "plant/front.h"

#include "plant/dead_watch.h"
#include "plant/follow.h"
#include "plant/job.h"
#include "plant/record_message.h"
#include "plant/waits.h"
#include "serve/worker.h"

/* Threads that hand jobs in. */
#define N_SENDERS 8
/* How long a record is waited for before it is looked for, lest its message was lost. */
#define LOOK_US (30 * G_TIME_SPAN_SECOND)
/* How often a job is handed in where it is not known whether the broker has it. */
#define MOST_TRIES 3
/* Records of others that are remembered as told. */
#define MOST_TOLD 4096
/* What a stop without velm_front_end() leaves those who wait. */
#define STOP_S 0

typedef struct {
  VelmLink link;
  VelmFrontParams params;
  VelmWaits *waits;
  VelmDeadWatch *dead; /* NULL until it is connected */
  GPtrArray *records;  /* of VelmFollow, likewise */
  VelmWorker watcher;
  gint64 looked; /* the watcher's: when */
  gint64 made;   /* the watcher's: the jobs' stream, when; or 0 */

  GMutex lock;
  guint64 reconnects;   /* after which the broker was looked at */
  guint64 last;         /* the highest number of a job there that the broker has told */
  GThreadPool *senders; /* of Errand */
  GQueue unsent;        /* of Errand: to be handed in again */
  gboolean open;        /* images are taken */
  GHashTable *told;     /* numbers of others' records */
} Front;

/* A job to be handed in. */
typedef struct {
  VelmPlantJob *job; /* without its image where that is to be read */
  char *image;       /* the SHA-256 */
  char *subject;     /* of its record */
  guint tries;       /* that failed */
} Errand;

static void errand_free(gpointer data) {
  Errand *errand = data;
  velm_plant_job_free(errand->job);
  g_free(errand->image);
  g_free(errand->subject);
  g_free(errand);
}

/* ---- the end of a wait ---- */

static void end_waits(Front *front, const char *subject, const GError *error) {
  g_autoptr(GPtrArray) waits = velm_waits_take(front->waits, subject);
  for (guint i = 0; i < waits->len; i++) {
    VelmWait *wait = waits->pdata[i];
    wait->done(NULL, error, wait->user_data);
  }
}

static void give_record(const VelmWait *wait, const VelmRecordMessage *record) {
  g_autoptr(GError) error = NULL;
  const VelmPlantRecord given = {record->inspection, record->prompt, record->map, record->failed};
  if (!g_str_equal(wait->image, record->image))
    g_set_error(&error, VELM_ERROR, VELM_ERROR_USAGE,
                "the key \"%s\" was used for another image or product", wait->key);
  wait->done(error ? NULL : &given, error, wait->user_data);
}

/* ---- records ---- */

/* Returns: FALSE where nobody waited for it. */
static gboolean give_all(Front *front, const char *subject, const VelmRecordMessage *record) {
  g_autoptr(GPtrArray) waits = velm_waits_take(front->waits, subject);
  for (guint i = 0; i < waits->len; i++)
    give_record(waits->pdata[i], record);
  return waits->len > 0;
}

/* Returns: FALSE where it was noted before. */
static gboolean note_told(Front *front, gint64 id) {
  g_mutex_lock(&front->lock);
  if (g_hash_table_size(front->told) >= MOST_TOLD)
    g_hash_table_remove_all(front->told);
  gboolean fresh = g_hash_table_add(front->told, g_memdup2(&id, sizeof id));
  g_mutex_unlock(&front->lock);
  return fresh;
}

/* A record that others handed in, once. */
static void tell_others(Front *front, const VelmRecordMessage *record) {
  if (front->params.shared && note_told(front, record->id))
    velm_station_tell_others(front->link.station, record->summary);
}

/* In a thread that follows a product's records. */
static void take_record(natsMsg *message, gpointer user_data) {
  Front *front = user_data;
  g_autoptr(natsMsg) owned = message;
  g_autoptr(VelmRecordMessage) record = velm_record_message_read(message, NULL);
  if (record && !give_all(front, natsMsg_GetSubject(message), record))
    tell_others(front, record);
}

/* Looks whether the record is there. Returns: whether it is. */
static gboolean look(Front *front, const char *subject) {
  g_autoptr(natsMsg) message = NULL;
  if (js_GetLastMsg(&message, velm_broker_get_jetstream(front->params.broker), VELM_STREAM_RECORDS,
                    subject, NULL, NULL) != NATS_OK)
    return FALSE;
  g_autoptr(VelmRecordMessage) record = velm_record_message_read(message, NULL);
  if (record)
    give_all(front, subject, record);
  return record != NULL;
}

static void take_dead(const char *subject, const char *reason, gpointer user_data) {
  g_autoptr(GError) error = NULL;
  g_set_error(&error, VELM_ERROR, VELM_ERROR_IMAGE, "the plant has given the image up: %s", reason);
  end_waits(user_data, subject, error);
}

/* ---- handing in: in the senders' threads ---- */

/* What is handed in again is on the disk alone. */
static gboolean ensure_image(Front *front, Errand *errand, GError **error) {
  VelmPlantJob *job = errand->job;
  if (!job->image && !job->reference)
    job->image =
        velm_store_read_image(velm_station_get_store(front->link.station), errand->image, error);
  return job->image || job->reference;
}

/* What is larger than the broker takes goes by reference, where the workers share a folder. */
static gboolean fit(Front *front, VelmPlantJob *job, GError **error) {
  gsize most = velm_plant_job_most(front->params.broker);
  gsize size = job->image ? g_bytes_get_size(job->image) : 0;
  if (size <= most)
    return TRUE;
  if (front->params.source) {
    job->reference = velm_image_source_share(front->params.source, job->image, error);
    g_clear_pointer(&job->image, g_bytes_unref);
    return job->reference != NULL;
  }
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED,
              "%s: the image has %" G_GSIZE_FORMAT " bytes, more than the %" G_GSIZE_FORMAT
              " that the broker takes: share a folder with the workers",
              job->name, size, most);
  return FALSE;
}

/* Where it is not full, a broker that fails may have the job all the same. */
static gboolean is_in_doubt(const GError *cause, gboolean full) {
  return !full && g_error_matches(cause, VELM_ERROR, VELM_ERROR_FILE);
}

/* What says nothing of the image can be tried again. */
static void refuse(const char *why, const GError *cause, GError **error) {
  gboolean passing = g_error_matches(cause, VELM_ERROR, VELM_ERROR_FILE);
  g_set_error(error, VELM_ERROR, passing ? VELM_ERROR_CANCELLED : cause->code, "%s%s", why,
              cause->message);
}

static void note_number(Front *front, guint64 number) {
  g_mutex_lock(&front->lock);
  front->last = MAX(front->last, number);
  g_mutex_unlock(&front->lock);
}

/* @again: (out): where it fails: it is to be tried again */
static gboolean submit(Front *front, Errand *errand, gboolean *again, GError **error) {
  g_autoptr(GError) cause = NULL;
  VelmPlantReceipt receipt = {0};
  gint64 start = g_get_monotonic_time();
  if (!ensure_image(front, errand, &cause) || !fit(front, errand->job, &cause) ||
      !velm_plant_job_submit(front->params.broker, errand->job, VELM_STAGE_DETECT, &receipt,
                             &cause)) {
    *again = is_in_doubt(cause, receipt.full);
    refuse(receipt.full ? "the plant has as many jobs as it may: " : "", cause, error);
    return FALSE;
  }
  note_number(front, receipt.number);
  if (!receipt.known)
    velm_dead_watch_forget(front->dead, errand->subject, start);
  g_autofree char *reason =
      receipt.known ? velm_dead_watch_find(front->dead, errand->subject) : NULL;
  if (reason)
    take_dead(errand->subject, reason, front);
  return TRUE;
}

/* A broker that came back may not have its streams: the watcher looks first. Under the lock. */
static gboolean is_looked_at(const Front *front) {
  return velm_broker_count_reconnects(front->params.broker) == front->reconnects;
}

/* Returns: whether it is kept until the watcher has looked. */
static gboolean hold_back(Front *front, Errand *errand) {
  g_mutex_lock(&front->lock);
  gboolean held = front->open && !is_looked_at(front);
  if (held)
    g_queue_push_tail(&front->unsent, errand);
  g_mutex_unlock(&front->lock);
  return held;
}

/* Returns: FALSE where it is not to be tried again. */
static gboolean keep_unsent(Front *front, Errand *errand) {
  g_mutex_lock(&front->lock);
  gboolean kept = front->open && ++errand->tries < MOST_TRIES;
  if (kept)
    g_queue_push_tail(&front->unsent, errand);
  g_mutex_unlock(&front->lock);
  return kept;
}

/* A key that was used before may have its record. */
static void send_job(gpointer data, gpointer user_data) {
  Errand *errand = data;
  Front *front = user_data;
  gboolean again = FALSE;
  g_autoptr(GError) error = NULL;
  if (hold_back(front, errand))
    return;
  if (!look(front, errand->subject) && !submit(front, errand, &again, &error)) {
    if (again && keep_unsent(front, errand))
      return;
    end_waits(front, errand->subject, error);
  }
  errand_free(errand);
}

static void send_again(Front *front) {
  Errand *errand;
  g_mutex_lock(&front->lock);
  while ((errand = g_queue_pop_head(&front->unsent)))
    g_thread_pool_push(front->senders, errand, NULL);
  g_mutex_unlock(&front->lock);
}

static VelmPlantJob *new_job(const Front *front, const VelmPlantImage *image) {
  VelmPlantJob *job = g_new0(VelmPlantJob, 1);
  job->key = g_strdup(image->key);
  job->product = g_strdup(image->product);
  job->name = g_strdup(image->name);
  job->part = g_strdup(image->part);
  job->station = g_strdup(image->station);
  job->image = image->image ? g_bytes_ref(image->image) : NULL;
  job->time = image->time;
  job->whole = !front->params.shared;
  return job;
}

/* @image: its bytes may be NULL: they are read when it is handed in. */
static Errand *new_errand(const Front *front, const VelmPlantImage *image) {
  Errand *errand = g_new(Errand, 1);
  *errand = (Errand){new_job(front, image), g_strdup(image->sha256),
                     velm_record_subject(image->product, image->key), 0};
  return errand;
}

static gboolean inspect(gpointer plant, const VelmPlantImage *image, VelmPlantDone done,
                        gpointer user_data, GError **error) {
  Front *front = plant;
  g_autoptr(GError) away = NULL;
  gboolean connected = velm_broker_check_connected(front->params.broker, &away);
  g_mutex_lock(&front->lock);
  gboolean ok = front->open && connected && is_looked_at(front);
  if (ok) {
    Errand *errand = new_errand(front, image);
    velm_waits_add(front->waits, errand->subject, image, done, user_data);
    g_thread_pool_push(front->senders, errand, NULL);
  }
  g_mutex_unlock(&front->lock);
  if (!connected)
    refuse("", away, error);
  else if (!ok)
    g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED,
                "the station is starting or stopping, or the broker has just come back");
  return ok;
}

/* ---- a broker that lost its data ---- */

/* Looks whether the jobs' stream is another one, or has less than the broker took. */
static gboolean look_at_stream(Front *front, gboolean *lost, GError **error) {
  VelmStageMark mark;
  g_mutex_lock(&front->lock);
  guint64 last = front->last;
  g_mutex_unlock(&front->lock);
  if (!velm_stage_read_mark(front->params.broker, VELM_STAGE_DETECT, &mark, error))
    return FALSE;
  *lost = front->made != 0 && (mark.made != front->made || mark.last < last);
  front->made = mark.made;
  if (*lost) {
    g_mutex_lock(&front->lock);
    front->last = mark.last;
    g_mutex_unlock(&front->lock);
  }
  return TRUE;
}

/* Under the same keys: what the broker has all the same stays one job. */
static void hand_in_again(Front *front) {
  g_autoptr(GPtrArray) waits = velm_waits_list(front->waits, G_MAXINT64);
  for (guint i = 0; i < waits->len; i++) {
    const VelmWait *wait = waits->pdata[i];
    const VelmPlantImage image = {.key = wait->key,
                                  .product = wait->product,
                                  .name = wait->name,
                                  .part = wait->part,
                                  .station = wait->station,
                                  .sha256 = wait->image,
                                  .time = wait->time};
    g_thread_pool_push(front->senders, new_errand(front, &image), NULL);
  }
}

static gboolean make_good(Front *front, GError **error) {
  gboolean lost = FALSE;
  if (!look_at_stream(front, &lost, error))
    return FALSE;
  if (lost)
    hand_in_again(front);
  return TRUE;
}

/* ---- watching the connection ---- */

static void set_state(Front *front, VelmState state, const char *reason) {
  const GPtrArray *products = velm_station_get_products(front->link.station);
  for (guint i = 0; i < products->len; i++)
    velm_product_set_status(products->pdata[i], state, reason);
  velm_link_set_status(&front->link, state, reason);
}

static gboolean follow_records(Front *front, GError **error) {
  const GPtrArray *products = velm_station_get_products(front->link.station);
  while (front->records->len < products->len) {
    VelmProduct *product = products->pdata[front->records->len];
    g_autofree char *subject = g_strdup_printf("velm.records.%s.*", velm_product_get_name(product));
    VelmFollow *follow = velm_follow_new(front->params.broker, subject, take_record, front, error);
    if (!follow)
      return FALSE;
    g_ptr_array_add(front->records, follow);
  }
  return TRUE;
}

/* Once, as soon as it is connected. */
static gboolean open_front(Front *front, GError **error) {
  if (front->open)
    return TRUE;
  if (!follow_records(front, error) ||
      (!front->dead &&
       !(front->dead = velm_dead_watch_new(front->params.broker, take_dead, front, error))))
    return FALSE;
  g_mutex_lock(&front->lock);
  front->open = TRUE;
  g_mutex_unlock(&front->lock);
  return TRUE;
}

/* What was told while the connection was cut is found by this, and what was lost is handed in
 * again. @fresh: the connection; @until: of those that wait */
static gboolean look_again(Front *front, gboolean fresh, gint64 until, GError **error) {
  if (fresh && !velm_streams_ensure(front->params.broker, NULL, error))
    return FALSE;
  g_autoptr(GPtrArray) waits = velm_waits_list(front->waits, until);
  for (guint i = 0; i < waits->len && !velm_worker_is_ending(&front->watcher); i++)
    look(front, ((const VelmWait *)waits->pdata[i])->subject);
  if ((fresh || waits->len > 0) && !make_good(front, error))
    return FALSE;
  return velm_dead_watch_look(front->dead, error);
}

static gboolean look_where_due(Front *front, GError **error) {
  guint64 reconnects = velm_broker_count_reconnects(front->params.broker);
  gint64 now = g_get_monotonic_time();
  gboolean fresh = front->looked == 0 || reconnects != front->reconnects;
  if (!fresh && now - front->looked < LOOK_US)
    return TRUE;
  if (!look_again(front, fresh, fresh ? now : now - LOOK_US, error))
    return FALSE;
  g_mutex_lock(&front->lock);
  front->reconnects = reconnects;
  g_mutex_unlock(&front->lock);
  front->looked = now;
  return TRUE;
}

static void watch(Front *front) {
  g_autoptr(GError) error = NULL;
  VelmState state = front->open ? VELM_STATE_DEGRADED : VELM_STATE_STARTING;
  if (!velm_broker_check_connected(front->params.broker, &error) || !open_front(front, &error) ||
      !look_where_due(front, &error)) {
    set_state(front, state, error->message);
  } else {
    set_state(front, VELM_STATE_READY, NULL);
    send_again(front);
  }
}

static gpointer watch_in_thread(gpointer data) {
  Front *front = data;
  do
    watch(front);
  while (velm_worker_pause(&front->watcher, 1));
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *link) {
  Front *front = (Front *)link;
  velm_worker_start(&front->watcher, "front", watch_in_thread, front);
}

/* What is still to be sent goes first, so that no wait begins after the last has ended. */
void velm_front_end(VelmLink *link, guint seconds) {
  Front *front = (Front *)link;
  g_autoptr(GError) error = NULL;
  velm_worker_end(&front->watcher);
  g_mutex_lock(&front->lock);
  front->open = FALSE;
  GThreadPool *senders = g_steal_pointer(&front->senders);
  g_mutex_unlock(&front->lock);
  if (senders)
    g_thread_pool_free(senders, FALSE, TRUE);
  g_queue_clear_full(&front->unsent, errand_free);
  velm_waits_settle(front->waits, g_get_monotonic_time() + seconds * G_TIME_SPAN_SECOND);
  g_set_error(&error, VELM_ERROR, VELM_ERROR_CANCELLED, "the station is stopping");
  g_autoptr(GPtrArray) waits = velm_waits_take_all(front->waits);
  for (guint i = 0; i < waits->len; i++) {
    VelmWait *wait = waits->pdata[i];
    wait->done(NULL, error, wait->user_data);
  }
}

static void stop(VelmLink *link) {
  Front *front = (Front *)link;
  velm_front_end(link, STOP_S);
  g_ptr_array_set_size(front->records, 0);
  g_clear_pointer(&front->dead, velm_dead_watch_free);
}

static void front_free(VelmLink *link) {
  Front *front = (Front *)link;
  g_ptr_array_unref(front->records);
  g_hash_table_unref(front->told);
  velm_waits_free(front->waits);
  g_mutex_clear(&front->lock);
  velm_worker_clear(&front->watcher);
  velm_link_clear(link);
  g_free(front);
}

static const VelmLinkClass klass = {.start = start, .stop = stop, .free = front_free};

VelmLink *velm_front_new(VelmStation *station, const VelmFrontParams *params) {
  Front *front = g_new0(Front, 1);
  velm_link_init(&front->link, &klass, station,
                 g_strdup_printf("plant %s", velm_broker_get_shown(params->broker)));
  front->params = *params;
  front->waits = velm_waits_new();
  front->records = g_ptr_array_new_with_free_func((GDestroyNotify)velm_follow_free);
  front->told = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  g_mutex_init(&front->lock);
  velm_worker_init(&front->watcher);
  g_queue_init(&front->unsent);
  front->senders = g_thread_pool_new(send_job, front, N_SENDERS, FALSE, NULL);
  const VelmStationPlant plant = {inspect, front};
  velm_station_set_plant(station, &plant);
  return &front->link;
}
