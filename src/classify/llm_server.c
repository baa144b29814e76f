#include "classify/llm_server.h"

#include "core/http_pool.h"
#include "core/http_redact.h"
#include "core/json_member.h"
#include "core/secret_file.h"

#include <string.h>

#define SHOWN_BYTES 200 /* of a server's message */
#define ENDPOINT_FLAGS (G_URI_FLAGS_ENCODED | G_URI_FLAGS_HAS_PASSWORD)
#define MAX_KEY_BYTES 4096

struct _VelmLlmServer {
  VelmHttpPool *pool;
  GUri *endpoint;
  char *place;      /* "HOST:PORT" */
  char *llm;        /* NULL until the server was asked */
  char *key_source; /* what messages call the place that the key is from */
  gboolean has_key;
};

/* ---- messages ---- */

char *velm_llm_server_shown(const VelmLlmServer *server, const char *text, gsize limit) {
  /* A body may have megabytes, and looking for the key is slow. */
  gsize size = MIN(strlen(text), 4 * limit);
  g_autofree char *valid = g_utf8_make_valid(text, (gssize)size);
  char *safe = velm_http_pool_redact(server->pool, valid);
  gsize end = MIN(strlen(safe), limit);
  while (end > 0 && ((guchar)safe[end] & 0xC0) == 0x80)
    end--;
  safe[end] = '\0';
  for (char *c = safe; *c; c = g_utf8_next_char(c))
    if (g_unichar_iscntrl(g_utf8_get_char(c)))
      memset(c, ' ', (gsize)(g_utf8_next_char(c) - c));
  return g_strstrip(safe);
}

void velm_llm_server_fail(const VelmLlmServer *server, GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *why = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_autofree char *url = g_uri_to_string(server->endpoint);
  g_autofree char *where = velm_http_display_url(url);
  g_autofree char *safe = velm_http_pool_redact(server->pool, where);
  g_set_error(error, VELM_ERROR, VELM_ERROR_LLM, "%s: %s", safe, why);
}

/* The server's own words: {"error": {"message": ...}}, {"error": "..."}, {"message": ...}, else the
 * body's beginning. */
static char *server_message(const VelmLlmServer *server, const char *body) {
  g_autoptr(JsonNode) root = velm_json_parse_object(body, strlen(body));
  JsonObject *object = root ? json_node_get_object(root) : NULL;
  const char *message =
      velm_json_string_member(velm_json_object_member(object, "error"), "message");
  if (!message)
    message = velm_json_string_member(object, "error");
  if (!message)
    message = velm_json_string_member(object, "message");
  return velm_llm_server_shown(server, message ? message : body, SHOWN_BYTES);
}

static void fail_by_status(const VelmLlmServer *server, const VelmHttpResponse *response,
                           const char *body, GError **error) {
  if (response->status == 401) {
    /* Not the server's words: they show parts of the key. */
    velm_llm_server_fail(server, error, "HTTP 401: %s%s",
                         server->has_key ? "the server refuses the key in "
                                         : "the server wants a key; set ",
                         server->has_key ? server->key_source : "OPENAI_API_KEY");
    return;
  }
  if (response->status >= 300 && response->status < 400) {
    velm_llm_server_fail(
        server, error,
        "HTTP %d: the server redirects, which is not followed; give its final address",
        response->status);
    return;
  }
  g_autofree char *message = server_message(server, body);
  g_autofree char *often =
      response->tries > 1 ? g_strdup_printf(" (%d tries)", response->tries) : g_strdup("");
  velm_llm_server_fail(server, error, "HTTP %d%s%s%s", response->status, message[0] ? ": " : "",
                       message, often);
}

/* ---- replies ---- */

