#include "evaluate/scan.h"

#include "mark/mark.h"

static void scan_free(gpointer data) {
  VelmScan *scan = data;
  velm_plane_free(scan->map);
  velm_seen_free(scan->seen);
  g_free(scan->answer);
  g_free(scan);
}

static gboolean is_good(const VelmSample *sample) {
  return g_str_equal(sample->label, VELM_LABEL_GOOD);
}

/* Marks what the classifier is to look at: the mask in the oracle's place, else the detector's
 * region, however low its score. */
static gboolean mark(VelmInspection *inspection, const VelmSample *sample, gboolean oracle,
                     GError **error) {
  if (!oracle || !sample->mask)
    return velm_mark_regions(inspection, TRUE, error);
  g_autoptr(VelmMask) mask = velm_mask_load(sample->mask, error);
  return mask && velm_mark_given(inspection, mask, error);
}

static gboolean ask(VelmScan *scan, VelmInspection *inspection, VelmClassifier *classifier,
                    gboolean oracle, GError **error) {
  if (!mark(inspection, scan->sample, oracle, error) ||
      !velm_classifier_classify(classifier, inspection, error))
    return FALSE;
  scan->answer = g_strdup(inspection->class_name ? inspection->class_name : VELM_CLASS_UNKNOWN);
  return TRUE;
}

static gboolean measure_size(VelmScan *scan, const VelmInspection *inspection, GError **error) {
  scan->width = inspection->image->width;
  scan->height = inspection->image->height;
  if (!scan->sample->mask)
    return TRUE;
  g_autoptr(VelmMask) mask = velm_mask_load(scan->sample->mask, error);
  if (!mask)
    return FALSE;
  scan->width = mask->width;
  scan->height = mask->height;
  return TRUE;
}

static gboolean scan_one(VelmScan *scan, VelmDetector *detector, VelmClassifier *classifier,
                         VelmSightNet *net, gboolean oracle, GError **error) {
  g_autoptr(VelmInspection) inspection = velm_inspection_new(scan->sample->path);
  gint64 start = g_get_monotonic_time();
  if (!velm_inspection_load(inspection, scan->sample->reference, 0, error) ||
      !velm_detector_detect(detector, inspection, error))
    return FALSE;
  scan->ms = velm_timing_since(start);
  scan->score = inspection->score;
  scan->anomalous = inspection->anomalous;
  if (!measure_size(scan, inspection, error))
    return FALSE;
  /* A good image is classified only where it would be in production: where it is taken for
   * anomalous. */
  gboolean wanted = scan->anomalous || !is_good(scan->sample);
  if (net && wanted && !(scan->seen = velm_examples_see(net, inspection, scan->sample, error)))
    return FALSE;
  if (classifier && wanted && !ask(scan, inspection, classifier, oracle, error))
    return FALSE;
  scan->map = g_steal_pointer(&inspection->map);
  return TRUE;
}

GPtrArray *velm_scan_all(const VelmDataset *dataset, VelmDetector *detector,
                         VelmClassifier *classifier, gboolean look,
                         const VelmEvaluateParams *params, GError **error) {
  g_autoptr(VelmSightNet) net = look ? velm_sight_net_open(error) : NULL;
  if (look && !net)
    return NULL;
  g_autoptr(GPtrArray) scans = g_ptr_array_new_with_free_func(scan_free);
  for (guint i = 0; i < dataset->test->len; i++) {
    VelmScan *scan = g_new0(VelmScan, 1);
    g_ptr_array_add(scans, scan);
    scan->sample = dataset->test->pdata[i];
    if (!scan_one(scan, detector, classifier, net, params->oracle, error))
      return NULL;
    if (params->progress &&
        !params->progress("evaluated", i + 1, dataset->test->len, params->progress_data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while evaluating");
      return NULL;
    }
  }
  return g_steal_pointer(&scans);
}
