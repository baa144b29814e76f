#include "classify/mllm.h"
#include "classify/scripted_server.h"
#include "classify/temperature.h"
#include "core/file.h"
#include "core/json.h"
#include "core/scratch.h"

#include <math.h>
#include <string.h>

#define KEY "sk-test-0123456789abcdefghij"
#define GOOD_ANSWER "{\"class\":\"rust\",\"reason\":\"brown patches at the edge\"}"

typedef struct {
  ScriptedServer *server;
  VelmClasses *classes;
  VelmInspection *inspection;
  VelmModel *model;      /* or NULL */
  VelmMllmParams params; /* quick */
  const char *endpoint;  /* the server's where NULL */
  const char *llm;
  GError *error;
} Fixture;

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_setenv("OPENAI_API_KEY", KEY, TRUE);
  g_unsetenv("OPENAI_BASE_URL");
  f->server = scripted_server_new();
  f->classes = velm_classes_new();
  f->classes->object = g_strdup("bracket");
  velm_classes_add(f->classes, "deep_scratch", "long scratch", "a line");
  velm_classes_add(f->classes, "rust", NULL, "brown patches");
  f->inspection = velm_inspection_new("part.png");
  f->inspection->image = velm_image_new(40, 30);
  f->inspection->focus = velm_mask_new(40, 30);
  memset(f->inspection->focus->values + 15 * 40 + 10, 255, 10);
  f->params = velm_mllm_params_default();
  f->params.http.first_wait_ms = 1;
  f->params.http.total_timeout_ms = 20000;
  f->llm = "scripted";
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_clear_error(&f->error);
  velm_inspection_free(f->inspection);
  velm_classes_free(f->classes);
  velm_model_free(f->model);
  scripted_server_free(f->server);
}

static VelmClassifier *open_mllm(Fixture *f) {
  VelmClassifierParams params = {
      .endpoint = f->endpoint ? f->endpoint : scripted_server_endpoint(f->server), .llm = f->llm};
  return velm_mllm_open(f->model, f->classes, &params, &f->params, &f->error);
}

/* Opens, classifies, frees. */
static gboolean classify(Fixture *f) {
  VelmClassifier *mllm = open_mllm(f);
  g_assert_no_error(f->error);
  gboolean done = velm_classifier_classify(mllm, f->inspection, &f->error);
  velm_classifier_mllm.free(mllm);
  g_assert_cmpint(done, ==, f->error == NULL);
  return done;
}

static void assert_fails(Fixture *f, const char *words) {
  g_assert_false(classify(f));
  g_assert_error(f->error, VELM_ERROR, VELM_ERROR_LLM);
  if (!strstr(f->error->message, words))
    g_error("\"%s\" is not in \"%s\"", words, f->error->message);
  g_assert_null(strpbrk(f->error->message, "\n\r"));
  g_assert_null(strstr(f->error->message, KEY));
  /* What failed is no answer: above all it is not "good". */
  g_assert_null(f->inspection->class_name);
}

/* ---- answers ---- */

static void test_good_answer(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const names[] = {"deep_scratch", "rust", "good", NULL};
  scripted_server_answer(f->server, GOOD_ANSWER);
  g_assert_true(classify(f));
  g_assert_cmpstr(f->inspection->class_name, ==, "rust");
  g_assert_cmpstr(f->inspection->classifier, ==, "mllm");
  g_assert_cmpstr(f->inspection->reason, ==, "brown patches at the edge");
  g_assert_cmpfloat(f->inspection->confidence, ==, 1);
  g_assert_cmpstrv(f->inspection->class_names, names);
  g_assert_cmpfloat(f->inspection->probabilities[0], ==, 0);
  g_assert_cmpfloat(f->inspection->probabilities[1], ==, 1);
  g_assert_cmpfloat(f->inspection->probabilities[2], ==, 0);
}

static void test_what_is_sent(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_answer(f->server, GOOD_ANSWER);
  g_assert_true(classify(f));
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 1);
  const ScriptedRequest *request = scripted_server_request(f->server, 0);
  g_assert_cmpstr(request->method, ==, "POST");
  g_assert_cmpstr(request->path, ==, "/v1/chat/completions");
  g_assert_nonnull(strstr(request->headers, "Authorization: Bearer " KEY "\r\n"));
  g_assert_nonnull(strstr(request->headers, "Content-Type: application/json\r\n"));
  g_assert_null(strstr(request->body, KEY));
  g_autoptr(JsonNode) root = velm_json_parse(request->body, -1, "request", &f->error);
  g_assert_no_error(f->error);
  g_assert_cmpstr(json_object_get_string_member(json_node_get_object(root), "model"), ==,
                  "scripted");
}

/* Noise does not compress: the request has its real size, over the megabyte at which libcurl would
 * ask "Expect: 100-continue" and wait. */
static void test_large_request(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  velm_image_free(f->inspection->image);
  f->inspection->image = velm_image_new(448, 448);
  for (gsize i = 0; i < 448 * 448 * 3; i++)
    f->inspection->image->pixels[i] = (guint8)g_rand_int_range(random, 0, 256);
  velm_mask_free(f->inspection->focus);
  f->inspection->focus = velm_mask_new(448, 448);
  memset(f->inspection->focus->values + 200 * 448, 255, 200);
  scripted_server_answer(f->server, GOOD_ANSWER);
  g_assert_true(classify(f));
  const ScriptedRequest *request = scripted_server_request(f->server, 0);
  g_assert_cmpuint(strlen(request->body), >, 1100 * 1000);
  g_assert_null(strstr(request->headers, "Expect"));
}

static void test_no_key(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_unsetenv("OPENAI_API_KEY");
  scripted_server_answer(f->server, GOOD_ANSWER);
  g_assert_true(classify(f));
  g_assert_null(strstr(scripted_server_request(f->server, 0)->headers, "Authorization"));
}

