/* PatchCore (arXiv 2106.08265): distance of each patch to a memory bank of good ones. */
#pragma once

#include "detect/detector.h"
#include "detect/patchcore_layers.h"
#include "detect/screen.h"

extern const VelmDetectorClass velm_detector_patchcore;

/** The class's fit(), in a file of its own. */
gboolean velm_patchcore_fit(const VelmDataset *dataset, const VelmFitParams *params,
                            VelmModel *model, GError **error);

/** The class's add_normal(), in a file of its own. */
gboolean velm_patchcore_add_normal(VelmModel *model, const VelmDataset *dataset,
                                   VelmProgress progress, gpointer progress_data,
                                   VelmAddition *addition, GError **error);

/** The class's detect(). @screen: stops before the full look where the early one, by the layers at
 * half the size and of the network beside, says "clearly normal"; NULL looks fully. */
gboolean velm_patchcore_look(VelmDetector *detector, VelmInspection *inspection,
                             const VelmScreen *screen, GError **error);

/** The score of the early look at an image with these @features. */
gboolean velm_patchcore_early_score(VelmDetector *detector, const VelmFeatures *features,
                                    double *score, GError **error);

/** The layers of an open PatchCore, with their banks, which are searched for @n_patches at a time.
 */
const VelmPatchLayer *velm_patchcore_get_layers(const VelmDetector *detector, gsize *n_layers,
                                                gsize *n_patches);
