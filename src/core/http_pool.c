#include "core/http_pool.h"

#include "core/circuit_breaker.h"
#include "core/error.h"
#include "core/http_redact.h"
#include "core/http_retry.h"
#include "core/http_transfer.h"

#include <signal.h>
#include <time.h>

#define BEGUN_PER_PLACE 2 /* requests begun and not done, for each that may be in flight */
#define LEAST_TRY_US                                                                               \
  (10 * 1000) /* with less time before the deadline a try is not worth its cost */
#define LONGEST_POLL_MS (60 * 1000)

typedef struct {
  char *url;
  GBytes *json;
  VelmHttpDone done;
  gpointer data;
  GDestroyNotify destroy;
  guint64 ticket;  /* of the breaker; 0 before the first try */
  int tries;       /* begun */
  gint64 deadline; /* of all tries */
  gint64 due;      /* of the next try */
  /* What the last try, or the whole, came to: one of the two. */
  VelmHttpResponse *response;
  GError *error;
  VelmBreakerResult verdict;
} Request;

struct _VelmHttpPool {
  VelmHttpParams params;
  char *bearer;
  VelmHttpSetup *setup;
  CURLM *multi;
  GRand *random;
  VelmCircuitBreaker *breaker;
  char *last_failure;   /* why the breaker counts; NULL before the first */
  GQueue queue;         /* of Request, not begun */
  GSequence *waiting;   /* of Request, by due */
  GPtrArray *in_flight; /* of VelmHttpTransfer, whose owner is the Request */
  GPtrArray *idle;      /* of VelmHttpTransfer */
  GQueue finished;      /* of Request, their done() to be called */
  gint64 held_until;    /* no try begins before */
  gboolean delivering;
  int woken; /* atomic */
};

/* ---- set-up ---- */

static void request_free(Request *request) {
  if (request->destroy)
    request->destroy(request->data);
  g_free(request->url);
  g_clear_pointer(&request->json, g_bytes_unref);
  velm_http_response_free(request->response);
  g_clear_error(&request->error);
  g_free(request);
}

VelmHttpPool *velm_http_pool_new(const VelmHttpParams *params, GError **error) {
  if (!velm_http_params_check(params, error))
    return NULL;
  g_autoptr(VelmHttpSetup) setup = velm_http_setup_new(params, error);
  CURLM *multi = setup ? curl_multi_init() : NULL;
  if (!multi) {
    if (setup)
      g_set_error(error, VELM_ERROR, (int)params->error_code, "libcurl does not start");
    return NULL;
  }
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)params->in_flight);
  VelmHttpPool *pool = g_new0(VelmHttpPool, 1);
  pool->params = *params;
  pool->bearer = g_strdup(params->bearer);
  pool->params.bearer = pool->bearer;
  pool->params.ca_file = pool->params.accept = NULL; /* in the setup, as the next */
  pool->params.signing = NULL;
  pool->setup = g_steal_pointer(&setup);
  pool->multi = multi;
  pool->random = params->seed ? g_rand_new_with_seed(params->seed) : g_rand_new();
  pool->breaker =
      velm_circuit_breaker_new(params->breaker_failures, (gint64)params->breaker_wait_ms * 1000);
  pool->waiting = g_sequence_new(NULL);
  pool->in_flight = g_ptr_array_new();
  pool->idle = g_ptr_array_new_with_free_func((GDestroyNotify)velm_http_transfer_free);
  g_queue_init(&pool->queue);
  g_queue_init(&pool->finished);
  return pool;
}

void velm_http_pool_set_max_response(VelmHttpPool *pool, gsize bytes) {
  pool->params.max_response = CLAMP(bytes, 1, G_MAXINT);
}

char *velm_http_pool_redact(const VelmHttpPool *pool, const char *text) {
  return velm_http_redact_key(pool->bearer, text);
}

void velm_http_pool_submit(VelmHttpPool *pool, const char *url, GBytes *json, VelmHttpDone done,
                           gpointer data, GDestroyNotify destroy) {
  Request *request = g_new0(Request, 1);
  request->url = g_strdup(url);
  request->json = json ? g_bytes_ref(json) : NULL;
  request->done = done;
  request->data = data;
  request->destroy = destroy;
  g_queue_push_tail(&pool->queue, request);
}

