/* What an operator decides about a plant's streams and buckets, which are made without it. */
#pragma once

#include "plant/broker.h"

/**
 * VelmPlantSettings: 0 for what stays as it is.
 * @replicas: copies that a cluster keeps of each
 * @max_jobs: that may wait in a stage; more are refused until some are done
 */
typedef struct {
  gint64 replicas, max_jobs;
} VelmPlantSettings;

/**
 * VelmPlantStream: a stream, or the one that a bucket is; as it is now.
 * @most: messages that it may have; -1 for any
 * @messages: that it has
 */
typedef struct {
  char *name;
  gint64 replicas, most;
  guint64 messages;
} VelmPlantStream;

/**
 * Makes the streams and buckets that are not there, and changes all to @settings; whatever else
 * they are set to stays.
 * Returns: (transfer full) (element-type VelmPlantStream): all of them; NULL with VELM_ERROR_FILE:
 * what was made or changed until then stays so
 */
GPtrArray *velm_plant_set_up(VelmBroker *broker, const VelmPlantSettings *settings, GError **error);
