/* The ablation of the prompt's parts as the paper's table has it (section 4). */
#pragma once

#include "evaluate/run.h"

/**
 * A table of @run, whose first classifier has the full prompt and each other one leaves a part out:
 * figures, what leaving it out costs, with a 95 % interval and McNemar's test by parts. Returns:
 * (transfer full).
 */
char *velm_ablation_to_text(const VelmRun *run);
