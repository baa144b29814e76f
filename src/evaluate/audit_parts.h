/* Audit: images of one part, where it should be one image, or on one side. */
#pragma once

#include "dataset/audit.h"

/**
 * Looks which images show the same part (same_part.h) and adds to @audit
 *
 * - VELM_AUDIT_LEAK, one a test image of a part that training images show: by groups.csv, which is
 *   certain (score 1), or by its texture (score: the strength of the best pair, under 1). Paths:
 *   the test image, then up to three training images, the best first.
 * - VELM_AUDIT_NEAR_DUPLICATE, one a set of images whose pixels are almost the same; score: the
 *   lowest correlation that joined it. Images with exactly the same pixels, by @audit->digests
 *   (velm_audit_files()), are another check's.
 * - VELM_AUDIT_GROUP. Without groups.csv: one a part that more than one image seems to show, all of
 *   them; score: the weakest pair that joined it. With it: one for two of its parts that seem to be
 *   one on the same side, the images that say so; score: the strongest pair.
 *
 * @audit: of @dataset
 * @progress: may be NULL; see velm_same_part_find()
 * Returns: FALSE with VELM_ERROR_CANCELLED or VELM_ERROR_USAGE, and @audit as it was
 */
gboolean velm_audit_parts(const VelmDataset *dataset, VelmAudit *audit, VelmProgress progress,
                          gpointer progress_data, GError **error);
