#include "classify/morphology.h"

#include <math.h>
#include <string.h>

/* ---- boxes ---- */

gboolean velm_box_bound(const VelmMask *mask, VelmBox *box) {
  int x0 = mask->width, x1 = -1, y0 = -1, y1 = -1;
  for (int y = 0; y < mask->height; y++) {
    const guint8 *row = mask->values + (gsize)y * (gsize)mask->width;
    int first = 0, last = mask->width - 1;
    while (first <= last && !row[first])
      first++;
    if (first > last)
      continue;
    while (!row[last])
      last--;
    y0 = y0 < 0 ? y : y0;
    y1 = y;
    x0 = MIN(x0, first);
    x1 = MAX(x1, last);
  }
  *box = (VelmBox){x0, y0, x1 - x0 + 1, y1 - y0 + 1};
  return y0 >= 0;
}

VelmBox velm_box_grow(VelmBox box, int margin, int width, int height) {
  int x0 = MAX(0, box.x - margin), x1 = MIN(width, box.x + box.width + margin);
  int y0 = MAX(0, box.y - margin), y1 = MIN(height, box.y + box.height + margin);
  return (VelmBox){x0, y0, x1 - x0, y1 - y0};
}

VelmMask *velm_mask_cut(const VelmMask *mask, VelmBox box) {
  VelmMask *cut = velm_mask_new(box.width, box.height);
  int x0 = MAX(0, box.x), x1 = MIN(mask->width, box.x + box.width);
  int y0 = MAX(0, box.y), y1 = MIN(mask->height, box.y + box.height);
  for (int y = y0; x0 < x1 && y < y1; y++)
    memcpy(cut->values + (gsize)(y - box.y) * (gsize)box.width + (x0 - box.x),
           mask->values + (gsize)y * (gsize)mask->width + x0, (gsize)(x1 - x0));
  return cut;
}

VelmPlane *velm_plane_cut(const VelmPlane *plane, VelmBox box) {
  VelmPlane *cut = velm_plane_new(box.width, box.height);
  for (int y = 0; y < box.height; y++)
    memcpy(cut->values + (gsize)y * (gsize)box.width,
           plane->values + (gsize)(box.y + y) * (gsize)plane->width + box.x,
           (gsize)box.width * sizeof(float));
  return cut;
}

/* ---- masks ---- */

VelmMask *velm_mask_or_whole(const VelmMask *mask) {
  VelmMask *copy = velm_mask_copy(mask);
  if (velm_mask_count(mask) == 0)
    memset(copy->values, 255, (gsize)mask->width * (gsize)mask->height);
  return copy;
}

VelmMask *velm_mask_invert(const VelmMask *mask) {
  VelmMask *inverted = velm_mask_new(mask->width, mask->height);
  gsize n = (gsize)mask->width * (gsize)mask->height;
  for (gsize i = 0; i < n; i++)
    inverted->values[i] = mask->values[i] ? 0 : 255;
  return inverted;
}

static void or_bytes(guint8 *to, const guint8 *from, gsize n) {
  for (gsize i = 0; i < n; i++)
    to[i] |= from[i];
}

VelmMask *velm_morphology_dilate(const VelmMask *mask, int radius) {
  gsize width = (gsize)mask->width, height = (gsize)mask->height;
  g_autoptr(VelmMask) across = velm_mask_copy(mask);
  for (gsize y = 0; y < height; y++)
    for (gsize k = 1; k <= (gsize)radius && k < width; k++) {
      or_bytes(across->values + y * width, mask->values + y * width + k, width - k);
      or_bytes(across->values + y * width + k, mask->values + y * width, width - k);
    }
  VelmMask *out = velm_mask_copy(across);
  for (gsize k = 1; k <= (gsize)radius && k < height; k++) {
    or_bytes(out->values, across->values + k * width, (height - k) * width);
    or_bytes(out->values + k * width, across->values, (height - k) * width);
  }
  return out;
}

/* ---- planes ---- */

static void max_floats(float *to, const float *from, gsize n) {
  for (gsize i = 0; i < n; i++)
    to[i] = to[i] > from[i] ? to[i] : from[i];
}

