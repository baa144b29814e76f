#include "plant/overview.h"

#include "core/json_member.h"
#include "plant/job.h"
#include "plant/llm_ledger.h"
#include "plant/presence.h"

#include <math.h>
#include <string.h>

#define STREAM_PREFIX "VELM_"
#define BUCKET_PREFIX "KV_velm_"
#define ANSWER_MS 5000
#define PICODOLLARS 1e12

static gboolean check(VelmBroker *broker, natsStatus status, jsErrCode code, GError **error) {
  return velm_broker_check(broker, status, code, "the plant cannot be looked at", error);
}

/* ---- the parts ---- */

static void queue_free(gpointer data) {
  VelmQueueFigures *queue = data;
  g_free(queue->product);
  g_free(queue->reason);
  g_free(queue);
}

static void stream_free(gpointer data) {
  g_free(((VelmStreamFigures *)data)->name);
  g_free(data);
}

void velm_overview_free(VelmOverview *overview) {
  if (!overview)
    return;
  g_free(overview->shown);
  g_free(overview->version);
  g_ptr_array_unref(overview->queues);
  g_ptr_array_unref(overview->streams);
  g_clear_pointer(&overview->workers, g_ptr_array_unref);
  g_clear_pointer(&overview->allowances, g_ptr_array_unref);
  g_free(overview);
}

/* @overview: (nullable). Returns: NULL where there is none. */
static VelmQueueFigures *find_queue(const VelmOverview *overview, VelmStage stage,
                                    const char *product) {
  for (guint i = 0; overview && i < overview->queues->len; i++) {
    VelmQueueFigures *queue = overview->queues->pdata[i];
    if (queue->stage == stage && g_str_equal(queue->product, product))
      return queue;
  }
  return NULL;
}

static VelmQueueFigures *get_queue(VelmOverview *overview, VelmStage stage, const char *product) {
  VelmQueueFigures *queue = find_queue(overview, stage, product);
  if (queue)
    return queue;
  queue = g_new0(VelmQueueFigures, 1);
  *queue = (VelmQueueFigures){
      .stage = stage, .product = g_strdup(product), .done_per_second = NAN, .in_per_second = NAN};
  g_ptr_array_add(overview->queues, queue);
  return queue;
}

/* ---- the jobs of a stage ---- */

/* @subjects: of which the messages are counted. Returns: NULL where there is no such stream, or
 * with the error. */
static jsStreamInfo *get_stream(VelmBroker *broker, const char *name, const char *subjects,
                                GError **error) {
  jsStreamInfo *info = NULL;
  jsErrCode code = 0;
  jsOptions options;
  jsOptions_Init(&options);
  options.Stream.Info.SubjectsFilter = subjects;
  natsStatus status =
      js_GetStreamInfo(&info, velm_broker_get_jetstream(broker), name, &options, &code);
  if (status != NATS_NOT_FOUND)
    check(broker, status, code, error);
  return info;
}

/* What a stream has of each subject. For a product that nobody has ever taken a job of, that is all
 * that is known. */
static void count_subjects(VelmOverview *overview, VelmStage stage, const jsStreamInfo *info) {
  const jsStreamStateSubjects *subjects = info->State.Subjects;
  for (int i = 0; subjects && i < subjects->Count; i++) {
    const char *product = velm_plant_job_product(subjects->List[i].Subject);
    get_queue(overview, stage, product)->waiting = subjects->List[i].Msgs;
  }
}

static void count_consumer(VelmOverview *overview, VelmStage stage, const jsConsumerInfo *info) {
  VelmQueueFigures *queue = get_queue(overview, stage, info->Name);
  queue->waiting = info->NumPending;
  queue->in_hand = (guint64)MAX(info->NumAckPending, 0);
  queue->again = (guint64)MAX(info->NumRedelivered, 0);
  queue->taken = info->Delivered.Consumer - MIN(info->Delivered.Consumer, queue->in_hand);
  queue->floor = info->AckFloor.Stream;
}

static gboolean count_consumers(VelmBroker *broker, VelmOverview *overview, VelmStage stage,
                                GError **error) {
  jsConsumerInfoList *list = NULL;
  jsErrCode code = 0;
  natsStatus status =
      js_Consumers(&list, velm_broker_get_jetstream(broker), velm_stage_stream(stage), NULL, &code);
  if (status == NATS_NOT_FOUND)
    return TRUE;
  if (!check(broker, status, code, error))
    return FALSE;
  for (int i = 0; i < list->Count; i++)
    count_consumer(overview, stage, list->List[i]);
  jsConsumerInfoList_Destroy(list);
  return TRUE;
}

