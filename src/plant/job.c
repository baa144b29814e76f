#include "plant/job.h"

#include "act/store.h"
#include "serve/key.h"

#include <string.h>

#define KEY "Velm-Key"
#define NAME "Velm-Name"
#define PART "Velm-Part"
#define STATION "Velm-Station"
#define TIME "Velm-Time"
#define IMAGE "Velm-Image"
/* The bytes of a message that are not its image's. */
#define MOST_HEADERS 16384
#define WHOLE "Velm-Whole"

void velm_plant_job_free(VelmPlantJob *job) {
  if (!job)
    return;
  g_free(job->key);
  g_free(job->product);
  g_free(job->name);
  g_free(job->part);
  g_free(job->station);
  g_free(job->reference);
  g_clear_pointer(&job->image, g_bytes_unref);
  g_free(job);
}

/* ---- what will do ---- */

static gboolean refuse(const char *what, const char *why, GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "the job's %s %s", what, why);
  return FALSE;
}

/* @required: whether it may not be NULL. */
static gboolean check_text(const char *what, const char *text, gsize most, gboolean required,
                           GError **error) {
  if (!text)
    return !required || refuse(what, "is missing", error);
  if (!text[0] || strlen(text) > most)
    return refuse(what, text[0] ? "is too long" : "is empty", error);
  return (g_utf8_validate(text, -1, NULL) && velm_text_is_plain(text)) ||
         refuse(what, "is not plain UTF-8", error);
}

static gboolean check_image(const VelmPlantJob *job, GError **error) {
  gsize size = job->image ? g_bytes_get_size(job->image) : 0;
  if (job->reference)
    return size == 0 || refuse("image", "is given twice: by value and by reference", error);
  if (size == 0)
    return refuse("image", "is missing", error);
  return size <= VELM_STORE_MAX_IMAGE || refuse("image", "is too large", error);
}

gboolean velm_plant_job_check(const VelmPlantJob *job, GError **error) {
  if (!job->key)
    return refuse("key (" KEY ")", "is missing", error);
  if (!velm_key_is_valid(job->key))
    return refuse("key", "will not do: " VELM_KEY_RULE, error);
  return check_text("product", job->product, VELM_STORE_MAX_NAME, TRUE, error) &&
         check_text("name (" NAME ")", job->name, VELM_STORE_MAX_PATH, TRUE, error) &&
         check_text("part", job->part, VELM_STORE_MAX_NAME, FALSE, error) &&
         check_text("station", job->station, VELM_STORE_MAX_NAME, FALSE, error) &&
         check_text("reference", job->reference, VELM_STORE_MAX_PATH, FALSE, error) &&
         check_image(job, error);
}

gsize velm_plant_job_most(VelmBroker *broker) {
  gsize most = velm_broker_get_most(broker);
  return most > MOST_HEADERS ? most - MOST_HEADERS : 0;
}

/* ---- writing ---- */

static natsStatus set_header(natsMsg *message, const char *name, const char *value) {
  return value ? natsMsgHeader_Set(message, name, value) : NATS_OK;
}

static natsStatus set_headers(natsMsg *message, const VelmPlantJob *job) {
  g_autofree char *time = job->time ? g_strdup_printf("%" G_GINT64_FORMAT, job->time) : NULL;
  natsStatus status = set_header(message, KEY, job->key);
  if (status == NATS_OK)
    status = set_header(message, NAME, job->name);
  if (status == NATS_OK)
    status = set_header(message, PART, job->part);
  if (status == NATS_OK)
    status = set_header(message, STATION, job->station);
  if (status == NATS_OK)
    status = set_header(message, TIME, time);
  if (status == NATS_OK)
    status = set_header(message, IMAGE, job->reference);
  if (status == NATS_OK)
    status = set_header(message, WHOLE, job->whole ? "1" : NULL);
  return status;
}

natsMsg *velm_plant_job_to_message(VelmBroker *broker, const VelmPlantJob *job, VelmStage stage,
                                   GError **error) {
  g_autoptr(natsMsg) message = NULL;
  if (!velm_plant_job_check(job, error))
    return NULL;
  g_autofree char *subject = velm_stage_subject(stage, job->product);
  gsize size = 0;
  const char *bytes = job->image ? g_bytes_get_data(job->image, &size) : NULL;
  natsStatus status = natsMsg_Create(&message, subject, NULL, bytes, (int)size);
  if (status == NATS_OK)
    status = set_headers(message, job);
  if (!velm_broker_check(broker, status, 0, "the job cannot be written", error))
    return NULL;
  return g_steal_pointer(&message);
}

/* ---- reading ---- */

const char *velm_plant_job_product(const char *subject) {
  const char *dot = strrchr(subject, '.');
  return dot ? dot + 1 : subject;
}

/* Returns: (transfer full) (nullable). */
static char *get_header(natsMsg *message, const char *name) {
  const char *value = NULL;
  return natsMsgHeader_Get(message, name, &value) == NATS_OK ? g_strdup(value) : NULL;
}

static gboolean read_time(natsMsg *message, gint64 *time, GError **error) {
  g_autofree char *text = get_header(message, TIME);
  *time = 0;
  if (!text)
    return TRUE;
  return g_ascii_string_to_signed(text, 10, 1, G_MAXINT64, time, NULL) ||
         refuse("time (" TIME ")", "is no number of microseconds", error);
}

VelmPlantJob *velm_plant_job_read(natsMsg *message, GError **error) {
  g_autoptr(VelmPlantJob) job = g_new0(VelmPlantJob, 1);
  int size = natsMsg_GetDataLength(message);
  g_autofree char *whole = get_header(message, WHOLE);
  job->whole = g_strcmp0(whole, "1") == 0;
  job->key = get_header(message, KEY);
  job->product = g_strdup(velm_plant_job_product(natsMsg_GetSubject(message)));
  job->name = get_header(message, NAME);
  job->part = get_header(message, PART);
  job->station = get_header(message, STATION);
  job->reference = get_header(message, IMAGE);
  if (size > 0)
    job->image = g_bytes_new(natsMsg_GetData(message), (gsize)size);
  if (!read_time(message, &job->time, error) || !velm_plant_job_check(job, error))
    return NULL;
  return g_steal_pointer(&job);
}

/* ---- handing in ---- */

/* JetStream's words for a stream that is at its limits and discards what is new. */
static gboolean is_full(natsStatus status, jsErrCode code) {
  natsStatus last = NATS_OK;
  const char *detail = nats_GetLastError(&last);
  return status != NATS_OK && code == JSStreamStoreFailedErr && detail &&
         strstr(detail, "maximum ");
}

gboolean velm_plant_job_submit(VelmBroker *broker, const VelmPlantJob *job, VelmStage stage,
                               VelmPlantReceipt *receipt, GError **error) {
  g_autoptr(jsPubAck) taken = NULL;
  jsPubOptions options;
  jsErrCode code = 0;
  g_autoptr(natsMsg) message = velm_plant_job_to_message(broker, job, stage, error);
  if (receipt)
    *receipt = (VelmPlantReceipt){0};
  if (!message)
    return FALSE;
  jsPubOptions_Init(&options);
  options.MsgId = job->key;
  natsStatus status =
      js_PublishMsg(&taken, velm_broker_get_jetstream(broker), message, &options, &code);
  if (receipt && status == NATS_OK)
    *receipt = (VelmPlantReceipt){.known = taken->Duplicate, .number = taken->Sequence};
  else if (receipt)
    receipt->full = is_full(status, code);
  g_autofree char *what = g_strdup_printf("the job %s cannot be handed in", job->key);
  return velm_broker_check(broker, status, code, what, error);
}
