/* The page's files, which are in the binary. */
#include "serve/call.h"

#include <gio/gio.h>

static const struct {
  const char *suffix, *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
};

VelmResponse *velm_api_get_page(VelmCall *call, GError **error) {
  const char *path = velm_exchange_get_path(call->exchange);
  path = g_str_equal(path, "/") ? "/index.html" : path;
  g_autofree char *name = g_strconcat("/velm/station", path, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
    GBytes *bytes =
        g_str_has_suffix(path, types[i].suffix) ? g_resources_lookup_data(name, 0, NULL) : NULL;
    if (bytes) {
      VelmResponse *response = velm_response_new(200, types[i].type, bytes);
      velm_response_set_header(response, "Cache-Control", "no-cache");
      return response;
    }
  }
  return NULL;
}
