/*
 * The language model's answer: from a chat completion's JSON to one of the answers that the prompt
 * offered, or to why it is none. A function of its input: nothing is sent, nothing logged.
 *
 * Texts are as the server wrote them, of any length and with whatever is in them: they must be
 * cleaned of keys before they are shown or stored.
 */
#pragma once

#include "classify/classes.h"

#include <json-glib/json-glib.h>

/** How an answer went. All but VELM_ANSWER_OK have no class. */
typedef enum {
  VELM_ANSWER_OK,
  VELM_ANSWER_NO_SUCH_CLASS, /* it names a class that was not offered, or one of several alike */
  VELM_ANSWER_NOT_JSON,      /* no JSON object with a "class" */
  VELM_ANSWER_REFUSED,       /* the model refuses */
  VELM_ANSWER_INCOMPLETE,    /* cut at the limit of tokens, or held back by a filter */
  VELM_ANSWER_EMPTY,         /* a message without text */
  VELM_ANSWER_NO_MESSAGE,    /* no chat completion at all */
} VelmAnswerOutcome;

/**
 * VelmLlmAnswer:
 * @index: into the answers offered; -1 where @outcome is not VELM_ANSWER_OK
 * @reason: the model's, or NULL
 * @text: the message as the model wrote it, or NULL
 * @words: what the server wrote in place of an answer: the class it named, its text, its refusal,
 * its finish_reason; NULL where there is nothing
 * @probabilities: one an answer offered, by the tokens' (token_probabilities.h), not scaled by
 * temperature; NULL where the server gave none
 * @confidence: of the answer: its probability; 1 where there are none, 0 where there is no answer
 * @prompt_tokens, @completion_tokens: as the server counts; -1 where it does not tell
 */
typedef struct {
  VelmAnswerOutcome outcome;
  int index;
  char *reason;
  char *text;
  char *words;
  double *probabilities;
  guint n_answers;
  double confidence;
  gint64 prompt_tokens, completion_tokens;
} VelmLlmAnswer;

/**
 * Reads the chat completion @root. The class is that whose key is written exactly; else the one
 * whose key or name is the same but for case, spaces, hyphens and underscores. A <think> passage
 * before the JSON and a Markdown fence around it are passed over.
 * @classes: for their names
 * @answers: NULL-terminated: VelmPrompt.answers
 * Returns: (transfer full): never NULL
 */
VelmLlmAnswer *velm_llm_answer_read(JsonObject *root, const VelmClasses *classes,
                                    char *const *answers);

/**
 * Whether asking once more, with a word on what was wrong, may give an answer: not after a refusal,
 * a filter, or what is no completion.
 */
gboolean velm_llm_answer_may_ask_again(const VelmLlmAnswer *answer);

/**
 * Why there is no answer, on one line for a person.
 * @words: answer->words as they may be shown
 * Returns: (transfer full): NULL where there is an answer
 */
char *velm_llm_answer_explain(const VelmLlmAnswer *answer, const char *words);

/**
 * The answer as one line of JSON, to keep in an answer cache: {"outcome", "class", "reason",
 * "text", "words", "probabilities", "confidence", "prompt_tokens", "completion_tokens"}. Of what
 * the server wrote it has @reason, @text and @words alone: clean these first.
 * @answers: as it was read with
 * Returns: (transfer full)
 */
char *velm_llm_answer_to_json(const VelmLlmAnswer *answer, char *const *answers);

/**
 * The answer that velm_llm_answer_to_json() wrote.
 * Returns: (transfer full): NULL where @json is something else, or of other @answers
 */
VelmLlmAnswer *velm_llm_answer_from_json(const char *json, char *const *answers);

void velm_llm_answer_free(VelmLlmAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmLlmAnswer, velm_llm_answer_free)
