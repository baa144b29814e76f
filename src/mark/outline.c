#include "mark/mark.h"

#include <math.h>

/* Width of the line as a share of the picture's longer side; the paper's 448-pixel pictures get 2
 * pixels. */
#define LINE_WIDTH (2.0 / 448)

static const guint8 red[3] = {255, 0, 0};

VelmImage *velm_mark_outline(const VelmImage *image, const VelmMask *mask, int width, int height,
                             GError **error) {
  VelmImage *out = velm_image_resize(image, width, height, error);
  g_autoptr(VelmMask) inner = out ? velm_mask_resize(mask, width, height, error) : NULL;
  int line = MAX(1, (int)lround(LINE_WIDTH * MAX(width, height)));
  /* One pixel of the image stays free about the region, so that the line does not hide the defect's
   * edge. */
  g_autoptr(VelmMask) near = inner ? velm_mask_dilate(inner, 1, error) : NULL;
  g_autoptr(VelmMask) outer = near ? velm_mask_dilate(near, line, error) : NULL;
  if (!outer) {
    velm_image_free(out);
    return NULL;
  }
  gsize n = (gsize)width * (gsize)height;
  for (gsize i = 0; i < n; i++)
    if (outer->values[i] && !near->values[i])
      for (int c = 0; c < 3; c++)
        out->pixels[3 * i + (gsize)c] = red[c];
  return out;
}
