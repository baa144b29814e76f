#include "plant/job_link.h"

#include "plant/dead_letter.h"
#include "plant/job.h"
#include "plant/record_message.h"
#include "serve/media_type.h"
#include "serve/station.h"
#include "serve/worker.h"

#include <string.h>

/* Threads that read jobs, fetch their images and put these on the disk. */
#define N_TAKERS 4
#define FETCH_MS 500
/* How long what cannot be done now is left alone: twice as long each time, up to a limit. */
#define RETRY_US (1 * G_TIME_SPAN_SECOND)
#define MOST_DOUBLINGS 3
#define ROUND_US (100 * 1000)
#define LOOK_US (5 * G_TIME_SPAN_SECOND)
/* How often the broker hears that a job is being worked at. */
#define TOUCH_US (VELM_JOB_WAIT_S * G_TIME_SPAN_SECOND / 3)
/* A job that workers were lost over so often is done alone, so that it takes no others with it; and
 * is given up in the end. */
#define SUSPECT_TRIES 4
#define MOST_TRIES 10
/* How long an image that cannot be fetched now is left alone. */
#define FIRST_DELAY_S G_GINT64_CONSTANT(10)
#define MOST_DELAY_S 300

typedef struct {
  VelmLink link;
  VelmProduct *product;
  VelmJobLinkParams params;
  char *worker;
  VelmJobCounts *counts;
  VelmWorker puller;
  GThread *answerer;
  GThreadPool *takers;  /* of Task: to be taken */
  GAsyncQueue *answers; /* of Task: taken */

  /* The puller's own: */
  natsSubscription *subscription;
  guint64 reconnects; /* how often the broker had been away, when that was made */
  gboolean complete;  /* it has forgotten no jobs since then */
  gint64 looked;      /* when that was looked at */

  GMutex lock;
  GCond changed;
  GHashTable *in_hand; /* of Task */
  guint held;          /* of them, that wait to be tried again */
  gboolean stopping;   /* no more are taken */
} JobLink;

/* What is to become of a job. */
typedef enum {
  OUTCOME_RECORD,
  OUTCOME_SUSPECT, /* somebody else goes on with it */
  OUTCOME_DEAD,
  OUTCOME_RETRY, /* soon, by this worker */
  OUTCOME_LATER, /* by any worker */
} Outcome;

typedef struct {
  JobLink *link;
  natsMsg *message;
  guint64 reconnects; /* the link's, when it was taken */
  gboolean forgotten; /* by the broker */
  guint64 tries;
  gint64 start;
  VelmPlantJob *job; /* NULL until it is read */
  Outcome outcome;
  VelmStoredRecord *record;
  GError *error;   /* why there is none, or it says that the inspection failed */
  gint64 retry_at; /* where it is held */
  guint held;      /* how often it was */
} Task;

static void task_free(Task *task) {
  natsMsg_Destroy(task->message);
  velm_plant_job_free(task->job);
  velm_stored_record_free(task->record);
  g_clear_error(&task->error);
  g_free(task);
}

/* ---- what is in hand ---- */

static void add_task(JobLink *link, Task *task) {
  g_mutex_lock(&link->lock);
  g_hash_table_add(link->in_hand, task);
  g_mutex_unlock(&link->lock);
  velm_job_counts_take(link->counts);
}

static void remove_task(JobLink *link, Task *task, VelmJobEnd end) {
  gint64 now = g_get_monotonic_time();
  velm_job_counts_end(link->counts, end, (double)(now - task->start) / 1000, now);
  g_mutex_lock(&link->lock);
  g_hash_table_remove(link->in_hand, task);
  g_cond_broadcast(&link->changed);
  g_mutex_unlock(&link->lock);
  task_free(task);
}

static guint count_tasks(JobLink *link) {
  g_mutex_lock(&link->lock);
  guint n = g_hash_table_size(link->in_hand);
  g_mutex_unlock(&link->lock);
  return n;
}

/* Returns: how many jobs may be taken, after waiting a while for some; none while any is held. */
static guint wait_for_room(JobLink *link) {
  gint64 end = g_get_monotonic_time() + G_TIME_SPAN_SECOND;
  g_mutex_lock(&link->lock);
  while ((g_hash_table_size(link->in_hand) >= link->params.most || link->held > 0) &&
         g_cond_wait_until(&link->changed, &link->lock, end))
    continue;
  guint n = g_hash_table_size(link->in_hand);
  guint room = link->held > 0 || n >= link->params.most ? 0 : link->params.most - n;
  g_mutex_unlock(&link->lock);
  return room;
}

