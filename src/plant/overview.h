/*
 * How a plant does, as its broker shows it: the jobs of each stage and product, the workers, what
 * the language models may still be asked, and what the broker holds. Two looks make the rates.
 */
#pragma once

#include "plant/bucket.h"
#include "plant/streams.h"

/**
 * VelmQueueFigures: a stage's jobs of one product.
 * @waiting: with no worker yet; @in_hand: with workers; @again: of these, not for the first time
 * @workers: that have told lately that they take them
 * @oldest: when the oldest of those that are not done was handed in, in microseconds since 1970; 0
 * where all are done
 * @done_per_second, @in_per_second: NAN where they are not known. What a worker got again counts
 * again
 * @dead: dead letters that are kept; @reason: (nullable): of the last
 * @taken, @floor: what the next look is compared with: jobs that went to workers and came to an
 * end, and the place in the stream up to which all are done
 */
typedef struct {
  VelmStage stage;
  char *product;
  guint64 waiting, in_hand, again;
  guint workers;
  gint64 oldest;
  double done_per_second, in_per_second;
  guint64 dead;
  char *reason;
  guint64 taken, floor;
} VelmQueueFigures;

/** VelmStageFigures: of all products; these rates are exact. @last: the jobs that it ever had */
typedef struct {
  guint64 jobs, last;
  double done_per_second, in_per_second;
} VelmStageFigures;

/** VelmStreamFigures: of a stream of the plant's, or a bucket. */
typedef struct {
  char *name;
  guint64 messages, bytes;
} VelmStreamFigures;

/**
 * VelmOverview: one look.
 * @time: in microseconds since 1970; @monotonic: likewise, of g_get_monotonic_time()
 * @seconds: since the look that it is compared with; 0 where there is none
 * @shown: the broker's hosts; @version: (nullable): its server's
 * @queues: (element-type VelmQueueFigures): by stage and product
 * @dead, @dead_last: dead letters that are kept, and that there ever were
 * @streams: (element-type VelmStreamFigures)
 * @workers: (element-type VelmBucketEntry): see plant/presence.h
 * @allowances: (element-type VelmBucketEntry): of language models
 */
typedef struct {
  gint64 time, monotonic;
  double seconds;
  char *shown, *version;
  VelmStageFigures stages[VELM_N_STAGES];
  GPtrArray *queues;
  guint64 dead, dead_last;
  GPtrArray *streams, *workers, *allowances;
} VelmOverview;

/**
 * @before: (nullable): an earlier look
 * Returns: (transfer full): NULL with VELM_ERROR_FILE where the broker does not answer
 */
VelmOverview *velm_overview_look(VelmBroker *broker, const VelmOverview *before, GError **error);
void velm_overview_free(VelmOverview *overview);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmOverview, velm_overview_free)

/** As an object, on one line. Returns: (transfer full). */
char *velm_overview_to_json(const VelmOverview *overview);

/**
 * VelmAllowance: of what language models may be asked, all workers together.
 * @requests: in the minute @window; @usd_today: on the day of @today
 * @per_minute, @usd_per_day, @usd_in_all: the limits; NAN where there are none
 */
typedef struct {
  double requests, per_minute, usd_today, usd_per_day, usd, usd_in_all;
} VelmAllowance;

/** What an entry of the allowances says, at @now in microseconds since 1970. */
VelmAllowance velm_allowance_read(const VelmBucketEntry *entry, gint64 now);
