/*
 * Adds the experts' log probabilities, with weights and a temperature learnt from examples that the
 * experts had not seen (a product of experts, or logarithmic opinion pool).
 */
#pragma once

#include "classify/shots.h"
#include "core/model.h"

/* Classes taught from few parts are named too rarely: how much of log(1 + 1 / parts) is added. */
#define VELM_PART_BONUS 2.0

typedef struct _VelmBlend VelmBlend;

/**
 * @log_p: n_experts matrices, one row an example of one number a class: what each expert said of
 *   examples held back; NULL for an expert that is left out
 * @priors: n_experts: the weights from which learning starts, and to which it is drawn
 * @usable: n: the rows to learn from; with too few of these the priors stay
 * Returns: (transfer full)
 */
VelmBlend *velm_blend_learn(const double *const *log_p, const double *priors, guint n_experts,
                            const VelmShots *shots, const gboolean *usable);

/**
 * @log_p: n_experts rows of one number a class; an expert that is NULL says nothing
 * @probabilities: (out): one a class
 */
void velm_blend_predict(const VelmBlend *blend, const double *const *log_p, double *probabilities);

/** What was learnt: n_experts weights, 0 for those left out; and the factor of the weighted sum. */
const float *velm_blend_get_weights(const VelmBlend *blend);
float velm_blend_get_temperature(const VelmBlend *blend);

void velm_blend_store(const VelmBlend *blend, VelmModel *model, const char *prefix);
/** Returns: (transfer full): NULL with VELM_ERROR_MODEL. */
VelmBlend *velm_blend_restore(VelmModel *model, const char *prefix, guint n_experts,
                              guint n_classes, GError **error);
void velm_blend_free(VelmBlend *blend);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmBlend, velm_blend_free)
