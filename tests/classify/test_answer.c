#include "classify/answer.h"

#include "core/json_member.h"

#include <math.h>
#include <string.h>

static char *const offered[] = {"deep_scratch", "rust", "good", "none of these", NULL};

typedef struct {
  VelmClasses *classes;
} Fixture;

static void set_up(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  f->classes = velm_classes_new();
  velm_classes_add(f->classes, "deep_scratch", "long scratch", "a line");
  velm_classes_add(f->classes, "rust", NULL, "brown patches");
}

static void tear_down(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  velm_classes_free(f->classes);
}

static VelmLlmAnswer *read_completion(const Fixture *f, const char *json) {
  g_autoptr(JsonNode) root = velm_json_parse_object(json, strlen(json));
  g_assert_nonnull(root);
  return velm_llm_answer_read(json_node_get_object(root), f->classes, offered);
}

/* The answer in a completion whose message has the text @content. */
static VelmLlmAnswer *read_content(const Fixture *f, const char *content) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "content", content);
  json_builder_end_object(builder);
  g_autofree char *message = velm_json_print(builder, FALSE);
  g_autofree char *completion = g_strdup_printf("{\"choices\":[{\"message\":%s}]}", message);
  return read_completion(f, completion);
}

static void test_answer(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmLlmAnswer) answer = read_completion(
      f, "{\"usage\":{\"prompt_tokens\":812,\"completion_tokens\":17,\"total_tokens\":829},"
         "\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"content\":"
         "\"{\\\"class\\\":\\\"rust\\\",\\\"reason\\\":\\\"brown\\\"}\"}}]}");
  g_assert_cmpint(answer->outcome, ==, VELM_ANSWER_OK);
  g_assert_cmpint(answer->index, ==, 1);
  g_assert_cmpstr(answer->reason, ==, "brown");
  g_assert_null(answer->words);
  g_assert_null(answer->probabilities);
  g_assert_cmpuint(answer->n_answers, ==, 4);
  g_assert_cmpfloat(answer->confidence, ==, 1);
  g_assert_cmpint(answer->prompt_tokens, ==, 812);
  g_assert_cmpint(answer->completion_tokens, ==, 17);
  g_assert_null(velm_llm_answer_explain(answer, NULL));
  g_assert_false(velm_llm_answer_may_ask_again(answer));
}

static void test_names(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    const char *content;
    int index;
  } cases[] = {
      {"{\"class\":\"deep_scratch\"}", 0},
      {"{\"class\":\"Deep-Scratch\"}", 0},
      {"{\"class\":\"LONG_SCRATCH\"}", 0},
      {"{\"class\":\"good\"}", 2},
      {"{\"class\":\"None-of_these\"}", 3},
      {"```json\n{\"class\":\"rust\"}\n```", 1},
      {"<think>good?</think>{\"class\":\"rust\"}", 1},
      {"{\"class\":\"\\uff32\\uff35\\uff33\\uff34\"}", 1}, /* full width */
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(VelmLlmAnswer) answer = read_content(f, cases[i].content);
    g_assert_cmpint(answer->outcome, ==, VELM_ANSWER_OK);
    g_assert_cmpint(answer->index, ==, cases[i].index);
    g_assert_cmpint(answer->prompt_tokens, ==, -1);
    g_assert_cmpint(answer->completion_tokens, ==, -1);
  }
}

static void assert_failed(const VelmLlmAnswer *answer, VelmAnswerOutcome outcome,
                          const char *words) {
  g_assert_cmpint(answer->outcome, ==, outcome);
  g_assert_cmpstr(answer->words, ==, words);
  g_assert_cmpint(answer->index, ==, -1);
  g_assert_null(answer->probabilities);
  g_assert_cmpfloat(answer->confidence, ==, 0);
}

