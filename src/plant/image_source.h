/* Where a worker may fetch images from. */
#pragma once

#include "velm.h"

typedef struct _VelmImageSource VelmImageSource;

GBytes *velm_image_source_fetch(VelmImageSource *source, const char *reference, gsize most,
                                gboolean *retry, GError **error);
