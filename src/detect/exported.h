/* An anomaly model that another tool trained and exported, anomalib say. */
#pragma once

#include "detect/detector.h"

extern const VelmDetectorClass velm_detector_exported;

/** The class's fit(), in a file of its own: the threshold of a model that is trained already. */
gboolean velm_exported_fit(const VelmDataset *dataset, const VelmFitParams *params,
                           VelmModel *model, GError **error);
