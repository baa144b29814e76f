#include "serve/http_server.h"

#include "serve/deadlines.h"
#include "serve/listen.h"

#include <gio/gio.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

/* Threads that move bytes; the work is done elsewhere. */
#define N_THREADS 2
/* Of a connection: its headers, and the pieces in which bodies come. */
#define CONNECTION_MEMORY (32 * 1024)
/* The answers may take so many times as long to be read as requests to arrive. */
#define ANSWER_FACTOR 10
/* The piece in which a body that is made as it is sent is handed over. */
#define PIECE (32 * 1024)
/* How often to look whether what was asked has ended, and how long the last answers may take to be
 * read. */
#define LAST_LOOK_US (10 * 1000)
#define LAST_SEND_US (5 * G_TIME_SPAN_SECOND)

struct _VelmHttpServer {
  VelmHttpServerParams params;
  VelmHttpHandler handler;
  GSocket *socket;
  struct MHD_Daemon *daemon; /* once it is started */
  VelmDeadlines *deadlines;
  char *url;
  gboolean loopback;
  gint draining;    /* atomic */
  gint asked;       /* atomic: requests that were handed over and are not answered */
  gint unsent;      /* atomic: requests that were handed over and have not ended */
  gssize body_used; /* atomic: bytes of bodies */
  GMutex streaming;
  GHashTable *streams; /* of VelmExchange: answers that are made as they are sent */
};

struct _VelmExchange {
  gatomicrefcount references;
  VelmHttpServer *server;
  struct MHD_Connection *connection;
  const void *socket; /* the connection's name for its deadline */
  gboolean begun, refused, handed_over;
  char *method, *path, *peer;
  GHashTable *query; /* NULL where the URI is malformed */
  gsize max_body, body_counted;
  GByteArray *arriving;
  GBytes *body;
  VelmResponse *response; /* once it is answered */
  gpointer data;
  GDestroyNotify free_data;

  /* a body that is made as it is sent */
  GMutex lock;
  gboolean suspended, woken;
  GString *piece;
  gsize piece_sent;
};

/* ---- exchanges ---- */

static void exchange_unref(VelmExchange *exchange) {
  if (!g_atomic_ref_count_dec(&exchange->references))
    return;
  if (exchange->free_data)
    exchange->free_data(exchange->data);
  velm_response_free(exchange->response);
  g_atomic_pointer_add(&exchange->server->body_used, -(gssize)exchange->body_counted);
  g_clear_pointer(&exchange->arriving, g_byte_array_unref);
  g_clear_pointer(&exchange->body, g_bytes_unref);
  g_clear_pointer(&exchange->query, g_hash_table_unref);
  if (exchange->piece)
    g_string_free(exchange->piece, TRUE);
  g_mutex_clear(&exchange->lock);
  g_free(exchange->method);
  g_free(exchange->path);
  g_free(exchange->peer);
  g_free(exchange);
}

/* One name, one value: which of two would count, asker and server might think differently. */
static GHashTable *parse_query(const char *text) {
  g_autoptr(GHashTable) query = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
  GUriParamsIter iter;
  char *name, *value;
  g_autoptr(GError) error = NULL;
  g_uri_params_iter_init(&iter, text, -1, "&", G_URI_PARAMS_WWW_FORM);
  while (g_uri_params_iter_next(&iter, &name, &value, &error))
    if (!g_hash_table_insert(query, name, value))
      return NULL;
  return error ? NULL : g_steal_pointer(&query);
}

static gboolean has_dots(const char *path) {
  g_auto(GStrv) parts = g_strsplit(path, "/", -1);
  return g_strv_contains((const char *const *)parts, ".") ||
         g_strv_contains((const char *const *)parts, "..");
}

/* @uri: as it came. A slash that is escaped is none, and is refused, as is a zero byte. */
static void parse_uri(VelmExchange *exchange, const char *uri) {
  const char *mark = strchr(uri, '?');
  g_autofree char *raw = mark ? g_strndup(uri, (gsize)(mark - uri)) : g_strdup(uri);
  g_autofree char *path = g_uri_unescape_string(raw, "/");
  if (!path || path[0] != '/' || !g_utf8_validate(path, -1, NULL) || has_dots(path))
    return;
  exchange->path = g_steal_pointer(&path);
  exchange->query = parse_query(mark ? mark + 1 : "");
}

