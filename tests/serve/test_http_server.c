/* The HTTP server, with a small handler of its own, and clients that do what they should not. */
#include "core/scratch.h"
#include "serve/http_client.h"
#include "serve/http_server.h"

#include <curl/curl.h>
#include <gio/gio.h>
#include <string.h>

/* The largest body that the handler takes. */
#define MOST_BODY 1000
/* Of the stream /made: more than a connection's buffers hold. */
#define N_PIECES 600
#define PIECE_SIZE 20000

/* Gives up on what does not come. */
#define LONGEST_WAIT_US (60 * G_TIME_SPAN_SECOND)

/* A server and what its handler keeps. */
typedef struct {
  VelmHttpServerParams params;
  VelmHttpServer *server;
  const char *url;
  GThreadPool *later; /* of VelmExchange: answered by another thread */
  GMutex lock;        /* of all that follows */
  GCond changed;
  guint n_begun, n_handled;
  GPtrArray *held;       /* of VelmExchange: answered when the test says so */
  guint n_streams;       /* that are not freed */
  VelmExchange *waiting; /* the stream that waits for the test */
  GString *next;         /* what it is to send */
  gboolean ending;
} App;

/* ---- streams ---- */

typedef struct {
  App *app;
  guint n; /* pieces so far */
} Stream;

static void stream_free(gpointer data) {
  Stream *stream = data;
  App *app = stream->app;
  g_mutex_lock(&app->lock);
  app->n_streams--;
  app->waiting = NULL;
  g_cond_broadcast(&app->changed);
  g_mutex_unlock(&app->lock);
  g_free(stream);
}

static VelmBodyState next_made(gpointer state, GString *piece) {
  Stream *stream = state;
  if (stream->n == N_PIECES)
    return VELM_BODY_END;
  g_string_set_size(piece, PIECE_SIZE);
  memset(piece->str, 'a' + (int)(stream->n++ % 26), PIECE_SIZE);
  return VELM_BODY_MORE;
}

static VelmBodyState next_broken(gpointer state, GString *piece) {
  Stream *stream = state;
  g_string_append(piece, "half");
  return stream->n++ == 0 ? VELM_BODY_MORE : VELM_BODY_BROKEN;
}

static VelmBodyState next_waiting(gpointer state, GString *piece) {
  App *app = ((Stream *)state)->app;
  g_mutex_lock(&app->lock);
  g_string_append(piece, app->next->str);
  g_string_truncate(app->next, 0);
  VelmBodyState result = piece->len > 0 ? VELM_BODY_MORE
                         : app->ending  ? VELM_BODY_END
                                        : VELM_BODY_WAIT;
  g_mutex_unlock(&app->lock);
  return result;
}

static VelmResponse *begin_stream(App *app, VelmExchange *exchange,
                                  VelmBodyState (*next)(gpointer, GString *)) {
  Stream *stream = g_new0(Stream, 1);
  stream->app = app;
  g_mutex_lock(&app->lock);
  app->n_streams++;
  app->waiting = next == next_waiting ? exchange : NULL;
  g_mutex_unlock(&app->lock);
  return velm_response_new_made("text/plain", (VelmBody){next, stream_free, stream});
}

/* Has the stream that waits send @text, or end. Returns: FALSE where it is freed. */
static gboolean stream_send(App *app, const char *text) {
  g_mutex_lock(&app->lock);
  gboolean is_there = app->waiting != NULL;
  g_string_append(app->next, text ? text : "");
  app->ending = !text;
  if (is_there)
    velm_exchange_wake(app->waiting);
  g_mutex_unlock(&app->lock);
  return is_there;
}

/* ---- the handler ---- */

static VelmResponse *respond_text(const char *text) {
  return velm_response_new(200, "text/plain", g_bytes_new(text, strlen(text)));
}

/* The value of n, and the size of the body. */
static VelmResponse *respond_echo(VelmExchange *exchange) {
  const char *n = g_hash_table_lookup(velm_exchange_get_query(exchange), "n");
  g_autofree char *text = g_strdup_printf("%s %" G_GSIZE_FORMAT, n ? n : "-",
                                          g_bytes_get_size(velm_exchange_get_body(exchange)));
  return respond_text(text);
}