static void test_contents(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    const char *content;
    VelmAnswerOutcome outcome;
    const char *words, *why;
  } cases[] = {
      {"{\"class\":\"dent\"}", VELM_ANSWER_NO_SUCH_CLASS, "dent", "does not have: \"dent\""},
      {"{\"class\":\"\"}", VELM_ANSWER_NO_SUCH_CLASS, "", "does not have: \"\""},
      {"{\"class\":3}", VELM_ANSWER_NOT_JSON, "{\"class\":3}", "not a JSON object with a class"},
      {"[\"rust\"]", VELM_ANSWER_NOT_JSON, "[\"rust\"]", "not a JSON object with a class"},
      {"rust", VELM_ANSWER_NOT_JSON, "rust", "not a JSON object with a class: \"rust\""},
      {"{\"class\":\"ru", VELM_ANSWER_NOT_JSON, "{\"class\":\"ru", "not a JSON object"},
      {"", VELM_ANSWER_EMPTY, NULL, "is empty"},
      {" \n\t", VELM_ANSWER_EMPTY, NULL, "is empty"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(VelmLlmAnswer) answer = read_content(f, cases[i].content);
    g_autofree char *why = velm_llm_answer_explain(answer, answer->words);
    assert_failed(answer, cases[i].outcome, cases[i].words);
    g_assert_nonnull(strstr(why, cases[i].why));
    g_assert_true(velm_llm_answer_may_ask_again(answer));
  }
}

static void test_completions(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const struct {
    const char *json;
    VelmAnswerOutcome outcome;
    const char *words, *why;
    gboolean again;
  } cases[] = {
      {"{}", VELM_ANSWER_NO_MESSAGE, NULL, "no choices[0].message", FALSE},
      {"{\"choices\":[{\"message\":7}]}", VELM_ANSWER_NO_MESSAGE, NULL, "no choices", FALSE},
      {"{\"choices\":[{\"message\":{}}]}", VELM_ANSWER_EMPTY, NULL, "empty", TRUE},
      {"{\"choices\":[{\"message\":{\"content\":[null,3]}}]}", VELM_ANSWER_EMPTY, NULL, "empty",
       TRUE},
      {"{\"choices\":[{\"message\":{\"content\":null,\"refusal\":\"I must not\"}}]}",
       VELM_ANSWER_REFUSED, "I must not", "refuses to answer: I must not", FALSE},
      {"{\"choices\":[{\"message\":{\"content\":[{\"type\":\"refusal\",\"refusal\":\"No\"}]}}]}",
       VELM_ANSWER_REFUSED, "No", "refuses to answer: No", FALSE},
      {"{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":\"{}\"}}]}",
       VELM_ANSWER_INCOMPLETE, "length", "incomplete (finish_reason \"length\")", TRUE},
      {"{\"choices\":[{\"finish_reason\":\"content_filter\",\"message\":{\"content\":\"\"}}]}",
       VELM_ANSWER_INCOMPLETE, "content_filter", "incomplete", FALSE},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(VelmLlmAnswer) answer = read_completion(f, cases[i].json);
    g_autofree char *why = velm_llm_answer_explain(answer, answer->words);
    assert_failed(answer, cases[i].outcome, cases[i].words);
    g_assert_nonnull(strstr(why, cases[i].why));
    g_assert_cmpint(velm_llm_answer_may_ask_again(answer), ==, cases[i].again);
  }
}

/* A wrong answer costs tokens too. */
static void test_usage(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmLlmAnswer) refused = read_completion(
      f, "{\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2},\"choices\":[]}");
  g_assert_cmpint(refused->prompt_tokens, ==, 5);
  g_assert_cmpint(refused->completion_tokens, ==, 2);
  g_autoptr(VelmLlmAnswer) odd = read_completion(
      f, "{\"usage\":{\"prompt_tokens\":-7,\"completion_tokens\":\"2\"},\"choices\":[]}");
  g_assert_cmpint(odd->prompt_tokens, ==, -1);
  g_assert_cmpint(odd->completion_tokens, ==, -1);
}

#define LOGPROBS                                                                                   \
  "\"logprobs\":{\"content\":[{\"token\":\"{\\\"class\\\":\\\"\",\"logprob\":0,"                   \
  "\"bytes\":null,\"top_logprobs\":[]},"                                                           \
  "{\"token\":\"rust\",\"logprob\":-0.6931471805599453,\"top_logprobs\":["                         \
  "{\"token\":\"rust\",\"logprob\":-0.6931471805599453},"                                          \
  "{\"token\":\"long\",\"logprob\":-1.3862943611198906},"                                          \
  "{\"token\":\"good\",\"logprob\":-1.3862943611198906}]},"                                        \
  "{\"token\":\"\\\"}\",\"logprob\":0,\"top_logprobs\":[]}]}"

