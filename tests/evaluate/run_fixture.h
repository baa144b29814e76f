/* A made-up run, small enough to count by hand. */
#pragma once

#include "evaluate/run.h"

/**
 * Ten images of eight parts, in "/data/a & b": good/001 to 004 (parts p1 p1 p2 p3), crack/001 to
 * 003 (p4 p4 p5), hole/001 to 003 (p6 p7 p7).
 *
 * Detector 0, "patchcore", threshold 2, with the scores
 *   good 1, 1.5, 2.5, 3.25    crack 4, 1.25, 6    hole 0.5, 5, none (it failed)
 * and detector 1, "oracle", threshold 0.5: good 0, the others 1; it has no pixel figures.
 *
 * Classifier 0, "fewshot" of detector 0, two trials; the third crack is in the examples of the
 * second trial, so that it is not asked for:
 *   trial 0: good/003 crack .9, good/004 hole .4, crack/001 crack .8, crack/002 hole .7,
 *            crack/003 crack .6, hole/001 crack .95, hole/002 hole .6
 *   trial 1: good/003 crack .5, good/004 hole .8, crack/001 crack .55, crack/002 unknown .3,
 *            hole/001 crack .97, hole/002 hole .9
 * Classifier 1, "mllm" of detector 1, one trial, without confidences:
 *   crack crack hole, hole hole good
 * The severity of crack is a defect, hole is negligible.
 *
 * Returns: (transfer full): measured
 */
VelmRun *run_fixture_new(void);
