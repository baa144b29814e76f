#include "detect/ddad_distance.h"

#include <math.h>

VelmPlane *velm_ddad_pixel_distance(const float *target, const float *image, int width,
                                    int height) {
  VelmPlane *plane = velm_plane_new(width, height);
  gsize n = (gsize)width * (gsize)height;
  for (gsize c = 0; c < 3; c++)
    for (gsize i = 0; i < n; i++)
      plane->values[i] += fabsf(target[c * n + i] - image[c * n + i]);
  return plane;
}

VelmPlane *velm_ddad_cosine_distance(const float *target, const float *image, int channels,
                                     int rows, int columns) {
  VelmPlane *plane = velm_plane_new(columns, rows);
  gsize n = (gsize)rows * (gsize)columns;
  g_autofree float *squares = g_new0(float, 2 * n);
  float *targets = squares, *images = squares + n;
  for (gsize c = 0; c < (gsize)channels; c++)
    for (gsize i = 0; i < n; i++) {
      float a = target[c * n + i], b = image[c * n + i];
      plane->values[i] += a * b;
      targets[i] += a * a;
      images[i] += b * b;
    }
  /* A cell without features looks like none but another such. */
  for (gsize i = 0; i < n; i++) {
    float length = sqrtf(targets[i]) * sqrtf(images[i]);
    gboolean same = targets[i] == 0 && images[i] == 0;
    plane->values[i] = same ? 0 : 1 - (length > 0 ? plane->values[i] / length : 0);
  }
  return plane;
}

gboolean velm_ddad_distance_add(VelmPlane *sum, const VelmPlane *plane, double weight,
                                GError **error) {
  gboolean same = plane->width == sum->width && plane->height == sum->height;
  g_autoptr(VelmPlane) sized =
      same ? NULL : velm_plane_resize(plane, sum->width, sum->height, error);
  if (!same && !sized)
    return FALSE;
  const float *values = same ? plane->values : sized->values;
  for (gsize i = 0; i < (gsize)sum->width * (gsize)sum->height; i++)
    sum->values[i] += (float)weight * values[i];
  return TRUE;
}
