/* What of a request may be shown: never the key, never a password. */
#pragma once

#include <glib.h>

/**
 * A copy of @text with @key blanked out, and so with every piece of it of 8 bytes or more: servers
 * repeat keys in their messages, and cut messages end within one. A key under 4 bytes is no secret
 * and stays.
 * @key: or NULL
 */
char *velm_http_redact_key(const char *key, const char *text);

/** @url without user, password, query and fragment, for messages. Returns: (transfer full). */
char *velm_http_display_url(const char *url);
