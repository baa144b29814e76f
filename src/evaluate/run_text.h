/* The figures of a run as tables for a person at a terminal. */
#pragma once

#include "evaluate/run.h"

/** Returns: (transfer full). */
char *velm_run_to_text(const VelmRun *run);

/** The results side by side, one a row, the figures of most interest only. Returns: (transfer
 * full).
 */
char *velm_run_summary(const VelmRun *run);
