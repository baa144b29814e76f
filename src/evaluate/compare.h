/*
 * Two results held against each other on the images that both have: how much better is one, and
 * would chance do as much? Parts are drawn anew, and tested, never images.
 */
#pragma once

#include "core/json.h"
#include "evaluate/paired.h"
#include "evaluate/run.h"

/* Differences of detection that need no maps. */
typedef enum {
  VELM_DIFFERENCE_IMAGE_AUROC,
  VELM_DIFFERENCE_IMAGE_AVERAGE_PRECISION,
  VELM_N_DETECTION_DIFFERENCES
} VelmDetectionDifference;

/**
 * VelmComparison: B against A; a difference is B's figure less A's.
 * @title_a, @title_b: "patchcore / fewshot", with the run's folder where they are of two runs
 * @images: that both detectors scored
 * @answers: images and trials that both classifiers answered; 0 where one has no classifier
 * @paired: of right answers to defect images
 */
typedef struct {
  char *title_a, *title_b;
  guint images, answers;
  double detection_a[VELM_N_DETECTION_DIFFERENCES], detection_b[VELM_N_DETECTION_DIFFERENCES];
  VelmInterval detection_intervals[VELM_N_DETECTION_DIFFERENCES];
  double figures_a[VELM_N_CLASS_HEADLINES], figures_b[VELM_N_CLASS_HEADLINES];
  VelmInterval intervals[VELM_N_CLASS_HEADLINES];
  VelmPaired paired;
} VelmComparison;

void velm_comparison_free(VelmComparison *comparison);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmComparison, velm_comparison_free)

/* One result of a run: a detector, and a classifier of what it marked. */
typedef struct {
  const VelmRun *run;
  guint detector;
  const VelmClassifierRun *classifier; /* or NULL */
  const char *name;                    /* of the run, for titles; or NULL */
} VelmRunResult;

/** Images are matched by their paths below the folder; those of one run alone, or with different
 * labels, are left out. Returns: (transfer full). */
VelmComparison *velm_compare(const VelmRunResult *a, const VelmRunResult *b);

/** All results of a run: each detector without a classifier, and each classifier. Returns:
 * (transfer full): array of VelmRunResult. */
GArray *velm_run_results(const VelmRun *run, const char *name);

/** Each other result of @run against its first. Returns: (transfer full) (element-type
 * VelmComparison). */
GPtrArray *velm_compare_within(const VelmRun *run);

/** Adds the member "differences". */
void velm_compare_build(JsonBuilder *builder, const GPtrArray *comparisons);

/** As a table for a person. Returns: (transfer full): empty where there is no comparison. */
char *velm_compare_to_text(const GPtrArray *comparisons);
