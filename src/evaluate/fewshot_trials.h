/* How good a few-shot classifier of so many examples would be: taught anew in each trial, with
 * examples drawn at random, and tested on the images of other parts. */
#pragma once

#include "evaluate/run.h"
#include "evaluate/scan.h"

/**
 * VelmTrialParams:
 * @shots: examples a class at the most
 * @seed: of the first trial; each next one has the next number
 * @trust: also set each one's level of trust, which takes several times as long
 * @oracle: teach with, and show, the ground-truth masks, not the detector's regions
 */
typedef struct {
  int shots, trials;
  guint32 seed;
  gboolean trust, oracle;
  VelmProgress progress;
  gpointer progress_data;
} VelmTrialParams;

/**
 * Adds the answers and trust levels of all trials to @classifier, whose classes are those to tell
 * apart.
 * @scans: (element-type VelmScan): looked at
 */
gboolean velm_fewshot_trials(const VelmDataset *dataset, const GPtrArray *scans,
                             const VelmTrialParams *params, VelmClassifierRun *classifier,
                             GError **error);