/* The broker gives nobody else what is being worked at. */
static void touch_tasks(JobLink *link) {
  GHashTableIter iter;
  gpointer task;
  g_mutex_lock(&link->lock);
  g_hash_table_iter_init(&iter, link->in_hand);
  while (g_hash_table_iter_next(&iter, &task, NULL))
    velm_message_touch(link->params.broker, ((Task *)task)->message);
  g_mutex_unlock(&link->lock);
}

/* ---- taking: in the takers' threads ---- */

static void answer(Task *task, Outcome outcome) {
  task->outcome = outcome;
  g_async_queue_push(task->link->answers, task);
}

/* What says nothing of the job itself may be otherwise later. */
static Outcome outcome_of(const Task *task) {
  if (task->record)
    return OUTCOME_RECORD;
  if (!task->error)
    return OUTCOME_SUSPECT;
  gboolean passing = g_error_matches(task->error, VELM_ERROR, VELM_ERROR_FILE) ||
                     g_error_matches(task->error, VELM_ERROR, VELM_ERROR_CANCELLED);
  return passing ? OUTCOME_RETRY : OUTCOME_DEAD;
}

static void take_record(VelmStoredRecord *record, gboolean existed, const GError *error,
                        gpointer user_data) {
  Task *task = user_data;
  task->record = record;
  task->error = error ? g_error_copy(error) : NULL;
  answer(task, outcome_of(task));
}

/* Returns: NULL after answering. */
static GBytes *get_image(Task *task) {
  const VelmJobLinkParams *params = &task->link->params;
  gboolean retry = FALSE;
  if (task->job->image)
    return g_bytes_ref(task->job->image);
  GBytes *image = velm_image_source_fetch(params->source, task->job->reference, params->most_bytes,
                                          &retry, &task->error);
  if (!image)
    answer(task, retry && task->tries < MOST_TRIES ? OUTCOME_LATER : OUTCOME_DEAD);
  return image;
}

static gboolean read_job(Task *task) {
  if (task->tries > MOST_TRIES)
    g_set_error(&task->error, VELM_ERROR, VELM_ERROR_USAGE,
                "%d workers had the job, and none has answered", MOST_TRIES);
  else if (!task->job)
    task->job = velm_plant_job_read(task->message, &task->error);
  if (!task->error)
    return TRUE;
  answer(task, OUTCOME_DEAD);
  return FALSE;
}

static void take(gpointer data, gpointer user_data) {
  Task *task = data;
  JobLink *link = user_data;
  g_clear_error(&task->error);
  g_autoptr(GBytes) image = read_job(task) ? get_image(task) : NULL;
  if (!image)
    return;
  const VelmArrival arrival = {.key = task->job->key,
                               .name = task->job->name,
                               .part = task->job->part,
                               .station = task->job->station,
                               .media_type = velm_media_type_of(image),
                               .image = image,
                               .time = task->job->time,
                               .only_normal = link->params.pass_on,
                               .can_wait = link->params.stage == VELM_STAGE_CLASSIFY};
  velm_station_inspect(link->link.station, link->product, &arrival, take_record, task);
}

/* ---- answering: in the answerer's thread ---- */

static gboolean send_dead_letter(Task *task, GError **error) {
  JobLink *link = task->link;
  return velm_dead_letter_send(link->params.broker, task->message, link->params.stage,
                               velm_product_get_name(link->product), task->error->message,
                               link->worker, task->record ? task->record->id : 0, error);
}

static gboolean is_failure(const VelmStoredRecord *record) {
  return g_str_equal(record->decision, VELM_STORE_FAILED);
}

/* An image that could not be inspected has a record that says so, and can be handed in again. */
static gboolean send_record(Task *task, GError **error) {
  JobLink *link = task->link;
  gboolean failed = is_failure(task->record);
  if (failed && !task->error)
    g_set_error(&task->error, VELM_ERROR, VELM_ERROR_IMAGE, "the image could not be inspected");
  return (!failed || send_dead_letter(task, error)) &&
         velm_record_message_send(link->params.broker, velm_station_get_store(link->link.station),
                                  task->record, link->worker, task->job->whole, error);
}

static VelmJobEnd end_of(const Task *task) {
  if (task->outcome == OUTCOME_SUSPECT)
    return VELM_JOB_PASSED_ON;
  if (task->outcome != OUTCOME_RECORD)
    return VELM_JOB_DEAD;
  return is_failure(task->record) ? VELM_JOB_FAILED : VELM_JOB_DONE;
}

static gboolean pass_on(Task *task, GError **error) {
  return velm_plant_job_submit(task->link->params.broker, task->job, VELM_STAGE_CLASSIFY, NULL,
                               error);
}

