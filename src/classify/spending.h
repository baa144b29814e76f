/*
 * What language models cost: a table of prices, the tokens used, and a budget that is not exceeded.
 *
 * Money is counted in whole picodollars (1e-12 USD), so sums are exact.
 */
#pragma once

#include "core/yaml_node.h"

#include <json-glib/json-glib.h>

/* Tokens that one image sent may count for, where the price does not say: more than any service is
 * known to take for 448 x 448 pixels (gpt-4o-mini counts 8,500). */
#define VELM_SPENDING_IMAGE_TOKENS 8500

/**
 * VelmLlmPrice: of a model.
 * @llm: its name, or "*" for all that the table does not name
 * @prompt, @completion: picodollars a token
 * @image_tokens: an image counts for at most
 */
typedef struct {
  char *llm;
  gint64 prompt, completion;
  gint64 image_tokens;
} VelmLlmPrice;

/* ---- prices ---- */

/** Prices by model. */
typedef struct _VelmPrices VelmPrices;

/**
 * Parses a table of prices: YAML, or JSON.
 *
 *     gpt-4o: {prompt: 2.50, completion: 10.00, image_tokens: 255}   # USD per million tokens
 *     "*":    {prompt: 0, completion: 0}                             # all others
 *
 * @name: what messages call it
 * Returns: (transfer full): NULL with VELM_ERROR_SPEC, "NAME:LINE: message"
 */
VelmPrices *velm_prices_parse(const char *text, gsize length, const char *name, GError **error);

/** velm_prices_parse() of the file @path; VELM_ERROR_FILE where it cannot be read. */
VelmPrices *velm_prices_read(const char *path, GError **error);

/** The table that the YAML value @node is, for files that hold one; mistakes go to @findings.
 * Returns: (transfer full): of what could be read. */
VelmPrices *velm_prices_read_node(const VelmNode *node, GPtrArray *findings);

/** The price of @llm, else that of "*"; NULL where there is neither. Borrowed. */
const VelmLlmPrice *velm_prices_find(const VelmPrices *prices, const char *llm);

void velm_prices_free(VelmPrices *prices);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPrices, velm_prices_free)

/** What tokens cost, in picodollars; G_MAXINT64 where that is more than it can hold. @price: NULL
 * costs nothing. Negative counts are 0. */
gint64 velm_price_cost(const VelmLlmPrice *price, gint64 prompt_tokens, gint64 completion_tokens);

/** Picodollars in USD. */
double velm_price_to_usd(gint64 picodollars);

/**
 * Tokens that a prompt may have at most: one for each byte of its text, as tokenisers that know
 * every byte need no more, and the price's for each image.
 */
gint64 velm_price_most_prompt_tokens(const VelmLlmPrice *price, gsize text_bytes, guint n_images);

/* ---- spending ---- */

/** A run's account. It serves one thread at a time. */
typedef struct _VelmSpending VelmSpending;

/** Whether a request may go out. */
typedef enum {
  VELM_SPENDING_GRANTED, /* yes, and its cost is set aside */
  VELM_SPENDING_WAIT,    /* not before requests in flight have come back for less than set aside */
  VELM_SPENDING_STOP,    /* no: what was spent leaves too little */
} VelmSpendingVerdict;

/**
 * @price: of the model asked, copied; NULL where none is known
 * @budget_usd: that the run may spend; INFINITY for no limit
 * Returns: (transfer full): NULL with VELM_ERROR_USAGE where the budget is negative or not a
 * number, or where there is one and no price to hold it against
 */
VelmSpending *velm_spending_new(const VelmLlmPrice *price, double budget_usd, GError **error);

/**
 * Asks for a request's worst case, and sets it aside. As long as no answer takes more tokens than
 * were asked for, what is spent never exceeds the budget, with any number of requests in flight;
 * so @completion_tokens must be the limit that the request itself sets.
 * Every request granted ends by one velm_spending_settle() or velm_spending_release().
 */
VelmSpendingVerdict velm_spending_may_send(VelmSpending *spending, gint64 prompt_tokens,
                                           gint64 completion_tokens);

/**
 * A request's answer came: what it cost takes the place of what was set aside.
 * @reserved_prompt, @reserved_completion: as granted
 * @prompt_tokens, @completion_tokens: used; -1 where the server does not tell, or where a request
 * broke off and may have been charged: then what was set aside counts as spent
 */
void velm_spending_settle(VelmSpending *spending, gint64 reserved_prompt,
                          gint64 reserved_completion, gint64 prompt_tokens,
                          gint64 completion_tokens);

/** A request ended that certainly cost nothing (refused, never connected, cancelled in the queue).
 */
void velm_spending_release(VelmSpending *spending, gint64 reserved_prompt,
                           gint64 reserved_completion);

/** Counts an answer that was taken from the cache, with the tokens that it cost once (-1: not
 * known). */
void velm_spending_count_cached(VelmSpending *spending, gint64 prompt_tokens,
                                gint64 completion_tokens);

/** What was spent, and what the cache spared, in picodollars. */
gint64 velm_spending_get_spent(const VelmSpending *spending);
gint64 velm_spending_get_spared(const VelmSpending *spending);

/**
 * VelmSpendingTotals: an account at one moment.
 * @requests: that were answered, or may have been charged
 * @cached: answers that the cache had
 * @estimated: requests whose tokens the server did not tell: they count at their most
 * @usd, @spared_usd, @budget_usd: NaN where there is no price, or no budget
 */
typedef struct {
  gint64 requests, cached, estimated;
  gint64 prompt_tokens, completion_tokens;
  double usd, spared_usd, budget_usd;
} VelmSpendingTotals;

/** @spending: NULL for nothing asked */
VelmSpendingTotals velm_spending_get_totals(const VelmSpending *spending);

/** @totals in a line for a person: "12 requests, 3 answers from the cache, 9000 + 420 tokens,
 * 0.0300 USD". Returns: (transfer full): NULL where nothing was asked. */
char *velm_spending_totals_describe(const VelmSpendingTotals *totals);

/** Sets the members of the current object, named as @totals' are. */
void velm_spending_totals_to_json(const VelmSpendingTotals *totals, JsonBuilder *builder);

void velm_spending_free(VelmSpending *spending);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmSpending, velm_spending_free)
