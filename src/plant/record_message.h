/* The record of a job, told to whoever waits for it or follows the plant. */
#pragma once

#include "act/store.h"
#include "plant/streams.h"

/**
 * Publishes @record, of the store @store, on velm_record_subject(), where it stays for a while: a
 * message whose body is the record as GET /v1/records/{id} shows it.
 *
 *   Velm-Key     the job's
 *   Velm-Worker  who made it
 *
 * @whole: with two members more, for who keeps the record in a store of his own: "prompt", as
 * velm_store_get_prompt(), and "map", as velm_store_get_map() in Base64. The map is left out where
 * the message would be larger than the broker takes
 */
gboolean velm_record_message_send(VelmBroker *broker, VelmStore *store,
                                  const VelmStoredRecord *record, const char *worker,
                                  gboolean whole, GError **error);

/**
 * VelmRecordMessage: what such a message says.
 * @summary: as velm_summary_to_json()
 * @inspection: JSON; @prompt: (nullable), @map: (nullable): as they were kept
 * @image: its SHA-256
 * @failed: the image could not be inspected
 */
typedef struct {
  gint64 id;
  char *image, *summary, *inspection, *prompt;
  GBytes *map;
  gboolean failed;
} VelmRecordMessage;

/** Returns: (transfer full): NULL with VELM_ERROR_FILE where @message tells no record. */
VelmRecordMessage *velm_record_message_read(natsMsg *message, GError **error);
void velm_record_message_free(VelmRecordMessage *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmRecordMessage, velm_record_message_free)
