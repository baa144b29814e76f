/* The classification figures of a scanned test set. */
#pragma once

#include "evaluate/scan.h"

/* A count of answers against truths over several trials. */
typedef struct {
  GPtrArray *names; /* borrowed char *; "unknown" is the last */
  guint64 *confusion, *trial;
  GArray *macro;  /* of double: the trials' macro accuracies */
  double sums[4]; /* accuracy, macro F1, micro F1, kappa */
  guint images, missed;
} VelmTally;

VelmTally *velm_tally_new(const GPtrArray *class_names, gboolean with_good);
void velm_tally_count(VelmTally *tally, const char *truth, const char *answer);
/** Ends a trial: its figures are added to the sums. */
void velm_tally_close_trial(VelmTally *tally);
void velm_tally_figures(const VelmTally *tally, VelmClassificationFigures *figures);
void velm_tally_free(VelmTally *tally);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmTally, velm_tally_free)

/** Random draws of examples: teach, test on other parts. @names: of char *, the classes. */
gboolean velm_classification_trials(const VelmDataset *dataset, const GPtrArray *scans,
                                    const GPtrArray *names, const VelmEvaluateParams *params,
                                    VelmEvaluation *evaluation, GError **error);

/** The answers of the model's own classifier; @taught: the parts to leave out, NULL-terminated, or
 * NULL. */
void velm_classification_answers(const GPtrArray *scans, const GPtrArray *names,
                                 const char *const *taught, VelmEvaluation *evaluation);
