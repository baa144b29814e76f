#include "core/http.h"

#include "core/error.h"

#include <curl/curl.h>
#include <string.h>

#define SHORTEST_SECRET 4
#define SHORTEST_PIECE 8

struct _VelmHttp {
  VelmHttpParams params;
  char *bearer;
  CURL *curl; /* kept between requests, and with it the connection */
  struct curl_slist *headers;
  char message[CURL_ERROR_SIZE];
};

/* What one try left behind. */
typedef struct {
  GByteArray *body;
  gsize limit;
  gboolean too_large;
} Answer;

VelmHttpParams velm_http_params_default(void) {
  return (VelmHttpParams){
      .connect_timeout_ms = 10 * 1000,
      .timeout_ms = 120 * 1000,
      .max_response = 4 * 1024 * 1024,
      .tries = 3,
      .first_wait_ms = 500,
      .max_wait_ms = 30 * 1000,
      .error_code = VELM_ERROR_FILE,
  };
}

void velm_http_response_free(VelmHttpResponse *response) {
  if (!response)
    return;
  g_bytes_unref(response->body);
  g_free(response);
}

/* ---- set-up ---- */

static gpointer start_curl(G_GNUC_UNUSED gpointer data) {
  return GINT_TO_POINTER(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

static gboolean has_control(const char *text) {
  for (const char *c = text; *c; c++)
    if (g_ascii_iscntrl(*c))
      return TRUE;
  return FALSE;
}

static struct curl_slist *make_headers(const char *bearer) {
  struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
  headers = curl_slist_append(headers, "Content-Type: application/json");
  /* Without it libcurl holds a large body back for a second, waiting for a word few servers say. */
  headers = curl_slist_append(headers, "Expect:");
  if (bearer) {
    g_autofree char *line = g_strconcat("Authorization: Bearer ", bearer, NULL);
    headers = curl_slist_append(headers, line);
  }
  return headers;
}

VelmHttp *velm_http_new(const VelmHttpParams *params, GError **error) {
  static GOnce once = G_ONCE_INIT;
  if (params->bearer && has_control(params->bearer)) {
    g_set_error(error, VELM_ERROR, (int)params->error_code,
                "the key has a line break or another control character in it");
    return NULL;
  }
  CURL *curl = g_once(&once, start_curl, NULL) ? curl_easy_init() : NULL;
  if (!curl) {
    g_set_error(error, VELM_ERROR, (int)params->error_code, "libcurl does not start");
    return NULL;
  }
  VelmHttp *http = g_new0(VelmHttp, 1);
  http->params = *params;
  http->bearer = g_strdup(params->bearer);
  http->params.bearer = http->bearer;
  http->curl = curl;
  http->headers = make_headers(http->bearer);
  return http;
}

void velm_http_free(VelmHttp *http) {
  if (!http)
    return;
  curl_easy_cleanup(http->curl);
  curl_slist_free_all(http->headers);
  g_free(http->bearer);
  g_free(http);
}

/* ---- one try ---- */

static size_t receive(char *data, size_t size, size_t n, void *user_data) {
  Answer *answer = user_data;
  gsize length = size * n;
  if (length > answer->limit - answer->body->len) {
    answer->too_large = TRUE;
    return 0;
  }
  g_byte_array_append(answer->body, (const guint8 *)data, (guint)length);
  return length;
}

static CURLcode perform(VelmHttp *http, const char *url, const char *json, gint64 time_left_ms,
                        Answer *answer) {
  CURL *curl = http->curl;
  curl_easy_reset(curl); /* options only: the connection stays */
  http->message[0] = '\0';
  curl_easy_setopt(curl, CURLOPT_URL, url);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L); /* signals and threads do not mix */
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)http->params.connect_timeout_ms);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)MAX(time_left_ms, 1));
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "velm");
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->message);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
  if (json) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(json));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json);
  }
  return curl_easy_perform(curl);
}

static gboolean is_broken_connection(CURLcode code) {
  switch (code) {
  case CURLE_COULDNT_CONNECT:
  case CURLE_SEND_ERROR:
  case CURLE_RECV_ERROR:
  case CURLE_GOT_NOTHING:
  case CURLE_PARTIAL_FILE:
  case CURLE_HTTP2:
  case CURLE_HTTP2_STREAM:
    return TRUE;
  default:
    return FALSE;
  }
}

