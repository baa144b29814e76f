/*
 * HTTP on libmicrohttpd: what comes in becomes an exchange, which is answered once, now or later,
 * by any thread.
 *
 * The server's threads only move bytes: whoever answers does the work elsewhere. Everything that a
 * stranger could make large is bounded: connections, headers, bodies (each, and all together), and
 * the time that a request may take to arrive and its answer to be read.
 */
#pragma once

#include "serve/response.h"

typedef struct _VelmHttpServer VelmHttpServer;

/* A request and its answer. It belongs to the server; until it is answered, it stays. */
typedef struct _VelmExchange VelmExchange;

/**
 * VelmHttpServerParams: start from velm_http_server_params_default().
 * @listen: ADDRESS:PORT, [IPV6]:PORT, or :PORT for all; port 0 for any that is free
 * @certificate, @key: PEM, for HTTPS; NULL for HTTP
 * @max_connections: at once; more wait to be accepted
 * @max_body_memory: bytes of all bodies that are arriving or worked on; more is answered with 503
 * @header_s: for a request's headers to arrive, of a connection that is new
 * @idle_s: a connection without a request, and one that neither sends nor reads, is closed after
 * @request_s: for a request to arrive whole; for its answer to be read, ten times as long
 */
typedef struct {
  const char *listen;
  const char *certificate, *key;
  guint max_connections;
  gsize max_body_memory;
  guint header_s, idle_s, request_s;
} VelmHttpServerParams;

VelmHttpServerParams velm_http_server_params_default(void);

/**
 * VelmHttpHandler: what is asked.
 * @begin: the headers are there. Returns: (transfer full): the answer, where that is all it takes;
 * NULL to take the body first, up to velm_exchange_set_max_body() (none unless set). It is called
 * in the server's threads, and must not wait.
 * @handle: the request is whole. It must not wait either, and velm_exchange_answer() must follow.
 */
typedef struct {
  VelmResponse *(*begin)(VelmExchange *exchange, gpointer user_data);
  void (*handle)(VelmExchange *exchange, gpointer user_data);
  gpointer user_data;
} VelmHttpHandler;

/** Takes the address, and nothing from there yet. @params: its texts must outlive the server.
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE or VELM_ERROR_FILE. */
VelmHttpServer *velm_http_server_new(const VelmHttpServerParams *params,
                                     const VelmHttpHandler *handler, GError **error);
/** Starts to take requests. */
gboolean velm_http_server_start(VelmHttpServer *server, GError **error);

/** Where it listens, with the port that it has: "http://127.0.0.1:8080". */
const char *velm_http_server_get_url(const VelmHttpServer *server);
/** Whether it listens to this machine alone. */
gboolean velm_http_server_is_loopback(const VelmHttpServer *server);
guint velm_http_server_get_n_connections(const VelmHttpServer *server);

/** Takes no more: new requests get 503. What was asked before can still be answered. */
void velm_http_server_drain(VelmHttpServer *server);
/** Likewise, and waits until what was asked is answered, and a little for the answers to be read.
 * No handler is called from then on. */
void velm_http_server_finish(VelmHttpServer *server);
/** Ends all connections. Every exchange must have been answered. */
void velm_http_server_free(VelmHttpServer *server);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmHttpServer, velm_http_server_free)

/* ---- exchanges ---- */

const char *velm_exchange_get_method(const VelmExchange *exchange);
/** The path, decoded; without "." or ".." in it. */
const char *velm_exchange_get_path(const VelmExchange *exchange);
/** The query's names and values, decoded. Returns: borrowed. */
GHashTable *velm_exchange_get_query(const VelmExchange *exchange);
/** Returns: (nullable): borrowed. */
const char *velm_exchange_get_header(const VelmExchange *exchange, const char *name);
/** The value of the cookie @name. Returns: (nullable): borrowed. */
const char *velm_exchange_get_cookie(const VelmExchange *exchange, const char *name);
/** The other end's address, without its port. */
const char *velm_exchange_get_peer(const VelmExchange *exchange);
/** Whether it came over TLS. */
gboolean velm_exchange_is_secure(const VelmExchange *exchange);
/** In begin alone. */
void velm_exchange_set_max_body(VelmExchange *exchange, gsize bytes);
/** Whether a body is announced; in begin. @length: (out): -1 where it is not said how long it is.
 */
gboolean velm_exchange_has_body(const VelmExchange *exchange, gint64 *length);
/** In handle, and until it is answered. Returns: borrowed. */
GBytes *velm_exchange_get_body(const VelmExchange *exchange);
/** Something to keep with the exchange, which goes when it goes. */
void velm_exchange_set_data(VelmExchange *exchange, gpointer data, GDestroyNotify free);
gpointer velm_exchange_get_data(const VelmExchange *exchange);

/** Answers, once. @response: (transfer full). */
void velm_exchange_answer(VelmExchange *exchange, VelmResponse *response);
/** Its body, which said VELM_BODY_WAIT, is to be asked again. It must not have been freed yet. */
void velm_exchange_wake(VelmExchange *exchange);
