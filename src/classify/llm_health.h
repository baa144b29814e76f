/*
 * Whether a language model's server answers at all, for those that have something else to fall
 * back on: nobody waits for a server that is known to be away, and it is noticed when it is back.
 *
 * It is asked for its list of models, which costs nothing: once at the start, again every so often
 * while it is away, and, where that is wanted, when nothing was heard of it for a while. Any reply
 * but an error of its own (HTTP 5xx) means that it is there. One that lists its models and answers
 * no question is looked for at ever longer intervals, up to 32 times the first.
 */
#pragma once

#include "classify/llm_server.h"

typedef struct _VelmLlmHealth VelmLlmHealth;

typedef enum {
  VELM_LLM_UNTRIED, /* asked, and not answered yet; for patience_ms at the longest */
  VELM_LLM_UP,
  VELM_LLM_DOWN,
} VelmLlmState;

/**
 * VelmLlmHealthParams: start from velm_llm_health_params_default().
 * @patience_ms: how long a look at a server that does not count as away may take before it does
 * @again_ms: how long after a failure it is looked for again
 * @quiet_ms: a server that is there is looked at where nothing came from it for so long; 0: never
 * @failures: requests in a row without an answer after which it counts as away; looks between them
 * do not make them fewer
 */
typedef struct {
  int patience_ms;
  int again_ms;
  int quiet_ms;
  guint failures;
} VelmLlmHealthParams;

/** 3 s, 30 s, never, 5. */
VelmLlmHealthParams velm_llm_health_params_default(void);

/** @server: outlives the health, or is cancelled before it ends. */
VelmLlmHealth *velm_llm_health_new(VelmLlmServer *server, const VelmLlmHealthParams *params);

/** The state now; looks for the server where that is due. velm_llm_server_iterate() brings what it
 * says. */
VelmLlmState velm_llm_health_check(VelmLlmHealth *health);

/** What is known now, without a look. */
VelmLlmState velm_llm_health_get_state(const VelmLlmHealth *health);

/** Tells how a request ended. @there: the server answered, be it with a refusal. @why: borrowed;
 * what was wrong where it did not */
void velm_llm_health_note(VelmLlmHealth *health, gboolean there, const char *why);

/** What was wrong last; NULL where nothing was. Borrowed. */
const char *velm_llm_health_why(const VelmLlmHealth *health);

void velm_llm_health_free(VelmLlmHealth *health);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmLlmHealth, velm_llm_health_free)
