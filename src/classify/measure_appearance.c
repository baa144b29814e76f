#include "classify/measure.h"
#include "classify/morphology.h"
#include "classify/percentile.h"

#include <math.h>

/* The ring about the mask: from where blurred edges have died down, and this share of the scale
 * wide. */
#define RING_GAP 1.5
#define RING_WIDTH 0.03
#define RING_MIN_WIDTH 3
#define RING_MIN_PIXELS 8

/* Added to grey levels (of 255) before a ratio is taken: below it is noise. */
#define NOISE_SD 2.0
#define NOISE_SPREAD 1.0
#define NOISE_GRADIENT 0.5

#define GRADIENT_SIGMA 1.0
#define GRAIN_SIGMA 1.5

gboolean velm_measure_check(const VelmPlane *grey, const char *what, int width, int height,
                            GError **error) {
  if (grey->width == width && grey->height == height)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE,
              "the image has %d x %d pixels, but the %s has %d x %d", grey->width, grey->height,
              what, width, height);
  return FALSE;
}

/* ---- the ring ---- */

static VelmMask *draw_ring(const VelmMask *mask) {
  double scale = sqrt((double)mask->width * mask->height);
  double outer = RING_GAP + MAX(RING_MIN_WIDTH, rint(RING_WIDTH * scale));
  VelmMask *ring = velm_mask_new(mask->width, mask->height);
  VelmBox box;
  velm_box_bound(mask, &box);
  /* Nothing farther away can be in it. */
  box = velm_box_grow(box, (int)ceil(outer), mask->width, mask->height);
  g_autoptr(VelmMask) near = velm_mask_cut(mask, box);
  g_autoptr(VelmPlane) distance = velm_morphology_distance(near);
  for (int y = 0; y < box.height; y++)
    for (int x = 0; x < box.width; x++) {
      double d = (double)distance->values[(gsize)y * (gsize)box.width + (gsize)x];
      ring->values[(gsize)(box.y + y) * (gsize)mask->width + (gsize)(box.x + x)] =
          d > RING_GAP && d <= outer ? 255 : 0;
    }
  return ring;
}

/* The ring, or, where the mask leaves no room for one, what else there is to compare with. */
static VelmMask *surroundings(const VelmMask *mask) {
  g_autoptr(VelmMask) ring = draw_ring(mask);
  if (velm_mask_count(ring) >= RING_MIN_PIXELS)
    return g_steal_pointer(&ring);
  g_autoptr(VelmMask) rest = velm_mask_invert(mask);
  if (velm_mask_count(rest) >= RING_MIN_PIXELS)
    return g_steal_pointer(&rest);
  g_autoptr(VelmMask) nothing = velm_mask_new(mask->width, mask->height);
  return velm_mask_or_whole(nothing);
}

/* ---- grey levels ---- */

typedef struct {
  float *values;
  gsize n;
  double mean, sd;
} Levels;

static void levels_clear(Levels *levels) { g_free(levels->values); }
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Levels, levels_clear)

/* @mask: NULL for all */
static Levels levels_of(const VelmPlane *grey, const VelmMask *mask) {
  gsize n = (gsize)grey->width * (gsize)grey->height;
  Levels levels = {g_new(float, n), 0, 0, 0};
  double sum = 0, squares = 0;
  for (gsize i = 0; i < n; i++)
    if (!mask || mask->values[i]) {
      levels.values[levels.n++] = grey->values[i];
      sum += (double)grey->values[i];
    }
  levels.mean = sum / (double)levels.n;
  for (gsize i = 0; i < levels.n; i++) {
    double d = (double)levels.values[i] - levels.mean;
    squares += d * d;
  }
  levels.sd = sqrt(squares / (double)levels.n);
  return levels;
}

/* Share of the levels under @low, and of those over @high. */
static double share_under(const Levels *levels, double low) {
  gsize count = 0;
  for (gsize i = 0; i < levels->n; i++)
    count += (double)levels->values[i] < low;
  return (double)count / (double)levels->n;
}

static double share_over(const Levels *levels, double high) {
  gsize count = 0;
  for (gsize i = 0; i < levels->n; i++)
    count += (double)levels->values[i] > high;
  return (double)count / (double)levels->n;
}

