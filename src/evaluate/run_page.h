/*
 * A run as one self-contained HTML page: its figures side by side, its curves, matrices and
 * calibration, and the worst mistakes with their images. Nothing is fetched, it opens from a file.
 */
#pragma once

#include "detect/inspection.h"
#include "evaluate/run.h"

/* How many mistakes of a kind are shown, the most certain first. */
#define VELM_RUN_PAGE_MISTAKES 12

/**
 * VelmRunLook: inspects an image again, for its pictures.
 * @detector, @image: indices of the run
 * Returns: (transfer full): with image, map, score, threshold, regions and mask; NULL with @error
 * where it cannot be had
 */
typedef VelmInspection *(*VelmRunLook)(const VelmRun *run, guint detector, guint image,
                                       gpointer data, GError **error);

/**
 * Writes the page to @path, by a temporary file that is renamed.
 * @look: called for the mistakes that are shown, once each; where it fails, the card says why in
 * place of the pictures. NULL: no pictures
 */
gboolean velm_run_page_write(const VelmRun *run, VelmRunLook look, gpointer look_data,
                             const char *path, GError **error);
