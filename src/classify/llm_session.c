#include "classify/llm_session.h"

#include <math.h>

/* Asked of a server of velm's own: this machine may be slow, but nobody else asks it. */
#define SERVED_IN_FLIGHT 2
#define MAX_SLOTS 16 /* more do not answer sooner */
#define SERVED_TRY_MS (10 * 60 * 1000)
#define SERVED_TOTAL_MS (20 * 60 * 1000)

/* Small models at temperature 0 fall into repeating themselves until the tokens are used up; that
 * llama-server knows a limit is known. */
#define SERVED_REASON 200

/* How often it is looked after. */
#define WATCH_MS 100

#define LOOK_MS 100 /* between looks at the clock while the server is first looked for */

/* Where nobody is to wait: the longest for an answer, how often a server that is away is looked
 * for, and after how long one that nobody asks is. */
#define FAST_TOTAL_S 30
#define FAST_AGAIN_MS (5 * 1000)
#define FAST_QUIET_MS (10 * 1000)

/* Where nothing is sent, nothing is there. */
#define NO_ENDPOINT "http://127.0.0.1/v1"

static void session_clear(gpointer data) {
  VelmLlmSession *session = data;
  velm_prompt_queue_free(session->prompts); /* first: its threads wake the server */
  velm_llm_server_free(session->server);    /* then: it tells the health what it gives up */
  velm_llm_health_free(session->health);
  velm_served_llm_free(session->served);
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
  else if (params->offline && !params->serve_llm && !(params->llm && params->llm[0]))
    why = "offline, the server cannot be asked for its model: name it";
  else if (params->serve_llm && params->endpoint)
    why = "a model to serve and an endpoint are two servers: give one";
  else if (params->serve_llm && !params->mmproj)
    why = "a model to serve needs its vision projector: give --mmproj FILE";
  else if (params->mmproj && !params->serve_llm)
    why = "a vision projector needs the model that it belongs to: give --serve-llm MODEL";
  else if (params->serve_llm && params->key_file)
    why = "a model that is served here has a key of its own: leave the key file out";
  if (why)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "classifier mllm: %s", why);
  return why == NULL;
}

/* What the model is called: by its file, where nothing else is said. Returns: (transfer full). */
static char *name_served(const VelmLlmParams *params) {
  return params->llm && params->llm[0] ? g_strdup(params->llm)
                                       : g_path_get_basename(params->serve_llm);
}

static gboolean serve(VelmLlmSession *session, const VelmLlmParams *params, const char *name,
                      GError **error) {
  VelmServedLlmParams served = velm_served_llm_params_default();
  served.model = params->serve_llm;
  served.mmproj = params->mmproj;
  served.name = name;
  served.n_slots = MIN(session->in_flight, MAX_SLOTS);
  served.progress = params->progress;
  served.progress_data = params->progress_data;
  session->served = velm_served_llm_new(&served, error);
  return session->served != NULL;
}

static void limit_time(VelmHttpParams *http, const VelmLlmParams *params) {
  guint own = params->fail_fast && !params->serve_llm ? FAST_TOTAL_S : 0;
  guint timeout_s = params->timeout_s ? params->timeout_s : own;
  if (!timeout_s)
    return;
  http->total_timeout_ms = (int)timeout_s * 1000;
  http->timeout_ms = MIN(http->timeout_ms, http->total_timeout_ms);
  http->connect_timeout_ms = MIN(http->connect_timeout_ms, http->total_timeout_ms);
}

/* Behind a gate, another try is another request. */
static void limit_tries(VelmLlmSession *session, VelmHttpParams *http) {
  session->tries = http->tries;
  session->total_ms = http->total_timeout_ms;
  if (!session->gate)
    return;
  http->breaker_failures *= (guint)http->tries;
  http->tries = 1;
}

