#include "serve/media_type.h"

#include <string.h>

static const struct {
  gsize offset, length;
  const char *bytes, *type;
} kinds[] = {
    {0, 8, "\x89PNG\r\n\x1a\n", "image/png"},
    {0, 3, "\xff\xd8\xff", "image/jpeg"},
    {0, 4, "II*\0", "image/tiff"},
    {0, 4, "MM\0*", "image/tiff"},
    {8, 4, "WEBP", "image/webp"},
    {0, 2, "BM", "image/bmp"},
};

const char *velm_media_type_of(GBytes *bytes) {
  gsize size = 0;
  const char *data = g_bytes_get_data(bytes, &size);
  for (gsize i = 0; i < G_N_ELEMENTS(kinds); i++)
    if (size >= kinds[i].offset + kinds[i].length &&
        memcmp(data + kinds[i].offset, kinds[i].bytes, kinds[i].length) == 0)
      return kinds[i].type;
  return "application/octet-stream";
}
