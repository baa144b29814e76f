#include "evaluate/scan.h"

#include "mark/mark.h"

#include <math.h>
#include <string.h>

/* A server that is down fails every image: do not wait for a thousand of them. */
#define MAX_FAILURES_IN_A_ROW 5

/* How long to wait for one classifier's answer before looking at the next. */
#define WAIT_MS 20

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

/* One image on its way: classifiers may wait for a server. */
typedef struct {
  VelmScan *scan;
  VelmInspection *inspection;
  guint n_left; /* answers to come, and one while they are being asked for */
  guint *n_jobs;
} Job;

/* What is asked of one classifier. */
typedef struct {
  Job *job;
  VelmScanAnswer *answer;
} Question;

static void release(Job *job) {
  if (--job->n_left > 0)
    return;
  --*job->n_jobs;
  velm_inspection_free(job->inspection);
  g_free(job);
}

/* Where there are no probabilities there is no confidence to measure. */
static gboolean is_bare(const VelmInspection *inspection) {
  return !inspection->probabilities || inspection->bare;
}

static void take_answer(VelmInspection *inspection, const GError *error, gpointer user_data) {
  Question *question = user_data;
  VelmScanAnswer *answer = question->answer;
  if (error) {
    answer->error = g_strdup(error->message);
  } else {
    answer->answer = g_strdup(inspection->class_name ? inspection->class_name : VELM_CLASS_UNKNOWN);
    answer->confidence = is_bare(inspection) ? NAN : inspection->confidence;
  }
  release(question->job);
  g_free(question);
}

static void ask(Job *job, const VelmAnswerer *answerer, VelmScanAnswer *answer) {
  Question *question = g_new(Question, 1);
  *question = (Question){job, answer};
  job->n_left++;
  velm_inspection_clear_class(job->inspection);
  velm_classifier_submit(answerer->classifier, job->inspection, take_answer, question);
}

