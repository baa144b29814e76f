/*
 * The audit of a folder of labelled images: all checks in a row, those of dataset/ and those that
 * look at features, and what they found in words, as JSON and as a page.
 */
#pragma once

#include "dataset/audit.h"

/**
 * VelmAuditParams: start from velm_audit_params_default().
 * @model: whose detector and features the labels are seen through; NULL for the masks and what
 * needs no model
 * @min_images, @min_parts: a class with fewer is a finding
 * @features: whether to look at features (leaks, near duplicates, parts, labels), which takes most
 * of the time
 */
typedef struct {
  VelmModel *model;
  guint min_images, min_parts;
  gboolean features;
  VelmProgress progress;
  gpointer progress_data;
} VelmAuditParams;

VelmAuditParams velm_audit_params_default(void);

/**
 * Runs the checks. Images and masks that cannot be decoded are findings, and the other checks go on
 * without them.
 * @dataset: must outlive the audit
 * Returns: (transfer full): with its findings sorted; NULL with VELM_ERROR_CANCELLED,
 *   VELM_ERROR_ENGINE, ...
 */
VelmAudit *velm_audit_run(const VelmDataset *dataset, const VelmAuditParams *params,
                          GError **error);

/** The number of findings of each kind, and the first of each. Returns: (transfer full). */
char *velm_audit_to_text(const VelmAudit *audit);

/** One JSON object with every finding, on one line. Returns: (transfer full). */
char *velm_audit_to_json(const VelmAudit *audit);

/**
 * Writes one self-contained HTML page with every finding and the pictures that it is about, beside
 * those it is held against.
 * @progress: may be NULL
 * Returns: FALSE with VELM_ERROR_FILE or VELM_ERROR_CANCELLED
 */
gboolean velm_audit_write_page(const VelmAudit *audit, const char *path, VelmProgress progress,
                               gpointer progress_data, GError **error);