static void answer_later(gpointer data, G_GNUC_UNUSED gpointer user_data) {
  VelmExchange *exchange = data;
  velm_exchange_answer(exchange, respond_echo(exchange));
}

static void hold(App *app, VelmExchange *exchange) {
  g_mutex_lock(&app->lock);
  g_ptr_array_add(app->held, exchange);
  g_cond_broadcast(&app->changed);
  g_mutex_unlock(&app->lock);
}

static VelmResponse *begin(VelmExchange *exchange, gpointer user_data) {
  App *app = user_data;
  g_mutex_lock(&app->lock);
  app->n_begun++;
  g_cond_broadcast(&app->changed);
  g_mutex_unlock(&app->lock);
  velm_exchange_set_max_body(exchange, MOST_BODY);
  return g_str_equal(velm_exchange_get_path(exchange), "/refused")
             ? velm_response_new_problem(403, "not here")
             : NULL;
}

static void handle(VelmExchange *exchange, gpointer user_data) {
  App *app = user_data;
  const char *path = velm_exchange_get_path(exchange);
  g_mutex_lock(&app->lock);
  app->n_handled++;
  g_mutex_unlock(&app->lock);
  if (g_str_equal(path, "/held"))
    hold(app, exchange);
  else if (g_str_equal(path, "/made"))
    velm_exchange_answer(exchange, begin_stream(app, exchange, next_made));
  else if (g_str_equal(path, "/broken"))
    velm_exchange_answer(exchange, begin_stream(app, exchange, next_broken));
  else if (g_str_equal(path, "/waiting"))
    velm_exchange_answer(exchange, begin_stream(app, exchange, next_waiting));
  else if (g_str_equal(path, "/at-once"))
    velm_exchange_answer(exchange, respond_echo(exchange));
  else
    g_thread_pool_push(app->later, exchange, NULL);
}

/* ---- the server ---- */

static void app_set_up(App *app, G_GNUC_UNUSED gconstpointer data) {
  app->params = velm_http_server_params_default();
  app->params.listen = "127.0.0.1:0";
  app->later = g_thread_pool_new(answer_later, app, 2, FALSE, NULL);
  app->held = g_ptr_array_new();
  app->next = g_string_new(NULL);
  g_mutex_init(&app->lock);
  g_cond_init(&app->changed);
}

static void app_stop(App *app) {
  if (app->server)
    velm_http_server_finish(app->server);
  g_clear_pointer(&app->server, velm_http_server_free);
}

static void app_tear_down(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_stop(app);
  g_assert_cmpuint(app->n_streams, ==, 0);
  g_thread_pool_free(app->later, FALSE, TRUE);
  g_ptr_array_unref(app->held);
  g_string_free(app->next, TRUE);
  g_mutex_clear(&app->lock);
  g_cond_clear(&app->changed);
}

static void app_start(App *app) {
  g_autoptr(GError) error = NULL;
  app->server = velm_http_server_new(&app->params, &(VelmHttpHandler){begin, handle, app}, &error);
  g_assert_no_error(error);
  g_assert_true(velm_http_server_start(app->server, &error));
  app->url = velm_http_server_get_url(app->server);
}

/* Waits until @number, which the lock guards, is @wanted. */
static void wait_for(App *app, const guint *number, guint wanted) {
  gint64 end = g_get_monotonic_time() + LONGEST_WAIT_US;
  g_mutex_lock(&app->lock);
  while (*number != wanted)
    if (!g_cond_wait_until(&app->changed, &app->lock, end))
      g_error("%u did not become %u", *number, wanted);
  g_mutex_unlock(&app->lock);
}

/* Answers what is held. */
static void release(App *app) {
  g_mutex_lock(&app->lock);
  for (guint i = 0; i < app->held->len; i++)
    velm_exchange_answer(app->held->pdata[i], respond_echo(app->held->pdata[i]));
  g_ptr_array_set_size(app->held, 0);
  g_mutex_unlock(&app->lock);
}

static void assert_reply(HttpReply *reply, guint status, const char *text) {
  g_assert_nonnull(reply);
  g_assert_cmpuint(reply->status, ==, status);
  g_assert_true(reply->whole);
  g_assert_cmpstr(http_reply_text(reply), ==, text);
}

