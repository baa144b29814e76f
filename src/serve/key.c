#include "serve/key.h"

#include <string.h>

#define LONGEST 200

gboolean velm_key_is_valid(const char *key) {
  gsize length = strlen(key);
  for (const char *c = key; *c; c++)
    if (!g_ascii_isgraph(*c))
      return FALSE;
  return length >= 1 && length <= LONGEST;
}

gboolean velm_text_is_plain(const char *text) {
  for (const char *c = text; *c; c = g_utf8_next_char(c))
    if (g_unichar_iscntrl(g_utf8_get_char(c)))
      return FALSE;
  return TRUE;
}
