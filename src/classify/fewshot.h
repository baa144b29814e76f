/*
 * The embedded classifier: learns the user's classes from a few labelled images.
 *
 * Each kind of evidence has an expert of its own, so that a dozen geometric measures are not
 * drowned by a thousand features; their log probabilities are added with weights, and the weights
 * and the temperature of the sum are learnt on parts that the experts have not seen.
 */
#pragma once

#include "classify/classifier.h"
#include "classify/sight.h"

/*
 * One labelled image: what is seen in its ground-truth mask, in the detector's region, or both.
 * Where the one that is asked for is NULL, the other stands in; where both are, the example is left
 * out.
 */
typedef struct {
  const VelmSight *given;    /* with flips; may be NULL */
  const VelmSight *detected; /* with flips; may be NULL */
  guint class_index;
  const char *part; /* examples of one part are held back together */
} VelmExample;

/** What the classifier is shown of @example; NULL where there is nothing. @detected: as for
 * velm_fewshot_learn() */
const VelmSight *velm_example_shown(const VelmExample *example, gboolean detected);

typedef struct _VelmFewshot VelmFewshot;

/**
 * Evidence that some example lacks (a reference, patch features) is not learnt from. Where all have
 * a reference, the classifier learns both to use it and to do without. The same examples give the
 * same classifier.
 * @class_names: NULL-terminated keys
 * @detected: the classifier will be shown the detector's regions (else masks that follow the
 * defect) Returns: (transfer full): NULL with VELM_ERROR_DATASET where a class has no example, or a
 * measure is not a number
 */
VelmFewshot *velm_fewshot_learn(const VelmExample *examples, gsize n,
                                const char *const *class_names, gboolean detected, GError **error);

/**
 * Evidence that @sight lacks is left out.
 * @probabilities: (out): one a class
 * @unknown: (out): nothing fits
 */
void velm_fewshot_predict(const VelmFewshot *fewshot, const VelmSight *sight, double *probabilities,
                          gboolean *unknown);

const char *const *velm_fewshot_get_classes(const VelmFewshot *fewshot);

/** Whether it is to be shown the detector's regions. */
gboolean velm_fewshot_get_detected(const VelmFewshot *fewshot);

/**
 * The least confidence with which an answer stands without a second opinion, as it was set on
 * examples that were held back (classify/trust.h); INFINITY where none does.
 */
double velm_fewshot_get_trust(const VelmFewshot *fewshot);
void velm_fewshot_set_trust(VelmFewshot *fewshot, double trust);

/** Writes to @model under "fewshot.", in place of what was there. */
void velm_fewshot_store(const VelmFewshot *fewshot, VelmModel *model);
/** Returns: (transfer full): NULL with VELM_ERROR_MODEL where @model was not taught or is damaged.
 */
VelmFewshot *velm_fewshot_restore(VelmModel *model, GError **error);
void velm_fewshot_free(VelmFewshot *fewshot);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmFewshot, velm_fewshot_free)

/**
 * Fills the classify part of @inspection. A class that @fewshot was taught and @classes lacks is
 * left out, and the others' probabilities sum to 1; one that it was not taught is not answered.
 * @classes: of the spec; NULL for all that were taught
 * Returns: FALSE with VELM_ERROR_MODEL where that leaves none
 */
gboolean velm_fewshot_answer(const VelmFewshot *fewshot, const VelmClasses *classes,
                             const VelmSight *sight, VelmInspection *inspection, GError **error);

/** velm_fewshot_get_trust() of the opened @classifier. */
double velm_fewshot_classifier_get_trust(const VelmClassifier *classifier);

extern const VelmClassifierClass velm_classifier_fewshot;
