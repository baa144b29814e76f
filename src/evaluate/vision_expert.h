/* Vision experts by name, so that they can be measured side by side. */
#pragma once

#include "detect/detector.h"

/**
 * VelmVisionExpert:
 * @name: as in tables
 * @detector: scores the images; where its maps are given, the model's own detector looks as well,
 * as the classifier may ask for its features
 * @model: that @detector and classifiers are opened with; borrowed, or @own_model
 * @oracle: it marks the ground truth
 */
typedef struct {
  char *name;
  VelmDetector *detector;
  VelmModel *model;
  VelmModel *own_model;
  gboolean oracle;
} VelmVisionExpert;

/**
 * @name: "model" or the name of the detector that @model holds (patchcore), "oracle",
 * "heatmaps:FOLDER" or "heatmaps:FOLDER@THRESHOLD" (detect/heatmaps.h), or the path of another
 * model file, ending in ".velm"
 * @model, @dataset: outlive the expert
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE for an unknown name
 */
VelmVisionExpert *velm_vision_expert_open(const char *name, VelmModel *model,
                                          const VelmDataset *dataset, GError **error);
void velm_vision_expert_free(VelmVisionExpert *expert);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmVisionExpert, velm_vision_expert_free)