/* A problem document of @status. */
static void assert_problem(HttpReply *reply, guint status) {
  g_assert_nonnull(reply);
  g_assert_true(reply->whole);
  g_assert_cmpuint(reply->status, ==, status);
  g_autoptr(JsonNode) node = http_reply_json(reply);
  g_autofree char *type = http_reply_header(reply, "Content-Type");
  g_assert_cmpstr(type, ==, "application/problem+json");
  g_assert_cmpint(json_object_get_int_member(json_node_get_object(node), "status"), ==, status);
}

/* The server works as before. */
static void assert_works(const App *app) {
  g_autoptr(HttpReply) reply = http_get(app->url, "/later?n=1");
  assert_reply(reply, 200, "1 0");
}

static GBytes *body_of(gsize size) {
  char *data = g_malloc(size);
  memset(data, 'x', size);
  return g_bytes_new_take(data, size);
}

/* ---- answers ---- */

static void test_answers(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  g_autoptr(GBytes) body = body_of(10);
  static const char *const paths[] = {"/later?n=a%20b", "/at-once?n=a+b"};
  for (guint i = 0; i < 20; i++) {
    http_client_ask(client, "POST", paths[i % 2], NULL, body);
    g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
    assert_reply(reply, 200, "a b 10");
  }
  g_assert_cmpuint(velm_http_server_get_n_connections(app->server), ==, 1);
  g_assert_true(velm_http_server_is_loopback(app->server));
}

static void test_refused(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(GBytes) body = body_of(10);
  g_autoptr(HttpReply) reply = http_ask(app->url, "POST", "/refused", NULL, body);
  assert_problem(reply, 403);
  g_assert_cmpuint(app->n_handled, ==, 0);
}

static void test_pipelined(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_send(client,
                   "GET /later?n=1 HTTP/1.1\r\nHost: x\r\n\r\n"
                   "POST /later?n=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                   "GET /at-once?n=3 HTTP/1.1\r\nHost: x\r\n\r\n",
                   -1);
  static const char *const texts[] = {"1 0", "2 3", "3 0"};
  for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
    assert_reply(reply, 200, texts[i]);
  }
}

static void test_head(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_ask(client, "HEAD", "/later?n=1", NULL, NULL);
  g_autoptr(HttpReply) head = http_client_receive(client, TRUE);
  g_autofree char *length = http_reply_header(head, "Content-Length");
  g_assert_cmpstr(length, ==, "3");
  /* What follows is the next answer, so there was no body. */
  http_client_ask(client, "GET", "/later?n=2", NULL, NULL);
  g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
  assert_reply(reply, 200, "2 0");
}

/* Nothing comes of the stream, not even its end. */
static void test_head_of_stream(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_ask(client, "HEAD", "/waiting", NULL, NULL);
  g_autoptr(HttpReply) reply = http_client_receive(client, TRUE);
  g_assert_cmpuint(reply->status, ==, 200);
  http_client_assert_closed(client);
  wait_for(app, &app->n_streams, 0);
}

/* ---- addresses ---- */

static void test_malformed_paths(App *app, G_GNUC_UNUSED gconstpointer data) {
  static const char *const paths[] = {"/later?n=1&n=2",
                                      "/later?n=%ff",
                                      "/later?n=a%00b",
                                      "/later?n",
                                      "/later?n=%zz",
                                      "/a%00b",
                                      "/a%2Fb",
                                      "/a%2fb",
                                      "/%ff",
                                      "/%c0%ae%c0%ae/later",
                                      "/a/../later",
                                      "/a/%2e%2e/later",
                                      "/..",
                                      "/./later",
                                      "/a/%2E",
                                      "later",
                                      "/%",
                                      "*",
                                      "http://x/../later"};
  app_start(app);
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
    g_test_message("%s", paths[i]);
    g_autoptr(HttpReply) reply = http_get(app->url, paths[i]);
    assert_problem(reply, 400);
  }
  g_assert_cmpuint(app->n_begun, ==, 0);
  assert_works(app);
}

