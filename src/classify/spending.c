#include "classify/spending.h"

#include "core/file.h"
#include "core/findings.h"
#include "core/json.h"
#include "core/yaml_read.h"

#include <math.h>

#define PICO 1e12
#define PICO_PER_USD_A_MILLION 1e6 /* USD per million tokens, in picodollars a token */
#define MAX_PRICE 1e6              /* USD per million tokens */
#define MAX_TOKENS 1e9             /* of an image */
#define MAX_FILE_BYTES (1024 * 1024)
#define ALL_MODELS "*"

struct _VelmPrices {
  GPtrArray *list; /* of VelmLlmPrice */
};

/* ---- reading prices ---- */

static void price_free(gpointer data) {
  VelmLlmPrice *price = data;
  g_free(price->llm);
  g_free(price);
}

static VelmPrices *prices_new(void) {
  VelmPrices *prices = g_new0(VelmPrices, 1);
  prices->list = g_ptr_array_new_with_free_func(price_free);
  return prices;
}

/* A number of 0 to @most; @otherwise where the key is not there. */
static double read_number(const VelmNode *node, const char *what, double most, double otherwise,
                          GPtrArray *findings) {
  g_autofree char *text = velm_node_read_text(node, what, FALSE, findings);
  char *end = NULL;
  double value = text ? g_ascii_strtod(text, &end) : otherwise;
  if (!text || (end != text && !*end && value >= 0 && value <= most))
    return value;
  velm_findings_error(findings, node->line, node->column, "%s must be a number of 0 to %.0f", what,
                      most);
  return otherwise;
}

/* USD per million tokens; rounded up, so that no budget is exceeded by a remainder. */
static gint64 read_rate(const VelmNode *price, const VelmNode *key, const char *name,
                        GPtrArray *findings) {
  const VelmNode *node = velm_node_get(price, name);
  g_autofree char *what = g_strdup_printf("`%s` of `%s`", name, key->text);
  if (velm_node_is_absent(node))
    velm_findings_error(findings, key->line, key->column,
                        "`%s` has no `%s`: USD per million tokens", key->text, name);
  double rate = read_number(node, what, MAX_PRICE, 0, findings) * PICO_PER_USD_A_MILLION;
  /* 0.1 times a million is not quite whole in binary: that is no remainder. */
  double whole = round(rate);
  return (gint64)(fabs(rate - whole) < 1e-6 * MAX(whole, 1) ? whole : ceil(rate));
}

static void read_price(VelmPrices *prices, const VelmNode *key, const VelmNode *node,
                       GPtrArray *findings) {
  static const char *const keys[] = {"prompt", "completion", "image_tokens"};
  g_autofree char *what = g_strdup_printf("`%s`", key->text);
  if (velm_node_is_absent(node))
    velm_findings_error(findings, key->line, key->column, "`%s` has no price", key->text);
  if (!velm_node_expect(node, VELM_NODE_MAPPING, what, findings))
    return;
  velm_node_check_keys(node, "a price", keys, G_N_ELEMENTS(keys), findings);
  VelmLlmPrice *price = g_new0(VelmLlmPrice, 1);
  price->llm = g_strdup(key->text);
  price->prompt = read_rate(node, key, "prompt", findings);
  price->completion = read_rate(node, key, "completion", findings);
  price->image_tokens =
      (gint64)ceil(read_number(velm_node_get(node, "image_tokens"), "`image_tokens`", MAX_TOKENS,
                               VELM_SPENDING_IMAGE_TOKENS, findings));
  g_ptr_array_add(prices->list, price);
}

VelmPrices *velm_prices_read_node(const VelmNode *node, GPtrArray *findings) {
  VelmPrices *prices = prices_new();
  if (!velm_node_expect(node, VELM_NODE_MAPPING, "the table of prices", findings))
    return prices;
  for (guint i = 0; i < node->keys->len && !velm_findings_full(findings); i++)
    read_price(prices, g_ptr_array_index(node->keys, i), g_ptr_array_index(node->items, i),
               findings);
  return prices;
}

