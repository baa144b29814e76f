#include "classify/answer.h"

#include "classify/token_probabilities.h"
#include "core/json_member.h"

#include <string.h>

/* ---- the message ---- */

/* Text of a message: a string, or an array of {"type": "text", "text": ...}. Returns: (transfer
 * full): NULL where there is none. */
static char *content_of(JsonObject *message) {
  const char *content = velm_json_string_member(message, "content");
  JsonArray *array = velm_json_array_member(message, "content");
  if (content || !array)
    return g_strdup(content);
  GString *joined = g_string_new(NULL);
  for (guint i = 0; i < json_array_get_length(array); i++) {
    JsonObject *part = velm_json_object_at(array, i);
    const char *text = velm_json_string_member(part, "text");
    if (text && g_strcmp0(velm_json_string_member(part, "type"), "text") == 0)
      g_string_append(joined, text);
  }
  return g_string_free(joined, FALSE);
}

static const char *refusal_of(JsonObject *message) {
  const char *refusal = velm_json_string_member(message, "refusal");
  JsonArray *parts = velm_json_array_member(message, "content");
  for (guint i = 0; !refusal && parts && i < json_array_get_length(parts); i++)
    refusal = velm_json_string_member(velm_json_object_at(parts, i), "refusal");
  return refusal && refusal[0] ? refusal : NULL;
}

/* The JSON in @content, in place: small models put their thoughts before it and fences around it.
 */
