#include "core/http_pool.h"

#include "classify/scripted_server.h"
#include "core/http_retry.h"
#include "core/scratch.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#define KEY "sk-test-0123456789abcdefghij"

typedef struct {
  ScriptedServer *server;
  VelmHttpParams params;
  VelmHttpPool *pool;
  char *url;
  GPtrArray *calls; /* of Call, in the order of submission */
} Fixture;

/* A request as the caller sees it. */
typedef struct {
  Fixture *fixture;
  guint n_done, n_destroyed;
  int status, tries; /* 0 where there was no response */
  char *body;
  GError *error;
  gint64 done_at; /* monotonic */
  guint submits;  /* requests that its done() submits */
  gboolean cancels;
} Call;

static void call_free(gpointer data) {
  Call *call = data;
  g_free(call->body);
  g_clear_error(&call->error);
  g_free(call);
}

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->server = scripted_server_new();
  f->url = g_strconcat(scripted_server_endpoint(f->server), "/chat", NULL);
  f->calls = g_ptr_array_new_with_free_func(call_free);
  f->params = velm_http_params_default();
  f->params.bearer = KEY;
  f->params.error_code = VELM_ERROR_LLM;
  f->params.first_wait_ms = 1;
  f->params.seed = 1;
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_http_pool_free(f->pool);
  scripted_server_free(f->server);
  for (guint i = 0; i < f->calls->len; i++) {
    const Call *call = g_ptr_array_index(f->calls, i);
    g_assert_cmpuint(call->n_done, ==, 1);
    g_assert_cmpuint(call->n_destroyed, ==, 1);
  }
  g_ptr_array_unref(f->calls);
  g_free(f->url);
}

static void open_pool(Fixture *f) {
  g_autoptr(GError) error = NULL;
  f->pool = velm_http_pool_new(&f->params, &error);
  g_assert_no_error(error);
}

static void destroyed(gpointer data) {
  Call *call = data;
  g_assert_cmpuint(call->n_done, ==, 1);
  call->n_destroyed++;
}

static Call *submit(Fixture *f);

static void done(const VelmHttpResponse *response, const GError *error, gpointer data) {
  Call *call = data;
  g_assert_true((response == NULL) != (error == NULL));
  call->n_done++;
  call->done_at = g_get_monotonic_time();
  if (error) {
    call->error = g_error_copy(error);
    g_assert_null(strstr(error->message, KEY));
    g_assert_null(strpbrk(error->message, "\r\n"));
  } else {
    gsize size = 0;
    const char *body = g_bytes_get_data(response->body, &size);
    call->body = g_strndup(body ? body : "", size);
    call->status = response->status;
    call->tries = response->tries;
  }
  for (guint i = 0; i < call->submits; i++)
    submit(call->fixture);
  if (call->cancels)
    velm_http_pool_cancel_all(call->fixture->pool);
}

static Call *submit_to(Fixture *f, const char *url, GBytes *json) {
  Call *call = g_new0(Call, 1);
  call->fixture = f;
  g_ptr_array_add(f->calls, call);
  velm_http_pool_submit(f->pool, url, json, done, call, destroyed);
  return call;
}

/* Each request has a body of its own. */
static Call *submit(Fixture *f) {
  g_autofree char *text = g_strdup_printf("{\"n\":%u}", f->calls->len);
  g_autoptr(GBytes) json = g_bytes_new(text, strlen(text));
  return submit_to(f, f->url, json);
}

