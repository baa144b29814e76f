#include "evaluate/detection.h"

#include "core/scratch.h"
#include "evaluate/metrics.h"
#include "evaluate/pixel_metrics.h"
#include "evaluate/scan.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 48, HEIGHT = 40, SMALL_WIDTH = 12, SMALL_HEIGHT = 10 };

static void assert_close(const char *name, double value, double expected) {
  if (isnan(expected) ? !isnan(value) : !(fabs(value - expected) < 1e-12))
    g_test_message("%s: %.17g, not %.17g", name, value, expected);
  g_assert_cmpint(isnan(value) != 0, ==, isnan(expected) != 0);
  if (!isnan(expected))
    g_assert_cmpfloat_with_epsilon(value, expected, 1e-12);
}

/* ---- a scanned test set ---- */

typedef struct {
  char *folder;
  VelmDataset dataset;
  GPtrArray *scans;
} Fixture;

static void scan_free(gpointer data) {
  VelmScan *scan = data;
  VelmSample *sample = (VelmSample *)scan->sample;
  g_free(sample->path);
  g_free(sample->label);
  g_free(sample->mask);
  g_free(sample->group);
  g_free(sample);
  velm_plane_free(scan->map);
  g_free(scan->error);
  g_free(scan);
}

static Fixture fixture_new(void) {
  Fixture fixture = {.folder = scratch_new(), .scans = g_ptr_array_new_with_free_func(scan_free)};
  fixture.dataset.classes = g_ptr_array_new();
  g_ptr_array_add(fixture.dataset.classes, (char *)"crack");
  g_ptr_array_add(fixture.dataset.classes, (char *)"dent");
  return fixture;
}

static void fixture_clear(Fixture *fixture) {
  scratch_remove(fixture->folder);
  g_ptr_array_unref(fixture->dataset.classes);
  g_ptr_array_unref(fixture->scans);
}

/* An image with an even map. Two in a row are of one part. */
static VelmScan *add_scan(Fixture *fixture, const char *label, double score) {
  VelmScan *scan = g_new0(VelmScan, 1);
  VelmSample *sample = g_new0(VelmSample, 1);
  sample->label = g_strdup(label);
  sample->path = g_strdup_printf("%s/%u.png", label, fixture->scans->len);
  sample->group = g_strdup_printf("part %u", fixture->scans->len / 2);
  scan->sample = sample;
  scan->score = score;
  scan->ms = fixture->scans->len;
  scan->map = velm_plane_new(SMALL_WIDTH, SMALL_HEIGHT);
  scan->width = WIDTH;
  scan->height = HEIGHT;
  g_ptr_array_add(fixture->scans, scan);
  return scan;
}

/* A mask with a rectangle of 6 x 4 at (@x, @y). */
static void add_mask(Fixture *fixture, VelmScan *scan, int x, int y) {
  GError *error = NULL;
  g_autoptr(VelmImage) image = velm_image_new(WIDTH, HEIGHT);
  for (int v = y; v < y + 4; v++)
    memset(image->pixels + (v * WIDTH + x) * 3, 255, 6 * 3);
  g_autoptr(GBytes) png = velm_image_to_png(image, &error);
  g_assert_no_error(error);
  g_autofree char *name = g_strdup_printf("%p.png", (void *)scan);
  gsize size;
  gconstpointer data = g_bytes_get_data(png, &size);
  ((VelmSample *)scan->sample)->mask = scratch_write(fixture->folder, name, data, size);
}

static void fill_map(VelmScan *scan, GRand *random) {
  for (int i = 0; i < SMALL_WIDTH * SMALL_HEIGHT; i++)
    scan->map->values[i] = (float)g_rand_double(random);
}