VelmPrices *velm_prices_parse(const char *text, gsize length, const char *name, GError **error) {
  g_autoptr(GPtrArray) findings = velm_findings_new();
  g_autoptr(VelmNode) root = NULL;
  g_autoptr(VelmPrices) prices = NULL;
  if (length > MAX_FILE_BYTES)
    velm_findings_error(findings, 1, 1, "larger than a table of prices may be (1 MiB)");
  else if ((root = velm_node_parse(text, length, findings)))
    prices = velm_prices_read_node(root, findings);
  if (prices && prices->list->len == 0 && findings->len == 0)
    velm_findings_error(findings, 1, 1, "names no model");
  velm_findings_sort(findings);
  const VelmTextFinding *mistake = velm_findings_first_error(findings);
  if (!mistake)
    return g_steal_pointer(&prices);
  g_set_error(error, VELM_ERROR, VELM_ERROR_SPEC, "%s:%d: %s", name, mistake->line,
              mistake->message);
  return NULL;
}

VelmPrices *velm_prices_read(const char *path, GError **error) {
  gsize length = 0;
  g_autofree char *text = velm_file_read_limited(path, MAX_FILE_BYTES, &length, error);
  return text ? velm_prices_parse(text, length, path, error) : NULL;
}

const VelmLlmPrice *velm_prices_find(const VelmPrices *prices, const char *llm) {
  const VelmLlmPrice *any = NULL;
  for (guint i = 0; i < prices->list->len; i++) {
    const VelmLlmPrice *price = g_ptr_array_index(prices->list, i);
    if (g_str_equal(price->llm, llm))
      return price;
    if (g_str_equal(price->llm, ALL_MODELS))
      any = price;
  }
  return any;
}

void velm_prices_free(VelmPrices *prices) {
  if (!prices)
    return;
  g_ptr_array_unref(prices->list);
  g_free(prices);
}

/* ---- sums ---- */

/* Of numbers that are not negative; G_MAXINT64 where it is more. */
static gint64 add(gint64 a, gint64 b) { return a > G_MAXINT64 - b ? G_MAXINT64 : a + b; }

static gint64 multiply(gint64 a, gint64 b) {
  return a > 0 && b > G_MAXINT64 / a ? G_MAXINT64 : a * b;
}

gint64 velm_price_cost(const VelmLlmPrice *price, gint64 prompt_tokens, gint64 completion_tokens) {
  if (!price)
    return 0;
  return add(multiply(price->prompt, MAX(prompt_tokens, 0)),
             multiply(price->completion, MAX(completion_tokens, 0)));
}

double velm_price_to_usd(gint64 picodollars) { return (double)picodollars / PICO; }

gint64 velm_price_most_prompt_tokens(const VelmLlmPrice *price, gsize text_bytes, guint n_images) {
  gint64 image = price ? price->image_tokens : VELM_SPENDING_IMAGE_TOKENS;
  return add((gint64)MIN(text_bytes, (gsize)G_MAXINT64), multiply(image, n_images));
}

/* ---- spending ---- */

/* Sums in picodollars; no more than @budget is spent and set aside together. */
struct _VelmSpending {
  gboolean has_price, has_budget;
  VelmLlmPrice price; /* without its name */
  gint64 budget;
  gint64 spent, set_aside, spared;
  gint64 requests, cached, estimated;
  gint64 prompt_tokens, completion_tokens;
};

VelmSpending *velm_spending_new(const VelmLlmPrice *price, double budget_usd, GError **error) {
  if (isnan(budget_usd) || budget_usd < 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "a budget must be 0 USD or more");
    return NULL;
  }
  if (isfinite(budget_usd) && !price) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "a budget needs the language model's price: name it in the table of prices");
    return NULL;
  }
  VelmSpending *spending = g_new0(VelmSpending, 1);
  spending->has_price = price != NULL;
  spending->has_budget = isfinite(budget_usd);
  spending->budget =
      budget_usd * PICO < (double)G_MAXINT64 ? (gint64)llround(budget_usd * PICO) : G_MAXINT64;
  if (price)
    spending->price = *price;
  spending->price.llm = NULL;
  return spending;
}

void velm_spending_free(VelmSpending *spending) { g_free(spending); }

static gint64 cost_of(const VelmSpending *spending, gint64 prompt_tokens,
                      gint64 completion_tokens) {
  return velm_price_cost(&spending->price, prompt_tokens, completion_tokens);
}

