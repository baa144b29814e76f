/*
 * What of JetStream a plant uses. Whoever comes first makes it; what is there already stays as it
 * is, so that an operator's own limits and replicas hold (plant/set_up.h).
 *
 *   VELM_DETECT    velm.detect.PRODUCT         jobs: images to inspect, each until it is done
 *   VELM_CLASSIFY  velm.classify.PRODUCT       jobs: suspect images, for a language model to name
 *   VELM_RECORDS   velm.records.PRODUCT.DIGEST what came of each job, for a while
 *   VELM_DEAD      velm.dead.STAGE.PRODUCT     jobs that nothing can come of, with the reason
 *
 * A product's jobs of a stage are one durable consumer, named after the product: workers share it,
 * and those of one stage never wait for those of another.
 */
#pragma once

#include "plant/broker.h"

/** What is done with a job. */
typedef enum { VELM_STAGE_DETECT, VELM_STAGE_CLASSIFY, VELM_N_STAGES } VelmStage;

#define VELM_STREAM_RECORDS "VELM_RECORDS"
#define VELM_STREAM_DEAD "VELM_DEAD"

/** "detect", "classify". */
const char *velm_stage_name(VelmStage stage);
/** The stream of its jobs. */
const char *velm_stage_stream(VelmStage stage);
/** The subject of its jobs of @product. Returns: (transfer full). */
char *velm_stage_subject(VelmStage stage, const char *product);
/** The subject of the record with @key. Returns: (transfer full). */
char *velm_record_subject(const char *product, const char *key);
/** The subject of dead letters. @product: (nullable): where none can be told. Returns: (transfer
 * full). */
char *velm_dead_subject(VelmStage stage, const char *product);

/**
 * VelmStreamLimits: of streams that are made.
 * @max_jobs: that may wait in a stage; more are refused until some are done
 * @max_bytes: that these may have; -1 for any
 */
typedef struct {
  gint64 max_jobs, max_bytes;
} VelmStreamLimits;

VelmStreamLimits velm_stream_limits_default(void);

/** Makes the streams that are not there. @limits: (nullable). */
gboolean velm_streams_ensure(VelmBroker *broker, const VelmStreamLimits *limits, GError **error);

/**
 * VelmStageMark: what tells that a broker has lost jobs: then it has another stream, or less of it.
 * @made: when the stage's stream was made, in nanoseconds since 1970
 * @last: the number of its last job, done or not
 */
typedef struct {
  gint64 made;
  guint64 last;
} VelmStageMark;

/** Reads it, after making the streams where that of @stage is not there. */
gboolean velm_stage_read_mark(VelmBroker *broker, VelmStage stage, VelmStageMark *mark,
                              GError **error);

/* How long a worker may be silent about a job before another gets it. */
#define VELM_JOB_WAIT_S 30

/** Makes the consumer of a stage's jobs of @product, where it is not there. */
gboolean velm_stage_ensure_consumer(VelmBroker *broker, VelmStage stage, const char *product,
                                    GError **error);
/** Joins those who take these jobs. @subscription: (out) (transfer full). */
gboolean velm_stage_subscribe(VelmBroker *broker, VelmStage stage, const char *product,
                              natsSubscription **subscription, GError **error);

/**
 * Looks for a job that a broker which was killed has forgotten: it is in the stream, and nobody is
 * given it. It may be done or not: only its record tells.
 * @after: the number of the one before, or 0
 * @message: (out) (transfer full): NULL where there is none; it has no velm_message_acknowledge(),
 * but is removed by velm_stage_remove()
 * @busy: (out): jobs are with workers or wait for some: what is forgotten cannot be told from these
 */
gboolean velm_stage_find_forgotten(VelmBroker *broker, VelmStage stage, const char *product,
                                   guint64 after, natsMsg **message, gboolean *busy,
                                   GError **error);
/** Whether @message still is what the stage's stream has by its number: a broker that lost its data
 * gives that to another job. @has: (out). */
gboolean velm_stage_has(VelmBroker *broker, VelmStage stage, natsMsg *message, gboolean *has,
                        GError **error);
/** Removes such a job; one that is gone is no failure. */
gboolean velm_stage_remove(VelmBroker *broker, VelmStage stage, guint64 number, GError **error);

/**
 * VelmMessagePlace: where a message of a stream is.
 * @number: in its stream; @time: when it came there, in nanoseconds since 1970
 * @tries: how often it was given to somebody; @pending: how many follow it; both only of a
 * consumer's message
 */
typedef struct {
  guint64 number, tries, pending;
  gint64 time;
} VelmMessagePlace;

VelmMessagePlace velm_message_place(natsMsg *message);

/** What a consumer's message is answered with; it may have outlived its subscription. */
gboolean velm_message_acknowledge(VelmBroker *broker, natsMsg *message, GError **error);
/** Somebody is to get it again after @delay_s. A broker that is away gives it again by itself. */
void velm_message_give_back(VelmBroker *broker, natsMsg *message, gint64 delay_s);
/** It is being worked at: nobody else gets it for another VELM_JOB_WAIT_S. */
void velm_message_touch(VelmBroker *broker, natsMsg *message);
