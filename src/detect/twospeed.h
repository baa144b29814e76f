/*
 * Two-speed detection: a fast PatchCore looks at every part, an accurate one only at those that are
 * not clearly normal.
 *
 * The accurate one's values stand in the model as they would alone; the fast one is a model of its
 * own within.
 */
#pragma once

#include "detect/detector.h"
#include "detect/screen.h"

extern const VelmDetectorClass velm_detector_two_speed;

/** The class's fit(), in a file of its own. */
gboolean velm_two_speed_fit(const VelmDataset *dataset, const VelmFitParams *params,
                            VelmModel *model, GError **error);

/** The parts of an open two-speed detector, to be measured each alone; borrowed. */
VelmDetector *velm_two_speed_get_fast(VelmDetector *detector);
VelmDetector *velm_two_speed_get_accurate(VelmDetector *detector);
VelmScreen *velm_two_speed_get_screen(VelmDetector *detector);