/* Until nothing is pending. Returns: seconds. */
static double run(Fixture *f) {
  gint64 start = g_get_monotonic_time();
  while (velm_http_pool_iterate(f->pool, 1000))
    g_assert_cmpint(g_get_monotonic_time() - start, <, 120 * G_USEC_PER_SEC);
  g_assert_cmpuint(velm_http_pool_pending(f->pool), ==, 0);
  return (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
}

static void assert_error(const Call *call, int code, const char *words) {
  g_assert_error(call->error, VELM_ERROR, code);
  if (!strstr(call->error->message, words))
    g_error("\"%s\" is not in \"%s\"", words, call->error->message);
}

static void assert_answer(const Call *call, int status, int tries) {
  g_assert_no_error(call->error);
  g_assert_cmpint(call->status, ==, status);
  g_assert_cmpint(call->tries, ==, tries);
}

/* ---- many at once ---- */

/* The time of one attempt; the machine may be busy with other things in any of them. */
static double time_of_many(Fixture *f, guint n) {
  for (guint i = 0; i < n; i++)
    submit(f);
  g_assert_cmpuint(velm_http_pool_pending(f->pool), ==, n);
  return run(f);
}

static void test_throughput(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  const guint n = 200, in_flight = 32;
  const double limit = n / (double)in_flight * 0.05 * 1.3;
  double best = G_MAXDOUBLE;
  f->params.in_flight = in_flight;
  scripted_server_set_latency(f->server, 50);
  scripted_server_set_keep_alive(f->server, TRUE);
  scripted_server_reply(f->server, 200, NULL, "{\"ok\":true}");
  open_pool(f);
  for (int attempt = 0; attempt < 10 && best >= limit; attempt++)
    best = MIN(best, time_of_many(f, n));
  g_test_message("%u requests of 50 ms, %u in flight: %.3f s", n, in_flight, best);
  g_assert_cmpfloat(best, <, limit);
  g_assert_cmpuint(scripted_server_peak(f->server), <=, in_flight);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, f->calls->len);
  for (guint i = 0; i < f->calls->len; i++)
    assert_answer(g_ptr_array_index(f->calls, i), 200, 1);
}

static void test_in_flight(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.in_flight = 3;
  scripted_server_set_latency(f->server, 20);
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  time_of_many(f, 20);
  g_assert_cmpuint(scripted_server_peak(f->server), ==, 3);
}

static void test_submit_within_done(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  submit(f)->submits = 20;
  run(f);
  g_assert_cmpuint(f->calls->len, ==, 21);
}

static void test_get_and_post(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  submit(f);
  run(f);
  submit_to(f, f->url, NULL);
  run(f);
  g_assert_cmpstr(scripted_server_request(f->server, 0)->method, ==, "POST");
  g_assert_cmpstr(scripted_server_request(f->server, 0)->body, ==, "{\"n\":0}");
  g_assert_nonnull(
      strstr(scripted_server_request(f->server, 0)->headers, "Authorization: Bearer " KEY "\r\n"));
  g_assert_cmpstr(scripted_server_request(f->server, 1)->method, ==, "GET");
}

static void test_nothing_to_do(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  open_pool(f);
  g_assert_false(velm_http_pool_iterate(f->pool, -1));
  g_assert_cmpuint(velm_http_pool_pending(f->pool), ==, 0);
}

/* It returns in time, with the request still pending. */
static void test_iterate_waits_no_longer(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_set_latency(f->server, 5000);
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  submit(f);
  gint64 start = g_get_monotonic_time();
  g_assert_true(velm_http_pool_iterate(f->pool, 30));
  g_assert_cmpint(g_get_monotonic_time() - start, >=, 30 * 1000);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 3 * G_USEC_PER_SEC);
  velm_http_pool_cancel_all(f->pool);
}

/* ---- what goes wrong ---- */

static void test_429_seconds(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 429, "Retry-After: 1\r\n", "{}");
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  Call *call = submit(f);
  g_assert_cmpfloat(run(f), >=, 1);
  assert_answer(call, 200, 2);
}

static void test_429_date(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  g_autoptr(GDateTime) then = g_date_time_add_seconds(now, 3);
  g_autofree char *header = g_date_time_format(then, "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n");
  scripted_server_reply(f->server, 429, header, "{}");
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  Call *call = submit(f);
  run(f);
  assert_answer(call, 200, 2);
  /* The date has whole seconds, and it is cut down to them. */
  g_assert_cmpint(g_get_real_time() / G_USEC_PER_SEC, >=, g_date_time_to_unix(then));
}

/* Others wait too, where they would be refused as well. */
static void test_429_holds_all(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 429, "Retry-After: 1\r\n", "{}");
  scripted_server_reply(f->server, 200, NULL, "{}");
  f->params.in_flight = 1;
  open_pool(f);
  gint64 start = g_get_monotonic_time();
  Call *first = submit(f), *second = submit(f);
  run(f);
  assert_answer(first, 200, 2);
  assert_answer(second, 200, 1);
  g_assert_cmpint(second->done_at - start, >=, G_USEC_PER_SEC);
}

/* A wait for the server never outlives the request. */
static void test_hold_past_deadline(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.total_timeout_ms = 2000;
  scripted_server_reply(f->server, 429, "Retry-After: 20\r\n", "{\"slow\":\"down\"}");
  open_pool(f);
  Call *call = submit(f);
  g_assert_cmpfloat(run(f), <, 2);
  assert_answer(call, 429, 1);
  g_assert_cmpstr(call->body, ==, "{\"slow\":\"down\"}");
}

