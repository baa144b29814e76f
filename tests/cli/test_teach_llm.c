/* Examples for a language model and its temperature, as a user would teach and use them. */
#include "classify/scripted_server.h"
#include "classify/temperature.h"
#include "cli/command.h"
#include "core/file.h"

#include <string.h>

/* One example a class: to look at one takes long. */
#define N_TAUGHT N_CLASSES

/* "dent" with nine tenths, "dust" with one: a model that is far too sure, for it always says so. */
#define SURE_OF_DENT                                                                               \
  "{\"choices\":[{\"message\":{\"content\":\"{\\\"class\\\":\\\"dent\\\"}\"},"                     \
  "\"logprobs\":{\"content\":["                                                                    \
  "{\"token\":\"{\\\"class\\\":\\\"\",\"logprob\":0,\"top_logprobs\":[]},"                         \
  "{\"token\":\"dent\",\"logprob\":-0.1053605,\"top_logprobs\":["                                  \
  "{\"token\":\"dent\",\"logprob\":-0.1053605},"                                                   \
  "{\"token\":\"dust\",\"logprob\":-2.3025851}]},"                                                 \
  "{\"token\":\"\\\"}\",\"logprob\":0,\"top_logprobs\":[]}]}}]}"

static void copy(const char *from, const char *to) {
  g_autoptr(GBytes) bytes = command_read(from);
  g_autofree char *path = command_path(to);
  g_autoptr(GError) error = NULL;
  velm_file_write(path, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), &error);
  g_assert_no_error(error);
}

#define velm_teach(server, ...)                                                                    \
  velm("teach", PARTS, "-s", SPEC, "--shots", "1", "--ask-llm", "--endpoint",                      \
       scripted_server_endpoint(server), "--llm", "scripted", "-m", __VA_ARGS__)

/* ---- the temperature ---- */

/* The number after @label. */
static double number_after(const char *text, const char *label) {
  const char *at = strstr(text, label);
  if (!at)
    g_error("\"%s\" is not in \"%s\"", label, text);
  return g_ascii_strtod(at + strlen(label), NULL);
}

/* The probabilities that velm inspect records of the first dent that is anomalous. Returns:
 * (transfer full): 8 numbers: of the classes, "good" and "unknown" */
#define N_ANSWERS (N_CLASSES + 2)

static double *inspect_dent(ScriptedServer *server, const char *model, const char *llm) {
  g_autoptr(Outcome) outcome =
      velm("inspect", "-m", model, "-s", SPEC, "--json", "--classifier", "mllm", "--endpoint",
           scripted_server_endpoint(server), "--llm", llm, PARTS "/test/dent");
  assert_success(outcome);
  g_autoptr(GPtrArray) records = parse_records(outcome->out);
  guint i = 0;
  while (json_object_get_null_member(record_at(records, i), "class"))
    i++;
  JsonObject *record = record_at(records, i);
  JsonObject *all = json_object_get_object_member(record, "probabilities");
  g_autoptr(GList) values = json_object_get_values(all);
  g_assert_cmpuint(g_list_length(values), ==, N_ANSWERS);
  double *probabilities = g_new(double, N_ANSWERS), sum = 0;
  guint n = 0;
  for (GList *value = values; value; value = value->next)
    sum += probabilities[n++] = json_node_get_double(value->data);
  g_assert_cmpfloat_with_epsilon(sum, 1, 1e-5);
  g_assert_cmpstr(json_object_get_string_member(record, "class"), ==, "dent");
  g_assert_cmpfloat(json_object_get_double_member(record, "confidence"), ==,
                    json_object_get_double_member(all, "dent"));
  return probabilities;
}

static void check_scaled(const double *probabilities, const double *raw, double temperature) {
  double expected[N_ANSWERS];
  memcpy(expected, raw, sizeof expected);
  velm_temperature_apply(temperature, expected, N_ANSWERS);
  for (guint i = 0; i < N_ANSWERS; i++)
    g_assert_cmpfloat_with_epsilon(probabilities[i], expected[i], 0.01);
}

