/* PatchCore (arXiv 2106.08265): distance of each patch to a memory bank of good ones. */
#pragma once

#include "detect/detector.h"
#include "detect/patchcore_layers.h"

extern const VelmDetectorClass velm_detector_patchcore;

/** The class's fit(), in a file of its own. */
gboolean velm_patchcore_fit(const VelmDataset *dataset, const VelmFitParams *params,
                            VelmModel *model, GError **error);

/** The class's add_normal(), in a file of its own. */
gboolean velm_patchcore_add_normal(VelmModel *model, const VelmDataset *dataset,
                                   VelmProgress progress, gpointer progress_data,
                                   VelmAddition *addition, GError **error);

/** The layers of an open PatchCore, with their banks. */
const VelmPatchLayer *velm_patchcore_get_layers(const VelmDetector *detector, gsize *n_layers);