/* Nor does a wait for what another was told. */
static void test_hold_ends_waits(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.in_flight = 1;
  f->params.first_wait_ms = 4000;
  f->params.total_timeout_ms = 10 * 1000;
  scripted_server_reply(f->server, 500, NULL, "{}");
  scripted_server_reply(f->server, 429, "Retry-After: 20\r\n", "{}");
  open_pool(f);
  Call *waiting = submit(f), *told = submit(f);
  g_assert_cmpfloat(run(f), <, 10);
  assert_answer(told, 429, 1);
  assert_answer(waiting, 500, 1);
}

static void test_status_then_good(Fixture *f, gconstpointer data) {
  scripted_server_reply(f->server, GPOINTER_TO_INT(data), NULL, "{}");
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  Call *call = submit(f);
  run(f);
  assert_answer(call, 200, 2);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2);
}

static void test_500_stays(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 500, NULL, "{\"error\":\"broken\"}");
  open_pool(f);
  Call *call = submit(f);
  run(f);
  assert_answer(call, 500, 3);
  g_assert_cmpstr(call->body, ==, "{\"error\":\"broken\"}");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 3);
}

static void test_400_is_final(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 400, NULL, "{}");
  open_pool(f);
  Call *call = submit(f);
  run(f);
  assert_answer(call, 400, 1);
}

static void test_fault_then_good(Fixture *f, gconstpointer data) {
  f->params.timeout_ms = 300;
  f->params.stall_timeout_ms = 100;
  scripted_server_fault(f->server, (ScriptedFault)GPOINTER_TO_INT(data));
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  Call *call = submit(f);
  run(f);
  assert_answer(call, 200, 2);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2);
}

static void test_fault_stays(Fixture *f, gconstpointer data) {
  static const char *const words[] = {
      [SCRIPTED_TRUNCATED] = "(3 tries)",
      [SCRIPTED_RESET] = "(3 tries)",
      [SCRIPTED_STALLED] =
          "no answer in time (10 s to connect, 0.3 s a try, 300 s in all) (3 tries)",
      [SCRIPTED_STALLED_BODY] = "the transfer stalled: no byte in 0.1 s (3 tries)",
  };
  f->params.timeout_ms = 300;
  f->params.stall_timeout_ms = 100;
  scripted_server_fault(f->server, (ScriptedFault)GPOINTER_TO_INT(data));
  open_pool(f);
  Call *call = submit(f);
  run(f);
  assert_error(call, VELM_ERROR_LLM, words[GPOINTER_TO_INT(data)]);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 3);
}

/* A server that thinks sends nothing, for longer than a transfer may stall. */
static void test_thinking_is_no_stall(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.stall_timeout_ms = 50;
  scripted_server_set_latency(f->server, 400);
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  Call *call = submit(f);
  run(f);
  assert_answer(call, 200, 1);
}

/* Nobody reads what is sent: more than the sockets hold. */
static void test_sending_stalls(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GSocketListener) deaf = g_socket_listener_new();
  guint16 port = g_socket_listener_add_any_inet_port(deaf, NULL, NULL);
  g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port);
  g_autoptr(GBytes) large = g_bytes_new_take(g_strnfill(64 * 1024 * 1024, ' '), 64 * 1024 * 1024);
  f->params.stall_timeout_ms = 200;
  f->params.tries = 1;
  open_pool(f);
  Call *call = submit_to(f, url, large);
  g_assert_cmpfloat(run(f), <, 60);
  assert_error(call, VELM_ERROR_LLM, "the transfer stalled: no byte in 0.2 s");
}

static void test_total_timeout(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.total_timeout_ms = 500;
  f->params.timeout_ms = 200;
  f->params.tries = 1000;
  scripted_server_fault(f->server, SCRIPTED_STALLED);
  open_pool(f);
  Call *call = submit(f);
  double seconds = run(f);
  assert_error(call, VELM_ERROR_LLM, "no answer in time");
  g_assert_cmpfloat(seconds, >=, 0.4);
  g_assert_cmpfloat(seconds, <, 5);
  g_assert_cmpuint(scripted_server_n_requests(f->server), <=, 4);
}