/* What is not even HTTP gets some refusal, or nothing. */
static void test_malformed_requests(App *app, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *many = g_strnfill(100000, 'x');
  const char *const requests[] = {
      "\r\n\r\n\r\n\r\n",
      "garbage\r\n\r\n",
      "GET /later\r\n\r\n",
      "GET /later HTTP/9.9\r\n\r\n",
      "GET /later HTTP/1.1\r\n\r\n", /* without a host */
      "GET /later HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
      "POST /later HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "POST /later HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
      "GET /later HTTP/1.1\r\nno colon\r\n\r\n",
      "\x16\x03\x01\x02\x01\x01\xfc\x03\x03",
      many};
  app->params.header_s = 1;
  app_start(app);
  for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
    g_autoptr(HttpClient) client = http_client_new(app->url);
    g_test_message("%.60s", requests[i]);
    http_client_send(client, requests[i], -1);
    http_client_shut(client);
    g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
    if (reply)
      g_assert_cmpuint(reply->status, >=, 400);
  }
  g_assert_cmpuint(app->n_handled, ==, 0);
  assert_works(app);
}

/* More than the memory of a connection. */
static void test_long_headers(App *app, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *many = g_strnfill(100000, 'x');
  g_autofree char *request =
      g_strdup_printf("GET /later HTTP/1.1\r\nHost: x\r\nX-Long: %s\r\n\r\n", many);
  g_autofree char *address = g_strdup_printf("GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", many);
  const char *const requests[] = {request, address};
  app_start(app);
  for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
    g_autoptr(HttpClient) client = http_client_new(app->url);
    http_client_send(client, requests[i], -1);
    g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
    if (reply) /* it may be lost, where the server closes while more comes */
      g_assert_true(reply->status == 431 || reply->status == 414 || reply->status == 413);
  }
  g_assert_cmpuint(app->n_handled, ==, 0);
  assert_works(app);
}

/* ---- bodies ---- */

static void test_body_by_length(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(GBytes) most = body_of(MOST_BODY), more = body_of(MOST_BODY + 1);
  g_autoptr(HttpReply) fits = http_ask(app->url, "POST", "/later?n=1", NULL, most);
  assert_reply(fits, 200, "1 1000");
  g_autoptr(HttpReply) small = http_ask(app->url, "POST", "/later", NULL, more);
  assert_problem(small, 413);
  /* It is not waited for. */
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_send(client, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000000\r\n\r\n",
                   -1);
  g_autoptr(HttpReply) large = http_client_receive(client, FALSE);
  assert_problem(large, 413);
  g_assert_cmpuint(app->n_handled, ==, 1);
}

/* @n: chunks of 100 bytes. */
static HttpReply *post_chunks(const App *app, guint n) {
  g_autoptr(HttpClient) client = http_client_new(app->url);
  g_autofree char *bytes = g_strnfill(100, 'x');
  http_client_send(client,
                   "POST /later?n=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", -1);
  for (guint i = 0; i < n; i++) {
    g_autofree char *chunk = g_strdup_printf("64\r\n%s\r\n", bytes);
    http_client_send(client, chunk, -1);
  }
  http_client_send(client, "0\r\n\r\n", -1);
  return http_client_receive(client, FALSE);
}

static void test_body_by_chunks(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(HttpReply) fits = post_chunks(app, 10);
  assert_reply(fits, 200, "1 1000");
  g_autoptr(HttpReply) large = post_chunks(app, 11);
  assert_problem(large, 413);
  g_autoptr(HttpReply) huge = post_chunks(app, 2000);
  assert_problem(huge, 413);
  g_assert_cmpuint(app->n_handled, ==, 1);
}

/* A body that is worked on counts, and no more once it is answered. */
static void test_body_memory(App *app, G_GNUC_UNUSED gconstpointer data) {
  app->params.max_body_memory = 1000;
  app_start(app);
  g_autoptr(GBytes) body = body_of(700);
  g_autoptr(HttpClient) first = http_client_new(app->url);
  http_client_ask(first, "POST", "/held?n=1", NULL, body);
  wait_for(app, &app->held->len, 1);
  g_autoptr(HttpReply) refused = http_ask(app->url, "POST", "/later", NULL, body);
  assert_problem(refused, 503);
  release(app);
  g_autoptr(HttpReply) reply = http_client_receive(first, FALSE);
  assert_reply(reply, 200, "1 700");
  http_client_ask(first, "POST", "/later?n=2", NULL, body);
  g_autoptr(HttpReply) again = http_client_receive(first, FALSE);
  assert_reply(again, 200, "2 700");
}

/* ---- time ---- */

