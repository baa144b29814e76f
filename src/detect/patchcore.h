/* PatchCore (arXiv 2106.08265): distance of each patch to a memory bank of good ones. */
#pragma once

#include "detect/detector.h"

extern const VelmDetectorClass velm_detector_patchcore;

/** The class's fit(), in a file of its own. */
gboolean velm_patchcore_fit(const VelmDataset *dataset, const VelmFitParams *params,
                            VelmModel *model, GError **error);
