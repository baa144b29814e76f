#include "plant/streams.h"

#define NS_PER_S G_GINT64_CONSTANT(1000000000)
#define DAY_S (24 * 60 * 60)
/* How long the broker knows a job that it was given, so that it takes it once. What comes again
 * later is known by its record. */
#define DUPLICATES_S 120
#define RECORDS_DAYS 7
#define MOST_RECORDS 200000
#define DEAD_DAYS 90
#define MOST_DEAD 100000
/* Jobs of a product that may be with workers at once, all together. */
#define MOST_PENDING 10000

static const struct {
  const char *name, *stream, *subjects;
} stages[VELM_N_STAGES] = {
    [VELM_STAGE_DETECT] = {"detect", "VELM_DETECT", "velm.detect.*"},
    [VELM_STAGE_CLASSIFY] = {"classify", "VELM_CLASSIFY", "velm.classify.*"},
};

const char *velm_stage_name(VelmStage stage) { return stages[stage].name; }
const char *velm_stage_stream(VelmStage stage) { return stages[stage].stream; }

char *velm_stage_subject(VelmStage stage, const char *product) {
  return g_strdup_printf("velm.%s.%s", stages[stage].name, product);
}

/* A key may hold what a subject may not. */
char *velm_record_subject(const char *product, const char *key) {
  g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, key, -1);
  return g_strdup_printf("velm.records.%s.%s", product, digest);
}

char *velm_dead_subject(VelmStage stage, const char *product) {
  return g_strdup_printf("velm.dead.%s.%s", stages[stage].name, product ? product : "unknown");
}

/* ---- streams ---- */

VelmStreamLimits velm_stream_limits_default(void) {
  return (VelmStreamLimits){.max_jobs = 2000000, .max_bytes = -1};
}

/* Likewise where another made it in between. */
static gboolean ensure(VelmBroker *broker, jsStreamConfig *config, GError **error) {
  g_autoptr(jsStreamInfo) info = NULL;
  jsErrCode code = 0;
  jsCtx *jetstream = velm_broker_get_jetstream(broker);
  natsStatus status = js_GetStreamInfo(&info, jetstream, config->Name, NULL, &code);
  if (status == NATS_OK)
    return TRUE;
  if (status == NATS_NOT_FOUND)
    status = js_AddStream(NULL, jetstream, config, NULL, &code);
  if (status != NATS_OK && code == JSStreamNameExistErr)
    return TRUE;
  g_autofree char *what = g_strdup_printf("the stream %s cannot be made", config->Name);
  return velm_broker_check(broker, status, code, what, error);
}

static gboolean ensure_jobs(VelmBroker *broker, VelmStage stage, const VelmStreamLimits *limits,
                            GError **error) {
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = stages[stage].stream;
  config.Subjects = (const char *[]){stages[stage].subjects};
  config.SubjectsLen = 1;
  config.Retention = js_WorkQueuePolicy;
  config.Storage = js_FileStorage;
  config.Discard = js_DiscardNew;
  config.MaxMsgs = limits->max_jobs;
  config.MaxBytes = limits->max_bytes;
  config.Duplicates = DUPLICATES_S * NS_PER_S;
  config.AllowDirect = true; /* to look for what is left */
  return ensure(broker, &config, error);
}

/* The latest of each subject, the oldest go. */
static gboolean ensure_kept(VelmBroker *broker, const char *name, const char *subjects,
                            gint64 per_subject, gint64 most, gint64 days, GError **error) {
  jsStreamConfig config;
  jsStreamConfig_Init(&config);
  config.Name = name;
  config.Subjects = (const char *[]){subjects};
  config.SubjectsLen = 1;
  config.Retention = js_LimitsPolicy;
  config.Storage = js_FileStorage;
  config.Discard = js_DiscardOld;
  config.MaxMsgsPerSubject = per_subject;
  config.MaxMsgs = most;
  config.MaxAge = days * DAY_S * NS_PER_S;
  config.Duplicates = DUPLICATES_S * NS_PER_S;
  return ensure(broker, &config, error);
}

