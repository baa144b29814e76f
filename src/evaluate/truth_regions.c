#include "evaluate/truth_regions.h"

#include "classify/components.h"

#include <string.h>

/* Index of the first byte over 0, or @n. */
static int first_set(const guint8 *bytes, int n) {
  int i = 0;
  for (guint64 eight; i + 8 <= n; i += 8) {
    memcpy(&eight, bytes + i, sizeof eight);
    if (eight)
      break;
  }
  while (i < n && !bytes[i])
    i++;
  return i;
}

static int last_set(const guint8 *bytes, int n) {
  while (n > 0 && !bytes[n - 1])
    n--;
  return n - 1;
}

/* Sets the smallest box that holds the mask: defects are small, and only they need labels. */
static void find_box(VelmTruthRegions *regions, const guint8 *mask, int width, int height) {
  int left = width, right = -1, top = height, bottom = -1;
  for (int y = 0; y < height; y++) {
    const guint8 *row = mask + (gsize)y * (gsize)width;
    int first = first_set(row, width);
    if (first == width)
      continue;
    left = MIN(left, first);
    right = MAX(right, last_set(row, width));
    top = MIN(top, y);
    bottom = y;
  }
  if (bottom < 0)
    return;
  regions->left = left;
  regions->top = top;
  regions->width = right - left + 1;
  regions->height = bottom - top + 1;
}

static VelmMask *cut_box(const VelmTruthRegions *regions, const guint8 *mask, int width) {
  VelmMask *box = velm_mask_new(regions->width, regions->height);
  gsize row = (gsize)regions->width;
  for (int y = 0; y < regions->height; y++)
    memcpy(box->values + (gsize)y * row,
           mask + (gsize)(regions->top + y) * (gsize)width + regions->left, row);
  return box;
}

VelmTruthRegions *velm_truth_regions_find(const guint8 *mask, int width, int height) {
  VelmTruthRegions *regions = g_new0(VelmTruthRegions, 1);
  find_box(regions, mask, width, height);
  if (!regions->width)
    return regions;
  g_autoptr(VelmMask) box = cut_box(regions, mask, width);
  g_autoptr(VelmComponents) components = velm_components_find(box, TRUE);
  gsize n = (gsize)box->width * (gsize)box->height;
  regions->n = (guint)components->n;
  regions->areas = g_new0(guint32, n);
  for (gsize i = 0; i < n; i++) {
    if (!components->labels[i])
      continue;
    regions->areas[i] = (guint32)components->sizes[components->labels[i] - 1];
    regions->n_pixels++;
  }
  return regions;
}

void velm_truth_regions_free(VelmTruthRegions *regions) {
  if (!regions)
    return;
  g_free(regions->areas);
  g_free(regions);
}
