/* The literal values are scikit-learn's (1.9) and, for AUPRO, of a few lines of NumPy with
 * scipy.ndimage.label. */
#include "evaluate/pixel_metrics.h"

#include "core/scratch.h"
#include "evaluate/metrics.h"
#include "evaluate/pixel_histogram.h"

#include <glib/gstdio.h>
#include <math.h>
#include <omp.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

static void assert_close(const char *name, double value, double expected) {
  if (isnan(expected) ? !isnan(value) : !(fabs(value - expected) < 1e-12))
    g_test_message("%s: %.17g, not %.17g", name, value, expected);
  g_assert_cmpint(isnan(value) != 0, ==, isnan(expected) != 0);
  if (!isnan(expected))
    g_assert_cmpfloat_with_epsilon(value, expected, 1e-12);
}

static void add(VelmPixelScores *scores, const float *map, const guint8 *mask, int width,
                int height) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmTruthRegions) truth = mask ? velm_truth_regions_find(mask, width, height) : NULL;
  gboolean ok = velm_pixel_scores_add(scores, map, truth, width, height, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
}

static VelmPixelFigures measure(const VelmPixelScores *scores, double limit) {
  g_autoptr(GError) error = NULL;
  VelmPixelFigures figures;
  gboolean ok = velm_pixel_metrics_measure(&scores, 1, limit, &figures, NULL, &error);
  g_assert_no_error(error);
  g_assert_true(ok);
  return figures;
}

static void assert_figures(VelmPixelFigures figures, double auroc, double average_precision,
                           double aupro) {
  assert_close("auroc", figures.auroc, auroc);
  assert_close("average precision", figures.average_precision, average_precision);
  assert_close("aupro", figures.aupro, aupro);
}

static void assert_same(VelmPixelFigures figures, VelmPixelFigures expected) {
  assert_figures(figures, expected.auroc, expected.average_precision, expected.aupro);
}

/* ---- known cases ---- */

typedef struct {
  float map[48];
  guint8 mask[48];
  double auroc, average_precision, aupro_30, aupro_5, aupro_100;
} PixelCase;

/* Maps of 8 x 6. */
/* clang-format off */
static const PixelCase pixel_cases[] = {
    {{2, 1, 1, 9, 3, 1, 1, 3, 3, 3, 9, 8, 5, 9, 3, 1, 2, 0, 9, 2, 4, 2, 9, 1, 5, 9, 5, 8, 8, 7, 7, 5, 5, 8, 4, 9, 8, 3, 4, 7, 9, 0, 0, 2, 4, 1, 5, 5},
     {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1, 0},
     0.6262626262626262, 0.4145349162378148, 0.34258347362514024, 0.08450520833333332, 0.6499368686868686},
    {{9, 5, 9, 8, 5, 6, 8, 4, 6, 2, 6, 2, 1, 7, 5, 3, 0, 2, 8, 4, 9, 9, 8, 0, 0, 5, 3, 8, 3, 1, 1, 3, 6, 1, 7, 3, 3, 6, 8, 4, 7, 3, 1, 8, 7, 7, 8, 4},
     {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 1, 1, 1, 1, 0, 0, 0, 0},
     0.4705882352941177, 0.32412654250889544, 0.09950980392156861, 0.0, 0.3492647058823529},
    {{1, 4, 6, 8, 1, 0, 4, 1, 8, 8, 3, 3, 7, 4, 0, 6, 7, 0, 7, 5, 8, 8, 6, 3, 3, 7, 0, 2, 5, 9, 7, 8, 1, 2, 2, 7, 5, 2, 7, 6, 8, 5, 1, 8, 1, 0, 7, 4},
     {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0},
     0.38657407407407407, 0.2158965097063592, 0.10460128495842781, 0.004761904761904762, 0.3209325396825397},
};
/* clang-format on */