/* A server of velm's own. Whether it is there is known from its process, so there is no breaker. */
static gboolean open_served(VelmLlmSession *session, const VelmLlmParams *params,
                            const VelmHttpParams *given, GError **error) {
  VelmHttpParams http = *given;
  g_autofree char *name = name_served(params);
  http.in_flight = session->in_flight = params->in_flight ? params->in_flight : SERVED_IN_FLIGHT;
  session->max_reason = SERVED_REASON;
  http.direct = TRUE;
  http.breaker_failures = 0;
  http.timeout_ms = SERVED_TRY_MS;
  http.total_timeout_ms = SERVED_TOTAL_MS;
  limit_time(&http, params);
  limit_tries(session, &http);
  if (!session->offline && !serve(session, params, name, error))
    return FALSE;
  http.bearer = session->served ? velm_served_llm_get_key(session->served) : NULL;
  session->server = velm_llm_server_new(
      session->served ? velm_served_llm_get_endpoint(session->served) : NO_ENDPOINT, name, NULL,
      &http, error);
  return session->server != NULL;
}

static gboolean open_server(VelmLlmSession *session, const VelmLlmParams *params,
                            const VelmHttpParams *given, GError **error) {
  VelmHttpParams http = *given;
  http.in_flight = params->in_flight ? params->in_flight : http.in_flight;
  if (params->fail_fast) /* the session's health does better: it knows when the server is back */
    http.breaker_failures = 0;
  limit_time(&http, params);
  limit_tries(session, &http);
  http.ca_file = params->ca_file ? params->ca_file : http.ca_file;
  session->in_flight = http.in_flight;
  session->server =
      velm_llm_server_new(params->endpoint, params->llm, params->key_file, &http, error);
  return session->server != NULL;
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

static VelmLlmHealthParams health_params(const VelmLlmParams *params) {
  VelmLlmHealthParams health = velm_llm_health_params_default();
  if (params->fail_fast) {
    health.again_ms = FAST_AGAIN_MS;
    health.quiet_ms = FAST_QUIET_MS;
    health.failures = 1;
  }
  return health;
}

VelmLlmSession *velm_llm_session_new(const VelmLlmParams *params, const VelmHttpParams *http,
                                     GError **error) {
  g_autoptr(VelmLlmSession) session = g_rc_box_new0(VelmLlmSession);
  session->unbuilt = g_queue_new();
  session->held = g_queue_new();
  session->offline = params->offline;
  session->fail_fast = params->fail_fast;
  session->gate = params->gate;
  session->budget = params->budget > 0 ? params->budget : INFINITY;
  session->schema = session->log_probabilities = TRUE;
  if (!check_params(params, error) || !open_files(session, params, error) ||
      !(params->serve_llm ? open_served : open_server)(session, params, http, error) ||
      !open_queue(session, error))
    return NULL;
  const VelmLlmHealthParams health = health_params(params);
  session->health = velm_llm_health_new(session->server, &health);
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

gboolean velm_llm_session_is_there(VelmLlmSession *session) {
  VelmLlmState state;
  if (session->offline)
    return TRUE; /* the cache is */
  while ((state = velm_llm_health_check(session->health)) == VELM_LLM_UNTRIED)
    velm_llm_session_iterate(session, LOOK_MS);
  return state == VELM_LLM_UP;
}

VelmLlmState velm_llm_session_watch(VelmLlmSession *session) {
  VelmLlmState state = velm_llm_health_check(session->health);
  if (velm_llm_server_pending(session->server) > 0)
    velm_llm_session_iterate(session, 0);
  return state;
}

void velm_llm_session_iterate(VelmLlmSession *session, int wait_ms) {
  if (session->served) {
    /* Where it cannot be started again, whoever asks it is told. */
    velm_served_llm_check(session->served, NULL);
    wait_ms = wait_ms < 0 ? WATCH_MS : MIN(wait_ms, WATCH_MS);
  }
  velm_llm_server_iterate(session->server, wait_ms);
}
