#include "core/http_retry.h"

#define MOST_DOUBLINGS 20

gboolean velm_http_retry_is_worthwhile(CURLcode code, long status) {
  switch (code) {
  case CURLE_OK:
    return status == 408 || status == 429 || status >= 500;
  case CURLE_COULDNT_CONNECT:
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
  case CURLE_GOT_NOTHING:
  case CURLE_PARTIAL_FILE:
  case CURLE_HTTP2:
  case CURLE_HTTP2_STREAM:
  case CURLE_OPERATION_TIMEDOUT:
    return TRUE;
  default:
    return FALSE;
  }
}

gboolean velm_http_retry_reached(CURLcode code) {
  switch (code) {
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_FAILED_INIT:
  case CURLE_URL_MALFORMAT:
  case CURLE_COULDNT_RESOLVE_PROXY:
  case CURLE_COULDNT_RESOLVE_HOST:
  case CURLE_COULDNT_CONNECT:
  case CURLE_SSL_CONNECT_ERROR:
  case CURLE_PEER_FAILED_VERIFICATION:
    return FALSE;
  default:
    return TRUE;
  }
}

gboolean velm_http_retry_is_for_all(long status) { return status == 429 || status == 503; }

gint64 velm_http_retry_wait(const VelmHttpParams *params, int tries, gint64 asked_s,
                            GRand *random) {
  gint64 longest = params->max_wait_ms;
  gint64 range = MIN((gint64)params->first_wait_ms << MIN(tries - 1, MOST_DOUBLINGS), longest);
  gint64 asked = CLAMP(asked_s, 0, longest / 1000 + 1) * 1000; /* clamped first: no overflow */
  gint64 drawn = (gint64)(g_rand_double(random) * (double)(range + 1));
  return MIN(asked + drawn, longest);
}

VelmBreakerResult velm_http_retry_verdict(CURLcode code, long status, gboolean too_large) {
  switch (code) {
  case CURLE_OK:
    return status >= 500 ? VELM_BREAKER_FAILURE : VELM_BREAKER_SUCCESS;
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_URL_MALFORMAT:
  case CURLE_FAILED_INIT:
  case CURLE_OUT_OF_MEMORY:
    return VELM_BREAKER_NO_RESULT;
  default:
    return too_large ? VELM_BREAKER_SUCCESS : VELM_BREAKER_FAILURE;
  }
}