VelmPlane *velm_morphology_max(const VelmPlane *plane, int radius) {
  gsize width = (gsize)plane->width, height = (gsize)plane->height;
  g_autoptr(VelmPlane) across = velm_plane_copy(plane);
  for (gsize y = 0; y < height; y++)
    for (gsize k = 1; k <= (gsize)radius && k < width; k++) {
      max_floats(across->values + y * width, plane->values + y * width + k, width - k);
      max_floats(across->values + y * width + k, plane->values + y * width, width - k);
    }
  VelmPlane *out = velm_plane_copy(across);
  for (gsize y = 0; y < height; y++)
    for (gsize k = 1; k <= (gsize)radius; k++) {
      if (y + k < height)
        max_floats(out->values + y * width, across->values + (y + k) * width, width);
      if (y >= k)
        max_floats(out->values + y * width, across->values + (y - k) * width, width);
    }
  return out;
}

static void negate(VelmPlane *plane) {
  gsize n = (gsize)plane->width * (gsize)plane->height;
  for (gsize i = 0; i < n; i++)
    plane->values[i] = -plane->values[i];
}

VelmPlane *velm_morphology_min(const VelmPlane *plane, int radius) {
  g_autoptr(VelmPlane) negative = velm_plane_copy(plane);
  negate(negative);
  VelmPlane *out = velm_morphology_max(negative, radius);
  negate(out);
  return out;
}

/* ---- distance ---- */

/* Distance of each pixel to the nearest set one of its column, at most @far. */
static gint32 *column_distances(const VelmMask *mask, gint32 far) {
  gsize width = (gsize)mask->width, n = width * (gsize)mask->height;
  gint32 *distances = g_new(gint32, n);
  for (gsize i = 0; i < n; i++) {
    gint32 above = i < width ? far : MIN(far, distances[i - width] + 1);
    distances[i] = mask->values[i] ? 0 : above;
  }
  for (gsize i = n; i-- > width;)
    distances[i - width] = MIN(distances[i - width], distances[i] + 1);
  return distances;
}

/* The lower envelope of the parabolas at a row's columns: @at are their vertices, each is lowest
   from its @from to the next one's. */
typedef struct {
  int *at;
  double *from;
  int n;
} Envelope;

static void envelope_build(Envelope *envelope, const gint32 *column, int width, gint32 far) {
  envelope->n = 0;
  for (int x = 0; x < width; x++) {
    if (column[x] >= far)
      continue;
    double from = -INFINITY, height = (double)column[x] * column[x] + (double)x * x;
    for (; envelope->n > 0; envelope->n--) {
      int v = envelope->at[envelope->n - 1];
      from = (height - (double)column[v] * column[v] - (double)v * v) / (2.0 * (x - v));
      if (from > envelope->from[envelope->n - 1])
        break;
      from = -INFINITY;
    }
    envelope->at[envelope->n] = x;
    envelope->from[envelope->n++] = from;
  }
}

static void envelope_read(const Envelope *envelope, const gint32 *column, int width, float *out) {
  for (int x = 0, k = 0; x < width; x++) {
    while (k + 1 < envelope->n && envelope->from[k + 1] < x)
      k++;
    double dx = x - envelope->at[k], dy = column[envelope->at[k]];
    out[x] = (float)sqrt(dx * dx + dy * dy);
  }
}

VelmPlane *velm_morphology_distance(const VelmMask *mask) {
  gsize width = (gsize)mask->width;
  gint32 far = mask->width + mask->height + 1;
  VelmPlane *out = velm_plane_new(mask->width, mask->height);
  g_autofree gint32 *columns = column_distances(mask, far);
  g_autofree int *at = g_new(int, width);
  g_autofree double *from = g_new(double, width);
  Envelope envelope = {at, from, 0};
  for (gsize y = 0; y < (gsize)mask->height; y++) {
    const gint32 *column = columns + y * width;
    float *row = out->values + y * width;
    envelope_build(&envelope, column, mask->width, far);
    if (envelope.n > 0)
      envelope_read(&envelope, column, mask->width, row);
    for (gsize x = 0; envelope.n == 0 && x < width; x++)
      row[x] = (float)far;
  }
  return out;
}
