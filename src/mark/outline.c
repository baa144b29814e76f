#include "mark/mark.h"

#include <math.h>
#include <string.h>

/* Width of the line as a share of the picture's longer side; the paper's 448-pixel pictures get 2
 * pixels. */
#define LINE_WIDTH (2.0 / 448)

static const guint8 red[3] = {255, 0, 0};

typedef struct {
  int x, y, width, height;
} Box;

/* What is marked, and @margin pixels about it within the mask; of no width where nothing is. */
static Box box_of(const VelmMask *mask, int margin) {
  int left = mask->width, right = -1, top = mask->height, bottom = -1;
  for (int y = 0; y < mask->height; y++)
    for (int x = 0; x < mask->width; x++)
      if (mask->values[(gsize)y * (gsize)mask->width + (gsize)x]) {
        left = MIN(left, x);
        right = MAX(right, x);
        top = MIN(top, y);
        bottom = y;
      }
  if (bottom < 0)
    return (Box){0};
  left = MAX(left - margin, 0);
  top = MAX(top - margin, 0);
  return (Box){left, top, MIN(right + margin + 1, mask->width) - left,
               MIN(bottom + margin + 1, mask->height) - top};
}

static VelmMask *cut(const VelmMask *mask, const Box *box) {
  VelmMask *out = velm_mask_new(box->width, box->height);
  for (int y = 0; y < box->height; y++)
    memcpy(out->values + (gsize)y * (gsize)box->width,
           mask->values + (gsize)(box->y + y) * (gsize)mask->width + (gsize)box->x,
           (gsize)box->width);
  return out;
}

static void paint(VelmImage *image, const Box *box, const VelmMask *near, const VelmMask *outer) {
  for (int y = 0; y < box->height; y++)
    for (int x = 0; x < box->width; x++) {
      gsize i = (gsize)y * (gsize)box->width + (gsize)x;
      gsize at = (gsize)(box->y + y) * (gsize)image->width + (gsize)(box->x + x);
      if (outer->values[i] && !near->values[i])
        memcpy(image->pixels + 3 * at, red, sizeof red);
    }
}

gboolean velm_mark_draw_outline(VelmImage *image, const VelmMask *mask, GError **error) {
  g_autoptr(VelmMask) whole = velm_mask_resize(mask, image->width, image->height, error);
  if (!whole)
    return FALSE;
  int line = MAX(1, (int)lround(LINE_WIDTH * MAX(image->width, image->height)));
  Box box = box_of(whole, 1 + line);
  if (box.width == 0)
    return TRUE;
  g_autoptr(VelmMask) inner = cut(whole, &box);
  /* One pixel of the image stays free about the region, so that the line does not hide the defect's
   * edge. */
  g_autoptr(VelmMask) near = velm_mask_dilate(inner, 1, error);
  g_autoptr(VelmMask) outer = near ? velm_mask_dilate(near, line, error) : NULL;
  if (!outer)
    return FALSE;
  paint(image, &box, near, outer);
  return TRUE;
}

VelmImage *velm_mark_outline(const VelmImage *image, const VelmMask *mask, int width, int height,
                             GError **error) {
  g_autoptr(VelmImage) out = velm_image_resize(image, width, height, error);
  return out && velm_mark_draw_outline(out, mask, error) ? g_steal_pointer(&out) : NULL;
}
