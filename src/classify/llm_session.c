#include "classify/llm_session.h"

#include <math.h>

static void session_clear(gpointer data) {
  VelmLlmSession *session = data;
  velm_prompt_queue_free(session->prompts); /* first: its threads wake the server */
  velm_llm_server_free(session->server);    /* then: it tells the health what it gives up */
  velm_llm_health_free(session->health);
  g_queue_free(session->unbuilt);
  g_queue_free(session->held);
  velm_spending_free(session->spending);
  velm_prices_free(session->prices);
  velm_answer_cache_free(session->cache);
}

VelmLlmSession *velm_llm_session_ref(VelmLlmSession *session) { return g_rc_box_acquire(session); }

void velm_llm_session_unref(VelmLlmSession *session) {
  if (session)
    g_rc_box_release_full(session, session_clear);
}

static gboolean check_params(const VelmLlmParams *params, GError **error) {
  const char *why = NULL;
  if (params->budget > 0 && !params->prices)
    why = "a budget needs prices to hold answers against";
  else if (params->offline && !(params->llm && params->llm[0]))
    why = "offline, the server cannot be asked for its model: name it";
  if (why)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "classifier mllm: %s", why);
  return why == NULL;
}

static gboolean open_server(VelmLlmSession *session, const VelmLlmParams *params,
                            const VelmHttpParams *given, GError **error) {
  VelmHttpParams http = *given;
  http.in_flight = params->in_flight ? params->in_flight : http.in_flight;
  if (params->timeout_s) {
    http.total_timeout_ms = (int)params->timeout_s * 1000;
    http.timeout_ms = MIN(http.timeout_ms, http.total_timeout_ms);
    http.connect_timeout_ms = MIN(http.connect_timeout_ms, http.total_timeout_ms);
  }
  http.ca_file = params->ca_file ? params->ca_file : http.ca_file;
  session->in_flight = http.in_flight;
  session->server =
      velm_llm_server_new(params->endpoint, params->llm, params->key_file, &http, error);
  if (!session->server)
    return FALSE;
  const VelmLlmHealthParams health = velm_llm_health_params_default();
  session->health = velm_llm_health_new(session->server, &health);
  return TRUE;
}

static void wake(gpointer server) { velm_llm_server_wake(server); }

static gboolean open_queue(VelmLlmSession *session, GError **error) {
  session->prompts = velm_prompt_queue_new(wake, session->server, error);
  return session->prompts != NULL;
}

static gboolean open_files(VelmLlmSession *session, const VelmLlmParams *params, GError **error) {
  if (params->prices && !(session->prices = velm_prices_read(params->prices, error)))
    return FALSE;
  if (params->cache && !(session->cache = velm_answer_cache_open(params->cache, error)))
    return FALSE;
  return TRUE;
}

VelmLlmSession *velm_llm_session_new(const VelmLlmParams *params, const VelmHttpParams *http,
                                     GError **error) {
  g_autoptr(VelmLlmSession) session = g_rc_box_new0(VelmLlmSession);
  session->unbuilt = g_queue_new();
  session->held = g_queue_new();
  session->offline = params->offline;
  session->budget = params->budget > 0 ? params->budget : INFINITY;
  session->schema = session->log_probabilities = TRUE;
  if (!open_server(session, params, http, error) || !check_params(params, error) ||
      !open_files(session, params, error) || !open_queue(session, error))
    return NULL;
  return g_steal_pointer(&session);
}

gboolean velm_llm_session_open_spending(VelmLlmSession *session, GError **error) {
  if (session->spending)
    return TRUE;
  const char *llm = velm_llm_server_get_llm(session->server, error);
  if (!llm)
    return FALSE;
  session->price = session->prices ? velm_prices_find(session->prices, llm) : NULL;
  session->spending = velm_spending_new(session->price, session->budget, error);
  return session->spending != NULL;
}
