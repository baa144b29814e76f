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

#include "plant/job.h"

/** Keeps @message, from its stage's stream, as a dead letter, once however often it is tried.
 * @record: the number of the record that says so; 0 where there is none */
gboolean velm_dead_letter_send(VelmBroker *broker, natsMsg *message, VelmStage stage,
                               const char *product, const char *reason, const char *worker,
                               gint64 record, GError **error);

/**
 * VelmDeadLetter: @number: in its stream
 * @time: when it was given up, in microseconds since 1970
 * @product: as its subject says; @key, @name: (nullable): of the job, where it had them
 * @reason: why; @worker: (nullable): who gave it up; @tries: how often a worker had it
 * @bytes: of its body
 */
typedef struct {
  guint64 number, tries;
  gint64 time;
  VelmStage stage;
  char *product, *key, *name, *reason, *worker;
  gsize bytes;
} VelmDeadLetter;

void velm_dead_letter_free(VelmDeadLetter *letter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDeadLetter, velm_dead_letter_free)

/** The dead letters of @product, or of all where it is NULL, the oldest first. Returns: (transfer
 * full) (element-type VelmDeadLetter). */
GPtrArray *velm_dead_letters_list(VelmBroker *broker, const char *product, GError **error);

/** Reads one, with the job that it was. @job: (out) (nullable) (transfer full): NULL where it was
 * none. Returns: (transfer full): NULL also where there is none of that number. */
VelmDeadLetter *velm_dead_letter_get(VelmBroker *broker, guint64 number, VelmPlantJob **job,
                                     GError **error);

/**
 * Hands the job of a dead letter in again, under a key of its own, as the old one may have a record
 * that says it failed; and removes the dead letter.
 * @key: (out) (transfer full) (nullable)
 * Returns: FALSE with VELM_ERROR_USAGE where it was no job
 */
gboolean velm_dead_letter_revive(VelmBroker *broker, guint64 number, char **key, GError **error);

gboolean velm_dead_letter_remove(VelmBroker *broker, guint64 number, GError **error);
