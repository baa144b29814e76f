/* Keys and names that a sender gives its images. */
#pragma once

#include <glib.h>

#define VELM_KEY_RULE "it is to be 1 to 200 printable ASCII characters without spaces"

/** Whether @key is printable, so that it can be told apart in a log. */
gboolean velm_key_is_valid(const char *key);

/** Whether @text, UTF-8, has no control characters. */
gboolean velm_text_is_plain(const char *text);