static void test_too_large(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *body = g_strnfill(5000, ' ');
  f->params.max_response = 4096;
  scripted_server_reply(f->server, 200, NULL, body);
  open_pool(f);
  Call *call = submit(f);
  run(f);
  assert_error(call, VELM_ERROR_LLM, "the answer has more than 4096 bytes");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 1);
}

static void test_wrong_urls(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const urls[] = {"", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://"};
  open_pool(f);
  for (gsize i = 0; i < 4 * G_N_ELEMENTS(urls); i++) {
    Call *call = submit_to(f, urls[i % G_N_ELEMENTS(urls)], NULL);
    run(f);
    g_assert_error(call->error, VELM_ERROR, VELM_ERROR_LLM);
    /* They tell nothing of a server. */
    g_assert_null(strstr(call->error->message, "not asked"));
  }
}

/* done() checks that no message has the key. */
static void test_key_is_blanked(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.breaker_failures = 1;
  f->params.tries = 1;
  open_pool(f);
  Call *call = submit_to(f, "http://user:secret@127.0.0.1:1/v1/" KEY "/chat?token=hidden", NULL);
  run(f);
  Call *refused = submit_to(f, "http://user:secret@127.0.0.1:1/" KEY, NULL);
  run(f);
  assert_error(call, VELM_ERROR_LLM, "http://127.0.0.1:1/v1/[key]/chat: ");
  assert_error(refused, VELM_ERROR_LLM, "http://127.0.0.1:1/[key]: not asked");
  g_assert_null(strstr(call->error->message, "secret"));
  g_assert_null(strstr(call->error->message, "hidden"));
}

/* ---- the environment ---- */

static void test_proxy(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *before = g_strdup(g_getenv("http_proxy"));
  g_setenv("http_proxy", scripted_server_endpoint(f->server), TRUE);
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  Call *call = submit_to(f, "http://service.invalid/chat", NULL);
  run(f);
  if (before)
    g_setenv("http_proxy", before, TRUE);
  else
    g_unsetenv("http_proxy");
  assert_answer(call, 200, 1);
  g_assert_cmpstr(scripted_server_request(f->server, 0)->path, ==, "http://service.invalid/chat");
}

/* ---- all faults together ---- */

enum { GOOD, SLOW_DOWN, BROKEN, STALLED, STALLED_BODY, RESET, TRUNCATED, N_REPLIES };

/* By content: seven in ten go wrong at first, and are well the next time. */
static guint plan_faults(const ScriptedRequest *request, G_GNUC_UNUSED guint number, guint seen,
                         G_GNUC_UNUSED gpointer data) {
  guint kind = g_str_hash(request->body) % 10;
  return seen > 0 || kind >= N_REPLIES ? GOOD : kind;
}

static void script_faults(Fixture *f) {
  scripted_server_reply(f->server, 200, NULL, "{\"ok\":true}");
  scripted_server_reply(f->server, 429, "Retry-After: 1\r\n", "{}");
  scripted_server_reply(f->server, 500, NULL, "{}");
  scripted_server_fault(f->server, SCRIPTED_STALLED);
  scripted_server_fault(f->server, SCRIPTED_STALLED_BODY);
  scripted_server_fault(f->server, SCRIPTED_RESET);
  scripted_server_fault(f->server, SCRIPTED_TRUNCATED);
  scripted_server_set_plan(f->server, plan_faults, NULL);
}

static void test_all_faults(Fixture *f, gconstpointer data) {
  f->params.in_flight = 32;
  f->params.timeout_ms = 2000;
  f->params.stall_timeout_ms = 1000;
  f->params.max_wait_ms = 100; /* the second that 429 asks for is another test's */
  f->params.tries = 6;
  script_faults(f);
  scripted_server_set_latency(f->server, 10);
  scripted_server_set_keep_alive(f->server, GPOINTER_TO_INT(data));
  open_pool(f);
  time_of_many(f, 200);
  guint n_tries = 0;
  for (guint i = 0; i < f->calls->len; i++) {
    const Call *call = g_ptr_array_index(f->calls, i);
    g_assert_no_error(call->error);
    g_assert_cmpint(call->status, ==, 200);
    g_assert_cmpstr(call->body, ==, "{\"ok\":true}");
    n_tries += (guint)call->tries;
  }
  /* libcurl repeats by itself what a kept connection's end undid. */
  g_assert_cmpuint(scripted_server_n_requests(f->server), >=, 250);
  g_assert_cmpuint(n_tries, >, 220);
  if (!GPOINTER_TO_INT(data))
    g_assert_cmpuint(scripted_server_n_requests(f->server), ==, n_tries);
}

/* ---- the breaker ---- */

/* A pool whose breaker two failures have opened. */
static void open_breaker(Fixture *f, int wait_ms) {
  f->params.breaker_failures = 2;
  f->params.breaker_wait_ms = wait_ms;
  f->params.tries = 1;
  f->params.in_flight = 1;
  scripted_server_reply(f->server, 503, NULL, "{}");
  scripted_server_reply(f->server, 503, NULL, "{}");
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  submit(f);
  submit(f);
  run(f);
}

static void test_breaker_refuses(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  open_breaker(f, 20 * 1000);
  for (guint i = 0; i < 50; i++)
    submit(f);
  g_assert_cmpfloat(run(f), <, 10);
  for (guint i = 2; i < f->calls->len; i++)
    assert_error(
        g_ptr_array_index(f->calls, i), VELM_ERROR_LLM,
        "not asked, because 2 requests failed in a row, the last by: HTTP 503; the next is "
        "sent in ");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2);
}