/* The client sends a byte now and then, so that it is never idle, and is cut off all the same. */
static void assert_cut_off(HttpClient *client) {
  gint64 start = g_get_monotonic_time();
  while (http_client_is_quiet(client, 100) && http_client_send(client, "x", 1))
    g_assert_cmpint(g_get_monotonic_time() - start, <, LONGEST_WAIT_US);
  g_assert_cmpint(g_get_monotonic_time() - start, >, 800 * 1000);
}

static void test_slow_headers(App *app, G_GNUC_UNUSED gconstpointer data) {
  app->params.header_s = 1;
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_send(client, "GET /later HTTP/1.1\r\nHost: x\r\nX-Slow: ", -1);
  assert_cut_off(client);
  g_assert_cmpuint(app->n_begun, ==, 0);
  assert_works(app);
}

static void test_slow_body(App *app, G_GNUC_UNUSED gconstpointer data) {
  app->params.request_s = 1;
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_send(client, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", -1);
  assert_cut_off(client);
  g_autoptr(HttpClient) silent = http_client_new(app->url);
  http_client_send(silent, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc", -1);
  http_client_assert_closed(silent);
  g_assert_cmpuint(app->n_handled, ==, 0);
  assert_works(app);
}

static void test_silent(App *app, G_GNUC_UNUSED gconstpointer data) {
  app->params.header_s = 1;
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_assert_closed(client);
  assert_works(app);
}

static void test_idle(App *app, G_GNUC_UNUSED gconstpointer data) {
  app->params.idle_s = 1;
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_ask(client, "GET", "/later?n=1", NULL, NULL);
  g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
  assert_reply(reply, 200, "1 0");
  http_client_assert_closed(client);
}

/* An answer may take as long as it takes: it is not the client who is late. */
static void test_slow_answer(App *app, G_GNUC_UNUSED gconstpointer data) {
  app->params.header_s = app->params.idle_s = app->params.request_s = 1;
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_ask(client, "GET", "/held?n=1", NULL, NULL);
  g_assert_true(http_client_is_quiet(client, 2500));
  release(app);
  g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
  assert_reply(reply, 200, "1 0");
}

/* Those above the limit wait, and are served when others go. */
static void test_many_connections(App *app, G_GNUC_UNUSED gconstpointer data) {
  app->params.max_connections = 4;
  app_start(app);
  HttpClient *clients[12];
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    clients[i] = http_client_new(app->url);
    http_client_ask(clients[i], "GET", "/held?n=1", NULL, NULL);
  }
  wait_for(app, &app->held->len, 4);
  g_assert_true(http_client_is_quiet(clients[11], 200));
  g_assert_cmpuint(velm_http_server_get_n_connections(app->server), ==, 4);
  for (guint n = 0; n < G_N_ELEMENTS(clients);) {
    release(app);
    for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
      if (!clients[i] || http_client_is_quiet(clients[i], 5))
        continue;
      g_autoptr(HttpReply) reply = http_client_receive(clients[i], FALSE);
      assert_reply(reply, 200, "1 0");
      g_clear_pointer(&clients[i], http_client_free);
      n++;
    }
  }
  g_assert_cmpuint(app->n_handled, ==, G_N_ELEMENTS(clients));
}

/* ---- streams ---- */

static void assert_made(HttpReply *reply) {
  g_assert_cmpuint(reply->status, ==, 200);
  g_assert_true(reply->whole);
  g_assert_cmpuint(reply->body->len, ==, N_PIECES * PIECE_SIZE);
  for (guint i = 0; i < N_PIECES; i++) {
    g_assert_cmpuint(reply->body->data[i * PIECE_SIZE], ==, 'a' + i % 26);
    g_assert_cmpuint(reply->body->data[(i + 1) * PIECE_SIZE - 1], ==, 'a' + i % 26);
  }
}

static void test_stream_pieces(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_ask(client, "GET", "/made", NULL, NULL);
  g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
  assert_made(reply);
  http_client_ask(client, "GET", "/later?n=1", NULL, NULL);
  g_autoptr(HttpReply) next = http_client_receive(client, FALSE);
  assert_reply(next, 200, "1 0");
}