guint velm_http_pool_pending(const VelmHttpPool *pool) {
  return pool->queue.length + (guint)g_sequence_get_length(pool->waiting) + pool->in_flight->len +
         pool->finished.length;
}

guint velm_http_pool_queued(const VelmHttpPool *pool) { return pool->queue.length; }

/* ---- results ---- */

/* "URL: WHY (3 tries)", on one line and without the key. */
static GError *make_error(const VelmHttpPool *pool, const Request *request, VelmError code,
                          const char *why) {
  g_autofree char *where = velm_http_display_url(request->url);
  g_autofree char *often =
      request->tries > 1 ? g_strdup_printf(" (%d tries)", request->tries) : g_strdup("");
  g_autofree char *text = g_strdup_printf("%s: %s%s", where, why, often);
  g_autofree char *safe = velm_http_pool_redact(pool, text);
  GError *error = g_error_new_literal(VELM_ERROR, (int)code, safe);
  velm_error_one_line(error);
  return error;
}

static char *explain(const VelmHttpPool *pool, const VelmHttpTransfer *transfer, CURLcode code,
                     gboolean stalled) {
  if (transfer->too_large)
    return g_strdup_printf("the answer has more than %" G_GSIZE_FORMAT " bytes", transfer->limit);
  if (stalled)
    return g_strdup_printf("the transfer stalled: no byte in %g s",
                           pool->params.stall_timeout_ms / 1e3);
  if (code == CURLE_OPERATION_TIMEDOUT)
    return g_strdup_printf("no answer in time (%g s to connect, %g s a try, %g s in all)",
                           pool->params.connect_timeout_ms / 1e3, pool->params.timeout_ms / 1e3,
                           pool->params.total_timeout_ms / 1e3);
  return g_strdup(transfer->message[0] ? transfer->message : curl_easy_strerror(code));
}

static void clear_result(Request *request) {
  g_clear_pointer(&request->response, velm_http_response_free);
  g_clear_error(&request->error);
}

/* The bytes are handed over, for they may be many. */
static void keep_response(Request *request, VelmHttpTransfer *transfer) {
  clear_result(request);
  request->response = g_new0(VelmHttpResponse, 1);
  request->response->status = (int)velm_http_transfer_status(transfer);
  request->response->body = g_byte_array_free_to_bytes(transfer->body);
  transfer->body = g_byte_array_new();
  request->response->tries = request->tries;
}

static void keep_error(const VelmHttpPool *pool, Request *request, VelmError code,
                       const char *why) {
  GError *error = make_error(pool, request, code, why);
  clear_result(request);
  request->error = error;
}

/* The request has its result, and nothing else holds it. */
static void finish(VelmHttpPool *pool, Request *request) {
  if (request->ticket)
    velm_circuit_breaker_report(pool->breaker, request->ticket, request->verdict,
                                g_get_monotonic_time());
  g_queue_push_tail(&pool->finished, request);
}

static void finish_with_error(VelmHttpPool *pool, Request *request, VelmError code,
                              const char *why) {
  keep_error(pool, request, code, why);
  request->verdict = VELM_BREAKER_NO_RESULT;
  finish(pool, request);
}

/* Fails a request that the breaker keeps from being sent. */
static void refuse(VelmHttpPool *pool, Request *request, gint64 now) {
  gint64 left = velm_circuit_breaker_time_left(pool->breaker, now);
  g_autofree char *next = left > 0
                              ? g_strdup_printf("the next is sent in %.1f s", (double)left / 1e6)
                              : g_strdup("one is being tried");
  g_autofree char *why =
      g_strdup_printf("not asked, because %u requests failed in a row, the last by: %s; %s",
                      pool->params.breaker_failures, pool->last_failure, next);
  finish_with_error(pool, request, pool->params.error_code, why);
}

static void deliver(VelmHttpPool *pool) {
  if (pool->delivering)
    return;
  pool->delivering = TRUE;
  for (Request *request; (request = g_queue_pop_head(&pool->finished));) {
    request->done(request->response, request->error, request->data);
    request_free(request);
  }
  pool->delivering = FALSE;
}

/* ---- the end of a try ---- */

static int compare_due(gconstpointer a, gconstpointer b, G_GNUC_UNUSED gpointer data) {
  const Request *first = a, *second = b;
  return (first->due > second->due) - (first->due < second->due);
}

