/*
 * Every record, to one address: in order, one after the other, each until the other end has taken
 * it, also over a restart. It gets each once at least: again, where its answer was lost.
 */
#pragma once

#include "serve/station.h"

/** @key: (nullable): as for velm_webhook_new(). Returns: (transfer full): NULL with
 * VELM_ERROR_USAGE or VELM_ERROR_FILE. */
VelmLink *velm_webhook_link_new(VelmStation *station, const char *url, const char *key,
                                GError **error);