static gboolean send_outcome(Task *task, GError **error) {
  switch (task->outcome) {
  case OUTCOME_RECORD:
    return send_record(task, error);
  case OUTCOME_SUSPECT:
    return pass_on(task, error);
  default:
    return send_dead_letter(task, error);
  }
}

/* A broker that was away may have lost its data, and have given the job's number to another. */
static gboolean check_number(Task *task, gboolean *has, GError **error) {
  const VelmJobLinkParams *params = &task->link->params;
  *has = task->reconnects == velm_broker_count_reconnects(params->broker);
  return *has || velm_stage_has(params->broker, params->stage, task->message, has, error);
}

/* A job that the broker has forgotten is not its to remove. */
static gboolean acknowledge(Task *task, GError **error) {
  const VelmJobLinkParams *params = &task->link->params;
  gboolean has = FALSE;
  if (!check_number(task, &has, error))
    return FALSE;
  if (!has)
    return TRUE; /* it is gone */
  if (!task->forgotten)
    return velm_message_acknowledge(params->broker, task->message, error);
  return velm_stage_remove(params->broker, params->stage, velm_message_place(task->message).number,
                           error);
}

/* The broker gives it to somebody after a while, the longer the more often it was tried. */
static void give_back(Task *task, gint64 delay_s) {
  velm_message_give_back(task->link->params.broker, task->message, delay_s);
  remove_task(task->link, task, VELM_JOB_GIVEN_BACK);
}

static gint64 delay_of(const Task *task) {
  return MIN(FIRST_DELAY_S << MIN(task->tries - 1, 8), MOST_DELAY_S);
}

static void set_held(JobLink *link, int change) {
  g_mutex_lock(&link->lock);
  link->held += (guint)change;
  g_cond_broadcast(&link->changed);
  g_mutex_unlock(&link->lock);
}

/* Keeps it for a while. */
static void hold(Task *task, const char *why, GQueue *held) {
  velm_link_set_status(&task->link->link, VELM_STATE_DEGRADED, why);
  task->retry_at = g_get_monotonic_time() + (RETRY_US << MIN(task->held, MOST_DOUBLINGS));
  task->held++;
  set_held(task->link, 1);
  g_queue_push_tail(held, task);
}

static void end_task(Task *task, GQueue *held) {
  g_autoptr(GError) error = NULL;
  if (task->outcome == OUTCOME_RETRY) {
    hold(task, task->error->message, held);
  } else if (task->outcome == OUTCOME_LATER) {
    velm_link_set_status(&task->link->link, VELM_STATE_DEGRADED, task->error->message);
    give_back(task, delay_of(task));
  } else if (!send_outcome(task, &error) || !acknowledge(task, &error)) {
    hold(task, error->message, held);
  } else {
    velm_link_set_status(&task->link->link, VELM_STATE_READY, NULL);
    remove_task(task->link, task, end_of(task));
  }
}

/* Returns: FALSE where the link is stopping. */
static gboolean take_again(JobLink *link, Task *task) {
  g_mutex_lock(&link->lock);
  gboolean goes_on = !link->stopping;
  if (goes_on)
    g_thread_pool_push(link->takers, task, NULL);
  g_mutex_unlock(&link->lock);
  return goes_on;
}

/* Whoever stops leaves what he could not do to others. */
static void try_again(JobLink *link, GQueue *held, gboolean stopping) {
  for (guint n = g_queue_get_length(held); n > 0; n--) {
    Task *task = g_queue_pop_head(held);
    if (!stopping && task->retry_at > g_get_monotonic_time()) {
      g_queue_push_tail(held, task);
      continue;
    }
    set_held(link, -1);
    if (task->outcome != OUTCOME_RETRY)
      end_task(task, held);
    else if (!take_again(link, task))
      give_back(task, 0);
  }
}

/* Whether nothing is left but what cannot be told. */
static gboolean is_done(JobLink *link, const GQueue *held) {
  g_mutex_lock(&link->lock);
  gboolean done = link->stopping && g_hash_table_size(link->in_hand) == held->length;
  g_mutex_unlock(&link->lock);
  return done;
}

static gpointer answer_in_thread(gpointer data) {
  JobLink *link = data;
  GQueue held = G_QUEUE_INIT;
  do {
    Task *task = g_async_queue_timeout_pop(link->answers, ROUND_US);
    if (task)
      end_task(task, &held);
    try_again(link, &held, FALSE);
  } while (!is_done(link, &held));
  try_again(link, &held, TRUE);
  for (Task *task; (task = g_queue_pop_head(&held));)
    give_back(task, 0);
  return NULL;
}

