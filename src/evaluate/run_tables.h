/* The figures of a run as tables: for a page, as Markdown, and as CSV. */
#pragma once

#include "evaluate/call_curve.h"

/* What a classifier's figures are of, see VelmClassifierRun. */
typedef enum {
  VELM_RUN_CLASSIFICATION,
  VELM_RUN_END_TO_END,
  VELM_RUN_DECISIONS,
  VELM_N_RUN_KINDS
} VelmRunKind;

/* "classification", "end_to_end", "decisions". */
const char *velm_run_kind_name(VelmRunKind kind);
/* "Classification", "End to end", "Decisions". */
const char *velm_run_kind_title(VelmRunKind kind);
/** Returns: borrowed; NULL where they were not measured. */
const VelmClassificationFigures *velm_run_kind_figures(const VelmClassifierRun *classifier,
                                                       VelmRunKind kind);

/**
 * VelmRunCell:
 * @text: what stands in it; "–" where there is no figure
 * @interval: "0.921–0.975", or NULL
 * @reason: why there is no figure, or no interval; or NULL
 * @anchor: id of the part of the page that tells more, or NULL
 */
typedef struct {
  char *text, *interval, *reason, *anchor;
} VelmRunCell;

/**
 * VelmRunTable:
 * @title, @note: heading, and what the reader must know; @note may be NULL
 * @columns: NULL-terminated headings; the first column names the row, the others are numbers unless
 * @is_text
 * @cells: of VelmRunCell, row after row
 */
typedef struct {
  char *title, *note;
  char **columns;
  guint n_columns;
  gboolean is_text;
  GArray *cells;
} VelmRunTable;

void velm_run_table_free(VelmRunTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmRunTable, velm_run_table_free)
guint velm_run_table_n_rows(const VelmRunTable *table);

/** What was measured: one row a fact, of two columns. All tables: (transfer full). */
VelmRunTable *velm_run_table_facts(const VelmRun *run);
/** What could not be inspected or classified, and why. */
VelmRunTable *velm_run_table_failures(const VelmRun *run);
/** One row a detector, anchored to "detector-INDEX". */
VelmRunTable *velm_run_table_detection(const VelmRun *run);
/** One row a classifier that has these figures, anchored to "classifier-INDEX". */
VelmRunTable *velm_run_table_classification(const VelmRun *run, VelmRunKind kind);
/** One row a class. */
VelmRunTable *velm_run_table_detector_classes(const VelmRun *run, const VelmDetectorRun *detector);
/** One row a class that is a truth or an answer. @kind: that was measured */
VelmRunTable *velm_run_table_classifier_classes(const VelmRun *run,
                                                const VelmClassifierRun *classifier,
                                                VelmRunKind kind);
/** Rows are truths, columns are answers; truths without an image are left out. */
VelmRunTable *velm_run_table_confusion(const VelmRun *run, const VelmClassifierRun *classifier,
                                       VelmRunKind kind);

/** One row a call curve, anchored to "calls-INDEX". */
VelmRunTable *velm_run_table_calls(const VelmRun *run);
/** The accuracy at every tenth percent of calls. */
VelmRunTable *velm_run_table_call_curve(const VelmRun *run, const VelmCallCurve *curve);

/** @value by @format, one conversion of a double, with a point whatever the locale; "–" where it is
 * not finite. Returns: (transfer full). */
char *velm_run_number(const char *format, double value);

/** All tables as Markdown (the dialect of GitHub). Returns: (transfer full). */
char *velm_run_to_markdown(const VelmRun *run);

/**
 * Writes the tables of @run into the folder @folder, which is made where it is missing: tables.md,
 * and as CSV detection.csv (one row a detector), classes.csv (one row a class of each),
 * classification.csv (one row a classifier and kind), confusion.csv (one row a cell),
 * call_curves.csv (one row a percent of calls of each call curve) and answers.csv (one row an
 * image, detector and answer; an image that no classifier of a detector was asked for has one row,
 * without an answer).
 *
 * Fields are quoted by RFC 4180, lines end in LF, numbers have a point and as many digits as give
 * the same double again; where there is no figure the field is empty.
 */
gboolean velm_run_write_tables(const VelmRun *run, const char *folder, GError **error);
