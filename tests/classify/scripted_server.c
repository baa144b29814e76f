#include "classify/scripted_server.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/socket.h>

typedef struct {
  int status;
  char *headers, *body;
  ScriptedFault fault;
} Reply;

struct _ScriptedServer {
  GSocketListener *listener;
  GCancellable *stop;
  GThread *thread;      /* accepts */
  GThreadPool *serving; /* a thread for each connection */
  char *endpoint;
  GMutex lock; /* of all that follows */
  GPtrArray *script, *requests;
  guint next;
  guint latency_ms;
  gboolean keep_alive, drop_bodies;
  ScriptedPlan plan;
  gpointer plan_data;
  GHashTable *seen; /* digest of a body: how often it came; only where there is a plan */
  guint answering, peak;
};

static void reply_free(gpointer data) {
  Reply *reply = data;
  g_free(reply->headers);
  g_free(reply->body);
  g_free(reply);
}

static void request_free(gpointer data) {
  ScriptedRequest *request = data;
  g_free(request->method);
  g_free(request->path);
  g_free(request->headers);
  g_free(request->body);
  g_free(request);
}

/* ---- reading ---- */

static gsize content_length(const char *head) {
  g_autofree char *lower = g_ascii_strdown(head, -1);
  const char *line = strstr(lower, "\r\ncontent-length:");
  return line ? (gsize)g_ascii_strtoull(line + strlen("\r\ncontent-length:"), NULL, 10) : 0;
}

static ScriptedRequest *parse_request(const char *text, gsize head_length) {
  ScriptedRequest *request = g_new0(ScriptedRequest, 1);
  g_autofree char *head = g_strndup(text, head_length);
  char *lines = strstr(head, "\r\n");
  request->headers = g_strdup(lines ? lines + 2 : "");
  if (lines)
    *lines = '\0';
  g_auto(GStrv) words = g_strsplit(head, " ", 3);
  request->method = g_strdup(words[0]);
  request->path = g_strdup(words[0] ? words[1] : NULL);
  request->body = g_strdup(text + head_length + 4);
  return request;
}

/* The next request of a connection; NULL where the client closed it. */
static ScriptedRequest *read_request(GInputStream *in, GCancellable *stop) {
  g_autoptr(GString) text = g_string_new(NULL);
  char buffer[65536];
  for (;;) {
    const char *end = strstr(text->str, "\r\n\r\n");
    gsize head_length = end ? (gsize)(end - text->str) : 0;
    if (end) {
      g_autofree char *head = g_strndup(text->str, head_length);
      if (text->len >= head_length + 4 + content_length(head))
        return parse_request(text->str, head_length);
    }
    gssize n = g_input_stream_read(in, buffer, sizeof buffer, stop, NULL);
    if (n <= 0)
      return NULL;
    g_string_append_len(text, buffer, n);
  }
}

/* ---- writing ---- */

