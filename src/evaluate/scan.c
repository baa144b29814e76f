#include "evaluate/scan.h"

#include "mark/mark.h"

#include <math.h>
#include <string.h>

/* A server that is down fails every image: do not wait for a thousand of them. */
#define MAX_FAILURES_IN_A_ROW 5

/* Of a score map: what PatchCore gives is far smaller, a given one may be as large as the image. */
#define MAX_VALUES_IN_MEMORY (128 * 128)

static void scan_free(gpointer data) {
  VelmScan *scan = data;
  velm_plane_free(scan->map);
  velm_stored_map_free(scan->stored);
  velm_seen_free(scan->seen);
  for (guint i = 0; i < scan->n_answers; i++) {
    g_free(scan->answers[i].answer);
    g_free(scan->answers[i].error);
  }
  g_free(scan->answers);
  g_free(scan->error);
  g_free(scan);
}

static gboolean is_good(const VelmSample *sample) {
  return g_str_equal(sample->label, VELM_LABEL_GOOD);
}

/* ---- classifiers ---- */

/* Marks what the classifier is to look at: the mask in the oracle's place, else the detector's
 * region, however low its score. */
static gboolean mark(VelmInspection *inspection, const VelmSample *sample, gboolean oracle,
                     GError **error) {
  if (!oracle || !sample->mask)
    return velm_mark_regions(inspection, TRUE, error);
  g_autoptr(VelmMask) mask = velm_mask_load(sample->mask, error);
  return mask && velm_mark_given(inspection, mask, error);
}

static gboolean was_taught(const VelmAnswerer *answerer, const VelmSample *sample) {
  return answerer->taught && g_strv_contains(answerer->taught, sample->group);
}

static void ask(const VelmAnswerer *answerer, VelmInspection *inspection, VelmScanAnswer *answer) {
  g_autoptr(GError) error = NULL;
  velm_inspection_clear_class(inspection);
  if (!velm_classifier_classify(answerer->classifier, inspection, &error)) {
    answer->error = g_strdup(error->message);
    return;
  }
  answer->answer = g_strdup(inspection->class_name ? inspection->class_name : VELM_CLASS_UNKNOWN);
  answer->confidence = answerer->has_confidence ? inspection->confidence : NAN;
}

static gboolean ask_all(VelmScan *scan, VelmInspection *inspection, const VelmVisionExpert *expert,
                        const VelmScanParams *params, GError **error) {
  guint n = params->answerers->len;
  if (n == 0)
    return TRUE;
  if (!mark(inspection, scan->sample, expert->oracle, error))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    const VelmAnswerer *answerer = params->answerers->pdata[i];
    if (!was_taught(answerer, scan->sample))
      ask(answerer, inspection, &scan->answers[i]);
  }
  return TRUE;
}

/* ---- one image ---- */

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

/* Small maps stay in memory. */
static gboolean keep_map(VelmScan *scan, VelmInspection *inspection, VelmMapStore *maps,
                         GError **error) {
  const VelmPlane *map = inspection->map;
  if ((gsize)map->width * (gsize)map->height <= MAX_VALUES_IN_MEMORY) {
    scan->map = g_steal_pointer(&inspection->map);
    return TRUE;
  }
  scan->stored = velm_map_store_add(maps, map, error);
  return scan->stored != NULL;
}

VelmPlane *velm_scan_map(const VelmScan *scan, GError **error) {
  if (scan->stored)
    return velm_stored_map_read(scan->stored, error);
  return scan->map ? velm_plane_copy(scan->map) : NULL;
}