static void hold_all(VelmHttpPool *pool, gint64 asked_s) {
  gint64 ms = MIN(asked_s, pool->params.max_wait_ms / 1000 + 1) * 1000;
  gint64 until = g_get_monotonic_time() + MIN(ms, pool->params.max_wait_ms) * 1000;
  pool->held_until = MAX(pool->held_until, until);
}

static void note_failure(VelmHttpPool *pool, long status, const char *why) {
  g_autofree char *text = why ? g_strdup(why) : g_strdup_printf("HTTP %ld", status);
  g_free(pool->last_failure);
  pool->last_failure = velm_http_pool_redact(pool, text);
}

static VelmError code_of(const VelmHttpPool *pool, const VelmHttpTransfer *transfer) {
  return transfer->too_large && pool->params.too_large_code ? pool->params.too_large_code
                                                            : pool->params.error_code;
}

static void keep_result(VelmHttpPool *pool, Request *request, VelmHttpTransfer *transfer,
                        CURLcode code, gboolean stalled) {
  long status = code == CURLE_OK ? velm_http_transfer_status(transfer) : 0;
  g_autofree char *why = code == CURLE_OK ? NULL : explain(pool, transfer, code, stalled);
  request->verdict = velm_http_retry_verdict(code, status, transfer->too_large);
  if (request->verdict == VELM_BREAKER_FAILURE)
    note_failure(pool, status, why);
  if (code == CURLE_OK)
    keep_response(request, transfer);
  else
    keep_error(pool, request, code_of(pool, transfer), why);
}

/* A wait that would not end in time is not begun. */
static gboolean wait_for_next_try(VelmHttpPool *pool, Request *request, gint64 asked_s) {
  gint64 now = g_get_monotonic_time();
  if (request->tries >= pool->params.tries)
    return FALSE;
  gint64 wait = velm_http_retry_wait(&pool->params, request->tries, asked_s, pool->random);
  request->due = now + wait * 1000;
  if (request->due + LEAST_TRY_US >= request->deadline)
    return FALSE;
  g_sequence_insert_sorted(pool->waiting, request, compare_due, NULL);
  return TRUE;
}

static void end_try(VelmHttpPool *pool, VelmHttpTransfer *transfer, CURLcode code,
                    gboolean stalled) {
  Request *request = transfer->owner;
  keep_result(pool, request, transfer, code, stalled);
  gint64 asked_s = code == CURLE_OK ? velm_http_transfer_retry_after(transfer) : 0;
  long status = code == CURLE_OK ? velm_http_transfer_status(transfer) : 0;
  curl_multi_remove_handle(pool->multi, transfer->curl);
  g_ptr_array_remove_fast(pool->in_flight, transfer);
  g_ptr_array_add(pool->idle, transfer);
  if (velm_http_retry_is_for_all(status))
    hold_all(pool, asked_s);
  if (!velm_http_retry_is_worthwhile(code, status) || !wait_for_next_try(pool, request, asked_s))
    finish(pool, request);
}

static void collect(VelmHttpPool *pool) {
  int left = 0;
  for (CURLMsg *message; (message = curl_multi_info_read(pool->multi, &left));)
    if (message->msg == CURLMSG_DONE)
      end_try(pool, velm_http_transfer_of(message->easy_handle), message->data.result, FALSE);
}

static void abort_stalled(VelmHttpPool *pool) {
  gint64 now = g_get_monotonic_time();
  for (guint i = pool->in_flight->len; i > 0; i--) {
    VelmHttpTransfer *transfer = g_ptr_array_index(pool->in_flight, i - 1);
    if (velm_http_transfer_stalls_at(transfer, &pool->params) <= now)
      end_try(pool, transfer, CURLE_OPERATION_TIMEDOUT, TRUE);
  }
}

/* ---- the beginning of a try ---- */

static VelmHttpTransfer *take_transfer(VelmHttpPool *pool) {
  return pool->idle->len > 0 ? g_ptr_array_steal_index_fast(pool->idle, pool->idle->len - 1)
                             : velm_http_transfer_new();
}

