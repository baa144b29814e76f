/*
 * An OpenAI-compatible server of language models: where it is, which model of it answers, what it
 * says when it fails. The key comes from the environment's OPENAI_API_KEY or a file, and is in
 * nothing that leaves this file: whatever the server wrote passes velm_llm_server_shown().
 */
#pragma once

#include "core/http_pool.h"

#include <json-glib/json-glib.h>

typedef struct _VelmLlmServer VelmLlmServer;

/**
 * VelmLlmReplied: called once for a request, in the caller's thread. It may send further ones.
 * @reply: (nullable): the JSON object that the server answered with status 200
 * @status: HTTP status of the last reply; 0 where none came
 * @error: (nullable): why there is no @reply
 */
typedef void (*VelmLlmReplied)(JsonObject *reply, int status, const GError *error,
                               gpointer user_data);

/**
 * @endpoint: base URL; NULL or empty for the environment's OPENAI_BASE_URL
 * @llm: the model's name; NULL for the server's first
 * @key_file: file with the key, that nobody else may read; NULL for the environment's
 * OPENAI_API_KEY
 * @http: limits of the transport; error_code is set here, and so is bearer where it is NULL
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE or VELM_ERROR_FILE
 */
VelmLlmServer *velm_llm_server_new(const char *endpoint, const char *llm, const char *key_file,
                                   const VelmHttpParams *http, GError **error);

/** "HOST:PORT". Borrowed. */
const char *velm_llm_server_get_place(const VelmLlmServer *server);

/** Asks for the list of models, to see whether the server is there; where no model's name is known,
 * the first is taken. @replied: as of velm_llm_server_post() */
void velm_llm_server_look(VelmLlmServer *server, VelmLlmReplied replied, gpointer user_data);

/** Whether the model's name is known, so that nobody is to be asked for it. */
gboolean velm_llm_server_has_llm(const VelmLlmServer *server);

/** The model's name; the server is asked for it once, and this waits. Borrowed; NULL with
 * VELM_ERROR_LLM. Not from within a VelmLlmReplied before it is known. */
const char *velm_llm_server_get_llm(VelmLlmServer *server, GError **error);

/** Sends @json to @path below the endpoint ("/chat/completions"); @replied is called by
 * velm_llm_server_iterate() or velm_llm_server_cancel(). */
void velm_llm_server_post(VelmLlmServer *server, const char *path, GBytes *json,
                          VelmLlmReplied replied, gpointer user_data);

/** By a VelmLlmReplied: as velm_http_pool_get_outcome(). */
VelmHttpOutcome velm_llm_server_get_outcome(const VelmLlmServer *server);

/** As velm_http_pool_pending(), velm_http_pool_queued(), velm_http_pool_wake(). */
guint velm_llm_server_pending(const VelmLlmServer *server);
guint velm_llm_server_queued(const VelmLlmServer *server);
void velm_llm_server_wake(VelmLlmServer *server);

/** As velm_http_pool_iterate(). */
gboolean velm_llm_server_iterate(VelmLlmServer *server, int wait_ms);
/** All that was sent and is not answered is told VELM_ERROR_CANCELLED. */
void velm_llm_server_cancel(VelmLlmServer *server);

/** @text as it may be shown and stored: without the key, on one line, without control characters,
 * at most @limit bytes. Returns: (transfer full). */
char *velm_llm_server_shown(const VelmLlmServer *server, const char *text, gsize limit);

/** Sets VELM_ERROR_LLM, "ENDPOINT: reason". */
void velm_llm_server_fail(const VelmLlmServer *server, GError **error, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

void velm_llm_server_free(VelmLlmServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmLlmServer, velm_llm_server_free)
