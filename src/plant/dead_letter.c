#include "plant/dead_letter.h"

#include <stdlib.h>

/* A copy with the headers that it came with, but for those that JetStream reads. */
static natsStatus copy_message(natsMsg *message, const char *subject, natsMsg **copy) {
  const char **names = NULL;
  int n = 0;
  natsStatus status =
      natsMsg_Create(copy, subject, NULL, natsMsg_GetData(message), natsMsg_GetDataLength(message));
  if (status == NATS_OK && natsMsgHeader_Keys(message, &names, &n) != NATS_OK)
    n = 0; /* there are none */
  for (int i = 0; status == NATS_OK && i < n; i++) {
    const char *value = NULL;
    if (g_str_has_prefix(names[i], "Nats-") ||
        natsMsgHeader_Get(message, names[i], &value) != NATS_OK)
      continue;
    status = natsMsgHeader_Set(*copy, names[i], value);
  }
  free(names);
  return status;
}

/* The place of a job in its stream tells it from all others. */
static char *identify(const VelmMessagePlace *place, VelmStage stage) {
  return g_strdup_printf("dead-%s-%" G_GUINT64_FORMAT "-%" G_GINT64_FORMAT, velm_stage_name(stage),
                         place->number, place->time);
}

gboolean velm_dead_letter_send(VelmBroker *broker, natsMsg *message, VelmStage stage,
                               const char *product, const char *reason, const char *worker,
                               gint64 record, GError **error) {
  const VelmMessagePlace place = velm_message_place(message);
  g_autoptr(natsMsg) letter = NULL;
  g_autofree char *subject = velm_dead_subject(stage, product);
  g_autofree char *id = identify(&place, stage);
  g_autofree char *line = g_strdelimit(g_strdup(reason), "\r\n", ' ');
  g_autofree char *count = g_strdup_printf("%" G_GUINT64_FORMAT, place.tries);
  g_autofree char *number = record ? g_strdup_printf("%" G_GINT64_FORMAT, record) : NULL;
  jsPubOptions options;
  jsErrCode code = 0;
  jsPubOptions_Init(&options);
  options.MsgId = id;
  natsStatus status = copy_message(message, subject, &letter);
  if (status == NATS_OK)
    status = natsMsgHeader_Set(letter, "Velm-Reason", line);
  if (status == NATS_OK)
    status = natsMsgHeader_Set(letter, "Velm-Worker", worker);
  if (status == NATS_OK)
    status = natsMsgHeader_Set(letter, "Velm-Origin", natsMsg_GetSubject(message));
  if (status == NATS_OK)
    status = natsMsgHeader_Set(letter, "Velm-Tries", count);
  if (status == NATS_OK && number)
    status = natsMsgHeader_Set(letter, "Velm-Record", number);
  if (status == NATS_OK)
    status = js_PublishMsg(NULL, velm_broker_get_jetstream(broker), letter, &options, &code);
  return velm_broker_check(broker, status, code, "a dead letter cannot be kept", error);
}
