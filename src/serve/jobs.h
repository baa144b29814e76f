/*
 * Long work that the station does beside the line, one job after the other: teaching a product's
 * model what people's reviews say, as a version that is offered. Jobs are of this process: what
 * they made stays, they do not. A job that runs when the station ends is given up.
 */
#pragma once

#include "serve/station.h"

typedef enum {
  VELM_JOB_TEACH, /* the few-shot classifier learns reviewed records */
  VELM_JOB_REFIT, /* the detector learns images that were called good */
  VELM_N_JOB_KINDS
} VelmJobKind;

/** "teach", "refit". */
const char *velm_job_kind_name(VelmJobKind kind);

typedef enum {
  VELM_JOB_QUEUED,
  VELM_JOB_RUNNING,
  VELM_JOB_DONE,
  VELM_JOB_FAILED,
  VELM_JOB_CANCELLED,
} VelmJobState;

/** "queued", "running", "done", "failed", "cancelled". */
const char *velm_job_state_name(VelmJobState state);

/**
 * VelmJob: a job as it is at one moment.
 * @step: what it does now, of which @done of @total are done; NULL where it does not run
 * @created, @started, @ended: in microseconds of g_get_real_time(); 0 where it has not
 * @error: why it failed
 * @version: what it made; 0 for none
 */
typedef struct {
  char *id, *product, *who, *step, *error;
  VelmJobKind kind;
  VelmJobState state;
  guint64 done, total;
  gint64 created, started, ended, version;
} VelmJob;

void velm_job_free(VelmJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmJob, velm_job_free)
/** Its members, in the builder's current object. */
void velm_job_build(const VelmJob *job, JsonBuilder *builder);

VelmJobs *velm_jobs_new(VelmStation *station);
/** Starts to work on them. */
void velm_jobs_start(VelmJobs *jobs);
/** Ends, also the job that runs, which may take until its next step. */
void velm_jobs_end(VelmJobs *jobs);
void velm_jobs_free(VelmJobs *jobs);

/** Returns: (transfer full): as it waits; NULL where a job of the product waits or runs. */
VelmJob *velm_jobs_add(VelmJobs *jobs, VelmProduct *product, VelmJobKind kind, const char *who);
/** Returns: (transfer full): NULL where there is none. */
VelmJob *velm_jobs_get(VelmJobs *jobs, const char *id);
/** @product: (nullable): of any. Returns: (transfer full) (element-type VelmJob): the latest first.
 */
GPtrArray *velm_jobs_list(VelmJobs *jobs, const char *product);
/** It ends at its next step, where it has not. Returns: FALSE where there is none. */
gboolean velm_jobs_cancel(VelmJobs *jobs, const char *id);
