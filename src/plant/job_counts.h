/* What has become of the jobs that a worker took of one product: a number of each outcome, and how
 * fast it has been lately. Any number of threads may use it. */
#pragma once

#include <glib.h>

/* How a job ends for a worker; one of these each time that it has it. */
typedef enum {
  VELM_JOB_DONE,       /* it has its record */
  VELM_JOB_FAILED,     /* its record says that the image could not be inspected */
  VELM_JOB_DEAD,       /* a dead letter, without a record */
  VELM_JOB_PASSED_ON,  /* to the next stage */
  VELM_JOB_GIVEN_BACK, /* another gets it */
  VELM_N_JOB_ENDS
} VelmJobEnd;

/** "done", "failed", "dead", "passed_on", "given_back". */
const char *velm_job_end_name(VelmJobEnd end);

typedef struct _VelmJobCounts VelmJobCounts;

/** Returns: (transfer full). */
VelmJobCounts *velm_job_counts_new(void);
VelmJobCounts *velm_job_counts_ref(VelmJobCounts *counts);
void velm_job_counts_unref(VelmJobCounts *counts);

/** A job is in hand from here on. */
void velm_job_counts_take(VelmJobCounts *counts);
/** And no more. @ms: how long it was; @now: of g_get_monotonic_time() */
void velm_job_counts_end(VelmJobCounts *counts, VelmJobEnd end, double ms, gint64 now);

/**
 * VelmJobFigures: @ended: since the start, by how
 * @per_second, @ms_mean: of the last minute, without those that were given back; 0 where there are
 * none
 */
typedef struct {
  guint64 ended[VELM_N_JOB_ENDS];
  guint in_hand;
  double per_second, ms_mean;
} VelmJobFigures;

VelmJobFigures velm_job_counts_get(VelmJobCounts *counts, gint64 now);
/** Adds @other's figures to @sum: both counted in the same time. */
void velm_job_figures_add(VelmJobFigures *sum, const VelmJobFigures *other);
