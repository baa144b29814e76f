/* Scores to probabilities. */
#pragma once

#include <glib.h>

/** Shifts the @n numbers of @scores, in place, so that their exponentials sum to 1. */
void velm_log_softmax(double *scores, guint n);

/** Makes probabilities of the @n numbers of @scores, in place: their exponentials, which sum to 1.
 */
void velm_softmax(float *scores, guint n);
