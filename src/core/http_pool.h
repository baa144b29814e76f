/*
 * HTTP: requests to a JSON service, many at once, on libcurl's multi interface: limits of time and
 * size, tries after a wait, a circuit breaker. One pool is for one service. It has no thread: all
 * happens within velm_http_pool_iterate(), and a pool is used by one thread at a time, but for
 * velm_http_pool_wake().
 *
 *   submit -> queue -> a try, in_flight at once -> done()
 *                        ^                 |
 *                        +---- a wait <----+  on 408, 429, 5xx, broken, too slow
 *
 * - Every request is done exactly once: with an answer, or with an error.
 * - Requests start in the order of submission. Those that wait for another try hold no place in
 *   flight, but no more than 2 x in_flight are begun and not done: a service that is down is not
 *   tried by the whole queue.
 * - After a 429 or 503 with Retry-After no request at all is sent for that time (max_wait_ms at
 *   most).
 * - While the breaker is open, requests in the queue fail at once, and those that wait for another
 *   try end with what their last try brought; tries in flight go on.
 * - libcurl itself repeats a request, which is no try, on a fresh connection where one that was
 *   kept from before turns out closed before a byte of the answer came.
 *
 * Memory: a request that is queued holds its URL, its body and some 200 bytes; how many there are
 * is for the caller to limit, by velm_http_pool_pending(). One in flight holds, besides, up to
 * max_response of its answer, which counts until its done() was called, and libcurl's buffers
 * (about 100 KB); connections are in_flight at most.
 */
#pragma once

#include "core/http_params.h"

typedef struct _VelmHttpPool VelmHttpPool;

/**
 * Called once for each request. It may submit further ones and cancel all, but must not iterate or
 * free the pool.
 * @response: any complete answer, whatever its status, which is the callee's to look at until it
 * returns; NULL where none came
 * @error: NULL where there is a @response; else the params' error_code, or VELM_ERROR_CANCELLED.
 * The message names the URL without user and password, and never has the key.
 */
typedef void (*VelmHttpDone)(const VelmHttpResponse *response, const GError *error, gpointer data);

/**
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE where a limit is out of range, or with
 * @params' error_code where the key cannot stand in a header, the ca_file cannot be read, or
 * libcurl does not start
 */
VelmHttpPool *velm_http_pool_new(const VelmHttpParams *params, GError **error);

/**
 * Puts a request in the queue, and returns at once. Nothing is sent before the next
 * velm_http_pool_iterate().
 * @url: http or https, copied
 * @json: body of a POST, referenced; NULL for a GET
 * @destroy: called with @data after @done; or NULL
 */
void velm_http_pool_submit(VelmHttpPool *pool, const char *url, GBytes *json, VelmHttpDone done,
                           gpointer data, GDestroyNotify destroy);

/** Sets max_response for the tries that begin from now on. @bytes: below 1 it is 1, above G_MAXINT
 * that */
void velm_http_pool_set_max_response(VelmHttpPool *pool, gsize bytes);

/** Requests whose done() was not yet called. */
guint velm_http_pool_pending(const VelmHttpPool *pool);

/** Those of them that were never sent yet: how far ahead of the service the caller is. */
guint velm_http_pool_queued(const VelmHttpPool *pool);

/**
 * Sends, receives, keeps the times, and calls done() of what is finished, in this thread.
 * @wait_ms: how long to wait where nothing is finished yet; 0 not at all, negative for as long as
 * nothing happens
 * Returns: whether requests are pending
 */
gboolean velm_http_pool_iterate(VelmHttpPool *pool, int wait_ms);

/** Ends the wait of velm_http_pool_iterate(), of the next call where none waits. The only function
 * that may be called by another thread. */
void velm_http_pool_wake(VelmHttpPool *pool);

/** Ends all requests that have no result yet, with VELM_ERROR_CANCELLED, and calls their done():
 * before it returns, or, where it is called within done(), after that returned. */
void velm_http_pool_cancel_all(VelmHttpPool *pool);

/** As velm_http_redact_key() with the pool's key. */
char *velm_http_pool_redact(const VelmHttpPool *pool, const char *text);

/** Cancels all. What a done() submits meanwhile is dropped, without a done() of its own. */
void velm_http_pool_free(VelmHttpPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmHttpPool, velm_http_pool_free)