static void test_stream_waits(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_ask(client, "GET", "/waiting", NULL, NULL);
  g_autoptr(HttpReply) reply = http_client_receive_head(client);
  for (guint i = 0; i < 300; i++) {
    g_autofree char *text = g_strdup_printf("piece %u", i);
    g_assert_true(stream_send(app, text));
    g_autofree char *chunk = http_client_receive_chunk(client, reply);
    g_assert_cmpstr(chunk, ==, text);
  }
  g_assert_true(stream_send(app, NULL));
  g_assert_null(http_client_receive_chunk(client, reply));
  g_assert_true(reply->whole);
  wait_for(app, &app->n_streams, 0);
}

static void test_stream_broken(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(HttpClient) client = http_client_new(app->url);
  http_client_ask(client, "GET", "/broken", NULL, NULL);
  g_autoptr(HttpReply) reply = http_client_receive(client, FALSE);
  g_assert_cmpuint(reply->status, ==, 200);
  g_assert_cmpstr(http_reply_text(reply), ==, "half");
  g_assert_false(reply->whole);
  wait_for(app, &app->n_streams, 0);
}

/* The client goes: the next pieces find that out, and the state is freed. */
static void test_stream_left(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  HttpClient *client = http_client_new(app->url);
  http_client_ask(client, "GET", "/waiting", NULL, NULL);
  g_autoptr(HttpReply) reply = http_client_receive_head(client);
  http_client_free(client);
  gint64 end = g_get_monotonic_time() + LONGEST_WAIT_US;
  while (stream_send(app, "piece")) {
    g_assert_cmpint(g_get_monotonic_time(), <, end);
    g_usleep(5000); /* for the other end's refusal to come */
  }
  wait_for(app, &app->n_streams, 0);
  assert_works(app);
}

/* ---- stopping ---- */

static void test_drain(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(HttpClient) held = http_client_new(app->url);
  g_autoptr(HttpClient) stream = http_client_new(app->url);
  g_autoptr(HttpClient) kept = http_client_new(app->url);
  g_autoptr(HttpClient) sending = http_client_new(app->url);
  http_client_ask(held, "GET", "/held?n=1", NULL, NULL);
  http_client_ask(stream, "GET", "/waiting", NULL, NULL);
  g_autoptr(HttpReply) streamed = http_client_receive_head(stream);
  http_client_ask(kept, "GET", "/later?n=2", NULL, NULL);
  g_autoptr(HttpReply) before = http_client_receive(kept, FALSE);
  http_client_send(sending, "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na", -1);
  wait_for(app, &app->n_begun, 4);
  wait_for(app, &app->held->len, 1);
  velm_http_server_drain(app->server);
  /* Streams that wait end. */
  g_assert_null(http_client_receive_chunk(stream, streamed));
  g_assert_true(streamed->whole);
  /* Nothing new is taken, on old connections and on new ones, and what is half there neither. */
  http_client_ask(kept, "GET", "/later?n=3", NULL, NULL);
  g_autoptr(HttpReply) after = http_client_receive(kept, FALSE);
  assert_problem(after, 503);
  g_autoptr(HttpReply) fresh = http_get(app->url, "/later");
  assert_problem(fresh, 503);
  http_client_send(sending, "bc", -1);
  g_autoptr(HttpReply) sent = http_client_receive(sending, FALSE);
  assert_problem(sent, 503);
  /* What was asked is answered. */
  release(app);
  g_autoptr(HttpReply) answered = http_client_receive(held, FALSE);
  assert_reply(answered, 200, "1 0");
  g_autofree char *connection = http_reply_header(answered, "Connection");
  g_assert_cmpstr(connection, ==, "close");
  g_assert_cmpuint(app->n_handled, ==, 3);
}

static gpointer finish(gpointer server) {
  velm_http_server_finish(server);
  return NULL;
}

/* Answers that are on their way when the server ends arrive whole. */
static void test_finish(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  HttpClient *clients[20];
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    clients[i] = http_client_new(app->url);
    http_client_ask(clients[i], "GET", i == 0 ? "/made" : "/held?n=1", NULL, NULL);
  }
  wait_for(app, &app->held->len, G_N_ELEMENTS(clients) - 1);
  g_autoptr(HttpReply) made = http_client_receive_head(clients[0]);
  GThread *thread = g_thread_new("finish", finish, app->server);
  release(app);
  /* Its end is read while the server waits for that. */
  g_autofree char *chunk = NULL;
  while ((chunk = http_client_receive_chunk(clients[0], made)))
    g_clear_pointer(&chunk, g_free);
  assert_made(made);
  g_thread_join(thread);
  app_stop(app);
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    g_autoptr(HttpClient) client = clients[i];
    g_autoptr(HttpReply) reply = i > 0 ? http_client_receive(client, FALSE) : NULL;
    if (i > 0)
      assert_reply(reply, 200, "1 0");
  }
}

