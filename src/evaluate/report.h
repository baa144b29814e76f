/*
 * A run of inspections as one self-contained HTML page: nothing is fetched, it opens from a file.
 */
#pragma once

#include "detect/inspection.h"

typedef struct _VelmReport VelmReport;

/** @title: of the page. */
VelmReport *velm_report_new(const char *title);

/**
 * Adds one record: thumbnail, heatmap and contour are made at once and kept as JPEG data in a
 * temporary file without a name, of about 10 KB an image, so memory grows with the images by 16
 * bytes each.
 * @inspection: one without an image, a map or a mask has a card without that picture
 * @truth: the label, where it is known; else NULL
 * Returns: FALSE where a picture or the file cannot be made; the record is then not in the report
 */
gboolean velm_report_add(VelmReport *report, const VelmInspection *inspection, const char *truth,
                         GError **error);

/** Adds an image that could not be inspected. Where this cannot be kept, velm_report_write() fails.
 */
void velm_report_add_error(VelmReport *report, const char *path, const char *message);

/** Writes the page to @path, by a temporary file that is renamed. More records may be added
 * afterwards, and the page written again. */
gboolean velm_report_write(VelmReport *report, const char *path, GError **error);

void velm_report_free(VelmReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmReport, velm_report_free)
