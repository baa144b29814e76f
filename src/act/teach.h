/* Teaching a model from images that lie anywhere, such as a station's. */
#pragma once

#include "dataset/dataset.h"

/**
 * Teaches @model as velm_model_teach() does from a folder, but a class of the spec that has no
 * example, here or in the model, is not taught. Two classes need one.
 * @samples: (element-type VelmSample): path, label (the class's key) and group (the part); mask and
 * reference may be NULL. Those of other labels are left out. What an image is, its content says,
 * not its name
 * Returns: FALSE where it fails; @model is then as it was
 */
gboolean velm_model_teach_samples(VelmModel *model, const GPtrArray *samples, VelmSpec *spec,
                                  const VelmTeachParams *params, GError **error);

/** How many examples @model carries, for teaching it more. */
guint velm_model_count_examples(VelmModel *model);
