/*
 * What the few-shot classifier says of labelled images that it was not taught: cross-validation
 * over parts, so that no other image of a part tells its label.
 */
#pragma once

#include "classify/fewshot.h"

/**
 * VelmCrossParams: start from velm_cross_params_default().
 * @n_repeats: how often the parts are dealt anew, 3: an answer is the mean over them
 * @seed: of the dealing
 * @progress: may be NULL
 */
typedef struct {
  guint n_repeats;
  guint32 seed;
  VelmProgress progress;
  gpointer progress_data;
} VelmCrossParams;

VelmCrossParams velm_cross_params_default(void);

/**
 * VelmCrossAnswers: one row an example, of one number a class.
 * @probabilities: means over the repeats in which the example's own class was taught; zeros where
 * there is none
 * @judged: whether there was one: there is not where no other part shows the class, or no other
 * class is left
 */
typedef struct {
  gsize n;
  guint n_classes;
  double *probabilities;
  gboolean *judged;
} VelmCrossAnswers;

/** Answers to @n images, none of which is judged. Returns: (transfer full). */
VelmCrossAnswers *velm_cross_answers_new(gsize n, guint n_classes);

/**
 * Deals the parts to VELM_MAX_FOLDS folds at random, class by class, and asks a classifier that was
 * taught the other folds of each image. The same examples and seed give the same answers.
 * @examples: each has what @detected asks for, see VelmExample
 * @class_names: NULL-terminated; a class without an example is answered with 0
 * Returns: (transfer full): NULL with VELM_ERROR_DATASET where a measure is not a number, or
 *   VELM_ERROR_CANCELLED
 */
VelmCrossAnswers *velm_cross_answers(const VelmExample *examples, gsize n,
                                     const char *const *class_names, gboolean detected,
                                     const VelmCrossParams *params, GError **error);
void velm_cross_answers_free(VelmCrossAnswers *answers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmCrossAnswers, velm_cross_answers_free)
