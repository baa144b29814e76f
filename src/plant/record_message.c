#include "plant/record_message.h"

#include "serve/record_json.h"

#include <string.h>

static natsStatus make_message(const VelmStoredRecord *record, const char *json, const char *worker,
                               natsMsg **message) {
  g_autofree char *subject = velm_record_subject(record->product, record->key);
  natsStatus status = natsMsg_Create(message, subject, NULL, json, (int)strlen(json));
  if (status == NATS_OK)
    status = natsMsgHeader_Set(*message, "Velm-Key", record->key);
  if (status == NATS_OK)
    status = natsMsgHeader_Set(*message, "Velm-Worker", worker);
  return status;
}

gboolean velm_record_message_send(VelmBroker *broker, VelmStore *store,
                                  const VelmStoredRecord *record, const char *worker,
                                  GError **error) {
  g_autoptr(natsMsg) message = NULL;
  g_autofree char *json = velm_stored_record_to_json(store, record, error);
  if (!json)
    return FALSE;
  /* Of this record, not of its key: a job that is handed in anew may have another. */
  g_autofree char *id = g_strdup_printf("record-%" G_GINT64_FORMAT, record->id);
  jsPubOptions options;
  jsErrCode code = 0;
  jsPubOptions_Init(&options);
  options.MsgId = id;
  natsStatus status = make_message(record, json, worker, &message);
  if (status == NATS_OK)
    status = js_PublishMsg(NULL, velm_broker_get_jetstream(broker), message, &options, &code);
  return velm_broker_check(broker, status, code, "a record cannot be published", error);
}
