#include "detect/image_digest.h"

char *velm_image_digest(const VelmImage *image) {
  g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
  const guint32 size[2] = {GUINT32_TO_LE((guint32)image->width),
                           GUINT32_TO_LE((guint32)image->height)};
  g_checksum_update(checksum, (const guchar *)size, sizeof size);
  g_checksum_update(checksum, image->pixels, (gssize)image->width * (gssize)image->height * 3);
  return g_strdup(g_checksum_get_string(checksum));
}
