#include "mark/refine.h"

#include "detect/quantile.h"
#include "mark/label.h"

#include <math.h>
#include <stdlib.h>

/* Regions are looked for at this size of the longer side, and the lengths below are in its pixels.
 */
#define SIDE 256

/* A map is coarse where a value of it covers this many pixels of the longer side, at least. */
#define COARSE 3

/* Proposals: regions down to these shares of the peak's height over the map's median, */
static const double levels[] = {0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};
/* and what differs in grey within regions down to these. */
static const double grey_levels[] = {0.2, 0.4, 0.6};

#define SMOOTHING 1.0  /* of the grey values */
#define CLOSING 2      /* of gaps in what differs in grey */
#define MARGIN 2       /* about a region that belongs neither to it nor to its surroundings */
#define GREY_NOISE 2.0 /* grey levels: a smaller spread is none */

/* What stands out less cannot be told from its surroundings: the map alone says where it is. */
#define LEAST_PROMINENCE 0.05

#define N_BINS 256

typedef struct {
  VelmPlane *grey, *map;
  gsize n, peak;
  double middle, height; /* of the map: its median, and the peak's height over it */
} Look;

static void look_clear(Look *look) {
  velm_plane_free(look->grey);
  velm_plane_free(look->map);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Look, look_clear)

/* Shuffles @values. */
static double median(float *values, gsize n) {
  qsort(values, n, sizeof *values, velm_compare_floats);
  return n ? (double)values[n / 2] : 0;
}

static gboolean look_at(Look *look, const VelmImage *image, const VelmPlane *map, GError **error) {
  double shrink = MAX(1.0, (double)MAX(image->width, image->height) / SIDE);
  int width = MAX(1, (int)lround(image->width / shrink));
  int height = MAX(1, (int)lround(image->height / shrink));
  g_autoptr(VelmImage) small = velm_image_resize(image, width, height, error);
  g_autoptr(VelmPlane) sharp = small ? velm_image_grey(small) : NULL;
  look->grey = sharp ? velm_plane_blur(sharp, SMOOTHING, error) : NULL;
  look->map = look->grey ? velm_plane_resize(map, width, height, error) : NULL;
  if (!look->map)
    return FALSE;
  look->n = (gsize)width * (gsize)height;
  for (gsize i = 1; i < look->n; i++)
    if (look->map->values[i] > look->map->values[look->peak])
      look->peak = i;
  g_autofree float *sorted = g_memdup2(look->map->values, look->n * sizeof(float));
  look->middle = median(sorted, look->n);
  look->height = MAX((double)look->map->values[look->peak] - look->middle, 1e-9);
  return TRUE;
}

/* How high the map is at a pixel: 0 at its median and below, 1 at the peak. */
static double height_at(const Look *look, gsize i) {
  return CLAMP(((double)look->map->values[i] - look->middle) / look->height, 0, 1);
}

/* ---- proposals ---- */

/* The map's region about the peak, down to a share of its height. */
static VelmMask *region_at(const Look *look, double level, GError **error) {
  g_autoptr(VelmMask) mask = velm_mask_new(look->map->width, look->map->height);
  double least = look->middle + level * look->height;
  for (gsize i = 0; i < look->n; i++)
    mask->values[i] = (double)look->map->values[i] >= least ? 255 : 0;
  mask->values[look->peak] = 255;
  return velm_mark_component_at(mask, look->peak, error);
}

/* Otsu's threshold of values from 0 to @largest: it splits them with the least variance within the
 * halves (IEEE Trans. SMC 9, 1979). */
static double otsu(const guint *counts, gsize n, double largest) {
  double total = 0, below = 0, n_below = 0, best = -1;
  int at = 0;
  for (int i = 0; i < N_BINS; i++)
    total += (double)i * counts[i];
  for (int i = 0; i < N_BINS - 1; i++) {
    n_below += counts[i];
    below += (double)i * counts[i];
    double n_above = (double)n - n_below;
    if (n_below == 0 || n_above == 0)
      continue;
    double gap = below / n_below - (total - below) / n_above;
    double between = n_below * n_above * gap * gap;
    if (between > best) {
      best = between;
      at = i;
    }
  }
  return (at + 1) * largest / N_BINS;
}

/* The square of side 2 * @radius + 1 about each pixel of @region, without what lies within
 * @margin. */
static VelmMask *surroundings(const VelmMask *region, int radius, int margin, GError **error) {
  g_autoptr(VelmMask) wide = velm_mask_dilate(region, radius + margin, error);
  g_autoptr(VelmMask) own = !wide    ? NULL
                            : margin ? velm_mask_dilate(region, margin, error)
                                     : velm_mask_copy(region);
  if (!own)
    return NULL;
  gsize n = (gsize)wide->width * (gsize)wide->height;
  for (gsize i = 0; i < n; i++)
    if (own->values[i])
      wide->values[i] = 0;
  return g_steal_pointer(&wide);
}

/* Median grey value of the pixels in @mask; NaN where there is none. */
static double median_grey(const Look *look, const VelmMask *mask) {
  g_autofree float *values = g_new(float, look->n);
  gsize n = 0;
  for (gsize i = 0; i < look->n; i++)
    if (mask->values[i])
      values[n++] = look->grey->values[i];
  return n ? median(values, n) : NAN;
}

/* How far each pixel of @region differs from @background, where the map is high. Returns the
 * largest. */
static double differences(const Look *look, const VelmMask *region, double background, float *out) {
  double largest = 0;
  for (gsize i = 0; i < look->n; i++) {
    double difference = fabs((double)look->grey->values[i] - background) * height_at(look, i);
    out[i] = region->values[i] ? (float)difference : 0;
    largest = MAX(largest, (double)out[i]);
  }
  return largest;
}

