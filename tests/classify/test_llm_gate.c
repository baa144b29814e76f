/* Requests pass a gate before they leave: they wait for it, stop at it, and tell it what they cost.
 */
#include "classify/llm_gate.h"

#include "classify/mllm.h"
#include "classify/scripted_server.h"
#include "core/scratch.h"

#include <math.h>
#include <string.h>

#define PRICES "scripted: {prompt: 2, completion: 10}\n"
#define N 6

/* ---- a gate of the test's own ---- */

typedef struct {
  VelmLlmGate gate;
  guint left;           /* that it grants before it waits */
  const char *stopping; /* why it stops; NULL where it waits */
  guint granted, settled, released, unknown, asked;
  gint64 cost, most;
  gint64 wait_us;
} Gate;

static VelmLlmGateVerdict acquire(gpointer data, gint64 picodollars, VelmLlmGrant *grant,
                                  gint64 *again, char **why) {
  Gate *gate = data;
  gate->asked++;
  gate->most = picodollars;
  if (gate->left > 0) {
    gate->left--;
    gate->granted++;
    *grant = (VelmLlmGrant){picodollars, 7, 3};
    return VELM_LLM_GATE_GRANTED;
  }
  if (gate->stopping) {
    *why = g_strdup(gate->stopping);
    return VELM_LLM_GATE_STOP;
  }
  *again = g_get_monotonic_time() + gate->wait_us;
  return VELM_LLM_GATE_WAIT;
}

static void assert_own(const Gate *gate, const VelmLlmGrant *grant) {
  g_assert_cmpint(grant->picodollars, ==, gate->most);
  g_assert_cmpint(grant->minute, ==, 7);
  g_assert_cmpint(grant->day, ==, 3);
}

static void settle(gpointer data, const VelmLlmGrant *grant, gint64 picodollars) {
  Gate *gate = data;
  assert_own(gate, grant);
  gate->settled++;
  gate->unknown += picodollars < 0;
  gate->cost += MAX(picodollars, 0);
}

static void release(gpointer data, const VelmLlmGrant *grant) {
  Gate *gate = data;
  assert_own(gate, grant);
  gate->released++;
}

/* ---- the classifier ---- */

typedef struct {
  ScriptedServer *server;
  VelmClasses *classes;
  VelmMllmParams mllm;
  VelmClassifierParams params;
  char *folder, *prices, *away;
  Gate gate;
  VelmClassifier *classifier;
  VelmInspection *inspections[N];
  guint done, answered;
  char *error; /* of the last without an answer */
} Fixture;

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->server = scripted_server_new();
  f->folder = scratch_new();
  f->prices = scratch_write(f->folder, "prices.yaml", PRICES, strlen(PRICES));
  f->classes = velm_classes_new();
  velm_classes_add(f->classes, "rust", NULL, "brown patches");
  f->gate = (Gate){.gate = {acquire, settle, release, &f->gate}, .wait_us = 20 * 1000};
  f->mllm = velm_mllm_params_default();
  f->mllm.http.first_wait_ms = 1;
  f->params = (VelmClassifierParams){.endpoint = scripted_server_endpoint(f->server),
                                     .llm = "scripted",
                                     .prices = f->prices,
                                     .in_flight = 2,
                                     .gate = &f->gate.gate};
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_classifier_free(f->classifier);
  for (guint i = 0; i < N; i++)
    velm_inspection_free(f->inspections[i]);
  velm_classes_free(f->classes);
  scripted_server_free(f->server);
  scratch_remove(f->folder);
  g_free(f->prices);
  g_free(f->away);
  g_free(f->error);
}

static void done(G_GNUC_UNUSED VelmInspection *inspection, const GError *error,
                 gpointer user_data) {
  Fixture *f = user_data;
  f->done++;
  f->answered += error == NULL;
  if (error) {
    g_free(f->error);
    f->error = g_strdup(error->message);
  }
}

static void submit(Fixture *f, guint n) {
  g_autoptr(GError) error = NULL;
  f->classifier = velm_mllm_open(NULL, f->classes, &f->params, &f->mllm, &error);
  g_assert_no_error(error);
  for (guint i = 0; i < n; i++) {
    f->inspections[i] = velm_inspection_new("part.png");
    f->inspections[i]->image = velm_image_new(40, 30);
    f->inspections[i]->focus = velm_mask_new(40, 30);
    memset(f->inspections[i]->focus->values + 15 * 40 + 10, 255, 10 + i);
    velm_classifier_submit(f->classifier, f->inspections[i], done, f);
  }
}

static void iterate_for(Fixture *f, guint ms) {
  gint64 end = g_get_monotonic_time() + ms * 1000;
  while (g_get_monotonic_time() < end)
    velm_classifier_iterate(f->classifier, 5);
}

/* Until @count is @n; it may take long on a machine that has other things to do. */
static void iterate_until(Fixture *f, const guint *count, guint n) {
  gint64 end = g_get_monotonic_time() + 60 * G_TIME_SPAN_SECOND;
  while (*count < n && g_get_monotonic_time() < end)
    velm_classifier_iterate(f->classifier, 5);
  g_assert_cmpuint(*count, >=, n);
}

static void iterate_until_done(Fixture *f) {
  while (velm_classifier_iterate(f->classifier, 1000))
    continue;
}

/* Nothing is with the gate that has ended. */
static void assert_even(const Fixture *f) {
  g_assert_cmpuint(f->gate.settled + f->gate.released, ==, f->gate.granted);
}

/* ---- tests ---- */

