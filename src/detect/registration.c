#include "detect/registration.h"

#include "detect/tolerant_difference.h"

#include <math.h>
#include <string.h>

/* The shift is looked for at this longer side at most: finer than a tolerable one it need not be.
 */
#define MAX_SIDE 320

/* In a smaller image there is no shift to be seen; libvips 8.14 reads past the end of an image one
 * pixel wide as it transforms it. */
#define MIN_SIDE 16

/* Shifts are looked for up to this share of each side. */
#define MAX_SHARE 8

/* What a small shift does not explain must fall to this share: a part whose pattern repeats, or
 * that shows little, must not be moved onto something else. */
#define CLEARLY_BETTER 0.5

/* ---- the shift with the highest correlation ---- */

/* Fades to the mean towards the edges, which would else correlate with themselves at no shift. */
static void fade(VelmPlane *plane) {
  gsize n = (gsize)plane->width * (gsize)plane->height;
  double mean = 0;
  for (gsize i = 0; i < n; i++)
    mean += (double)plane->values[i] / (double)n;
  for (int y = 0; y < plane->height; y++)
    for (int x = 0; x < plane->width; x++) {
      float *value = &plane->values[(gsize)y * (gsize)plane->width + (gsize)x];
      double window = sin(G_PI * (x + 0.5) / plane->width) * sin(G_PI * (y + 0.5) / plane->height);
      *value = (float)(((double)*value - mean) * window * window);
    }
}

static void find_peak(const VelmPlane *correlation, int *dx, int *dy) {
  int width = correlation->width, height = correlation->height;
  float best = -INFINITY;
  for (int y = -height / MAX_SHARE; y <= height / MAX_SHARE; y++)
    for (int x = -width / MAX_SHARE; x <= width / MAX_SHARE; x++) {
      int row = (y + height) % height, column = (x + width) % width;
      float value = correlation->values[(gsize)row * (gsize)width + (gsize)column];
      if (value <= best)
        continue;
      best = value;
      *dx = x;
      *dy = y;
    }
}

static gboolean correlate(const VelmPlane *a, const VelmPlane *b, int *dx, int *dy,
                          GError **error) {
  g_autoptr(VelmPlane) first = velm_plane_copy(a);
  g_autoptr(VelmPlane) second = velm_plane_copy(b);
  fade(first);
  fade(second);
  g_autoptr(VelmPlane) correlation = velm_plane_phase_correlation(second, first, error);
  if (!correlation)
    return FALSE;
  find_peak(correlation, dx, dy);
  return TRUE;
}

/* ---- whether it is better ---- */

static void mean_and_deviation(const VelmPlane *plane, double *mean, double *deviation) {
  gsize n = (gsize)plane->width * (gsize)plane->height;
  double sum = 0, squares = 0;
  for (gsize i = 0; i < n; i++) {
    sum += (double)plane->values[i];
    squares += (double)plane->values[i] * (double)plane->values[i];
  }
  *mean = sum / (double)n;
  *deviation = sqrt(MAX(0, squares / (double)n - *mean * *mean));
}

/* @plane in the light of @like, moved; the edges repeat. */
static VelmPlane *move_plane(const VelmPlane *plane, const VelmPlane *like, int dx, int dy) {
  double mean, deviation, other_mean, other_deviation;
  VelmPlane *moved = velm_plane_new(plane->width, plane->height);
  mean_and_deviation(plane, &mean, &deviation);
  mean_and_deviation(like, &other_mean, &other_deviation);
  double gain = deviation > 0 ? other_deviation / deviation : 1;
  for (int y = 0; y < plane->height; y++)
    for (int x = 0; x < plane->width; x++) {
      int row = CLAMP(y - dy, 0, plane->height - 1), column = CLAMP(x - dx, 0, plane->width - 1);
      double value = (double)plane->values[(gsize)row * (gsize)plane->width + (gsize)column];
      moved->values[(gsize)y * (gsize)plane->width + (gsize)x] =
          (float)(other_mean + gain * (value - mean));
    }
  return moved;
}

/* What is left between @a and @b moved, summed over all of it; negative on failure. */
static double difference(const VelmPlane *a, const VelmPlane *b, int dx, int dy, GError **error) {
  g_autoptr(VelmPlane) moved = move_plane(b, a, dx, dy);
  g_autoptr(VelmPlane) left = velm_tolerant_difference(a, moved, error);
  double sum = 0;
  for (gsize i = 0; left && i < (gsize)a->width * (gsize)a->height; i++)
    sum += (double)left->values[i];
  return left ? sum : -1;
}

/* ---- both ---- */

static VelmPlane *grey_at(const VelmImage *image, int width, int height, GError **error) {
  g_autoptr(VelmImage) resized = velm_image_resize(image, width, height, error);
  return resized ? velm_image_grey(resized) : NULL;
}

gboolean velm_registration_find(const VelmImage *image, const VelmImage *reference, int *dx,
                                int *dy, GError **error) {
  double shrink = MAX(1.0, (double)MAX(image->width, image->height) / MAX_SIDE);
  int width = MAX(1, (int)lround(image->width / shrink));
  int height = MAX(1, (int)lround(image->height / shrink));
  g_autoptr(VelmPlane) a = grey_at(image, width, height, error);
  g_autoptr(VelmPlane) b = a ? grey_at(reference, width, height, error) : NULL;
  *dx = *dy = 0;
  if (!b || MIN(width, height) < MIN_SIDE)
    return b != NULL;
  int x = 0, y = 0;
  if (!correlate(a, b, &x, &y, error))
    return FALSE;
  double before = difference(a, b, 0, 0, error);
  double after = before < 0 ? -1 : difference(a, b, x, y, error);
  if (after < 0 || after >= CLEARLY_BETTER * before)
    return after >= 0;
  *dx = (int)lround(x * (double)image->width / width);
  *dy = (int)lround(y * (double)image->height / height);
  return TRUE;
}

static VelmImage *move(const VelmImage *image, int dx, int dy) {
  VelmImage *moved = velm_image_new(image->width, image->height);
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++) {
      gsize row = (gsize)CLAMP(y - dy, 0, image->height - 1);
      gsize column = (gsize)CLAMP(x - dx, 0, image->width - 1);
      memcpy(moved->pixels + 3 * ((gsize)y * (gsize)image->width + (gsize)x),
             image->pixels + 3 * (row * (gsize)image->width + column), 3);
    }
  return moved;
}

VelmImage *velm_registration_align(const VelmImage *image, const VelmImage *reference,
                                   GError **error) {
  int dx = 0, dy = 0;
  if (!velm_registration_find(image, reference, &dx, &dy, error) || (dx == 0 && dy == 0))
    return NULL;
  g_autoptr(VelmImage) fitted = velm_image_resize(reference, image->width, image->height, error);
  return fitted ? move(fitted, dx, dy) : NULL;
}