/* ---- pulling ---- */

static void wait_until_idle(JobLink *link) {
  while (count_tasks(link) > 0 && !velm_worker_is_ending(&link->puller)) {
    g_mutex_lock(&link->lock);
    if (g_hash_table_size(link->in_hand) > 0)
      g_cond_wait_until(&link->changed, &link->lock, g_get_monotonic_time() + TOUCH_US);
    g_mutex_unlock(&link->lock);
    touch_tasks(link);
  }
}

/* @message: (transfer full). */
static void begin(JobLink *link, natsMsg *message, gboolean forgotten) {
  Task *task = g_new0(Task, 1);
  *task = (Task){.link = link, .message = message, .start = g_get_monotonic_time()};
  task->forgotten = forgotten;
  task->reconnects = link->reconnects;
  task->tries = velm_message_place(message).tries;
  gboolean alone = task->tries >= SUSPECT_TRIES;
  if (alone)
    wait_until_idle(link);
  add_task(link, task);
  g_thread_pool_push(link->takers, task, NULL);
  if (alone)
    wait_until_idle(link);
}

static void begin_all(JobLink *link, natsMsgList *list) {
  for (int i = 0; i < list->Count; i++) {
    natsMsg *message = list->Msgs[i];
    list->Msgs[i] = NULL;
    begin(link, message, FALSE);
  }
  natsMsgList_Destroy(list);
}

/* Waits for one, and then takes those that are there: a lone job does not wait for company. */
static natsStatus fetch(JobLink *link, guint room) {
  natsMsgList list = {0};
  natsStatus status = natsSubscription_Fetch(&list, link->subscription, 1, FETCH_MS, NULL);
  if (status != NATS_OK)
    return status;
  begin_all(link, &list);
  if (room <= 1)
    return NATS_OK;
  jsFetchRequest request;
  jsFetchRequest_Init(&request);
  request.Batch = (int)room - 1;
  request.NoWait = true;
  request.Expires = FETCH_MS * G_GINT64_CONSTANT(1000000);
  list = (natsMsgList){0};
  if (natsSubscription_FetchRequest(&list, link->subscription, &request) == NATS_OK)
    begin_all(link, &list);
  return NATS_OK;
}

/* A broker that was away may have lost its streams: they are made anew, and so is the subscription.
 */
static gboolean subscribe(JobLink *link, GError **error) {
  VelmBroker *broker = link->params.broker;
  guint64 reconnects = velm_broker_count_reconnects(broker);
  if (link->subscription && link->reconnects == reconnects)
    return TRUE;
  g_clear_pointer(&link->subscription, natsSubscription_Destroy);
  link->reconnects = reconnects;
  link->complete = FALSE;
  link->looked = 0;
  return velm_streams_ensure(broker, NULL, error) &&
         velm_stage_subscribe(broker, link->params.stage, velm_product_get_name(link->product),
                              &link->subscription, error);
}

/* Why no jobs can be taken now. Returns: (transfer full): NULL where they can be. */
static char *find_obstacle(JobLink *link) {
  g_autoptr(GError) error = NULL;
  g_auto(VelmStatus) status = velm_product_get_status(link->product);
  if (status.state == VELM_STATE_STARTING)
    return g_strdup(status.reason ? status.reason : "the model is being opened");
  if (status.state == VELM_STATE_FAILED)
    return g_strdup(status.reason);
  return velm_broker_check_connected(link->params.broker, &error) && subscribe(link, &error)
             ? NULL
             : g_strdup(error->message);
}

/* Returns: whether there may be more, now or later. */
static gboolean take_some_forgotten(JobLink *link) {
  gboolean busy = TRUE;
  natsMsg *message = NULL;
  guint64 after = 0;
  for (guint n = 0; n < link->params.most; n++) {
    if (!velm_stage_find_forgotten(link->params.broker, link->params.stage,
                                   velm_product_get_name(link->product), after, &message, &busy,
                                   NULL) ||
        !message)
      return busy || n > 0;
    after = velm_message_place(message).number;
    begin(link, message, TRUE);
  }
  return TRUE;
}

/* After the broker was away, while there is nothing else to do: where it was killed, it may have
 * kept jobs that are done, and have forgotten some that are not. */
static void take_forgotten(JobLink *link) {
  gint64 now = g_get_monotonic_time();
  if (link->complete || now - link->looked < LOOK_US)
    return;
  link->looked = now;
  link->complete = !take_some_forgotten(link);
}