/* One is tried; the others of that moment fail; when it is well, all are sent. */
static void test_breaker_closes(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  open_breaker(f, 50);
  scripted_server_set_latency(f->server, 20);
  g_usleep(60 * 1000);
  Call *trial = submit(f), *other = submit(f);
  run(f);
  assert_answer(trial, 200, 1);
  assert_error(other, VELM_ERROR_LLM, "one is being tried");
  Call *later = submit(f), *last = submit(f);
  run(f);
  assert_answer(later, 200, 1);
  assert_answer(last, 200, 1);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 5);
}

/* The trial has all its tries. */
static void test_breaker_trial_is_retried(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.breaker_failures = 1;
  f->params.breaker_wait_ms = 50;
  f->params.tries = 2;
  for (int i = 0; i < 3; i++)
    scripted_server_reply(f->server, 500, NULL, "{}");
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  Call *first = submit(f);
  run(f);
  g_usleep(60 * 1000);
  Call *trial = submit(f);
  run(f);
  assert_answer(first, 500, 2);
  assert_answer(trial, 200, 2);
}

/* Of two that wait for their second try, the one that fails first opens it: the other has no second
 * try, and ends with what its first brought. */
static void test_breaker_ends_waits(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.breaker_failures = 1;
  f->params.tries = 2;
  f->params.first_wait_ms = 2000;
  scripted_server_reply(f->server, 500, NULL, "{}");
  open_pool(f);
  Call *one = submit(f), *other = submit(f);
  run(f);
  g_assert_cmpint(one->status, ==, 500);
  g_assert_cmpint(other->status, ==, 500);
  g_assert_cmpint(one->tries + other->tries, ==, 3);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 3);
  g_assert_cmpint(ABS(one->done_at - other->done_at), <, 100 * 1000);
}

static void test_breaker_trial_is_cancelled(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  open_breaker(f, 50);
  scripted_server_set_latency(f->server, 300);
  g_usleep(60 * 1000);
  Call *trial = submit(f);
  velm_http_pool_iterate(f->pool, 0);
  velm_http_pool_cancel_all(f->pool);
  assert_error(trial, VELM_ERROR_CANCELLED, "cancelled");
  Call *next = submit(f);
  run(f);
  assert_answer(next, 200, 1);
}

/* Nobody listens, and the queue is long: the server is left alone after a few. */
static void test_breaker_spares_queue(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_free(f->server);
  f->server = NULL;
  f->params.in_flight = 4;
  open_pool(f);
  time_of_many(f, 1000);
  guint n_tried = 0;
  for (guint i = 0; i < f->calls->len; i++) {
    const Call *call = g_ptr_array_index(f->calls, i);
    g_assert_error(call->error, VELM_ERROR, VELM_ERROR_LLM);
    n_tried += strstr(call->error->message, "not asked") == NULL;
  }
  g_assert_cmpuint(n_tried, >=, f->params.breaker_failures);
  g_assert_cmpuint(n_tried, <=, f->params.breaker_failures + 2 * f->params.in_flight);
}

static void test_breaker_ignores_4xx(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.breaker_failures = 2;
  f->params.tries = 1;
  scripted_server_reply(f->server, 429, NULL, "{}");
  open_pool(f);
  time_of_many(f, 20);
  for (guint i = 0; i < f->calls->len; i++)
    assert_answer(g_ptr_array_index(f->calls, i), 429, 1);
}

