/*
 * The figures of recorded answers, a category at a time and as means over the categories, as in the
 * tables of the method's paper (section 4). docs/predictions.md describes them.
 */
#pragma once

#include "evaluate/classification.h"
#include "evaluate/recorded.h"
#include "evaluate/severity_trials.h"

/**
 * VelmPredictionFigures:
 * @answers: how many were counted
 * @unknown: those of them that name no class of their category
 * @headlines: by VelmClassHeadline; NaN where not defined. The micro F1 is the accuracy, as every
 * image has one class and one answer.
 * @intervals: 95 %, each answer a group of its own (bootstrap.h)
 */
typedef struct {
  guint answers, unknown;
  double headlines[VELM_N_CLASS_HEADLINES];
  VelmInterval intervals[VELM_N_CLASS_HEADLINES];
} VelmPredictionFigures;

/**
 * VelmCategoryPredictions:
 * @labels: of guint, those that occur in truths or answers, upwards (recorded.h)
 * @confusion: truth * labels->len + answer, by index into @labels
 */
typedef struct {
  const VelmRecordedCategory *category; /* borrowed */
  VelmPredictionFigures figures;
  GArray *labels;
  guint64 *confusion;
} VelmCategoryPredictions;

/**
 * VelmPredictions:
 * @categories: of VelmCategoryPredictions, those with answers, in the order of the descriptions
 * @overall: each headline is the mean over the categories in which it is defined
 */
typedef struct {
  GPtrArray *categories;
  VelmPredictionFigures overall;
} VelmPredictions;

/**
 * Computes the figures of all answers.
 * @recorded: must outlive the result
 * @n_resamples: draws behind the intervals; 0 for none
 */
VelmPredictions *velm_predictions_measure(const VelmRecorded *recorded, guint n_resamples);
void velm_predictions_free(VelmPredictions *predictions);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPredictions, velm_predictions_free)

/** One JSON object on one line. @trials: may be NULL. Returns: (transfer full). */
char *velm_predictions_to_json(const VelmPredictions *predictions,
                               const VelmSeverityTrials *trials);

/** Tables for people. @matrices: with the confusion matrices. @trials: may be NULL.
 * Returns: (transfer full). */
char *velm_predictions_to_text(const VelmPredictions *predictions, const VelmSeverityTrials *trials,
                               gboolean matrices);

/** A header, a row a category and the row "overall", separated by commas. Returns: (transfer full).
 */
char *velm_predictions_to_csv(const VelmPredictions *predictions);