static void answer_with_usage(Fixture *f) {
  scripted_server_reply(
      f->server, 200, NULL,
      "{\"choices\":[{\"message\":{\"content\":\"{\\\"class\\\":\\\"rust\\\"}\"}}],"
      "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":10}}");
}

static void test_wait(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  answer_with_usage(f);
  f->gate.left = 2;
  submit(f, N);
  gint64 start = g_get_monotonic_time();
  iterate_until(f, &f->done, 2);
  iterate_until(f, &f->gate.asked, 4);
  gint64 ms = (g_get_monotonic_time() - start) / 1000;
  g_assert_cmpuint(f->done, ==, 2);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2);
  g_assert_cmpuint(f->gate.asked, <=, 5 + ms / 10); /* not before it says */
  f->gate.left = 100;
  iterate_until_done(f);
  g_assert_cmpuint(f->answered, ==, N);
  g_assert_cmpuint(f->gate.granted, ==, N);
  g_assert_cmpint(f->gate.cost, ==, N * G_GINT64_CONSTANT(300) * 1000000);
  assert_even(f);
}

/* The time in which an answer is to come begins when the request leaves. */
static void test_deadline(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  answer_with_usage(f);
  f->params.timeout_s = 1;
  submit(f, 1);
  iterate_for(f, 1300);
  g_assert_cmpuint(f->done, ==, 0);
  f->gate.left = 1;
  iterate_until_done(f);
  g_assert_cmpuint(f->answered, ==, 1);
}

static void test_stop(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  answer_with_usage(f);
  f->gate.left = 1;
  f->gate.stopping = "the plant has spent it";
  submit(f, 3);
  iterate_until_done(f);
  g_assert_cmpuint(f->answered, ==, 1);
  g_assert_cmpuint(f->done, ==, 3);
  g_assert_nonnull(strstr(f->error, "not asked: the plant has spent it"));
  g_assert_cmpint(velm_spending_get_spent(velm_classifier_get_spending(f->classifier)), ==,
                  300 * 1000000);
  assert_even(f);
}

/* What waits is given up with the others, and none of it was granted. */
static void test_cancel(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_fault(f->server, SCRIPTED_STALLED);
  f->gate.left = 1;
  submit(f, 3);
  while (scripted_server_n_requests(f->server) == 0)
    velm_classifier_iterate(f->classifier, 5);
  velm_classifier_cancel(f->classifier);
  g_assert_cmpuint(f->done, ==, 3);
  g_assert_cmpuint(f->gate.granted, ==, 1);
  g_assert_cmpuint(f->gate.unknown, ==, 1);
  assert_even(f);
}

/* A server that is not there costs nothing, however often it is tried. */
static void test_refused(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  ScriptedServer *before = scripted_server_new();
  f->away = g_strdup(scripted_server_endpoint(before));
  scripted_server_free(before);
  f->params.endpoint = f->away;
  f->gate.left = 100;
  submit(f, 1);
  iterate_until_done(f);
  g_assert_cmpuint(f->answered, ==, 0);
  g_assert_cmpuint(f->gate.granted, ==, 3);
  g_assert_cmpuint(f->gate.released, ==, 3);
  g_assert_cmpint(velm_spending_get_spent(velm_classifier_get_spending(f->classifier)), ==, 0);
}

/* Each try is a request of its own. */
static void test_tries(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 500, NULL, "busy");
  answer_with_usage(f);
  f->gate.left = 2;
  submit(f, 1);
  iterate_until_done(f);
  g_assert_cmpuint(f->answered, ==, 1);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2);
  g_assert_cmpuint(f->gate.granted, ==, 2);
  g_assert_cmpuint(f->gate.unknown, ==, 1); /* the failed one may have been charged */
  assert_even(f);
}

static void test_tries_end(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 500, NULL, "busy");
  f->gate.left = 100;
  submit(f, 1);
  iterate_until_done(f);
  g_assert_cmpuint(f->answered, ==, 0);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 3);
  g_assert_cmpuint(f->gate.granted, ==, 3);
  assert_even(f);
}

/* What is refused reached the server, and cost nothing. */
static void test_refusal(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 404, NULL, "no such model");
  f->gate.left = 100;
  submit(f, 1);
  iterate_until_done(f);
  g_assert_cmpuint(f->gate.settled, ==, 1);
  g_assert_cmpint(f->gate.cost, ==, 0);
  g_assert_cmpuint(f->gate.unknown, ==, 0);
}

/* What is granted leaves at once: no more is asked for than the server has places. */
static void test_places(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  answer_with_usage(f);
  scripted_server_set_latency(f->server, 300);
  f->gate.left = 100;
  submit(f, N);
  iterate_until(f, &f->gate.granted, 2);
  iterate_for(f, 100);
  g_assert_cmpuint(f->gate.granted, <=, 2 + f->done);
  iterate_until_done(f);
  g_assert_cmpuint(f->answered, ==, N);
}

static void test_without_price(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  answer_with_usage(f);
  f->params.prices = NULL;
  f->gate.left = 1;
  submit(f, 1);
  iterate_until_done(f);
  g_assert_cmpint(f->gate.most, ==, -1);
  g_assert_cmpuint(f->answered, ==, 1);
}

#define ADD(name, function)                                                                        \
  g_test_add("/llm-gate/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  ADD("wait", test_wait);
  ADD("deadline", test_deadline);
  ADD("stop", test_stop);
  ADD("cancel", test_cancel);
  ADD("refused", test_refused);
  ADD("tries", test_tries);
  ADD("tries-end", test_tries_end);
  ADD("refusal", test_refusal);
  ADD("places", test_places);
  ADD("without-price", test_without_price);
  return g_test_run();
}