static double percentile(const Levels *levels, double percent) {
  return velm_percentile(levels->values, levels->n, percent);
}

static void measure_levels(const VelmPlane *grey, const VelmMask *mask, const VelmMask *ring,
                           float *out) {
  g_auto(Levels) all = levels_of(grey, NULL);
  g_auto(Levels) in = levels_of(grey, mask);
  g_auto(Levels) about = levels_of(grey, ring);
  double unit = all.sd + NOISE_SD, median = percentile(&in, 50), level = percentile(&about, 50);
  out[VELM_APPEARANCE_MEAN] = (float)((in.mean - about.mean) / unit);
  out[VELM_APPEARANCE_MEDIAN] = (float)((median - level) / unit);
  out[VELM_APPEARANCE_GLOBAL] = (float)((in.mean - all.mean) / unit);
  out[VELM_APPEARANCE_LOW] = (float)((percentile(&in, 10) - level) / unit);
  out[VELM_APPEARANCE_HIGH] = (float)((percentile(&in, 90) - level) / unit);
  out[VELM_APPEARANCE_SPREAD] = (float)log((in.sd + NOISE_SPREAD) / (about.sd + NOISE_SPREAD));
  out[VELM_APPEARANCE_RANK] = (float)share_under(&all, median);
  out[VELM_APPEARANCE_DARK] = (float)share_under(&in, percentile(&about, 5));
  out[VELM_APPEARANCE_BRIGHT] = (float)share_over(&in, percentile(&about, 95));
}

/* ---- filters ---- */

/* @i mirrored into 0 to @n - 1, the border's pixel repeated, as often as it takes. */
static int mirror(int i, int n) {
  int place = ((i % (2 * n)) + 2 * n) % (2 * n);
  return place < n ? place : 2 * n - 1 - place;
}

static void add_scaled(float *to, const float *from, float weight, gsize n) {
  for (gsize i = 0; i < n; i++)
    to[i] += weight * from[i];
}

/* Weights of a Gaussian cut at four standard deviations: @radius + 1 from the middle on. */
static float *gaussian_weights(double sigma, int *radius) {
  *radius = (int)(4 * sigma + 0.5);
  float *weights = g_new(float, (gsize)*radius + 1);
  double sum = 0;
  for (int k = -*radius; k <= *radius; k++)
    sum += exp(-k * k / (2 * sigma * sigma));
  for (int k = 0; k <= *radius; k++)
    weights[k] = (float)(exp(-k * k / (2 * sigma * sigma)) / sum);
  return weights;
}

/* Not velm_plane_blur(): its Gaussian is cut nearer, and measures must not change with libvips. */
static VelmPlane *smooth(const VelmPlane *plane, double sigma) {
  int radius, width = plane->width, height = plane->height;
  g_autofree float *weights = gaussian_weights(sigma, &radius);
  g_autofree float *line = g_new(float, (gsize)width + 2 * (gsize)radius);
  g_autoptr(VelmPlane) across = velm_plane_new(width, height);
  for (int y = 0; y < height; y++) {
    gsize at = (gsize)y * (gsize)width;
    for (int x = -radius; x < width + radius; x++)
      line[x + radius] = plane->values[at + (gsize)mirror(x, width)];
    for (int k = -radius; k <= radius; k++)
      add_scaled(across->values + at, line + radius + k, weights[ABS(k)], (gsize)width);
  }
  VelmPlane *out = velm_plane_new(width, height);
  for (int y = 0; y < height; y++)
    for (int k = -radius; k <= radius; k++)
      add_scaled(out->values + (gsize)y * (gsize)width,
                 across->values + (gsize)mirror(y + k, height) * (gsize)width, weights[ABS(k)],
                 (gsize)width);
  return out;
}

