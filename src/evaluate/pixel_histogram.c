#include "evaluate/pixel_histogram.h"

#include "evaluate/pixel_sweep.h"
#include "evaluate/score_key.h"

#include <math.h>

enum { MAX_BINS = 512, EQUAL_BINS = 256 };

/* @edges: keys of the scores where bins 1 and up begin. @first: how many edges lie in lower
 * partitions (of the keys' high half) than each: a pixel looks among those of its own alone. */
struct _VelmScoreBins {
  guint32 edges[MAX_BINS];
  guint n_edges;
  guint16 first[65536 + 1];
};

static int compare_floats(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static gsize drop_nan(float *sample, gsize n) {
  gsize kept = 0;
  for (gsize i = 0; i < n; i++)
    if (!isnan(sample[i]))
      sample[kept++] = sample[i];
  return kept;
}

static int compare_keys(const void *a, const void *b) {
  guint32 x = *(const guint32 *)a, y = *(const guint32 *)b;
  return (x > y) - (x < y);
}

/* Of equal edges one stays. */
static guint drop_equal(guint32 *keys, guint n) {
  guint kept = 0;
  for (guint i = 0; i < n; i++)
    if (i == 0 || keys[i] != keys[i - 1])
      keys[kept++] = keys[i];
  return kept;
}

/* @sorted: upwards, not empty */
static void place_edges(VelmScoreBins *bins, const float *sorted, gsize n) {
  guint32 *edges = bins->edges;
  for (gsize i = 1; i < EQUAL_BINS; i++)
    edges[bins->n_edges++] = velm_score_key(sorted[n * i / EQUAL_BINS]);
  for (gsize i = 0; i < MAX_BINS - EQUAL_BINS; i++) {
    double above = pow((double)n, (double)i / (MAX_BINS - EQUAL_BINS));
    edges[bins->n_edges++] = velm_score_key(sorted[n - CLAMP((gsize)above, 1, n)]);
  }
  qsort(edges, bins->n_edges, sizeof *edges, compare_keys);
  bins->n_edges = drop_equal(edges, bins->n_edges);
}

static void index_edges(VelmScoreBins *bins) {
  guint edge = 0;
  for (guint high = 0; high <= 65536; high++) {
    while (edge < bins->n_edges && bins->edges[edge] >> 16 < high)
      edge++;
    bins->first[high] = (guint16)edge;
  }
}

VelmScoreBins *velm_score_bins_new(float *sample, gsize n) {
  VelmScoreBins *bins = g_new0(VelmScoreBins, 1);
  n = drop_nan(sample, n);
  if (n > 0) {
    qsort(sample, n, sizeof *sample, compare_floats);
    place_edges(bins, sample, n);
  }
  index_edges(bins);
  return bins;
}

void velm_score_bins_free(VelmScoreBins *bins) { g_free(bins); }

static guint find_bin(const VelmScoreBins *bins, float score) {
  guint32 key = velm_score_key(score);
  guint low = bins->first[key >> 16], high = bins->first[(key >> 16) + 1];
  while (low < high) {
    guint middle = (low + high) / 2;
    if (bins->edges[middle] <= key)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

/* @anomalous and @overlap are NULL where there is no region. */
struct _VelmPixelHistogram {
  guint32 normal[MAX_BINS];
  guint32 *anomalous;
  double *overlap;
  guint n_regions;
};

static void count_normal(VelmPixelHistogram *histogram, const VelmScoreBins *bins,
                         const float *values, gsize n) {
  for (gsize i = 0; i < n; i++)
    histogram->normal[find_bin(bins, values[i])]++;
}

static void count_mixed(VelmPixelHistogram *histogram, const VelmScoreBins *bins,
                        const float *values, const guint32 *areas, gsize n) {
  for (gsize i = 0; i < n; i++) {
    guint bin = find_bin(bins, values[i]);
    if (!areas[i]) {
      histogram->normal[bin]++;
      continue;
    }
    histogram->anomalous[bin]++;
    histogram->overlap[bin] += 1.0 / areas[i];
  }
}

VelmPixelHistogram *velm_pixel_histogram_new(const VelmScoreBins *bins, const float *map,
                                             const VelmTruthRegions *truth, int width, int height) {
  VelmPixelHistogram *histogram = g_new0(VelmPixelHistogram, 1);
  const gsize row = (gsize)MAX(width, 0), n = row * (gsize)MAX(height, 0);
  if (!truth || !truth->n) {
    count_normal(histogram, bins, map, n);
    return histogram;
  }
  histogram->n_regions = truth->n;
  histogram->anomalous = g_new0(guint32, MAX_BINS);
  histogram->overlap = g_new0(double, MAX_BINS);
  const gsize box = (gsize)truth->width, left = (gsize)truth->left;
  gsize done = 0; /* all before it is counted */
  for (gsize y = 0; y < (gsize)truth->height; y++) {
    gsize start = (y + (gsize)truth->top) * row + left;
    count_normal(histogram, bins, map + done, start - done);
    count_mixed(histogram, bins, map + start, truth->areas + y * box, box);
    done = start + box;
  }
  count_normal(histogram, bins, map + done, n - done);
  return histogram;
}

void velm_pixel_histogram_free(VelmPixelHistogram *histogram) {
  if (!histogram)
    return;
  g_free(histogram->anomalous);
  g_free(histogram->overlap);
  g_free(histogram);
}

typedef struct {
  double normal[MAX_BINS], anomalous[MAX_BINS], overlap[MAX_BINS];
} Sums;

static void add_image(Sums *sums, const VelmPixelHistogram *histogram, double count) {
  for (gsize b = 0; b < MAX_BINS; b++)
    sums->normal[b] += count * histogram->normal[b];
  if (!histogram->anomalous)
    return;
  for (gsize b = 0; b < MAX_BINS; b++) {
    sums->anomalous[b] += count * histogram->anomalous[b];
    sums->overlap[b] += count * histogram->overlap[b];
  }
}

static VelmPixelFigures sweep_sums(const Sums *sums, VelmPixelTotals totals) {
  for (gsize b = 0; b < MAX_BINS; b++) {
    totals.n_normal += sums->normal[b];
    totals.n_anomalous += sums->anomalous[b];
  }
  VelmPixelSweep sweep = {.totals = &totals};
  for (gsize b = MAX_BINS; b-- > 0;)
    if (sums->normal[b] > 0 || sums->anomalous[b] > 0)
      velm_pixel_sweep_step(&sweep, sums->normal[b], sums->anomalous[b], sums->overlap[b]);
  return velm_pixel_sweep_figures(&totals, sweep.pairs, sweep.precisions, sweep.pro_area);
}

VelmPixelFigures velm_pixel_histogram_measure(const VelmPixelHistogram *const *histograms,
                                              const guint *counts, gsize n, double limit) {
  Sums sums = {0};
  VelmPixelTotals totals = {.limit = limit};
  for (gsize i = 0; i < n; i++) {
    guint count = counts ? counts[i] : 1;
    if (!count || !histograms[i])
      continue;
    add_image(&sums, histograms[i], count);
    totals.n_regions += (double)count * histograms[i]->n_regions;
  }
  return sweep_sums(&sums, totals);
}
