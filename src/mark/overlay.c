#include "core/file.h"
#include "mark/mark.h"

gboolean velm_inspection_save_overlay(const VelmInspection *inspection, const char *path,
                                      GError **error) {
  const VelmImage *image = inspection->image;
  g_autoptr(VelmImage) outlined =
      inspection->mask
          ? velm_mark_outline(image, inspection->mask, image->width, image->height, error)
          : velm_image_copy(image);
  g_autoptr(GBytes) png = outlined ? velm_image_to_png(outlined, error) : NULL;
  if (!png)
    return FALSE;
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(png, &size);
  return velm_file_write(path, data, size, error);
}
