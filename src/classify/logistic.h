/*
 * Multinomial logistic regression with an L2 penalty, on standardised measures, by FISTA (Beck and
 * Teboulle, SIAM J. Imaging Sciences 2(1), 2009).
 */
#pragma once

#include "classify/shots.h"
#include "classify/standardise.h"

typedef struct _VelmLogistic VelmLogistic;

/**
 * An example's weight (velm_shots_weights()) is shared by its views.
 * @n, @d: views, and numbers in each
 * Returns: (transfer full)
 */
VelmLogistic *velm_logistic_learn(const VelmView *views, gsize n, guint d, const VelmShots *shots);

/** @values: velm_logistic_get_size() numbers; @log_p: (out): one a class. */
void velm_logistic_predict(const VelmLogistic *logistic, const float *values, double *log_p);

/** How many numbers a view has. */
guint velm_logistic_get_size(const VelmLogistic *logistic);

void velm_logistic_store(const VelmLogistic *logistic, VelmModel *model, const char *prefix);
/** Returns: (transfer full): NULL with VELM_ERROR_MODEL. */
VelmLogistic *velm_logistic_restore(VelmModel *model, const char *prefix, guint n_classes,
                                    GError **error);
void velm_logistic_free(VelmLogistic *logistic);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmLogistic, velm_logistic_free)