/* What is learnt is printed, kept, used for that model alone, and gone after another teaching. */
static void test_temperature(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_reply(server, 200, NULL, SURE_OF_DENT);
  copy(FITTED, "asked.velm");
  g_autoptr(Outcome) taught = velm_teach(server, "asked.velm");
  assert_success(taught);
  g_assert_cmpuint(scripted_server_n_requests(server), ==, N_TAUGHT);
  assert_contains(taught->out, "\nlanguage model scripted: 1 of 6 examples right, temperature ");
  double temperature = number_after(taught->out, "temperature ");
  g_assert_cmpfloat(temperature, >, 2);
  g_assert_cmpfloat(number_after(taught->out, "these labels: "), >,
                    number_after(taught->out, "scaled "));
  g_autoptr(Outcome) info = velm("info", "asked.velm");
  assert_success(info);
  g_assert_nonnull(strstr(taught->out, info->out));
  g_autofree double *raw = inspect_dent(server, FITTED, "scripted");
  g_autofree double *scaled = inspect_dent(server, "asked.velm", "scripted");
  g_autofree double *other = inspect_dent(server, "asked.velm", "another");
  check_scaled(scaled, raw, temperature);
  check_scaled(other, raw, 1);
  g_autoptr(Outcome) again = velm("teach", PARTS, "-s", SPEC, "--shots", "1", "-m", "asked.velm");
  assert_success(again);
  g_assert_null(strstr(again->out, "language model"));
}

static void test_no_probabilities(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_answer(server, "{\"class\":\"dent\",\"reason\":\"a hollow\"}");
  copy(FITTED, "bare.velm");
  g_autoptr(Outcome) taught = velm_teach(server, "bare.velm");
  assert_success(taught);
  assert_contains(taught->out, "language model scripted: 1 of 6 examples right; it gives no "
                               "probabilities, so there is no temperature\n");
}

/* Every third request is refused for good. */
static guint refuse_some(G_GNUC_UNUSED const ScriptedRequest *request, guint number,
                         G_GNUC_UNUSED guint seen, G_GNUC_UNUSED gpointer data) {
  return number % 3 == 0;
}

static void test_some_fail(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_reply(server, 200, NULL, SURE_OF_DENT);
  scripted_server_reply(server, 400, NULL, "{\"error\":{\"message\":\"too many pixels\"}}");
  scripted_server_set_plan(server, refuse_some, NULL);
  copy(FITTED, "some.velm");
  g_autoptr(Outcome) taught = velm_teach(server, "some.velm");
  assert_success(taught);
  assert_contains(taught->out, " of 4 examples right, 2 not answered, temperature ");
}

/* The model stays as it was, as it does where the server cannot even be asked. */
static void test_all_fail(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_reply(server, 400, NULL, "{\"error\":{\"message\":\"too many pixels\"}}");
  copy(FITTED, "none.velm");
  g_autoptr(Outcome) taught = velm_teach(server, "none.velm");
  assert_refused(taught, 1, "the language model answered none of 6 examples; the last one: ");
  g_autoptr(Outcome) no_server = velm("teach", PARTS, "-s", SPEC, "-m", "none.velm", "--ask-llm");
  assert_refused(no_server, 2, "no server; give --endpoint URL");
  g_autoptr(GBytes) before = command_read(FITTED);
  g_autoptr(GBytes) after = command_read("none.velm");
  g_assert_true(g_bytes_equal(before, after));
}

/* ---- examples ---- */

static guint count(const char *text, const char *part) {
  g_auto(GStrv) pieces = g_strsplit(text, part, -1);
  return g_strv_length(pieces) - 1;
}

/* All that is taught stands in the prompts, but for the examples of the part that is asked about.
 * A part may have been taught for several classes. */
static void test_taught_with_examples(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_reply(server, 200, NULL, SURE_OF_DENT);
  copy(FITTED, "shown.velm");
  g_autoptr(Outcome) taught = velm_teach(server, "shown.velm", "--examples", "5");
  assert_success(taught);
  g_assert_cmpuint(scripted_server_n_requests(server), ==, N_TAUGHT);
  for (guint i = 0; i < N_TAUGHT; i++) {
    const char *body = scripted_server_request(server, i)->body;
    guint n = count(body, "is an example of the class");
    g_assert_cmpuint(n, <, N_TAUGHT);
    g_assert_cmpuint(n, >, 0);
    g_assert_cmpuint(count(body, "data:image/jpeg"), ==, n + 3);
  }
}

static char *first_image(const char *folder) {
  g_autofree char *path = command_path(folder);
  g_autoptr(GPtrArray) names = velm_file_list(path, NULL);
  g_assert_cmpuint(names->len, >, 0);
  return g_build_filename(folder, names->pdata[0], NULL);
}