/* A stream that waits, and one that is not read, do not keep the server from ending. */
static void test_free(App *app, G_GNUC_UNUSED gconstpointer data) {
  app_start(app);
  g_autoptr(HttpClient) stream = http_client_new(app->url);
  g_autoptr(HttpClient) unread = http_client_new(app->url);
  g_autoptr(HttpClient) partial = http_client_new(app->url);
  http_client_ask(stream, "GET", "/waiting", NULL, NULL);
  g_autoptr(HttpReply) first = http_client_receive_head(stream);
  http_client_ask(unread, "GET", "/made", NULL, NULL);
  g_autoptr(HttpReply) second = http_client_receive_head(unread);
  http_client_send(partial, "GET /later HTTP/1.1\r\nHo", -1);
  g_clear_pointer(&app->server, velm_http_server_free);
  g_assert_cmpuint(app->n_streams, ==, 0);
  g_autofree char *chunk = NULL;
  while ((chunk = http_client_receive_chunk(unread, second)))
    g_clear_pointer(&chunk, g_free);
  g_assert_false(second->whole);
}

/* ---- addresses to listen at ---- */

static VelmHttpServer *listen_at(const char *address, GError **error) {
  VelmHttpServerParams params = velm_http_server_params_default();
  params.listen = address;
  return velm_http_server_new(&params, &(VelmHttpHandler){begin, handle, NULL}, error);
}

static void test_listen(void) {
  static const struct {
    const char *address, *url;
    gboolean loopback;
  } cases[] = {
      {"127.0.0.1:0", "http://127.0.0.1:", TRUE}, {"localhost:0", "http://127.0.0.1:", TRUE},
      {"127.1.2.3:0", "http://127.1.2.3:", TRUE}, {"[::1]:0", "http://[::1]:", TRUE},
      {":0", "http://0.0.0.0:", FALSE},           {"*:0", "http://0.0.0.0:", FALSE},
      {"0.0.0.0:0", "http://0.0.0.0:", FALSE}};
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_autoptr(VelmHttpServer) server = listen_at(cases[i].address, &error);
    if (!server && strchr(cases[i].address, '['))
      continue; /* a machine without IPv6 */
    g_assert_no_error(error);
    const char *url = velm_http_server_get_url(server);
    g_assert_true(g_str_has_prefix(url, cases[i].url));
    g_assert_cmpuint(g_ascii_strtoull(url + strlen(cases[i].url), NULL, 10), >, 0);
    g_assert_cmpint(velm_http_server_is_loopback(server), ==, cases[i].loopback);
  }
}

static void test_listen_nonsense(void) {
  static const char *const addresses[] = {
      "",       "8080",     "127.0.0.1",   "127.0.0.1:",    "127.0.0.1:65536", "127.0.0.1:-1",
      "a.b:80", "[::1]",    "[::1:80",     "::1:80x",       "127.0.0.1:80 ",   "256.0.0.1:80",
      "[]:80",  "[x]:8080", "http://x:80", "127.0.0.1:0x1", "[127.0.0.1"};
  for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++) {
    g_autoptr(GError) error = NULL;
    g_test_message("%s", addresses[i]);
    g_autoptr(VelmHttpServer) server = listen_at(addresses[i], &error);
    g_assert_null(server);
    assert_failure(&error, VELM_ERROR_USAGE, "not an address to listen at");
  }
}

static void test_listen_in_use(void) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmHttpServer) first = listen_at("127.0.0.1:0", &error);
  g_assert_no_error(error);
  const char *address = velm_http_server_get_url(first) + strlen("http://");
  g_autoptr(VelmHttpServer) second = listen_at(address, &error);
  g_assert_null(second);
  assert_failure(&error, VELM_ERROR_FILE, address);
}

/* ---- TLS ---- */