static void begin_try(VelmHttpPool *pool, Request *request, gint64 now) {
  VelmHttpTransfer *transfer = take_transfer(pool);
  if (request->tries == 0)
    request->deadline = now + (gint64)pool->params.total_timeout_ms * 1000;
  if (!transfer) {
    finish_with_error(pool, request, pool->params.error_code, "libcurl is out of memory");
    return;
  }
  gint64 left = (request->deadline - now + 999) / 1000;
  request->tries++;
  transfer->owner = request;
  velm_http_transfer_prepare(transfer, &pool->params, pool->setup, request->url, request->json,
                             MIN(left, pool->params.timeout_ms));
  g_ptr_array_add(pool->in_flight, transfer);
  CURLMcode code = curl_multi_add_handle(pool->multi, transfer->curl);
  if (code != CURLM_OK)
    end_try(pool, transfer, CURLE_FAILED_INIT, FALSE);
}

static gboolean has_place(const VelmHttpPool *pool, gint64 now) {
  return pool->in_flight->len < pool->params.in_flight && now >= pool->held_until;
}

/* Whether the breaker lets a request go on that was admitted before. */
static gboolean may_go_on(VelmHttpPool *pool, Request *request, gint64 now) {
  return velm_circuit_breaker_is_current(pool->breaker, request->ticket) ||
         !velm_circuit_breaker_refuses(pool->breaker, now);
}

/* Begins the tries that are due, and ends the requests that will have no other. */
static void resume_waiting(VelmHttpPool *pool, gint64 now) {
  for (GSequenceIter *iter = g_sequence_get_begin_iter(pool->waiting), *next;
       !g_sequence_iter_is_end(iter); iter = next) {
    Request *request = g_sequence_get(iter);
    next = g_sequence_iter_next(iter);
    gboolean in_time = MAX(now, pool->held_until) < request->deadline;
    gboolean over = !in_time || !may_go_on(pool, request, now);
    gboolean begins = !over && request->due <= now && has_place(pool, now);
    if (!over && !begins)
      continue;
    g_sequence_remove(iter);
    if (over) {
      finish(pool, request);
      continue;
    }
    if (!velm_circuit_breaker_is_current(pool->breaker, request->ticket))
      request->ticket = velm_circuit_breaker_admit(pool->breaker, now);
    begin_try(pool, request, now);
  }
}

static void begin_queued(VelmHttpPool *pool, gint64 now) {
  guint most = BEGUN_PER_PLACE * pool->params.in_flight;
  while (pool->queue.length > 0) {
    gboolean refuses = velm_circuit_breaker_refuses(pool->breaker, now);
    guint begun = pool->in_flight->len + (guint)g_sequence_get_length(pool->waiting);
    if (!refuses && (!has_place(pool, now) || begun >= most))
      return;
    Request *request = g_queue_pop_head(&pool->queue);
    if (refuses) {
      refuse(pool, request, now);
    } else {
      request->ticket = velm_circuit_breaker_admit(pool->breaker, now);
      begin_try(pool, request, now);
    }
  }
}

static void begin_tries(VelmHttpPool *pool) {
  gint64 now = g_get_monotonic_time();
  resume_waiting(pool, now);
  begin_queued(pool, now);
}

/* ---- the engine ---- */

/*
 * A TLS library writes to a connection that the peer has closed without MSG_NOSIGNAL. The signal,
 * which would end the program, is of this thread: it is blocked, and taken where it came.
 */
static gboolean block_sigpipe(sigset_t *before) {
  sigset_t pipe, waiting;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  sigpending(&waiting);
  pthread_sigmask(SIG_BLOCK, &pipe, before);
  return sigismember(&waiting, SIGPIPE) == 1;
}

static void unblock_sigpipe(const sigset_t *before, gboolean was_waiting) {
  const struct timespec at_once = {0};
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  if (!was_waiting)
    sigtimedwait(&pipe, NULL, &at_once);
  pthread_sigmask(SIG_SETMASK, before, NULL);
}

static void step(VelmHttpPool *pool) {
  int running = 0;
  begin_tries(pool);
  curl_multi_perform(pool->multi, &running);
  collect(pool);
  abort_stalled(pool);
  begin_tries(pool);
}

/* Monotonic time of the next thing that libcurl knows nothing of. */
static gint64 next_event(const VelmHttpPool *pool) {
  gint64 next = G_MAXINT64;
  for (guint i = 0; i < pool->in_flight->len; i++)
    next = MIN(next,
               velm_http_transfer_stalls_at(g_ptr_array_index(pool->in_flight, i), &pool->params));
  gboolean full = pool->in_flight->len == pool->params.in_flight;
  for (GSequenceIter *iter = g_sequence_get_begin_iter(pool->waiting);
       !g_sequence_iter_is_end(iter); iter = g_sequence_iter_next(iter)) {
    const Request *request = g_sequence_get(iter);
    gint64 begins = full ? G_MAXINT64 : MAX(request->due, pool->held_until);
    next = MIN(next, MIN(request->deadline, begins));
  }
  if (!full && pool->queue.length > 0 && pool->held_until > g_get_monotonic_time())
    next = MIN(next, pool->held_until);
  return next;
}