static void test_cases(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(pixel_cases); i++) {
    const PixelCase *c = &pixel_cases[i];
    g_autoptr(VelmPixelScores) scores = velm_pixel_scores_new();
    add(scores, c->map, c->mask, 8, 6);
    assert_figures(measure(scores, 0.3), c->auroc, c->average_precision, c->aupro_30);
    assert_close("aupro 0.05", measure(scores, 0.05).aupro, c->aupro_5);
    assert_close("aupro 1", measure(scores, 1).aupro, c->aupro_100);
  }
}

static void test_undefined(void) {
  const float map[] = {1, 2, 3, 4};
  const guint8 all[] = {255, 255, 1, 1}, some[] = {0, 0, 1, 1}, none[] = {0, 0, 0, 0};
  g_autoptr(VelmPixelScores) scores = velm_pixel_scores_new();
  assert_figures(measure(scores, 0.3), NAN, NAN, NAN);
  add(scores, map, all, 2, 2);
  assert_figures(measure(scores, 0.3), NAN, 1, NAN);
  add(scores, map, some, 2, 2);
  g_assert_false(isnan(measure(scores, 0.3).aupro));
  const double limits[] = {0, -1, 1.01, NAN};
  for (gsize i = 0; i < G_N_ELEMENTS(limits); i++) {
    VelmPixelFigures figures = measure(scores, limits[i]);
    assert_close("no such limit", figures.aupro, NAN);
    g_assert_false(isnan(figures.auroc));
  }

  g_autoptr(VelmPixelScores) normal = velm_pixel_scores_new();
  add(normal, map, NULL, 2, 2);
  add(normal, map, none, 2, 2);
  add(normal, map, NULL, 0, 2);
  assert_figures(measure(normal, 0.3), NAN, NAN, NAN);

  const float broken[] = {1, NAN, 3, 4};
  add(scores, broken, some, 2, 2);
  assert_figures(measure(scores, 0.3), NAN, NAN, NAN);
  add(scores, map, some, 2, 2);
  assert_figures(measure(scores, 0.3), NAN, NAN, NAN);
}

/* Sign, zeros of both signs, denormals and infinities keep the order of floats. */
static void test_order(void) {
  const float map[] = {-INFINITY, -2, -1e-42f, -0.0f, 0.0f, 1e-42f, 3, INFINITY};
  const guint8 mask[] = {0, 1, 0, 1, 0, 1, 0, 1};
  const double values[] = {-INFINITY, -2, -1e-42f, 0, 0, 1e-42f, 3, INFINITY};
  g_autoptr(VelmPixelScores) scores = velm_pixel_scores_new();
  add(scores, map, mask, 4, 2);
  VelmPixelFigures figures = measure(scores, 0.3);
  assert_close("auroc", figures.auroc, velm_metrics_auroc(values, mask, 8));
  assert_close("average precision", figures.average_precision,
               velm_metrics_average_precision(values, mask, 8));
}

static void test_connectivity(void) {
  /* A diagonal line and a lone pixel: two components of 3 and 1. A third of the line, and the
   * pixel, are missed. */
  const guint8 mask[] = {1, 0, 0, 0, 0, /* */ 0, 1, 0, 0, 0, /* */ 0, 0, 1, 0, 1};
  float map[15] = {0};
  map[0] = map[6] = 1;
  g_autoptr(VelmPixelScores) scores = velm_pixel_scores_new();
  add(scores, map, mask, 5, 3);
  /* From (0, 1/3) straight to (1, 1), up to 0.3. */
  assert_close("aupro", measure(scores, 0.3).aupro, (1.0 / 3 + 1.0 / 3 + 0.2) / 2);
}

static void test_regions(void) {
  guint8 mask[40 * 30] = {0};
  mask[5 * 40 + 7] = mask[6 * 40 + 8] = mask[20 * 40 + 39] = 1;
  g_autoptr(VelmTruthRegions) regions = velm_truth_regions_find(mask, 40, 30);
  g_assert_cmpuint(regions->n, ==, 2);
  g_assert_cmpuint(regions->n_pixels, ==, 3);
  g_assert_cmpint(regions->left, ==, 7);
  g_assert_cmpint(regions->top, ==, 5);
  g_assert_cmpint(regions->width, ==, 33);
  g_assert_cmpint(regions->height, ==, 16);
  g_assert_cmpuint(regions->areas[0], ==, 2);
  g_assert_cmpuint(regions->areas[1], ==, 0);
  g_assert_cmpuint(regions->areas[33 + 1], ==, 2);
  g_assert_cmpuint(regions->areas[15 * 33 + 32], ==, 1);
  g_autoptr(VelmTruthRegions) none = velm_truth_regions_find(mask, 40, 5);
  g_assert_cmpuint(none->n, ==, 0);
}

