#include "serve/http_client.h"

#include <gio/gio.h>
#include <string.h>

#define LONGEST_WAIT_S 60

struct _HttpClient {
  GSocketConnection *connection;
  char *host;
  GString *ahead; /* read, and not used */
};

HttpClient *http_client_new(const char *url) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSocketClient) maker = g_socket_client_new();
  HttpClient *client = g_new0(HttpClient, 1);
  g_assert_true(g_str_has_prefix(url, "http://"));
  client->host = g_strdup(url + strlen("http://"));
  client->ahead = g_string_new(NULL);
  g_socket_client_set_timeout(maker, LONGEST_WAIT_S);
  client->connection = g_socket_client_connect_to_host(maker, client->host, 80, NULL, &error);
  g_assert_no_error(error);
  return client;
}

void http_client_free(HttpClient *client) {
  if (!client)
    return;
  g_object_unref(client->connection);
  g_string_free(client->ahead, TRUE);
  g_free(client->host);
  g_free(client);
}

/* ---- sending ---- */

gboolean http_client_send(HttpClient *client, gconstpointer data, gssize size) {
  g_autoptr(GError) error = NULL;
  GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(client->connection));
  gsize length = size < 0 ? strlen(data) : (gsize)size;
  gboolean ok = g_output_stream_write_all(out, data, length, NULL, NULL, &error);
  if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    g_error("the other end takes nothing");
  return ok;
}

void http_client_shut(HttpClient *client) {
  g_socket_shutdown(g_socket_connection_get_socket(client->connection), FALSE, TRUE, NULL);
}

gboolean http_client_ask(HttpClient *client, const char *method, const char *path,
                         const char *headers, GBytes *body) {
  g_autoptr(GString) text = g_string_new(NULL);
  g_string_printf(text, "%s %s HTTP/1.1\r\n", method, path);
  if (!headers || !strstr(headers, "Host: "))
    g_string_append_printf(text, "Host: %s\r\n", client->host);
  if (body)
    g_string_append_printf(text, "Content-Length: %" G_GSIZE_FORMAT "\r\n", g_bytes_get_size(body));
  g_string_append_printf(text, "%s\r\n", headers ? headers : "");
  if (body)
    g_string_append_len(text, g_bytes_get_data(body, NULL), (gssize)g_bytes_get_size(body));
  return http_client_send(client, text->str, (gssize)text->len);
}

/* ---- receiving ---- */

/* Reads on. Returns: FALSE where the other end has closed. */
static gboolean read_more(HttpClient *client) {
  char buffer[65536];
  g_autoptr(GError) error = NULL;
  GInputStream *in = g_io_stream_get_input_stream(G_IO_STREAM(client->connection));
  gssize n = g_input_stream_read(in, buffer, sizeof buffer, NULL, &error);
  if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    g_error("nothing came, and the other end has not closed");
  if (n > 0)
    g_string_append_len(client->ahead, buffer, n);
  return n > 0;
}

/* What stands before @end. Returns: (transfer full): NULL where the other end has closed. */
static char *read_until(HttpClient *client, const char *end) {
  const char *found;
  while (!(found = strstr(client->ahead->str, end)))
    if (!read_more(client))
      return NULL;
  gsize length = (gsize)(found - client->ahead->str);
  char *text = g_strndup(client->ahead->str, length);
  g_string_erase(client->ahead, 0, (gssize)(length + strlen(end)));
  return text;
}

/* Appends @size bytes to the body. Returns: whether they came. */
static gboolean read_bytes(HttpClient *client, gsize size, GByteArray *body) {
  while (client->ahead->len < size && read_more(client))
    ;
  gsize n = MIN(client->ahead->len, size);
  g_byte_array_append(body, (const guint8 *)client->ahead->str, (guint)n);
  g_string_erase(client->ahead, 0, (gssize)n);
  return n == size;
}

HttpReply *http_client_receive_head(HttpClient *client) {
  g_autofree char *head = read_until(client, "\r\n\r\n");
  if (!head)
    return NULL;
  if (!g_str_has_prefix(head, "HTTP/1.1 "))
    g_error("not a reply: \"%s\"", head);
  HttpReply *reply = g_new0(HttpReply, 1);
  const char *line = strstr(head, "\r\n");
  reply->status = (guint)g_ascii_strtoull(head + strlen("HTTP/1.1 "), NULL, 10);
  reply->headers = g_strconcat(line ? line + 2 : "", "\r\n", NULL);
  reply->body = g_byte_array_new();
  return reply;
}

