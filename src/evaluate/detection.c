#include "evaluate/detection.h"

#include "evaluate/metrics.h"

#include <math.h>

/* A maximum beside the mask by this share of the longer side still points at the defect. */
#define POINTING_MARGIN 0.03

/* AUPRO is integrated up to this false-positive rate (arXiv 1912.02357). */
#define AUPRO_LIMIT 0.3

static gboolean is_good(const VelmScan *scan) {
  return g_str_equal(scan->sample->label, VELM_LABEL_GOOD);
}

/* Whether the scan counts for class @label (all defects where NULL): the class's own images, and
 * the good ones. */
static gboolean counts(const VelmScan *scan, const char *label) {
  return !label || is_good(scan) || g_str_equal(scan->sample->label, label);
}

/* ---- images ---- */

static double image_figure(const GPtrArray *scans, const char *label, gboolean f1) {
  g_autofree double *scores = g_new(double, scans->len);
  g_autofree guint8 *positive = g_new(guint8, scans->len);
  gsize n = 0;
  for (guint i = 0; i < scans->len; i++) {
    const VelmScan *scan = scans->pdata[i];
    if (!counts(scan, label))
      continue;
    scores[n] = scan->score;
    positive[n++] = is_good(scan) ? 0 : 1;
  }
  return f1 ? velm_metrics_f1_max(scores, positive, n, NULL)
            : velm_metrics_auroc(scores, positive, n);
}

static int compare_doubles(gconstpointer a, gconstpointer b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double median_ms(const GPtrArray *scans) {
  g_autofree double *ms = g_new(double, scans->len + 1);
  for (guint i = 0; i < scans->len; i++)
    ms[i] = ((const VelmScan *)scans->pdata[i])->ms;
  qsort(ms, scans->len, sizeof *ms, compare_doubles);
  return scans->len ? ms[scans->len / 2] : NAN;
}

/* ---- pixels ---- */

static gboolean add_pixels(VelmPixelMetrics *metrics, const VelmScan *scan, GError **error) {
  g_autoptr(VelmPlane) map = velm_plane_resize(scan->map, scan->width, scan->height, error);
  if (!map)
    return FALSE;
  g_autoptr(VelmMask) mask = scan->sample->mask ? velm_mask_load(scan->sample->mask, error) : NULL;
  if (scan->sample->mask && !mask)
    return FALSE;
  velm_pixel_metrics_add(metrics, map->values, mask ? mask->values : NULL, map->width, map->height);
  return TRUE;
}

/* A defect image without a mask has no ground truth for its pixels and is left out. */
static VelmPixelMetrics *collect_pixels(const GPtrArray *scans, const char *label, GError **error) {
  g_autoptr(VelmPixelMetrics) metrics = velm_pixel_metrics_new();
  for (guint i = 0; i < scans->len; i++) {
    const VelmScan *scan = scans->pdata[i];
    if (counts(scan, label) && (is_good(scan) || scan->sample->mask) &&
        !add_pixels(metrics, scan, error))
      return NULL;
  }
  return g_steal_pointer(&metrics);
}

/* ---- pointing ---- */

static gsize index_of_maximum(const VelmPlane *map) {
  gsize n = (gsize)map->width * (gsize)map->height, best = 0;
  for (gsize i = 1; i < n; i++)
    if (map->values[i] > map->values[best])
      best = i;
  return best;
}

/* Whether a pixel of @mask lies within @radius of (@x, @y). */
static gboolean near_mask(const VelmMask *mask, int x, int y, int radius) {
  for (int v = MAX(0, y - radius); v <= MIN(mask->height - 1, y + radius); v++)
    for (int u = MAX(0, x - radius); u <= MIN(mask->width - 1, x + radius); u++)
      if (mask->values[(gsize)v * (gsize)mask->width + (gsize)u] &&
          (u - x) * (u - x) + (v - y) * (v - y) <= radius * radius)
        return TRUE;
  return FALSE;
}

static gboolean points_at_mask(const VelmScan *scan, gboolean *hit, GError **error) {
  g_autoptr(VelmMask) mask = velm_mask_load(scan->sample->mask, error);
  g_autoptr(VelmPlane) map =
      mask ? velm_plane_resize(scan->map, mask->width, mask->height, error) : NULL;
  if (!map)
    return FALSE;
  gsize best = index_of_maximum(map);
  int radius = MAX(1, (int)lround(POINTING_MARGIN * MAX(map->width, map->height)));
  *hit = near_mask(mask, (int)(best % (gsize)map->width), (int)(best / (gsize)map->width), radius);
  return TRUE;
}

static gboolean pointing(const GPtrArray *scans, const char *label, double *share, GError **error) {
  guint n = 0, hits = 0;
  for (guint i = 0; i < scans->len; i++) {
    const VelmScan *scan = scans->pdata[i];
    gboolean hit = FALSE;
    if (!g_str_equal(scan->sample->label, label) || !scan->sample->mask)
      continue;
    if (!points_at_mask(scan, &hit, error))
      return FALSE;
    hits += hit ? 1 : 0;
    n++;
  }
  *share = n ? (double)hits / n : NAN;
  return TRUE;
}

/* ---- all ---- */

static gboolean measure_class(const GPtrArray *scans, const char *label, VelmClassDetection *class,
                              GError **error) {
  class->name = g_strdup(label);
  for (guint i = 0; i < scans->len; i++)
    class->images += g_str_equal(((const VelmScan *)scans->pdata[i])->sample->label, label) ? 1 : 0;
  class->image_auroc = image_figure(scans, label, FALSE);
  g_autoptr(VelmPixelMetrics) pixels = collect_pixels(scans, label, error);
  if (!pixels)
    return FALSE;
  class->pixel_auroc = velm_pixel_metrics_auroc(pixels);
  return pointing(scans, label, &class->pointing, error);
}

/* Mean of the classes' pointing; classes without masks do not count. */
static double mean_pointing(const GArray *classes) {
  double sum = 0;
  guint n = 0;
  for (guint i = 0; i < classes->len; i++) {
    double value = g_array_index(classes, VelmClassDetection, i).pointing;
    sum += isnan(value) ? 0 : value;
    n += isnan(value) ? 0 : 1;
  }
  return n ? sum / n : NAN;
}

gboolean velm_detection_measure(const VelmDataset *dataset, const GPtrArray *scans,
                                VelmDetectionFigures *figures, GError **error) {
  figures->images = scans->len;
  figures->ms_per_image = median_ms(scans);
  figures->image_auroc = image_figure(scans, NULL, FALSE);
  figures->image_f1_max = image_figure(scans, NULL, TRUE);
  g_autoptr(VelmPixelMetrics) pixels = collect_pixels(scans, NULL, error);
  if (!pixels)
    return FALSE;
  figures->pixel_auroc = velm_pixel_metrics_auroc(pixels);
  figures->aupro = velm_pixel_metrics_aupro(pixels, AUPRO_LIMIT);
  g_clear_pointer(&pixels, velm_pixel_metrics_free);
  for (guint i = 0; i < dataset->classes->len; i++) {
    VelmClassDetection class = {0};
    gboolean ok = measure_class(scans, dataset->classes->pdata[i], &class, error);
    g_array_append_val(figures->by_class, class);
    if (!ok)
      return FALSE;
  }
  figures->pointing = mean_pointing(figures->by_class);
  return TRUE;
}