/* ---- cancelling ---- */

static void test_cancel(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.in_flight = 4;
  f->params.first_wait_ms = f->params.max_wait_ms = 60 * 1000;
  scripted_server_reply(f->server, 500, NULL, "{}");
  scripted_server_fault(f->server, SCRIPTED_STALLED);
  open_pool(f);
  for (guint i = 0; i < 100; i++)
    submit(f);
  /* Some wait for their next try, some are with the server, most are in the queue. */
  for (int i = 0; i < 20; i++)
    velm_http_pool_iterate(f->pool, 10);
  g_assert_cmpuint(velm_http_pool_pending(f->pool), ==, 100);
  velm_http_pool_cancel_all(f->pool);
  g_assert_cmpuint(velm_http_pool_pending(f->pool), ==, 0);
  for (guint i = 0; i < f->calls->len; i++)
    assert_error(g_ptr_array_index(f->calls, i), VELM_ERROR_CANCELLED, "cancelled");
  g_assert_false(velm_http_pool_iterate(f->pool, 0));
}

static void test_cancel_within_done(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.in_flight = 1;
  scripted_server_reply(f->server, 200, NULL, "{}");
  open_pool(f);
  Call *first = submit(f);
  first->cancels = TRUE;
  for (guint i = 0; i < 10; i++)
    submit(f);
  run(f);
  assert_answer(first, 200, 1);
  for (guint i = 1; i < f->calls->len; i++)
    assert_error(g_ptr_array_index(f->calls, i), VELM_ERROR_CANCELLED, "cancelled");
}

/* tear_down() checks that each was done. */
static void test_free_while_pending(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_fault(f->server, SCRIPTED_STALLED);
  open_pool(f);
  for (guint i = 0; i < 20; i++)
    submit(f);
  velm_http_pool_iterate(f->pool, 20);
  g_clear_pointer(&f->pool, velm_http_pool_free);
  assert_error(g_ptr_array_index(f->calls, 19), VELM_ERROR_CANCELLED, "cancelled");
}

/* ---- waits ---- */

static void test_jitter(void) {
  VelmHttpParams params = velm_http_params_default();
  g_autoptr(GRand) random = g_rand_new_with_seed(7);
  params.first_wait_ms = 100;
  params.max_wait_ms = 1000;
  for (int tries = 1; tries <= 40; tries++) {
    gint64 range = tries < 5 ? 100 << (tries - 1) : 1000, sum = 0, least = 1000, most = 0;
    for (int i = 0; i < 1000; i++) {
      gint64 wait = velm_http_retry_wait(&params, tries, 0, random);
      least = MIN(least, wait);
      most = MAX(most, wait);
      sum += wait;
    }
    /* All of the range, evenly: the mean's standard deviation is 0.9 % of the range. */
    g_assert_cmpint(least, >=, 0);
    g_assert_cmpint(least, <, range / 20);
    g_assert_cmpint(most, <=, range);
    g_assert_cmpint(most, >, range - range / 20);
    g_assert_cmpfloat(ABS((double)sum / 1000 - (double)range / 2), <, 0.06 * (double)range);
  }
}

static void test_retry_after_and_jitter(void) {
  VelmHttpParams params = velm_http_params_default();
  g_autoptr(GRand) random = g_rand_new_with_seed(7);
  params.first_wait_ms = 100;
  params.max_wait_ms = 5000;
  for (int i = 0; i < 1000; i++) {
    gint64 wait = velm_http_retry_wait(&params, 1, 2, random);
    g_assert_cmpint(wait, >=, 2000);
    g_assert_cmpint(wait, <=, 2100);
    g_assert_cmpint(velm_http_retry_wait(&params, 1, 5, random), ==, 5000);
    g_assert_cmpint(velm_http_retry_wait(&params, 1, G_MAXINT64, random), ==, 5000);
    g_assert_cmpint(velm_http_retry_wait(&params, 1, -7, random), <=, 100);
  }
}

static void test_same_seed(void) {
  VelmHttpParams params = velm_http_params_default();
  g_autoptr(GRand) one = g_rand_new_with_seed(3);
  g_autoptr(GRand) same = g_rand_new_with_seed(3);
  for (int i = 0; i < 50; i++)
    g_assert_cmpint(velm_http_retry_wait(&params, 2, 0, one), ==,
                    velm_http_retry_wait(&params, 2, 0, same));
}