/* Sobel's derivatives, in grey levels a pixel. @x, @y: (out) */
static void gradient(const VelmPlane *plane, VelmPlane **x_out, VelmPlane **y_out) {
  int width = plane->width, height = plane->height;
  *x_out = velm_plane_new(width, height);
  *y_out = velm_plane_new(width, height);
  for (int y = 0; y < height; y++) {
    const float *b = plane->values + (gsize)y * (gsize)width;
    const float *a = y > 0 ? b - width : b, *c = y + 1 < height ? b + width : b;
    float *dx = (*x_out)->values + (gsize)y * (gsize)width;
    float *dy = (*y_out)->values + (gsize)y * (gsize)width;
    for (int x = 0; x < width; x++) {
      int l = MAX(x - 1, 0), r = MIN(x + 1, width - 1);
      dx[x] = (a[r] - a[l] + 2 * (b[r] - b[l]) + c[r] - c[l]) / 8;
      dy[x] = (c[l] - a[l] + 2 * (c[x] - a[x]) + c[r] - a[r]) / 8;
    }
  }
}

/* ---- texture ---- */

/* Mean magnitude over the pixels of @mask (NULL for all), noise added; @none where there are none.
 */
static double mean_magnitude(const VelmPlane *x, const VelmPlane *y, const VelmMask *mask,
                             double none) {
  gsize n = (gsize)x->width * (gsize)x->height, count = 0;
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    if (!mask || mask->values[i]) {
      float dx = x->values[i], dy = y ? y->values[i] : 0;
      sum += (double)(y ? sqrtf(dx * dx + dy * dy) : fabsf(dx));
      count++;
    }
  return count > 0 ? sum / (double)count + NOISE_GRADIENT : none;
}

/* The pixels on both sides of the mask's boundary; the image's border is none. */
static VelmMask *boundary_zone(const VelmMask *mask) {
  g_autoptr(VelmMask) outside = velm_mask_invert(mask);
  g_autoptr(VelmMask) outer = velm_morphology_dilate(outside, 1);
  VelmMask *zone = velm_morphology_dilate(mask, 1);
  gsize n = (gsize)mask->width * (gsize)mask->height;
  for (gsize i = 0; i < n; i++)
    zone->values[i] &= outer->values[i];
  return zone;
}

static void measure_gradients(const VelmPlane *grey, const VelmMask *mask, const VelmMask *ring,
                              float *out) {
  g_autoptr(VelmPlane) smoothed = smooth(grey, GRADIENT_SIGMA);
  g_autoptr(VelmPlane) x = NULL, y = NULL;
  gradient(smoothed, &x, &y);
  g_autoptr(VelmMask) zone = boundary_zone(mask);
  double all = mean_magnitude(x, y, NULL, 1);
  out[VELM_APPEARANCE_EDGE] = (float)log(mean_magnitude(x, y, zone, all) / all);
  out[VELM_APPEARANCE_INSIDE] = (float)log(mean_magnitude(x, y, mask, all) / all);
  out[VELM_APPEARANCE_RING] = (float)log(mean_magnitude(x, y, ring, all) / all);
  out[VELM_APPEARANCE_DIRECTION] =
      (float)log(mean_magnitude(x, NULL, mask, 1) / mean_magnitude(y, NULL, mask, 1));
  out[VELM_APPEARANCE_RING_DIRECTION] =
      (float)log(mean_magnitude(x, NULL, ring, 1) / mean_magnitude(y, NULL, ring, 1));
}

static void measure_grain(const VelmPlane *grey, const VelmMask *mask, const VelmMask *ring,
                          float *out) {
  g_autoptr(VelmPlane) fine = smooth(grey, GRAIN_SIGMA);
  gsize n = (gsize)grey->width * (gsize)grey->height;
  for (gsize i = 0; i < n; i++)
    fine->values[i] = grey->values[i] - fine->values[i];
  out[VELM_APPEARANCE_GRAIN] =
      (float)log(mean_magnitude(fine, NULL, mask, 1) / mean_magnitude(fine, NULL, ring, 1));
}

gboolean velm_measure_appearance(const VelmPlane *grey, const VelmMask *mask,
                                 float appearance[VELM_N_APPEARANCE], GError **error) {
  if (!velm_measure_check(grey, "mask", mask->width, mask->height, error))
    return FALSE;
  g_autoptr(VelmMask) all = velm_mask_or_whole(mask);
  g_autoptr(VelmMask) ring = surroundings(all);
  measure_levels(grey, all, ring, appearance);
  measure_gradients(grey, all, ring, appearance);
  measure_grain(grey, all, ring, appearance);
  return TRUE;
}
