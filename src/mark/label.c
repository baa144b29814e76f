#include "mark/label.h"

#include <vips/vips.h>

gint32 *velm_mark_label(const VelmMask *mask, int *n_labels, GError **error) {
  VipsImage *in = vips_image_new_from_memory(mask->values, (gsize)mask->width * (gsize)mask->height,
                                             mask->width, mask->height, 1, VIPS_FORMAT_UCHAR);
  VipsImage *labels = NULL;
  gint32 *values = NULL;
  if (in && vips_labelregions(in, &labels, "segments", n_labels, NULL) == 0) {
    gsize size = 0;
    values = vips_image_write_to_memory(labels, &size);
  }
  if (!values) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_IMAGE, "finding regions: %s", vips_error_buffer());
    vips_error_clear();
  }
  g_clear_object(&labels);
  g_clear_object(&in);
  return values;
}

VelmMask *velm_mark_component_at(const VelmMask *mask, gsize at, GError **error) {
  int n_labels = 0;
  g_autofree gint32 *labels = velm_mark_label(mask, &n_labels, error);
  if (!labels)
    return NULL;
  VelmMask *out = velm_mask_new(mask->width, mask->height);
  gsize n = (gsize)mask->width * (gsize)mask->height;
  for (gsize i = 0; i < n; i++)
    out->values[i] = mask->values[i] && labels[i] == labels[at] ? 255 : 0;
  return out;
}
