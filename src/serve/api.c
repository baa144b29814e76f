#include "serve/api.h"

#include "act/spec.h"

#include "serve/call.h"

#include <string.h>

/* Threads that take images in, and threads for all else: people who look at pictures do not keep
 * the line waiting. */
#define N_INTAKE 4
#define N_OFFICE 3
/* What waits for a thread; more is turned away. */
#define MOST_WAITING 1000

#define MAX_JSON (64 * 1024)
/* A spec of the largest size, each of whose characters may be escaped. */
#define MAX_SPEC (2 * VELM_SPEC_MAX_BYTES)

/* Wrong tokens of one address: then and when, and at once. */
#define FAILURES_PER_SECOND 0.2
#define FAILURES_AT_ONCE 10

static const VelmRoute routes[] = {
    {"GET", "/healthz", VELM_ROLE_NOBODY, .respond = velm_api_get_health},
    {"GET", "/readyz", VELM_ROLE_NOBODY, .respond = velm_api_get_readiness},
    {"GET", "/metrics", VELM_ROLE_LINE, .respond = velm_api_get_metrics},
    {"GET", "/openapi.yaml", VELM_ROLE_NOBODY, .respond = velm_api_get_openapi},
    {"GET", "/v1/session", VELM_ROLE_NOBODY, .respond = velm_api_get_session},
    {"POST", "/v1/session", VELM_ROLE_NOBODY, VELM_CONTENT_JSON, .respond = velm_api_sign_in},
    {"DELETE", "/v1/session", VELM_ROLE_NOBODY, .respond = velm_api_sign_out},
    {"GET", "/v1/products", VELM_ROLE_LINE, .respond = velm_api_list_products},
    {"GET", "/v1/products/{}", VELM_ROLE_LINE, .respond = velm_api_get_product},
    {"POST", "/v1/products/{}/reload", VELM_ROLE_ENGINEER, .respond = velm_api_reload_product},
    {"PUT", "/v1/products/{}/spec", VELM_ROLE_ENGINEER, VELM_CONTENT_SPEC,
     .respond = velm_api_put_spec},
    {"POST", "/v1/products/{}/spec/check", VELM_ROLE_ENGINEER, VELM_CONTENT_SPEC,
     .respond = velm_api_check_spec},
    {"GET", "/v1/products/{}/specs", VELM_ROLE_ENGINEER, .respond = velm_api_list_specs},
    {"POST", "/v1/products/{}/classes", VELM_ROLE_ENGINEER, VELM_CONTENT_JSON,
     .respond = velm_api_add_class},
    {"GET", "/v1/products/{}/versions", VELM_ROLE_OPERATOR, .respond = velm_api_list_versions},
    {"PUT", "/v1/products/{}/version", VELM_ROLE_ENGINEER, VELM_CONTENT_JSON,
     .respond = velm_api_put_version},
    {"POST", "/v1/products/{}/jobs", VELM_ROLE_ENGINEER, VELM_CONTENT_JSON,
     .respond = velm_api_add_job},
    {"GET", "/v1/jobs", VELM_ROLE_OPERATOR, .respond = velm_api_list_jobs},
    {"GET", "/v1/jobs/{}", VELM_ROLE_OPERATOR, .respond = velm_api_get_job},
    {"DELETE", "/v1/jobs/{}", VELM_ROLE_ENGINEER, .respond = velm_api_cancel_job},
    {"POST", "/v1/products/{}/inspections", VELM_ROLE_LINE, VELM_CONTENT_IMAGE,
     .start = velm_api_inspect},
    {"GET", "/v1/inspections/{}", VELM_ROLE_LINE, .respond = velm_api_get_inspection},
    {"POST", "/v1/cameras/{}/trigger", VELM_ROLE_LINE, .respond = velm_api_trigger_camera},
    {"GET", "/v1/records", VELM_ROLE_OPERATOR, .respond = velm_api_list_records},
    {"GET", "/v1/records/export", VELM_ROLE_OPERATOR, .respond = velm_api_export_records},
    {"GET", "/v1/records/{}", VELM_ROLE_LINE, .respond = velm_api_get_record},
    {"GET", "/v1/records/{}/image", VELM_ROLE_OPERATOR, .respond = velm_api_get_image},
    {"GET", "/v1/records/{}/picture", VELM_ROLE_OPERATOR, .respond = velm_api_get_picture},
    {"GET", "/v1/records/{}/prompt", VELM_ROLE_LINE, .respond = velm_api_get_prompt},
    {"POST", "/v1/records/{}/reviews", VELM_ROLE_OPERATOR, VELM_CONTENT_JSON,
     .respond = velm_api_review},
    {"GET", "/v1/stations", VELM_ROLE_OPERATOR, .respond = velm_api_list_stations},
    {"GET", "/v1/stats", VELM_ROLE_OPERATOR, .respond = velm_api_get_stats},
    {"GET", "/v1/audit", VELM_ROLE_ENGINEER, .respond = velm_api_list_audit},
    {"GET", "/v1/events", VELM_ROLE_OPERATOR, .respond = velm_api_follow_events},
};