static char *strip_wrapping(char *content) {
  char *thought = NULL;
  g_strstrip(content);
  if (g_str_has_prefix(content, "<think>") && (thought = strstr(content, "</think>")))
    content = g_strstrip(thought + strlen("</think>"));
  char *end = g_str_has_prefix(content, "```") ? g_strrstr(content + 3, "```") : NULL;
  if (!end || end[3] != '\0')
    return content;
  *end = '\0';
  content += 3;
  content += strspn(content, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
  return g_strstrip(content);
}

/* ---- the class ---- */

/* Case and the difference of space, underscore and hyphen away. */
static char *normalise(const char *name) {
  g_autofree char *folded = g_utf8_casefold(name, -1);
  g_autofree char *composed = g_utf8_normalize(folded, -1, G_NORMALIZE_NFKC);
  GString *plain = g_string_new(NULL);
  for (const char *c = g_strstrip(composed); *c; c++) {
    gboolean gap = strchr(" _-", *c) != NULL;
    if (!gap)
      g_string_append_c(plain, *c);
    else if (plain->len > 0 && plain->str[plain->len - 1] != ' ')
      g_string_append_c(plain, ' ');
  }
  return g_string_free(plain, FALSE);
}

static gboolean same_name(const char *normalised, const char *name) {
  g_autofree char *other = normalise(name);
  return g_str_equal(normalised, other);
}

/* What people call the answer @key. */
static const char *title_of(const VelmClasses *classes, const char *key) {
  int class = velm_classes_find(classes, key);
  if (class < 0)
    return key;
  return ((const VelmClass *)g_ptr_array_index(classes->classes, (guint) class))->name;
}

/* Index in @answers of what the model calls @name; -1 where there is no such class, or more than
 * one. */
static int find_answer(const VelmClasses *classes, char *const *answers, const char *name) {
  int found = -1;
  for (int i = 0; answers[i]; i++)
    if (g_str_equal(answers[i], name))
      return i;
  g_autofree char *normalised = normalise(name);
  for (int i = 0; answers[i]; i++) {
    if (!same_name(normalised, answers[i]) && !same_name(normalised, title_of(classes, answers[i])))
      continue;
    if (found >= 0)
      return -1;
    found = i;
  }
  return found;
}

/* ---- how sure it is ---- */

/* Keys, and where they differ from them titles. */
static GArray *names_of(const VelmClasses *classes, char *const *answers) {
  GArray *names = g_array_new(FALSE, FALSE, sizeof(VelmAnswerName));
  for (guint i = 0; answers[i]; i++) {
    VelmAnswerName key = {answers[i], i}, title = {title_of(classes, answers[i]), i};
    g_array_append_val(names, key);
    if (!g_str_equal(key.name, title.name))
      g_array_append_val(names, title);
  }
  return names;
}

static void read_probabilities(VelmLlmAnswer *answer, JsonObject *choice,
                               const VelmClasses *classes, char *const *answers) {
  JsonObject *logprobs = velm_json_object_member(choice, "logprobs");
  g_autoptr(GArray) names = names_of(classes, answers);
  g_autofree double *p = g_new0(double, answer->n_answers);
  answer->confidence = 1;
  if (!velm_token_probabilities(velm_json_array_member(logprobs, "content"),
                                (const VelmAnswerName *)(gpointer)names->data, names->len,
                                (guint)answer->index, p, answer->n_answers))
    return;
  answer->confidence = p[answer->index];
  answer->probabilities = g_steal_pointer(&p);
}

/* ---- the whole ---- */

static void fail(VelmLlmAnswer *answer, VelmAnswerOutcome outcome, const char *words) {
  answer->outcome = outcome;
  g_free(answer->words);
  answer->words = g_strdup(words);
}

static void read_json(VelmLlmAnswer *answer, char *content, JsonObject *choice,
                      const VelmClasses *classes, char *const *answers) {
  g_autofree char *whole = g_strdup(content);
  const char *json = strip_wrapping(content);
  g_autoptr(JsonNode) root = velm_json_parse_object(json, strlen(json));
  JsonObject *object = root ? json_node_get_object(root) : NULL;
  const char *name = velm_json_string_member(object, "class");
  if (!name) {
    fail(answer, VELM_ANSWER_NOT_JSON, whole);
    return;
  }
  answer->index = find_answer(classes, answers, name);
  if (answer->index < 0) {
    fail(answer, VELM_ANSWER_NO_SUCH_CLASS, name);
    return;
  }
  answer->outcome = VELM_ANSWER_OK;
  answer->reason = g_strdup(velm_json_string_member(object, "reason"));
  read_probabilities(answer, choice, classes, answers);
}

static void read_choice(VelmLlmAnswer *answer, JsonObject *choice, const VelmClasses *classes,
                        char *const *answers) {
  JsonObject *message = velm_json_object_member(choice, "message");
  const char *finish = velm_json_string_member(choice, "finish_reason");
  const char *refusal = refusal_of(message);
  g_autofree char *content = content_of(message);
  if (!message)
    fail(answer, VELM_ANSWER_NO_MESSAGE, NULL);
  else if (refusal)
    fail(answer, VELM_ANSWER_REFUSED, refusal);
  else if (g_strcmp0(finish, "length") == 0 || g_strcmp0(finish, "content_filter") == 0)
    fail(answer, VELM_ANSWER_INCOMPLETE, finish);
  else if (!content || !content[strspn(content, " \t\r\n")])
    fail(answer, VELM_ANSWER_EMPTY, NULL);
  else
    read_json(answer, content, choice, classes, answers);
  answer->text = g_steal_pointer(&content);
}

VelmLlmAnswer *velm_llm_answer_read(JsonObject *root, const VelmClasses *classes,
                                    char *const *answers) {
  VelmLlmAnswer *answer = g_new0(VelmLlmAnswer, 1);
  JsonObject *usage = velm_json_object_member(root, "usage");
  answer->index = -1;
  answer->n_answers = g_strv_length((char **)answers);
  answer->prompt_tokens = MAX(velm_json_int_member(usage, "prompt_tokens", -1), -1);
  answer->completion_tokens = MAX(velm_json_int_member(usage, "completion_tokens", -1), -1);
  read_choice(answer, velm_json_object_at(velm_json_array_member(root, "choices"), 0), classes,
              answers);
  return answer;
}

gboolean velm_llm_answer_may_ask_again(const VelmLlmAnswer *answer) {
  switch (answer->outcome) {
  case VELM_ANSWER_NO_SUCH_CLASS:
  case VELM_ANSWER_NOT_JSON:
  case VELM_ANSWER_EMPTY:
    return TRUE;
  case VELM_ANSWER_INCOMPLETE:
    return g_strcmp0(answer->words, "content_filter") != 0;
  default:
    return FALSE;
  }
}

char *velm_llm_answer_explain(const VelmLlmAnswer *answer, const char *words) {
  words = words ? words : "";
  switch (answer->outcome) {
  case VELM_ANSWER_NO_SUCH_CLASS:
    return g_strdup_printf("the model answers with a class that the spec does not have: \"%s\"",
                           words);
  case VELM_ANSWER_NOT_JSON:
    return g_strdup_printf("the model's answer is not a JSON object with a class: \"%s\"", words);
  case VELM_ANSWER_REFUSED:
    return g_strdup_printf("the model refuses to answer: %s", words);
  case VELM_ANSWER_INCOMPLETE:
    return g_strdup_printf("the model's answer is incomplete (finish_reason \"%s\")", words);
  case VELM_ANSWER_EMPTY:
    return g_strdup("the model's answer is empty");
  case VELM_ANSWER_NO_MESSAGE:
    return g_strdup("the server's answer has no choices[0].message");
  default:
    return NULL;
  }
}

void velm_llm_answer_free(VelmLlmAnswer *answer) {
  if (!answer)
    return;
  g_free(answer->reason);
  g_free(answer->text);
  g_free(answer->words);
  g_free(answer->probabilities);
  g_free(answer);
}
