/*
 * The detector "ddad" (arXiv 2305.15956): a denoiser that knows good parts alone makes a part anew,
 * held to the part itself; what then differs is what it would not have made.
 */
#pragma once

#include "detect/detector.h"

extern const VelmDetectorClass velm_detector_ddad;

/** Finds the balance and the threshold for a denoiser that tools/ddad trained; VelmDetectorClass's
 * fit. */
gboolean velm_ddad_fit(const VelmDataset *dataset, const VelmFitParams *params, VelmModel *model,
                       GError **error);
