#include "detect/nearest.h"

#include "core/parallel.h"
#include "detect/nearest_kernel.h"

#include <cblas.h>
#include <float.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

/* The directions that are looked at first hold this share of the bank's variance: more of them cost
 * more, fewer leave more entries to compare in full. */
#define LEADING_VARIANCE 0.8
#define MAX_LEADING 64

/* They are found from so many entries, evenly spread. */
#define MAX_SAMPLE 8192

/* Panels that all queries of a thread meet before the next ones: they stay in the second cache. */
#define PANELS_AT_A_TIME 32

#define CACHE_LINE 64

struct _VelmNearest {
  const VelmNearestKernel *kernel;
  gsize n, channels, n_queries;
  gsize n_leading;
  const float *entries; /* as they were given */
  float *centre;        /* distances do not depend on it, rounding does */
  float *axes;          /* panels of the leading directions, for projecting queries */
  float *panels;        /* of the projected entries; the bias is minus half of their squared norm */
  float reach2;         /* the largest squared norm of an entry, less the centre */
};

static gsize n_panels(gsize n) { return (n + VELM_PANEL - 1) / VELM_PANEL; }

static gsize panel_size(gsize dims) { return (dims + 1) * VELM_PANEL; }

static float *panels_new(gsize n, gsize dims) {
  return g_aligned_alloc0(n_panels(n) * panel_size(dims), sizeof(float), CACHE_LINE);
}

/* Where dimension @k of row @i lies in panels of @dims; the bias, where @k is -1. */
static float *panel_at(float *panels, gsize dims, gsize i, gssize k) {
  return panels + i / VELM_PANEL * panel_size(dims) + (gsize)(k + 1) * VELM_PANEL + i % VELM_PANEL;
}

/* ---- the leading directions ---- */

static void find_centre(VelmNearest *nearest) {
  g_autofree double *sums = g_new0(double, nearest->channels);
  for (gsize i = 0; i < nearest->n; i++)
    for (gsize k = 0; k < nearest->channels; k++)
      sums[k] += (double)nearest->entries[i * nearest->channels + k];
  for (gsize k = 0; k < nearest->channels; k++)
    nearest->centre[k] = (float)(sums[k] / (double)nearest->n);
}

static void shift(const VelmNearest *nearest, const float *row, float *shifted) {
  for (gsize k = 0; k < nearest->channels; k++)
    shifted[k] = row[k] - nearest->centre[k];
}

/* Returns the upper triangle of the scatter matrix of some entries. */
static double *find_scatter(const VelmNearest *nearest) {
  gsize c = nearest->channels, m = MIN(nearest->n, (gsize)MAX_SAMPLE);
  g_autofree float *sample = g_new(float, m *c);
  g_autofree float *products = g_new0(float, c *c);
  for (gsize i = 0; i < m; i++)
    shift(nearest, nearest->entries + i * nearest->n / m * c, sample + i * c);
  cblas_ssyrk(CblasRowMajor, CblasUpper, CblasTrans, (int)c, (int)m, 1, sample, (int)c, 0, products,
              (int)c);
  double *scatter = g_new(double, c *c);
  for (gsize i = 0; i < c * c; i++)
    scatter[i] = (double)products[i];
  return scatter;
}

/* How many of the rising @values, counted from the last, hold LEADING_VARIANCE of @trace. */
static gsize count_leading(const double *values, gsize n, double trace) {
  double sum = 0;
  gsize count = 0;
  while (count < n && (count % 8 != 0 || sum < LEADING_VARIANCE * trace))
    sum += values[n - ++count];
  return MAX(count, 1);
}

/* Any orthonormal directions give right answers; the principal ones give them soonest. */
static void set_axes(VelmNearest *nearest, const double *vectors, gsize n) {
  gsize c = nearest->channels;
  nearest->axes = panels_new(nearest->n_leading, c);
  for (gsize i = 0; i < nearest->n_leading; i++)
    for (gsize k = 0; k < c; k++)
      *panel_at(nearest->axes, c, i, (gssize)k) =
          vectors ? (float)vectors[k * n + (n - 1 - i)] : (i == k ? 1.0f : 0.0f);
}

