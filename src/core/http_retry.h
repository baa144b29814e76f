/* Which requests are sent again, and when. */
#pragma once

#include "core/circuit_breaker.h"
#include "core/http_params.h"

#include <curl/curl.h>

/** Whether a try that ended with @code, and with @status where that is CURLE_OK, may go better
 * another time: 408, 429, 5xx, a broken connection, out of time. */
gboolean velm_http_retry_is_worthwhile(CURLcode code, long status);

/** Whether a try that ended with @code may have come to the server: a connection to it stood. */
gboolean velm_http_retry_reached(CURLcode code);

/** Whether @status with a Retry-After speaks for all requests and not for one: 429 and 503. */
gboolean velm_http_retry_is_for_all(long status);

/**
 * Milliseconds before the next try: exponential backoff with full jitter (M. Brooker, "Exponential
 * Backoff And Jitter"), on top of what the server asks for, @max_wait_ms at most.
 * @tries: that were made, from 1
 * @asked_s: the answer's Retry-After in seconds; 0 for none
 */
gint64 velm_http_retry_wait(const VelmHttpParams *params, int tries, gint64 asked_s, GRand *random);

/** What a request that ended so tells of the server: a 4xx comes from one that lives, a wrong URL
 * tells nothing. @too_large: libcurl stopped because the answer is over max_response */
VelmBreakerResult velm_http_retry_verdict(CURLcode code, long status, gboolean too_large);