/* The JSON object of a response. Returns: (transfer full). */
static JsonNode *read_reply(const VelmLlmServer *server, const VelmHttpResponse *response,
                            GError **error) {
  gsize length = 0;
  const char *data = g_bytes_get_data(response->body, &length);
  g_autofree char *body = g_strndup(data ? data : "", length);
  if (response->status != 200) {
    fail_by_status(server, response, body, error);
    return NULL;
  }
  g_autoptr(JsonNode) root = velm_json_parse_object(data ? data : "", length);
  if (!root) {
    g_autofree char *start = velm_llm_server_shown(server, body, SHOWN_BYTES);
    velm_llm_server_fail(server, error, "the server's answer is not a JSON object: \"%s\"", start);
    return NULL;
  }
  JsonObject *object = json_node_get_object(root);
  if (json_object_has_member(object, "error") && !json_object_get_null_member(object, "error")) {
    g_autofree char *message = server_message(server, body);
    velm_llm_server_fail(server, error, "the server reports an error: %s", message);
    return NULL;
  }
  return g_steal_pointer(&root);
}

typedef struct {
  VelmLlmServer *server;
  VelmLlmReplied replied;
  gpointer user_data;
} Request;

static void finish(const VelmHttpResponse *response, const GError *error, gpointer data) {
  Request *request = data;
  g_autoptr(GError) cause = NULL;
  g_autoptr(JsonNode) reply = response ? read_reply(request->server, response, &cause) : NULL;
  request->replied(reply ? json_node_get_object(reply) : NULL, response ? response->status : 0,
                   response ? cause : error, request->user_data);
}

static char *url_of(const VelmLlmServer *server, const char *path) {
  g_autofree char *base = g_strdup(g_uri_get_path(server->endpoint));
  while (g_str_has_suffix(base, "/"))
    base[strlen(base) - 1] = '\0';
  g_autofree char *full = g_strconcat(base, path, NULL);
  GUri *endpoint = server->endpoint;
  g_autoptr(GUri) uri =
      g_uri_build_with_user(ENDPOINT_FLAGS, g_uri_get_scheme(endpoint), g_uri_get_user(endpoint),
                            g_uri_get_password(endpoint), NULL, g_uri_get_host(endpoint),
                            g_uri_get_port(endpoint), full, g_uri_get_query(endpoint), NULL);
  return g_uri_to_string(uri);
}

void velm_llm_server_post(VelmLlmServer *server, const char *path, GBytes *json,
                          VelmLlmReplied replied, gpointer user_data) {
  Request *request = g_new(Request, 1);
  *request = (Request){server, replied, user_data};
  g_autofree char *url = url_of(server, path);
  velm_http_pool_submit(server->pool, url, json, finish, request, g_free);
}

VelmHttpOutcome velm_llm_server_get_outcome(const VelmLlmServer *server) {
  return velm_http_pool_get_outcome(server->pool);
}

guint velm_llm_server_pending(const VelmLlmServer *server) {
  return velm_http_pool_pending(server->pool);
}

guint velm_llm_server_queued(const VelmLlmServer *server) {
  return velm_http_pool_queued(server->pool);
}

void velm_llm_server_wake(VelmLlmServer *server) { velm_http_pool_wake(server->pool); }

gboolean velm_llm_server_iterate(VelmLlmServer *server, int wait_ms) {
  return velm_http_pool_iterate(server->pool, wait_ms);
}

void velm_llm_server_cancel(VelmLlmServer *server) { velm_http_pool_cancel_all(server->pool); }

/* ---- the model ---- */

typedef struct {
  VelmLlmServer *server;
  VelmLlmReplied replied;
  gpointer user_data;
} Look;

static void take_listing(JsonObject *reply, int status, const GError *error, gpointer user_data) {
  g_autofree Look *look = user_data;
  VelmLlmServer *server = look->server;
  JsonObject *first = velm_json_object_at(velm_json_array_member(reply, "data"), 0);
  const char *id = velm_json_string_member(first, "id");
  if (!server->llm && id && id[0])
    server->llm = g_strdup(id);
  look->replied(reply, status, error, look->user_data);
}

void velm_llm_server_look(VelmLlmServer *server, VelmLlmReplied replied, gpointer user_data) {
  Look *look = g_new(Look, 1);
  *look = (Look){server, replied, user_data};
  velm_llm_server_post(server, "/models", NULL, take_listing, look);
}

typedef struct {
  gboolean done;
  GError *error;
} Listing;

static void end_listing(G_GNUC_UNUSED JsonObject *reply, G_GNUC_UNUSED int status,
                        const GError *error, gpointer user_data) {
  Listing *listing = user_data;
  listing->done = TRUE;
  listing->error = error ? g_error_copy(error) : NULL;
}

