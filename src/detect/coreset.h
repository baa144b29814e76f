/* Greedy k-centre selection of a memory bank (PatchCore, arXiv 2106.08265, algorithm 1). */
#pragma once

#include "velm.h"

/**
 * Picks the points that cover the rest best: each next one is the point farthest from those picked.
 * @points: @n points of @dims floats; n is under 2^32
 * @n_picks: at most @n
 * @first: index of the first pick
 * Returns: (transfer full): @n_picks indices in the order of picking
 *
 * The picks are exactly those of the plain algorithm; of points that are equally far, the first.
 * One thread: banks are selected side by side instead.
 */
gsize *velm_coreset_select(const float *points, gsize n, gsize dims, gsize n_picks, gsize first);

/**
 * A Gaussian random projection, which keeps distances well enough to select by (Johnson and
 * Lindenstrauss). Returns: (transfer full): @to rows of @from floats
 */
float *velm_coreset_projection(gsize from, gsize to, guint32 seed);

/** Projects @n rows of @from floats to @n rows of @to floats. */
void velm_coreset_project(const float *projection, gsize from, gsize to, const float *rows, gsize n,
                          float *projected);