static void test_good_and_none(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_answer(f->server, "{\"class\":\"good\",\"reason\":\"dust\"}");
  g_assert_true(classify(f));
  g_assert_cmpstr(f->inspection->class_name, ==, "good");
  g_assert_cmpfloat(f->inspection->confidence, ==, 1);
  scripted_server_answer(f->server, "{\"class\":\"none of these\",\"reason\":\"a dent\"}");
  g_assert_true(classify(f));
  g_assert_cmpstr(f->inspection->class_name, ==, VELM_CLASS_UNKNOWN);
  g_assert_cmpfloat(f->inspection->confidence, ==, 0);
  g_assert_cmpstr(f->inspection->reason, ==, "a dent");
  for (guint i = 0; i < 3; i++)
    g_assert_cmpfloat(f->inspection->probabilities[i], ==, 0);
}

/* Names written a little differently, and wrapped answers. */
static void test_tolerated(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const answers[] = {
      "{\"class\":\"Deep-Scratch\"}",
      "{\"class\":\" deep scratch \",\"reason\":null}",
      "{\"class\":\"LONG_SCRATCH\",\"reason\":\"by its name\"}",
      "```json\n{\"class\":\"deep_scratch\",\"reason\":\"x\"}\n```",
      "```\n{\"class\":\"deep_scratch\",\"reason\":\"x\"}\n```\n",
      "<think>rust? no</think>\n{\"class\":\"deep_scratch\",\"reason\":\"x\"}",
      "\n  {\"class\":\"deep_scratch\",\"reason\":\"[[[ a/b # 'c' \\\"{\"}  ",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
    scripted_server_answer(f->server, answers[i]);
    g_clear_pointer(&f->inspection->class_name, g_free);
    classify(f);
    g_assert_no_error(f->error);
    g_assert_cmpstr(f->inspection->class_name, ==, "deep_scratch");
  }
}

static void test_content_parts(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 200, NULL,
                        "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"refusal\":null,"
                        "\"content\":[{\"type\":\"text\",\"text\":\"{\\\"class\\\":\"},"
                        "{\"type\":\"text\",\"text\":\"\\\"rust\\\"}\"}]}}]}");
  g_assert_true(classify(f));
  g_assert_cmpstr(f->inspection->class_name, ==, "rust");
  g_assert_null(f->inspection->reason);
}

static void test_reason_is_tamed(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *filler = g_strnfill(2000, 'x');
  g_autofree char *answer =
      g_strdup_printf("{\"class\":\"rust\",\"reason\":\"a\\nb\\u001b[31m" KEY "%s\"}", filler);
  scripted_server_answer(f->server, answer);
  g_assert_true(classify(f));
  g_assert_true(g_str_has_prefix(f->inspection->reason, "a b [31m[key]xxx"));
  g_assert_cmpuint(strlen(f->inspection->reason), <=, 500);
}

static void test_wrong_answers(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    const char *answer, *words;
  } cases[] = {
      {"{\"class\":\"dent\",\"reason\":\"x\"}", "does not have: \"dent\""},
      {"{\"class\":\"\",\"reason\":\"x\"}", "does not have"},
      {"{\"class\":\"deepscratch\"}", "does not have"},
      {"{\"class\":7}", "not a JSON object with a class"},
      {"{\"class\":null}", "not a JSON object with a class"},
      {"{\"class\":[\"rust\"]}", "not a JSON object with a class"},
      {"{\"reason\":\"good\"}", "not a JSON object with a class"},
      {"[\"rust\"]", "not a JSON object with a class"},
      {"rust", "not a JSON object with a class: \"rust\""},
      {"The part is good.", "not a JSON object with a class"},
      {"```json\n{\"class\":\"rust\"", "not a JSON object with a class"},
      {"", "is empty"},
      {"  \n", "is empty"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    scripted_server_answer(f->server, cases[i].answer);
    assert_fails(f, cases[i].words);
    g_clear_error(&f->error);
  }
  /* Each was asked for once more. */
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2 * G_N_ELEMENTS(cases));
}

/* The second time the model is told, so the request is another one. */
static void test_asked_again(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_answer(f->server, "{\"class\":\"dent\",\"reason\":\"x\"}");
  scripted_server_answer(f->server, GOOD_ANSWER);
  g_assert_true(classify(f));
  g_assert_cmpstr(f->inspection->class_name, ==, "rust");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2);
  g_assert_cmpstr(scripted_server_request(f->server, 0)->body, !=,
                  scripted_server_request(f->server, 1)->body);
}

/* ---- what a server lacks ---- */

static void test_no_log_probabilities(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 400, NULL,
                        "{\"error\":{\"message\":\"logprobs is not supported\"}}");
  scripted_server_reply(f->server, 400, NULL,
                        "{\"error\":{\"message\":\"unknown field response_format\"}}");
  scripted_server_answer(f->server, GOOD_ANSWER);
  VelmClassifier *mllm = open_mllm(f);
  g_assert_true(velm_classifier_classify(mllm, f->inspection, &f->error));
  g_assert_true(velm_classifier_classify(mllm, f->inspection, &f->error));
  velm_classifier_mllm.free(mllm);
  g_assert_cmpstr(f->inspection->class_name, ==, "rust");
  /* Asked without from then on. */
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 4);
  g_assert_nonnull(strstr(scripted_server_request(f->server, 0)->body, "\"logprobs\""));
  g_assert_null(strstr(scripted_server_request(f->server, 1)->body, "\"logprobs\""));
  g_assert_nonnull(strstr(scripted_server_request(f->server, 1)->body, "response_format"));
  g_assert_null(strstr(scripted_server_request(f->server, 3)->body, "response_format"));
}

