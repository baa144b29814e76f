/* Few-shot first, a language model for what it is not sure of: as a user would run it. */
#include "classify/scripted_server.h"
#include "cli/command.h"
#include "core/file.h"
#include "core/model.h"

#include <string.h>

#define SURE "sure.velm"     /* few-shot's answers always stand alone */
#define UNSURE "unsure.velm" /* and never */
#define ANSWER "{\"class\":\"dent\",\"reason\":\"a hollow\"}"
#define IMAGES PARTS "/test/missing_hole", PARTS "/test/good"
#define MODELS "{\"data\":[{\"id\":\"scripted\"}]}"

/* Far below what waiting for each part would take, far over what a busy machine adds. */
#define OUTAGE_S 30

static void copy(const char *from, const char *to) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) bytes = command_read(from);
  g_autofree char *path = command_path(to);
  velm_file_write(path, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &error);
  g_assert_no_error(error);
}

/* The two differ in nothing but the level of trust, and to teach one takes half a minute. */
static void teach_both(void) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = command_path(UNSURE);
  copy(FITTED, SURE);
  g_autoptr(Outcome) outcome =
      velm("teach", PARTS, "-m", SURE, "-s", SPEC, "--shots", "3", "--trust", "0");
  assert_success(outcome);
  copy(SURE, UNSURE);
  g_autoptr(VelmModel) model = velm_model_load(path, &error);
  g_assert_no_error(error);
  g_assert_true(velm_model_has(model, "fewshot.trust"));
  velm_model_set_double(model, "fewshot.trust", 1);
  velm_model_save(model, path, &error);
  g_assert_no_error(error);
}

static const char *text_of(const GPtrArray *records, guint index, const char *member) {
  return json_object_get_string_member_with_default(record_at(records, index), member, NULL);
}

static gboolean is_anomalous(const GPtrArray *records, guint index) {
  return json_object_get_boolean_member(record_at(records, index), "anomalous");
}

static GPtrArray *records_of(const Outcome *outcome) {
  GPtrArray *records = parse_records(outcome->out);
  g_assert_cmpuint(records->len, ==, 2 * N_PER_CLASS);
  return records;
}

/* Answers the list of models, which is looked at first, and else a class. */
static guint by_path(const ScriptedRequest *request, G_GNUC_UNUSED guint number,
                     G_GNUC_UNUSED guint seen, G_GNUC_UNUSED gpointer data) {
  return g_str_has_suffix(request->path, "/models") ? 0 : 1;
}

static ScriptedServer *server_new(void) {
  ScriptedServer *server = scripted_server_new();
  scripted_server_reply(server, 200, NULL, MODELS);
  scripted_server_answer(server, ANSWER);
  scripted_server_set_plan(server, by_path, NULL);
  return server;
}

static guint count_asked(ScriptedServer *server) {
  guint n = 0;
  for (guint i = 0; i < scripted_server_n_requests(server); i++)
    n += g_str_has_suffix(scripted_server_request(server, i)->path, "/completions") ? 1 : 0;
  return n;
}

static Outcome *inspect(const char *model, const char *classifier, const char *endpoint) {
  return velm("inspect", "-m", model, "--json", "--classifier", classifier, "--endpoint", endpoint,
              "--llm-timeout", "60", IMAGES);
}

static GPtrArray *fewshot_records(const char *model) {
  g_autoptr(Outcome) outcome =
      velm("inspect", "-m", model, "--json", "--classifier", "fewshot", IMAGES);
  assert_success(outcome);
  return records_of(outcome);
}