static char *peer_of(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  if (!info || !info->client_addr)
    return g_strdup("unknown");
  gsize size = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                        : sizeof(struct sockaddr_in);
  g_autoptr(GSocketAddress) address =
      g_socket_address_new_from_native((gpointer)info->client_addr, size);
  if (!G_IS_INET_SOCKET_ADDRESS(address))
    return g_strdup("unknown");
  return g_inet_address_to_string(
      g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address)));
}

const char *velm_exchange_get_method(const VelmExchange *exchange) { return exchange->method; }
const char *velm_exchange_get_path(const VelmExchange *exchange) { return exchange->path; }
GHashTable *velm_exchange_get_query(const VelmExchange *exchange) { return exchange->query; }
const char *velm_exchange_get_peer(const VelmExchange *exchange) { return exchange->peer; }
GBytes *velm_exchange_get_body(const VelmExchange *exchange) { return exchange->body; }
gpointer velm_exchange_get_data(const VelmExchange *exchange) { return exchange->data; }

void velm_exchange_set_data(VelmExchange *exchange, gpointer data, GDestroyNotify free) {
  exchange->data = data;
  exchange->free_data = free;
}

const char *velm_exchange_get_header(const VelmExchange *exchange, const char *name) {
  return MHD_lookup_connection_value(exchange->connection, MHD_HEADER_KIND, name);
}

const char *velm_exchange_get_cookie(const VelmExchange *exchange, const char *name) {
  return MHD_lookup_connection_value(exchange->connection, MHD_COOKIE_KIND, name);
}

gboolean velm_exchange_is_secure(const VelmExchange *exchange) {
  return exchange->server->params.certificate != NULL;
}

void velm_exchange_set_max_body(VelmExchange *exchange, gsize bytes) { exchange->max_body = bytes; }

gboolean velm_exchange_has_body(const VelmExchange *exchange, gint64 *length) {
  const char *text = velm_exchange_get_header(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);
  *length = text ? g_ascii_strtoll(text, NULL, 10) : -1;
  return *length > 0 ||
         (!text && velm_exchange_get_header(exchange, MHD_HTTP_HEADER_TRANSFER_ENCODING));
}

/* ---- answering ---- */

static void end_stream(gpointer data) {
  VelmExchange *exchange = data;
  VelmHttpServer *server = exchange->server;
  g_mutex_lock(&server->streaming);
  g_hash_table_remove(server->streams, exchange);
  g_mutex_unlock(&server->streaming);
  g_clear_pointer(&exchange->response, velm_response_free);
  exchange_unref(exchange);
}

/* Suspends the connection, unless it was woken since it was asked. Returns: whether it did. */
static gboolean suspend(VelmExchange *exchange) {
  g_mutex_lock(&exchange->lock);
  gboolean suspends = !exchange->woken;
  if (suspends)
    MHD_suspend_connection(exchange->connection);
  exchange->suspended = suspends;
  exchange->woken = FALSE;
  g_mutex_unlock(&exchange->lock);
  return suspends; /* it may be woken by now */
}

void velm_exchange_wake(VelmExchange *exchange) {
  g_mutex_lock(&exchange->lock);
  if (exchange->suspended)
    MHD_resume_connection(exchange->connection);
  else
    exchange->woken = TRUE;
  exchange->suspended = FALSE;
  g_mutex_unlock(&exchange->lock);
}

/* The next piece, once the one before is sent. Returns: VELM_BODY_WAIT where there is none. */
static VelmBodyState fetch_piece(VelmExchange *exchange) {
  const VelmBody *body = &exchange->response->body;
  if (exchange->piece_sent < exchange->piece->len)
    return VELM_BODY_MORE;
  g_string_truncate(exchange->piece, 0);
  exchange->piece_sent = 0;
  for (;;) {
    VelmBodyState state = body->next(body->state, exchange->piece);
    if (state != VELM_BODY_WAIT && (state != VELM_BODY_MORE || exchange->piece->len > 0))
      return state;
    /* What waits would wait for good. What has more goes on: half of it would look whole. */
    if (state == VELM_BODY_WAIT && g_atomic_int_get(&exchange->server->draining))
      return VELM_BODY_END;
    if (state == VELM_BODY_WAIT && suspend(exchange))
      return VELM_BODY_WAIT;
  }
}