static gboolean count_stage(VelmBroker *broker, VelmOverview *overview, VelmStage stage,
                            GError **error) {
  GError *cause = NULL;
  g_autofree char *subjects = velm_stage_subject(stage, "*");
  g_autoptr(jsStreamInfo) info = get_stream(broker, velm_stage_stream(stage), subjects, &cause);
  VelmStageFigures *figures = &overview->stages[stage];
  figures->done_per_second = figures->in_per_second = NAN;
  if (cause) {
    g_propagate_error(error, cause);
    return FALSE;
  }
  if (!info)
    return TRUE;
  figures->jobs = info->State.Msgs;
  figures->last = info->State.LastSeq;
  count_subjects(overview, stage, info);
  return count_consumers(broker, overview, stage, error);
}

/* ---- the oldest ---- */

/* When the first message of @subject from @sequence on came; 0 where there is none. The library
 * asks by the sequence alone. */
static gint64 find_first(VelmBroker *broker, const char *stream, const char *subject,
                         guint64 sequence) {
  g_autofree char *where = g_strdup_printf("$JS.API.STREAM.MSG.GET.%s", stream);
  g_autofree char *question = g_strdup_printf(
      "{\"seq\":%" G_GUINT64_FORMAT ",\"next_by_subj\":\"%s\"}", MAX(sequence, 1), subject);
  g_autoptr(natsMsg) answer = NULL;
  if (natsConnection_RequestString(&answer, velm_broker_get_connection(broker), where, question,
                                   ANSWER_MS) != NATS_OK)
    return 0;
  g_autoptr(JsonNode) node =
      velm_json_parse_object(natsMsg_GetData(answer), (gsize)natsMsg_GetDataLength(answer));
  JsonObject *object = node ? json_node_get_object(node) : NULL;
  const char *text = velm_json_string_member(velm_json_object_member(object, "message"), "time");
  g_autoptr(GDateTime) time = text ? g_date_time_new_from_iso8601(text, NULL) : NULL;
  return time ? g_date_time_to_unix(time) * G_TIME_SPAN_SECOND + g_date_time_get_microsecond(time)
              : 0;
}

/* The answer has the whole message, so it is asked only where it may be another. */
static void find_oldest(VelmBroker *broker, VelmQueueFigures *queue,
                        const VelmQueueFigures *before) {
  if (queue->waiting + queue->in_hand == 0)
    return;
  if (before && before->oldest && before->floor == queue->floor) {
    queue->oldest = before->oldest;
    return;
  }
  g_autofree char *subject = velm_stage_subject(queue->stage, queue->product);
  queue->oldest = find_first(broker, velm_stage_stream(queue->stage), subject, queue->floor + 1);
}

/* ---- dead letters ---- */

/* Returns: (transfer full): why the last of them died; NULL where it cannot be told. */
static char *read_reason(VelmBroker *broker, VelmStage stage, const char *product) {
  g_autofree char *subject = velm_dead_subject(stage, product);
  g_autoptr(natsMsg) letter = NULL;
  const char *reason = NULL;
  if (js_GetLastMsg(&letter, velm_broker_get_jetstream(broker), VELM_STREAM_DEAD, subject, NULL,
                    NULL) != NATS_OK ||
      natsMsgHeader_Get(letter, "Velm-Reason", &reason) != NATS_OK)
    return NULL;
  return g_utf8_make_valid(reason, -1);
}

/* @before: (nullable): a look since which there were no more. */
static void count_dead_of(VelmBroker *broker, VelmOverview *overview, VelmStage stage,
                          const jsStreamStateSubject *subject, const VelmOverview *before) {
  const char *product = velm_plant_job_product(subject->Subject);
  VelmQueueFigures *queue = get_queue(overview, stage, product);
  const VelmQueueFigures *known = find_queue(before, stage, product);
  queue->dead = subject->Msgs;
  queue->reason =
      known && known->reason ? g_strdup(known->reason) : read_reason(broker, stage, product);
}

