/* One pass over the test images: what the detector says of each, and what a classifier needs of it.
 */
#pragma once

#include "act/spec.h"
#include "classify/examples.h"
#include "evaluate/evaluate.h"

/* What is kept of an image: a small map, not its pixels. */
typedef struct {
  const VelmSample *sample;
  double score, ms;
  gboolean anomalous;
  VelmPlane *map;
  int width, height; /* of the mask, or of the image where there is none */
  VelmSeen *seen;    /* for the few-shot trials; NULL where it is not needed */
  char *answer;      /* of the model's own classifier; NULL where it was not asked */
} VelmScan;

/**
 * @look: what the trials need: take the examples' measures
 * @classifier: the model's own, or NULL
 * Returns: (transfer full) (element-type VelmScan): one an image of @dataset's test set, in its
 * order
 */
GPtrArray *velm_scan_all(const VelmDataset *dataset, VelmDetector *detector,
                         VelmClassifier *classifier, gboolean look,
                         const VelmEvaluateParams *params, GError **error);
