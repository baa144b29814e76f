/*
 * Temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017): one
 * number, learnt from answers whose truth is known, that makes probabilities believable.
 *
 * Probabilities p become p^(1/T), renormalised: T over 1 makes them less sure, under 1 surer. Which
 * class is the likeliest does not change. No probability counts as less than
 * VELM_TEMPERATURE_FLOOR, so answers that are 1 for one class and 0 for the others can be scaled
 * too: they become as sure as such answers were right.
 */
#pragma once

#include <glib.h>

#define VELM_TEMPERATURE_FLOOR 1e-6
#define VELM_TEMPERATURE_MIN 0.05
#define VELM_TEMPERATURE_MAX 100.0

/**
 * The temperature with the least negative log-likelihood of the truths, by a one-dimensional search
 * over log T. A prior of one nat per squared log T keeps few answers that all are right from
 * making the next one certain.
 * @probabilities: @n rows of @n_classes numbers, each at least 0, that sum to 1
 * @truths: @n indices of classes; a row whose truth is -1 (none of them) is left out
 * Returns: 1 where no row is left
 */
double velm_temperature_fit(const double *probabilities, const int *truths, gsize n,
                            guint n_classes);

/** Scales @probabilities, of @n_classes, in place. @temperature: over 0 */
void velm_temperature_apply(double temperature, double *probabilities, guint n_classes);
