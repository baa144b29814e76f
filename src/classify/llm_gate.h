/*
 * Who shares a language model with others asks first: for a request, and for the most that it may
 * cost. Beside VelmSpending, which is one process's own account.
 *
 * The functions come from the thread that asks the model, and never block it: what takes a network
 * to know is got by a thread of the gate, and the answer is "wait" meanwhile.
 */
#pragma once

#include "velm.h"

/* Whether a request may go out. */
typedef enum {
  VELM_LLM_GATE_GRANTED, /* yes, now */
  VELM_LLM_GATE_WAIT,    /* not yet */
  VELM_LLM_GATE_STOP,    /* no: what is left will not do before long */
} VelmLlmGateVerdict;

/**
 * VelmLlmGrant: what was granted for a request. It ends by one settle() or release().
 * @picodollars: the most that the request may cost
 * @minute, @day: since 1970, that it is counted in; -1 where it is not counted
 */
typedef struct {
  gint64 picodollars, minute, day;
} VelmLlmGrant;

/**
 * VelmLlmGate: any thread may call its functions.
 * @acquire: asks for a request that costs at most @picodollars, -1 where that is not known. @grant:
 * (out): where it is granted. @again: (out): where it is to wait: the monotonic time before which
 * the answer is the same. @why: (out) (transfer full): where it stops
 * @settle: it was sent. @picodollars: what it cost; -1 where that is not known, and it counts at
 * its most
 * @release: it certainly never reached the server
 */
struct _VelmLlmGate {
  VelmLlmGateVerdict (*acquire)(gpointer user_data, gint64 picodollars, VelmLlmGrant *grant,
                                gint64 *again, char **why);
  void (*settle)(gpointer user_data, const VelmLlmGrant *grant, gint64 picodollars);
  void (*release)(gpointer user_data, const VelmLlmGrant *grant);
  gpointer user_data;
};
