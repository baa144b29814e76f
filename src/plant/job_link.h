/*
 * The link of a worker to the plant's jobs: it takes one product's jobs of a stage, has them
 * inspected, and acknowledges each when its record is on the disk and told.
 *
 * No job is lost, and none gets two records, whatever happens to this process, the broker or the
 * network: a job stays with the broker until it is acknowledged, and its key has one record. What
 * cannot be done now (the store is away, the model is not open) is held and tried again, and no
 * more are taken meanwhile. What nothing can come of becomes a dead letter.
 */
#pragma once

#include "plant/image_source.h"
#include "plant/job_counts.h"
#include "plant/streams.h"
#include "serve/link.h"
#include "serve/product.h"

/**
 * VelmJobLinkParams: @broker, @source: borrowed, and must outlive the link
 * @worker: borrowed and copied: what records and dead letters call this process
 * @pass_on: of detection jobs, suspect images get no record here, and become classification jobs
 * @most: jobs that are with the link at once
 * @most_bytes: of an image's file
 */
typedef struct {
  VelmBroker *broker;
  VelmImageSource *source;
  const char *worker;
  VelmStage stage;
  gboolean pass_on;
  guint most;
  gsize most_bytes;
} VelmJobLinkParams;

/** @product: one of @station's. Returns: (transfer full). */
VelmLink *velm_job_link_new(VelmStation *station, VelmProduct *product,
                            const VelmJobLinkParams *params);
/** What has become of the jobs that @link took. Returns: borrowed. */
VelmJobCounts *velm_job_link_get_counts(VelmLink *link);