/* By the tokens; the class's title counts for it. */
static void test_probabilities(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const double expected[] = {0.25, 0.5, 0.25, 0};
  g_autoptr(VelmLlmAnswer) answer =
      read_completion(f, "{\"choices\":[{" LOGPROBS
                         ",\"message\":{\"content\":\"{\\\"class\\\":\\\"rust\\\"}\"}}]}");
  g_assert_nonnull(answer->probabilities);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpfloat_with_epsilon(answer->probabilities[i], expected[i], 1e-9);
  g_assert_cmpfloat_with_epsilon(answer->confidence, 0.5, 1e-9);
}

/* Tokens of another text than the message's are not believed. */
static void test_strange_probabilities(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  g_autoptr(VelmLlmAnswer) answer =
      read_completion(f, "{\"choices\":[{" LOGPROBS
                         ",\"message\":{\"content\":\"{\\\"class\\\":\\\"good\\\"}\"}}]}");
  g_assert_cmpint(answer->index, ==, 2);
  g_assert_null(answer->probabilities);
  g_assert_cmpfloat(answer->confidence, ==, 1);
}

/* ---- as JSON ---- */

static void assert_same(const VelmLlmAnswer *a, const VelmLlmAnswer *b) {
  g_assert_cmpint(a->outcome, ==, b->outcome);
  g_assert_cmpint(a->index, ==, b->index);
  g_assert_cmpstr(a->reason, ==, b->reason);
  g_assert_cmpstr(a->words, ==, b->words);
  g_assert_cmpuint(a->n_answers, ==, b->n_answers);
  g_assert_cmpfloat(a->confidence, ==, b->confidence);
  g_assert_cmpint(a->prompt_tokens, ==, b->prompt_tokens);
  g_assert_cmpint(a->completion_tokens, ==, b->completion_tokens);
  g_assert_cmpint(a->probabilities != NULL, ==, b->probabilities != NULL);
  for (guint i = 0; a->probabilities && i < a->n_answers; i++)
    g_assert_cmpfloat(a->probabilities[i], ==, b->probabilities[i]);
}

static void test_json(Fixture *f, G_GNUC_UNUSED gconstpointer data) {
  static const char *const completions[] = {
      "{\"choices\":[{" LOGPROBS
      ",\"message\":{\"content\":\"{\\\"class\\\":\\\"rust\\\",\\\"reason\\\":"
      "\\\"茶色\\\"}\"}}],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}",
      "{\"choices\":[{\"message\":{\"content\":\"{\\\"class\\\":\\\"good\\\"}\"}}]}",
      "{\"choices\":[{\"message\":{\"content\":\"what?\"}}]}",
      "{\"choices\":[{\"message\":{\"content\":\"\",\"refusal\":\"no\"}}]}",
      "{}",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(completions); i++) {
    g_autoptr(VelmLlmAnswer) answer = read_completion(f, completions[i]);
    g_autofree char *json = velm_llm_answer_to_json(answer, offered);
    g_autoptr(VelmLlmAnswer) again = velm_llm_answer_from_json(json, offered);
    g_assert_null(strchr(json, '\n'));
    g_assert_nonnull(again);
    assert_same(answer, again);
    g_assert_cmpint(answer->outcome == VELM_ANSWER_OK, ==, i < 2);
  }
}