gboolean velm_llm_server_has_llm(const VelmLlmServer *server) { return server->llm != NULL; }

const char *velm_llm_server_get_llm(VelmLlmServer *server, GError **error) {
  if (server->llm)
    return server->llm;
  Listing listing = {0};
  velm_llm_server_look(server, end_listing, &listing);
  while (!listing.done)
    velm_llm_server_iterate(server, -1);
  if (listing.error)
    g_propagate_error(error, listing.error);
  else if (!server->llm)
    velm_llm_server_fail(server, error, "the server lists no model; name one");
  return server->llm;
}

/* ---- opening ---- */

/* Messages do not repeat the endpoint as it was given: it may hold a password. */
static GUri *parse_endpoint(const char *given, GError **error) {
  const char *text = given && given[0] ? given : g_getenv("OPENAI_BASE_URL");
  if (!text || !text[0]) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "classifier mllm: no server; give --endpoint URL or set OPENAI_BASE_URL");
    return NULL;
  }
  g_autoptr(GUri) uri = g_uri_parse(text, ENDPOINT_FLAGS, NULL);
  const char *scheme = uri ? g_uri_get_scheme(uri) : "";
  const char *host = uri ? g_uri_get_host(uri) : NULL;
  if ((g_str_equal(scheme, "http") || g_str_equal(scheme, "https")) && host && host[0])
    return g_steal_pointer(&uri);
  g_set_error(
      error, VELM_ERROR, VELM_ERROR_USAGE,
      "classifier mllm: the endpoint is no http or https address such as http://127.0.0.1:8080/v1");
  return NULL;
}

static char *place_of(GUri *endpoint) {
  const char *host = g_uri_get_host(endpoint);
  gboolean bare = strchr(host, ':') != NULL; /* IPv6 */
  int own = g_str_equal(g_uri_get_scheme(endpoint), "https") ? 443 : 80;
  int port = g_uri_get_port(endpoint);
  return g_strdup_printf("%s%s%s:%d", bare ? "[" : "", host, bare ? "]" : "",
                         port > 0 ? port : own);
}

const char *velm_llm_server_get_place(const VelmLlmServer *server) { return server->place; }

static gboolean open_pool(VelmLlmServer *server, const char *key_file, const VelmHttpParams *http,
                          GError **error) {
  const char *given = g_getenv("OPENAI_API_KEY");
  g_autofree char *key = http->bearer ? g_strdup(http->bearer)
                         : key_file   ? velm_secret_file_read_key(key_file, MAX_KEY_BYTES, error)
                                      : (given ? g_strstrip(g_strdup(given)) : NULL);
  if (key_file && !key)
    return FALSE;
  VelmHttpParams params = *http;
  params.bearer = key && key[0] ? key : NULL;
  params.error_code = VELM_ERROR_LLM;
  server->has_key = params.bearer != NULL;
  server->key_source = g_strdup(key_file ? key_file : "OPENAI_API_KEY");
  g_autoptr(GError) cause = NULL;
  server->pool = velm_http_pool_new(&params, &cause);
  if (server->pool)
    return TRUE;
  /* The transport knows the key, not where it is from. */
  gboolean about_key = strstr(cause->message, "key") != NULL;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s%s%s", about_key ? server->key_source : "",
              about_key ? ": " : "", cause->message);
  return FALSE;
}

VelmLlmServer *velm_llm_server_new(const char *endpoint, const char *llm, const char *key_file,
                                   const VelmHttpParams *http, GError **error) {
  g_autoptr(VelmLlmServer) server = g_new0(VelmLlmServer, 1);
  server->llm = llm && llm[0] ? g_strdup(llm) : NULL;
  server->endpoint = parse_endpoint(endpoint, error);
  if (!server->endpoint || !open_pool(server, key_file, http, error))
    return NULL;
  server->place = place_of(server->endpoint);
  return g_steal_pointer(&server);
}

void velm_llm_server_free(VelmLlmServer *server) {
  if (!server)
    return;
  velm_http_pool_free(server->pool);
  g_clear_pointer(&server->endpoint, g_uri_unref);
  g_free(server->key_source);
  g_free(server->place);
  g_free(server->llm);
  g_free(server);
}
