/*
 * Rows of measures, and their scaling: each measure to mean 0 and deviation 1 over the examples,
 * and clipped, for measures that were never so large in a dozen examples are not to outweigh all
 * others.
 */
#pragma once

#include "core/model.h"

#include <glib.h>

/* Standardised measures lie within plus and minus this. */
#define VELM_STANDARDISED_LIMIT 3.0F

/**
 * VelmView: one sight of an example by one kind of evidence; an example may have several.
 * @values: (borrowed)
 * @shot: index of the example
 */
typedef struct {
  const float *values;
  guint shot;
} VelmView;

typedef struct {
  guint d;
  float *mean;
  float *deviation;
} VelmStandardiser;

/** @n: at least 1; @d: numbers in each view. */
VelmStandardiser *velm_standardiser_learn(const VelmView *views, gsize n, guint d);

/** @out: d numbers. A measure that is not a number counts as typical. */
void velm_standardiser_apply(const VelmStandardiser *standardiser, const float *values, float *out);

/** Under "PREFIX.mean" and "PREFIX.deviation". */
void velm_standardiser_store(const VelmStandardiser *standardiser, VelmModel *model,
                             const char *prefix);
VelmStandardiser *velm_standardiser_restore(VelmModel *model, const char *prefix, GError **error);
void velm_standardiser_free(VelmStandardiser *standardiser);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmStandardiser, velm_standardiser_free)
