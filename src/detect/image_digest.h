/* What an image is known by, whatever its file is called and however it is encoded. */
#pragma once

#include "core/image.h"

/** SHA-256 of the image's size and pixels, in hexadecimal. Returns: (transfer full). */
char *velm_image_digest(const VelmImage *image);
