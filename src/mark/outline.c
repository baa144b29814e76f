#include "mark/mark.h"

#include <math.h>
#include <string.h>

/* Width of the line as a share of the picture's longer side; the paper's 448-pixel pictures get 2
 * pixels. */
#define LINE_WIDTH (2.0 / 448)

static const guint8 red[3] = {255, 0, 0};

gboolean velm_mark_draw_outline(VelmImage *image, const VelmMask *mask, GError **error) {
  g_autoptr(VelmMask) inner = velm_mask_resize(mask, image->width, image->height, error);
  int line = MAX(1, (int)lround(LINE_WIDTH * MAX(image->width, image->height)));
  /* One pixel of the image stays free about the region, so that the line does not hide the defect's
   * edge. */
  g_autoptr(VelmMask) near = inner ? velm_mask_dilate(inner, 1, error) : NULL;
  g_autoptr(VelmMask) outer = near ? velm_mask_dilate(near, line, error) : NULL;
  if (!outer)
    return FALSE;
  gsize n = (gsize)image->width * (gsize)image->height;
  for (gsize i = 0; i < n; i++)
    if (outer->values[i] && !near->values[i])
      memcpy(image->pixels + 3 * i, red, sizeof red);
  return TRUE;
}

VelmImage *velm_mark_outline(const VelmImage *image, const VelmMask *mask, int width, int height,
                             GError **error) {
  g_autoptr(VelmImage) out = velm_image_resize(image, width, height, error);
  return out && velm_mark_draw_outline(out, mask, error) ? g_steal_pointer(&out) : NULL;
}
