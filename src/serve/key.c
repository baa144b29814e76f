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