/* ---- against the definition ---- */

enum { SIDE = 7, MAPS = 3, AREA = SIDE * SIDE, TOTAL = MAPS * AREA };

/* Components by repeated relabelling: slow, and nothing like what is tested. */
static int brute_components(const guint8 *mask, int *ids) {
  for (int i = 0; i < TOTAL; i++)
    ids[i] = mask[i] ? i + 1 : 0;
  for (gboolean changed = TRUE; changed;) {
    changed = FALSE;
    for (int i = 0; i < TOTAL; i++)
      for (int j = 0; j < TOTAL; j++) {
        gboolean near = i / AREA == j / AREA && ABS(i % SIDE - j % SIDE) <= 1 &&
                        ABS(i % AREA / SIDE - j % AREA / SIDE) <= 1;
        if (near && ids[i] && ids[j] && ids[i] < ids[j])
          ids[j] = ids[i], changed = TRUE;
      }
  }
  int n = 0;
  for (int i = 0; i < TOTAL; i++)
    n += ids[i] == i + 1;
  return n;
}

/* A point of the curve at threshold @t: what scores it or more. */
static void brute_point(const float *map, const int *ids, double t, double *fpr, double *pro) {
  double normal = 0, false_positives = 0, overlap = 0, n = 0;
  for (int i = 0; i < TOTAL; i++) {
    normal += ids[i] == 0;
    false_positives += ids[i] == 0 && map[i] >= t;
    if (ids[i] != i + 1)
      continue;
    double area = 0, over = 0;
    for (int j = 0; j < TOTAL; j++) {
      area += ids[j] == ids[i];
      over += ids[j] == ids[i] && map[j] >= t;
    }
    overlap += over / area;
    n++;
  }
  *fpr = false_positives / normal;
  *pro = overlap / n;
}

/* Scores are integers under @levels, so every threshold can be tried. */
static double brute_aupro(const float *map, const int *ids, int levels, double limit) {
  double area = 0, fpr = 0, pro = 0;
  for (int t = levels; t >= 0; t--) {
    double x, y;
    brute_point(map, ids, t, &x, &y);
    double end = fmin(x, limit);
    if (end > fpr) {
      double end_pro = pro + (y - pro) * (end - fpr) / (x - fpr);
      area += (end - fpr) * (pro + end_pro) / 2;
    }
    fpr = x, pro = y;
  }
  return area / limit;
}

static void test_random(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(2);
  const double limits[] = {0.3, 0.05, 0.5, 1};
  int compared = 0;
  for (int round = 0; round < 60; round++) {
    float map[TOTAL];
    double values[TOTAL];
    guint8 mask[TOTAL], positive[TOTAL];
    int ids[TOTAL], levels = g_rand_int_range(random, 1, 60);
    double density = g_rand_double_range(random, 0.02, 0.6);
    g_autoptr(VelmPixelScores) scores = velm_pixel_scores_new();
    for (int i = 0; i < TOTAL; i++) {
      map[i] = (float)g_rand_int_range(random, 0, levels);
      values[i] = (double)map[i];
      mask[i] = g_rand_double(random) < density ? 255 : 0;
      positive[i] = mask[i] != 0;
    }
    double limit = limits[round % 4];
    for (int m = 0; m < MAPS; m++) {
      add(scores, map + m * AREA, mask + m * AREA, SIDE, SIDE);
      /* What comes after a measurement counts too. */
      if (round % 2)
        measure(scores, limit);
    }
    gboolean any = brute_components(mask, ids) > 0;
    compared += any;
    assert_figures(measure(scores, limit), velm_metrics_auroc(values, positive, TOTAL),
                   velm_metrics_average_precision(values, positive, TOTAL),
                   any ? brute_aupro(map, ids, levels, limit) : NAN);
  }
  g_assert_cmpint(compared, >, 50);
}