VelmSpendingVerdict velm_spending_may_send(VelmSpending *spending, gint64 prompt_tokens,
                                           gint64 completion_tokens) {
  gint64 cost = cost_of(spending, prompt_tokens, completion_tokens);
  gint64 with_spent = add(spending->spent, cost);
  gint64 with_all = add(with_spent, spending->set_aside);
  if (spending->has_budget && with_spent > spending->budget)
    return VELM_SPENDING_STOP;
  if (spending->has_budget && with_all > spending->budget)
    return VELM_SPENDING_WAIT;
  spending->set_aside = add(spending->set_aside, cost);
  return VELM_SPENDING_GRANTED;
}

void velm_spending_release(VelmSpending *spending, gint64 reserved_prompt,
                           gint64 reserved_completion) {
  gint64 cost = cost_of(spending, reserved_prompt, reserved_completion);
  spending->set_aside = MAX(spending->set_aside - cost, 0);
}

void velm_spending_settle(VelmSpending *spending, gint64 reserved_prompt,
                          gint64 reserved_completion, gint64 prompt_tokens,
                          gint64 completion_tokens) {
  gboolean known = prompt_tokens >= 0 && completion_tokens >= 0;
  gint64 prompt = known ? prompt_tokens : MAX(reserved_prompt, 0);
  gint64 completion = known ? completion_tokens : MAX(reserved_completion, 0);
  velm_spending_release(spending, reserved_prompt, reserved_completion);
  spending->spent = add(spending->spent, cost_of(spending, prompt, completion));
  spending->prompt_tokens = add(spending->prompt_tokens, prompt);
  spending->completion_tokens = add(spending->completion_tokens, completion);
  spending->requests++;
  spending->estimated += known ? 0 : 1;
}

void velm_spending_count_cached(VelmSpending *spending, gint64 prompt_tokens,
                                gint64 completion_tokens) {
  spending->cached++;
  spending->spared = add(spending->spared, cost_of(spending, prompt_tokens, completion_tokens));
}

gint64 velm_spending_get_spent(const VelmSpending *spending) { return spending->spent; }

gint64 velm_spending_get_spared(const VelmSpending *spending) { return spending->spared; }

VelmSpendingTotals velm_spending_get_totals(const VelmSpending *spending) {
  VelmSpendingTotals totals = {.usd = NAN, .spared_usd = NAN, .budget_usd = NAN};
  if (!spending)
    return totals;
  totals.requests = spending->requests;
  totals.cached = spending->cached;
  totals.estimated = spending->estimated;
  totals.prompt_tokens = spending->prompt_tokens;
  totals.completion_tokens = spending->completion_tokens;
  if (spending->has_price) {
    totals.usd = velm_price_to_usd(spending->spent);
    totals.spared_usd = velm_price_to_usd(spending->spared);
  }
  if (spending->has_budget)
    totals.budget_usd = velm_price_to_usd(spending->budget);
  return totals;
}

char *velm_spending_totals_describe(const VelmSpendingTotals *totals) {
  if (totals->requests == 0 && totals->cached == 0)
    return NULL;
  GString *text = g_string_new(NULL);
  g_string_append_printf(
      text,
      "%" G_GINT64_FORMAT " requests, %" G_GINT64_FORMAT
      " answers from the cache, %" G_GINT64_FORMAT " + %" G_GINT64_FORMAT " tokens",
      totals->requests, totals->cached, totals->prompt_tokens, totals->completion_tokens);
  if (isfinite(totals->usd))
    g_string_append_printf(text, ", %.4f USD", totals->usd);
  if (totals->estimated > 0)
    g_string_append_printf(
        text, " (%" G_GINT64_FORMAT " without a count from the server, taken at their most)",
        totals->estimated);
  return g_string_free(text, FALSE);
}

void velm_spending_totals_to_json(const VelmSpendingTotals *totals, JsonBuilder *builder) {
  velm_json_set_int(builder, "requests", totals->requests);
  velm_json_set_int(builder, "cached", totals->cached);
  velm_json_set_int(builder, "estimated", totals->estimated);
  velm_json_set_int(builder, "prompt_tokens", totals->prompt_tokens);
  velm_json_set_int(builder, "completion_tokens", totals->completion_tokens);
  velm_json_set_double(builder, "usd", totals->usd);
  velm_json_set_double(builder, "spared_usd", totals->spared_usd);
  velm_json_set_double(builder, "budget_usd", totals->budget_usd);
}
