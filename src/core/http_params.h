/* Limits of the HTTP transport, and what it hands back. */
#pragma once

#include "velm.h"

/**
 * VelmHttpSigning: AWS Signature Version 4, as S3 and those that speak like it ask for
 * @region: such as us-east-1; @service: such as s3
 * @key_id, @secret: of who asks; the secret is not sent
 * @token: (nullable): of a session that ends
 */
typedef struct {
  const char *region, *service, *key_id, *secret, *token;
} VelmHttpSigning;

/**
 * VelmHttpParams: start from velm_http_params_default().
 * @bearer: key sent as "Authorization: Bearer KEY", copied; NULL for none
 * @accept: the media type that is asked for; NULL for application/json
 * @signing: (nullable): sign each request, copied; for requests without a body, and without @bearer
 * @ca_file: PEM file of certificates that are trusted besides the system's, read when the pool is
 * made; NULL for none
 * @direct: by no proxy, whatever the environment names: the service is on this machine
 * @in_flight: requests that are with the server at once, 1 to 1024
 * @connect_timeout_ms: for one connection to stand
 * @timeout_ms: for one try, from connecting to the last byte of the answer
 * @total_timeout_ms: for one request with all its tries and the waits between them, from the moment
 * of its first try: the time in the queue does not count
 * @stall_timeout_ms: a try is given up where no byte moves for so long while the request is being
 * sent, or after the answer's body has begun. Between the two the server thinks, for which it has
 * @timeout_ms. 0 for no such limit.
 * @max_response: bytes that an answer may have
 * @tries: how often a request is sent at most. It is sent again after the statuses 408, 429 and
 * 5xx, a broken connection, and a try that took too long.
 * @first_wait_ms: the wait before the second try is drawn evenly from 0 to this ("full jitter");
 * the range doubles with each further try
 * @max_wait_ms: no wait is longer. A server's Retry-After is the least wait, and the drawn one
 * comes on top; one that is longer than this is cut to it.
 * @seed: of the waits; 0 for one by chance
 * @breaker_failures: requests in a row that got no answer or a 5xx, all tries included, after which
 * none is sent for @breaker_wait_ms, and then one to try; 0 for never
 * @error_code: what a failure is to the caller
 * @too_large_code: what an answer over @max_response is; 0, which is VELM_ERROR_FILE, for
 * @error_code
 */
typedef struct {
  const char *bearer;
  const char *accept;
  const VelmHttpSigning *signing;
  const char *ca_file;
  gboolean direct;
  guint in_flight;
  int connect_timeout_ms;
  int timeout_ms;
  int total_timeout_ms;
  int stall_timeout_ms;
  gsize max_response;
  int tries;
  int first_wait_ms;
  int max_wait_ms;
  guint32 seed;
  guint breaker_failures;
  int breaker_wait_ms;
  VelmError error_code;
  VelmError too_large_code;
} VelmHttpParams;

/**
 * 8 in flight; 10 s to connect, 120 s a try, 300 s in all, 30 s without a byte; 4 MiB; 3 tries,
 * waits of up to 0.5 s and 1 s, and up to 30 s where the server asks for more; 5 failures open the
 * breaker for 30 s; VELM_ERROR_FILE.
 */
VelmHttpParams velm_http_params_default(void);

/** Returns: FALSE with VELM_ERROR_USAGE where a figure is out of range, or @error_code where the
 * key cannot stand in a header. */
gboolean velm_http_params_check(const VelmHttpParams *params, GError **error);

/**
 * VelmHttpResponse:
 * @status: of the last try, such as 200 or 404
 * @body: the last answer's bytes; never NULL
 * @tries: how often the request was sent
 */
typedef struct {
  int status;
  GBytes *body;
  int tries;
} VelmHttpResponse;

void velm_http_response_free(VelmHttpResponse *response);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmHttpResponse, velm_http_response_free)
