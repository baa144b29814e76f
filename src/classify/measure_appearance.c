#include "classify/measure.h"
#include "classify/morphology.h"
#include "classify/percentile.h"

#include <math.h>
#include <string.h>

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

static void add_scaled(float *to, const float *a, const float *b, float weight, gsize n) {
  for (gsize i = 0; i < n; i++)
    to[i] += weight * (a[i] + b[i]);
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
  /* The middle is added to itself, as the pairs beside it are. */
  weights[0] /= 2;
  return weights;
}

/* A row with @radius pixels more on either side. */
static void frame_row(float *framed, const float *row, int width, int radius) {
  memcpy(framed + radius, row, (gsize)width * sizeof(float));
  for (int k = 1; k <= radius; k++) {
    framed[radius - k] = row[mirror(-k, width)];
    framed[radius + width - 1 + k] = row[mirror(width - 1 + k, width)];
  }
}

/* Not velm_plane_blur(): its Gaussian is cut nearer, and its threads cost more than such images. */
static VelmPlane *smooth(const VelmPlane *plane, double sigma) {
  int radius, width = plane->width, height = plane->height;
  gsize n = (gsize)width;
  g_autofree float *weights = gaussian_weights(sigma, &radius);
  g_autofree float *framed = g_new(float, n + 2 * (gsize)radius);
  g_autoptr(VelmPlane) across = velm_plane_new(width, height);
  VelmPlane *out = velm_plane_new(width, height);
  for (int y = 0; y < height; y++) {
    frame_row(framed, plane->values + (gsize)y * n, width, radius);
    for (int k = 0; k <= radius; k++)
      add_scaled(across->values + (gsize)y * n, framed + radius - k, framed + radius + k,
                 weights[k], n);
  }
  for (int y = 0; y < height; y++)
    for (int k = 0; k <= radius; k++)
      add_scaled(out->values + (gsize)y * n, across->values + (gsize)mirror(y - k, height) * n,
                 across->values + (gsize)mirror(y + k, height) * n, weights[k], n);
  return out;
}

/* Magnitudes of the gradient in grey levels a pixel: along rows, along columns, and of both. */
typedef struct {
  VelmPlane *x, *y, *all;
} Gradient;

static void gradient_clear(Gradient *gradient) {
  velm_plane_free(gradient->x);
  velm_plane_free(gradient->y);
  velm_plane_free(gradient->all);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Gradient, gradient_clear)

/* One row of Sobel's operator, which is @above, @row and @below summed with weights 1, 2, 1 and
   then differentiated, or the other way. @sums, @steps: room for two more than the row's @width. */
static void sobel_row(const float *above, const float *row, const float *below, gsize width,
                      float *sums, float *steps, float *x, float *y, float *all) {
  for (gsize i = 0; i < width; i++) {
    sums[i + 1] = above[i] + 2 * row[i] + below[i];
    steps[i + 1] = below[i] - above[i];
  }
  sums[0] = sums[1];
  steps[0] = steps[1];
  sums[width + 1] = sums[width];
  steps[width + 1] = steps[width];
  for (gsize i = 0; i < width; i++) {
    float dx = (sums[i + 2] - sums[i]) / 8;
    float dy = (steps[i] + 2 * steps[i + 1] + steps[i + 2]) / 8;
    x[i] = fabsf(dx);
    y[i] = fabsf(dy);
    all[i] = sqrtf(dx * dx + dy * dy);
  }
}

static Gradient gradient_of(const VelmPlane *plane) {
  gsize width = (gsize)plane->width, height = (gsize)plane->height;
  Gradient gradient = {velm_plane_new(plane->width, plane->height),
                       velm_plane_new(plane->width, plane->height),
                       velm_plane_new(plane->width, plane->height)};
  g_autofree float *sums = g_new(float, width + 2), *steps = g_new(float, width + 2);
  for (gsize y = 0; y < height; y++) {
    const float *row = plane->values + y * width;
    gsize at = y * width;
    sobel_row(y > 0 ? row - width : row, row, y + 1 < height ? row + width : row, width, sums,
              steps, gradient.x->values + at, gradient.y->values + at, gradient.all->values + at);
  }
  return gradient;
}

/* ---- texture ---- */

/* Mean over the pixels of @mask (NULL for all), noise added; @none where there are none. */
static double mean_over(const VelmPlane *plane, const VelmMask *mask, double none) {
  gsize n = (gsize)plane->width * (gsize)plane->height, count = 0;
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    if (!mask || mask->values[i]) {
      sum += (double)plane->values[i];
      count++;
    }
  return count > 0 ? sum / (double)count + NOISE_GRADIENT : none;
}

static float log_ratio(const VelmPlane *a, const VelmMask *a_mask, const VelmPlane *b,
                       const VelmMask *b_mask) {
  return (float)log(mean_over(a, a_mask, 1) / mean_over(b, b_mask, 1));
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
  g_autoptr(VelmMask) zone = boundary_zone(mask);
  g_auto(Gradient) gradient = gradient_of(smoothed);
  double all = mean_over(gradient.all, NULL, 1);
  out[VELM_APPEARANCE_EDGE] = (float)log(mean_over(gradient.all, zone, all) / all);
  out[VELM_APPEARANCE_INSIDE] = (float)log(mean_over(gradient.all, mask, all) / all);
  out[VELM_APPEARANCE_RING] = (float)log(mean_over(gradient.all, ring, all) / all);
  out[VELM_APPEARANCE_DIRECTION] = log_ratio(gradient.x, mask, gradient.y, mask);
  out[VELM_APPEARANCE_RING_DIRECTION] = log_ratio(gradient.x, ring, gradient.y, ring);
}

static void measure_grain(const VelmPlane *grey, const VelmMask *mask, const VelmMask *ring,
                          float *out) {
  g_autoptr(VelmPlane) fine = smooth(grey, GRAIN_SIGMA);
  gsize n = (gsize)grey->width * (gsize)grey->height;
  for (gsize i = 0; i < n; i++)
    fine->values[i] = fabsf(grey->values[i] - fine->values[i]);
  out[VELM_APPEARANCE_GRAIN] = log_ratio(fine, mask, fine, ring);
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
