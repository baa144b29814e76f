/* The work of a job: a model that has learnt what the reviews say, tested and kept as a version. */
#pragma once

#include "serve/jobs.h"

/**
 * VelmLessonParams: @who: asked for it; borrowed
 * @progress: as elsewhere; FALSE gives it up
 */
typedef struct {
  VelmJobKind kind;
  const char *who;
  VelmProgress progress;
  gpointer progress_data;
} VelmLessonParams;

/**
 * Teaches the model that @product uses, or a copy of it rather, what the reviews say that it does
 * not know, tries both on reviewed images that were held back, and keeps the new one as a version.
 * @version: (out): its number
 * Returns: FALSE with VELM_ERROR_DATASET where there is nothing new to learn, VELM_ERROR_MODEL
 * where the model cannot learn it, VELM_ERROR_CANCELLED, ...
 */
gboolean velm_lesson_give(VelmStation *station, VelmProduct *product,
                          const VelmLessonParams *params, gint64 *version, GError **error);
