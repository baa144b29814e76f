/*
 * Measuring a model on labelled images: detection, classification of what was marked, and both in a
 * row (section 4), for several vision experts and classifiers side by side.
 */
#pragma once

#include "classify/classifier.h"
#include "evaluate/run.h"

/**
 * VelmEvaluateParams: start from velm_evaluate_params_default().
 * @detectors: names as for velm_vision_expert_open(), NULL-terminated; NULL for the model's own
 * @classifiers: names as for velm_answerer_open(), or "none", NULL-terminated; NULL for "fewshot"
 * where the model was taught, else none
 * @llm: what "mllm" needs
 * @shots: over 0: teach a few-shot classifier anew in each trial, with this many examples a class,
 * and test it on images of other parts, in the place of "fewshot"
 * @trials: random draws
 * @spec_path: of the spec, for the record; or NULL
 * @out: folder for run.json, the tables and the page with the worst mistakes (report.html); NULL
 * for none
 */
typedef struct {
  const char *const *detectors;
  const char *const *classifiers;
  VelmClassifierParams llm;
  int shots, trials;
  guint32 seed;
  const char *spec_path, *out;
  VelmProgress progress;
  gpointer progress_data;
} VelmEvaluateParams;

VelmEvaluateParams velm_evaluate_params_default(void);

/**
 * Images that cannot be inspected are reported in the run's failures and left out of its figures.
 * @model_path: of @model, for the record
 * @spec: may be NULL: the classes are then the folders'
 * Returns: (transfer full)
 */
VelmRun *velm_evaluate(const char *directory, VelmModel *model, const char *model_path,
                       VelmSpec *spec, const VelmEvaluateParams *params, GError **error);