/* The pixels of @region whose difference is over Otsu's threshold, gaps closed. */
static VelmMask *different_pixels(const Look *look, const VelmMask *region, const float *difference,
                                  double largest, GError **error) {
  guint counts[N_BINS] = {0};
  gsize n = 0;
  for (gsize i = 0; i < look->n; i++)
    if (region->values[i]) {
      counts[MIN(N_BINS - 1, (int)((double)difference[i] / largest * N_BINS))]++;
      n++;
    }
  double least = otsu(counts, n, largest);
  g_autoptr(VelmMask) mask = velm_mask_new(region->width, region->height);
  for (gsize i = 0; i < look->n; i++)
    mask->values[i] = region->values[i] && (double)difference[i] >= least ? 255 : 0;
  g_autoptr(VelmMask) grown = velm_mask_dilate(mask, CLOSING, error);
  return grown ? velm_mask_erode(grown, CLOSING, error) : NULL;
}

/* Of the components of @mask, the one with the largest sum of @difference. */
static VelmMask *strongest_component(const VelmMask *mask, const float *difference,
                                     GError **error) {
  int n_labels = 0;
  g_autofree gint32 *labels = velm_mark_label(mask, &n_labels, error);
  if (!labels)
    return NULL;
  g_autofree double *sums = g_new0(double, (gsize)n_labels + 1);
  gsize n = (gsize)mask->width * (gsize)mask->height, best = n;
  for (gsize i = 0; i < n; i++)
    if (mask->values[i])
      sums[labels[i]] += (double)difference[i];
  for (gsize i = 0; i < n; i++)
    if (mask->values[i] && (best == n || sums[labels[i]] > sums[labels[best]]))
      best = i;
  return best == n ? velm_mask_copy(mask) : velm_mark_component_at(mask, best, error);
}

/* What differs in grey from the surroundings of @region, within it; @region itself where nothing
 * does. */
static VelmMask *grey_region(const Look *look, const VelmMask *region, GError **error) {
  int radius = MAX(4, (int)(0.5 * sqrt((double)velm_mask_count(region))));
  g_autoptr(VelmMask) ring = surroundings(region, radius, 0, error);
  if (!ring)
    return NULL;
  double background = median_grey(look, ring);
  g_autofree float *difference = g_new(float, look->n);
  double largest = isnan(background) ? 0 : differences(look, region, background, difference);
  if (!(largest > 0))
    return velm_mask_copy(region);
  g_autoptr(VelmMask) mask = different_pixels(look, region, difference, largest, error);
  return mask ? strongest_component(mask, difference, error) : NULL;
}

/* ---- the choice ---- */

typedef struct {
  double n, mean, variance, height;
} Statistics;

static Statistics statistics_of(const Look *look, const VelmMask *mask) {
  Statistics sums = {0};
  double squares = 0;
  for (gsize i = 0; i < look->n; i++)
    if (mask->values[i]) {
      double grey = (double)look->grey->values[i];
      sums.n++;
      sums.mean += grey;
      squares += grey * grey;
      sums.height += height_at(look, i);
    }
  if (sums.n == 0)
    return sums;
  sums.mean /= sums.n;
  sums.height /= sums.n;
  sums.variance = MAX(0.0, squares / sums.n - sums.mean * sums.mean);
  return sums;
}

/* How far @region stands out: its difference in grey from what is about it, in standard deviations,
 * times that in the map's height. Negative where it fails. */
static double prominence(const Look *look, const VelmMask *region, GError **error) {
  int radius = MAX(3, (int)(0.35 * sqrt((double)velm_mask_count(region))));
  g_autoptr(VelmMask) inner = velm_mask_erode(region, 1, error);
  g_autoptr(VelmMask) outer = inner ? surroundings(region, radius, MARGIN, error) : NULL;
  if (!outer)
    return -1;
  Statistics inside = statistics_of(look, velm_mask_count(inner) ? inner : region);
  Statistics outside = statistics_of(look, outer);
  if (outside.n == 0)
    return 0;
  double spread = sqrt((inside.variance + outside.variance) / 2 + GREY_NOISE * GREY_NOISE);
  return fabs(inside.mean - outside.mean) / spread * MAX(inside.height - outside.height, 1e-3);
}

typedef struct {
  VelmMask *mask;
  double prominence;
} Best;

/* Takes @proposal, which is owned, where it is better. Returns: FALSE where it fails. */
static gboolean consider(Best *best, const Look *look, VelmMask *proposal, GError **error) {
  double found = proposal ? prominence(look, proposal, error) : -1;
  if (found <= best->prominence) {
    velm_mask_free(proposal);
    return found >= 0;
  }
  velm_mask_free(best->mask);
  *best = (Best){proposal, found};
  return TRUE;
}

static gboolean consider_all(Best *best, const Look *look, GError **error) {
  for (gsize i = 0; i < G_N_ELEMENTS(levels); i++)
    if (!consider(best, look, region_at(look, levels[i], error), error))
      return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(grey_levels); i++) {
    g_autoptr(VelmMask) region = region_at(look, grey_levels[i], error);
    if (!region || !consider(best, look, grey_region(look, region, error), error))
      return FALSE;
  }
  return TRUE;
}

gboolean velm_mark_is_coarse(const VelmPlane *map, int width, int height) {
  return MAX(map->width, map->height) * COARSE <= MAX(width, height);
}

gboolean velm_mark_refine(const VelmImage *image, const VelmPlane *map, VelmMask **region,
                          GError **error) {
  g_auto(Look) look = {0};
  Best best = {NULL, LEAST_PROMINENCE};
  gboolean ok = look_at(&look, image, map, error) && consider_all(&best, &look, error);
  if (!ok)
    g_clear_pointer(&best.mask, velm_mask_free);
  *region = best.mask;
  return ok;
}