gboolean velm_streams_ensure(VelmBroker *broker, const VelmStreamLimits *limits, GError **error) {
  VelmStreamLimits own = limits ? *limits : velm_stream_limits_default();
  for (VelmStage stage = 0; stage < VELM_N_STAGES; stage++)
    if (!ensure_jobs(broker, stage, &own, error))
      return FALSE;
  return ensure_kept(broker, VELM_STREAM_RECORDS, "velm.records.*.*", 1, MOST_RECORDS, RECORDS_DAYS,
                     error) &&
         ensure_kept(broker, VELM_STREAM_DEAD, "velm.dead.*.*", -1, MOST_DEAD, DEAD_DAYS, error);
}

gboolean velm_stage_read_mark(VelmBroker *broker, VelmStage stage, VelmStageMark *mark,
                              GError **error) {
  g_autoptr(jsStreamInfo) info = NULL;
  const char *name = stages[stage].stream;
  jsCtx *jetstream = velm_broker_get_jetstream(broker);
  jsErrCode code = 0;
  natsStatus status = js_GetStreamInfo(&info, jetstream, name, NULL, &code);
  if (status == NATS_NOT_FOUND) {
    if (!velm_streams_ensure(broker, NULL, error))
      return FALSE;
    status = js_GetStreamInfo(&info, jetstream, name, NULL, &code);
  }
  g_autofree char *what = g_strdup_printf("the stream %s cannot be looked at", name);
  if (!velm_broker_check(broker, status, code, what, error))
    return FALSE;
  *mark = (VelmStageMark){info->Created, info->State.LastSeq};
  return TRUE;
}

/* ---- consumers ---- */

gboolean velm_stage_ensure_consumer(VelmBroker *broker, VelmStage stage, const char *product,
                                    GError **error) {
  g_autofree char *subject = velm_stage_subject(stage, product);
  g_autoptr(jsConsumerInfo) info = NULL;
  jsConsumerConfig config;
  jsErrCode code = 0;
  jsCtx *jetstream = velm_broker_get_jetstream(broker);
  if (js_GetConsumerInfo(&info, jetstream, stages[stage].stream, product, NULL, NULL) == NATS_OK)
    return TRUE;
  jsConsumerConfig_Init(&config);
  config.Durable = product;
  config.AckPolicy = js_AckExplicit;
  config.AckWait = VELM_JOB_WAIT_S * NS_PER_S;
  config.MaxDeliver = -1; /* workers count: who is killed cannot say what he was killed by */
  config.FilterSubject = subject;
  config.MaxAckPending = MOST_PENDING;
  natsStatus status = js_AddConsumer(NULL, jetstream, stages[stage].stream, &config, NULL, &code);
  if (status != NATS_OK && code == JSConsumerNameExistErr)
    return TRUE;
  g_autofree char *what = g_strdup_printf("the jobs of %s cannot be taken", product);
  return velm_broker_check(broker, status, code, what, error);
}

gboolean velm_stage_subscribe(VelmBroker *broker, VelmStage stage, const char *product,
                              natsSubscription **subscription, GError **error) {
  g_autofree char *subject = velm_stage_subject(stage, product);
  jsSubOptions options;
  jsErrCode code = 0;
  if (!velm_stage_ensure_consumer(broker, stage, product, error))
    return FALSE;
  jsSubOptions_Init(&options);
  options.Stream = stages[stage].stream;
  options.Consumer = product;
  options.ManualAck = true;
  natsStatus status = js_PullSubscribe(subscription, velm_broker_get_jetstream(broker), subject,
                                       product, NULL, &options, &code);
  g_autofree char *what = g_strdup_printf("the jobs of %s cannot be taken", product);
  return velm_broker_check(broker, status, code, what, error);
}

/* ---- what a broker forgot ---- */