/* "rust" by one token, with the alternative "deep_scratch" at a third of its probability. */
#define LIKELY_RUST                                                                                \
  "{\"choices\":[{\"message\":{\"content\":\"{\\\"class\\\":\\\"rust\\\"}\"},"                     \
  "\"logprobs\":{\"content\":["                                                                    \
  "{\"token\":\"{\\\"class\\\":\\\"\",\"logprob\":0,\"top_logprobs\":[]},"                         \
  "{\"token\":\"rust\",\"logprob\":-0.287682,\"top_logprobs\":["                                   \
  "{\"token\":\"rust\",\"logprob\":-0.287682},"                                                    \
  "{\"token\":\"deep_scratch\",\"logprob\":-1.386294}]},"                                          \
  "{\"token\":\"\\\"}\",\"logprob\":0,\"top_logprobs\":[]}]}}],"                                   \
  "\"usage\":{\"prompt_tokens\":900,\"completion_tokens\":5}}"

static void test_probabilities(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 200, NULL, LIKELY_RUST);
  g_assert_true(classify(f));
  g_assert_cmpstr(f->inspection->class_name, ==, "rust");
  g_assert_cmpuint(g_strv_length(f->inspection->class_names), ==, 4);
  double sum = 0;
  for (int i = 0; i < 4; i++)
    sum += f->inspection->probabilities[i];
  g_assert_cmpfloat_with_epsilon(sum, 1, 1e-9);
  g_assert_cmpfloat_with_epsilon(f->inspection->probabilities[1], 0.75, 0.01);
  g_assert_cmpfloat_with_epsilon(f->inspection->probabilities[0], 0.25, 0.01);
  g_assert_cmpfloat(f->inspection->confidence, ==, f->inspection->probabilities[1]);
}

/* ---- many at once ---- */

#define N_RECORDS 60

typedef struct {
  VelmInspection *inspection;
  guint n_done;
  char *error;
} Submitted;

static void take(G_GNUC_UNUSED VelmInspection *inspection, const GError *error, gpointer data) {
  Submitted *submitted = data;
  submitted->n_done++;
  if (error)
    submitted->error = g_strdup(error->message);
}

static VelmInspection *another_part(int i) {
  VelmInspection *inspection = velm_inspection_new("part.png");
  inspection->image = velm_image_new(40, 30);
  inspection->image->pixels[0] = (guint8)i; /* so that no two requests are the same */
  inspection->focus = velm_mask_new(40, 30);
  memset(inspection->focus->values + 15 * 40 + 10, 255, 10);
  return inspection;
}

/* Every record is answered once, whatever the server does in between. */
static void test_submitted(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  Submitted records[N_RECORDS] = {0};
  for (int i = 0; i < 4; i++) {
    scripted_server_answer(f->server, GOOD_ANSWER);
    scripted_server_fault(f->server, SCRIPTED_RESET);
    scripted_server_reply(f->server, 500, NULL, "{}");
    scripted_server_reply(f->server, 429, "Retry-After: 0\r\n", "{}");
    scripted_server_fault(f->server, SCRIPTED_TRUNCATED);
    scripted_server_answer(f->server, "{\"class\":\"dent\"}");
  }
  scripted_server_answer(f->server, GOOD_ANSWER);
  f->params.http.tries = 8;
  f->params.http.in_flight = 16;
  VelmClassifier *mllm = open_mllm(f);
  g_assert_cmpuint(velm_classifier_capacity(mllm), >=, 16);
  for (int i = 0; i < N_RECORDS; i++) {
    records[i].inspection = another_part(i);
    velm_classifier_submit(mllm, records[i].inspection, take, &records[i]);
  }
  while (velm_classifier_iterate(mllm, 1000))
    continue;
  for (int i = 0; i < N_RECORDS; i++) {
    g_assert_cmpuint(records[i].n_done, ==, 1);
    /* A "dent" is asked for once more, and may come again: then there is no class, not a wrong one.
     */
    if (records[i].error)
      g_assert_null(records[i].inspection->class_name);
    else
      g_assert_cmpstr(records[i].inspection->class_name, ==, "rust");
    velm_inspection_free(records[i].inspection);
    g_free(records[i].error);
  }
  velm_classifier_free(mllm);
}

/* What is on its way when the classifier goes is told so. */
static void test_given_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  Submitted record = {.inspection = another_part(1)};
  scripted_server_fault(f->server, SCRIPTED_STALLED);
  VelmClassifier *mllm = open_mllm(f);
  velm_classifier_submit(mllm, record.inspection, take, &record);
  velm_classifier_iterate(mllm, 20);
  g_assert_cmpuint(record.n_done, ==, 0);
  velm_classifier_free(mllm);
  g_assert_cmpuint(record.n_done, ==, 1);
  g_assert_nonnull(record.error);
  velm_inspection_free(record.inspection);
  g_free(record.error);
}

/* ---- cache, budget, offline ---- */

static VelmClassifier *open_with(Fixture *f, VelmClassifierParams params) {
  params.endpoint = scripted_server_endpoint(f->server);
  params.llm = f->llm;
  VelmClassifier *mllm = velm_mllm_open(f->model, f->classes, &params, &f->params, &f->error);
  g_assert_no_error(f->error);
  return mllm;
}

/* What was answered once is not asked again, by nobody; and no file has the key. */
static void test_cache(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  char *folder = scratch_new();
  g_autofree char *path = g_build_filename(folder, "answers.sqlite", NULL);
  scripted_server_answer(f->server, "{\"class\":\"rust\",\"reason\":\"as " KEY " says\"}");
  for (int i = 0; i < 3; i++) {
    VelmClassifier *mllm = open_with(f, (VelmClassifierParams){.cache = path, .offline = i == 2});
    g_assert_true(velm_classifier_classify(mllm, f->inspection, &f->error));
    g_assert_cmpstr(f->inspection->class_name, ==, "rust");
    g_assert_cmpstr(f->inspection->reason, ==, "as [key] says");
    velm_classifier_free(mllm);
  }
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 1);
  VelmClassifier *offline = open_with(f, (VelmClassifierParams){.cache = path, .offline = TRUE});
  f->inspection->image->pixels[5] = 9; /* another image */
  g_assert_false(velm_classifier_classify(offline, f->inspection, &f->error));
  g_assert_nonnull(strstr(f->error->message, "--offline"));
  velm_classifier_free(offline);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 1);
  g_autoptr(GBytes) file = velm_file_read(path, NULL);
  g_assert_null(memmem(g_bytes_get_data(file, NULL), g_bytes_get_size(file), KEY, strlen(KEY)));
  scratch_remove(folder);
}

