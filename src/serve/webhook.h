/*
 * Telling another machine of a record: a POST of its JSON, signed.
 *
 * Velm-Signature: t=SECONDS,v1=HEX, where HEX is the HMAC-SHA256 of "SECONDS.BODY" with the key
 * that both know: who checks it and the time knows that it comes from the station, and is not an
 * old one that somebody sends again.
 */
#pragma once

#include "velm.h"

typedef struct _VelmWebhook VelmWebhook;

/** @key: (nullable): NULL to sign nothing. Returns: (transfer full): to be used by one thread at a
 * time; NULL with VELM_ERROR_FILE where libcurl does not start. */
VelmWebhook *velm_webhook_new(const char *key, GError **error);
void velm_webhook_free(VelmWebhook *webhook);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmWebhook, velm_webhook_free)

/** Whether @url is http or https, without a user or a password in it. */
gboolean velm_webhook_check_url(const char *url, GError **error);

/** Sends @json to @url, once, and waits for the answer for seconds at most. Redirections are not
 * followed. Returns: FALSE with VELM_ERROR_FILE where the answer is not 2xx, or there is none. */
gboolean velm_webhook_send(VelmWebhook *webhook, const char *url, const char *json, GError **error);
