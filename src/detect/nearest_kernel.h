/*
 * The inner loops of the nearest-neighbour search, for the vectors that the processor has.
 *
 * Entries come in panels of VELM_PANEL, transposed: a row of biases, then one row a dimension.
 * Queries come in groups of VELM_GROUP rows. All products of a group with a panel stay in
 * registers until they are complete.
 */
#pragma once

#include <glib.h>

#define VELM_PANEL 32 /* bits of a guint32 */
#define VELM_GROUP 6

typedef struct {
  const char *name;
  /**
   * @products: (out): VELM_GROUP rows of VELM_PANEL: bias + query times entry
   * @limits: one a query
   * @over: (out): for each query a bit for each product over its limit; NaN is over none
   * Returns: whether any is
   */
  gboolean (*multiply)(const float *queries, const float *panel, gsize dims, const float *limits,
                       float *products, guint32 *over);
  /** Squared Euclidean distance, from the differences: exact but for the rounding of its sum. */
  float (*distance2)(const float *a, const float *b, gsize dims);
} VelmNearestKernel;

/** The fastest that this processor runs. */
const VelmNearestKernel *velm_nearest_kernel(void);