static ssize_t read_stream(void *data, uint64_t position, char *buffer, size_t max) {
  VelmExchange *exchange = data;
  switch (fetch_piece(exchange)) {
  case VELM_BODY_END:
    return MHD_CONTENT_READER_END_OF_STREAM;
  case VELM_BODY_BROKEN:
    return MHD_CONTENT_READER_END_WITH_ERROR;
  case VELM_BODY_WAIT:
    return 0;
  case VELM_BODY_MORE:
    break;
  }
  gsize n = MIN(max, exchange->piece->len - exchange->piece_sent);
  memcpy(buffer, exchange->piece->str + exchange->piece_sent, n);
  exchange->piece_sent += n;
  return (ssize_t)n;
}

static struct MHD_Response *make_stream(VelmExchange *exchange) {
  VelmHttpServer *server = exchange->server;
  exchange->piece = g_string_new(NULL);
  g_atomic_ref_count_inc(&exchange->references);
  g_mutex_lock(&server->streaming);
  g_hash_table_add(server->streams, exchange);
  g_mutex_unlock(&server->streaming);
  return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE, read_stream, exchange,
                                           end_stream);
}

static void unref_bytes(void *bytes) { g_bytes_unref(bytes); }

static struct MHD_Response *make_whole(const VelmResponse *response) {
  if (!response->bytes)
    return MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
  gsize size = 0;
  gconstpointer data = g_bytes_get_data(response->bytes, &size);
  return MHD_create_response_from_buffer_with_free_callback_cls(
      size, (void *)(uintptr_t)data, unref_bytes, g_bytes_ref(response->bytes));
}

