/*
 * How likely a language model held each class, from the log-probabilities of the tokens that it
 * wrote its answer with.
 *
 * The model writes {"class":"missing_hole", ...} token by token, and the server tells for each
 * token its probability and those of the likeliest others. At every token of the class name:
 *
 *  - A token that can begin (or go on with) the names of some classes only is evidence for these;
 *    where they are several, it is shared evenly between them. The classes that the token written
 *    leaves are told apart by the next one. A token that leaves the same classes as the one written
 *    (another cut of the same text) counts with it.
 *  - A token that could begin all of the remaining classes, where the one written could not (`"`
 *    for `"mis`), says nothing and is left out, as is one that fits no class.
 *  - Classes that no listed token leads to get an even share of what the list leaves over, but none
 *    more than the least likely token listed, nor than the one written.
 *
 * The shares are then made to sum to 1 at each token, as a server does that holds the answer to a
 * schema. A name ends with its quote, so "crack" and "crack_long" are told apart. Tokens need not
 * end where names do. Letters' case and the difference of space, underscore and hyphen count only
 * where a token fits no name otherwise.
 */
#pragma once

#include <json-glib/json-glib.h>

/** A name that the model may call the class number @answer by; a class may have several. */
typedef struct {
  const char *name;
  guint answer;
} VelmAnswerName;

/**
 * @tokens: choices[0].logprobs.content of an OpenAI chat completion: [{token, logprob, bytes?,
 * top_logprobs?: [{token, logprob, bytes?}]}]
 * @names: at least one of each class
 * @answer: the class that was read from the answer's text
 * @probabilities: (out): @n_answers numbers that sum to 1
 * Returns: FALSE, with @probabilities undefined, where the tokens have no probabilities or do not
 * spell a name of @answer
 */
gboolean velm_token_probabilities(JsonArray *tokens, const VelmAnswerName *names, guint n_names,
                                  guint answer, double *probabilities, guint n_answers);