/* Files of the page are found by their names. */
static const VelmRoute page_route = {"GET", "/", VELM_ROLE_NOBODY, .respond = velm_api_get_page};

struct _VelmApi {
  VelmContext context;
  VelmHttpServer *server;
  VelmRate *rate;               /* requests of an address */
  GThreadPool *intake, *office; /* of VelmCall */
};

/* ---- routes ---- */

/* Whether @path is of @pattern. @argument: (out) (transfer full): what stands at {}. */
static gboolean matches(const char *pattern, const char *path, char **argument) {
  const char *hole = strstr(pattern, "{}");
  if (!hole)
    return g_str_equal(pattern, path);
  gsize before = (gsize)(hole - pattern);
  if (strncmp(pattern, path, before) != 0)
    return FALSE;
  gsize length = strcspn(path + before, "/");
  if (length == 0 || !g_str_equal(path + before + length, hole + 2))
    return FALSE;
  *argument = g_strndup(path + before, length);
  return TRUE;
}

static gboolean is_method(const VelmRoute *route, const char *method) {
  return g_str_equal(route->method, method) ||
         (g_str_equal(route->method, "GET") && g_str_equal(method, "HEAD"));
}

/* @others: (out) (transfer full): methods that the path has, where this is none of them. */
static const VelmRoute *find_route(const char *method, const char *path, char **argument,
                                   char **others) {
  g_autoptr(GString) allowed = g_string_new(NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(routes); i++) {
    g_autofree char *part = NULL;
    if (!matches(routes[i].path, path, &part))
      continue;
    if (is_method(&routes[i], method)) {
      *argument = g_steal_pointer(&part);
      return &routes[i];
    }
    g_string_append_printf(allowed, "%s%s", allowed->len ? ", " : "", routes[i].method);
  }
  if (allowed->len > 0)
    *others = g_strdup(allowed->str);
  return NULL;
}

/* ---- who asks ---- */

/* The token of the header Authorization. Returns: borrowed; NULL where there is none. */
static const char *bearer_of(const VelmExchange *exchange) {
  const char *text = velm_exchange_get_header(exchange, "Authorization");
  if (!text || g_ascii_strncasecmp(text, "Bearer ", 7) != 0)
    return NULL;
  return text + 7 + strspn(text + 7, " ");
}

static void find_role(const VelmApi *api, VelmCall *call) {
  const VelmAccess *access = api->context.access;
  const char *token = bearer_of(call->exchange);
  const char *cookie = velm_exchange_get_cookie(call->exchange, VELM_SESSION_COOKIE), *name = NULL;
  call->role = access ? VELM_ROLE_NOBODY : VELM_ROLE_ENGINEER;
  if (access && token) {
    call->role = velm_access_check(access, token, &name);
    call->who = g_strdup(name);
  } else if (access && cookie) {
    call->role = velm_sessions_check(api->context.sessions, cookie, &call->who);
  }
}

/* The name of this machine, so that a page from elsewhere that has its name lead here is none of
 * ours. */
static gboolean is_own_host(const char *host) {
  static const char *const own[] = {"localhost", "127.0.0.1", "[::1]", NULL};
  const char *port = host ? strrchr(host, ':') : NULL;
  g_autofree char *name =
      port && !strchr(port, ']') ? g_strndup(host, (gsize)(port - host)) : g_strdup(host);
  return name && g_strv_contains(own, name);
}

/* Whether a browser sends this from a page of somebody else. */
static gboolean is_foreign(const VelmExchange *exchange) {
  const char *origin = velm_exchange_get_header(exchange, "Origin");
  const char *host = velm_exchange_get_header(exchange, "Host");
  const char *method = velm_exchange_get_method(exchange);
  if (!origin || g_str_equal(method, "GET") || g_str_equal(method, "HEAD"))
    return FALSE;
  const char *scheme = velm_exchange_is_secure(exchange) ? "https://" : "http://";
  return !host || !g_str_has_prefix(origin, scheme) || !g_str_equal(origin + strlen(scheme), host);
}