static gboolean is_passing(long status) { return status == 408 || status == 429 || status >= 500; }

/* Milliseconds before the next try. */
static gint64 wait_of(VelmHttp *http, CURLcode code, int tries) {
  gint64 wait = (gint64)http->params.first_wait_ms << MIN(tries - 1, 10);
  curl_off_t asked = 0;
  if (code == CURLE_OK)
    curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &asked);
  gint64 asked_ms = MIN((gint64)asked, http->params.max_wait_ms / 1000 + 1) * 1000;
  return MIN(MAX(wait, asked_ms), http->params.max_wait_ms);
}

/* ---- the request ---- */

static void set_failure(const VelmHttp *http, CURLcode code, const Answer *answer, const char *url,
                        int tries, GError **error) {
  g_autofree char *where = velm_http_display_url(url);
  g_autofree char *why = NULL;
  if (answer->too_large)
    why = g_strdup_printf("the answer has more than %" G_GSIZE_FORMAT " bytes", answer->limit);
  else if (code == CURLE_OPERATION_TIMEDOUT)
    why = g_strdup_printf("no answer in time (%g s to connect, %g s in all)",
                          http->params.connect_timeout_ms / 1e3, http->params.timeout_ms / 1e3);
  else
    why = g_strdup(http->message[0] ? http->message : curl_easy_strerror(code));
  g_autofree char *often = tries > 1 ? g_strdup_printf(" (%d tries)", tries) : g_strdup("");
  g_autofree char *text = g_strdup_printf("%s: %s%s", where, why, often);
  g_autofree char *safe = velm_http_redact(http, text);
  g_autoptr(GError) failure = g_error_new_literal(VELM_ERROR, (int)http->params.error_code, safe);
  velm_error_one_line(failure);
  g_propagate_error(error, g_steal_pointer(&failure));
}

static VelmHttpResponse *make_response(VelmHttp *http, const Answer *answer, int tries) {
  long status = 0;
  curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
  VelmHttpResponse *response = g_new0(VelmHttpResponse, 1);
  response->status = (int)status;
  response->body = g_bytes_new(answer->body->data, answer->body->len);
  response->tries = tries;
  return response;
}

static gboolean worth_another_try(VelmHttp *http, CURLcode code) {
  long status = 0;
  if (code != CURLE_OK)
    return is_broken_connection(code);
  curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
  return is_passing(status);
}

VelmHttpResponse *velm_http_send(VelmHttp *http, const char *url, const char *json,
                                 GError **error) {
  gint64 deadline = g_get_monotonic_time() + (gint64)http->params.timeout_ms * 1000;
  g_autoptr(GByteArray) body = g_byte_array_new();
  for (int tries = 1;; tries++) {
    Answer answer = {.body = body, .limit = http->params.max_response};
    g_byte_array_set_size(body, 0);
    gint64 left = (deadline - g_get_monotonic_time()) / 1000;
    CURLcode code = perform(http, url, json, left, &answer);
    gint64 wait = wait_of(http, code, tries);
    left = (deadline - g_get_monotonic_time()) / 1000;
    if (tries < http->params.tries && wait < left && worth_another_try(http, code)) {
      g_usleep((gulong)wait * 1000);
      continue;
    }
    if (code == CURLE_OK)
      return make_response(http, &answer, tries);
    set_failure(http, code, &answer, url, tries, error);
    return NULL;
  }
}

/* ---- what may be shown ---- */

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

char *velm_http_redact(const VelmHttp *http, const char *text) {
  gsize length = http->bearer ? strlen(http->bearer) : 0;
  if (length < SHORTEST_SECRET)
    return g_strdup(text);
  gsize least = MIN(length, SHORTEST_PIECE);
  GString *safe = g_string_new(NULL);
  while (*text) {
    gsize n = piece_at(text, http->bearer);
    if (n >= least) {
      g_string_append(safe, "[key]");
      text += n;
    } else {
      g_string_append_c(safe, *text++);
    }
  }
  return g_string_free(safe, FALSE);
}

char *velm_http_display_url(const char *url) {
  g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
  if (!uri)
    return g_strdup("the server");
  return g_uri_to_string_partial(uri, G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY | G_URI_HIDE_FRAGMENT);
}
