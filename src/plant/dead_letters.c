/* Dead letters as a person deals with them: listed, looked at, handed in again, removed. */
#include "plant/dead_letter.h"

#include <string.h>

#define NEXT_MS 5000
#define LONGEST_KEY 200
#define NS_PER_US 1000

void velm_dead_letter_free(VelmDeadLetter *letter) {
  if (!letter)
    return;
  g_free(letter->product);
  g_free(letter->key);
  g_free(letter->name);
  g_free(letter->reason);
  g_free(letter->worker);
  g_free(letter);
}

/* ---- reading ---- */

/* Returns: (transfer full) (nullable). What came as poison may be anything. */
static char *get_text(natsMsg *message, const char *header) {
  const char *value = NULL;
  return natsMsgHeader_Get(message, header, &value) == NATS_OK ? g_utf8_make_valid(value, -1)
                                                               : NULL;
}

static guint64 get_number(natsMsg *message, const char *header) {
  g_autofree char *text = get_text(message, header);
  return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

static VelmStage stage_of(const char *subject) {
  g_auto(GStrv) words = g_strsplit(subject, ".", 4);
  for (VelmStage stage = 0; stage < VELM_N_STAGES; stage++)
    if (g_strv_length(words) == 4 && g_str_equal(words[2], velm_stage_name(stage)))
      return stage;
  return VELM_STAGE_DETECT;
}

static VelmDeadLetter *read_letter(natsMsg *message) {
  VelmDeadLetter *letter = g_new0(VelmDeadLetter, 1);
  const char *subject = natsMsg_GetSubject(message);
  const VelmMessagePlace place = velm_message_place(message);
  *letter = (VelmDeadLetter){.number = place.number,
                             .time = place.time / NS_PER_US,
                             .stage = stage_of(subject),
                             .product = g_strdup(velm_plant_job_product(subject)),
                             .key = get_text(message, "Velm-Key"),
                             .name = get_text(message, "Velm-Name"),
                             .reason = get_text(message, "Velm-Reason"),
                             .worker = get_text(message, "Velm-Worker"),
                             .tries = get_number(message, "Velm-Tries"),
                             /* What the broker says of a body that it left out. */
                             .bytes = (gsize)get_number(message, "Nats-Msg-Size")};
  if (!letter->bytes)
    letter->bytes = (gsize)natsMsg_GetDataLength(message);
  return letter;
}

/* ---- listing ---- */

/* Headers alone: bodies may be many and large. */
static natsStatus follow(VelmBroker *broker, const char *subject, natsSubscription **subscription,
                         jsErrCode *code) {
  jsSubOptions options;
  jsSubOptions_Init(&options);
  options.Stream = VELM_STREAM_DEAD;
  options.Ordered = true;
  options.Config.HeadersOnly = true;
  return js_SubscribeSync(subscription, velm_broker_get_jetstream(broker), subject, NULL, &options,
                          code);
}

static natsStatus read_all(natsSubscription *subscription, GPtrArray *letters) {
  jsConsumerInfo *info = NULL;
  natsStatus status = natsSubscription_GetConsumerInfo(&info, subscription, NULL, NULL);
  guint64 pending = info ? info->NumPending + (guint64)info->Delivered.Consumer : 0;
  jsConsumerInfo_Destroy(info);
  while (status == NATS_OK && pending > 0) {
    g_autoptr(natsMsg) message = NULL;
    status = natsSubscription_NextMsg(&message, subscription, NEXT_MS);
    if (status != NATS_OK)
      break;
    g_ptr_array_add(letters, read_letter(message));
    pending = velm_message_place(message).pending;
  }
  return status;
}

GPtrArray *velm_dead_letters_list(VelmBroker *broker, const char *product, GError **error) {
  g_autoptr(GPtrArray) letters =
      g_ptr_array_new_with_free_func((GDestroyNotify)velm_dead_letter_free);
  g_autoptr(natsSubscription) subscription = NULL;
  g_autofree char *subject = g_strdup_printf("velm.dead.*.%s", product ? product : "*");
  jsErrCode code = 0;
  natsStatus status = follow(broker, subject, &subscription, &code);
  if (status == NATS_OK)
    status = read_all(subscription, letters);
  if (subscription)
    natsSubscription_Unsubscribe(subscription);
  return velm_broker_check(broker, status, code, "dead letters cannot be listed", error)
             ? g_steal_pointer(&letters)
             : NULL;
}

/* ---- one of them ---- */

static gboolean get_message(VelmBroker *broker, guint64 number, natsMsg **message, GError **error) {
  jsErrCode code = 0;
  natsStatus status =
      js_GetMsg(message, velm_broker_get_jetstream(broker), VELM_STREAM_DEAD, number, NULL, &code);
  if (status == NATS_NOT_FOUND) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "there is no dead letter %" G_GUINT64_FORMAT,
                number);
    return FALSE;
  }
  return velm_broker_check(broker, status, code, "a dead letter cannot be read", error);
}

VelmDeadLetter *velm_dead_letter_get(VelmBroker *broker, guint64 number, VelmPlantJob **job,
                                     GError **error) {
  g_autoptr(natsMsg) message = NULL;
  if (!get_message(broker, number, &message, error))
    return NULL;
  if (job)
    *job = velm_plant_job_read(message, NULL);
  return read_letter(message);
}

/* Of the key that it had, shortened where it must be, and the number. */
static void renew_key(VelmPlantJob *job, guint64 number) {
  g_autofree char *suffix = g_strdup_printf("~%" G_GUINT64_FORMAT, number);
  g_autofree char *old = job->key;
  job->key = g_strdup_printf("%.*s%s", (int)(LONGEST_KEY - strlen(suffix)), old, suffix);
}

static gboolean hand_in_again(VelmBroker *broker, natsMsg *message, guint64 number, char **key,
                              GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(VelmPlantJob) job = velm_plant_job_read(message, &cause);
  if (!job) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "the dead letter %" G_GUINT64_FORMAT " cannot be handed in again: %s", number,
                cause->message);
    return FALSE;
  }
  renew_key(job, number);
  if (!velm_plant_job_submit(broker, job, stage_of(natsMsg_GetSubject(message)), NULL, error))
    return FALSE;
  if (key)
    *key = g_steal_pointer(&job->key);
  return TRUE;
}

gboolean velm_dead_letter_revive(VelmBroker *broker, guint64 number, char **key, GError **error) {
  g_autoptr(natsMsg) message = NULL;
  return get_message(broker, number, &message, error) &&
         hand_in_again(broker, message, number, key, error) &&
         velm_dead_letter_remove(broker, number, error);
}

gboolean velm_dead_letter_remove(VelmBroker *broker, guint64 number, GError **error) {
  jsErrCode code = 0;
  natsStatus status =
      js_DeleteMsg(velm_broker_get_jetstream(broker), VELM_STREAM_DEAD, number, NULL, &code);
  return velm_broker_check(broker, status, code, "a dead letter cannot be removed", error);
}