/* What is sure is not asked about; the rest is, and each record says which it was. */
static void test_who_answers(void) {
  g_autoptr(ScriptedServer) server = server_new();
  g_autoptr(GPtrArray) fewshot = fewshot_records(UNSURE);
  g_autoptr(Outcome) outcome = inspect(UNSURE, "auto", scripted_server_endpoint(server));
  assert_success(outcome);
  g_autoptr(GPtrArray) records = records_of(outcome);
  guint n = 0;
  for (guint i = 0; i < records->len; i++) {
    gboolean anomalous = is_anomalous(records, i);
    n += anomalous ? 1 : 0;
    g_assert_cmpstr(text_of(records, i, "stage"), ==, anomalous ? "mllm" : "detector");
    g_assert_cmpstr(text_of(records, i, "class"), ==, anomalous ? "dent" : NULL);
    assert_contains(text_of(records, i, "stage_reason"), anomalous ? "fewshot" : "not anomalous");
    g_assert_false(json_object_has_member(record_at(records, i), "fallback"));
  }
  g_assert_cmpuint(n, >=, N_PER_CLASS);
  g_assert_cmpuint(count_asked(server), ==, n);

  g_autoptr(ScriptedServer) idle = server_new();
  g_autoptr(Outcome) sure = inspect(SURE, "auto", scripted_server_endpoint(idle));
  assert_success(sure);
  g_autoptr(GPtrArray) sure_records = records_of(sure);
  guint n_unknown = 0;
  for (guint i = 0; i < sure_records->len; i++) {
    gboolean unknown = g_strcmp0(text_of(fewshot, i, "class"), "unknown") == 0;
    n_unknown += unknown ? 1 : 0;
    if (!is_anomalous(sure_records, i) || unknown)
      continue;
    g_assert_cmpstr(text_of(sure_records, i, "stage"), ==, "fewshot");
    g_assert_cmpstr(text_of(sure_records, i, "class"), ==, text_of(fewshot, i, "class"));
    assert_contains(text_of(sure_records, i, "stage_reason"), "is at least");
  }
  g_assert_cmpuint(count_asked(idle), ==, n_unknown);
}

/* Every part has the few-shot answer, with its reason, and nobody waits for long. */
static void assert_fallbacks(const Outcome *outcome, const char *why) {
  g_autoptr(GPtrArray) expected = fewshot_records(UNSURE);
  g_autoptr(GPtrArray) records = records_of(outcome);
  g_assert_cmpint(outcome->code, ==, 0);
  assert_contains(outcome->err, "have fewshot's answer");
  for (guint i = 0; i < records->len; i++) {
    g_assert_cmpstr(text_of(records, i, "class"), ==, text_of(expected, i, "class"));
    if (!is_anomalous(records, i))
      continue;
    g_assert_cmpstr(text_of(records, i, "stage"), ==, "fewshot");
    assert_contains(text_of(records, i, "stage_reason"), why);
    g_assert_true(json_object_get_boolean_member(record_at(records, i), "fallback"));
    g_assert_false(json_object_has_member(record_at(records, i), "error"));
  }
}

static void test_down_from_the_start(void) {
  ScriptedServer *server = scripted_server_new();
  g_autofree char *endpoint = g_strdup(scripted_server_endpoint(server));
  scripted_server_free(server);
  g_autoptr(Outcome) outcome = inspect(UNSURE, "auto", endpoint);
  assert_fallbacks(outcome, "gave no answer: ");
}

static void test_silent_from_the_start(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_fault(server, SCRIPTED_STALLED);
  gint64 start = g_get_monotonic_time();
  g_autoptr(Outcome) outcome = inspect(UNSURE, "cascade", scripted_server_endpoint(server));
  g_assert_cmpint(g_get_monotonic_time() - start, <, OUTAGE_S * G_USEC_PER_SEC);
  assert_fallbacks(outcome, "has not answered yet");
}

static guint fail_after_three(const ScriptedRequest *request, G_GNUC_UNUSED guint number,
                              G_GNUC_UNUSED guint seen, gpointer data) {
  guint *n = data;
  if (g_str_has_suffix(request->path, "/models"))
    return 0;
  return (*n)++ < 3 ? 1 : 2;
}

/* It goes away in the middle: what it answered stays. */
static void test_goes_away(void) {
  guint n = 0, n_mllm = 0, n_fewshot = 0;
  g_autoptr(ScriptedServer) server = server_new();
  scripted_server_reply(server, 500, NULL, "out of memory");
  scripted_server_set_plan(server, fail_after_three, &n);
  g_autoptr(Outcome) outcome = inspect(UNSURE, "auto", scripted_server_endpoint(server));
  g_assert_cmpint(outcome->code, ==, 0);
  g_autoptr(GPtrArray) records = records_of(outcome);
  for (guint i = 0; i < records->len; i++) {
    n_mllm += g_strcmp0(text_of(records, i, "stage"), "mllm") == 0;
    n_fewshot += g_strcmp0(text_of(records, i, "stage"), "fewshot") == 0;
  }
  g_assert_cmpuint(n_mllm, ==, 3);
  g_assert_cmpuint(n_fewshot, >=, 3);
  assert_contains(outcome->err, "out of memory");
}