/* Maps split over several stores are measured as one. */
static void test_stores(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(5);
  g_autoptr(VelmPixelScores) whole = velm_pixel_scores_new();
  g_autoptr(VelmPixelScores) a = velm_pixel_scores_new();
  g_autoptr(VelmPixelScores) b = velm_pixel_scores_new();
  for (int m = 0; m < 20; m++) {
    float map[AREA];
    guint8 mask[AREA];
    for (int i = 0; i < AREA; i++) {
      map[i] = (float)g_rand_double(random) + (float)m / 20;
      mask[i] = g_rand_int_range(random, 0, 10) == 0;
    }
    add(whole, map, mask, SIDE, SIDE);
    add(m % 3 ? a : b, map, mask, SIDE, SIDE);
  }
  const VelmPixelScores *stores[] = {a, b};
  VelmPixelFigures figures;
  g_assert_true(velm_pixel_metrics_measure(stores, 2, 0.3, &figures, NULL, NULL));
  assert_same(figures, measure(whole, 0.3));
  g_assert_true(velm_pixel_metrics_measure(NULL, 0, 0.3, &figures, NULL, NULL));
  assert_figures(figures, NAN, NAN, NAN);
}

/* ---- more than memory takes ---- */

enum { WIDTH = 1500, HEIGHT = 1000, LEVELS = 5000, SETS = 4 };

/* A map of LEVELS distinct scores in several partitions, and a mask of one square. */
static void fill_map(GRand *random, float *map, guint8 *mask) {
  int left = g_rand_int_range(random, 0, WIDTH - 90), top = g_rand_int_range(random, 0, 900);
  memset(mask, 0, (gsize)WIDTH * HEIGHT);
  for (int y = 0; y < HEIGHT; y++)
    for (int x = 0; x < WIDTH; x++) {
      int i = y * WIDTH + x;
      gboolean inside = x >= left && x < left + 90 && y >= top && y < top + 90;
      mask[i] = inside ? 1 : 0;
      map[i] = (float)(g_rand_int_range(random, 0, LEVELS - 900) + (inside ? 900 : 0));
    }
}

typedef struct {
  double normal[LEVELS], anomalous[LEVELS];
} Histogram;

/* Straight from a histogram of the scores; regions are all of the same size. */
static VelmPixelFigures brute_figures(const Histogram *histogram, double limit) {
  double n_normal = 0, n_anomalous = 0, fp = 0, tp = 0;
  VelmPixelFigures figures = {0};
  for (int i = 0; i < LEVELS; i++) {
    n_normal += histogram->normal[i];
    n_anomalous += histogram->anomalous[i];
  }
  for (int i = LEVELS - 1; i >= 0; i--) {
    double x0 = fp / n_normal, y0 = tp / n_anomalous;
    fp += histogram->normal[i];
    tp += histogram->anomalous[i];
    double x1 = fp / n_normal, y1 = tp / n_anomalous;
    figures.auroc += (x1 - x0) * (y0 + y1) / 2;
    figures.average_precision += fp + tp > 0 ? (y1 - y0) * tp / (tp + fp) : 0;
    if (x0 < limit && x1 > x0) {
      double x = fmin(x1, limit), y = y0 + (y1 - y0) * (x - x0) / (x1 - x0);
      figures.aupro += (x - x0) * (y0 + y) / 2 / limit;
    }
  }
  return figures;
}

