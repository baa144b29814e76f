/* Where the features of an image lie in one output of a network. */
#pragma once

#include "core/engine.h"
#include "detect/inspection.h"

/**
 * VelmFeatureGrid:
 * @tokens: [1, skip + rows * columns, channels], else [1, channels, rows, columns]
 * @skip: class and register tokens before the patches
 */
typedef struct {
  int rows, columns, channels;
  gboolean tokens;
  gsize skip;
} VelmFeatureGrid;

/** Finds the grid of a square image. Returns: FALSE where @tensor is neither a feature map nor
 * tokens. */
gboolean velm_feature_grid_of(const VelmTensor *tensor, VelmFeatureGrid *grid);

/** Writes the output's @data to the channels of @out from @offset on, averaged over squares of
 * @pool x @pool cells of its own grid and then bilinear on that of @out, where it is another. */
void velm_feature_grid_write(const VelmFeatureGrid *grid, const float *data, int pool, gsize offset,
                             VelmFeatures *out);
