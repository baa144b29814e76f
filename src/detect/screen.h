/*
 * The rule between a fast detector and an accurate one: which parts the fast one settles, and what
 * their score is in the accurate one's unit. By the held-back scores of good training parts alone.
 */
#pragma once

#include "detect/inspection.h"

/**
 * VelmScreen: filled by the caller; arrays are borrowed and rising.
 * @fast, @accurate: scores of good parts by either detector
 * @threshold: the accurate detector's
 * @level: fast scores under it are clearly normal
 */
typedef struct {
  const float *fast, *accurate;
  gsize n_fast, n_accurate;
  double threshold, level;
} VelmScreen;

/** Sets the level that the share @onward of good parts reaches. */
void velm_screen_set_level(VelmScreen *screen, double onward);

gboolean velm_screen_is_clearly_normal(const VelmScreen *screen, double fast_score);

/** The score that the accurate detector gives as many of the good parts as score under
 * @fast_score; under the threshold. */
double velm_screen_score(const VelmScreen *screen, double fast_score);

/** Settles a part that is clearly normal by the fast look: puts score and map into the accurate
 * one's unit, and drops the features, which are not all there. */
void velm_screen_settle(const VelmScreen *screen, VelmInspection *inspection);
