/* The words of decisions, and what each leads to where a spec does not say. */
#pragma once

#include "velm.h"

/**
 * The action of @decision where the spec names none: "pass", "pass", "reject" or "hold for review".
 * Static.
 */
const char *velm_decision_default_action(VelmDecision decision);