/* An answer costs 0.01 USD; the worst case is set aside first, so it stops before the budget. */
static void test_budget(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  char *folder = scratch_new();
  const char prices[] = "scripted: {prompt: 1, completion: 10, image_tokens: 100}\n";
  g_autofree char *path = scratch_write(folder, "prices.yaml", prices, strlen(prices));
  scripted_server_reply(f->server, 200, NULL,
                        "{\"choices\":[{\"message\":{\"content\":\"{\\\"class\\\":\\\"rust\\\"}"
                        "\"}}],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":900}}");
  VelmClassifier *mllm = open_with(f, (VelmClassifierParams){.prices = path, .budget = 0.05});
  guint n = 0;
  for (; n < 20 && velm_classifier_classify(mllm, f->inspection, &f->error); n++)
    continue;
  g_assert_nonnull(strstr(f->error->message, "exceed the budget of 0.05 USD"));
  g_assert_cmpuint(n, >=, 3);
  g_assert_cmpuint(n, <=, 5);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, n);
  velm_classifier_free(mllm);
  g_clear_error(&f->error);
  VelmClassifierParams priceless = {
      .endpoint = scripted_server_endpoint(f->server), .llm = "scripted", .budget = 1};
  g_assert_null(velm_mllm_open(NULL, f->classes, &priceless, &f->params, &f->error));
  g_assert_error(f->error, VELM_ERROR, VELM_ERROR_USAGE);
  scratch_remove(folder);
}

/* Two prompts with one session: what the first has spent the second has not. */
static void test_shared_session(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  char *folder = scratch_new();
  const char prices[] = "scripted: {prompt: 1, completion: 10, image_tokens: 100}\n";
  g_autofree char *path = scratch_write(folder, "prices.yaml", prices, strlen(prices));
  scripted_server_reply(
      f->server, 200, NULL,
      "{\"choices\":[{\"message\":{\"content\":\"{\\\"class\\\":\\\"rust\\\"}\"}}],"
      "\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":900}}");
  VelmClassifierParams params = {.prices = path, .budget = 0.025};
  VelmClassifier *first = open_with(f, params);
  f->params.session = velm_mllm_get_session(first);
  f->params.parts = VELM_PROMPT_NORMAL;
  VelmClassifier *second = open_with(f, params);
  g_assert_true(velm_classifier_classify(first, f->inspection, &f->error));
  g_assert_true(velm_classifier_classify(second, f->inspection, &f->error));
  g_assert_false(velm_classifier_classify(second, f->inspection, &f->error));
  g_assert_nonnull(strstr(f->error->message, "exceed the budget"));
  g_clear_error(&f->error);
  velm_classifier_free(first); /* the session lives on */
  g_assert_false(velm_classifier_classify(second, f->inspection, &f->error));
  velm_classifier_free(second);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2);
  scratch_remove(folder);
}

/* Asking the server for its model would be sending something. */
static void test_offline_needs_name(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmClassifierParams params = {.endpoint = scripted_server_endpoint(f->server), .offline = TRUE};
  g_assert_null(velm_mllm_open(NULL, f->classes, &params, &f->params, &f->error));
  g_assert_error(f->error, VELM_ERROR, VELM_ERROR_USAGE);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 0);
}

static void test_ambiguous_name(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_classes_add(f->classes, "Rust", NULL, "red rust");
  scripted_server_answer(f->server, "{\"class\":\"RUST\"}");
  assert_fails(f, "does not have: \"RUST\"");
  g_clear_error(&f->error);
  scripted_server_answer(f->server, "{\"class\":\"Rust\"}");
  g_assert_true(classify(f));
  g_assert_cmpstr(f->inspection->class_name, ==, "Rust");
}

static void test_wrong_envelopes(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    const char *body, *words;
  } cases[] = {
      {"<html>hello</html>", "not a JSON object: \"<html>hello</html>\""},
      {"", "not a JSON object"},
      {"{\"choices\":[{\"message\":{\"content\":\"{\\\"class\\\":\\\"ru", "not a JSON object"},
      {"{\"choices\":[]}", "no choices[0].message"},
      {"{\"choices\":{}}", "no choices[0].message"},
      {"{\"choices\":[null]}", "no choices[0].message"},
      {"{\"choices\":[{\"message\":{}}]}", "is empty"},
      {"{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"I cannot help\"}}]}",
       "refuses to answer: I cannot help"},
      {"{\"choices\":[{\"message\":{\"content\":[{\"type\":\"refusal\",\"refusal\":\"No\"}]}}]}",
       "refuses to answer: No"},
      {"{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":\"{\\\"class\\\":"
       "\\\"rust\\\"}\"}}]}",
       "incomplete (finish_reason \"length\")"},
      {"{\"choices\":[{\"finish_reason\":\"content_filter\",\"message\":{\"content\":\"\"}}]}",
       "incomplete"},
      {"{\"error\":{\"message\":\"no such model\"}}", "reports an error: no such model"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    scripted_server_reply(f->server, 200, NULL, cases[i].body);
    assert_fails(f, cases[i].words);
    g_clear_error(&f->error);
  }
}

