/* What kind of image a file's first bytes say it is. */
#pragma once

#include <glib.h>

/** Returns: "image/png" and so on, static; "application/octet-stream" where it is none that is
 * known. */
const char *velm_media_type_of(GBytes *bytes);
