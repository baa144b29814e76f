#include "core/http_fetcher.h"

#include "core/http_pool.h"
#include "core/http_redact.h"
#include "core/http_retry.h"

#define OK 200

struct _VelmHttpFetcher {
  VelmHttpParams params;
  GMutex lock;
  GPtrArray *idle; /* of VelmHttpPool, each for one thread at a time; under the lock */
};

/* What became of one file. */
typedef struct {
  const VelmHttpParams *params;
  const char *url;
  GBytes *body;
  GError *error;
  gboolean retry;
} Outcome;

VelmHttpFetcher *velm_http_fetcher_new(const VelmHttpParams *params, GError **error) {
  VelmHttpParams once = *params;
  once.in_flight = 1;
  once.tries = 1;
  once.breaker_failures = 0;
  once.max_wait_ms = 0;
  once.max_response = 1;
  once.too_large_code = VELM_ERROR_IMAGE;
  VelmHttpPool *first = velm_http_pool_new(&once, error);
  if (!first)
    return NULL;
  VelmHttpFetcher *fetcher = g_new0(VelmHttpFetcher, 1);
  fetcher->params = once;
  fetcher->idle = g_ptr_array_new_with_free_func((GDestroyNotify)velm_http_pool_free);
  g_ptr_array_add(fetcher->idle, first);
  g_mutex_init(&fetcher->lock);
  return fetcher;
}

static VelmHttpPool *take_pool(VelmHttpFetcher *fetcher, GError **error) {
  g_mutex_lock(&fetcher->lock);
  guint n = fetcher->idle->len;
  VelmHttpPool *pool = n > 0 ? g_ptr_array_steal_index_fast(fetcher->idle, n - 1) : NULL;
  g_mutex_unlock(&fetcher->lock);
  return pool ? pool : velm_http_pool_new(&fetcher->params, error);
}

static void give_back(VelmHttpFetcher *fetcher, VelmHttpPool *pool) {
  g_mutex_lock(&fetcher->lock);
  g_ptr_array_add(fetcher->idle, pool);
  g_mutex_unlock(&fetcher->lock);
}

static void take_status(Outcome *outcome, int status) {
  g_autofree char *shown = velm_http_display_url(outcome->url);
  gboolean elsewhere = status >= 300 && status < 400;
  outcome->retry = velm_http_retry_is_worthwhile(CURLE_OK, status);
  g_set_error(&outcome->error, VELM_ERROR, (int)outcome->params->error_code,
              "%s: it answered with status %d%s", shown, status,
              elsewhere ? ", and redirections are not followed" : "");
}

static void take(const VelmHttpResponse *response, const GError *error, gpointer data) {
  Outcome *outcome = data;
  if (response && response->status == OK)
    outcome->body = g_bytes_ref(response->body);
  else if (response)
    take_status(outcome, response->status);
  else
    outcome->error = g_error_copy(error);
  if (error)
    outcome->retry = error->code != VELM_ERROR_IMAGE;
}

GBytes *velm_http_fetcher_get(VelmHttpFetcher *fetcher, const char *url, gsize most,
                              gboolean *retry, GError **error) {
  Outcome outcome = {.params = &fetcher->params, .url = url};
  VelmHttpPool *pool = take_pool(fetcher, error);
  *retry = pool == NULL;
  if (!pool)
    return NULL;
  velm_http_pool_set_max_response(pool, most);
  velm_http_pool_submit(pool, url, NULL, take, &outcome, NULL);
  while (velm_http_pool_iterate(pool, -1))
    ;
  give_back(fetcher, pool);
  *retry = outcome.retry;
  if (outcome.error)
    g_propagate_error(error, outcome.error);
  return outcome.body;
}

void velm_http_fetcher_free(VelmHttpFetcher *fetcher) {
  if (!fetcher)
    return;
  g_ptr_array_unref(fetcher->idle);
  g_mutex_clear(&fetcher->lock);
  g_free(fetcher);
}
