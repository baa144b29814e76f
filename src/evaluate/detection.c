#include "evaluate/detection.h"

#include "evaluate/metrics.h"
#include "evaluate/pixel_histogram.h"
#include "evaluate/scan.h"

#include <math.h>

/* A maximum beside the mask by this share of the longer side still points at the defect. */
#define POINTING_MARGIN 0.03

/* Each draw of the pixel figures adds up half a thousand bins an image. */
#define PIXEL_RESAMPLES 400

/* Of all maps, to find quantiles by. */
#define SAMPLE_VALUES (1 << 18)

#define SEED 1

/*
 * One image.
 * @store: which of the stores it belongs to: 0 of the good images, then one a class, then that of
 * images whose class is not listed
 * @points: has a mask, by which pointing and the region are measured
 * @hit: 0 or 1; NaN of a map with a NaN
 * @iou: of its region and the mask
 */
typedef struct {
  guint store;
  gboolean points;
  double hit, iou;
} Look;

/* @histograms: NULL where there is no ground truth */
typedef struct {
  const GPtrArray *scans;
  Look *looks; /* one an image, as the two below */
  VelmPixelHistogram **histograms;
  const char **groups; /* borrowed */
  guint n_stores;
  VelmPixelScores **stores;
  VelmScoreBins *bins;
} Measurement;

/* ---- set-up ---- */

static guint find_store(const VelmDataset *dataset, const VelmScan *scan) {
  if (velm_sample_is_good(scan->sample))
    return 0;
  int class = velm_dataset_class_index(dataset, scan->sample->label);
  return 1 + (class < 0 ? dataset->classes->len : (guint) class);
}

/* The map between its pixels, as enlarging makes it; @x, @y from 0 to 1 over the pixel centres. */
static float interpolate(const VelmPlane *map, double x, double y) {
  x *= map->width - 1;
  y *= map->height - 1;
  const int left = (int)x, top = (int)y;
  const int right = MIN(left + 1, map->width - 1), bottom = MIN(top + 1, map->height - 1);
  const double u = x - left, v = y - top;
  const float *upper = map->values + (gsize)top * (gsize)map->width;
  const float *lower = map->values + (gsize)bottom * (gsize)map->width;
  return (float)((1 - v) * ((1 - u) * (double)upper[left] + u * (double)upper[right]) +
                 v * ((1 - u) * (double)lower[left] + u * (double)lower[right]));
}

/* Bins by a sample of what the enlarged maps will hold. Its points are those of the R2 sequence
 * (Roberts 2018), which covers each map, and all maps together, evenly. */
static VelmScoreBins *make_bins(const GPtrArray *scans) {
  const gsize each = SAMPLE_VALUES / MAX(scans->len, 1) + 1;
  g_autofree float *sample = g_new(float, each * scans->len + 1);
  gsize n = 0;
  for (guint i = 0; i < scans->len; i++) {
    /* A map that cannot be read is told when it is looked at. */
    g_autoptr(VelmPlane) map = velm_scan_map(scans->pdata[i], NULL);
    for (gsize k = 0; map && k < each; k++) {
      double at = (double)(i * each + k), whole;
      sample[n++] = interpolate(map, modf(at * 0.7548776662466927, &whole),
                                modf(at * 0.5698402909980532, &whole));
    }
  }
  return velm_score_bins_new(sample, n);
}

static Measurement *measurement_new(const VelmDataset *dataset, const GPtrArray *scans) {
  Measurement *measurement = g_new0(Measurement, 1);
  measurement->scans = scans;
  measurement->groups = g_new0(const char *, scans->len + 1);
  measurement->looks = g_new0(Look, scans->len + 1);
  measurement->histograms = g_new0(VelmPixelHistogram *, scans->len + 1);
  for (guint i = 0; i < scans->len; i++) {
    const VelmScan *scan = scans->pdata[i];
    measurement->groups[i] = scan->sample->group;
    measurement->looks[i].store = find_store(dataset, scan);
  }
  measurement->n_stores = dataset->classes->len + 2;
  measurement->stores = g_new0(VelmPixelScores *, measurement->n_stores);
  for (guint i = 0; i < measurement->n_stores; i++)
    measurement->stores[i] = velm_pixel_scores_new();
  measurement->bins = make_bins(scans);
  return measurement;
}

