/*
 * The paper's three-way experiment: how well recorded answers tell normal parts, negligible
 * anomalies and defects apart, where chance says which classes are negligible. docs/predictions.md
 * describes it.
 */
#pragma once

#include "core/json.h"
#include "evaluate/recorded.h"

/* VELM_DECISION_NORMAL, _NEGLIGIBLE and _DEFECT are the groups' indices. */
enum { VELM_N_SEVERITIES = 3 };

/* Share of a group's images that were answered within it: mean and population standard deviation
 * over the trials in which it has images; NaN where there are none. */
typedef struct {
  double accuracy, std;
} VelmSeverityFigure;

typedef struct {
  const VelmRecordedCategory *category; /* borrowed */
  VelmSeverityFigure groups[VELM_N_SEVERITIES];
} VelmCategorySeverity;

/**
 * VelmSeverityTrials:
 * @categories: of VelmCategorySeverity, those with answers, in the order of the descriptions
 * @overall: means over the categories in which they are defined, of the deviations too
 */
typedef struct {
  guint n_trials;
  GArray *categories;
  VelmSeverityFigure overall[VELM_N_SEVERITIES];
} VelmSeverityTrials;

/**
 * Runs trials with the seeds 0 to @n_trials - 1. The same draws as the paper's for the same files.
 * @recorded: must outlive the result
 */
VelmSeverityTrials *velm_severity_trials_run(const VelmRecorded *recorded, guint n_trials);
void velm_severity_trials_free(VelmSeverityTrials *trials);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmSeverityTrials, velm_severity_trials_free)

/** Adds the member "severity_trials" to the current object. */
void velm_severity_trials_build(const VelmSeverityTrials *trials, JsonBuilder *builder);

/** Appends a table for people. */
void velm_severity_trials_append(const VelmSeverityTrials *trials, GString *text);