static void test_strange_json(void) {
  static const char *const texts[] = {
      "",
      "{}",
      "[]",
      "{\"outcome\":\"ok\",\"class\":\"rust\"}",
      "{\"outcome\":\"fine\",\"class\":\"rust\",\"confidence\":1}",
      "{\"outcome\":\"ok\",\"class\":\"dent\",\"confidence\":1}",
      "{\"outcome\":\"empty\",\"class\":\"rust\",\"confidence\":1}",
      "{\"outcome\":\"ok\",\"class\":\"rust\",\"confidence\":2}",
      "{\"outcome\":\"ok\",\"class\":\"rust\",\"confidence\":1,\"probabilities\":[1]}",
      "{\"outcome\":\"ok\",\"class\":\"rust\",\"confidence\":1,\"probabilities\":[1,0,-1,1]}",
      "{\"outcome\":\"ok\",\"class\":\"rust\",\"confidence\":1,\"probabilities\":[1,0,[],0]}",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
    g_assert_null(velm_llm_answer_from_json(texts[i], offered));
  g_autoptr(VelmLlmAnswer) right = velm_llm_answer_from_json(
      "{\"outcome\":\"ok\",\"class\":\"rust\",\"confidence\":1,\"probabilities\":[0,1,0,0]}",
      offered);
  g_assert_cmpint(right->index, ==, 1);
}

/*
 * What llama-server (11434) answered with SmolLM2-135M, less most of the alternatives. Held to the
 * schema, the model wrote a class that it would not have written: the probabilities are those of
 * before that, over all tokens. And the tokens have a fence about the answer, which the message has
 * not.
 */
static const char llama_server_reply[] =
    "{\"choices\":[{\"finish_reason\":\"stop\",\"index\":0,\"message\":{\"role\":\"assistant\","
    "\"content"
    "\":\"{\\n  \\\"class\\\": \\\"fray\\\",\\\"reason\\\": "
    "\\\"error\\\"}\"},\"logprobs\":{\"content\":["
    "{\"token\":\"\\n\",\"bytes\":[10],\"logprob\":-4.434,\"top_logprobs\":[{\"token\":\"\","
    "\"bytes\":[],\""
    "logprob\":-0.5412}]},"
    "{\"token\":\"```\",\"bytes\":[96,96,96],\"logprob\":-5.9348,\"top_logprobs\":[{\"token\":"
    "\"I\",\"by"
    "tes\":[73],\"logprob\":-2.7331}]},"
    "{\"token\":\"json\",\"bytes\":[106,115,111,110],\"logprob\":-4.137,\"top_logprobs\":[{"
    "\"token\":"
    "\"python\",\"bytes\":[112,121,116,104,111,110],\"logprob\":-0.8939}]},"
    "{\"token\":\"\\n\",\"bytes\":[10],\"logprob\":-0.0567,\"top_logprobs\":[{\"token\":\"\\n\","
    "\"bytes\":["
    "10],\"logprob\":-0.0567}]},"
    "{\"token\":\"{\",\"bytes\":[123],\"logprob\":-0.1082,\"top_logprobs\":[{\"token\":\"{\","
    "\"bytes\":[1"
    "23],\"logprob\":-0.1082}]},"
    "{\"token\":\"\\n \",\"bytes\":[10,32],\"logprob\":-0.3998,\"top_logprobs\":[{\"token\":\"\\n "
    "\",\"byt"
    "es\":[10,32],\"logprob\":-0.3998}]},"
    "{\"token\":\" \\\"\",\"bytes\":[32,34],\"logprob\":-0.0357,\"top_logprobs\":[{\"token\":\" "
    "\\\"\",\"byt"
    "es\":[32,34],\"logprob\":-0.0357}]},"
    "{\"token\":\"class\",\"bytes\":[99,108,97,115,115],\"logprob\":-3.8091,\"top_logprobs\":[{"
    "\"tok"
    "en\":\"type\",\"bytes\":[116,121,112,101],\"logprob\":-2.3795}]},"
    "{\"token\":\"\\\":\",\"bytes\":[34,58],\"logprob\":-0.1881,\"top_logprobs\":[{\"token\":"
    "\"\\\":\",\"byt"
    "es\":[34,58],\"logprob\":-0.1881}]},"
    "{\"token\":\" \\\"\",\"bytes\":[32,34],\"logprob\":-0.3189,\"top_logprobs\":[{\"token\":\" "
    "\\\"\",\"byt"
    "es\":[32,34],\"logprob\":-0.3189}]},"
    "{\"token\":\"f\",\"bytes\":[102],\"logprob\":-4.6687,\"top_logprobs\":[{\"token\":\"class\","
    "\"bytes"
    "\":[99,108,97,115,115],\"logprob\":-3.8005},{\"token\":\"F\",\"bytes\":[70],\"logprob\":-3."
    "8649"
    "},{\"token\":\"1\",\"bytes\":[49],\"logprob\":-4.103},{\"token\":\"M\",\"bytes\":[77],"
    "\"logprob\":-4"
    ".1853}]},"
    "{\"token\":\"ray\",\"bytes\":[114,97,121],\"logprob\":-6.674,\"top_logprobs\":[{\"token\":"
    "\"av\",\""
    "bytes\":[97,118],\"logprob\":-2.5202}]},"
    "{\"token\":\"\\\"\",\"bytes\":[34],\"logprob\":-3.9608,\"top_logprobs\":[{\"token\":\"ade\","
    "\"bytes\":"
    "[97,100,101],\"logprob\":-2.1317}]},"
    "{\"token\":\",\\\"\",\"bytes\":[44,34],\"logprob\":-7.8279,\"top_logprobs\":[{\"token\":"
    "\"\\n\",\"byte"
    "s\":[10],\"logprob\":-0.1152}]},"
    "{\"token\":\"reason\",\"bytes\":[114,101,97,115,111,110],\"logprob\":-1.2132,\"top_logprobs\":"
    "[{\"token\":\"description\",\"bytes\":[100,101,115,99,114,105,112,116,105,111,110],\"logpro"
    "b\":-0.7816}]},"
    "{\"token\":\"\\\":\",\"bytes\":[34,58],\"logprob\":-0.2582,\"top_logprobs\":[{\"token\":"
    "\"\\\":\",\"byt"
    "es\":[34,58],\"logprob\":-0.2582}]},"
    "{\"token\":\" \\\"\",\"bytes\":[32,34],\"logprob\":-0.2268,\"top_logprobs\":[{\"token\":\" "
    "\\\"\",\"byt"
    "es\":[32,34],\"logprob\":-0.2268}]},"
    "{\"token\":\"error\",\"bytes\":[101,114,114,111,114],\"logprob\":-2.896,\"top_logprobs\":[{"
    "\"to"
    "ken\":\"error\",\"bytes\":[101,114,114,111,114],\"logprob\":-2.896}]},"
    "{\"token\":\"\\\"\",\"bytes\":[34],\"logprob\":-0.3855,\"top_logprobs\":[{\"token\":\"\\\"\","
    "\"bytes\":["
    "34],\"logprob\":-0.3855}]},"
    "{\"token\":\"}\",\"bytes\":[125],\"logprob\":-0.771,\"top_logprobs\":[{\"token\":\"}\","
    "\"bytes\":[12"
    "5],\"logprob\":-0.771}]},"
    "{\"token\":\"\\n\",\"bytes\":[10],\"logprob\":-0.0357,\"top_logprobs\":[{\"token\":\"\\n\","
    "\"bytes\":["
    "10],\"logprob\":-0.0357}]},"
    "{\"token\":\"```\",\"bytes\":[96,96,96],\"logprob\":-0.0978,\"top_logprobs\":[{\"token\":\"```"
    "\",\""
    "bytes\":[96,96,96],\"logprob\":-0.0978}]},"
    "{\"token\":\"\",\"bytes\":[],\"logprob\":-0.4719,\"top_logprobs\":[{\"token\":\"\",\"bytes\":["
    "],\"log"
    "prob\":-0.4719}]}"
    "]}}],\"object\":\"chat.completion\",\"usage\":{\"completion_tokens\":23,\"prompt_tokens\":1145"
    ",\"total_tokens\":1168}}";

static void test_llama_server(void) {
  static char *const answers[] = {"blowhole", "break", "crack",         "fray",
                                  "uneven",   "good",  "none of these", NULL};
  g_autoptr(VelmClasses) classes = velm_classes_new();
  for (gsize i = 0; i < 5; i++)
    velm_classes_add(classes, answers[i], NULL, NULL);
  g_autoptr(JsonNode) root = velm_json_parse_object(llama_server_reply, strlen(llama_server_reply));
  g_autoptr(VelmLlmAnswer) answer =
      velm_llm_answer_read(json_node_get_object(root), classes, answers);
  g_assert_cmpint(answer->outcome, ==, VELM_ANSWER_OK);
  g_assert_cmpstr(answers[answer->index], ==, "fray");
  g_assert_cmpstr(answer->reason, ==, "error");
  g_assert_cmpint(answer->prompt_tokens, ==, 1145);
  /* "f" and "F" lead to it; all others are unlisted, and get what the least of the list has. */
  double written = exp(-4.6687) + exp(-3.8649), other = exp(-4.6687);
  g_assert_nonnull(answer->probabilities);
  for (gsize i = 0; answers[i]; i++)
    g_assert_cmpfloat_with_epsilon(answer->probabilities[i],
                                   (i == 3 ? written : other) / (written + 6 * other), 1e-6);
}

#define ADD(name, function) g_test_add("/answer/" name, Fixture, NULL, set_up, function, tear_down)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  ADD("answer", test_answer);
  ADD("names", test_names);
  ADD("contents", test_contents);
  ADD("completions", test_completions);
  ADD("usage", test_usage);
  ADD("probabilities", test_probabilities);
  ADD("strange-probabilities", test_strange_probabilities);
  g_test_add_func("/answer/llama-server", test_llama_server);
  ADD("json", test_json);
  g_test_add_func("/answer/strange-json", test_strange_json);
  return g_test_run();
}