/* Sixty images; defects score higher, on their mask and as a whole, though not always. */
static void fill(Fixture *fixture) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  for (int i = 0; i < 60; i++) {
    const char *label = i < 24 ? "good" : i < 44 ? "crack" : "dent";
    VelmScan *scan = add_scan(fixture, label, g_rand_double(random) + (i < 24 ? 0 : 0.4));
    fill_map(scan, random);
    if (i < 24 || i % 5 == 0)
      continue;
    int x = g_rand_int_range(random, 0, WIDTH - 6), y = g_rand_int_range(random, 0, HEIGHT - 4);
    add_mask(fixture, scan, x, y);
    scan->region_iou = (double)(i % 7) / 7;
    if (i % 3)
      scan->map->values[(y + 2) / 4 * SMALL_WIDTH + (x + 3) / 4] = 1.5f;
  }
}

static VelmDetectionFigures measure(const Fixture *fixture) {
  GError *error = NULL;
  VelmDetectionFigures figures;
  gboolean ok = velm_detection_measure(&fixture->dataset, fixture->scans, &figures, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  return figures;
}

static const VelmClassDetection *class_of(const VelmDetectionFigures *figures, guint i) {
  return &g_array_index(figures->by_class, VelmClassDetection, i);
}

/* ---- the figures, put together by hand ---- */

typedef struct {
  GArray *scores, *pixels; /* of double */
  GByteArray *positive, *anomalous;
  VelmPixelScores *exact;
} Collected;

static void collect_pixels(Collected *collected, const VelmScan *scan) {
  g_autoptr(VelmPlane) map = velm_plane_resize(scan->map, WIDTH, HEIGHT, NULL);
  g_autoptr(VelmMask) mask =
      scan->sample->mask ? velm_mask_load(scan->sample->mask, NULL) : velm_mask_new(WIDTH, HEIGHT);
  for (int i = 0; i < WIDTH * HEIGHT; i++) {
    double value = (double)map->values[i];
    guint8 anomalous = mask->values[i] != 0;
    g_array_append_val(collected->pixels, value);
    g_byte_array_append(collected->anomalous, &anomalous, 1);
  }
  g_autoptr(VelmTruthRegions) truth = velm_truth_regions_find(mask->values, WIDTH, HEIGHT);
  velm_pixel_scores_add(collected->exact, map->values, truth, WIDTH, HEIGHT, NULL);
}

/* @label: of the class to hold against the good images; NULL: all */
static Collected collect(const Fixture *fixture, const char *label) {
  Collected collected = {g_array_new(FALSE, FALSE, sizeof(double)),
                         g_array_new(FALSE, FALSE, sizeof(double)), g_byte_array_new(),
                         g_byte_array_new(), velm_pixel_scores_new()};
  for (guint i = 0; i < fixture->scans->len; i++) {
    const VelmScan *scan = fixture->scans->pdata[i];
    gboolean good = g_str_equal(scan->sample->label, "good");
    if (label && !good && !g_str_equal(scan->sample->label, label))
      continue;
    guint8 positive = !good;
    g_array_append_val(collected.scores, scan->score);
    g_byte_array_append(collected.positive, &positive, 1);
    if (good || scan->sample->mask)
      collect_pixels(&collected, scan);
  }
  return collected;
}

static void collected_clear(Collected *collected) {
  g_array_unref(collected->scores);
  g_array_unref(collected->pixels);
  g_byte_array_unref(collected->positive);
  g_byte_array_unref(collected->anomalous);
  velm_pixel_scores_free(collected->exact);
}

typedef double (*Metric)(const double *scores, const guint8 *positive, gsize n);

static double of_images(const Collected *collected, Metric metric) {
  return metric((const double *)(void *)collected->scores->data, collected->positive->data,
                collected->scores->len);
}

static double of_pixels(const Collected *collected, Metric metric) {
  return metric((const double *)(void *)collected->pixels->data, collected->anomalous->data,
                collected->pixels->len);
}

static double aupro_of(const Collected *collected) {
  const VelmPixelScores *stores[] = {collected->exact};
  VelmPixelFigures figures;
  g_assert_true(velm_pixel_metrics_measure(stores, 1, 0.3, &figures, NULL, NULL));
  return figures.aupro;
}

static void test_figures(void) {
  Fixture fixture = fixture_new();
  fill(&fixture);
  VelmDetectionFigures figures = measure(&fixture);
  Collected all = collect(&fixture, NULL);
  g_assert_cmpuint(figures.images, ==, 60);
  assert_close("median", figures.ms_per_image, 30);
  assert_close("image AUROC", figures.image_auroc, of_images(&all, velm_metrics_auroc));
  assert_close("image AP", figures.image_average_precision,
               of_images(&all, velm_metrics_average_precision));
  assert_close("F1-max", figures.image_f1_max,
               velm_metrics_f1_max((const double *)(void *)all.scores->data, all.positive->data,
                                   all.scores->len, NULL));
  assert_close("pixel AUROC", figures.pixel_auroc, of_pixels(&all, velm_metrics_auroc));
  assert_close("pixel AP", figures.pixel_average_precision,
               of_pixels(&all, velm_metrics_average_precision));
  assert_close("AUPRO", figures.aupro, aupro_of(&all));
  collected_clear(&all);
  g_assert_cmpuint(figures.by_class->len, ==, 2);
  const char *names[] = {"crack", "dent"};
  const guint images[] = {20, 16};
  for (guint i = 0; i < 2; i++) {
    const VelmClassDetection *class = class_of(&figures, i);
    Collected one = collect(&fixture, names[i]);
    g_assert_cmpstr(class->name, ==, names[i]);
    g_assert_cmpuint(class->images, ==, images[i]);
    assert_close("image AUROC", class->image_auroc, of_images(&one, velm_metrics_auroc));
    assert_close("image AP", class->image_average_precision,
                 of_images(&one, velm_metrics_average_precision));
    assert_close("pixel AUROC", class->pixel_auroc, of_pixels(&one, velm_metrics_auroc));
    assert_close("pixel AP", class->pixel_average_precision,
                 of_pixels(&one, velm_metrics_average_precision));
    assert_close("AUPRO", class->aupro, aupro_of(&one));
    collected_clear(&one);
  }
  assert_close("pointing", figures.pointing,
               (class_of(&figures, 0)->pointing + class_of(&figures, 1)->pointing) / 2);
  velm_detection_figures_clear(&figures);
  g_assert_null(figures.by_class);
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

static void test_curves(void) {
  Fixture fixture = fixture_new();
  fill(&fixture);
  VelmDetectionFigures figures = measure(&fixture);
  const VelmCurvePoints *curves[] = {figures.image_roc, figures.pixel_roc,
                                     figures.pixel_precision_recall, figures.pro};
  const double ends[] = {1, 1, 1, 0.3};
  for (gsize i = 0; i < G_N_ELEMENTS(curves); i++) {
    g_assert_cmpuint(curves[i]->n, >, 10);
    assert_close("end", curves[i]->x[curves[i]->n - 1], ends[i]);
  }
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

/* ---- pointing ---- */

/* A map with its maximum at pixel (2, 2) of the small one: (8 to 11, 8 to 11) of the large. */
static VelmScan *add_peak(Fixture *fixture, const char *label, int mask_x) {
  VelmScan *scan = add_scan(fixture, label, 1);
  scan->map->values[2 * SMALL_WIDTH + 2] = 1;
  if (mask_x >= 0)
    add_mask(fixture, scan, mask_x, 8);
  return scan;
}

static void test_pointing(void) {
  Fixture fixture = fixture_new();
  add_scan(&fixture, "good", 0);
  add_peak(&fixture, "crack", 7);  /* on it */
  add_peak(&fixture, "crack", 10); /* beside it */
  add_peak(&fixture, "crack", 30); /* elsewhere */
  add_peak(&fixture, "crack", -1); /* no mask */
  add_peak(&fixture, "dent", 8);
  VelmDetectionFigures figures = measure(&fixture);
  assert_close("crack", class_of(&figures, 0)->pointing, 2.0 / 3);
  assert_close("dent", class_of(&figures, 1)->pointing, 1);
  assert_close("mean", figures.pointing, (2.0 / 3 + 1) / 2);
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

/* ---- region ---- */

static void test_region_iou(void) {
  Fixture fixture = fixture_new();
  add_scan(&fixture, "good", 0)->region_iou = NAN;
  add_peak(&fixture, "crack", 7)->region_iou = 0.5;
  add_peak(&fixture, "crack", 7)->region_iou = 0;
  add_peak(&fixture, "crack", -1)->region_iou = NAN; /* no mask: does not count */
  add_peak(&fixture, "dent", 8)->region_iou = 0.75;
  VelmDetectionFigures figures = measure(&fixture);
  assert_close("crack", class_of(&figures, 0)->region_iou, 0.25);
  assert_close("dent", class_of(&figures, 1)->region_iou, 0.75);
  assert_close("mean", figures.region_iou, 0.5);
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

/* ---- intervals ---- */

static void assert_around(const char *name, VelmInterval interval, double figure) {
  g_test_message("%s %.4f, %.4f to %.4f", name, figure, interval.low, interval.high);
  g_assert_cmpfloat(interval.low, >=, 0);
  g_assert_cmpfloat(interval.low, <, figure);
  g_assert_cmpfloat(interval.high, >, figure);
  g_assert_cmpfloat(interval.high, <=, 1);
  g_assert_cmpfloat(interval.high - interval.low, <, 0.6);
}

static void test_intervals(void) {
  Fixture fixture = fixture_new();
  fill(&fixture);
  VelmDetectionFigures figures = measure(&fixture);
  const VelmDetectionIntervals *intervals = &figures.intervals;
  assert_around("image AUROC", intervals->image_auroc, figures.image_auroc);
  assert_around("image AP", intervals->image_average_precision, figures.image_average_precision);
  assert_around("F1-max", intervals->image_f1_max, figures.image_f1_max);
  assert_around("pixel AUROC", intervals->pixel_auroc, figures.pixel_auroc);
  assert_around("pixel AP", intervals->pixel_average_precision, figures.pixel_average_precision);
  assert_around("AUPRO", intervals->aupro, figures.aupro);
  assert_around("pointing", intervals->pointing, figures.pointing);
  assert_around("region IoU", intervals->region_iou, figures.region_iou);
  VelmDetectionFigures again = measure(&fixture);
  g_assert_cmpmem(&again.intervals, sizeof again.intervals, intervals, sizeof *intervals);
  velm_detection_figures_clear(&again);
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

enum { IMAGES = 60 };

/* What exact draws are measured on; both NULL for an image that does not count. */
typedef struct {
  VelmPlane *maps[IMAGES];
  VelmTruthRegions *truths[IMAGES];
} ExactDraw;

static void prepare(ExactDraw *draw, const Fixture *fixture) {
  for (guint i = 0; i < IMAGES; i++) {
    const VelmScan *scan = fixture->scans->pdata[i];
    if (!scan->sample->mask && !g_str_equal(scan->sample->label, "good"))
      continue;
    draw->maps[i] = velm_plane_resize(scan->map, WIDTH, HEIGHT, NULL);
    if (!scan->sample->mask)
      continue;
    g_autoptr(VelmMask) mask = velm_mask_load(scan->sample->mask, NULL);
    draw->truths[i] = velm_truth_regions_find(mask->values, WIDTH, HEIGHT);
  }
}

static void exact_draw_clear(ExactDraw *draw) {
  for (guint i = 0; i < IMAGES; i++) {
    velm_plane_free(draw->maps[i]);
    velm_truth_regions_free(draw->truths[i]);
  }
}

/* The exact figures of a draw, which the histograms stand for. */
static void measure_exactly(const guint *counts, double *values, gpointer user_data) {
  const ExactDraw *draw = user_data;
  g_autoptr(VelmPixelScores) exact = velm_pixel_scores_new();
  for (guint i = 0; i < IMAGES; i++)
    for (guint k = 0; k < counts[i] && draw->maps[i]; k++)
      velm_pixel_scores_add(exact, draw->maps[i]->values, draw->truths[i], WIDTH, HEIGHT, NULL);
  const VelmPixelScores *stores[] = {exact};
  VelmPixelFigures figures;
  g_assert_true(velm_pixel_metrics_measure(stores, 1, 0.3, &figures, NULL, NULL));
  values[0] = figures.auroc;
  values[1] = figures.average_precision;
  values[2] = figures.aupro;
}

/* The intervals of the pixel figures are those of exact draws, but for what binning costs. */
static void test_intervals_exact(void) {
  Fixture fixture = fixture_new();
  fill(&fixture);
  VelmDetectionFigures figures = measure(&fixture);
  const char *groups[IMAGES];
  for (guint i = 0; i < IMAGES; i++)
    groups[i] = ((const VelmScan *)fixture.scans->pdata[i])->sample->group;
  ExactDraw draw = {0};
  prepare(&draw, &fixture);
  VelmInterval exact[3];
  velm_bootstrap(groups, IMAGES, 400, 1, measure_exactly, 3, &draw, exact);
  exact_draw_clear(&draw);
  const VelmInterval given[] = {figures.intervals.pixel_auroc,
                                figures.intervals.pixel_average_precision, figures.intervals.aupro};
  for (gsize i = 0; i < 3; i++) {
    g_test_message("%.5f to %.5f, exactly %.5f to %.5f", given[i].low, given[i].high, exact[i].low,
                   exact[i].high);
    g_assert_cmpfloat_with_epsilon(given[i].low, exact[i].low, 2e-3);
    g_assert_cmpfloat_with_epsilon(given[i].high, exact[i].high, 2e-3);
  }
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

/* ---- nothing to measure by ---- */

static void assert_no_pixels(const VelmDetectionFigures *figures) {
  assert_close("pixel AUROC", figures->pixel_auroc, NAN);
  assert_close("pixel AP", figures->pixel_average_precision, NAN);
  assert_close("AUPRO", figures->aupro, NAN);
  assert_close("interval", figures->intervals.pixel_auroc.low, NAN);
  assert_close("interval", figures->intervals.aupro.high, NAN);
  g_assert_null(figures->pixel_roc);
  g_assert_null(figures->pixel_precision_recall);
  g_assert_null(figures->pro);
}

static void test_all_good(void) {
  Fixture fixture = fixture_new();
  for (int i = 0; i < 6; i++)
    add_scan(&fixture, "good", i);
  VelmDetectionFigures figures = measure(&fixture);
  assert_no_pixels(&figures);
  assert_close("image AUROC", figures.image_auroc, NAN);
  assert_close("image AP", figures.image_average_precision, NAN);
  assert_close("F1-max", figures.image_f1_max, NAN);
  assert_close("interval", figures.intervals.image_f1_max.low, NAN);
  assert_close("pointing", figures.pointing, NAN);
  g_assert_null(figures.image_roc);
  g_assert_cmpuint(class_of(&figures, 0)->images, ==, 0);
  assert_close("class", class_of(&figures, 0)->image_auroc, NAN);
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

static void test_no_masks(void) {
  Fixture fixture = fixture_new();
  for (int i = 0; i < 8; i++)
    add_scan(&fixture, i % 2 ? "good" : "dent", i);
  VelmDetectionFigures figures = measure(&fixture);
  assert_no_pixels(&figures);
  assert_close("pointing", figures.pointing, NAN);
  assert_close("pointing", figures.intervals.pointing.low, NAN);
  g_assert_false(isnan(figures.image_auroc));
  g_assert_false(isnan(figures.intervals.image_auroc.low));
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

static void test_no_images(void) {
  Fixture fixture = fixture_new();
  VelmDetectionFigures figures = measure(&fixture);
  g_assert_cmpuint(figures.images, ==, 0);
  assert_no_pixels(&figures);
  assert_close("median", figures.ms_per_image, NAN);
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

/* A NaN in one map: no figure of pixels that it enters, and all the others. */
static void test_nan_map(void) {
  Fixture fixture = fixture_new();
  fill(&fixture);
  for (guint i = 24; i < 44; i++) {
    const VelmScan *scan = fixture.scans->pdata[i];
    if (scan->sample->mask)
      scan->map->values[5] = NAN;
  }
  VelmDetectionFigures figures = measure(&fixture);
  assert_no_pixels(&figures);
  assert_close("pointing", figures.pointing, NAN);
  assert_close("interval", figures.intervals.pointing.low, NAN);
  assert_close("crack", class_of(&figures, 0)->pixel_auroc, NAN);
  assert_close("crack", class_of(&figures, 0)->pointing, NAN);
  g_assert_false(isnan(class_of(&figures, 1)->pixel_auroc));
  g_assert_false(isnan(class_of(&figures, 1)->pointing));
  g_assert_false(isnan(figures.image_auroc));
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

static void test_nan_score(void) {
  Fixture fixture = fixture_new();
  fill(&fixture);
  ((VelmScan *)fixture.scans->pdata[30])->score = NAN;
  VelmDetectionFigures figures = measure(&fixture);
  assert_close("image AUROC", figures.image_auroc, NAN);
  assert_close("interval", figures.intervals.image_auroc.low, NAN);
  assert_close("crack", class_of(&figures, 0)->image_auroc, NAN);
  g_assert_false(isnan(class_of(&figures, 1)->image_auroc));
  g_assert_false(isnan(figures.pixel_auroc));
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

/* An image that could not be inspected is as if it were not there; one without a map, and one of a
 * class that is not listed, still count for what they have. */
static void test_odd_scans(void) {
  Fixture fixture = fixture_new();
  fill(&fixture);
  VelmDetectionFigures expected = measure(&fixture);
  VelmScan *failed = add_scan(&fixture, "dent", 0);
  g_clear_pointer(&failed->map, velm_plane_free);
  failed->error = g_strdup("cannot be read");
  VelmDetectionFigures figures = measure(&fixture);
  g_assert_cmpuint(figures.images, ==, 60);
  assert_close("image AUROC", figures.image_auroc, expected.image_auroc);
  assert_close("pixel AUROC", figures.pixel_auroc, expected.pixel_auroc);
  g_assert_cmpuint(class_of(&figures, 1)->images, ==, 16);
  velm_detection_figures_clear(&figures);

  VelmScan *mapless = add_scan(&fixture, "good", 0);
  g_clear_pointer(&mapless->map, velm_plane_free);
  VelmScan *other = add_scan(&fixture, "scratch", 2);
  add_mask(&fixture, other, 3, 3);
  figures = measure(&fixture);
  g_assert_cmpuint(figures.images, ==, 62);
  g_assert_cmpfloat(figures.image_auroc, >, expected.image_auroc);
  g_assert_cmpfloat(figures.pixel_auroc, <, expected.pixel_auroc);
  assert_close("crack", class_of(&figures, 0)->pixel_auroc, class_of(&expected, 0)->pixel_auroc);
  velm_detection_figures_clear(&figures);
  velm_detection_figures_clear(&expected);
  fixture_clear(&fixture);
}

static void test_broken_mask(void) {
  Fixture fixture = fixture_new();
  fill(&fixture);
  VelmSample *sample = (VelmSample *)((VelmScan *)fixture.scans->pdata[31])->sample;
  g_free(sample->mask);
  sample->mask = scratch_write(fixture.folder, "broken_mask.png", "no image", 8);
  GError *error = NULL;
  VelmDetectionFigures figures;
  g_assert_false(velm_detection_measure(&fixture.dataset, fixture.scans, &figures, &error));
  assert_failure(&error, VELM_ERROR_IMAGE, "broken_mask.png");
  velm_detection_figures_clear(&figures);
  fixture_clear(&fixture);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/detection/figures", test_figures);
  g_test_add_func("/detection/curves", test_curves);
  g_test_add_func("/detection/pointing", test_pointing);
  g_test_add_func("/detection/region_iou", test_region_iou);
  g_test_add_func("/detection/intervals", test_intervals);
  g_test_add_func("/detection/intervals-exact", test_intervals_exact);
  g_test_add_func("/detection/all-good", test_all_good);
  g_test_add_func("/detection/no-masks", test_no_masks);
  g_test_add_func("/detection/no-images", test_no_images);
  g_test_add_func("/detection/nan-map", test_nan_map);
  g_test_add_func("/detection/nan-score", test_nan_score);
  g_test_add_func("/detection/odd-scans", test_odd_scans);
  g_test_add_func("/detection/broken-mask", test_broken_mask);
  return g_test_run();
}
