/* A socket that listens. */
#pragma once

#include <gio/gio.h>

/** Listens at @address: ADDRESS:PORT, [IPV6]:PORT, or :PORT for all addresses; port 0 for any that
 * is free. Returns: (transfer full): NULL with VELM_ERROR_USAGE or VELM_ERROR_FILE. */
GSocket *velm_listen(const char *address, GError **error);