static VelmResponse *too_many(void) {
  VelmResponse *response =
      velm_response_new_problem(429, "too many requests from this address; wait a little");
  velm_response_set_header(response, "Retry-After", "5");
  return response;
}

static VelmResponse *not_signed_in(const char *detail) {
  VelmResponse *response = velm_response_new_problem(401, detail);
  velm_response_set_header(response, "WWW-Authenticate", "Bearer");
  return response;
}

/* Why the asker may not ask; NULL where it may. */
static VelmResponse *check_asker(VelmApi *api, VelmCall *call) {
  if (!velm_rate_take(api->rate, velm_exchange_get_peer(call->exchange), g_get_monotonic_time()))
    return too_many();
  if (is_foreign(call->exchange))
    return velm_response_new_problem(403, "the request comes from a page of another site");
  if (!api->context.access && velm_http_server_is_loopback(api->server) &&
      !is_own_host(velm_exchange_get_header(call->exchange, "Host")))
    return velm_response_new_problem(403, "the request names another host than this one");
  const char *token = bearer_of(call->exchange);
  if (api->context.access && token && !velm_call_may_try(call))
    return too_many();
  find_role(api, call);
  /* Wherever it is tried: what nobody needs a token for would else tell which are right. */
  if (token && call->role == VELM_ROLE_NOBODY)
    velm_call_note_failure(call);
  if (call->role >= call->route->role)
    return NULL;
  if (call->role != VELM_ROLE_NOBODY)
    return velm_response_new_problem(403, "this takes another role");
  return not_signed_in(token ? "the token is not known" : "this takes a token");
}

/* ---- what is sent ---- */

static gboolean is_type(const VelmExchange *exchange, const char *const *types) {
  const char *text = velm_exchange_get_header(exchange, "Content-Type");
  if (!text)
    return FALSE;
  g_autofree char *type = g_ascii_strdown(text, (gssize)strcspn(text, "; \t"));
  return g_strv_contains(types, type);
}

/* Why the body is not taken; NULL where it is. */
static VelmResponse *check_content(const VelmApi *api, const VelmCall *call) {
  static const char *const json[] = {"application/json", NULL};
  static const char *const images[] = {"image/png",  "image/jpeg", "image/bmp",
                                       "image/tiff", "image/webp", NULL};
  gint64 length = 0;
  VelmContent content = call->route->content;
  if (content == VELM_CONTENT_NONE)
    return NULL;
  if (!velm_exchange_has_body(call->exchange, &length))
    return velm_response_new_problem(400, "the request has no body");
  gboolean is_image = content == VELM_CONTENT_IMAGE;
  if (!is_type(call->exchange, is_image ? images : json))
    return velm_response_new_problem(
        415, is_image ? "the body is to be image/png, jpeg, bmp, tiff or webp"
                      : "the body is to be application/json");
  velm_exchange_set_max_body(call->exchange, is_image                       ? api->context.max_body
                                             : content == VELM_CONTENT_SPEC ? MAX_SPEC
                                                                            : MAX_JSON);
  return NULL;
}

/* ---- answering ---- */

/* Headers that tell browsers to take everything from here alone. */
static void add_guards(VelmResponse *response) {
  velm_response_set_header(response, "X-Content-Type-Options", "nosniff");
  velm_response_set_header(response, "Referrer-Policy", "no-referrer");
  velm_response_set_header(response, "X-Frame-Options", "DENY");
  velm_response_set_header(response, "Content-Security-Policy",
                           "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; "
                           "base-uri 'none'; form-action 'self'");
  if (!velm_response_get_header(response, "Cache-Control"))
    velm_response_set_header(response, "Cache-Control", "no-store");
}

static VelmResponse *dress(const VelmContext *context, const VelmExchange *exchange,
                           VelmResponse *response) {
  g_autofree char *status = g_strdup_printf("%u", response->status);
  add_guards(response);
  velm_metrics_add(velm_station_get_metrics(context->station), VELM_METRIC_REQUESTS,
                   velm_exchange_get_method(exchange), status, 1);
  return response;
}

static void call_free(gpointer data) {
  VelmCall *call = data;
  g_free(call->argument);
  g_free(call->who);
  g_free(call);
}

void velm_call_answer(VelmCall *call, VelmResponse *response) {
  velm_exchange_answer(call->exchange, dress(call->context, call->exchange, response));
}

