/*
 * A measured set-up: what each detector and each classifier said of each image, and the figures
 * that follow. It is stored as JSON, so that pages can be made and runs compared later, without the
 * model.
 */
#pragma once

#include "act/spec.h"
#include "classify/spending.h"
#include "evaluate/calibration.h"
#include "evaluate/classification.h"
#include "evaluate/detection.h"

/* One image of the test set. @path: below the folder, with '/'. */
typedef struct {
  char *path, *label, *group;
} VelmRunImage;

/**
 * VelmDetectorRun: what one vision expert said.
 * @name: "patchcore", "oracle", "heatmaps:FOLDER"
 * @scores, @anomalous: one an image; NaN where it could not be inspected
 */
typedef struct {
  char *name;
  double threshold;
  double *scores;
  guint8 *anomalous;
  VelmDetectionFigures figures;
} VelmDetectorRun;

/* A classifier's answer to one image. @answer: index into the classifier's classes. */
typedef struct {
  guint image, trial, answer;
  double confidence; /* 0 to 1; NaN where the classifier gives none */
} VelmAnswer;

/**
 * VelmClassifierRun: what one classifier said of what one detector marked.
 * @name: "fewshot", "mllm", "mllm-RI" (without that part of the prompt), or "10 shots"
 * @detector: index into the run's detectors
 * @classes: NULL-terminated: "good", the classes, "unknown"
 * @answers: of VelmAnswer. All defect images that were asked for; a good image only where the
 * detector takes it for anomalous. In image order within a trial.
 * @trials: how often the classifier was taught anew; 1 where it was not
 * @trusts: of a few-shot classifier, one a trial: the confidence with which an answer stands
 * without the language model, INFINITY where none does; NULL where that is not known
 * @excluded: images of parts that the classifier was taught with, not asked
 * @failed: images for which the classifier failed
 * @classification: of the defect images: its classes are without "good"
 * @end_to_end: "good" among the classes; an image under the threshold is answered "good"
 * @decisions: the same by what the classes lead to: normal, negligible, defect, review; not
 * measured where there is no spec
 * @calibration: of the confidences of the defect images' answers; NULL where there are none
 */
typedef struct {
  char *name;
  guint detector;
  char **classes;
  GArray *answers;
  guint trials, excluded, failed;
  double *trusts; /* or NULL */
  VelmClassificationFigures classification, end_to_end, decisions;
  VelmCalibration *calibration; /* or NULL */
} VelmClassifierRun;

/* An image that could not be inspected, or one that a classifier failed on. */
typedef struct {
  char *path, *message;
} VelmRunFailure;

/**
 * VelmRun:
 * @directory: the folder of images
 * @has_groups: it has a groups.csv
 * @model, @model_sha256: of the model file
 * @spec: its text, or NULL
 * @n_classes: that are told apart, without "good" and "unknown"
 * @severities: of these, in their order; NULL without a spec
 * @made: ISO 8601 time
 */
typedef struct {
  char *directory;
  gboolean has_groups;
  char *model, *model_sha256;
  char *spec, *spec_path;
  char *endpoint,
      *llm; /* of the language model; the endpoint as velm_http_display_url() shows it */
  VelmSpendingTotals spending; /* what it took */
  guint n_classes;
  VelmDecision *severities;
  int shots, trials;
  guint32 seed;
  char *made, *version;
  GPtrArray *images;      /* of VelmRunImage */
  GPtrArray *detectors;   /* of VelmDetectorRun */
  GPtrArray *classifiers; /* of VelmClassifierRun; empty where nothing was classified */
  GPtrArray *failures;    /* of VelmRunFailure */
  GPtrArray *call_curves; /* of VelmCallCurve, see evaluate/call_curve.h */
} VelmRun;

VelmRun *velm_run_new(void);
void velm_run_free(VelmRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmRun, velm_run_free)

/** Keeps why @path could not be inspected; once, however often it is told. */
void velm_run_add_failure(VelmRun *run, const char *path, const char *message);

/** Adds a classifier without answers. @keys: NULL-terminated: its classes without "good" and
 * "unknown". Returns: borrowed. */
VelmClassifierRun *velm_run_add_classifier(VelmRun *run, const char *name, guint detector,
                                           const char *const *keys);

/** Index of @name in the classifier's classes; that of "unknown" where it is none. */
guint velm_run_class(const VelmClassifierRun *classifier, const char *name);

/** Computes the classification figures of @classifier from its answers. */
void velm_run_measure(const VelmRun *run, VelmClassifierRun *classifier);

/** "patchcore / fewshot". Returns: (transfer full). */
char *velm_run_title(const VelmRun *run, const VelmClassifierRun *classifier);

/** Writes @run as JSON (docs/evaluation.md), by a temporary file that is renamed. */
gboolean velm_run_save(const VelmRun *run, const char *path, GError **error);

/** Reads it back and computes the classification figures anew; the detection figures are those
 * stored. @path: the file, or the folder that holds its run.json. Returns: (transfer full). */
VelmRun *velm_run_load(const char *path, GError **error);