/* Appends the next chunk to the body. Returns: whether there was one; reply->whole tells of the
 * last. */
static gboolean read_chunk(HttpClient *client, HttpReply *reply) {
  g_autofree char *line = read_until(client, "\r\n");
  gsize size = line ? (gsize)g_ascii_strtoull(line, NULL, 16) : 0;
  if (!line || !read_bytes(client, size, reply->body))
    return FALSE;
  g_autofree char *end = read_until(client, "\r\n");
  reply->whole = end && size == 0;
  return end && size > 0;
}

char *http_client_receive_chunk(HttpClient *client, HttpReply *reply) {
  guint before = reply->body->len;
  if (!read_chunk(client, reply))
    return NULL;
  return g_strndup((const char *)reply->body->data + before, reply->body->len - before);
}

HttpReply *http_client_receive(HttpClient *client, gboolean head) {
  HttpReply *reply = http_client_receive_head(client);
  if (!reply)
    return NULL;
  /* What comes before the answer proper. */
  if (reply->status == 100) {
    http_reply_free(reply);
    return http_client_receive(client, head);
  }
  g_autofree char *length = http_reply_header(reply, "Content-Length");
  g_autofree char *coding = http_reply_header(reply, "Transfer-Encoding");
  if (head || reply->status == 204)
    reply->whole = TRUE;
  else if (coding)
    while (read_chunk(client, reply))
      ;
  else if (length)
    reply->whole = read_bytes(client, (gsize)g_ascii_strtoull(length, NULL, 10), reply->body);
  return reply;
}

gboolean http_client_is_quiet(HttpClient *client, guint ms) {
  GSocket *socket = g_socket_connection_get_socket(client->connection);
  return client->ahead->len == 0 &&
         !g_socket_condition_timed_wait(socket, G_IO_IN | G_IO_HUP | G_IO_ERR,
                                        (gint64)ms * G_TIME_SPAN_MILLISECOND, NULL, NULL);
}

void http_client_assert_closed(HttpClient *client) {
  g_assert_false(read_more(client));
  g_assert_cmpuint(client->ahead->len, ==, 0);
}

/* ---- replies ---- */

void http_reply_free(HttpReply *reply) {
  if (!reply)
    return;
  g_byte_array_unref(reply->body);
  g_free(reply->headers);
  g_free(reply);
}

char *http_reply_header(const HttpReply *reply, const char *name) {
  g_auto(GStrv) lines = g_strsplit(reply->headers, "\r\n", -1);
  gsize length = strlen(name);
  for (char **line = lines; *line; line++)
    if (g_ascii_strncasecmp(*line, name, length) == 0 && (*line)[length] == ':')
      return g_strstrip(g_strdup(*line + length + 1));
  return NULL;
}

const char *http_reply_text(const HttpReply *reply) {
  g_byte_array_append(reply->body, (const guint8 *)"", 1);
  g_byte_array_set_size(reply->body, reply->body->len - 1);
  return (const char *)reply->body->data;
}

JsonNode *http_reply_json(const HttpReply *reply) {
  g_autoptr(GError) error = NULL;
  JsonNode *node = json_from_string(http_reply_text(reply), &error);
  g_assert_no_error(error);
  g_assert_true(node && JSON_NODE_HOLDS_OBJECT(node));
  return node;
}

/* ---- in one ---- */

HttpReply *http_ask(const char *url, const char *method, const char *path, const char *headers,
                    GBytes *body) {
  g_autoptr(HttpClient) client = http_client_new(url);
  http_client_ask(client, method, path, headers, body);
  HttpReply *reply = http_client_receive(client, g_str_equal(method, "HEAD"));
  g_assert_nonnull(reply);
  g_assert_true(reply->whole);
  return reply;
}

HttpReply *http_get(const char *url, const char *path) {
  return http_ask(url, "GET", path, NULL, NULL);
}