/* Hands the answer over to the connection. */
static enum MHD_Result send_response(VelmExchange *exchange) {
  VelmHttpServer *server = exchange->server;
  const VelmResponse *response = exchange->response;
  guint status = response->status;
  gboolean made = response->body.next != NULL;
  struct MHD_Response *answer = made ? make_stream(exchange) : make_whole(response);
  if (!answer)
    return MHD_NO;
  for (guint i = 0; i + 1 < response->headers->len; i += 2)
    MHD_add_response_header(answer, response->headers->pdata[i], response->headers->pdata[i + 1]);
  /* libmicrohttpd would send the last chunk of the body that HEAD does not have. */
  if (made && g_str_equal(exchange->method, "HEAD"))
    MHD_set_response_options(answer, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
  if (g_atomic_int_get(&server->draining))
    MHD_add_response_header(answer, MHD_HTTP_HEADER_CONNECTION, "close");
  velm_deadlines_set(server->deadlines, exchange->socket,
                     made ? 0 : server->params.request_s * ANSWER_FACTOR);
  enum MHD_Result result = MHD_queue_response(exchange->connection, status, answer);
  MHD_destroy_response(answer);
  return result;
}

void velm_exchange_answer(VelmExchange *exchange, VelmResponse *response) {
  VelmHttpServer *server = exchange->server; /* the exchange may go at once */
  exchange->response = response;
  MHD_resume_connection(exchange->connection);
  g_atomic_int_add(&server->asked, -1);
}

/* ---- requests ---- */

static void *take_uri(void *data, const char *uri, struct MHD_Connection *connection) {
  VelmExchange *exchange = g_new0(VelmExchange, 1);
  g_atomic_ref_count_init(&exchange->references);
  exchange->server = data;
  exchange->connection = connection;
  const union MHD_ConnectionInfo *info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  exchange->socket = info ? info->socket_context : NULL;
  g_mutex_init(&exchange->lock);
  parse_uri(exchange, uri);
  return exchange;
}

/* The headers are there. */
static VelmResponse *begin(VelmExchange *exchange, const char *method) {
  VelmHttpServer *server = exchange->server;
  gint64 length = -1;
  exchange->method = g_strdup(method);
  exchange->peer = peer_of(exchange->connection);
  velm_deadlines_set(server->deadlines, exchange->socket, server->params.request_s);
  if (!exchange->path || !exchange->query)
    return velm_response_new_problem(400, "the address is malformed");
  if (g_atomic_int_get(&server->draining))
    return velm_response_new_problem(503, "the station is stopping");
  VelmResponse *response = server->handler.begin(exchange, server->handler.user_data);
  if (response)
    return response;
  if (velm_exchange_has_body(exchange, &length) && length > (gint64)exchange->max_body)
    return velm_response_new_problem(413, "the body is larger than is taken here");
  exchange->arriving = g_byte_array_new();
  return NULL;
}

/* Returns: why the piece is not taken; NULL where it is. */
static VelmResponse *add_piece(VelmExchange *exchange, const char *piece, gsize size) {
  VelmHttpServer *server = exchange->server;
  if (exchange->arriving->len + size > exchange->max_body)
    return velm_response_new_problem(413, "the body is larger than is taken here");
  gssize used = g_atomic_pointer_add(&server->body_used, (gssize)size) + (gssize)size;
  exchange->body_counted += size;
  if (used > (gssize)server->params.max_body_memory)
    return velm_response_new_problem(503, "the station has more to take in than it can hold");
  g_byte_array_append(exchange->arriving, (const guint8 *)piece, (guint)size);
  return NULL;
}

/* Answers that do not wait for the body: the connection is closed after them where one is on its
 * way. */
static enum MHD_Result refuse(VelmExchange *exchange, VelmResponse *response) {
  exchange->response = response;
  exchange->refused = TRUE;
  return send_response(exchange);
}

/* The request is whole. Those that come while the server drains are not handed over: counted
 * before that is looked at, none slips through between. */
static enum MHD_Result hand_over(VelmExchange *exchange) {
  VelmHttpServer *server = exchange->server;
  g_atomic_int_inc(&server->asked);
  if (g_atomic_int_get(&server->draining)) {
    g_atomic_int_add(&server->asked, -1);
    return refuse(exchange, velm_response_new_problem(503, "the station is stopping"));
  }
  exchange->handed_over = TRUE;
  g_atomic_int_inc(&server->unsent);
  exchange->body = g_byte_array_free_to_bytes(g_steal_pointer(&exchange->arriving));
  velm_deadlines_set(server->deadlines, exchange->socket, 0);
  MHD_suspend_connection(exchange->connection);
  server->handler.handle(exchange, server->handler.user_data);
  return MHD_YES;
}

static enum MHD_Result take_request(void *data, struct MHD_Connection *connection, const char *url,
                                    const char *method, const char *version, const char *piece,
                                    size_t *size, void **context) {
  VelmExchange *exchange = *context;
  if (!exchange->begun) {
    exchange->begun = TRUE;
    VelmResponse *response = begin(exchange, method);
    return response ? refuse(exchange, response) : MHD_YES;
  }
  if (*size > 0) {
    VelmResponse *problem = exchange->refused ? NULL : add_piece(exchange, piece, *size);
    *size = 0;
    /* libmicrohttpd takes an answer before the body or after it: what still comes is dropped. */
    if (problem) {
      exchange->refused = TRUE;
      exchange->response = problem;
    }
    return MHD_YES;
  }
  return exchange->response ? send_response(exchange) : hand_over(exchange);
}

static void end_request(void *data, struct MHD_Connection *connection, void **context,
                        enum MHD_RequestTerminationCode code) {
  VelmExchange *exchange = *context;
  if (!exchange)
    return;
  VelmHttpServer *server = data;
  velm_deadlines_set(server->deadlines, exchange->socket,
                     server->params.idle_s + server->params.header_s);
  if (exchange->handed_over)
    g_atomic_int_add(&server->unsent, -1);
  *context = NULL;
  exchange_unref(exchange);
}

static void note_connection(void *data, struct MHD_Connection *connection, void **context,
                            enum MHD_ConnectionNotificationCode code) {
  VelmHttpServer *server = data;
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    *context = connection;
    if (info)
      velm_deadlines_add(server->deadlines, connection, info->connect_fd, server->params.header_s);
  } else {
    velm_deadlines_remove(server->deadlines, connection);
  }
}

/* ---- the server ---- */

VelmHttpServerParams velm_http_server_params_default(void) {
  return (VelmHttpServerParams){.listen = "127.0.0.1:8080",
                                .max_connections = 2000,
                                .max_body_memory = 256 * 1024 * 1024,
                                .header_s = 10,
                                .idle_s = 30,
                                .request_s = 30};
}

static void note_address(VelmHttpServer *server, GSocket *socket) {
  g_autoptr(GSocketAddress) address = g_socket_get_local_address(socket, NULL);
  GInetSocketAddress *inet = G_INET_SOCKET_ADDRESS(address);
  g_autofree char *text = g_inet_address_to_string(g_inet_socket_address_get_address(inet));
  gboolean six = g_socket_address_get_family(address) == G_SOCKET_FAMILY_IPV6;
  server->url =
      g_strdup_printf("%s://%s%s%s:%u", server->params.certificate ? "https" : "http",
                      six ? "[" : "", text, six ? "]" : "", g_inet_socket_address_get_port(inet));
  server->loopback = g_inet_address_get_is_loopback(g_inet_socket_address_get_address(inet));
}