static void reset(GSocketConnection *connection) {
  int fd = g_socket_get_fd(g_socket_connection_get_socket(connection));
  struct linger now = {.l_onoff = 1, .l_linger = 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* Waits until the client closes or the server is freed. */
static void stall(GInputStream *in, GCancellable *stop) {
  char byte;
  g_input_stream_read(in, &byte, 1, stop, NULL);
}

static void write_reply(GOutputStream *out, const Reply *reply, gboolean keep_alive,
                        GCancellable *stop) {
  gsize length = strlen(reply->body);
  g_autoptr(GString) text = g_string_new(NULL);
  g_string_printf(text,
                  "HTTP/1.1 %d Scripted\r\nContent-Type: application/json\r\n"
                  "Content-Length: %" G_GSIZE_FORMAT "\r\n%s%s\r\n",
                  reply->status, length, keep_alive ? "" : "Connection: close\r\n", reply->headers);
  gboolean cut = reply->fault == SCRIPTED_TRUNCATED || reply->fault == SCRIPTED_STALLED_BODY;
  g_string_append_len(text, reply->body, (gssize)(cut ? length / 2 : length));
  g_output_stream_write_all(out, text->str, text->len, NULL, stop, NULL);
}

/* How often the body came before. */
static guint count_seen(ScriptedServer *server, const ScriptedRequest *request) {
  char *digest = g_compute_checksum_for_string(G_CHECKSUM_MD5, request->body, -1);
  guint seen = GPOINTER_TO_UINT(g_hash_table_lookup(server->seen, digest));
  g_hash_table_insert(server->seen, digest, GUINT_TO_POINTER(seen + 1));
  return seen;
}

static const Reply *choose_reply(ScriptedServer *server, const ScriptedRequest *request) {
  static const Reply none = {.status = 404, .headers = (char *)"", .body = (char *)"{}"};
  guint number = server->next++, n = server->script->len;
  if (n == 0)
    return &none;
  if (!server->plan)
    return g_ptr_array_index(server->script, MIN(number, n - 1));
  guint index = server->plan(request, number, count_seen(server, request), server->plan_data);
  return g_ptr_array_index(server->script, MIN(index, n - 1));
}

/* Takes @request, and says what to do with it. */
static const Reply *begin_answer(ScriptedServer *server, ScriptedRequest *request,
                                 guint *latency_ms, gboolean *keep_alive) {
  g_mutex_lock(&server->lock);
  const Reply *reply = choose_reply(server, request);
  if (server->drop_bodies)
    g_clear_pointer(&request->body, g_free);
  g_ptr_array_add(server->requests, request);
  server->answering++;
  server->peak = MAX(server->peak, server->answering);
  *latency_ms = server->latency_ms;
  *keep_alive = server->keep_alive;
  g_mutex_unlock(&server->lock);
  return reply;
}

static void end_answer(ScriptedServer *server) {
  g_mutex_lock(&server->lock);
  server->answering--;
  g_mutex_unlock(&server->lock);
}

/* No longer than until the server is freed. */
static void pause_for(guint ms, GCancellable *stop) {
  GPollFD fd;
  if (ms == 0 || !g_cancellable_make_pollfd(stop, &fd))
    return;
  g_poll(&fd, 1, (gint)ms);
  g_cancellable_release_fd(stop);
}

/* Answers one request. Returns: whether the connection is good for another. */
static gboolean answer(ScriptedServer *server, GSocketConnection *connection,
                       ScriptedRequest *request) {
  GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(connection));
  GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
  guint latency_ms = 0;
  gboolean keep_alive = FALSE;
  const Reply *reply = begin_answer(server, request, &latency_ms, &keep_alive);
  pause_for(latency_ms, server->stop);
  end_answer(server); /* before the client can have the answer, and send its next request */
  if (reply->fault == SCRIPTED_RESET)
    reset(connection);
  else if (reply->fault != SCRIPTED_STALLED)
    write_reply(out, reply, keep_alive, server->stop);
  if (reply->fault == SCRIPTED_STALLED || reply->fault == SCRIPTED_STALLED_BODY)
    stall(in, server->stop);
  return keep_alive && reply->fault == SCRIPTED_WHOLE;
}

static void serve(gpointer data, gpointer user_data) {
  g_autoptr(GSocketConnection) connection = data;
  ScriptedServer *server = user_data;
  GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(connection));
  for (ScriptedRequest *request; (request = read_request(in, server->stop));)
    if (!answer(server, connection, request))
      break;
  g_io_stream_close(G_IO_STREAM(connection), NULL, NULL);
}

static gpointer run(gpointer data) {
  ScriptedServer *server = data;
  while (!g_cancellable_is_cancelled(server->stop)) {
    GSocketConnection *connection =
        g_socket_listener_accept(server->listener, NULL, server->stop, NULL);
    if (connection)
      g_thread_pool_push(server->serving, connection, NULL);
  }
  return NULL;
}

/* ---- the test's side ---- */

ScriptedServer *scripted_server_new(void) { return scripted_server_new_at(0); }

