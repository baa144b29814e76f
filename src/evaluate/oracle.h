/* The vision expert that knows the answer: its score map is the ground-truth mask. It shows how
 * good classification would be with perfect detection (section 4). */
#pragma once

#include "detect/detector.h"

/**
 * Opens the oracle for @dataset's test images, which outlives it. A good image scores 0, all others
 * 1, against a threshold of 0.5. Where a defect image has no mask its map is 1 all over.
 */
VelmDetector *velm_oracle_open(const VelmDataset *dataset);
