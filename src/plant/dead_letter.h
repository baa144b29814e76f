/*
 * Dead letters: jobs that nothing can come of, kept as they came with the reason, for a person to
 * look at and to hand in again.
 *
 *   Velm-Reason   why, in a line
 *   Velm-Worker   who gave it up
 *   Velm-Origin   the subject that it came by
 *   Velm-Tries    how often a worker had it
 *   Velm-Record   (where there is one) the number of the record that says so
 */
#pragma once

#include "plant/streams.h"

/**
 * Keeps @message as a dead letter, once however often it is tried.
 * @tries: how often a worker had it
 * @record: 0 where there is none
 */
gboolean velm_dead_letter_send(VelmBroker *broker, natsMsg *message, VelmStage stage,
                               const char *product, const char *reason, const char *worker,
                               guint64 tries, gint64 record, GError **error);