static gboolean count_dead(VelmBroker *broker, VelmOverview *overview, const VelmOverview *before,
                           GError **error) {
  GError *cause = NULL;
  g_autoptr(jsStreamInfo) info = get_stream(broker, VELM_STREAM_DEAD, "velm.dead.>", &cause);
  const jsStreamStateSubjects *subjects = info ? info->State.Subjects : NULL;
  if (cause) {
    g_propagate_error(error, cause);
    return FALSE;
  }
  overview->dead = info ? info->State.Msgs : 0;
  overview->dead_last = info ? info->State.LastSeq : 0;
  gboolean same = before && before->dead_last == overview->dead_last;
  for (int i = 0; subjects && i < subjects->Count; i++)
    for (VelmStage stage = 0; stage < VELM_N_STAGES; stage++) {
      g_autofree char *start = g_strdup_printf("velm.dead.%s.", velm_stage_name(stage));
      if (g_str_has_prefix(subjects->List[i].Subject, start))
        count_dead_of(broker, overview, stage, &subjects->List[i], same ? before : NULL);
    }
  return TRUE;
}

/* ---- the broker ---- */

static gint compare_streams(gconstpointer a, gconstpointer b) {
  const VelmStreamFigures *const *one = a, *const *other = b;
  return g_strcmp0((*one)->name, (*other)->name);
}

static void add_stream(GPtrArray *streams, const jsStreamInfo *info) {
  const char *name = info->Config->Name;
  if (!g_str_has_prefix(name, STREAM_PREFIX) && !g_str_has_prefix(name, BUCKET_PREFIX))
    return;
  VelmStreamFigures *stream = g_new0(VelmStreamFigures, 1);
  *stream = (VelmStreamFigures){g_strdup(name), info->State.Msgs, info->State.Bytes};
  g_ptr_array_add(streams, stream);
}

static gboolean measure_streams(VelmBroker *broker, GPtrArray *streams, GError **error) {
  jsStreamInfoList *list = NULL;
  jsErrCode code = 0;
  natsStatus status = js_Streams(&list, velm_broker_get_jetstream(broker), NULL, &code);
  if (status == NATS_NOT_FOUND)
    return TRUE;
  if (!check(broker, status, code, error))
    return FALSE;
  for (int i = 0; i < list->Count; i++)
    add_stream(streams, list->List[i]);
  jsStreamInfoList_Destroy(list);
  g_ptr_array_sort(streams, compare_streams);
  return TRUE;
}

/* ---- the workers ---- */

static gboolean takes(JsonObject *worker, const VelmQueueFigures *queue) {
  const char *role = velm_json_string_member(worker, "role");
  JsonArray *products = velm_json_array_member(worker, "products");
  gboolean classifies = g_strcmp0(role, "classify") == 0;
  gboolean detects = g_strcmp0(role, "detect") == 0 || g_strcmp0(role, "all") == 0;
  if (!(queue->stage == VELM_STAGE_CLASSIFY ? classifies : detects))
    return FALSE;
  for (guint i = 0; products && i < json_array_get_length(products); i++)
    if (g_strcmp0(velm_json_string_member(velm_json_object_at(products, i), "name"),
                  queue->product) == 0)
      return TRUE;
  return FALSE;
}

/* A product that workers take shows even where no job of it ever came. */
static void add_queues_of(VelmOverview *overview, JsonObject *worker) {
  const char *role = velm_json_string_member(worker, "role");
  JsonArray *products = velm_json_array_member(worker, "products");
  VelmStage stage = g_strcmp0(role, "classify") == 0 ? VELM_STAGE_CLASSIFY : VELM_STAGE_DETECT;
  for (guint i = 0; products && i < json_array_get_length(products); i++) {
    const char *name = velm_json_string_member(velm_json_object_at(products, i), "name");
    if (name)
      get_queue(overview, stage, name);
  }
}

static void count_workers(VelmOverview *overview) {
  for (guint i = 0; i < overview->workers->len; i++) {
    JsonObject *worker =
        json_node_get_object(((VelmBucketEntry *)overview->workers->pdata[i])->value);
    add_queues_of(overview, worker);
    for (guint k = 0; k < overview->queues->len; k++) {
      VelmQueueFigures *queue = overview->queues->pdata[k];
      queue->workers += takes(worker, queue);
    }
  }
}

/* ---- rates ---- */

static double rate(double change, double seconds) { return MAX(change, 0) / seconds; }

/* Each job that leaves a stage's stream is done: no other way leads out of it. */
static void compare_stage(VelmStageFigures *now, const VelmStageFigures *before, double seconds) {
  double in = (double)now->last - (double)before->last;
  now->in_per_second = rate(in, seconds);
  now->done_per_second = rate(in - ((double)now->jobs - (double)before->jobs), seconds);
}

static double count_left(const VelmQueueFigures *queue) {
  return (double)queue->waiting + (double)queue->in_hand;
}