static void find_axes(VelmNearest *nearest) {
  lapack_int c = (lapack_int)nearest->channels, n = MIN(c, MAX_LEADING), found = 0;
  g_autofree double *scatter = find_scatter(nearest);
  g_autofree double *values = g_new0(double, nearest->channels);
  g_autofree double *vectors = g_new(double, nearest->channels *(gsize)n);
  g_autofree lapack_int *support = g_new(lapack_int, 2 * (gsize)n);
  double trace = 0;
  for (gsize k = 0; k < nearest->channels; k++)
    trace += scatter[k * nearest->channels + k];
  lapack_int info = LAPACKE_dsyevr(LAPACK_ROW_MAJOR, 'V', 'I', 'U', c, scatter, c, 0, 0, c - n + 1,
                                   c, 0, &found, values, vectors, n, support);
  gboolean ok = info == 0 && found == n;
  nearest->n_leading = ok ? count_leading(values, (gsize)n, trace) : (gsize)n;
  set_axes(nearest, ok ? vectors : NULL, (gsize)n);
}

/* Projects VELM_GROUP @shifted rows to @leading. */
static void project(const VelmNearest *nearest, const float *shifted, float *leading) {
  static const float none[VELM_GROUP] = {INFINITY, INFINITY, INFINITY,
                                         INFINITY, INFINITY, INFINITY};
  float products[VELM_GROUP * VELM_PANEL] __attribute__((aligned(CACHE_LINE)));
  guint32 over[VELM_GROUP];
  for (gsize first = 0; first < nearest->n_leading; first += VELM_PANEL) {
    gsize width = MIN((gsize)VELM_PANEL, nearest->n_leading - first);
    nearest->kernel->multiply(shifted,
                              nearest->axes + first / VELM_PANEL * panel_size(nearest->channels),
                              nearest->channels, none, products, over);
    for (gsize i = 0; i < VELM_GROUP; i++)
      memcpy(leading + i * nearest->n_leading + first, products + i * VELM_PANEL,
             width * sizeof(float));
  }
}

static float norm2(const float *values, gsize n) {
  double sum = 0;
  for (gsize k = 0; k < n; k++)
    sum += (double)values[k] * (double)values[k];
  return (float)sum;
}

/* Copies up to VELM_GROUP of @n rows from @first on, less the centre; what there is none of is
 * zero. */
static gsize shift_group(const VelmNearest *nearest, const float *rows, gsize first, gsize n,
                         float *shifted) {
  gsize count = MIN((gsize)VELM_GROUP, n - first);
  for (gsize i = 0; i < count; i++)
    shift(nearest, rows + (first + i) * nearest->channels, shifted + i * nearest->channels);
  memset(shifted + count * nearest->channels, 0,
         (VELM_GROUP - count) * nearest->channels * sizeof(float));
  return count;
}

static void fill_panels(VelmNearest *nearest) {
  gsize d = nearest->n_leading;
  g_autofree float *shifted = g_new(float, VELM_GROUP * nearest->channels);
  g_autofree float *leading = g_new(float, VELM_GROUP *d);
  nearest->panels = panels_new(nearest->n, d);
  /* The last panel's padding is nearest to nothing. */
  for (gsize i = nearest->n; i < n_panels(nearest->n) * VELM_PANEL; i++)
    *panel_at(nearest->panels, d, i, -1) = -INFINITY;
  for (gsize first = 0; first < nearest->n; first += VELM_GROUP) {
    gsize count = shift_group(nearest, nearest->entries, first, nearest->n, shifted);
    project(nearest, shifted, leading);
    for (gsize i = 0; i < count; i++) {
      *panel_at(nearest->panels, d, first + i, -1) = -norm2(leading + i * d, d) / 2;
      for (gsize k = 0; k < d; k++)
        *panel_at(nearest->panels, d, first + i, (gssize)k) = leading[i * d + k];
      nearest->reach2 =
          MAX(nearest->reach2, norm2(shifted + i * nearest->channels, nearest->channels));
    }
  }
}

