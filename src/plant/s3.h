/*
 * Images in an object store that speaks as Amazon's S3 does (MinIO, Ceph and others), by
 * "s3://BUCKET/KEY", with the key as it is, not percent-encoded. Buckets stand in the path of what
 * is asked, and requests are signed with AWS Signature Version 4.
 *
 * From the environment come AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN where
 * there is one, and AWS_REGION (us-east-1).
 */
#pragma once

#include "core/http_params.h"

#define VELM_S3_SCHEME "s3:"

typedef struct _VelmS3 VelmS3;

/**
 * @endpoint: (nullable): address of the store; NULL for the environment's AWS_ENDPOINT_URL
 * @buckets: (array zero-terminated=1): those that may be asked
 * @http: times and certificates, whose strings must outlive it
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE, or VELM_ERROR_FILE, where something is
 * missing or wrong
 */
VelmS3 *velm_s3_new(const char *endpoint, const char *const *buckets, const VelmHttpParams *http,
                    GError **error);

/**
 * As velm_shared_folder_read(). May be called by several threads at once.
 */
GBytes *velm_s3_read(VelmS3 *s3, const char *reference, gsize most, gboolean *retry,
                     GError **error);

void velm_s3_free(VelmS3 *s3);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmS3, velm_s3_free)