/* Waits for the network, a time that is due, or @wait_ms. */
static void poll_once(VelmHttpPool *pool, int wait_ms) {
  gint64 next = next_event(pool), now = g_get_monotonic_time();
  gint64 ms = wait_ms < 0 ? LONGEST_POLL_MS : MIN(wait_ms, LONGEST_POLL_MS);
  if (next != G_MAXINT64)
    ms = CLAMP((next - now + 999) / 1000, 0, ms);
  curl_multi_poll(pool->multi, NULL, 0, (int)ms, NULL);
}

void velm_http_pool_wake(VelmHttpPool *pool) {
  g_atomic_int_set(&pool->woken, 1);
  curl_multi_wakeup(pool->multi);
}

/* Until something is finished, the pool is woken, or @wait_ms are over. */
static void drive(VelmHttpPool *pool, int wait_ms) {
  gint64 end = wait_ms < 0 ? G_MAXINT64 : g_get_monotonic_time() + (gint64)wait_ms * 1000;
  step(pool);
  while (pool->finished.length == 0 && velm_http_pool_pending(pool) > 0 &&
         !g_atomic_int_compare_and_exchange(&pool->woken, 1, 0)) {
    gint64 left = (end - g_get_monotonic_time() + 999) / 1000;
    if (left <= 0)
      return;
    poll_once(pool, (int)MIN(left, LONGEST_POLL_MS));
    step(pool);
  }
}

gboolean velm_http_pool_iterate(VelmHttpPool *pool, int wait_ms) {
  sigset_t before;
  gboolean was_waiting = block_sigpipe(&before);
  drive(pool, wait_ms);
  unblock_sigpipe(&before, was_waiting);
  deliver(pool);
  return velm_http_pool_pending(pool) > 0;
}

/* ---- the end ---- */

static void cancel(VelmHttpPool *pool, Request *request) {
  finish_with_error(pool, request, VELM_ERROR_CANCELLED, "cancelled");
}

static void cancel_in_flight(VelmHttpPool *pool) {
  while (pool->in_flight->len > 0) {
    VelmHttpTransfer *transfer = g_ptr_array_index(pool->in_flight, pool->in_flight->len - 1);
    curl_multi_remove_handle(pool->multi, transfer->curl);
    g_ptr_array_set_size(pool->in_flight, (int)pool->in_flight->len - 1);
    g_ptr_array_add(pool->idle, transfer);
    cancel(pool, transfer->owner);
  }
}

void velm_http_pool_cancel_all(VelmHttpPool *pool) {
  sigset_t before;
  gboolean was_waiting = block_sigpipe(&before);
  cancel_in_flight(pool);
  unblock_sigpipe(&before, was_waiting);
  while (g_sequence_get_length(pool->waiting) > 0) {
    GSequenceIter *first = g_sequence_get_begin_iter(pool->waiting);
    Request *request = g_sequence_get(first);
    g_sequence_remove(first);
    cancel(pool, request);
  }
  for (Request *request; (request = g_queue_pop_head(&pool->queue));)
    cancel(pool, request);
  deliver(pool);
}

void velm_http_pool_free(VelmHttpPool *pool) {
  sigset_t before;
  if (!pool)
    return;
  velm_http_pool_cancel_all(pool);
  g_queue_clear_full(&pool->queue, (GDestroyNotify)request_free);
  gboolean was_waiting = block_sigpipe(&before);
  g_ptr_array_unref(pool->idle);
  curl_multi_cleanup(pool->multi);
  unblock_sigpipe(&before, was_waiting);
  g_ptr_array_unref(pool->in_flight);
  g_sequence_free(pool->waiting);
  velm_circuit_breaker_free(pool->breaker);
  velm_http_setup_free(pool->setup);
  g_rand_free(pool->random);
  g_free(pool->last_failure);
  g_free(pool->bearer);
  g_free(pool);
}
