#include "classify/llm_health.h"
#include "classify/scripted_server.h"

#include <string.h>

#define MODELS "{\"data\":[{\"id\":\"first\"},{\"id\":\"second\"}]}"
#define WAIT_S 20

typedef struct {
  ScriptedServer *scripted;
  VelmLlmServer *server;
  VelmLlmHealth *health;
  VelmLlmHealthParams params;
} Fixture;

static VelmLlmServer *open_server(const char *endpoint) {
  VelmHttpParams http = velm_http_params_default();
  http.tries = 1;
  http.breaker_failures = 0;
  g_autoptr(GError) error = NULL;
  VelmLlmServer *server = velm_llm_server_new(endpoint, NULL, NULL, &http, &error);
  g_assert_no_error(error);
  return server;
}

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_unsetenv("OPENAI_API_KEY");
  f->scripted = scripted_server_new();
  f->server = open_server(scripted_server_endpoint(f->scripted));
  f->params = velm_llm_health_params_default();
  f->params.again_ms = 20;
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_llm_server_free(f->server);
  velm_llm_health_free(f->health);
  scripted_server_free(f->scripted);
}

/* Goes on until the state is @state. */
static void wait_for(Fixture *f, VelmLlmState state) {
  gint64 end = g_get_monotonic_time() + WAIT_S * G_USEC_PER_SEC;
  while (velm_llm_health_check(f->health) != state) {
    velm_llm_server_iterate(f->server, 10);
    g_usleep(1000);
    g_assert_cmpint(g_get_monotonic_time(), <, end);
  }
}

static void test_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GError) error = NULL;
  scripted_server_reply(f->scripted, 200, NULL, MODELS);
  f->health = velm_llm_health_new(f->server, &f->params);
  g_assert_cmpint(velm_llm_health_check(f->health), ==, VELM_LLM_UNTRIED);
  wait_for(f, VELM_LLM_UP);
  g_assert_cmpuint(scripted_server_n_requests(f->scripted), ==, 1);
  g_assert_cmpstr(scripted_server_request(f->scripted, 0)->path, ==, "/v1/models");
  /* The look told the model's name: it is not asked for again. */
  g_assert_cmpstr(velm_llm_server_get_llm(f->server, &error), ==, "first");
  g_assert_cmpint(velm_llm_health_check(f->health), ==, VELM_LLM_UP);
  g_assert_cmpuint(scripted_server_n_requests(f->scripted), ==, 1);
}

/* A server without such a list, or that wants a key, is there all the same. */
static void test_refusal_is_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->scripted, 404, NULL, "no such page");
  f->health = velm_llm_health_new(f->server, &f->params);
  velm_llm_health_check(f->health);
  wait_for(f, VELM_LLM_UP);
}

static void test_down_and_back(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->scripted, 503, NULL, "starting");
  scripted_server_reply(f->scripted, 503, NULL, "starting");
  scripted_server_reply(f->scripted, 200, NULL, MODELS);
  f->health = velm_llm_health_new(f->server, &f->params);
  wait_for(f, VELM_LLM_DOWN);
  g_assert_nonnull(strstr(velm_llm_health_why(f->health), "HTTP 503: starting"));
  wait_for(f, VELM_LLM_UP);
  g_assert_cmpuint(scripted_server_n_requests(f->scripted), ==, 3);
}

/* One that takes requests and says nothing is waited for no longer than the patience; what it says
 * in the end counts. */
static void test_silent(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->scripted, 200, NULL, MODELS);
  scripted_server_set_latency(f->scripted, 1500);
  f->params.patience_ms = 50;
  f->health = velm_llm_health_new(f->server, &f->params);
  gint64 start = g_get_monotonic_time();
  velm_llm_health_check(f->health);
  wait_for(f, VELM_LLM_DOWN);
  g_assert_cmpint(g_get_monotonic_time() - start, <, 1500 * 1000);
  g_assert_nonnull(velm_llm_health_why(f->health));
  wait_for(f, VELM_LLM_UP);
  g_assert_cmpuint(scripted_server_n_requests(f->scripted), ==, 1);
}

static void test_failures_in_a_row(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->scripted, 200, NULL, MODELS);
  f->params.failures = 3;
  f->params.again_ms = 60000;
  f->health = velm_llm_health_new(f->server, &f->params);
  velm_llm_health_check(f->health);
  wait_for(f, VELM_LLM_UP);
  velm_llm_health_note(f->health, FALSE, "reset");
  velm_llm_health_note(f->health, FALSE, "reset");
  velm_llm_health_note(f->health, TRUE, NULL);
  velm_llm_health_note(f->health, FALSE, "reset");
  velm_llm_health_note(f->health, FALSE, "reset");
  g_assert_cmpint(velm_llm_health_check(f->health), ==, VELM_LLM_UP);
  velm_llm_health_note(f->health, FALSE, "HTTP 500");
  g_assert_cmpint(velm_llm_health_check(f->health), ==, VELM_LLM_DOWN);
  g_assert_cmpstr(velm_llm_health_why(f->health), ==, "HTTP 500");
  /* One that was on its way comes back with an answer. */
  velm_llm_health_note(f->health, TRUE, NULL);
  g_assert_cmpint(velm_llm_health_check(f->health), ==, VELM_LLM_UP);
}

/* Freed while it looks. */
static void test_freed(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_fault(f->scripted, SCRIPTED_STALLED);
  f->health = velm_llm_health_new(f->server, &f->params);
  velm_llm_health_check(f->health);
  velm_llm_server_iterate(f->server, 10);
  g_assert_cmpint(velm_llm_health_check(f->health), ==, VELM_LLM_UNTRIED);
}

int main(int argc, char **argv) {
  g_setenv("no_proxy", "127.0.0.1", TRUE);
  g_setenv("NO_PROXY", "127.0.0.1", TRUE);
  g_test_init(&argc, &argv, NULL);
#define ADD(name, function)                                                                        \
  g_test_add("/classify/llm_health/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("up", test_up);
  ADD("refusal_is_up", test_refusal_is_up);
  ADD("down_and_back", test_down_and_back);
  ADD("silent", test_silent);
  ADD("failures_in_a_row", test_failures_in_a_row);
  ADD("freed", test_freed);
#undef ADD
  return g_test_run();
}