/* ---- opening ---- */

static void test_params(void) {
  GError *error = NULL;
  VelmHttpParams params = velm_http_params_default();
  params.in_flight = 0;
  g_assert_null(velm_http_pool_new(&params, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "in_flight is 0");
  params = velm_http_params_default();
  params.tries = 0;
  g_assert_null(velm_http_pool_new(&params, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "tries is 0");
  params = velm_http_params_default();
  params.max_response = G_MAXSIZE;
  g_assert_null(velm_http_pool_new(&params, &error));
  assert_failure(&error, VELM_ERROR_USAGE, "max_response");
  params = velm_http_params_default();
  params.bearer = "abcd\r\nX-Evil: 1";
  g_assert_null(velm_http_pool_new(&params, &error));
  assert_failure(&error, VELM_ERROR_FILE, "control character");
  params = velm_http_params_default();
  params.ca_file = "/no/such/file.pem";
  g_assert_null(velm_http_pool_new(&params, &error));
  assert_failure(&error, VELM_ERROR_FILE, "/no/such/file.pem");
}

/* ---- TLS ---- */

/* A TLS server on 127.0.0.1 that answers any GET, made with openssl(1). */
typedef struct {
  char *folder, *certificate, *key, *url;
  GSubprocess *process;
} TlsServer;

static gboolean make_certificate(TlsServer *server) {
  g_autoptr(GSubprocess) openssl = g_subprocess_new(
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL, "openssl", "req",
      "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=velm test", "-addext",
      "subjectAltName=IP:127.0.0.1", "-out", server->certificate, "-keyout", server->key, NULL);
  return openssl && g_subprocess_wait_check(openssl, NULL, NULL);
}

/* A port that was free a moment ago. */
static guint16 free_port(void) {
  g_autoptr(GSocketListener) listener = g_socket_listener_new();
  guint16 port = g_socket_listener_add_any_inet_port(listener, NULL, NULL);
  g_socket_listener_close(listener);
  return port;
}

static gboolean accepts(guint16 port) {
  g_autoptr(GSocketClient) client = g_socket_client_new();
  g_autoptr(GSocketConnection) connection =
      g_socket_client_connect_to_host(client, "127.0.0.1", port, NULL, NULL);
  return connection != NULL;
}

static gboolean tls_server_start(TlsServer *server) {
  guint16 port = free_port();
  g_autofree char *text = g_strdup_printf("%u", port);
  server->folder = scratch_new();
  server->certificate = g_build_filename(server->folder, "certificate.pem", NULL);
  server->key = g_build_filename(server->folder, "key.pem", NULL);
  server->url = g_strdup_printf("https://127.0.0.1:%u/", port);
  if (!make_certificate(server))
    return FALSE;
  server->process = g_subprocess_new(
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, NULL, "openssl",
      "s_server", "-accept", text, "-cert", server->certificate, "-key", server->key, "-www", NULL);
  for (int i = 0; server->process && i < 1000; i++) {
    if (accepts(port))
      return TRUE;
    g_usleep(10 * 1000);
  }
  return FALSE;
}

static void tls_server_stop(TlsServer *server) {
  if (server->process) {
    g_subprocess_force_exit(server->process);
    g_subprocess_wait(server->process, NULL, NULL);
    g_object_unref(server->process);
  }
  scratch_remove(server->folder);
  g_free(server->certificate);
  g_free(server->key);
  g_free(server->url);
}

/* Where done() puts what came. */
typedef struct {
  int status; /* 0: nothing came */
  GError *error;
} Got;

static void keep_status(const VelmHttpResponse *response, const GError *error, gpointer data) {
  Got *got = data;
  got->status = response ? response->status : 0;
  got->error = error ? g_error_copy(error) : NULL;
}

/* The status of one GET; 0 where nothing came. */
static int get(const VelmHttpParams *params, const char *url, GError **error) {
  Got got = {0};
  g_autoptr(VelmHttpPool) pool = velm_http_pool_new(params, error);
  if (!pool)
    return 0;
  velm_http_pool_submit(pool, url, NULL, keep_status, &got, NULL);
  while (velm_http_pool_iterate(pool, -1))
    ;
  if (got.error)
    g_propagate_error(error, got.error);
  return got.status;
}

/* A server is trusted by the file that is named, and by nothing less. */
static void test_ca_file(void) {
  GError *error = NULL;
  TlsServer server = {0};
  VelmHttpParams params = velm_http_params_default();
  if (!tls_server_start(&server)) {
    g_test_skip("no openssl(1) that serves");
    tls_server_stop(&server);
    return;
  }
  g_assert_cmpint(get(&params, server.url, &error), ==, 0);
  assert_failure(&error, VELM_ERROR_FILE, "certificate");
  params.ca_file = server.certificate;
  g_assert_cmpint(get(&params, server.url, &error), ==, 200);
  g_assert_no_error(error);
  params.ca_file = server.key;
  g_assert_cmpint(get(&params, server.url, &error), ==, 0);
  assert_failure(&error, VELM_ERROR_FILE, "has no certificate in PEM form");
  tls_server_stop(&server);
}

#define ADD_WITH(name, data, function)                                                             \
  g_test_add("/http_pool/" name, Fixture, GINT_TO_POINTER(data), set_up, function, tear_down)
#define ADD(name, function) ADD_WITH(name, 0, function)

static void add_fault_tests(void) {
  ADD("429-seconds", test_429_seconds);
  ADD("429-date", test_429_date);
  ADD("429-holds-all", test_429_holds_all);
  ADD("hold-past-deadline", test_hold_past_deadline);
  ADD("hold-ends-waits", test_hold_ends_waits);
  ADD_WITH("408-then-good", 408, test_status_then_good);
  ADD_WITH("500-then-good", 500, test_status_then_good);
  ADD("500-stays", test_500_stays);
  ADD("400-is-final", test_400_is_final);
  ADD_WITH("truncated-then-good", SCRIPTED_TRUNCATED, test_fault_then_good);
  ADD_WITH("reset-then-good", SCRIPTED_RESET, test_fault_then_good);
  ADD_WITH("stalled-then-good", SCRIPTED_STALLED, test_fault_then_good);
  ADD_WITH("stalled-body-then-good", SCRIPTED_STALLED_BODY, test_fault_then_good);
  ADD_WITH("truncated-stays", SCRIPTED_TRUNCATED, test_fault_stays);
  ADD_WITH("reset-stays", SCRIPTED_RESET, test_fault_stays);
  ADD_WITH("stalled-stays", SCRIPTED_STALLED, test_fault_stays);
  ADD_WITH("stalled-body-stays", SCRIPTED_STALLED_BODY, test_fault_stays);
  ADD("thinking-is-no-stall", test_thinking_is_no_stall);
  ADD("sending-stalls", test_sending_stalls);
  ADD("total-timeout", test_total_timeout);
  ADD("too-large", test_too_large);
  ADD("wrong-urls", test_wrong_urls);
  ADD("key-is-blanked", test_key_is_blanked);
  ADD("proxy", test_proxy);
  ADD_WITH("all-faults/close", FALSE, test_all_faults);
  ADD_WITH("all-faults/keep-alive", TRUE, test_all_faults);
}

static void add_breaker_tests(void) {
  ADD("breaker/refuses", test_breaker_refuses);
  ADD("breaker/closes", test_breaker_closes);
  ADD("breaker/trial-is-retried", test_breaker_trial_is_retried);
  ADD("breaker/ends-waits", test_breaker_ends_waits);
  ADD("breaker/trial-is-cancelled", test_breaker_trial_is_cancelled);
  ADD("breaker/spares-queue", test_breaker_spares_queue);
  ADD("breaker/ignores-4xx", test_breaker_ignores_4xx);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("throughput", test_throughput);
  ADD("in-flight", test_in_flight);
  ADD("submit-within-done", test_submit_within_done);
  ADD("get-and-post", test_get_and_post);
  ADD("nothing-to-do", test_nothing_to_do);
  ADD("iterate-waits-no-longer", test_iterate_waits_no_longer);
  add_fault_tests();
  add_breaker_tests();
  ADD("cancel", test_cancel);
  ADD("cancel-within-done", test_cancel_within_done);
  ADD("free-while-pending", test_free_while_pending);
  g_test_add_func("/http_pool/jitter", test_jitter);
  g_test_add_func("/http_pool/retry-after-and-jitter", test_retry_after_and_jitter);
  g_test_add_func("/http_pool/same-seed", test_same_seed);
  g_test_add_func("/http_pool/params", test_params);
  g_test_add_func("/http_pool/ca-file", test_ca_file);
  return g_test_run();
}
