/* A vision expert that is somewhere else: its score maps lie in a folder, one for each image. */
#pragma once

#include "detect/detector.h"

/**
 * The map of an image .../CLASS/STEM.EXT is FOLDER/test/CLASS/STEM.*, else FOLDER/CLASS/STEM.*, an
 * image of one channel (velm_plane_load()) of any size: it is stretched over the image. Its largest
 * value is the image's score.
 * @threshold: over which an image, and a pixel, is anomalous; NaN: what the share @false_alarms of
 * the maps in FOLDER/train/good lies over
 * Returns: (transfer full): a detector without patch features; NULL where there is no map in the
 * folder, or no threshold to be had
 */
VelmDetector *velm_heatmaps_open(const char *folder, double threshold, double false_alarms,
                                 GError **error);