static void respond(gpointer data, gpointer user_data) {
  VelmCall *call = data;
  g_autoptr(GError) error = NULL;
  if (call->route->start) {
    call->route->start(call);
    return;
  }
  VelmResponse *response = call->route->respond(call, &error);
  if (!response)
    response = error ? velm_response_new_error(error)
                     : velm_response_new_problem(404, "there is nothing here");
  velm_call_answer(call, response);
}

/* ---- the server's side ---- */

static VelmResponse *no_route(const VelmContext *context, VelmExchange *exchange,
                              const char *others) {
  VelmResponse *response = others
                               ? velm_response_new_problem(405, NULL)
                               : velm_response_new_problem(404, "there is nothing at this address");
  if (others)
    velm_response_set_header(response, "Allow", others);
  return dress(context, exchange, response);
}

static VelmResponse *begin(VelmExchange *exchange, gpointer user_data) {
  VelmApi *api = user_data;
  g_autofree char *argument = NULL, *others = NULL;
  const char *path = velm_exchange_get_path(exchange);
  const char *method = velm_exchange_get_method(exchange);
  const VelmRoute *route = find_route(method, path, &argument, &others);
  if (!route && !others && !g_str_has_prefix(path, "/v1/") && is_method(&page_route, method))
    route = &page_route;
  if (!route)
    return no_route(&api->context, exchange, others);
  VelmCall *call = g_new0(VelmCall, 1);
  *call = (VelmCall){.context = &api->context,
                     .exchange = exchange,
                     .route = route,
                     .argument = g_steal_pointer(&argument)};
  velm_exchange_set_data(exchange, call, call_free);
  VelmResponse *response = check_asker(api, call);
  response = response ? response : check_content(api, call);
  return response ? dress(&api->context, exchange, response) : NULL;
}

static void handle(VelmExchange *exchange, gpointer user_data) {
  VelmApi *api = user_data;
  VelmCall *call = velm_exchange_get_data(exchange);
  GThreadPool *pool = call->route->start ? api->intake : api->office;
  if (g_thread_pool_unprocessed(pool) >= MOST_WAITING)
    velm_call_answer(call, velm_response_new_problem(503, "too much waits already"));
  else
    g_thread_pool_push(pool, call, NULL);
}

/* ---- the API ---- */

VelmApiParams velm_api_params_default(void) {
  return (VelmApiParams){
      .http = velm_http_server_params_default(), .max_body = 64 * 1024 * 1024, .per_second = 500};
}

/* Without tokens everyone who can reach the station may do everything: only this machine's users
 * are to. */
static gboolean check_reach(const VelmApi *api, const char *listen, GError **error) {
  if (api->context.access || velm_http_server_is_loopback(api->server))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "%s: others could reach the station there: name a file of tokens with --tokens, or "
              "listen at 127.0.0.1",
              listen);
  return FALSE;
}

VelmApi *velm_api_new(VelmStation *station, const VelmApiParams *params, GError **error) {
  g_autoptr(VelmApi) api = g_new0(VelmApi, 1);
  api->context = (VelmContext){.station = station,
                               .sessions = velm_sessions_new(),
                               .access = params->access,
                               .max_body = params->max_body,
                               .callbacks = params->callbacks,
                               .failures = velm_rate_new(FAILURES_PER_SECOND, FAILURES_AT_ONCE)};
  api->rate = velm_rate_new(params->per_second, 4 * params->per_second);
  api->intake = g_thread_pool_new(respond, api, N_INTAKE, FALSE, NULL);
  api->office = g_thread_pool_new(respond, api, N_OFFICE, FALSE, NULL);
  api->server = velm_http_server_new(&params->http, &(VelmHttpHandler){begin, handle, api}, error);
  api->context.server = api->server;
  if (!api->server || !check_reach(api, params->http.listen, error) ||
      !velm_http_server_start(api->server, error))
    return NULL;
  return g_steal_pointer(&api);
}

const char *velm_api_get_url(const VelmApi *api) { return velm_http_server_get_url(api->server); }

void velm_api_free(VelmApi *api) {
  if (!api)
    return;
  if (api->server)
    velm_http_server_finish(api->server);
  g_thread_pool_free(api->intake, FALSE, TRUE);
  g_thread_pool_free(api->office, FALSE, TRUE);
  velm_http_server_free(api->server);
  velm_sessions_free(api->context.sessions);
  velm_rate_free(api->rate);
  velm_rate_free(api->context.failures);
  g_free(api);
}