static void test_spilled(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(6);
  g_autofree float *map = g_new(float, WIDTH *HEIGHT);
  g_autofree guint8 *mask = g_new(guint8, WIDTH * HEIGHT);
  g_autofree Histogram *histogram = g_new0(Histogram, 1);
  g_autoptr(VelmPixelScores) scores = velm_pixel_scores_new();
  for (int m = 0; m < SETS; m++) {
    fill_map(random, map, mask);
    add(scores, map, mask, WIDTH, HEIGHT);
    for (int i = 0; i < WIDTH * HEIGHT; i++)
      (mask[i] ? histogram->anomalous : histogram->normal)[(int)map[i]]++;
  }
  VelmPixelFigures figures = measure(scores, 0.3), expected = brute_figures(histogram, 0.3);
  g_assert_cmpfloat_with_epsilon(figures.auroc, expected.auroc, 1e-11);
  g_assert_cmpfloat_with_epsilon(figures.average_precision, expected.average_precision, 1e-11);
  g_assert_cmpfloat_with_epsilon(figures.aupro, expected.aupro, 1e-11);

  /* The same to the bit, however many threads. */
  int threads = omp_get_max_threads();
  omp_set_num_threads(1);
  VelmPixelFigures one = measure(scores, 0.3);
  omp_set_num_threads(5);
  VelmPixelFigures five = measure(scores, 0.3);
  omp_set_num_threads(threads);
  g_assert_cmpmem(&one, sizeof one, &figures, sizeof figures);
  g_assert_cmpmem(&five, sizeof five, &figures, sizeof figures);
}

/* Adds maps until the scores do not fit in memory any more. */
static gboolean overfill(VelmPixelScores *scores, GError **error) {
  g_autoptr(GRand) random = g_rand_new_with_seed(7);
  g_autofree float *map = g_new(float, WIDTH *HEIGHT);
  g_autofree guint8 *mask = g_new(guint8, WIDTH * HEIGHT);
  for (int m = 0; m < SETS; m++) {
    fill_map(random, map, mask);
    g_autoptr(VelmTruthRegions) truth = velm_truth_regions_find(mask, WIDTH, HEIGHT);
    if (!velm_pixel_scores_add(scores, map, truth, WIDTH, HEIGHT, error))
      return FALSE;
  }
  return TRUE;
}

/* A limit on the size of files stands for a full disk. */
static void test_full(void) {
  g_autoptr(VelmPixelScores) scores = velm_pixel_scores_new();
  struct rlimit was, small;
  g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &was), ==, 0);
  small = was;
  small.rlim_cur = 1000000;
  signal(SIGXFSZ, SIG_IGN);
  GError *error = NULL;
  g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
  gboolean ok = overfill(scores, &error);
  g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &was), ==, 0);
  g_assert_false(ok);
  assert_failure(&error, VELM_ERROR_FILE, g_get_tmp_dir());
}

/* The last test: the folder for temporary files is gone after it. */
static void test_no_folder(void) {
  g_assert_cmpint(g_rmdir(g_get_tmp_dir()), ==, 0);
  /* Small sets do not need it. */
  const float map[] = {1, 2, 3, 4};
  const guint8 mask[] = {0, 0, 1, 1};
  g_autoptr(VelmPixelScores) few = velm_pixel_scores_new();
  add(few, map, mask, 2, 2);
  assert_close("auroc", measure(few, 0.3).auroc, 1);
  g_autoptr(VelmPixelScores) many = velm_pixel_scores_new();
  GError *error = NULL;
  g_assert_false(overfill(many, &error));
  assert_failure(&error, VELM_ERROR_FILE, g_get_tmp_dir());
}

/* ---- curves ---- */

static double area_under(const VelmCurvePoints *points) {
  double area = 0;
  for (gsize i = 1; i < points->n; i++)
    area += (points->x[i] - points->x[i - 1]) * (points->y[i] + points->y[i - 1]) / 2;
  return area;
}

static void assert_rising(const VelmCurvePoints *points, double end_x) {
  g_assert_cmpuint(points->n, >, 100);
  g_assert_cmpuint(points->n, <=, VELM_CURVE_POINTS + 3);
  for (gsize i = 1; i < points->n; i++)
    g_assert_cmpfloat(points->x[i], >=, points->x[i - 1]);
  assert_close("end", points->x[points->n - 1], end_x);
}

