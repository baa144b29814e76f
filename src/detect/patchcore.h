/* PatchCore (arXiv 2106.08265): distance of each patch to a memory bank of good ones. */
#pragma once

#include "detect/detector.h"

extern const VelmDetectorClass velm_detector_patchcore;
