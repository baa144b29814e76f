#include "classify/answer.h"

#include "core/json_member.h"

#include <math.h>
#include <string.h>

/* By VelmAnswerOutcome. */
static const char *const outcomes[] = {"ok",         "no_such_class", "not_json",  "refused",
                                       "incomplete", "empty",         "no_message"};

static void set_probabilities(JsonBuilder *builder, const VelmLlmAnswer *answer) {
  json_builder_set_member_name(builder, "probabilities");
  if (!answer->probabilities) {
    json_builder_add_null_value(builder);
    return;
  }
  json_builder_begin_array(builder);
  for (guint i = 0; i < answer->n_answers; i++)
    json_builder_add_double_value(builder, answer->probabilities[i]);
  json_builder_end_array(builder);
}

char *velm_llm_answer_to_json(const VelmLlmAnswer *answer, char *const *answers) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "outcome", outcomes[answer->outcome]);
  velm_json_set_string(builder, "class", answer->index < 0 ? NULL : answers[answer->index]);
  velm_json_set_string(builder, "reason", answer->reason);
  velm_json_set_string(builder, "text", answer->text);
  velm_json_set_string(builder, "words", answer->words);
  set_probabilities(builder, answer);
  velm_json_set_double(builder, "confidence", answer->confidence);
  velm_json_set_int(builder, "prompt_tokens", answer->prompt_tokens);
  velm_json_set_int(builder, "completion_tokens", answer->completion_tokens);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}

/* Index of @text in @list of @n; -1 where it is not there. */
static int find(const char *text, const char *const *list, guint n) {
  for (guint i = 0; text && i < n; i++)
    if (g_str_equal(text, list[i]))
      return (int)i;
  return -1;
}

/* Sums may be over 1 by rounding. */
static gboolean is_probability(double p) { return p >= 0 && p <= 1 + 1e-9; }

/* FALSE where there is an array, but not of one probability an answer. */
static gboolean read_probabilities(VelmLlmAnswer *answer, JsonArray *array) {
  if (!array)
    return TRUE;
  if (json_array_get_length(array) != answer->n_answers)
    return FALSE;
  answer->probabilities = g_new0(double, answer->n_answers);
  for (guint i = 0; i < answer->n_answers; i++) {
    JsonNode *node = json_array_get_element(array, i);
    answer->probabilities[i] = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_double(node) : NAN;
    if (!is_probability(answer->probabilities[i]))
      return FALSE;
  }
  return TRUE;
}

static gboolean read_object(VelmLlmAnswer *answer, JsonObject *object, char *const *answers) {
  int outcome = find(velm_json_string_member(object, "outcome"), outcomes, G_N_ELEMENTS(outcomes));
  answer->n_answers = g_strv_length((char **)answers);
  answer->index = find(velm_json_string_member(object, "class"), (const char *const *)answers,
                       answer->n_answers);
  answer->outcome = outcome < 0 ? VELM_ANSWER_NO_MESSAGE : (VelmAnswerOutcome)outcome;
  answer->reason = g_strdup(velm_json_string_member(object, "reason"));
  answer->text = g_strdup(velm_json_string_member(object, "text"));
  answer->words = g_strdup(velm_json_string_member(object, "words"));
  answer->confidence = velm_json_double_member(object, "confidence", NAN);
  answer->prompt_tokens = velm_json_int_member(object, "prompt_tokens", -1);
  answer->completion_tokens = velm_json_int_member(object, "completion_tokens", -1);
  return outcome >= 0 && (answer->index >= 0) == (answer->outcome == VELM_ANSWER_OK) &&
         is_probability(answer->confidence) &&
         read_probabilities(answer, velm_json_array_member(object, "probabilities"));
}

VelmLlmAnswer *velm_llm_answer_from_json(const char *json, char *const *answers) {
  g_autoptr(JsonNode) root = velm_json_parse_object(json, strlen(json));
  g_autoptr(VelmLlmAnswer) answer = g_new0(VelmLlmAnswer, 1);
  if (!root || !read_object(answer, json_node_get_object(root), answers))
    return NULL;
  return g_steal_pointer(&answer);
}
