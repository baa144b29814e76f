/* The detection figures of a scanned test set. */
#pragma once

#include "evaluate/scan.h"

gboolean velm_detection_measure(const VelmDataset *dataset, const GPtrArray *scans,
                                VelmDetectionFigures *figures, GError **error);
