/* A model tried on reviewed images that were held back: what it makes of each, end to end. */
#pragma once

#include "act/spec.h"
#include "serve/review_split.h"

/**
 * Inspects each of @held_out as the station would, without a language model.
 * @spec: (nullable): as for velm_inspector_new()
 * @progress: (nullable): as elsewhere; FALSE ends it with VELM_ERROR_CANCELLED
 * Returns: (transfer full) (element-type utf8): an answer each: "good" where the image is not
 * anomalous, else the class, or "anomalous" where nothing was named; NULL where it cannot be
 * inspected
 */
GPtrArray *velm_model_trial_run(VelmModel *model, VelmSpec *spec, gint64 max_pixels,
                                const GPtrArray *held_out, VelmProgress progress,
                                gpointer progress_data, GError **error);

/* What is asked of a model. */
typedef enum {
  VELM_TRIAL_CLASSES, /* is it the class that the person said? Of images that are not good */
  VELM_TRIAL_ANOMALY, /* is it anomalous where it is not good, and only there? */
} VelmTrialKind;

/**
 * VelmTrialClass: held-back images of one label.
 * @right_before, @right_after: which of them the model in use, and the new one, gets right
 */
typedef struct {
  const char *label; /* borrowed of the held-back image */
  guint held_out, right_before, right_after;
} VelmTrialClass;

/** Returns: (transfer full) (element-type VelmTrialClass): the labels in the order in which they
 * come. @before, @after: of velm_model_trial_run(). */
GArray *velm_model_trial_compare(const GPtrArray *held_out, const GPtrArray *before,
                                 const GPtrArray *after, VelmTrialKind kind);
