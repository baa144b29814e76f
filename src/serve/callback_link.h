/* Those who asked to be told of a record, by an address of theirs: once at least, also over a
 * restart; given up after a day of failures. */
#pragma once

#include "serve/station.h"

/** @key: (nullable): as for velm_webhook_new(). Returns: (transfer full): NULL with
 * VELM_ERROR_FILE. */
VelmLink *velm_callback_link_new(VelmStation *station, const char *key, GError **error);