/* An answer that cannot be used is none; what was used up is told. */
static void test_no_such_class(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_reply(server, 200, NULL, MODELS);
  scripted_server_reply(
      server, 200, NULL,
      "{\"choices\":[{\"message\":{\"content\":\"{\\\"class\\\":\\\"moon\\\"}\"}}],"
      "\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":10}}");
  scripted_server_set_plan(server, by_path, NULL);
  g_autofree char *prices = command_path("prices.yaml");
  g_assert_true(g_file_set_contents(prices, "scripted: {prompt: 2, completion: 10}\n", -1, NULL));
  g_autoptr(Outcome) outcome =
      velm("inspect", "-m", UNSURE, "--json", "--endpoint", scripted_server_endpoint(server),
           "--prices", "prices.yaml", "--usage", "usage.json", PARTS "/test/missing_hole");
  g_assert_cmpint(outcome->code, ==, 0);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  guint n = 0;
  for (guint i = 0; i < records->len; i++) {
    if (!is_anomalous(records, i))
      continue;
    n++;
    assert_contains(text_of(records, i, "stage_reason"), "moon");
    JsonObject *llm = json_object_get_object_member(record_at(records, i), "llm");
    assert_keys(llm, "model requests prompt_tokens completion_tokens usd");
    g_assert_cmpstr(json_object_get_string_member(llm, "model"), ==, "scripted");
    g_assert_cmpint(json_object_get_int_member(llm, "requests"), ==, 2);
    g_assert_cmpint(json_object_get_int_member(llm, "prompt_tokens"), ==, 2000);
    g_assert_cmpint(json_object_get_int_member(llm, "completion_tokens"), ==, 20);
    g_assert_cmpfloat_with_epsilon(json_object_get_double_member(llm, "usd"), 0.0042, 1e-9);
  }
  g_assert_cmpuint(n, >, 1);
  g_autoptr(GBytes) bytes = command_read("usage.json");
  g_autofree char *usage = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
  g_autoptr(JsonNode) root = json_from_string(usage, NULL);
  JsonObject *total = json_node_get_object(root);
  g_assert_cmpint(json_object_get_int_member(total, "requests"), ==, 2 * n);
  g_assert_cmpint(json_object_get_int_member(total, "prompt_tokens"), ==, 2000 * n);
  g_assert_cmpfloat_with_epsilon(json_object_get_double_member(total, "usd"), 0.0042 * n, 1e-9);
}

/* Without teaching there is no first opinion; an address in the environment alone is not used. */
static void test_auto(void) {
  g_autoptr(ScriptedServer) server = server_new();
  g_autoptr(Outcome) refused = inspect(FITTED, "cascade", scripted_server_endpoint(server));
  assert_refused(refused, 1, "velm teach");
  g_setenv("OPENAI_BASE_URL", scripted_server_endpoint(server), TRUE);
  g_autoptr(Outcome) outcome = velm("inspect", "-m", UNSURE, "--json", PARTS "/test/missing_hole");
  g_unsetenv("OPENAI_BASE_URL");
  assert_success(outcome);
  g_assert_null(strstr(outcome->out, "\"stage\":\"mllm\""));
  assert_contains(outcome->out, "\"stage_reason\":\"the only classifier\"");
  g_assert_cmpuint(scripted_server_n_requests(server), ==, 0);
  g_autoptr(Outcome) mllm = velm("inspect", "-m", FITTED, "-s", SPEC, "--json", "--endpoint",
                                 scripted_server_endpoint(server), PARTS "/test/missing_hole");
  assert_success(mllm);
  assert_contains(mllm->out, "\"stage\":\"mllm\"");
  g_autoptr(Outcome) trust = velm("teach", PARTS, "-m", SURE, "-s", SPEC, "--trust", "1.5");
  assert_refused(trust, 2, "--trust of 0 to 1");
}

int main(int argc, char **argv) {
  g_setenv("no_proxy", "127.0.0.1", TRUE);
  g_setenv("NO_PROXY", "127.0.0.1", TRUE);
  g_unsetenv("OPENAI_BASE_URL");
  g_test_init(&argc, &argv, NULL);
  command_set_up();
  teach_both();
  g_test_add_func("/cli/cascade/who_answers", test_who_answers);
  g_test_add_func("/cli/cascade/down_from_the_start", test_down_from_the_start);
  g_test_add_func("/cli/cascade/silent_from_the_start", test_silent_from_the_start);
  g_test_add_func("/cli/cascade/goes_away", test_goes_away);
  g_test_add_func("/cli/cascade/no_such_class", test_no_such_class);
  g_test_add_func("/cli/cascade/auto", test_auto);
  int code = g_test_run();
  command_tear_down();
  return code;
}