static gboolean ask_all(Job *job, const VelmVisionExpert *expert, const VelmScanParams *params,
                        GError **error) {
  VelmScan *scan = job->scan;
  guint n = params->answerers->len;
  if (n == 0)
    return TRUE;
  if (!mark(job->inspection, scan->sample, expert->oracle, error))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    const VelmAnswerer *answerer = params->answerers->pdata[i];
    if (!was_taught(answerer, scan->sample))
      ask(job, answerer, &scan->answers[i]);
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
static gboolean keep_map(VelmScan *scan, const VelmPlane *map, VelmMapStore *maps, GError **error) {
  if ((gsize)map->width * (gsize)map->height <= MAX_VALUES_IN_MEMORY) {
    scan->map = velm_plane_copy(map);
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

/* How well the region that is classified covers the mask: the detector's own, whoever else marks.
 */
static gboolean measure_region(VelmScan *scan, VelmInspection *inspection, GError **error) {
  scan->region_iou = NAN;
  if (!scan->sample->mask || velm_sample_is_good(scan->sample))
    return TRUE;
  g_autoptr(VelmMask) given = velm_mask_load(scan->sample->mask, error);
  g_autoptr(VelmMask) mask =
      given ? velm_mask_resize(given, inspection->image->width, inspection->image->height, error)
            : NULL;
  if (!mask || !velm_mark_regions(inspection, TRUE, error))
    return FALSE;
  gsize both = 0, either = 0, n = (gsize)mask->width * (gsize)mask->height;
  for (gsize i = 0; i < n; i++) {
    both += mask->values[i] && inspection->focus->values[i];
    either += mask->values[i] || inspection->focus->values[i];
  }
  scan->region_iou = either ? (double)both / (double)either : NAN;
  return TRUE;
}

static gboolean scan_one(Job *job, const VelmVisionExpert *expert, VelmSightNet *net,
                         VelmMapStore *maps, const VelmScanParams *params, GError **error) {
  VelmScan *scan = job->scan;
  VelmInspection *inspection = job->inspection;
  gint64 start = g_get_monotonic_time();
  if (!velm_inspection_load(inspection, scan->sample->reference, 0, error) ||
      !velm_detector_detect(expert->detector, inspection, error))
    return FALSE;
  scan->ms = velm_timing_since(start);
  scan->score = inspection->score;
  scan->threshold = inspection->threshold;
  scan->region_threshold = inspection->region_threshold;
  scan->anomalous = inspection->anomalous;
  if (!measure_region(scan, inspection, error) || !measure_size(scan, inspection, error) ||
      !keep_map(scan, inspection->map, maps, error))
    return FALSE;
  /* A good image is classified only where it would be in production: where it is taken for
   * anomalous. */
  gboolean wanted = scan->anomalous || !velm_sample_is_good(scan->sample);
  if (net && wanted && !velm_detector_examine(expert->detector, inspection, error))
    return FALSE;
  if (net && wanted)
    scan->seen = velm_examples_see(net, inspection, scan->sample, !expert->oracle, error);
  if (net && wanted && !scan->seen)
    return FALSE;
  return !wanted || ask_all(job, expert, params, error);
}

/* What fails is told by the scan. */
static void start(VelmScan *scan, const VelmVisionExpert *expert, VelmSightNet *net,
                  VelmMapStore *maps, const VelmScanParams *params, guint *n_jobs) {
  g_autoptr(GError) cause = NULL;
  Job *job = g_new0(Job, 1);
  *job = (Job){scan, velm_inspection_new(scan->sample->path), 1, n_jobs};
  ++*n_jobs;
  if (!scan_one(job, expert, net, maps, params, &cause)) {
    scan->score = NAN;
    scan->error = g_strdup(cause->message);
  }
  release(job);
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

/* Whether some classifier has failed too often without an answer in between, in the images' order.
 */
static gboolean given_up(const GPtrArray *scans, const GPtrArray *answerers, GError **error) {
  for (guint k = 0; k < answerers->len; k++) {
    guint in_a_row = 0;
    for (guint i = scans->len; i > 0 && in_a_row < MAX_FAILURES_IN_A_ROW; i--) {
      const VelmScanAnswer *answer = &((const VelmScan *)scans->pdata[i - 1])->answers[k];
      if (answer->answer)
        break;
      in_a_row += answer->error ? 1 : 0;
      if (in_a_row < MAX_FAILURES_IN_A_ROW)
        continue;
      g_set_error(
          error, VELM_ERROR, VELM_ERROR_LLM, "%s failed %d times in a row, the last time: %s",
          ((const VelmAnswerer *)answerers->pdata[k])->name, MAX_FAILURES_IN_A_ROW, answer->error);
      return TRUE;
    }
  }
  return FALSE;
}

/* Each image on its way holds the requests of all classifiers. */
static guint capacity(const GPtrArray *answerers) {
  guint most = 1;
  for (guint i = 0; i < answerers->len; i++)
    most = MAX(most,
               velm_classifier_capacity(((const VelmAnswerer *)answerers->pdata[i])->classifier));
  return MAX(most / MAX(answerers->len, 1), 1);
}

/* Goes on until fewer than @most images are on their way. */
static void wait_for(const GPtrArray *answerers, const guint *n_jobs, guint most) {
  do {
    for (guint i = 0; i < answerers->len; i++) {
      const VelmAnswerer *answerer = answerers->pdata[i];
      velm_classifier_iterate(answerer->classifier, *n_jobs >= most ? WAIT_MS : 0);
    }
  } while (*n_jobs >= most);
}

static gboolean report_progress(const VelmScanParams *params, const VelmVisionExpert *expert,
                                guint done, guint total, GError **error) {
  if (!params->progress || params->progress(expert->name, done, total, params->progress_data))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while evaluating");
  return FALSE;
}

static gboolean scan_each(const VelmDataset *dataset, const VelmVisionExpert *expert,
                          VelmSightNet *net, const VelmScanParams *params, GPtrArray *scans,
                          guint *n_jobs, GError **error) {
  g_autoptr(VelmMapStore) maps = velm_map_store_new();
  guint most = capacity(params->answerers);
  for (guint i = 0; i < dataset->test->len; i++) {
    VelmScan *scan = scan_new(dataset, i, params->answerers->len);
    g_ptr_array_add(scans, scan);
    start(scan, expert, net, maps, params, n_jobs);
    wait_for(params->answerers, n_jobs, most);
    if (given_up(scans, params->answerers, error) ||
        !report_progress(params, expert, i + 1, dataset->test->len, error))
      return FALSE;
  }
  wait_for(params->answerers, n_jobs, 1);
  return !given_up(scans, params->answerers, error);
}

GPtrArray *velm_scan_all(const VelmDataset *dataset, const VelmVisionExpert *expert,
                         const VelmScanParams *params, GError **error) {
  g_autoptr(VelmSightNet) net = params->look ? velm_sight_net_open(error) : NULL;
  if (params->look && !net)
    return NULL;
  g_autoptr(GPtrArray) scans = g_ptr_array_new_with_free_func(scan_free);
  guint n_jobs = 0;
  gboolean ok = scan_each(dataset, expert, net, params, scans, &n_jobs, error);
  /* The images on their way write to their scans. */
  for (guint i = 0; !ok && i < params->answerers->len; i++)
    velm_classifier_cancel(((const VelmAnswerer *)params->answerers->pdata[i])->classifier);
  return ok ? g_steal_pointer(&scans) : NULL;
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