/* A subscription may not outlive the broker's state: it is made anew. */
static void note_fetch(JobLink *link, natsStatus status) {
  g_autoptr(GError) error = NULL;
  if (status == NATS_OK || status == NATS_TIMEOUT || status == NATS_NOT_FOUND) {
    if (status != NATS_OK && count_tasks(link) == 0) {
      velm_link_set_status(&link->link, VELM_STATE_READY, NULL);
      take_forgotten(link);
    }
    return;
  }
  velm_broker_fail(link->params.broker, status, 0, "jobs cannot be taken", &error);
  velm_link_set_status(&link->link, VELM_STATE_DEGRADED, error->message);
  g_clear_pointer(&link->subscription, natsSubscription_Destroy);
  velm_worker_pause(&link->puller, 1);
}

static void pull(JobLink *link) {
  g_autofree char *obstacle = find_obstacle(link);
  if (obstacle) {
    velm_link_set_status(&link->link, VELM_STATE_DEGRADED, obstacle);
    velm_worker_pause(&link->puller, 1);
    return;
  }
  guint room = wait_for_room(link);
  if (room > 0)
    note_fetch(link, fetch(link, room));
}

static gpointer pull_in_thread(gpointer data) {
  JobLink *link = data;
  gint64 touched = g_get_monotonic_time();
  while (!velm_worker_is_ending(&link->puller)) {
    pull(link);
    if (g_get_monotonic_time() - touched < TOUCH_US)
      continue;
    touch_tasks(link);
    touched = g_get_monotonic_time();
  }
  g_clear_pointer(&link->subscription, natsSubscription_Destroy);
  return NULL;
}

/* ---- the link ---- */

static void start(VelmLink *base) {
  JobLink *link = (JobLink *)base;
  link->takers = g_thread_pool_new(take, link, N_TAKERS, FALSE, NULL);
  link->answerer = g_thread_new("answerer", answer_in_thread, link);
  velm_worker_start(&link->puller, "puller", pull_in_thread, link);
}

/* The takers are done before the products end, which would not take their images any more. */
static void stop(VelmLink *base) {
  JobLink *link = (JobLink *)base;
  velm_worker_end(&link->puller);
  g_mutex_lock(&link->lock);
  link->stopping = TRUE;
  g_mutex_unlock(&link->lock);
  if (link->takers)
    g_thread_pool_free(g_steal_pointer(&link->takers), FALSE, TRUE);
}

static void end(VelmLink *base) {
  JobLink *link = (JobLink *)base;
  if (link->answerer)
    g_thread_join(g_steal_pointer(&link->answerer));
}

static void job_link_free(VelmLink *base) {
  JobLink *link = (JobLink *)base;
  g_async_queue_unref(link->answers);
  g_hash_table_unref(link->in_hand);
  g_mutex_clear(&link->lock);
  g_cond_clear(&link->changed);
  velm_worker_clear(&link->puller);
  velm_link_clear(base);
  velm_job_counts_unref(link->counts);
  g_free(link->worker);
  g_free(link);
}

static void measure(VelmLink *base, VelmMetrics *metrics) {
  JobLink *link = (JobLink *)base;
  const char *product = velm_product_get_name(link->product);
  VelmJobFigures figures = velm_job_counts_get(link->counts, g_get_monotonic_time());
  for (VelmJobEnd end = 0; end < VELM_N_JOB_ENDS; end++)
    velm_metrics_set(metrics, VELM_METRIC_JOBS, product, velm_job_end_name(end),
                     (double)figures.ended[end]);
  velm_metrics_set(metrics, VELM_METRIC_JOBS_IN_HAND, product, NULL, figures.in_hand);
}

VelmJobCounts *velm_job_link_get_counts(VelmLink *link) { return ((JobLink *)link)->counts; }

static const VelmLinkClass klass = {
    .start = start, .stop = stop, .end = end, .measure = measure, .free = job_link_free};

VelmLink *velm_job_link_new(VelmStation *station, VelmProduct *product,
                            const VelmJobLinkParams *params) {
  JobLink *link = g_new0(JobLink, 1);
  velm_link_init(&link->link, &klass, station,
                 g_strdup_printf("%s jobs of %s", velm_stage_name(params->stage),
                                 velm_product_get_name(product)));
  link->product = product;
  link->params = *params;
  link->worker = g_strdup(params->worker);
  link->counts = velm_job_counts_new();
  link->answers = g_async_queue_new();
  link->in_hand = g_hash_table_new(NULL, NULL);
  g_mutex_init(&link->lock);
  g_cond_init(&link->changed);
  velm_worker_init(&link->puller);
  return &link->link;
}
