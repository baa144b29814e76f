/*
 * Where images come from that are too large to be sent with a job: a job has a reference in the
 * image's place, and who works on it fetches the image.
 *
 *   file:RELATIVE/PATH      in a folder that submitters and workers share (plant/shared_folder)
 *   http://..., https://... at or below one of the addresses that are allowed
 *   s3://BUCKET/KEY         in a bucket that is allowed (plant/s3)
 *
 * References come from strangers: only what the parameters name is read. Redirections are not
 * followed, and what is asked once is not asked again: the job comes again, where that may help.
 *
 * Memory: each thread that fetches holds up to twice the bytes of its image meanwhile. Connections
 * are kept, one for each thread that ever fetched at once with others.
 */
#pragma once

#include "velm.h"

typedef struct _VelmImageSource VelmImageSource;

/**
 * VelmImageSourceParams: all may be NULL or 0
 * @shared: the folder of file:; NULL for none
 * @allowed: (array zero-terminated=1): beginnings of addresses, as velm_http_prefix_check() wants
 * them; NULL for none
 * @s3_endpoint, @s3_buckets: as for velm_s3_new(); NULL for no buckets
 * @ca_file: PEM file of certificates that are trusted besides the system's; NULL for none
 * @timeout_ms: for one image over the network; 0 for 30 s
 */
typedef struct {
  const char *shared;
  const char *const *allowed;
  const char *s3_endpoint;
  const char *const *s3_buckets;
  const char *ca_file;
  int timeout_ms;
} VelmImageSourceParams;

/** @params: copied. Returns: (transfer full): NULL with VELM_ERROR_USAGE or VELM_ERROR_FILE. */
VelmImageSource *velm_image_source_new(const VelmImageSourceParams *params, GError **error);

/**
 * Fetches the image @reference. May be called by several threads at once.
 * @source: (nullable): NULL where nothing is allowed
 * @most: bytes that it may have, up to G_MAXINT
 * @retry: (out): whether another time may go better: a server or a disk is away, slow or busy
 * Returns: (transfer full): its bytes; NULL with VELM_ERROR_USAGE where the reference is none or
 * not allowed, VELM_ERROR_IMAGE where the image is too large, or VELM_ERROR_FILE. The message names
 * the reference without user, password and query.
 */
GBytes *velm_image_source_fetch(VelmImageSource *source, const char *reference, gsize most,
                                gboolean *retry, GError **error);

/** As velm_shared_folder_refer(). Returns: NULL with VELM_ERROR_USAGE where no folder is shared,
 * too. */
char *velm_image_source_refer(VelmImageSource *source, const char *path, GError **error);

/** As velm_shared_folder_share(). Returns: NULL with VELM_ERROR_USAGE where no folder is shared,
 * too. */
char *velm_image_source_share(VelmImageSource *source, GBytes *image, GError **error);

/** No thread may be fetching anything. */
void velm_image_source_free(VelmImageSource *source);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmImageSource, velm_image_source_free)
