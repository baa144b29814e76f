/* A network that another tool exported: image in, anomaly score and score map out. */
#pragma once

#include "core/image.h"
#include "detect/exported_spec.h"

typedef struct _VelmExportedNet VelmExportedNet;

/**
 * Opens the network, and finds the score and the map among its outputs: by the names that anomalib
 * gives them, "pred_score" and "anomaly_map", else by shape. A score is one number; a map is 1 x 1
 * x rows x columns or 1 x rows x columns. One of the two is enough. Outputs that are not of 32-bit
 * floats, such as a label or a mask of booleans, are left alone.
 * @spec: (inout): where the network fixes the size of its images, that is written to @spec
 * Returns: (transfer full): NULL with VELM_ERROR_FILE, or VELM_ERROR_ENGINE where it cannot be
 * used, or VELM_ERROR_USAGE where @spec's size is not the network's
 */
VelmExportedNet *velm_exported_net_open(VelmExportedSpec *spec, GError **error);

/**
 * Resizes @image to the network's size, and runs it.
 * @map: (out) (transfer full): in the network's own size; one pixel of the score where there is no
 * map
 * @score: (out): the map's maximum where the network gives no score
 * Returns: FALSE with VELM_ERROR_ENGINE, also where a value is not a number
 */
gboolean velm_exported_net_run(VelmExportedNet *net, const VelmImage *image, VelmPlane **map,
                               double *score, GError **error);

gboolean velm_exported_net_has_score(const VelmExportedNet *net);
gboolean velm_exported_net_has_map(const VelmExportedNet *net);

void velm_exported_net_free(VelmExportedNet *net);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmExportedNet, velm_exported_net_free)
