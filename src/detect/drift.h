/*
 * Whether parts still look as the training parts did: the scores of parts that are found normal
 * against the training's held-back scores, by the Kolmogorov-Smirnov distance over a sliding
 * window.
 */
#pragma once

#include "detect/detector.h"

/* How likely a run of any length warns of a drift although nothing has changed: at most so. */
#define VELM_DRIFT_FALSE_WARNINGS 0.01

typedef struct _VelmDrift VelmDrift;

/** @good: borrowed. Returns: (transfer full): NULL where there are too few scores to compare with.
 */
VelmDrift *velm_drift_new(const VelmGoodScores *good);
/** With what @model says of its detector. Returns: (transfer full): NULL where that is nothing. */
VelmDrift *velm_drift_open(VelmModel *model);

/** Takes the score of the next part into account. Returns: a warning for a person, in one line,
 * once it is sure; NULL before, and ever after. */
const char *velm_drift_add(VelmDrift *drift, double score);

void velm_drift_free(VelmDrift *drift);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDrift, velm_drift_free)
