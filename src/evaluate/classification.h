/* The classification figures of answers to labelled images, with their uncertainty (section 4). */
#pragma once

#include "evaluate/bootstrap.h"

#include <glib.h>

/* One answer, counted. @truth, @answer: indices of classes. @group: borrowed; the part shown. */
typedef struct {
  guint truth, answer, trial;
  const char *group;
} VelmVerdict;

/* One class. NaN where nothing is to be divided by. */
typedef struct {
  guint64 support; /* images of it, in all trials */
  double recall, precision, f1;
} VelmClassFigures;

/* The headline figures, in this order wherever they stand in an array. */
typedef enum {
  VELM_FIGURE_ACCURACY,
  VELM_FIGURE_MACRO_ACCURACY,
  VELM_FIGURE_MACRO_F1,
  VELM_FIGURE_COHEN_KAPPA,
  VELM_N_CLASS_HEADLINES
} VelmClassHeadline;

/** The headline figures of a confusion matrix. @figures: (out): VELM_N_CLASS_HEADLINES */
void velm_class_headlines(const guint64 *matrix, gsize n_classes, double *figures);

/* "accuracy", "macro_accuracy", "macro_f1", "cohen_kappa". */
const char *velm_class_headline_name(VelmClassHeadline headline);

/**
 * VelmClassificationFigures: means over the trials; the confusion matrix is their sum.
 * @intervals: 95 %, by parts (bootstrap.h), with the classifier as it was taught: what teaching it
 * with other examples would change shows in @macro_accuracy_std
 * @classes: NULL-terminated; @n_classes of them
 * @confusion: truth * n_classes + answer
 * @by_class: of VelmClassFigures, of the summed matrix
 */
typedef struct {
  gboolean measured;
  double accuracy, macro_accuracy, macro_accuracy_std, macro_f1, micro_f1, cohen_kappa;
  VelmInterval intervals[VELM_N_CLASS_HEADLINES];
  char **classes;
  gsize n_classes;
  guint64 *confusion;
  VelmClassFigures *by_class;
  guint trials, images;
  guint missed; /* of the images counted, those under the detector's threshold */
} VelmClassificationFigures;

/**
 * @verdicts: array of VelmVerdict
 * @classes: NULL-terminated
 * @figures: (out): to be cleared by velm_classification_clear()
 */
void velm_classification_measure(const GArray *verdicts, const char *const *classes, guint n_trials,
                                 VelmClassificationFigures *figures);
void velm_classification_clear(VelmClassificationFigures *figures);

/**
 * The headline figures of @verdicts where verdict i counts @counts[i] times (NULL: once); means
 * over the trials in which they are defined.
 * @figures: (out): VELM_N_CLASS_HEADLINES
 */
void velm_classification_headlines(const GArray *verdicts, gsize n_classes, guint n_trials,
                                   const guint *counts, double *figures);
