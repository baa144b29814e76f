/*
 * Hands many jobs in: some hundred are on their way to the broker at a time, and it is waited while
 * the stage has as many as it may, or the broker is away. One thread uses it.
 */
#pragma once

#include "plant/job.h"

typedef struct _VelmSubmitter VelmSubmitter;

/** @broker: must outlive it. Returns: (transfer full): NULL with VELM_ERROR_FILE. */
VelmSubmitter *velm_submitter_new(VelmBroker *broker, GError **error);
void velm_submitter_free(VelmSubmitter *submitter);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmSubmitter, velm_submitter_free)

/** Hands @job in, to be detected. The broker may not have it yet when this returns. Returns: FALSE
 * with VELM_ERROR_USAGE where it is no job, or is larger than the broker takes. */
gboolean velm_submitter_add(VelmSubmitter *submitter, const VelmPlantJob *job, GError **error);

/** Waits until the broker has all that were handed in. Returns: FALSE with VELM_ERROR_CANCELLED
 * where velm_submitter_cancel() was called. */
gboolean velm_submitter_finish(VelmSubmitter *submitter, GError **error);

/** From any thread: velm_submitter_add() and velm_submitter_finish() wait no more. */
void velm_submitter_cancel(VelmSubmitter *submitter);

/**
 * VelmSubmitted: @taken: jobs that the broker has; @known: of them, that it had already
 * @waiting: not acknowledged yet
 * @why: (nullable): why some of these had to be sent again, lately
 */
typedef struct {
  guint64 taken, known, waiting;
  char *why;
} VelmSubmitted;

/** Returns: (transfer full). */
VelmSubmitted velm_submitter_get(VelmSubmitter *submitter);
void velm_submitted_clear(VelmSubmitted *submitted);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmSubmitted, velm_submitted_clear)
