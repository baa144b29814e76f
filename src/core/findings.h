/* What is wrong or doubtful in a text file that a person wrote, gathered while it is read. */
#pragma once

#include "velm.h"

/* Findings that are kept of one file; one more then says that there are others. */
#define VELM_FINDINGS_MAX 100

/* One mistake or doubt. */
typedef struct {
  int line, column; /* from 1 */
  gboolean error;   /* else a warning */
  char *message;
} VelmTextFinding;

/** Returns: (transfer full): an empty array that owns its VelmTextFinding. */
GPtrArray *velm_findings_new(void);

/** Adds a mistake. @line, @column: from 1. */
void velm_findings_error(GPtrArray *findings, int line, int column, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/** Adds a doubt that does not keep the file from being used. */
void velm_findings_warning(GPtrArray *findings, int line, int column, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/** Whether later findings are dropped. */
gboolean velm_findings_full(const GPtrArray *findings);

/** The first mistake in order of line, or NULL. Sort first. */
const VelmTextFinding *velm_findings_first_error(const GPtrArray *findings);

/** Sorts by line and column; findings of one place keep their order. */
void velm_findings_sort(GPtrArray *findings);

/**
 * The one of @candidates that @word is most likely a misspelling of: the least edit distance
 * (insertion, deletion, substitution, swap of neighbours; case does not count), a third of the
 * word's length at the most.
 * Returns: (transfer none): one of @candidates, or NULL
 */
const char *velm_findings_suggest(const char *word, const char *const *candidates, gsize n);
