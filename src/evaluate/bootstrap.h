/*
 * Uncertainty by the bootstrap (Efron and Tibshirani 1993): parts are drawn anew with replacement,
 * never images, as images of one part say the same.
 */
#pragma once

#include <glib.h>

/* The draws behind every interval that velm gives, where the caller does not say otherwise. */
#define VELM_BOOTSTRAP_RESAMPLES 2000

/* A 95 % interval: the 2.5th and the 97.5th percentile of the draws. NaN where it is not defined.
 */
typedef struct {
  double low, high;
} VelmInterval;

/**
 * VelmBootstrapMeasure: computes the figures of one draw.
 * @counts: how often each item was drawn, 0 or more; all 1 would be the sample itself
 * @figures: (out): as many as the caller asked for; NaN for one that the draw leaves undefined
 */
typedef void (*VelmBootstrapMeasure)(const guint *counts, double *figures, gpointer user_data);

/**
 * Draws groups with replacement, as many as there are, and takes each figure's interval over the
 * draws in which it is defined.
 * @groups: (nullable): the name of each item's group; an item whose name is NULL is a group of its
 * own, as every item is where @groups is NULL
 * @n: items
 * @n_resamples: draws; VELM_BOOTSTRAP_RESAMPLES unless there is a reason
 * @intervals: (out): @n_figures; NaN where fewer than half of the draws define the figure, or
 * there are fewer than two groups
 */
void velm_bootstrap(const char *const *groups, gsize n, guint n_resamples, guint32 seed,
                    VelmBootstrapMeasure measure, gsize n_figures, gpointer user_data,
                    VelmInterval *intervals);

/**
 * Numbers the groups from 0, in the order of their first items. @groups, @n: as above.
 * @n_groups: (out): how many there are
 * Returns: (transfer full): the number of each item's group
 */
guint *velm_bootstrap_number_groups(const char *const *groups, gsize n, guint *n_groups);