/* json-glib would overflow the stack on it. */
static void test_deep_nesting(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *deep = g_strnfill(1000 * 1000, '[');
  g_autofree char *object = g_strconcat("{\"choices\":", deep, NULL);
  g_autofree char *hidden = g_strconcat("{\"class\": /* \" */ ", deep, NULL);
  scripted_server_reply(f->server, 200, NULL, object);
  assert_fails(f, "not a JSON object");
  g_clear_error(&f->error);
  scripted_server_answer(f->server, hidden);
  assert_fails(f, "not a JSON object");
}

/* ---- transport ---- */

static void test_500_then_good(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 500, NULL, "{\"error\":{\"message\":\"out of memory\"}}");
  scripted_server_answer(f->server, GOOD_ANSWER);
  g_assert_true(classify(f));
  g_assert_cmpstr(f->inspection->class_name, ==, "rust");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2);
  g_assert_cmpstr(scripted_server_request(f->server, 0)->body, ==,
                  scripted_server_request(f->server, 1)->body);
}

static void test_500_stays(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 503, NULL, "{\"error\":{\"message\":\"loading\\nmodel\"}}");
  assert_fails(f, "HTTP 503: loading model (3 tries)");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 3);
}

static void test_400_is_final(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 400, NULL, "{\"error\":\"images are not supported\"}");
  assert_fails(f, "HTTP 400: images are not supported");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 1);
}

static void test_retry_after(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  scripted_server_reply(f->server, 429, "Retry-After: 1\r\n", "{}");
  scripted_server_answer(f->server, GOOD_ANSWER);
  gint64 start = g_get_monotonic_time();
  g_assert_true(classify(f));
  g_assert_cmpint(g_get_monotonic_time() - start, >=, 1000000);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2);
}

static void test_retry_after_is_capped(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.http.max_wait_ms = 50;
  scripted_server_reply(f->server, 429, "Retry-After: 86400\r\n", "{}");
  scripted_server_answer(f->server, GOOD_ANSWER);
  gint64 start = g_get_monotonic_time();
  g_assert_true(classify(f));
  g_assert_cmpint(g_get_monotonic_time() - start, <, 10 * 1000000);
}

/* A wait that would not end in time is not begun. */
static void test_retry_after_past_deadline(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.http.total_timeout_ms = 3000;
  scripted_server_reply(f->server, 429, "Retry-After: 20\r\n", "{\"message\":\"slow down\"}");
  gint64 start = g_get_monotonic_time();
  assert_fails(f, "HTTP 429: slow down");
  g_assert_cmpint(g_get_monotonic_time() - start, <, 3 * 1000000);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 1);
}

static void test_broken_then_good(Fixture *f, gconstpointer data) {
  scripted_server_fault(f->server, (ScriptedFault)GPOINTER_TO_INT(data));
  scripted_server_answer(f->server, GOOD_ANSWER);
  classify(f);
  g_assert_no_error(f->error);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 2);
}

static void test_broken_stays(Fixture *f, gconstpointer data) {
  scripted_server_fault(f->server, (ScriptedFault)GPOINTER_TO_INT(data));
  assert_fails(f, "(3 tries)");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 3);
}

static void test_slow(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->params.http.total_timeout_ms = 300;
  scripted_server_fault(f->server, SCRIPTED_STALLED);
  gint64 start = g_get_monotonic_time();
  assert_fails(f, "no answer in time");
  g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * 1000000);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 1);
}

static void test_no_server(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->endpoint = "http://user:secret@127.0.0.1:1/v1?token=hidden";
  assert_fails(f, "http://127.0.0.1:1/v1/chat/completions: ");
  g_assert_null(strstr(f->error->message, "secret"));
  g_assert_null(strstr(f->error->message, "hidden"));
}

static void test_too_large(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *body = g_strnfill(5000, ' ');
  f->params.http.max_response = 4096;
  scripted_server_reply(f->server, 200, NULL, body);
  assert_fails(f, "more than 4096 bytes");
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 1);
}

static void test_no_redirect(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(ScriptedServer) other = scripted_server_new();
  g_autofree char *header =
      g_strdup_printf("Location: %s/chat/completions\r\n", scripted_server_endpoint(other));
  scripted_server_answer(other, GOOD_ANSWER);
  scripted_server_reply(f->server, 307, header, "{}");
  assert_fails(f, "HTTP 307: the server redirects");
  g_assert_cmpuint(scripted_server_n_requests(other), ==, 0);
}

static void test_key_is_redacted(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    int status;
    const char *body, *words;
  } cases[] = {
      {400, "{\"error\":{\"message\":\"bad header Bearer " KEY " sent\"}}",
       "bad header Bearer [key] sent"},
      {400, "{\"error\":{\"message\":\"bad header Bearer \\u0073k-test-0123456789abcdefghij\"}}",
       "Bearer [key]"},
      {400, "you sent " KEY, "you sent [key]"},
      {400, "{\"error\":{\"message\":\"key sk-test-012345...\"}}", "key [key]..."},
      {401, "{\"error\":{\"message\":\"Incorrect key: " KEY "\"}}",
       "refuses the key in OPENAI_API_KEY"},
      {200, "{\"error\":{\"message\":\"" KEY "\"}}", "reports an error: [key]"},
      {200, "{\"choices\":[{\"message\":{\"content\":\"{\\\"class\\\":\\\"" KEY "\\\"}\"}}]}",
       "does not have: \"[key]\""},
      {200, KEY, "not a JSON object: \"[key]\""},
      {200, "{\"choices\":[{\"message\":{\"refusal\":\"" KEY "\"}}]}", "answer: [key]"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    scripted_server_reply(f->server, cases[i].status, NULL, cases[i].body);
    assert_fails(f, cases[i].words);
    g_assert_null(strstr(f->error->message, "0123456"));
    g_clear_error(&f->error);
  }
}

static void test_wants_key(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_unsetenv("OPENAI_API_KEY");
  scripted_server_reply(f->server, 401, NULL, "{}");
  assert_fails(f, "wants a key; set OPENAI_API_KEY");
}

/* ---- opening ---- */

