#include "evaluate/thumbnail.h"

#include "mark/mark.h"

#include <math.h>

enum { THUMBNAIL_SIDE = 208, JPEG_QUALITY = 72 };

/* The size of a thumbnail: the longer side is THUMBNAIL_SIDE. */
static void fit_thumbnail(const VelmImage *image, int *width, int *height) {
  double scale = (double)THUMBNAIL_SIDE / MAX(image->width, image->height);
  *width = MAX((int)lround(image->width * scale), 1);
  *height = MAX((int)lround(image->height * scale), 1);
}

/* JPEG in base 64. Consumes @image, which may be NULL where @error is set. */
static char *encode_picture(VelmImage *image, GError **error) {
  g_autoptr(VelmImage) owned = image;
  g_autoptr(GBytes) jpeg = owned ? velm_image_to_jpeg(owned, JPEG_QUALITY, error) : NULL;
  if (!jpeg)
    return NULL;
  gsize size;
  const guchar *data = g_bytes_get_data(jpeg, &size);
  return g_base64_encode(data, size);
}

/*
 * The image with its regions outlined. At a thumbnail's size the line is one pixel wide, which
 * JPEG's halved colour turns grey: a second one goes about the first.
 */
static VelmImage *outline(const VelmInspection *inspection, int width, int height, GError **error) {
  g_autoptr(VelmImage) thin =
      velm_mark_outline(inspection->image, inspection->mask, width, height, error);
  g_autoptr(VelmMask) small =
      thin ? velm_mask_resize(inspection->mask, width, height, error) : NULL;
  g_autoptr(VelmMask) wider = small ? velm_mask_dilate(small, 1, error) : NULL;
  return wider ? velm_mark_outline(thin, wider, width, height, error) : NULL;
}

char *velm_thumbnail_contour(const VelmInspection *inspection, GError **error) {
  int width, height;
  fit_thumbnail(inspection->image, &width, &height);
  return encode_picture(inspection->mask
                            ? outline(inspection, width, height, error)
                            : velm_image_resize(inspection->image, width, height, error),
                        error);
}

/*
 * The ends of the colour scale: below and above the image's threshold, so that colours mean the
 * same on every card; of a threshold that is no scale, the map's own ends.
 */
static void find_scale(const VelmInspection *inspection, double *low, double *high) {
  double level = inspection->threshold;
  *low = level * 0.6;
  *high = level * 1.6;
  if (isfinite(level) && level > 0)
    return;
  const VelmPlane *map = inspection->map;
  *low = INFINITY;
  *high = -INFINITY;
  for (gsize i = 0; i < (gsize)map->width * (gsize)map->height; i++) {
    *low = fmin(*low, (double)map->values[i]);
    *high = fmax(*high, (double)map->values[i]);
  }
  if (!(*high > *low))
    *high = *low + 1;
}

char *velm_thumbnail_heatmap(const VelmInspection *inspection, GError **error) {
  int width, height;
  double low, high;
  fit_thumbnail(inspection->image, &width, &height);
  find_scale(inspection, &low, &high);
  return encode_picture(
      velm_mark_heatmap(inspection->image, inspection->map, low, high, width, height, error),
      error);
}

gboolean velm_thumbnail_pictures(const VelmInspection *inspection, char **contour, char **heatmap,
                                 GError **error) {
  *contour = *heatmap = NULL;
  if (!inspection->image)
    return TRUE;
  *contour = velm_thumbnail_contour(inspection, error);
  if (!*contour || !inspection->map)
    return *contour != NULL;
  *heatmap = velm_thumbnail_heatmap(inspection, error);
  if (!*heatmap)
    g_clear_pointer(contour, g_free);
  return *heatmap != NULL;
}
