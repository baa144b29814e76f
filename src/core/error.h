/* Error helpers: every failure is a GError of VELM_ERROR, its message one line that names the file
 * and the reason. */
#pragma once

#include "velm.h"

/** Turns the message of @error into one line, in place: libraries report over several. */
void velm_error_one_line(GError *error);