VelmNearest *velm_nearest_new(const float *bank, gsize n, gsize channels, gsize n_queries,
                              GError **error) {
  velm_parallel_calm_blas();
  if (n < 1 || channels < 1 || channels > G_MAXINT16 || n_queries < 1) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "a memory bank of %" G_GSIZE_FORMAT " patches of %" G_GSIZE_FORMAT " channels", n,
                channels);
    return NULL;
  }
  VelmNearest *nearest = g_new0(VelmNearest, 1);
  nearest->kernel = velm_nearest_kernel();
  nearest->n = n;
  nearest->channels = channels;
  nearest->n_queries = n_queries;
  nearest->entries = bank;
  nearest->centre = g_new(float, channels);
  find_centre(nearest);
  find_axes(nearest);
  fill_panels(nearest);
  return nearest;
}

void velm_nearest_free(VelmNearest *nearest) {
  if (!nearest)
    return;
  g_free(nearest->centre);
  g_aligned_free(nearest->axes);
  g_aligned_free(nearest->panels);
  g_free(nearest);
}

/* ---- searching ---- */

/* Queries that one thread searches for. */
typedef struct {
  const VelmNearest *nearest;
  const float *queries;
  gsize n, n_groups;
  float *leading; /* projected: n_groups x VELM_GROUP rows */
  float *best2;   /* squared distance to the nearest entry so far */
  float *least;   /* of a product, for an entry that may be nearer still */
  float *norms2;  /* of the projected queries */
  float *margins; /* what rounding may take from a product */
  gsize compared; /* entries, in full */
} Search;

/*
 * For a projected query q and entry b, |q - b|^2 / 2 = |q|^2 / 2 - (q b - |b|^2 / 2), and what is
 * in brackets is what the kernel computes.
 */
static void set_best(Search *search, gsize i, float best2) {
  search->best2[i] = best2;
  search->least[i] = (search->norms2[i] - best2) / 2 - search->margins[i];
}

static Search *search_new(const VelmNearest *nearest, const float *queries, gsize n) {
  Search *search = g_new0(Search, 1);
  *search = (Search){.nearest = nearest, .queries = queries, .n = n};
  search->n_groups = (n + VELM_GROUP - 1) / VELM_GROUP;
  gsize rows = search->n_groups * VELM_GROUP, d = nearest->n_leading;
  search->leading = g_new(float, rows *d);
  search->best2 = g_new(float, rows);
  search->least = g_new(float, rows);
  search->norms2 = g_new0(float, rows);
  search->margins = g_new0(float, rows);
  return search;
}

static void search_free(Search *search) {
  g_free(search->leading);
  g_free(search->best2);
  g_free(search->least);
  g_free(search->norms2);
  g_free(search->margins);
  g_free(search);
}

static void start(Search *search) {
  const VelmNearest *nearest = search->nearest;
  gsize d = nearest->n_leading;
  /* Each product and its factors are sums of so many terms at most. */
  float rounding = 2 * FLT_EPSILON * (float)nearest->channels;
  g_autofree float *shifted = g_new(float, VELM_GROUP * nearest->channels);
  for (gsize group = 0; group < search->n_groups; group++) {
    gsize first = group * VELM_GROUP;
    gsize count = shift_group(nearest, search->queries, first, search->n, shifted);
    project(nearest, shifted, search->leading + first * d);
    for (gsize i = 0; i < VELM_GROUP; i++) {
      search->norms2[first + i] = norm2(search->leading + (first + i) * d, d);
      search->margins[first + i] =
          rounding * (norm2(shifted + i * nearest->channels, nearest->channels) + nearest->reach2);
      /* Rows that only fill the last group look for nothing. */
      set_best(search, first + i, i < count ? INFINITY : -INFINITY);
    }
  }
}