/* What velm inspect sends is what velm prompt writes, to the byte. */
static void test_prompt(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  g_autofree char *image = first_image(PARTS "/test/missing_hole");
  scripted_server_answer(server, "{\"class\":\"dent\",\"reason\":\"a hollow\"}");
  g_autoptr(Outcome) asked =
      velm("inspect", image, "-m", TAUGHT, "-s", SPEC, "--classifier", "mllm", "--llm", "the-model",
           "--endpoint", scripted_server_endpoint(server), "--examples", "1");
  assert_success(asked);
  g_assert_cmpuint(scripted_server_n_requests(server), ==, 1);
  g_autoptr(Outcome) written = velm("prompt", image, "-m", TAUGHT, "-s", SPEC, "-o", "look",
                                    "--llm", "the-model", "--examples", "1");
  assert_success(written);
  assert_contains(written->out, "with 9 images");
  assert_contains(written->out, "look/image-2-example.jpg\n");
  assert_contains(written->out, "look/image-7-example.jpg\n  look/image-8-part.jpg\n");
  g_autoptr(GBytes) request = command_read("look/request.json");
  const char *sent = scripted_server_request(server, 0)->body;
  g_assert_cmpmem(sent, strlen(sent), g_bytes_get_data(request, NULL), g_bytes_get_size(request));
}

/* No part that is shown as an example, or was asked about for the temperature, counts. */
static void test_evaluate(void) {
  g_autoptr(ScriptedServer) server = scripted_server_new();
  scripted_server_answer(server, "{\"class\":\"dent\",\"reason\":\"a hollow\"}");
#define EVALUATE(...)                                                                              \
  velm("evaluate", PARTS, "-m", TAUGHT, "-s", SPEC, "--classifier", "mllm", "--endpoint",          \
       scripted_server_endpoint(server), "--llm", "scripted", __VA_ARGS__)
  g_autoptr(Outcome) without = EVALUATE("--examples", "0");
  assert_success(without);
  g_assert_null(strstr(without->out, "left out"));
  guint n_without = scripted_server_n_requests(server);
  g_autoptr(Outcome) with = EVALUATE("--examples", "1");
  assert_success(with);
  assert_contains(with->out, " images of taught parts left out");
  guint n_with = scripted_server_n_requests(server) - n_without;
  g_assert_cmpuint(n_without, >=, N_CLASSES * N_PER_CLASS);
  g_assert_cmpuint(n_with, <=, n_without - 3 * N_CLASSES); /* what TAUGHT was taught */
  g_assert_cmpuint(n_with, >, 0);
#undef EVALUATE
}

static void test_refused(void) {
  g_autofree char *image = first_image(PARTS "/test/missing_hole");
  g_autoptr(Outcome) untaught =
      velm("inspect", image, "-m", FITTED, "-s", SPEC, "--classifier", "mllm", "--endpoint",
           "http://127.0.0.1:9/v1", "--examples", "1");
  assert_refused(untaught, 1, "no labelled examples to show a language model; run velm teach");
  g_autoptr(Outcome) unwritten =
      velm("prompt", image, "-m", FITTED, "-s", SPEC, "-o", "x", "--examples", "1");
  assert_refused(unwritten, 1, "no labelled examples");
  g_autoptr(Outcome) negative =
      velm("prompt", image, "-m", TAUGHT, "-s", SPEC, "-o", "x", "--examples", "-1");
  assert_refused(negative, 2, "--examples must be 0 or more");
  g_autoptr(Outcome) fewer = velm("teach", PARTS, "-m", TAUGHT, "-s", SPEC, "--examples", "-1");
  assert_refused(fewer, 2, "--examples must be 0 or more");
}

int main(int argc, char **argv) {
  g_setenv("no_proxy", "127.0.0.1", TRUE);
  g_setenv("NO_PROXY", "127.0.0.1", TRUE);
  g_test_init(&argc, &argv, NULL);
  command_set_up();
  g_test_add_func("/cli/teach-llm/temperature", test_temperature);
  g_test_add_func("/cli/teach-llm/no-probabilities", test_no_probabilities);
  g_test_add_func("/cli/teach-llm/some-fail", test_some_fail);
  g_test_add_func("/cli/teach-llm/all-fail", test_all_fail);
  g_test_add_func("/cli/teach-llm/with-examples", test_taught_with_examples);
  g_test_add_func("/cli/teach-llm/prompt", test_prompt);
  g_test_add_func("/cli/teach-llm/evaluate", test_evaluate);
  g_test_add_func("/cli/teach-llm/refused", test_refused);
  int code = g_test_run();
  command_tear_down();
  return code;
}