static void measurement_free(Measurement *measurement) {
  for (guint i = 0; i < measurement->scans->len; i++)
    velm_pixel_histogram_free(measurement->histograms[i]);
  for (guint i = 0; i < measurement->n_stores; i++)
    velm_pixel_scores_free(measurement->stores[i]);
  velm_score_bins_free(measurement->bins);
  g_free(measurement->stores);
  g_free(measurement->histograms);
  g_free(measurement->looks);
  g_free(measurement->groups);
  g_free(measurement);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Measurement, measurement_free)

/* ---- the pass over the images ---- */

static gsize count_values(const VelmPlane *map) { return (gsize)map->width * (gsize)map->height; }

static gsize index_of_maximum(const VelmPlane *map) {
  gsize n = count_values(map), best = 0;
  for (gsize i = 1; i < n; i++)
    if (map->values[i] > map->values[best])
      best = i;
  return best;
}

static gboolean has_nan(const VelmPlane *map) {
  gsize n = count_values(map);
  for (gsize i = 0; i < n; i++)
    if (isnan(map->values[i]))
      return TRUE;
  return FALSE;
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

static double points_at_mask(const VelmPlane *map, const VelmMask *mask) {
  if (has_nan(map))
    return NAN;
  gsize best = index_of_maximum(map), row = (gsize)map->width;
  int radius = MAX(1, (int)lround(POINTING_MARGIN * MAX(map->width, map->height)));
  return near_mask(mask, (int)(best % row), (int)(best / row), radius) ? 1 : 0;
}

/* An image's map at the size of its mask, with its ground truth. */
typedef struct {
  VelmPlane *map;
  VelmTruthRegions *truth; /* NULL: all is normal */
} Pixels;

static void pixels_clear(Pixels *pixels) {
  velm_plane_free(pixels->map);
  velm_truth_regions_free(pixels->truth);
}

static gboolean look_at(const Measurement *measurement, guint i, Pixels *pixels, GError **error) {
  const VelmScan *scan = measurement->scans->pdata[i];
  Look *look = &measurement->looks[i];
  g_autoptr(VelmMask) mask = NULL;
  if (scan->sample->mask && !(mask = velm_mask_load(scan->sample->mask, error)))
    return FALSE;
  int width = mask ? mask->width : scan->width, height = mask ? mask->height : scan->height;
  g_autoptr(VelmPlane) map = velm_scan_map(scan, error);
  if (!map || !(pixels->map = velm_plane_resize(map, width, height, error)))
    return FALSE;
  if (mask) {
    pixels->truth = velm_truth_regions_find(mask->values, width, height);
    look->points = !velm_sample_is_good(scan->sample);
    look->hit = points_at_mask(pixels->map, mask);
    look->iou = scan->region_iou;
  }
  measurement->histograms[i] = velm_pixel_histogram_new(measurement->bins, pixels->map->values,
                                                        pixels->truth, width, height);
  return TRUE;
}

static void keep_pixels(const Measurement *measurement, guint i, const Pixels *pixels,
                        GError **error) {
  velm_pixel_scores_add(measurement->stores[measurement->looks[i].store], pixels->map->values,
                        pixels->truth, pixels->map->width, pixels->map->height, error);
}

/* A defect image without a mask has no ground truth for its pixels and is left out. */
static gboolean has_truth(const VelmScan *scan) {
  return (scan->map || scan->stored) && (velm_sample_is_good(scan->sample) || scan->sample->mask);
}

/* All cores look; what they see is kept in the order of the images, so that sums come out alike. */
static gboolean look_at_all(const Measurement *measurement, GError **error) {
  const guint n = measurement->scans->len;
  GError *failure = NULL; /* of the first image that has one */
  int stop = 0;
#pragma omp parallel for ordered schedule(static, 1)
  for (guint i = 0; i < n; i++) {
    Pixels pixels = {0};
    GError *cause = NULL;
    int stopped;
#pragma omp atomic read
    stopped = stop;
    gboolean looked = !stopped && has_truth(measurement->scans->pdata[i]) &&
                      look_at(measurement, i, &pixels, &cause);
#pragma omp ordered
    {
      if (looked && !failure)
        keep_pixels(measurement, i, &pixels, &cause);
      if (cause && !failure) {
        failure = g_steal_pointer(&cause);
#pragma omp atomic write
        stop = 1;
      }
    }
    g_clear_error(&cause);
    pixels_clear(&pixels);
  }
  if (failure)
    g_propagate_error(error, failure);
  return !failure;
}

/* ---- pointing and the region ---- */

static double hit_of(const Look *look) { return look->hit; }
static double iou_of(const Look *look) { return look->iou; }

/*
 * Mean over the classes of the images' means, those without masks left out.
 * @value: of an image
 * @counts: how often each image occurs; NULL: once
 * @means: (out) (optional): one a store; NaN where no image has a mask
 */
static double mean_of_classes(const Measurement *measurement, double (*value)(const Look *look),
                              const guint *counts, double *means) {
  g_autofree double *sums = g_new0(double, measurement->n_stores);
  g_autofree double *n = g_new0(double, measurement->n_stores);
  for (guint i = 0; i < measurement->scans->len; i++) {
    const Look *look = &measurement->looks[i];
    const double count = counts ? counts[i] : 1;
    if (!look->points || count == 0)
      continue;
    sums[look->store] += count * value(look);
    n[look->store] += count;
  }
  double sum = 0;
  guint classes = 0;
  for (guint k = 0; k < measurement->n_stores; k++) {
    if (means)
      means[k] = n[k] > 0 ? sums[k] / n[k] : NAN;
    if (n[k] > 0)
      sum += sums[k] / n[k], classes++;
  }
  return classes ? sum / classes : NAN;
}

/* ---- images ---- */

/* The images' scores: those that are good, and of @store, or of all stores where it is 0. */
typedef struct {
  double *scores;
  guint8 *positive;
  gsize n;
} Scores;

static Scores select_scores(const Measurement *measurement, guint store) {
  const guint n = measurement->scans->len;
  Scores selected = {g_new(double, n + 1), g_new(guint8, n + 1), 0};
  for (guint i = 0; i < n; i++) {
    guint own = measurement->looks[i].store;
    if (store && own && own != store)
      continue;
    selected.scores[selected.n] = ((const VelmScan *)measurement->scans->pdata[i])->score;
    selected.positive[selected.n++] = own != 0;
  }
  return selected;
}

static void scores_clear(Scores *selected) {
  g_free(selected->scores);
  g_free(selected->positive);
}

/* What a draw of the figures of images is measured on. */
typedef struct {
  const Measurement *measurement;
  const VelmRanking *ranking; /* of all images, in their order */
} ImageDraw;

enum {
  DRAW_AUROC,
  DRAW_AVERAGE_PRECISION,
  DRAW_F1_MAX,
  DRAW_POINTING,
  DRAW_REGION_IOU,
  N_IMAGE_DRAWS
};

static void measure_image_draw(const guint *counts, double *figures, gpointer user_data) {
  const ImageDraw *draw = user_data;
  VelmRankingMetrics metrics = velm_ranking_measure(draw->ranking, counts);
  figures[DRAW_AUROC] = metrics.auroc;
  figures[DRAW_AVERAGE_PRECISION] = metrics.average_precision;
  figures[DRAW_F1_MAX] = metrics.f1_max;
  figures[DRAW_POINTING] = mean_of_classes(draw->measurement, hit_of, counts, NULL);
  figures[DRAW_REGION_IOU] = mean_of_classes(draw->measurement, iou_of, counts, NULL);
}

/* A figure that is not defined has no interval, even where many draws define it. */
static VelmInterval interval_of(VelmInterval drawn, double figure) {
  return isnan(figure) ? (VelmInterval){NAN, NAN} : drawn;
}

static void measure_images(const Measurement *measurement, VelmDetectionFigures *figures) {
  Scores all = select_scores(measurement, 0);
  g_autoptr(VelmRanking) ranking = velm_ranking_new(all.scores, all.positive, all.n);
  VelmRankingMetrics metrics = velm_ranking_measure(ranking, NULL);
  figures->image_auroc = metrics.auroc;
  figures->image_average_precision = metrics.average_precision;
  figures->image_f1_max = metrics.f1_max;
  figures->image_roc = velm_metrics_roc(all.scores, all.positive, all.n);
  ImageDraw draw = {measurement, ranking};
  VelmInterval drawn[N_IMAGE_DRAWS];
  velm_bootstrap(measurement->groups, all.n, VELM_BOOTSTRAP_RESAMPLES, SEED, measure_image_draw,
                 N_IMAGE_DRAWS, &draw, drawn);
  VelmDetectionIntervals *intervals = &figures->intervals;
  intervals->image_auroc = interval_of(drawn[DRAW_AUROC], figures->image_auroc);
  intervals->image_average_precision =
      interval_of(drawn[DRAW_AVERAGE_PRECISION], figures->image_average_precision);
  intervals->image_f1_max = interval_of(drawn[DRAW_F1_MAX], figures->image_f1_max);
  intervals->pointing = interval_of(drawn[DRAW_POINTING], figures->pointing);
  intervals->region_iou = interval_of(drawn[DRAW_REGION_IOU], figures->region_iou);
  scores_clear(&all);
}

/* ---- pixels ---- */

/* 400 draws of exact figures would take hours; see VelmDetectionIntervals. */
static void measure_pixel_draw(const guint *counts, double *figures, gpointer user_data) {
  const Measurement *measurement = user_data;
  VelmPixelFigures drawn =
      velm_pixel_histogram_measure((const VelmPixelHistogram *const *)measurement->histograms,
                                   counts, measurement->scans->len, VELM_AUPRO_LIMIT);
  figures[0] = drawn.auroc;
  figures[1] = drawn.average_precision;
  figures[2] = drawn.aupro;
}

/* Moves the interval of a binned figure to the exact one. */
static VelmInterval shift_interval(VelmInterval drawn, double binned, double exact) {
  double by = exact - binned;
  if (isnan(by) || isnan(drawn.low))
    return (VelmInterval){NAN, NAN};
  return (VelmInterval){CLAMP(drawn.low + by, 0, 1), CLAMP(drawn.high + by, 0, 1)};
}

static void measure_pixel_intervals(const Measurement *measurement, VelmDetectionFigures *figures) {
  double binned[3];
  VelmInterval drawn[3];
  measure_pixel_draw(NULL, binned, (gpointer)measurement);
  velm_bootstrap(measurement->groups, measurement->scans->len, PIXEL_RESAMPLES, SEED,
                 measure_pixel_draw, G_N_ELEMENTS(drawn), (gpointer)measurement, drawn);
  VelmDetectionIntervals *intervals = &figures->intervals;
  intervals->pixel_auroc = shift_interval(drawn[0], binned[0], figures->pixel_auroc);
  intervals->pixel_average_precision =
      shift_interval(drawn[1], binned[1], figures->pixel_average_precision);
  intervals->aupro = shift_interval(drawn[2], binned[2], figures->aupro);
}

static gboolean measure_pixels(const Measurement *measurement, VelmDetectionFigures *figures,
                               GError **error) {
  VelmPixelFigures all;
  VelmPixelCurves curves;
  if (!velm_pixel_metrics_measure((const VelmPixelScores *const *)measurement->stores,
                                  measurement->n_stores, VELM_AUPRO_LIMIT, &all, &curves, error))
    return FALSE;
  figures->pixel_auroc = all.auroc;
  figures->pixel_average_precision = all.average_precision;
  figures->aupro = all.aupro;
  figures->pixel_roc = curves.roc;
  figures->pixel_precision_recall = curves.precision_recall;
  figures->pro = curves.pro;
  measure_pixel_intervals(measurement, figures);
  return TRUE;
}

/* ---- classes ---- */

static gboolean measure_class(const Measurement *measurement, guint store,
                              VelmClassDetection *class, GError **error) {
  Scores selected = select_scores(measurement, store);
  g_autoptr(VelmRanking) ranking = velm_ranking_new(selected.scores, selected.positive, selected.n);
  VelmRankingMetrics images = velm_ranking_measure(ranking, NULL);
  class->image_auroc = images.auroc;
  class->image_average_precision = images.average_precision;
  for (gsize i = 0; i < selected.n; i++)
    class->images += selected.positive[i];
  scores_clear(&selected);
  const VelmPixelScores *stores[] = {measurement->stores[0], measurement->stores[store]};
  VelmPixelFigures pixels;
  if (!velm_pixel_metrics_measure(stores, 2, VELM_AUPRO_LIMIT, &pixels, NULL, error))
    return FALSE;
  class->pixel_auroc = pixels.auroc;
  class->pixel_average_precision = pixels.average_precision;
  class->aupro = pixels.aupro;
  return TRUE;
}

static gboolean measure_classes(const Measurement *measurement, const VelmDataset *dataset,
                                VelmDetectionFigures *figures, GError **error) {
  g_autofree double *pointing = g_new(double, measurement->n_stores);
  g_autofree double *ious = g_new(double, measurement->n_stores);
  figures->pointing = mean_of_classes(measurement, hit_of, NULL, pointing);
  figures->region_iou = mean_of_classes(measurement, iou_of, NULL, ious);
  for (guint i = 0; i < dataset->classes->len; i++) {
    VelmClassDetection class = {.name = g_strdup(dataset->classes->pdata[i]),
                                .pointing = pointing[1 + i],
                                .region_iou = ious[1 + i]};
    gboolean ok = measure_class(measurement, 1 + i, &class, error);
    g_array_append_val(figures->by_class, class);
    if (!ok)
      return FALSE;
  }
  return TRUE;
}

/* ---- all ---- */

static int compare_doubles(gconstpointer a, gconstpointer b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median_ms(const GPtrArray *scans) {
  g_autofree double *ms = g_new(double, scans->len + 1);
  for (guint i = 0; i < scans->len; i++)
    ms[i] = ((const VelmScan *)scans->pdata[i])->ms;
  qsort(ms, scans->len, sizeof *ms, compare_doubles);
  return scans->len ? ms[scans->len / 2] : NAN;
}

/* Borrows the scans. */
static GPtrArray *drop_failed(const GPtrArray *scans) {
  GPtrArray *inspected = g_ptr_array_new();
  for (guint i = 0; i < scans->len; i++)
    if (!((const VelmScan *)scans->pdata[i])->error)
      g_ptr_array_add(inspected, scans->pdata[i]);
  return inspected;
}

static void class_detection_clear(gpointer data) { g_free(((VelmClassDetection *)data)->name); }

GArray *velm_class_detections_new(void) {
  GArray *classes = g_array_new(FALSE, TRUE, sizeof(VelmClassDetection));
  g_array_set_clear_func(classes, class_detection_clear);
  return classes;
}

gboolean velm_detection_measure(const VelmDataset *dataset, const GPtrArray *scans,
                                VelmDetectionFigures *figures, GError **error) {
  g_autoptr(GPtrArray) inspected = drop_failed(scans);
  *figures = (VelmDetectionFigures){.images = inspected->len, .ms_per_image = median_ms(inspected)};
  figures->by_class = velm_class_detections_new();
  g_autoptr(Measurement) measurement = measurement_new(dataset, inspected);
  if (!look_at_all(measurement, error) || !measure_classes(measurement, dataset, figures, error) ||
      !measure_pixels(measurement, figures, error))
    return FALSE;
  measure_images(measurement,
                 figures); /* last, for its intervals want the pointing and the region's IoU */
  return TRUE;
}

void velm_detection_figures_clear(VelmDetectionFigures *figures) {
  g_clear_pointer(&figures->by_class, g_array_unref);
  velm_curve_points_free(figures->image_roc);
  velm_curve_points_free(figures->pixel_roc);
  velm_curve_points_free(figures->pixel_precision_recall);
  velm_curve_points_free(figures->pro);
  *figures = (VelmDetectionFigures){0};
}
