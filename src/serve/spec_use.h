/* Putting a spec in use: kept with who did it, written where the product has its spec, and read. */
#pragma once

#include "serve/station.h"

/**
 * @text: YAML. The product reads it, and uses the one before until it is ready.
 * Returns: FALSE with VELM_ERROR_SPEC or what the model says where it cannot be used, and nothing
 * is done then; with VELM_ERROR_FILE where it cannot be kept
 */
gboolean velm_spec_use(VelmStation *station, VelmProduct *product, const char *text,
                       const char *who, GError **error);
