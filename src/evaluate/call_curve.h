/*
 * What asking the language model only where the few-shot classifier is in doubt would give:
 * accuracy against the share of images that the language model is asked about, from the answers
 * that both gave to the same images.
 */
#pragma once

#include "core/json.h"
#include "evaluate/run.h"

/* A curve has a point for each whole percent of calls, 0 and 100 among them. */
enum { VELM_CALL_POINTS = 101 };

/* The accuracy that every curve says the calls for, besides the language model's own. */
#define VELM_CALL_TARGET 0.95

/* @share: of the images that the language model is asked about, 0 to 1. NaN where not defined. */
typedef struct {
  double share, accuracy, macro_accuracy;
} VelmCallPoint;

/**
 * VelmCallCurve: means over the trials.
 *
 * It is of the defect images that both answered, whatever the threshold, as the classification
 * figures are; good images that the detector takes for anomalous are no part of it. The k images of
 * the smallest confidence are asked about, those that the few-shot classifier calls unknown, or
 * gives no confidence, before all others. Images of equal confidence are asked about together; a
 * share between two such steps asks about some of them by chance, and has the accuracy to be
 * expected.
 *
 * @fewshot, @llm: borrowed: of one detector
 * @answers: images, in all trials together; 1 at least
 * @trials: in which there are any
 * @points: by rising share: the first is the few-shot classifier alone, the last the language model
 * @trusted: at each trial's own trust level (see VelmClassifierRun); NaN where that is not known
 * @trusted_accuracy, @trusted_macro_accuracy: 95 %, by parts, with classifiers and levels as they
 * are
 */
typedef struct {
  const VelmClassifierRun *fewshot, *llm;
  guint answers, trials;
  VelmCallPoint points[VELM_CALL_POINTS];
  VelmCallPoint trusted;
  VelmInterval trusted_accuracy, trusted_macro_accuracy;
} VelmCallCurve;

/**
 * @fewshot: of any number of trials
 * @llm: of one trial, of the same detector
 * Returns: (transfer full): NULL where no defect image was answered by both
 */
VelmCallCurve *velm_call_curve_new(const VelmRun *run, const VelmClassifierRun *fewshot,
                                   const VelmClassifierRun *llm);

/** The smallest share of calls with which the accuracy is @target at least, in whole percents; NaN
 * where no share reaches it. */
double velm_call_curve_calls_at(const VelmCallCurve *curve, double target);

/** Sets the run's call curves: of each few-shot classifier with each language model that was asked
 * about what the same detector marked. */
void velm_run_measure_calls(VelmRun *run);

/** "patchcore / fewshot, then mllm". Returns: (transfer full). */
char *velm_call_curve_title(const VelmRun *run, const VelmCallCurve *curve);

/** Adds the member "call_curves"; none where the run has no curve. */
void velm_call_curves_build(JsonBuilder *builder, const VelmRun *run);

/** Appends the curves of what detector @detector marked, as tables for a person. @name: of the run,
 * where there are several; or NULL */
void velm_call_curves_append(GString *text, const VelmRun *run, guint detector, const char *name);
