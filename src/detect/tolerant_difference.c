#include "detect/tolerant_difference.h"

#include <math.h>

/* A shift of an edge by this many pixels, or this share of the longer side, is no difference. */
#define TOLERANCE 3
#define TOLERANCE_SHARE (1.0 / 128)

/* How far @a lies outside of what @b is nearby. */
static gboolean one_sided(const VelmPlane *a, const VelmPlane *b, int radius, VelmPlane *out,
                          GError **error) {
  g_autoptr(VelmPlane) high = velm_plane_rank(b, radius, TRUE, error);
  g_autoptr(VelmPlane) low = high ? velm_plane_rank(b, radius, FALSE, error) : NULL;
  if (!low)
    return FALSE;
  gsize n = (gsize)a->width * (gsize)a->height;
  for (gsize i = 0; i < n; i++) {
    float over = MAX(a->values[i] - high->values[i], low->values[i] - a->values[i]);
    out->values[i] = MAX(out->values[i], over);
  }
  return TRUE;
}

VelmPlane *velm_tolerant_difference(const VelmPlane *a, const VelmPlane *b, GError **error) {
  int radius = MAX(TOLERANCE, (int)lround(TOLERANCE_SHARE * MAX(a->width, a->height)));
  g_autoptr(VelmPlane) difference = velm_plane_new(a->width, a->height);
  if (!one_sided(a, b, radius, difference, error) || !one_sided(b, a, radius, difference, error))
    return NULL;
  return g_steal_pointer(&difference);
}
