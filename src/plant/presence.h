/*
 * How each worker does, told to the plant every few seconds: an object in the bucket
 * VELM_WORKERS_BUCKET, which forgets it where it is not told again. Who stops takes it back.
 *
 *   name, host, pid, role, version, since, state
 *   products           of each: name, state, reason, jobs_in_hand
 *   done, failed, dead, passed_on, given_back, jobs_in_hand
 *   images_per_second, ms_mean   of the last minute
 *   store              the state of its store
 *   broker_reconnects
 */
#pragma once

#include "plant/job_counts.h"
#include "plant/streams.h"
#include "serve/link.h"
#include "serve/product.h"

#define VELM_WORKERS_BUCKET "velm_workers"
/** The bucket, which is made where it is not there. Returns: (transfer full): NULL with
 * VELM_ERROR_FILE. */
kvStore *velm_presence_open(VelmBroker *broker, GError **error);

/* How long a worker is remembered that says nothing any more. */
#define VELM_PRESENCE_S 30

/**
 * VelmPresenceParams: @broker: borrowed, and must outlive the link
 * @name, @role: borrowed and copied
 * @period_s: how often it is told; 0 for every 5 s
 */
typedef struct {
  VelmBroker *broker;
  const char *name, *role;
  guint period_s;
} VelmPresenceParams;

/** The link that tells how @station does. Returns: (transfer full). */
VelmLink *velm_presence_link_new(VelmStation *station, const VelmPresenceParams *params);

/** Has @presence tell what becomes of a stage's jobs of @product, before the station is started;
 * the jobs that wait for it at the broker are its metrics besides. */
void velm_presence_link_watch(VelmLink *presence, VelmStage stage, VelmProduct *product,
                              VelmJobCounts *counts);

/** The key of the worker @name in the bucket. Returns: (transfer full). */
char *velm_presence_key(const char *name);
