#include "core/http_prefix.h"

#include "core/http_redact.h"

#include <curl/curl.h>
#include <string.h>

/* A URL taken apart; libcurl's strings. */
typedef struct {
  char *scheme, *host, *port, *path;
} Place;

static void place_clear(Place *place) {
  curl_free(place->scheme);
  curl_free(place->host);
  curl_free(place->port);
  curl_free(place->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

static gboolean has(CURLU *url, CURLUPart part) {
  char *text = NULL;
  gboolean is_there = curl_url_get(url, part, &text, 0) == CURLUE_OK;
  curl_free(text);
  return is_there;
}

static gboolean take_parts(CURLU *url, Place *place) {
  return !has(url, CURLUPART_USER) && !has(url, CURLUPART_PASSWORD) &&
         !has(url, CURLUPART_OPTIONS) && !has(url, CURLUPART_ZONEID) &&
         curl_url_get(url, CURLUPART_SCHEME, &place->scheme, 0) == CURLUE_OK &&
         curl_url_get(url, CURLUPART_HOST, &place->host, 0) == CURLUE_OK &&
         curl_url_get(url, CURLUPART_PORT, &place->port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
         curl_url_get(url, CURLUPART_PATH, &place->path, 0) == CURLUE_OK &&
         (g_str_equal(place->scheme, "http") || g_str_equal(place->scheme, "https"));
}

/* @more: whether it has a query or a fragment. Returns: FALSE where it is no URL to be asked. */
static gboolean take_apart(const char *text, Place *place, gboolean *more) {
  CURLU *url = curl_url();
  gboolean ok = url && curl_url_set(url, CURLUPART_URL, text, CURLU_PATH_AS_IS) == CURLUE_OK &&
                take_parts(url, place);
  *more = ok && (has(url, CURLUPART_QUERY) || has(url, CURLUPART_FRAGMENT));
  curl_url_cleanup(url);
  return ok;
}

/* Some servers take a backslash for a slash, and pass over what follows a semicolon. */
static gboolean climbs(const char *path) {
  g_autofree char *plain = g_uri_unescape_string(path, NULL);
  g_auto(GStrv) names = plain ? g_strsplit_set(plain, "/\\", -1) : NULL;
  for (char **name = names; name && *name; name++) {
    gsize n = strcspn(*name, ";");
    if ((n == 1 || n == 2) && strncmp(*name, "..", n) == 0)
      return TRUE;
  }
  return !plain;
}

static gboolean is_at_or_below(const char *path, const char *prefix) {
  gsize n = strlen(prefix);
  return strncmp(path, prefix, n) == 0 &&
         (path[n] == '\0' || path[n] == '/' || (n > 0 && prefix[n - 1] == '/'));
}

gboolean velm_http_prefix_check(const char *prefix, GError **error) {
  g_auto(Place) place = {0};
  gboolean more = FALSE;
  if (take_apart(prefix, &place, &more) && !more && !climbs(place.path))
    return TRUE;
  g_autofree char *shown = velm_http_display_url(prefix);
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "%s: it is to be the beginning of addresses of http or https, with a host, and "
              "without user, password, query and dots that climb",
              shown);
  return FALSE;
}

static gboolean allows(const char *prefix, const Place *asked) {
  g_auto(Place) place = {0};
  gboolean more = FALSE;
  return take_apart(prefix, &place, &more) && !more && g_str_equal(asked->scheme, place.scheme) &&
         g_ascii_strcasecmp(asked->host, place.host) == 0 && g_str_equal(asked->port, place.port) &&
         is_at_or_below(asked->path, place.path);
}

gboolean velm_http_prefix_allows(const char *const *prefixes, const char *url) {
  g_auto(Place) asked = {0};
  gboolean more = FALSE;
  if (!prefixes || !take_apart(url, &asked, &more) || climbs(asked.path))
    return FALSE;
  for (; *prefixes; prefixes++)
    if (allows(*prefixes, &asked))
      return TRUE;
  return FALSE;
}
