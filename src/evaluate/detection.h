/* The detection figures of a scanned test set. */
#pragma once

#include "dataset/dataset.h"
#include "evaluate/bootstrap.h"
#include "evaluate/curve_points.h"

/* Figures of one class against the good images; NaN where there is nothing to measure by. */
typedef struct {
  char *name;
  guint images; /* of the class */
  double image_auroc, image_average_precision;
  double pixel_auroc, pixel_average_precision, aupro, pointing, region_iou;
} VelmClassDetection;

/*
 * 95 % intervals by the bootstrap over groups. Those of the pixel figures are approximate, as
 * exact figures of thousands of draws are out of reach: the draws are measured on histograms of
 * the images' maps, and what is given is the exact figure plus how far the draws' percentiles lie
 * from the figure of the histograms themselves, within [0, 1].
 */
typedef struct {
  VelmInterval image_auroc, image_average_precision, image_f1_max;
  VelmInterval pixel_auroc, pixel_average_precision, aupro, pointing, region_iou;
} VelmDetectionIntervals;

/*
 * Positive is every image that is not good. Figures of pixels are at the masks' resolution, over
 * good images and defect images with a mask. All are NaN where there is nothing to measure by, and
 * those that a NaN score or map enters.
 */
typedef struct {
  double image_auroc, image_average_precision, image_f1_max;
  double pixel_auroc, pixel_average_precision, aupro;
  double pointing; /* share of the images with a mask whose map's maximum lies in the mask or within
                      3 % of the longer side of it; mean over the classes */
  double region_iou; /* intersection over union of the mask and the region that a classifier is
                        shown; mean over the images with a mask, then over the classes */
  VelmDetectionIntervals intervals;
  /* Thinned, for drawing; NULL where the area is NaN. x is the false-positive rate, of the second
   * last the recall; @pro ends at 0.3. */
  VelmCurvePoints *image_roc, *pixel_roc, *pixel_precision_recall, *pro;
  GArray *by_class; /* of VelmClassDetection, in the dataset's order */
  guint images;
  double ms_per_image; /* median, decoding included */
} VelmDetectionFigures;

/**
 * Measures in one pass over the images: each mask is decoded, and each map enlarged, once.
 * @dataset: whose classes are told apart
 * @scans: (element-type VelmScan): with sample, score, ms, map, width and height; one with an error
 * is left out, one without a map counts for the image figures only
 * @figures: (out): overwritten; free with velm_detection_figures_clear(), also after a failure
 * Returns: FALSE where a mask cannot be read or a temporary file fails
 */
gboolean velm_detection_measure(const VelmDataset *dataset, const GPtrArray *scans,
                                VelmDetectionFigures *figures, GError **error);

/** An empty array of VelmClassDetection that frees their names. Returns: (transfer full). */
GArray *velm_class_detections_new(void);

/** Frees what @figures hold, and zeroes them. Zeroed ones may be cleared too. */
void velm_detection_figures_clear(VelmDetectionFigures *figures);
