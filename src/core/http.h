/*
 * HTTP, one request at a time: a pool with one place, driven until the answer is there. The limits
 * are VelmHttpParams' (its in_flight is not looked at).
 */
#pragma once

#include "core/http_params.h"
#include "core/http_redact.h"

typedef struct _VelmHttp VelmHttp;

/** Returns: (transfer full): NULL as velm_http_pool_new() */
VelmHttp *velm_http_new(const VelmHttpParams *params, GError **error);

/**
 * Sends a request and waits for its answer: total_timeout_ms at most, and before that up to
 * max_wait_ms where the service's last answer asked for it.
 * @url: http or https
 * @json: body of a POST; NULL for a GET
 * Returns: (transfer full): any complete answer, whatever its status; NULL with @error_code where
 * none came. Messages name the URL without user and password.
 */
VelmHttpResponse *velm_http_send(VelmHttp *http, const char *url, const char *json, GError **error);

/** As velm_http_redact_key() with the key of @http. */
char *velm_http_redact(const VelmHttp *http, const char *text);

void velm_http_free(VelmHttp *http);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmHttp, velm_http_free)