/* Entries are far apart in memory: they are asked for before the first is needed. */
static void prefetch(const VelmNearest *nearest, gsize panel, guint32 which) {
  for (; which; which &= which - 1) {
    gsize entry = panel * VELM_PANEL + (gsize)__builtin_ctz(which);
    const char *at = (const char *)(nearest->entries + entry * nearest->channels);
    for (gsize offset = 0; offset < nearest->channels * sizeof(float); offset += CACHE_LINE)
      __builtin_prefetch(at + offset);
  }
}

/* Looks at those entries of @panel that may be nearer to query @i than the best so far. */
static void compare_in_full(Search *search, gsize i, gsize panel, guint32 which,
                            const float *products) {
  const VelmNearest *nearest = search->nearest;
  gsize channels = nearest->channels;
  for (; which; which &= which - 1) {
    gsize j = (gsize)__builtin_ctz(which);
    if (!(products[j] > search->least[i]))
      continue;
    search->compared++;
    float d2 = nearest->kernel->distance2(search->queries + i * channels,
                                          nearest->entries + (panel * VELM_PANEL + j) * channels,
                                          channels);
    if (d2 < search->best2[i])
      set_best(search, i, d2);
  }
}

static void search_panels(Search *search, gsize group, gsize from, gsize to) {
  const VelmNearest *nearest = search->nearest;
  gsize first = group * VELM_GROUP, d = nearest->n_leading;
  float products[VELM_GROUP * VELM_PANEL] __attribute__((aligned(CACHE_LINE)));
  guint32 over[VELM_GROUP];
  for (gsize panel = to; panel-- > from;) {
    if (!nearest->kernel->multiply(search->leading + first * d,
                                   nearest->panels + panel * panel_size(d), d,
                                   search->least + first, products, over))
      continue;
    for (gsize i = 0; i < VELM_GROUP; i++)
      prefetch(nearest, panel, over[i]);
    for (gsize i = 0; i < VELM_GROUP; i++)
      compare_in_full(search, first + i, panel, over[i], products + i * VELM_PANEL);
  }
}

static void search_bank(Search *search) {
  gsize n = n_panels(search->nearest->n);
  start(search);
  for (gsize to = n; to > 0; to -= MIN(to, PANELS_AT_A_TIME))
    for (gsize group = 0; group < search->n_groups; group++)
      search_panels(search, group, to - MIN(to, PANELS_AT_A_TIME), to);
}

/* A search, as threads share it: each takes a run of so many queries at a time. */
typedef struct {
  const VelmNearest *nearest;
  const float *queries;
  float *distances;
  gsize run;
  gint64 *compared; /* of each run: entries that were compared in full */
} Job;

static void search_run(gsize index, gpointer data) {
  Job *job = data;
  gsize first = index * job->run, n = MIN(job->run, job->nearest->n_queries - first);
  Search *search = search_new(job->nearest, job->queries + first * job->nearest->channels, n);
  search_bank(search);
  for (gsize i = 0; i < n; i++)
    job->distances[first + i] = sqrtf(search->best2[i]);
  job->compared[index] = (gint64)search->compared;
  search_free(search);
}

/* Returns how many entries were compared in full. */
static gint64 find_all(const VelmNearest *nearest, const float *queries, float *distances) {
  gsize n_groups = (nearest->n_queries + VELM_GROUP - 1) / VELM_GROUP;
  gsize threads = velm_parallel_threads();
  Job job = {nearest, queries, distances, (n_groups + threads - 1) / threads * VELM_GROUP, NULL};
  gsize n_runs = (nearest->n_queries + job.run - 1) / job.run;
  job.compared = g_new0(gint64, n_runs);
  velm_parallel(n_runs, search_run, &job);
  gint64 compared = 0;
  for (gsize i = 0; i < n_runs; i++)
    compared += job.compared[i];
  g_free(job.compared);
  return compared;
}

gboolean velm_nearest_distances(const VelmNearest *nearest, const float *queries, float *distances,
                                GError **error) {
  find_all(nearest, queries, distances);
  return TRUE;
}

double velm_nearest_compared(const VelmNearest *nearest, const float *queries) {
  g_autofree float *distances = g_new(float, nearest->n_queries);
  return (double)find_all(nearest, queries, distances) / (double)nearest->n_queries;
}
