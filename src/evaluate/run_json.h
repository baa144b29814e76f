/* The figures of a run as JSON; its members are part of the command's stable output. */
#pragma once

#include "core/json.h"
#include "evaluate/run.h"

/** Adds the members "detector" and "detection" to the builder's object. */
void velm_run_build_detection(JsonBuilder *builder, const VelmDetectorRun *detector);

/** Adds the members "classifier", "classification", "end_to_end", "decisions" and "calibration", as
 * far as they were measured. */
void velm_run_build_classification(JsonBuilder *builder, const VelmClassifierRun *classifier);

/** Adds the member "trusts", one a trial, null where no answer stands alone; none where they are
 * not known. */
void velm_run_build_trusts(JsonBuilder *builder, const VelmClassifierRun *classifier);

/** Adds the member "spending", where a language model was asked. */
void velm_run_build_spending(JsonBuilder *builder, const VelmRun *run);

/** Adds the member "failures". */
void velm_run_build_failures(JsonBuilder *builder, const VelmRun *run);

/** An interval as [low, high]; null where it is not defined. */
void velm_run_build_interval(JsonBuilder *builder, const char *name, const VelmInterval *interval);

/**
 * All figures as one JSON object on one line. Of a run with one result its members are the
 * object's; of several they are those of the objects in its "results", and "differences" holds the
 * others against the first. "call_curves" holds the run's, where it has any. Returns: (transfer
 * full).
 */
char *velm_run_to_json(const VelmRun *run);