static gboolean read_busy(VelmBroker *broker, VelmStage stage, const char *product, gboolean *busy,
                          GError **error) {
  g_autoptr(jsConsumerInfo) info = NULL;
  jsErrCode code = 0;
  natsStatus status = js_GetConsumerInfo(&info, velm_broker_get_jetstream(broker),
                                         stages[stage].stream, product, NULL, &code);
  *busy = status != NATS_OK || info->NumAckPending > 0 || info->NumPending > 0;
  g_autofree char *what = g_strdup_printf("the jobs of %s cannot be counted", product);
  return velm_broker_check(broker, status, code, what, error);
}

gboolean velm_stage_find_forgotten(VelmBroker *broker, VelmStage stage, const char *product,
                                   guint64 after, natsMsg **message, gboolean *busy,
                                   GError **error) {
  g_autofree char *subject = velm_stage_subject(stage, product);
  jsDirectGetMsgOptions options;
  *message = NULL;
  if (!read_busy(broker, stage, product, busy, error))
    return FALSE;
  if (*busy)
    return TRUE;
  jsDirectGetMsgOptions_Init(&options);
  options.NextBySubject = subject;
  options.Sequence = after + 1;
  natsStatus status = js_DirectGetMsg(message, velm_broker_get_jetstream(broker),
                                      stages[stage].stream, NULL, &options);
  return status == NATS_NOT_FOUND ||
         velm_broker_check(broker, status, 0, "jobs cannot be looked for", error);
}

gboolean velm_stage_has(VelmBroker *broker, VelmStage stage, natsMsg *message, gboolean *has,
                        GError **error) {
  g_autoptr(natsMsg) found = NULL;
  jsErrCode code = 0;
  const VelmMessagePlace place = velm_message_place(message);
  natsStatus status = js_GetMsg(&found, velm_broker_get_jetstream(broker), stages[stage].stream,
                                place.number, NULL, &code);
  *has = status == NATS_OK && velm_message_place(found).time == place.time;
  return status == NATS_NOT_FOUND ||
         velm_broker_check(broker, status, code, "a job cannot be looked up", error);
}

gboolean velm_stage_remove(VelmBroker *broker, VelmStage stage, guint64 number, GError **error) {
  jsErrCode code = 0;
  natsStatus status =
      js_DeleteMsg(velm_broker_get_jetstream(broker), stages[stage].stream, number, NULL, &code);
  return status == NATS_NOT_FOUND || code == JSNoMessageFoundErr ||
         velm_broker_check(broker, status, code, "a job cannot be removed", error);
}

/* ---- messages ---- */

/* A consumer's message says it in its reply subject, one that was asked for by its number in
 * headers. */
VelmMessagePlace velm_message_place(natsMsg *message) {
  g_autoptr(jsMsgMetaData) data = NULL;
  if (natsMsg_GetMetaData(&data, message) != NATS_OK)
    return (VelmMessagePlace){.number = natsMsg_GetSequence(message),
                              .time = natsMsg_GetTime(message)};
  return (VelmMessagePlace){data->Sequence.Stream, data->NumDelivered, data->NumPending,
                            data->Timestamp};
}

/* One that was looked up has nobody to be answered. */
static natsStatus reply(VelmBroker *broker, natsMsg *message, const char *text) {
  const char *subject = natsMsg_GetReply(message);
  if (!subject || !subject[0])
    return NATS_OK;
  return natsConnection_PublishString(velm_broker_get_connection(broker), natsMsg_GetReply(message),
                                      text);
}

gboolean velm_message_acknowledge(VelmBroker *broker, natsMsg *message, GError **error) {
  return velm_broker_check(broker, reply(broker, message, "+ACK"), 0,
                           "a job cannot be acknowledged", error);
}

void velm_message_give_back(VelmBroker *broker, natsMsg *message, gint64 delay_s) {
  g_autofree char *text =
      g_strdup_printf("-NAK {\"delay\": %" G_GINT64_FORMAT "}", delay_s * NS_PER_S);
  reply(broker, message, delay_s > 0 ? text : "-NAK");
}

void velm_message_touch(VelmBroker *broker, natsMsg *message) { reply(broker, message, "+WPI"); }