static void test_curves(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(8);
  g_autofree float *map = g_new(float, WIDTH *HEIGHT);
  g_autofree guint8 *mask = g_new(guint8, WIDTH * HEIGHT);
  fill_map(random, map, mask);
  g_autoptr(VelmPixelScores) scores = velm_pixel_scores_new();
  add(scores, map, mask, WIDTH, HEIGHT);
  const VelmPixelScores *stores[] = {scores};
  VelmPixelFigures figures;
  VelmPixelCurves curves;
  g_assert_true(velm_pixel_metrics_measure(stores, 1, 0.3, &figures, &curves, NULL));
  assert_rising(curves.roc, 1);
  assert_rising(curves.precision_recall, 1);
  assert_rising(curves.pro, 0.3);
  assert_close("start", curves.roc->x[0] + curves.roc->y[0], 0);
  assert_close("start", curves.pro->x[0] + curves.pro->y[0], 0);
  assert_close("end", curves.roc->y[curves.roc->n - 1], 1);
  g_assert_cmpfloat_with_epsilon(area_under(curves.roc), figures.auroc, 1e-4);
  g_assert_cmpfloat_with_epsilon(area_under(curves.pro) / 0.3, figures.aupro, 1e-4);
  g_assert_cmpfloat_with_epsilon(area_under(curves.precision_recall), figures.average_precision,
                                 1e-2);
  velm_pixel_curves_clear(&curves);
  g_assert_null(curves.roc);

  g_autoptr(VelmPixelScores) anomalous = velm_pixel_scores_new();
  memset(mask, 1, (gsize)WIDTH * HEIGHT);
  add(anomalous, map, mask, WIDTH, HEIGHT);
  stores[0] = anomalous;
  g_assert_true(velm_pixel_metrics_measure(stores, 1, 0.3, &figures, &curves, NULL));
  g_assert_null(curves.roc);
  g_assert_null(curves.pro);
  g_assert_nonnull(curves.precision_recall);
  velm_pixel_curves_clear(&curves);
}

/* ---- histograms ---- */

enum { IMAGES = 12 };

static void free_histograms(VelmPixelHistogram **histograms) {
  for (int i = 0; i < IMAGES; i++)
    velm_pixel_histogram_free(histograms[i]);
}

/* Of fewer distinct scores than bins nothing is lost: a draw is what exact metrics say of the same
 * images, each added as often as it was drawn. */
static void test_histograms(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(9);
  float maps[IMAGES][AREA], sample[IMAGES * AREA + 1];
  guint8 masks[IMAGES][AREA] = {0};
  for (int i = 0; i < IMAGES; i++)
    for (int k = 0; k < AREA; k++) {
      maps[i][k] = (float)g_rand_int_range(random, -10, 10) / 8;
      masks[i][k] = i % 3 && g_rand_int_range(random, 0, 8) == 0;
    }
  memcpy(sample, maps, sizeof maps);
  sample[IMAGES * AREA] = NAN; /* is passed over */
  g_autoptr(VelmScoreBins) bins = velm_score_bins_new(sample, G_N_ELEMENTS(sample));
  VelmPixelHistogram *histograms[IMAGES] = {0};
  VelmTruthRegions *truths[IMAGES];
  for (int i = 0; i < IMAGES; i++) {
    truths[i] = velm_truth_regions_find(masks[i], SIDE, SIDE);
    histograms[i] = velm_pixel_histogram_new(bins, maps[i], truths[i], SIDE, SIDE);
  }
  for (int round = 0; round < 50; round++) {
    guint counts[IMAGES];
    g_autoptr(VelmPixelScores) scores = velm_pixel_scores_new();
    for (int i = 0; i < IMAGES; i++) {
      counts[i] = round ? (guint)g_rand_int_range(random, 0, 3) : 1;
      for (guint k = 0; k < counts[i]; k++)
        g_assert_true(velm_pixel_scores_add(scores, maps[i], truths[i], SIDE, SIDE, NULL));
    }
    assert_same(velm_pixel_histogram_measure((const VelmPixelHistogram *const *)histograms,
                                             round ? counts : NULL, IMAGES, 0.3),
                measure(scores, 0.3));
  }
  free_histograms(histograms);
  for (int i = 0; i < IMAGES; i++)
    velm_truth_regions_free(truths[i]);
}

