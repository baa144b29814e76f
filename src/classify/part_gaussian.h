/*
 * A Gaussian a class over standardised measures, of one covariance: how parts of a class differ
 * from each other, and a little of how the examples of one part do (two-covariance model, PLDA).
 * For measures that are the same in all views of a part, so that many examples of it tell no more.
 */
#pragma once

#include "classify/shots.h"
#include "classify/standardise.h"

typedef struct _VelmPartGaussian VelmPartGaussian;

/**
 * @n, @d: views, and numbers in each
 * Returns: (transfer full)
 */
VelmPartGaussian *velm_part_gaussian_learn(const VelmView *views, gsize n, guint d,
                                           const VelmShots *shots);

/** @values: velm_part_gaussian_get_size() numbers; @log_p: (out): one a class. */
void velm_part_gaussian_predict(const VelmPartGaussian *gaussian, const float *values,
                                double *log_p);

/** How many numbers a view has. */
guint velm_part_gaussian_get_size(const VelmPartGaussian *gaussian);

void velm_part_gaussian_store(const VelmPartGaussian *gaussian, VelmModel *model,
                              const char *prefix);
/** Returns: (transfer full): NULL with VELM_ERROR_MODEL. */
VelmPartGaussian *velm_part_gaussian_restore(VelmModel *model, const char *prefix, guint n_classes,
                                             GError **error);
void velm_part_gaussian_free(VelmPartGaussian *gaussian);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPartGaussian, velm_part_gaussian_free)
