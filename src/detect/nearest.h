/*
 * Nearest neighbours in a memory bank: exact, though few entries are compared in full.
 *
 * The distance of two projections never is more than the distance of what is projected. So a query
 * and an entry are first compared in the few directions in which the bank varies most; only an
 * entry that is nearer there than the best one so far is in all of them. No distances are stored.
 */
#pragma once

#include "velm.h"

typedef struct _VelmNearest VelmNearest;

/**
 * @bank: @n entries of @channels floats, which must stay
 * @n_queries: how many are asked at a time
 */
VelmNearest *velm_nearest_new(const float *bank, gsize n, gsize channels, gsize n_queries,
                              GError **error);

/**
 * Euclidean distance of each of the n_queries rows of @queries to its nearest entry, infinite for
 * a query that is not a number. @distances: (out): n_queries floats.
 *
 * Any number of threads may ask at once. The work is shared out by velm_parallel().
 */
gboolean velm_nearest_distances(const VelmNearest *nearest, const float *queries, float *distances,
                                GError **error);

/** Of @n_queries queries, the mean number of entries that are compared in full. */
double velm_nearest_compared(const VelmNearest *nearest, const float *queries);

void velm_nearest_free(VelmNearest *nearest);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmNearest, velm_nearest_free)