/* Of any scores the bins come close, and images without a histogram do not count. */
static void test_histograms_close(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(10);
  g_autofree float *map = g_new(float, WIDTH *HEIGHT);
  g_autofree float *sample = g_new(float, WIDTH *HEIGHT);
  g_autofree guint8 *mask = g_new(guint8, WIDTH * HEIGHT);
  fill_map(random, map, mask);
  for (int i = 0; i < WIDTH * HEIGHT; i++)
    sample[i] = map[i] = expf(map[i] / 1000) + (float)g_rand_double(random);
  g_autoptr(VelmScoreBins) bins = velm_score_bins_new(sample, WIDTH * HEIGHT);
  g_autoptr(VelmTruthRegions) truth = velm_truth_regions_find(mask, WIDTH, HEIGHT);
  g_autoptr(VelmPixelHistogram) histogram =
      velm_pixel_histogram_new(bins, map, truth, WIDTH, HEIGHT);
  g_autoptr(VelmPixelScores) scores = velm_pixel_scores_new();
  add(scores, map, mask, WIDTH, HEIGHT);
  VelmPixelFigures exact = measure(scores, 0.3);
  const VelmPixelHistogram *histograms[] = {NULL, histogram};
  VelmPixelFigures binned = velm_pixel_histogram_measure(histograms, NULL, 2, 0.3);
  g_assert_cmpfloat_with_epsilon(binned.auroc, exact.auroc, 1e-4);
  g_assert_cmpfloat_with_epsilon(binned.average_precision, exact.average_precision, 1e-3);
  g_assert_cmpfloat_with_epsilon(binned.aupro, exact.aupro, 1e-3);
  assert_figures(velm_pixel_histogram_measure(histograms, NULL, 1, 0.3), NAN, NAN, NAN);
}

/* Without a sample all scores share one bin. */
static void test_histograms_no_sample(void) {
  const float map[] = {1, 2, 3, 4};
  const guint8 mask[] = {0, 0, 1, 1};
  g_autoptr(VelmScoreBins) bins = velm_score_bins_new(NULL, 0);
  g_autoptr(VelmTruthRegions) truth = velm_truth_regions_find(mask, 2, 2);
  g_autoptr(VelmPixelHistogram) histogram = velm_pixel_histogram_new(bins, map, truth, 2, 2);
  const VelmPixelHistogram *histograms[] = {histogram};
  assert_figures(velm_pixel_histogram_measure(histograms, NULL, 1, 0.3), 0.5, 0.5, 0.15);
}

/* An empty folder for temporary files, before GLib looks where that is, which it does once. */
static void use_own_folder(void) {
  const char *base = g_getenv("TMPDIR");
  g_autofree char *folder = g_build_filename(base ? base : "/tmp", "velm-pixels-XXXXXX", NULL);
  g_assert_nonnull(g_mkdtemp(folder));
  g_setenv("TMPDIR", folder, TRUE);
  g_assert_cmpstr(g_get_tmp_dir(), ==, folder);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  use_own_folder();
  g_test_add_func("/pixel-metrics/cases", test_cases);
  g_test_add_func("/pixel-metrics/undefined", test_undefined);
  g_test_add_func("/pixel-metrics/order", test_order);
  g_test_add_func("/pixel-metrics/connectivity", test_connectivity);
  g_test_add_func("/pixel-metrics/regions", test_regions);
  g_test_add_func("/pixel-metrics/random", test_random);
  g_test_add_func("/pixel-metrics/stores", test_stores);
  g_test_add_func("/pixel-metrics/spilled", test_spilled);
  g_test_add_func("/pixel-metrics/curves", test_curves);
  g_test_add_func("/pixel-metrics/histograms", test_histograms);
  g_test_add_func("/pixel-metrics/histograms-close", test_histograms_close);
  g_test_add_func("/pixel-metrics/histograms-no-sample", test_histograms_no_sample);
  g_test_add_func("/pixel-metrics/full", test_full);
  g_test_add_func("/pixel-metrics/no-folder", test_no_folder);
  int result = g_test_run();
  g_rmdir(g_get_tmp_dir());
  return result;
}
