#include "core/http.h"

#include "core/http_pool.h"

#include <string.h>

struct _VelmHttp {
  VelmHttpPool *pool;
};

/* Where done() puts what came. */
typedef struct {
  VelmHttpResponse *response;
  GError *error;
} Result;

VelmHttp *velm_http_new(const VelmHttpParams *params, GError **error) {
  VelmHttpParams one = *params;
  one.in_flight = 1;
  VelmHttpPool *pool = velm_http_pool_new(&one, error);
  if (!pool)
    return NULL;
  VelmHttp *http = g_new0(VelmHttp, 1);
  http->pool = pool;
  return http;
}

static void keep(const VelmHttpResponse *response, const GError *error, gpointer data) {
  Result *result = data;
  if (error) {
    result->error = g_error_copy(error);
    return;
  }
  result->response = g_new0(VelmHttpResponse, 1);
  *result->response = *response;
  g_bytes_ref(response->body);
}

VelmHttpResponse *velm_http_send(VelmHttp *http, const char *url, const char *json,
                                 GError **error) {
  Result result = {0};
  g_autoptr(GBytes) body = json ? g_bytes_new(json, strlen(json)) : NULL;
  velm_http_pool_submit(http->pool, url, body, keep, &result, NULL);
  while (velm_http_pool_iterate(http->pool, -1))
    ;
  if (result.error)
    g_propagate_error(error, result.error);
  return result.response;
}

char *velm_http_redact(const VelmHttp *http, const char *text) {
  return velm_http_pool_redact(http->pool, text);
}

void velm_http_free(VelmHttp *http) {
  if (!http)
    return;
  velm_http_pool_free(http->pool);
  g_free(http);
}
