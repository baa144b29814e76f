/* Buckets of JetStream's key-value store, whose values are JSON objects. */
#pragma once

#include "core/json.h"
#include "plant/broker.h"

/* What the names of their streams begin with. */
#define VELM_BUCKET_STREAM "KV_"

/**
 * The bucket that @config describes. It is made where it is not there; what is there already stays
 * as it is.
 * Returns: (transfer full): NULL with VELM_ERROR_FILE
 */
kvStore *velm_bucket_open(VelmBroker *broker, kvConfig *config, GError **error);

/** VelmBucketEntry: @value: an object; @time: when it was put, in microseconds since 1970 */
typedef struct {
  char *key;
  JsonNode *value;
  gint64 time;
} VelmBucketEntry;

/**
 * What is in the bucket now, by key. Values that are no objects are left out, and a bucket that is
 * not there has none.
 * Returns: (transfer full) (element-type VelmBucketEntry): NULL with VELM_ERROR_FILE
 */
GPtrArray *velm_bucket_list(VelmBroker *broker, const char *bucket, GError **error);
