/*
 * A job: one image to inspect, as a message. The subject names the product, headers say the rest,
 * and the body is the image, where it is given by value.
 *
 *   Velm-Key      of the submitter's choice, the same when it tries again
 *   Velm-Name     what to call the image
 *   Velm-Part     (optional) the part that it shows
 *   Velm-Station  (optional) the station whose image it is, as its record then says
 *   Velm-Time     (optional) when it was taken, in microseconds since 1970
 *   Velm-Whole    (optional) 1: whoever waits for the record keeps it: it is to be told with all
 *                 that belongs to it
 *   Velm-Image    (instead of a body) where the image is, as for VelmImageSource
 */
#pragma once

#include "plant/streams.h"

/**
 * VelmPlantJob: @key, @name, @part, @station: as in a VelmArrival
 * @reference: (nullable): where the image is; else @image is the file as it came
 * @time: when it was taken, in microseconds of g_get_real_time()
 * @whole: the record is to be told as velm_record_message_send() tells a whole one
 */
typedef struct {
  char *key, *product, *name, *part, *station, *reference;
  GBytes *image;
  gint64 time;
  gboolean whole;
} VelmPlantJob;

void velm_plant_job_free(VelmPlantJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPlantJob, velm_plant_job_free)

/** Returns: FALSE with VELM_ERROR_USAGE where it is no job that a worker would take. */
gboolean velm_plant_job_check(const VelmPlantJob *job, GError **error);

/** The bytes that an image may have which is sent with its job: larger ones go by reference. */
gsize velm_plant_job_most(VelmBroker *broker);

/** The message that has @stage done. Returns: (transfer full): NULL with VELM_ERROR_USAGE, or
 * VELM_ERROR_FILE. */
natsMsg *velm_plant_job_to_message(VelmBroker *broker, const VelmPlantJob *job, VelmStage stage,
                                   GError **error);

/**
 * The job that @message is.
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE where it is none, or none that will do
 */
VelmPlantJob *velm_plant_job_read(natsMsg *message, GError **error);

/** The product that a job's subject names: its last word. Returns: borrowed. */
const char *velm_plant_job_product(const char *subject);

/**
 * VelmPlantReceipt: what the broker says of a job that was handed in.
 * @known: it had it already
 * @full: where it fails: the stage has as many jobs as it may, for now
 * @number: the job's, in the stage's stream
 */
typedef struct {
  gboolean known, full;
  guint64 number;
} VelmPlantReceipt;

/**
 * Hands in a job, and returns when the broker has it for good.
 * @receipt: (out) (nullable): also where it fails
 * Returns: FALSE with VELM_ERROR_USAGE where it is no job, else VELM_ERROR_FILE
 */
gboolean velm_plant_job_submit(VelmBroker *broker, const VelmPlantJob *job, VelmStage stage,
                               VelmPlantReceipt *receipt, GError **error);
