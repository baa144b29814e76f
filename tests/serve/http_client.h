/*
 * A raw HTTP/1.1 client for tests: it sends bytes as they are given, so that requests can be wrong,
 * and reads replies byte by byte, so that one that is not whole is seen. Nothing that it waits for
 * may take longer than a minute: the test fails then.
 */
#pragma once

#include <json-glib/json-glib.h>

/* A connection. */
typedef struct _HttpClient HttpClient;

/**
 * HttpReply: @headers: the lines after the first, each with "\r\n" at its end
 * @body: what came of it
 * @whole: whether all of the body came, by its length or its last chunk
 */
typedef struct {
  guint status;
  char *headers;
  GByteArray *body;
  gboolean whole;
} HttpReply;

/** Connects to @url, "http://ADDRESS:PORT". */
HttpClient *http_client_new(const char *url);
void http_client_free(HttpClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpClient, http_client_free)

/** @size: -1 for text. Returns: FALSE where the other end has closed. */
gboolean http_client_send(HttpClient *client, gconstpointer data, gssize size);
/** Sends no more, and goes on receiving. */
void http_client_shut(HttpClient *client);
/** Sends a request with the headers that it needs. @headers: (nullable): more, as in HttpReply.
 * @body: (nullable). */
gboolean http_client_ask(HttpClient *client, const char *method, const char *path,
                         const char *headers, GBytes *body);

/** Reads a reply; to a request of HEAD where @head. Returns: (transfer full): NULL where the other
 * end has closed before there was one. */
HttpReply *http_client_receive(HttpClient *client, gboolean head);
/** Reads the status and headers of a reply alone. */
HttpReply *http_client_receive_head(HttpClient *client);
/** Reads the next chunk of the reply whose head came. Returns: (transfer full): NULL at the end;
 * reply->whole then tells which. */
char *http_client_receive_chunk(HttpClient *client, HttpReply *reply);
/** Whether nothing comes in the next @ms, not even the end. */
gboolean http_client_is_quiet(HttpClient *client, guint ms);
/** Waits until the other end has closed, with nothing more sent. */
void http_client_assert_closed(HttpClient *client);

void http_reply_free(HttpReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HttpReply, http_reply_free)
/** Returns: (transfer full) (nullable). */
char *http_reply_header(const HttpReply *reply, const char *name);
/** The body as text. Returns: borrowed. */
const char *http_reply_text(const HttpReply *reply);
/** The body, which must be a JSON object. Returns: (transfer full). */
JsonNode *http_reply_json(const HttpReply *reply);

/** One request on a connection of its own. Returns: (transfer full): a reply that is whole. */
HttpReply *http_ask(const char *url, const char *method, const char *path, const char *headers,
                    GBytes *body);
/** Likewise, without headers and body. */
HttpReply *http_get(const char *url, const char *path);
