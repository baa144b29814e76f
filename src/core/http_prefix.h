/*
 * Lists of addresses that may be asked: each names a server and a place on it, and what is at or
 * below that place is allowed. Addresses are taken apart by libcurl, which asks them in the end, so
 * that none means one server here and another there.
 */
#pragma once

#include "velm.h"

/** Whether @prefix can be in a list: http or https with a host, and without user, password, query
 * and fragment. Returns: FALSE with VELM_ERROR_USAGE where it is not. */
gboolean velm_http_prefix_check(const char *prefix, GError **error);

/**
 * Whether @url is at or below one of @prefixes: scheme, host and port are the same, and the path is
 * the prefix's or goes on behind it from a slash on ("/a" has "/a" and "/a/b" below it, not "/ab").
 * Never for a URL with a user, a password, or a path that climbs, however the dots are written.
 * @prefixes: (nullable) (array zero-terminated=1): those that cannot be in a list allow nothing
 */
gboolean velm_http_prefix_allows(const char *const *prefixes, const char *url);
