#include "mark/mark.h"

/* From transparent through yellow and orange to dark red: read in the same order by the
 * colour-blind and in print. */
static const float scale[][4] = {
    {255, 255, 178, 0.0f}, {254, 217, 118, 0.35f}, {253, 141, 60, 0.55f},
    {240, 59, 32, 0.65f},  {165, 0, 38, 0.75f},
};

static void blend(guint8 *pixel, float value) {
  if (!(value > 0)) /* or no number */
    return;
  int last = (int)G_N_ELEMENTS(scale) - 1;
  float at = MIN(value, 1.0f) * (float)last;
  int i = MIN((int)at, last - 1);
  float weight = at - (float)i;
  float alpha = (1 - weight) * scale[i][3] + weight * scale[i + 1][3];
  for (int c = 0; c < 3; c++) {
    float colour = (1 - weight) * scale[i][c] + weight * scale[i + 1][c];
    pixel[c] = (guint8)((1 - alpha) * (float)pixel[c] + alpha * colour + 0.5f);
  }
}

VelmImage *velm_mark_heatmap(const VelmImage *image, const VelmPlane *map, double low, double high,
                             int width, int height, GError **error) {
  VelmImage *out = velm_image_resize(image, width, height, error);
  g_autoptr(VelmPlane) scores = out ? velm_plane_resize(map, width, height, error) : NULL;
  if (!scores) {
    velm_image_free(out);
    return NULL;
  }
  double range = high > low ? high - low : 1;
  gsize n = (gsize)width * (gsize)height;
  for (gsize i = 0; i < n; i++)
    blend(out->pixels + 3 * i, (float)(((double)scores->values[i] - low) / range));
  return out;
}
