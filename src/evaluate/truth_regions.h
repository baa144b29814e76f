/* The ground-truth regions of a mask, with which pixel metrics weigh its pixels. */
#pragma once

#include <glib.h>

/*
 * Regions are 8-connected, as in MVTec's own evaluation code (scipy.ndimage.label with a 3 x 3
 * structure of ones): a thin diagonal scratch is one defect.
 *
 * @areas holds, for each pixel of the box at (@left, @top), how many pixels its region has; 0 is
 * normal, and so is all outside the box.
 */
typedef struct {
  guint n; /* regions */
  gsize n_pixels;
  int left, top, width, height;
  guint32 *areas; /* height * width */
} VelmTruthRegions;

/** @mask: @height * @width bytes, those over 0 anomalous. Returns: (transfer full). */
VelmTruthRegions *velm_truth_regions_find(const guint8 *mask, int width, int height);
void velm_truth_regions_free(VelmTruthRegions *regions);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmTruthRegions, velm_truth_regions_free)