/* What it would print of every client that goes away. */
static void ignore_log(void *data, const char *format, va_list arguments) {}

gboolean velm_http_server_start(VelmHttpServer *server, GError **error) {
  const VelmHttpServerParams *params = &server->params;
  struct MHD_OptionItem tls[] = {
      {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)params->certificate},
      {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)params->key},
      {MHD_OPTION_END, 0, NULL}};
  unsigned int flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
                       MHD_USE_ERROR_LOG | (params->certificate ? MHD_USE_TLS : 0);
  int fd = dup(g_socket_get_fd(server->socket)); /* the daemon closes its own */
  server->daemon = MHD_start_daemon(
      flags, 0, NULL, NULL, take_request, server,
      /* The first, so that nothing is printed of the others. */
      MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL, MHD_OPTION_LISTEN_SOCKET, (MHD_socket)fd,
      MHD_OPTION_THREAD_POOL_SIZE, (unsigned int)N_THREADS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      (size_t)CONNECTION_MEMORY, MHD_OPTION_CONNECTION_LIMIT, params->max_connections,
      MHD_OPTION_CONNECTION_TIMEOUT, params->idle_s, MHD_OPTION_STRICT_FOR_CLIENT, 1,
      MHD_OPTION_URI_LOG_CALLBACK, take_uri, server, MHD_OPTION_NOTIFY_COMPLETED, end_request,
      server, MHD_OPTION_NOTIFY_CONNECTION, note_connection, server, MHD_OPTION_ARRAY,
      params->certificate ? tls : &tls[2], MHD_OPTION_END);
  if (server->daemon)
    return TRUE;
  /* The socket is left: whether libmicrohttpd has closed it, it does not say. */
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: the server cannot be started%s",
              params->listen,
              params->certificate ? ": is the certificate PEM, and the key its own?" : "");
  return FALSE;
}

VelmHttpServer *velm_http_server_new(const VelmHttpServerParams *params,
                                     const VelmHttpHandler *handler, GError **error) {
  GSocket *socket = velm_listen(params->listen, error);
  if (!socket)
    return NULL;
  VelmHttpServer *server = g_new0(VelmHttpServer, 1);
  server->params = *params;
  server->handler = *handler;
  server->socket = socket;
  server->deadlines = velm_deadlines_new();
  server->streams = g_hash_table_new(NULL, NULL);
  g_mutex_init(&server->streaming);
  note_address(server, socket);
  return server;
}

const char *velm_http_server_get_url(const VelmHttpServer *server) { return server->url; }
gboolean velm_http_server_is_loopback(const VelmHttpServer *server) { return server->loopback; }

guint velm_http_server_get_n_connections(const VelmHttpServer *server) {
  return velm_deadlines_count(server->deadlines);
}

void velm_http_server_drain(VelmHttpServer *server) {
  if (!g_atomic_int_compare_and_exchange(&server->draining, FALSE, TRUE))
    return;
  g_mutex_lock(&server->streaming);
  GHashTableIter iter;
  gpointer exchange;
  g_hash_table_iter_init(&iter, server->streams);
  while (g_hash_table_iter_next(&iter, &exchange, NULL))
    velm_exchange_wake(exchange);
  g_mutex_unlock(&server->streaming);
}

void velm_http_server_finish(VelmHttpServer *server) {
  velm_http_server_drain(server);
  while (g_atomic_int_get(&server->asked) > 0)
    g_usleep(LAST_LOOK_US);
  gint64 end = g_get_monotonic_time() + LAST_SEND_US;
  while (g_atomic_int_get(&server->unsent) > 0 && g_get_monotonic_time() < end)
    g_usleep(LAST_LOOK_US);
}

void velm_http_server_free(VelmHttpServer *server) {
  if (!server)
    return;
  if (server->daemon) {
    velm_http_server_drain(server);
    MHD_stop_daemon(server->daemon);
  }
  velm_deadlines_free(server->deadlines);
  g_hash_table_unref(server->streams);
  g_mutex_clear(&server->streaming);
  g_object_unref(server->socket);
  g_free(server->url);
  g_free(server);
}