static gboolean scan_one(VelmScan *scan, const VelmVisionExpert *expert, VelmSightNet *net,
                         VelmMapStore *maps, const VelmScanParams *params, GError **error) {
  g_autoptr(VelmInspection) inspection = velm_inspection_new(scan->sample->path);
  gint64 start = g_get_monotonic_time();
  if (!velm_inspection_load(inspection, scan->sample->reference, 0, error) ||
      !velm_detector_detect(expert->detector, inspection, error))
    return FALSE;
  scan->ms = velm_timing_since(start);
  scan->score = inspection->score;
  scan->threshold = inspection->threshold;
  scan->region_threshold = inspection->region_threshold;
  scan->anomalous = inspection->anomalous;
  if (!measure_size(scan, inspection, error))
    return FALSE;
  /* A good image is classified only where it would be in production: where it is taken for
   * anomalous. */
  gboolean wanted = scan->anomalous || !is_good(scan->sample);
  if (net && wanted && !(scan->seen = velm_examples_see(net, inspection, scan->sample, error)))
    return FALSE;
  if (wanted && !ask_all(scan, inspection, expert, params, error))
    return FALSE;
  return keep_map(scan, inspection, maps, error);
}

static VelmScan *scan_new(const VelmDataset *dataset, guint index, guint n_answers) {
  VelmScan *scan = g_new0(VelmScan, 1);
  scan->sample = dataset->test->pdata[index];
  scan->index = index;
  scan->score = NAN;
  scan->n_answers = n_answers;
  scan->answers = g_new0(VelmScanAnswer, n_answers);
  return scan;
}

/* ---- all ---- */

/* Whether some classifier has failed too often without an answer in between. */
static gboolean given_up(const VelmScan *scan, const GPtrArray *answerers, guint *in_a_row,
                         GError **error) {
  for (guint i = 0; i < scan->n_answers; i++) {
    if (scan->answers[i].answer)
      in_a_row[i] = 0;
    if (!scan->answers[i].error || ++in_a_row[i] < MAX_FAILURES_IN_A_ROW)
      continue;
    g_set_error(error, VELM_ERROR, VELM_ERROR_LLM, "%s failed %d times in a row, the last time: %s",
                ((const VelmAnswerer *)answerers->pdata[i])->name, MAX_FAILURES_IN_A_ROW,
                scan->answers[i].error);
    return TRUE;
  }
  return FALSE;
}

static gboolean report_progress(const VelmScanParams *params, const VelmVisionExpert *expert,
                                guint done, guint total, GError **error) {
  if (!params->progress || params->progress(expert->name, done, total, params->progress_data))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while evaluating");
  return FALSE;
}

GPtrArray *velm_scan_all(const VelmDataset *dataset, const VelmVisionExpert *expert,
                         const VelmScanParams *params, GError **error) {
  g_autoptr(VelmSightNet) net = params->look ? velm_sight_net_open(error) : NULL;
  if (params->look && !net)
    return NULL;
  g_autoptr(GPtrArray) scans = g_ptr_array_new_with_free_func(scan_free);
  g_autoptr(VelmMapStore) maps = velm_map_store_new();
  g_autofree guint *in_a_row = g_new0(guint, params->answerers->len);
  for (guint i = 0; i < dataset->test->len; i++) {
    VelmScan *scan = scan_new(dataset, i, params->answerers->len);
    g_ptr_array_add(scans, scan);
    g_autoptr(GError) cause = NULL;
    if (!scan_one(scan, expert, net, maps, params, &cause)) {
      scan->score = NAN;
      scan->error = g_strdup(cause->message);
    }
    if (given_up(scan, params->answerers, in_a_row, error) ||
        !report_progress(params, expert, i + 1, dataset->test->len, error))
      return NULL;
  }
  return g_steal_pointer(&scans);
}

VelmInspection *velm_scan_look(const VelmScan *scan, GError **error) {
  g_autoptr(VelmInspection) inspection = velm_inspection_new(scan->sample->path);
  if (!velm_inspection_load(inspection, NULL, 0, error))
    return NULL;
  if (!(inspection->map = velm_scan_map(scan, error)))
    return NULL;
  inspection->score = scan->score;
  inspection->threshold = scan->threshold;
  inspection->region_threshold = scan->region_threshold;
  inspection->anomalous = scan->anomalous;
  return velm_mark_regions(inspection, TRUE, error) ? g_steal_pointer(&inspection) : NULL;
}
