/*
 * HTTP: one request at a time to a JSON service, on libcurl. Certificates are the system's, proxies
 * the environment's (http_proxy, https_proxy, no_proxy). Redirects are not followed: a key must not
 * travel to a host that the user did not name.
 */
#pragma once

#include "velm.h"

typedef struct _VelmHttp VelmHttp;

/**
 * VelmHttpParams: start from velm_http_params_default().
 * @bearer: key sent as "Authorization: Bearer KEY", copied; NULL for none
 * @connect_timeout_ms: for one connection to stand
 * @timeout_ms: for the whole request with all its tries and waits
 * @max_response: bytes that an answer may have
 * @tries: how often a request is sent at most. It is sent again after the statuses 408, 429 and 5xx
 * and a broken connection.
 * @first_wait_ms: before the second try; doubles with each further one. A server's Retry-After
 * counts where it is longer.
 * @max_wait_ms: a Retry-After over it is cut to it
 * @error_code: what a failure is to the caller
 */
typedef struct {
  const char *bearer;
  int connect_timeout_ms;
  int timeout_ms;
  gsize max_response;
  int tries;
  int first_wait_ms;
  int max_wait_ms;
  VelmError error_code;
} VelmHttpParams;

/**
 * 10 s to connect, 120 s in all, 4 MiB, 3 tries, waits of 0.5 s and 1 s, and up to 30 s where the
 * server asks for more; VELM_ERROR_FILE.
 */
VelmHttpParams velm_http_params_default(void);

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

/**
 * Returns: (transfer full): NULL with @error_code where the key cannot stand in a header or libcurl
 * cannot start
 */
VelmHttp *velm_http_new(const VelmHttpParams *params, GError **error);

/**
 * Sends a request and waits for its answer.
 * @url: http or https
 * @json: body of a POST; NULL for a GET
 * Returns: (transfer full): any complete answer, whatever its status; NULL with @error_code where
 * none came. Messages name the URL without user and password.
 */
VelmHttpResponse *velm_http_send(VelmHttp *http, const char *url, const char *json, GError **error);

/**
 * A copy of @text with the key blanked out, and so with every piece of it of 8 bytes or more:
 * servers repeat keys in their messages, and cut messages end within one. A key under 4 bytes is no
 * secret and stays.
 */
char *velm_http_redact(const VelmHttp *http, const char *text);

/** @url without user, password, query and fragment, for messages. Returns: (transfer full). */
char *velm_http_display_url(const char *url);

void velm_http_free(VelmHttp *http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmHttp, velm_http_free)
