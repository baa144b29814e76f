#include "plant/image_source.h"

GBytes *velm_image_source_fetch(VelmImageSource *source, const char *reference, gsize most,
                                gboolean *retry, GError **error) {
  *retry = FALSE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s: images by reference are not taken here",
              reference);
  return NULL;
}