/* Makes a certificate for 127.0.0.1 and its key. Returns: FALSE where there is no openssl. */
static gboolean make_certificate(const char *folder, char **certificate, char **key) {
  g_autofree char *program = g_find_program_in_path("openssl");
  if (!program)
    return FALSE;
  g_autofree char *cert_path = g_build_filename(folder, "cert.pem", NULL);
  g_autofree char *key_path = g_build_filename(folder, "key.pem", NULL);
  g_autoptr(GError) error = NULL;
  g_autoptr(GSubprocess) process = g_subprocess_new(
      G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, program, "req", "-x509", "-newkey", "ec",
      "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key_path, "-out", cert_path,
      "-subj", "/CN=velm", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", NULL);
  g_assert_no_error(error);
  g_assert_true(g_subprocess_wait_check(process, NULL, &error));
  return g_file_get_contents(cert_path, certificate, NULL, NULL) &&
         g_file_get_contents(key_path, key, NULL, NULL);
}

static size_t take_text(char *data, size_t size, size_t n, void *text) {
  g_string_append_len(text, data, (gssize)(size * n));
  return size * n;
}

/* Asks for @path, trusting the certificate in @folder alone. Returns: (transfer full): the body. */
static char *get_by_tls(const char *url, const char *path, const char *folder) {
  g_autofree char *address = g_strconcat(url, path, NULL);
  g_autofree char *trusted = g_build_filename(folder, "cert.pem", NULL);
  GString *text = g_string_new(NULL);
  CURL *curl = curl_easy_init();
  curl_easy_setopt(curl, CURLOPT_URL, address);
  curl_easy_setopt(curl, CURLOPT_CAINFO, trusted);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_text);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, text);
  CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK)
    g_error("%s: %s", address, curl_easy_strerror(code));
  curl_easy_cleanup(curl);
  return g_string_free(text, FALSE);
}

static void test_tls(App *app, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *certificate = NULL, *key = NULL;
  char *folder = scratch_new();
  if (make_certificate(folder, &certificate, &key)) {
    app->params.certificate = certificate;
    app->params.key = key;
    app_start(app);
    g_assert_true(g_str_has_prefix(app->url, "https://"));
    g_autofree char *text = get_by_tls(app->url, "/later?n=1", folder);
    g_assert_cmpstr(text, ==, "1 0");
    app_stop(app);
  } else {
    g_test_skip("there is no openssl");
  }
  scratch_remove(folder);
}

static void test_tls_garbage(App *app, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  app->params.certificate = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
  app->params.key = "no key";
  app->server = velm_http_server_new(&app->params, &(VelmHttpHandler){begin, handle, app}, &error);
  g_assert_no_error(error);
  g_assert_false(velm_http_server_start(app->server, &error));
  assert_failure(&error, VELM_ERROR_FILE, "is the certificate PEM, and the key its own?");
}

#define ADD(path, test) g_test_add("/http_server/" path, App, NULL, app_set_up, test, app_tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("answers", test_answers);
  ADD("refused", test_refused);
  ADD("pipelined", test_pipelined);
  ADD("head", test_head);
  ADD("head/stream", test_head_of_stream);
  ADD("malformed/paths", test_malformed_paths);
  ADD("malformed/requests", test_malformed_requests);
  ADD("malformed/long", test_long_headers);
  ADD("body/length", test_body_by_length);
  ADD("body/chunks", test_body_by_chunks);
  ADD("body/memory", test_body_memory);
  ADD("time/headers", test_slow_headers);
  ADD("time/body", test_slow_body);
  ADD("time/silent", test_silent);
  ADD("time/idle", test_idle);
  ADD("time/answer", test_slow_answer);
  ADD("connections", test_many_connections);
  ADD("stream/pieces", test_stream_pieces);
  ADD("stream/waits", test_stream_waits);
  ADD("stream/broken", test_stream_broken);
  ADD("stream/left", test_stream_left);
  ADD("stop/drain", test_drain);
  ADD("stop/finish", test_finish);
  ADD("stop/free", test_free);
  g_test_add_func("/http_server/listen/addresses", test_listen);
  g_test_add_func("/http_server/listen/nonsense", test_listen_nonsense);
  g_test_add_func("/http_server/listen/in_use", test_listen_in_use);
  ADD("tls", test_tls);
  ADD("tls/garbage", test_tls_garbage);
  return g_test_run();
}