static void test_first_model(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->llm = NULL;
  scripted_server_reply(f->server, 200, NULL,
                        "{\"data\":[{\"id\":\"first\"},{\"id\":\"second\"}]}");
  scripted_server_answer(f->server, GOOD_ANSWER);
  VelmClassifier *mllm = open_mllm(f);
  g_assert_no_error(f->error);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 0);
  g_assert_true(velm_classifier_classify(mllm, f->inspection, &f->error));
  g_assert_true(velm_classifier_classify(mllm, f->inspection, &f->error));
  velm_classifier_mllm.free(mllm);
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 3);
  const ScriptedRequest *list = scripted_server_request(f->server, 0);
  g_assert_cmpstr(list->method, ==, "GET");
  g_assert_cmpstr(list->path, ==, "/v1/models");
  g_assert_true(
      g_str_has_prefix(scripted_server_request(f->server, 2)->body, "{\"model\":\"first\","));
}

static void test_no_model(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->llm = NULL;
  scripted_server_reply(f->server, 200, NULL, "{\"data\":[]}");
  assert_fails(f, "lists no model");
}

static void test_endpoints(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autofree char *slash = g_strconcat(scripted_server_endpoint(f->server), "//", NULL);
  g_autofree char *query = g_strconcat(scripted_server_endpoint(f->server), "/?version=2", NULL);
  scripted_server_answer(f->server, GOOD_ANSWER);
  f->endpoint = slash;
  g_assert_true(classify(f));
  g_assert_cmpstr(scripted_server_request(f->server, 0)->path, ==, "/v1/chat/completions");
  f->endpoint = query;
  g_assert_true(classify(f));
  g_assert_cmpstr(scripted_server_request(f->server, 1)->path, ==,
                  "/v1/chat/completions?version=2");
  f->endpoint = "";
  g_setenv("OPENAI_BASE_URL", scripted_server_endpoint(f->server), TRUE);
  g_assert_true(classify(f));
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 3);
}

static void assert_open_fails(Fixture *f, const char *words) {
  g_assert_null(open_mllm(f));
  g_assert_error(f->error, VELM_ERROR, VELM_ERROR_USAGE);
  g_assert_nonnull(strstr(f->error->message, words));
  g_clear_error(&f->error);
}

static void test_usage(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const wrong[] = {"127.0.0.1:8080", "ftp://host/v1", "file:///etc/passwd",
                                      "http://", "nonsense"};
  f->endpoint = "";
  assert_open_fails(f, "--endpoint");
  assert_open_fails(f, "OPENAI_BASE_URL");
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    f->endpoint = wrong[i];
    assert_open_fails(f, "no http or https address");
  }
  f->endpoint = NULL;
  g_setenv("OPENAI_API_KEY", "abcd\r\nX-Evil: 1", TRUE);
  assert_open_fails(f, "OPENAI_API_KEY: ");
  g_setenv("OPENAI_API_KEY", KEY "\n", TRUE); /* as "export KEY=$(cat file)" of some shells */
  scripted_server_answer(f->server, GOOD_ANSWER);
  g_assert_true(classify(f));
  g_ptr_array_set_size(f->classes->classes, 0);
  assert_open_fails(f, "needs the classes");
}

/* ---- the model's temperature ---- */

static void teach_temperature(Fixture *f, double temperature) {
  if (!f->model)
    f->model = velm_model_new();
  velm_model_set_string(f->model, "mllm.llm", "scripted");
  velm_model_set_int(f->model, "mllm.answered", 10);
  velm_model_set_int(f->model, "mllm.right", 7);
  velm_model_set_int(f->model, "mllm.failed", 0);
  velm_model_set_double(f->model, "mllm.temperature", temperature);
  velm_model_set_double(f->model, "mllm.loss", 1.5);
  velm_model_set_double(f->model, "mllm.scaled_loss", 0.75);
}

/* The probabilities recorded are those of LIKELY_RUST, scaled by @temperature. */
static void check_scaled(Fixture *f, double temperature) {
  double expected[4] = {0.25, 0.75, 0, 0}, sum = 0;
  velm_temperature_apply(temperature, expected, 2);
  for (int i = 0; i < 4; i++)
    sum += f->inspection->probabilities[i];
  g_assert_cmpfloat_with_epsilon(sum, 1, 1e-9);
  for (int i = 0; i < 2; i++)
    g_assert_cmpfloat_with_epsilon(f->inspection->probabilities[i], expected[i], 0.01);
  g_assert_cmpstr(f->inspection->class_name, ==, "rust");
  g_assert_cmpfloat(f->inspection->confidence, ==, f->inspection->probabilities[1]);
  g_assert_false(f->inspection->bare);
}

/* A temperature under 1, so that the classes without a token of theirs take nothing. The first
 * round asks the server for the model's name. */
static void test_temperature(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  teach_temperature(f, 0.5);
  scripted_server_reply(f->server, 200, NULL, "{\"data\":[{\"id\":\"scripted\"}]}");
  scripted_server_reply(f->server, 200, NULL, LIKELY_RUST);
  f->llm = NULL;
  g_assert_true(classify(f));
  check_scaled(f, 0.5);
  g_assert_cmpfloat(f->inspection->confidence, >, 0.85);
  f->llm = "scripted";
  g_assert_true(classify(f));
  check_scaled(f, 0.5);
}

static void test_other_llm(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  teach_temperature(f, 0.5);
  scripted_server_reply(f->server, 200, NULL, LIKELY_RUST);
  f->llm = "scripted-2";
  g_assert_true(classify(f));
  check_scaled(f, 1);
}

/* What is 1 and 0 for want of probabilities stays so. */
static void test_bare_is_not_scaled(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  teach_temperature(f, 3);
  scripted_server_answer(f->server, GOOD_ANSWER);
  g_assert_true(classify(f));
  g_assert_true(f->inspection->bare);
  g_assert_cmpfloat(f->inspection->confidence, ==, 1);
  g_assert_cmpfloat(f->inspection->probabilities[0], ==, 0);
}

