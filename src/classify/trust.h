/*
 * How sure the few-shot classifier must be for its answer to stand without a second opinion: the
 * level of confidence is set on taught examples that were held back, part by part, from the
 * classifier that answers for them.
 */
#pragma once

#include "classify/fewshot.h"

/* The accuracy that answers over the level are to have, where the user names none. */
#define VELM_TRUST_ACCURACY 0.95

/* One answer to an example that the classifier had not seen. */
typedef struct {
  double confidence;
  gboolean right;
} VelmHeldBack;

/**
 * What classifiers taught without their parts say of @examples. Left out: examples whose class has
 * no other part, and those that fit no class, which never stand alone.
 * @class_names, @detected: as for velm_fewshot_learn()
 * Returns: (transfer full) (element-type VelmHeldBack)
 */
GArray *velm_trust_hold_back(const VelmExample *examples, gsize n, const char *const *class_names,
                             gboolean detected);

/**
 * The least level of confidence over which c of n answers were right and (c + 1) / (n + 2), which
 * is Laplace's estimate for the next one, is at least @accuracy: a few lucky answers do not make
 * the classifier trusted (0.95 needs eighteen, all right).
 * @answers: (element-type VelmHeldBack)
 * @accuracy: 0 to 1
 * Returns: INFINITY where there is no such level
 */
double velm_trust_level(const GArray *answers, double accuracy);