/* A product that was not there before had nothing. */
static void compare_queue(VelmQueueFigures *now, const VelmQueueFigures *before, double seconds) {
  static const VelmQueueFigures none = {0};
  const VelmQueueFigures *old = before ? before : &none;
  double done = (double)now->taken - (double)old->taken;
  now->done_per_second = rate(done, seconds);
  now->in_per_second = rate(done + count_left(now) - count_left(old), seconds);
}

static void compare(VelmOverview *now, const VelmOverview *before) {
  double seconds = (double)(now->monotonic - before->monotonic) / G_TIME_SPAN_SECOND;
  if (seconds <= 0)
    return;
  now->seconds = seconds;
  for (VelmStage stage = 0; stage < VELM_N_STAGES; stage++)
    compare_stage(&now->stages[stage], &before->stages[stage], seconds);
  for (guint i = 0; i < now->queues->len; i++) {
    VelmQueueFigures *queue = now->queues->pdata[i];
    compare_queue(queue, find_queue(before, queue->stage, queue->product), seconds);
  }
}

/* ---- the look ---- */

static gint compare_queues(gconstpointer a, gconstpointer b) {
  const VelmQueueFigures *one = *(const VelmQueueFigures *const *)a,
                         *other = *(const VelmQueueFigures *const *)b;
  return one->stage == other->stage ? g_strcmp0(one->product, other->product)
                                    : (int)one->stage - (int)other->stage;
}

static VelmOverview *overview_new(VelmBroker *broker, const VelmOverview *before) {
  VelmOverview *overview = g_new0(VelmOverview, 1);
  overview->time = g_get_real_time();
  overview->monotonic = g_get_monotonic_time();
  overview->shown = g_strdup(velm_broker_get_shown(broker));
  overview->version =
      before && before->version ? g_strdup(before->version) : velm_broker_read_version(broker);
  overview->queues = g_ptr_array_new_with_free_func(queue_free);
  overview->streams = g_ptr_array_new_with_free_func(stream_free);
  return overview;
}

VelmOverview *velm_overview_look(VelmBroker *broker, const VelmOverview *before, GError **error) {
  if (!velm_broker_check_connected(broker, error))
    return NULL;
  g_autoptr(VelmOverview) overview = overview_new(broker, before);
  for (VelmStage stage = 0; stage < VELM_N_STAGES; stage++)
    if (!count_stage(broker, overview, stage, error))
      return NULL;
  if (!count_dead(broker, overview, before, error) ||
      !measure_streams(broker, overview->streams, error) ||
      !(overview->workers = velm_bucket_list(broker, VELM_WORKERS_BUCKET, error)) ||
      !(overview->allowances = velm_bucket_list(broker, VELM_LLM_BUCKET, error)))
    return NULL;
  count_workers(overview);
  g_ptr_array_sort(overview->queues, compare_queues);
  for (guint i = 0; i < overview->queues->len; i++) {
    VelmQueueFigures *queue = overview->queues->pdata[i];
    find_oldest(broker, queue, find_queue(before, queue->stage, queue->product));
  }
  if (before)
    compare(overview, before);
  return g_steal_pointer(&overview);
}

/* ---- allowances ---- */

/* Whole picodollars, which may be more than a number of JSON holds exactly, and are then text. */
static double read_usd(JsonObject *object, const char *name) {
  const char *text = velm_json_string_member(object, name);
  return (text ? g_ascii_strtod(text, NULL) : velm_json_double_member(object, name, 0)) /
         PICODOLLARS;
}

/* What was counted in another minute or on another day is over. */
VelmAllowance velm_allowance_read(const VelmBucketEntry *entry, gint64 now) {
  JsonObject *object = json_node_get_object(entry->value);
  g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(now / G_TIME_SPAN_SECOND);
  g_autofree char *day = g_date_time_format(time, "%Y-%m-%d");
  gboolean same_minute = velm_json_int_member(object, "window", -1) == now / G_TIME_SPAN_MINUTE;
  gboolean same_day = g_strcmp0(velm_json_string_member(object, "day"), day) == 0;
  return (VelmAllowance){.requests =
                             same_minute ? velm_json_double_member(object, "requests", 0) : 0,
                         .per_minute = velm_json_double_member(object, "per_minute", NAN),
                         .usd_today = same_day ? read_usd(object, "day_picodollars") : 0,
                         .usd_per_day = velm_json_double_member(object, "usd_per_day", NAN),
                         .usd = read_usd(object, "picodollars"),
                         .usd_in_all = velm_json_double_member(object, "usd", NAN)};
}