/* The cache has what the model said, whatever was learnt of it later. */
static void test_cache_is_raw(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  char *folder = scratch_new();
  g_autofree char *path = g_build_filename(folder, "answers.sqlite", NULL);
  static const double temperatures[] = {0.5, 0.25, 1};
  scripted_server_reply(f->server, 200, NULL, LIKELY_RUST);
  for (gsize i = 0; i < G_N_ELEMENTS(temperatures); i++) {
    teach_temperature(f, temperatures[i]);
    VelmClassifier *mllm = open_with(f, (VelmClassifierParams){.cache = path});
    g_assert_true(velm_classifier_classify(mllm, f->inspection, &f->error));
    check_scaled(f, temperatures[i]);
    velm_classifier_free(mllm);
  }
  g_assert_cmpuint(scripted_server_n_requests(f->server), ==, 1);
  scratch_remove(folder);
}

static void test_bad_temperature(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const double wrong[] = {0, -1, 1e9, NAN, INFINITY};
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    teach_temperature(f, wrong[i]);
    g_assert_null(open_mllm(f));
    assert_failure(&f->error, VELM_ERROR_MODEL, "\"mllm.temperature\" cannot be used");
  }
  teach_temperature(f, 2);
  velm_model_set_int(f->model, "mllm.right", -1);
  g_assert_null(open_mllm(f));
  assert_failure(&f->error, VELM_ERROR_MODEL, "\"mllm.right\" cannot be used");
  velm_model_remove_prefix(f->model, "mllm.llm");
  g_assert_null(open_mllm(f));
  assert_failure(&f->error, VELM_ERROR_MODEL, "mllm.llm");
}

/* ---- the model's examples ---- */

/* An example of one level of grey, number @index of the model. */
static void add_example(Fixture *f, guint index, guint8 level) {
  g_autofree char *name = g_strdup_printf("context.jpeg.%u", index);
  g_autoptr(VelmImage) image = velm_image_new(VELM_PROMPT_IMAGE_SIZE, VELM_PROMPT_IMAGE_SIZE);
  memset(image->pixels, level, (gsize)VELM_PROMPT_IMAGE_SIZE * VELM_PROMPT_IMAGE_SIZE * 3);
  g_autoptr(GBytes) jpeg = velm_image_to_jpeg(image, 90, NULL);
  velm_model_set_bytes(f->model, name, jpeg);
}

static void add_examples(Fixture *f) {
  static const char *const classes[] = {"rust", "deep_scratch", "rust", NULL};
  static const char *const parts[] = {"a", "b", "c", NULL};
  f->model = velm_model_new();
  velm_model_set_strv(f->model, "context.classes", classes);
  velm_model_set_strv(f->model, "context.parts", parts);
  for (guint i = 0; classes[i]; i++)
    add_example(f, i, (guint8)(50 * (i + 1)));
}

/* Classifies with @n examples of each class. Returns: (transfer full): the content of the request
 * number @request. */
static JsonNode *ask_with_examples(Fixture *f, guint n, guint request) {
  VelmClassifier *mllm = open_with(f, (VelmClassifierParams){.examples = n});
  g_assert_true(velm_classifier_classify(mllm, f->inspection, &f->error));
  velm_classifier_free(mllm);
  return velm_json_parse(scripted_server_request(f->server, request)->body, -1, "request", NULL);
}

static JsonArray *content_of(JsonNode *request) {
  JsonArray *messages = json_object_get_array_member(json_node_get_object(request), "messages");
  return json_object_get_array_member(json_array_get_object_element(messages, 0), "content");
}

/* Checks the text, and the levels of grey of the first images, -1 after the last. */
static void check_content(JsonNode *request, const char *text, const int *levels) {
  JsonArray *content = content_of(request);
  const char *says =
      json_object_get_string_member(json_array_get_object_element(content, 0), "text");
  if (!strstr(says, text))
    g_error("\"%s\" is not in \"%s\"", text, says);
  for (guint i = 0; levels[i] >= 0; i++) {
    gsize size = 0;
    const char *url = json_object_get_string_member(
        json_object_get_object_member(json_array_get_object_element(content, i + 1), "image_url"),
        "url");
    guchar *png = g_base64_decode(strchr(url, ',') + 1, &size);
    g_autoptr(GBytes) bytes = g_bytes_new_take(png, size);
    g_autoptr(VelmImage) image = velm_image_parse(bytes, "sent", NULL);
    g_assert_cmpint(ABS(image->pixels[0] - levels[i]), <=, 2);
  }
}

#define EXAMPLE(image, key, name)                                                                  \
  "- Image " image " is an example of the class " key " (" name                                    \
  "), on another part. The red line marks what is of that class; it was drawn afterwards and is "  \
  "no defect.\n"

static void test_examples(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const int one_each[] = {50, 100, 0, -1}, all[] = {50, 100, 150, 0, -1};
  scripted_server_answer(f->server, GOOD_ANSWER);
  add_examples(f);
  g_autoptr(JsonNode) one = ask_with_examples(f, 1, 0);
  check_content(one,
                EXAMPLE("1", "rust", "rust") EXAMPLE(
                    "2", "deep_scratch", "long scratch") "- Image 3 is the part to classify.\n",
                one_each);
  g_assert_cmpuint(json_array_get_length(content_of(one)), ==, 1 + 4);
  g_autoptr(JsonNode) more = ask_with_examples(f, 7, 1);
  check_content(more, EXAMPLE("3", "rust", "rust") "- Image 4 is the part to classify.\n", all);
  g_assert_cmpuint(json_array_get_length(content_of(more)), ==, 1 + 5);
  g_autoptr(JsonNode) none = ask_with_examples(f, 0, 2);
  g_assert_cmpuint(json_array_get_length(content_of(none)), ==, 1 + 2);
}