ScriptedServer *scripted_server_new_at(guint16 port) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
  g_autoptr(GSocketAddress) any = g_inet_socket_address_new(loopback, port);
  g_autoptr(GSocketAddress) bound = NULL;
  ScriptedServer *server = g_new0(ScriptedServer, 1);
  server->listener = g_socket_listener_new();
  server->stop = g_cancellable_new();
  server->script = g_ptr_array_new_with_free_func(reply_free);
  server->requests = g_ptr_array_new_with_free_func(request_free);
  server->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  server->serving = g_thread_pool_new(serve, server, -1, FALSE, NULL);
  g_mutex_init(&server->lock);
  g_socket_listener_set_backlog(server->listener, 256);
  if (!g_socket_listener_add_address(server->listener, any, G_SOCKET_TYPE_STREAM,
                                     G_SOCKET_PROTOCOL_TCP, NULL, &bound, &error))
    g_error("scripted server: %s", error->message);
  server->endpoint = g_strdup_printf("http://127.0.0.1:%d/v1",
                                     g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(bound)));
  server->thread = g_thread_new("scripted-server", run, server);
  return server;
}

const char *scripted_server_endpoint(const ScriptedServer *server) { return server->endpoint; }

static void add_reply(ScriptedServer *server, int status, const char *headers, const char *body,
                      ScriptedFault fault) {
  Reply *reply = g_new0(Reply, 1);
  reply->status = status;
  reply->headers = g_strdup(headers ? headers : "");
  reply->body = g_strdup(body);
  reply->fault = fault;
  g_mutex_lock(&server->lock);
  g_ptr_array_add(server->script, reply);
  g_mutex_unlock(&server->lock);
}

void scripted_server_reply(ScriptedServer *server, int status, const char *headers,
                           const char *body) {
  add_reply(server, status, headers, body, SCRIPTED_WHOLE);
}

void scripted_server_answer(ScriptedServer *server, const char *content) {
  g_autoptr(JsonNode) node = json_node_init_string(json_node_alloc(), content);
  g_autofree char *quoted = json_to_string(node, FALSE);
  g_autofree char *body = g_strdup_printf(
      "{\"object\":\"chat.completion\",\"model\":\"scripted\",\"choices\":[{\"index\":0,"
      "\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":%s}}]}",
      quoted);
  scripted_server_reply(server, 200, NULL, body);
}

void scripted_server_fault(ScriptedServer *server, ScriptedFault fault) {
  add_reply(server, 200, NULL, "{\"choices\":[{\"message\":{\"content\":\"\"}}]}", fault);
}

void scripted_server_set_latency(ScriptedServer *server, guint latency_ms) {
  g_mutex_lock(&server->lock);
  server->latency_ms = latency_ms;
  g_mutex_unlock(&server->lock);
}

void scripted_server_set_keep_alive(ScriptedServer *server, gboolean keep_alive) {
  g_mutex_lock(&server->lock);
  server->keep_alive = keep_alive;
  g_mutex_unlock(&server->lock);
}

void scripted_server_drop_bodies(ScriptedServer *server) {
  g_mutex_lock(&server->lock);
  server->drop_bodies = TRUE;
  g_mutex_unlock(&server->lock);
}

void scripted_server_set_plan(ScriptedServer *server, ScriptedPlan plan, gpointer data) {
  g_mutex_lock(&server->lock);
  server->plan = plan;
  server->plan_data = data;
  g_mutex_unlock(&server->lock);
}

guint scripted_server_peak(ScriptedServer *server) {
  g_mutex_lock(&server->lock);
  guint peak = server->peak;
  g_mutex_unlock(&server->lock);
  return peak;
}

guint scripted_server_n_requests(ScriptedServer *server) {
  g_mutex_lock(&server->lock);
  guint n = server->requests->len;
  g_mutex_unlock(&server->lock);
  return n;
}

const ScriptedRequest *scripted_server_request(ScriptedServer *server, guint index) {
  g_mutex_lock(&server->lock);
  const ScriptedRequest *request =
      index < server->requests->len ? g_ptr_array_index(server->requests, index) : NULL;
  g_mutex_unlock(&server->lock);
  return request;
}

void scripted_server_free(ScriptedServer *server) {
  if (!server)
    return;
  g_cancellable_cancel(server->stop);
  g_thread_join(server->thread);
  g_thread_pool_free(server->serving, FALSE, TRUE);
  g_socket_listener_close(server->listener);
  g_object_unref(server->listener);
  g_object_unref(server->stop);
  g_ptr_array_unref(server->script);
  g_ptr_array_unref(server->requests);
  g_hash_table_unref(server->seen);
  g_mutex_clear(&server->lock);
  g_free(server->endpoint);
  g_free(server);
}
