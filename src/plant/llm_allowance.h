/*
 * A gate to a language model that a plant shares: requests a minute, and money a day and in all.
 *
 * What is granted was leased before: a thread takes a few requests, and what they may cost at most,
 * from the plant's ledger (plant/llm_ledger.h), where they count as used from then on. What was not
 * used goes back within seconds. So all together never exceed the limits, whoever is killed and
 * whatever the network does: what a killed process had leased stays used, and while the broker is
 * away nothing is granted beyond what was leased. Where there is no such allowance, nothing is
 * limited.
 */
#pragma once

#include "classify/llm_gate.h"
#include "plant/broker.h"

typedef struct _VelmLlmAllowance VelmLlmAllowance;

/**
 * VelmLlmAllowanceParams: start from velm_llm_allowance_params_default().
 * @broker: borrowed; it must outlive the allowance
 * @name: borrowed and copied
 * @required: where there is none of that name, nothing may be asked
 * @patience_ms: how long too little money is waited for, which others may give back
 * @failed: (nullable): told, in a thread of the allowance, that the plant's ledger cannot be used;
 * once until it can be again
 * @now: the time in microseconds since 1970; NULL for g_get_real_time()
 */
typedef struct {
  VelmBroker *broker;
  const char *name;
  gboolean required;
  guint patience_ms;
  void (*failed)(const GError *error, gpointer user_data);
  gint64 (*now)(gpointer user_data);
  gpointer user_data;
} VelmLlmAllowanceParams;

VelmLlmAllowanceParams velm_llm_allowance_params_default(void);

/** Returns: (transfer full): NULL with VELM_ERROR_USAGE where no allowance may have that name. */
VelmLlmAllowance *velm_llm_allowance_new(const VelmLlmAllowanceParams *params, GError **error);
/** Borrowed. */
VelmLlmGate *velm_llm_allowance_get_gate(VelmLlmAllowance *allowance);
/** Gives back what is left. Nobody may be asking it any more. */
void velm_llm_allowance_free(VelmLlmAllowance *allowance);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmLlmAllowance, velm_llm_allowance_free)
