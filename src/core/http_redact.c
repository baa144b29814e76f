#include "core/http_redact.h"

#include <string.h>

#define SHORTEST_SECRET 4
#define SHORTEST_PIECE 8

/* Length of the longest piece of @key that @text starts with. */
static gsize piece_at(const char *text, const char *key) {
  gsize longest = 0;
  for (const char *start = key; *start; start++) {
    gsize n = 0;
    while (start[n] && text[n] == start[n])
      n++;
    longest = MAX(longest, n);
  }
  return longest;
}

char *velm_http_redact_key(const char *key, const char *text) {
  gsize length = key ? strlen(key) : 0;
  if (length < SHORTEST_SECRET)
    return g_strdup(text);
  gsize least = MIN(length, SHORTEST_PIECE);
  GString *safe = g_string_new(NULL);
  while (*text) {
    gsize n = piece_at(text, key);
    if (n >= least) {
      g_string_append(safe, "[key]");
      text += n;
    } else {
      g_string_append_c(safe, *text++);
    }
  }
  return g_string_free(safe, FALSE);
}

/* Relaxed, as with more than one @ what is before the last is all user and password. */
char *velm_http_display_url(const char *url) {
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_PARSE_RELAXED, NULL);
  if (!uri)
    return g_strdup("the server");
  return g_uri_to_string_partial(uri, G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY | G_URI_HIDE_FRAGMENT);
}
