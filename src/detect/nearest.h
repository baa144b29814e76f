/*
 * Nearest neighbours in a memory bank, by looking at every entry: the products of all queries with
 * all entries are one matrix product, which the inference engine computes, in bf16 where the
 * processor has it. That moves a distance by some tenths of a percent, far less than parts differ.
 */
#pragma once

#include "velm.h"

typedef struct _VelmNearest VelmNearest;

/**
 * @bank: @n entries of @channels floats, copied
 * @n_queries: how many are asked at a time
 */
VelmNearest *velm_nearest_new(const float *bank, gsize n, gsize channels, gsize n_queries,
                              GError **error);

/** Euclidean distance of each of the n_queries rows of @queries to its nearest entry. @distances:
 * (out): n_queries floats. */
gboolean velm_nearest_distances(VelmNearest *nearest, const float *queries, float *distances,
                                GError **error);

void velm_nearest_free(VelmNearest *nearest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmNearest, velm_nearest_free)
