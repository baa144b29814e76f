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
 */
gboolean velm_record_message_send(VelmBroker *broker, VelmStore *store,
                                  const VelmStoredRecord *record, const char *worker,
                                  GError **error);
