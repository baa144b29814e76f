/*
 * What all questions to a language model share, whichever prompt asks them: the server with its
 * limit of requests in flight, the cache, the budget, and what the server was found to lack.
 */
#pragma once

#include "classify/answer_cache.h"
#include "classify/llm_gate.h"
#include "classify/llm_health.h"
#include "classify/llm_server.h"
#include "classify/prompt_queue.h"
#include "classify/served_llm.h"
#include "classify/spending.h"

/**
 * VelmLlmSession: counted references.
 * @served: the server, where it is velm's own; else NULL
 * @in_flight: requests that are with the server at once
 * @offline: nothing may be sent
 * @fail_fast: a server that is away is not asked, and none that may be is asked ahead
 * @cache: or NULL
 * @price: of the model; NULL where none is known
 * @spending: NULL before velm_llm_session_open_spending()
 * @gate: (nullable): asked before each request besides. The transport then sends a request once, as
 * another try is another request; there are @tries, and @total_ms for them all
 * @gate_at: before this monotonic time the gate has nothing else to say
 * @unbuilt: of the classifier's questions: their requests are not being built yet
 * @prompts: requests that are being built, each owned by its question
 * @held: of the classifier's questions: they wait for the budget, or for the gate
 * @max_reason: characters that a reason may have; 0 for any number
 * @schema, @log_probabilities: whether to ask for them: until the server refuses
 */
typedef struct {
  VelmLlmServer *server;
  VelmLlmHealth *health;
  VelmServedLlm *served;
  guint in_flight;
  gboolean offline, fail_fast;
  VelmAnswerCache *cache;
  VelmPrices *prices;
  const VelmLlmPrice *price;
  double budget; /* INFINITY for none */
  VelmSpending *spending;
  VelmLlmGate *gate;
  int tries, total_ms;
  gint64 gate_at;
  GQueue *unbuilt;
  VelmPromptQueue *prompts;
  GQueue *held;
  int max_reason;
  gboolean schema, log_probabilities;
} VelmLlmSession;

/**
 * @http: limits of the transport; in_flight and ca_file are @params' where it names them
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE, VELM_ERROR_FILE or VELM_ERROR_SPEC, and,
 * where a server of velm's own does not start, VELM_ERROR_LLM or VELM_ERROR_CANCELLED
 */
VelmLlmSession *velm_llm_session_new(const VelmLlmParams *params, const VelmHttpParams *http,
                                     GError **error);

/** Opens the account, once: only now are the model's name, and so its price, known. */
gboolean velm_llm_session_open_spending(VelmLlmSession *session, GError **error);

/** Whether the server is there, or nothing is to be sent to it anyway; while it is first looked for
 * this waits. */
gboolean velm_llm_session_is_there(VelmLlmSession *session);
/** Looks for the server where that is due, without waiting. Returns: how it is. */
VelmLlmState velm_llm_session_watch(VelmLlmSession *session);

/** As velm_llm_server_iterate(), and watches over a server of velm's own; it may return before
 * @wait_ms are over. */
void velm_llm_session_iterate(VelmLlmSession *session, int wait_ms);

VelmLlmSession *velm_llm_session_ref(VelmLlmSession *session);
void velm_llm_session_unref(VelmLlmSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmLlmSession, velm_llm_session_unref)
