/*
 * One try of one request, on a libcurl handle that is used again for the next. Redirects are not
 * followed: a key must not travel to a host that the user did not name. HTTP/2 where TLS offers it,
 * certificates are always verified, proxies are the environment's (http_proxy, https_proxy,
 * no_proxy).
 */
#pragma once

#include "core/http_params.h"

#include <curl/curl.h>

/** What all transfers of a pool share. */
typedef struct {
  struct curl_slist *headers;
  GBytes *authorities; /* PEM; NULL for libcurl's own */
  char *signing;       /* libcurl's name of the signature; NULL for none */
  char *key_id, *secret;
} VelmHttpSetup;

/** Starts libcurl, and reads @params' ca_file. Returns: (transfer full): NULL with @params'
 * error_code. */
VelmHttpSetup *velm_http_setup_new(const VelmHttpParams *params, GError **error);
void velm_http_setup_free(VelmHttpSetup *setup);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmHttpSetup, velm_http_setup_free)

/**
 * VelmHttpTransfer:
 * @owner: the caller's
 * @body: what came so far
 * @too_large: the answer had more than @limit bytes
 * @moved_at: monotonic time of the last byte, sent or received
 * @message: libcurl's, of a failure; may be empty
 */
typedef struct {
  CURL *curl;
  gpointer owner;
  GByteArray *body;
  gsize limit;
  gboolean too_large;
  curl_off_t to_send, sent, received;
  gint64 moved_at;
  char message[CURL_ERROR_SIZE];
} VelmHttpTransfer;

/** Returns: (transfer full): NULL where libcurl is out of memory. */
VelmHttpTransfer *velm_http_transfer_new(void);

/**
 * Makes @transfer ready for a try, to be driven by curl_multi.
 * @json: body of a POST, which must outlive the try; NULL for a GET
 * @time_ms: for the try
 */
void velm_http_transfer_prepare(VelmHttpTransfer *transfer, const VelmHttpParams *params,
                                const VelmHttpSetup *setup, const char *url, GBytes *json,
                                gint64 time_ms);

/** The transfer that @curl belongs to. */
VelmHttpTransfer *velm_http_transfer_of(CURL *curl);

/** Monotonic time at which the running try counts as stalled; G_MAXINT64 while it connects or the
 * server thinks. */
gint64 velm_http_transfer_stalls_at(const VelmHttpTransfer *transfer, const VelmHttpParams *params);

long velm_http_transfer_status(const VelmHttpTransfer *transfer);
/** Seconds of the answer's Retry-After, which may be a date; 0 for none. */
gint64 velm_http_transfer_retry_after(const VelmHttpTransfer *transfer);

void velm_http_transfer_free(VelmHttpTransfer *transfer);