/* The next example of the class stands in for that of the part that is asked about. */
static void test_examples_of_the_part(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const int levels[] = {100, 150, 0, -1};
  scripted_server_answer(f->server, GOOD_ANSWER);
  add_examples(f);
  f->inspection->part = g_strdup("a");
  g_autoptr(JsonNode) request = ask_with_examples(f, 1, 0);
  check_content(request, EXAMPLE("2", "rust", "rust"), levels);
  g_assert_cmpuint(json_array_get_length(content_of(request)), ==, 1 + 4);
}

static void test_no_examples(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  VelmClassifierParams params = {.endpoint = scripted_server_endpoint(f->server), .examples = 1};
  f->model = velm_model_new();
  g_assert_null(velm_mllm_open(f->model, f->classes, &params, &f->params, &f->error));
  assert_failure(&f->error, VELM_ERROR_MODEL, "no labelled examples");
}

/* ---- the model's normal image ---- */

static guint images_sent(Fixture *f, guint index) {
  guint n = 0;
  const char *at = scripted_server_request(f->server, index)->body;
  while ((at = strstr(at, "data:image/jpeg;base64,"))) {
    at++;
    n++;
  }
  return n;
}

static void test_normal_image(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmImage) normal = velm_image_new(64, 48);
  g_autoptr(GBytes) png = velm_image_to_png(normal, NULL);
  gsize size = 0;
  gconstpointer bytes = g_bytes_get_data(png, &size);
  scripted_server_answer(f->server, GOOD_ANSWER);
  f->model = velm_model_new();
  g_assert_true(classify(f));
  g_assert_cmpuint(images_sent(f, 0), ==, 2);
  velm_model_set(f->model, "detector.normal_png",
                 g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, size, 1));
  g_assert_true(classify(f));
  g_assert_cmpuint(images_sent(f, 1), ==, 3);
  g_assert_nonnull(strstr(scripted_server_request(f->server, 1)->body, "is the reference"));
}

static void test_bad_normal_image(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->model = velm_model_new();
  velm_model_set(f->model, "detector.normal_png",
                 g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, "no image", 8, 1));
  g_assert_null(open_mllm(f));
  g_assert_error(f->error, VELM_ERROR, VELM_ERROR_MODEL);
  g_clear_error(&f->error);
  velm_model_set_string(f->model, "detector.normal_png", "text");
  g_assert_null(open_mllm(f));
  g_assert_error(f->error, VELM_ERROR, VELM_ERROR_MODEL);
}

#define ADD_WITH(name, data, function)                                                             \
  g_test_add("/mllm/" name, Fixture, GINT_TO_POINTER(data), set_up, function, tear_down)
#define ADD(name, function) ADD_WITH(name, 0, function)

static void add_answer_tests(void) {
  ADD("good-answer", test_good_answer);
  ADD("what-is-sent", test_what_is_sent);
  ADD("large-request", test_large_request);
  ADD("no-key", test_no_key);
  ADD("good-and-none", test_good_and_none);
  ADD("tolerated", test_tolerated);
  ADD("content-parts", test_content_parts);
  ADD("reason-is-tamed", test_reason_is_tamed);
  ADD("wrong-answers", test_wrong_answers);
  ADD("asked-again", test_asked_again);
  ADD("no-log-probabilities", test_no_log_probabilities);
  ADD("probabilities", test_probabilities);
  ADD("ambiguous-name", test_ambiguous_name);
  ADD("wrong-envelopes", test_wrong_envelopes);
  ADD("deep-nesting", test_deep_nesting);
}

static void add_transport_tests(void) {
  ADD("500-then-good", test_500_then_good);
  ADD("500-stays", test_500_stays);
  ADD("400-is-final", test_400_is_final);
  ADD("retry-after", test_retry_after);
  ADD("retry-after-is-capped", test_retry_after_is_capped);
  ADD("retry-after-past-deadline", test_retry_after_past_deadline);
  ADD_WITH("truncated-then-good", SCRIPTED_TRUNCATED, test_broken_then_good);
  ADD_WITH("reset-then-good", SCRIPTED_RESET, test_broken_then_good);
  ADD_WITH("truncated-stays", SCRIPTED_TRUNCATED, test_broken_stays);
  ADD_WITH("reset-stays", SCRIPTED_RESET, test_broken_stays);
  ADD("slow", test_slow);
  ADD("no-server", test_no_server);
  ADD("too-large", test_too_large);
  ADD("no-redirect", test_no_redirect);
  ADD("key-is-redacted", test_key_is_redacted);
  ADD("wants-key", test_wants_key);
  ADD("submitted", test_submitted);
  ADD("given-up", test_given_up);
  ADD("cache", test_cache);
  ADD("budget", test_budget);
  ADD("shared-session", test_shared_session);
  ADD("offline-needs-name", test_offline_needs_name);
}

int main(int argc, char **argv) {
  /* The scripted server is on this machine, whatever the machine's proxy. */
  g_setenv("no_proxy", "127.0.0.1", TRUE);
  g_setenv("NO_PROXY", "127.0.0.1", TRUE);
  g_test_init(&argc, &argv, NULL);
  add_answer_tests();
  add_transport_tests();
  ADD("first-model", test_first_model);
  ADD("no-model", test_no_model);
  ADD("endpoints", test_endpoints);
  ADD("usage", test_usage);
  ADD("temperature", test_temperature);
  ADD("other-llm", test_other_llm);
  ADD("bare-is-not-scaled", test_bare_is_not_scaled);
  ADD("cache-is-raw", test_cache_is_raw);
  ADD("bad-temperature", test_bad_temperature);
  ADD("examples", test_examples);
  ADD("examples-of-the-part", test_examples_of_the_part);
  ADD("no-examples", test_no_examples);
  ADD("normal-image", test_normal_image);
  ADD("bad-normal-image", test_bad_normal_image);
  return g_test_run();
}
