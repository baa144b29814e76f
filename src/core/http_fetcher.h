/*
 * HTTP: getting whole files, by several threads at once. Each asks once, and waits; connections are
 * kept for the next. When to ask again is for the caller to say.
 */
#pragma once

#include "core/http_params.h"

typedef struct _VelmHttpFetcher VelmHttpFetcher;

/**
 * @params: its strings must outlive the fetcher; in_flight, tries, breaker_failures, max_response,
 * max_wait_ms and too_large_code are not looked at; error_code must not be VELM_ERROR_IMAGE
 * Returns: (transfer full): NULL as of velm_http_pool_new()
 */
VelmHttpFetcher *velm_http_fetcher_new(const VelmHttpParams *params, GError **error);

/**
 * Gets @url. May be called by several threads at once.
 * @most: bytes that it may have, up to G_MAXINT
 * @retry: (out): whether another time may go better: there was no whole answer, or it was a 408, a
 * 429 or a 5xx
 * Returns: (transfer full): the bytes of an answer with status 200; NULL with @params' error_code,
 * or VELM_ERROR_IMAGE where it is too large. The message names the URL without user, password and
 * query.
 */
GBytes *velm_http_fetcher_get(VelmHttpFetcher *fetcher, const char *url, gsize most,
                              gboolean *retry, GError **error);

/** No thread may be getting anything. */
void velm_http_fetcher_free(VelmHttpFetcher *fetcher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmHttpFetcher, velm_http_fetcher_free)
