/* One pass over the test images with one vision expert: what it says of each, and what classifiers
 * say of what it marked. */
#pragma once

#include "classify/examples.h"
#include "evaluate/answerer.h"
#include "evaluate/stored_map.h"
#include "evaluate/vision_expert.h"

/* The answer of one classifier. Both NULL where it was not asked. */
typedef struct {
  char *answer;
  double confidence; /* NaN where the classifier gives none */
  char *error;       /* why there is no answer */
} VelmScanAnswer;

/* What is kept of an image: its score map, not its pixels. So memory does not grow with large maps.
 */
typedef struct {
  const VelmSample *sample;
  guint index; /* in the dataset's test images */
  double score, threshold, region_threshold, ms;
  double region_iou; /* of the region that is classified and the mask; NaN where there is no mask */
  gboolean anomalous;
  VelmPlane *map;        /* a small score map; else NULL, see velm_scan_map() */
  VelmStoredMap *stored; /* a large one, on disk */
  int width, height;     /* of the mask, or of the image where there is none */
  VelmSeen *seen;        /* for the few-shot trials; NULL where it is not needed */
  guint n_answers;
  VelmScanAnswer *answers; /* one a classifier */
  char *error;             /* why the image could not be inspected; all else is then empty */
} VelmScan;

/* What to do with each image. @progress may be NULL. */
typedef struct {
  const GPtrArray *answerers; /* of VelmAnswerer */
  gboolean look;              /* take the examples' measures for few-shot trials */
  VelmProgress progress;
  gpointer progress_data;
} VelmScanParams;

/**
 * An image that cannot be inspected, or that a classifier fails on, is reported in its scan, and
 * the rest goes on; but a classifier that fails several times in a row ends the pass. Returns:
 * (transfer full) (element-type VelmScan): one an image of @dataset's test set, in its order
 */
GPtrArray *velm_scan_all(const VelmDataset *dataset, const VelmVisionExpert *expert,
                         const VelmScanParams *params, GError **error);

/** The score map of a scanned image. Returns: (transfer full): NULL without @error where there is
 * none. */
VelmPlane *velm_scan_map(const VelmScan *scan, GError **error);

/**
 * The record of a scanned image once more, for its pictures: image, score map and marks.
 * Returns: (transfer full): NULL where the image cannot be read
 */
VelmInspection *velm_scan_look(const VelmScan *scan, GError **error);
