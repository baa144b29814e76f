/*
 * Measuring a model on labelled images: detection, classification of what was marked, and both in a
 * row (section 4).
 */
#pragma once

#include "act/spec.h"
#include "core/json.h"
#include "velm.h"

/**
 * VelmEvaluateParams:
 * @classifier: "auto", "fewshot", "mllm" or "none"
 * @endpoint, @llm: for "mllm"
 * @shots: over 0: teach a few-shot classifier anew in each trial, with this many examples a class,
 * and test it on images of other parts; 0: measure the model's own classifier, without the parts
 * that it was taught
 * @trials: random draws
 * @oracle: classify the ground-truth masks instead of the detector's regions
 */
typedef struct {
  const char *classifier, *endpoint, *llm;
  int shots, trials;
  guint32 seed;
  gboolean oracle;
  VelmProgress progress;
  gpointer progress_data;
} VelmEvaluateParams;

/* Detection of one class against the good images. */
typedef struct {
  char *name;
  guint images;
  double image_auroc, pixel_auroc, pointing;
} VelmClassDetection;

/* Pixel figures are at the masks' resolution; NaN where there is nothing to measure by. */
typedef struct {
  double image_auroc, image_f1_max, pixel_auroc, aupro;
  double pointing;  /* share of images whose map's maximum lies in the mask or near it, mean over
                       classes */
  GArray *by_class; /* of VelmClassDetection */
  guint images;
  double ms_per_image; /* median, decoding included */
} VelmDetectionFigures;

/* Means over the trials; the confusion matrix is their sum. */
typedef struct {
  gboolean measured;
  double accuracy, macro_accuracy, macro_accuracy_std, macro_f1, micro_f1, cohen_kappa;
  char **classes;     /* "unknown" is the last; "good" the first of the end-to-end figures */
  guint64 *confusion; /* truth * n + answer */
  guint trials, images, missed, excluded;
} VelmClassificationFigures;

typedef struct {
  VelmDetectionFigures detection;
  VelmClassificationFigures classification, end_to_end;
} VelmEvaluation;

/** @spec: may be NULL: the classes are then the folders'. Returns: (transfer full). */
VelmEvaluation *velm_evaluate(const char *directory, VelmModel *model, VelmSpec *spec,
                              const VelmEvaluateParams *params, GError **error);
void velm_evaluation_free(VelmEvaluation *evaluation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmEvaluation, velm_evaluation_free)

/** The figures as one JSON object. Returns: (transfer full). */
char *velm_evaluation_to_json(const VelmEvaluation *evaluation);

/** The figures as tables for a person. Returns: (transfer full). */
char *velm_evaluation_to_text(const VelmEvaluation *evaluation);
