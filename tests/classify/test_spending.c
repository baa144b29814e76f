#include "classify/spending.h"

#include "core/findings.h"
#include "core/json.h"

#include <math.h>
#include <string.h>

#define TABLE                                                                                      \
  "# USD per million tokens\n"                                                                     \
  "gpt-4o: {prompt: 2.50, completion: 10, image_tokens: 255}\n"                                    \
  "cheap:\n  prompt: 0.1\n  completion: 0.0000001\n"                                               \
  "\"*\": {prompt: 0, completion: 0}\n"

static VelmPrices *parse(const char *text) {
  g_autoptr(GError) error = NULL;
  VelmPrices *prices = velm_prices_parse(text, strlen(text), "prices.yaml", &error);
  g_assert_no_error(error);
  return prices;
}

/* ---- prices ---- */

static void test_prices(void) {
  g_autoptr(VelmPrices) prices = parse(TABLE);
  const VelmLlmPrice *price = velm_prices_find(prices, "gpt-4o");
  g_assert_cmpint(price->prompt, ==, 2500000); /* picodollars a token */
  g_assert_cmpint(price->completion, ==, 10000000);
  g_assert_cmpint(price->image_tokens, ==, 255);
  price = velm_prices_find(prices, "cheap");
  g_assert_cmpint(price->prompt, ==, 100000);
  g_assert_cmpint(price->completion, ==, 1); /* up, never to nothing */
  g_assert_cmpint(price->image_tokens, ==, VELM_SPENDING_IMAGE_TOKENS);
  g_assert_cmpint(velm_prices_find(prices, "gpt-4")->prompt, ==, 0);
  g_assert_cmpstr(velm_prices_find(prices, "gpt-4")->llm, ==, "*");
}

static void test_prices_json(void) {
  g_autoptr(VelmPrices) prices =
      parse("{\"a/b:c\": {\"prompt\": 1e-1, \"completion\": 0.4, \"image_tokens\": 10}}");
  g_assert_cmpint(velm_prices_find(prices, "a/b:c")->prompt, ==, 100000);
  g_assert_cmpint(velm_prices_find(prices, "a/b:c")->completion, ==, 400000);
  g_assert_null(velm_prices_find(prices, "a/b"));
}

static void test_wrong_prices(void) {
  static const struct {
    const char *text, *words;
  } cases[] = {
      {"a: {prompt: 1}", "p:1: `a` has no `completion`"},
      {"a: {prompt: 1, completion: -1}", "p:1: `completion` of `a` must be a number"},
      {"a: {prompt: nan, completion: 1}", "must be a number"},
      {"a: {prompt: inf, completion: 1}", "must be a number"},
      {"a: {prompt: 1e9, completion: 1}", "must be a number"},
      {"a: {prompt: 1 USD, completion: 1}", "must be a number"},
      {"a: {prompt: 1, completion: 1, image_tokens: many}", "`image_tokens` must be a number"},
      {"\na: {promt: 1, prompt: 1, completion: 1}", "p:2: unknown key `promt`"},
      {"a: 3", "`a` must be a mapping"},
      {"a:", "`a` has no price"},
      {"a: {prompt: 1, completion: 1}\na: {prompt: 1, completion: 1}", "p:2: "},
      {"- a", "the table of prices must be a mapping"},
      {"{}", "names no model"},
      {"", "the file is empty"},
      {"a: [", "p:"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(velm_prices_parse(cases[i].text, strlen(cases[i].text), "p", &error));
    g_assert_error(error, VELM_ERROR, VELM_ERROR_SPEC);
    if (!strstr(error->message, cases[i].words))
      g_error("\"%s\" is not in \"%s\"", cases[i].words, error->message);
  }
}

static void test_no_price_file(void) {
  g_autoptr(GError) error = NULL;
  g_assert_null(velm_prices_read("/nonexistent/prices.yaml", &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_FILE);
  g_assert_nonnull(strstr(error->message, "/nonexistent/prices.yaml"));
}

static void test_cost(void) {
  g_autoptr(VelmPrices) prices = parse(TABLE);
  const VelmLlmPrice *price = velm_prices_find(prices, "gpt-4o");
  gint64 cost = velm_price_cost(price, 1000, 100);
  g_assert_cmpint(cost, ==, G_GINT64_CONSTANT(3500000000));
  g_assert_cmpfloat(velm_price_to_usd(cost), ==, 0.0035);
  g_assert_cmpint(velm_price_cost(price, -1, -1), ==, 0);
  g_assert_cmpint(velm_price_cost(NULL, 1000, 100), ==, 0);
  g_assert_cmpint(velm_price_cost(price, G_MAXINT64, G_MAXINT64), ==, G_MAXINT64);
  g_assert_cmpint(velm_price_most_prompt_tokens(price, 2000, 3), ==, 2765);
  g_assert_cmpint(velm_price_most_prompt_tokens(NULL, 2000, 1), ==, 10500);
}

/* ---- spending ---- */

/* 1 USD a prompt token, 2 a completion token. */
static const VelmLlmPrice dear = {.prompt = G_GINT64_CONSTANT(1000000000000),
                                  .completion = G_GINT64_CONSTANT(2000000000000)};

static VelmSpending *open_account(const VelmLlmPrice *price, double budget) {
  g_autoptr(GError) error = NULL;
  VelmSpending *spending = velm_spending_new(price, budget, &error);
  g_assert_no_error(error);
  return spending;
}

static double usd(const VelmSpending *spending) {
  return velm_price_to_usd(velm_spending_get_spent(spending));
}

static void test_budget(void) {
  g_autoptr(VelmSpending) spending = open_account(&dear, 10);
  /* Each may cost 4 USD. */
  g_assert_cmpint(velm_spending_may_send(spending, 2, 1), ==, VELM_SPENDING_GRANTED);
  g_assert_cmpint(velm_spending_may_send(spending, 2, 1), ==, VELM_SPENDING_GRANTED);
  g_assert_cmpint(velm_spending_may_send(spending, 2, 1), ==, VELM_SPENDING_WAIT);
  velm_spending_settle(spending, 2, 1, 1, 1); /* 3 of 4 */
  g_assert_cmpfloat(usd(spending), ==, 3);
  g_assert_cmpint(velm_spending_may_send(spending, 2, 1), ==, VELM_SPENDING_WAIT);
  velm_spending_settle(spending, 2, 1, 1, 1);
  g_assert_cmpint(velm_spending_may_send(spending, 2, 1), ==, VELM_SPENDING_GRANTED);
  velm_spending_settle(spending, 2, 1, 2, 1);
  g_assert_cmpfloat(usd(spending), ==, 10);
  g_assert_cmpint(velm_spending_may_send(spending, 2, 1), ==, VELM_SPENDING_STOP);
  g_assert_cmpint(velm_spending_may_send(spending, 0, 0), ==, VELM_SPENDING_GRANTED);
}

/* Waiting where nothing is in flight would never end. */
static void test_never_waits_alone(void) {
  g_autoptr(VelmSpending) spending = open_account(&dear, 3);
  g_assert_cmpint(velm_spending_may_send(spending, 2, 1), ==, VELM_SPENDING_STOP);
  g_assert_cmpint(velm_spending_may_send(spending, 1, 1), ==, VELM_SPENDING_GRANTED);
  velm_spending_release(spending, 1, 1);
  g_assert_cmpint(velm_spending_may_send(spending, 1, 1), ==, VELM_SPENDING_GRANTED);
  g_assert_cmpfloat(usd(spending), ==, 0);
}

static void test_no_budget(void) {
  g_autoptr(VelmSpending) spending = open_account(&dear, INFINITY);
  for (int i = 0; i < 100; i++)
    g_assert_cmpint(velm_spending_may_send(spending, 1000000000, 1000000000), ==,
                    VELM_SPENDING_GRANTED);
  velm_spending_settle(spending, 1000000000, 1000000000, 1, 1);
  g_assert_cmpfloat(usd(spending), ==, 3);
  g_autoptr(VelmSpending) free_of_charge = open_account(NULL, INFINITY);
  g_assert_cmpint(velm_spending_may_send(free_of_charge, 5, 5), ==, VELM_SPENDING_GRANTED);
  velm_spending_settle(free_of_charge, 5, 5, 5, 5);
  g_assert_cmpfloat(usd(free_of_charge), ==, 0);
}

/* What may have been charged counts. */
static void test_unknown_usage(void) {
  g_autoptr(VelmSpending) spending = open_account(&dear, 8);
  velm_spending_may_send(spending, 2, 1);
  velm_spending_settle(spending, 2, 1, -1, -1);
  g_assert_cmpfloat(usd(spending), ==, 4);
  velm_spending_may_send(spending, 2, 1);
  velm_spending_settle(spending, 2, 1, 1, -1);
  g_assert_cmpfloat(usd(spending), ==, 8);
}

static void test_wrong_budget(void) {
  static const double wrong[] = {-1, NAN, -INFINITY};
  for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(velm_spending_new(&dear, wrong[i], &error));
    g_assert_error(error, VELM_ERROR, VELM_ERROR_USAGE);
  }
  g_autoptr(GError) error = NULL;
  g_assert_null(velm_spending_new(NULL, 1, &error));
  g_assert_error(error, VELM_ERROR, VELM_ERROR_USAGE);
  g_assert_nonnull(strstr(error->message, "price"));
}

/* Sends up to 32 at once, whose answers cost what they may at most or less, until it must stop. */
static void test_never_exceeded(void) {
  g_autoptr(GRand) random = g_rand_new_with_seed(5);
  const VelmLlmPrice price = {.prompt = 2500000, .completion = 10000000};
  for (int round = 0; round < 200; round++) {
    double budget = g_rand_double_range(random, 0, 0.05);
    g_autoptr(VelmSpending) spending = open_account(&price, budget);
    int in_flight = 0, sent = 0, waited = 0;
    VelmSpendingVerdict verdict = VELM_SPENDING_GRANTED;
    while (verdict != VELM_SPENDING_STOP || in_flight > 0) {
      verdict = in_flight < 32 ? velm_spending_may_send(spending, 1500, 100) : VELM_SPENDING_WAIT;
      if (verdict == VELM_SPENDING_GRANTED) {
        in_flight++;
        sent++;
        continue;
      }
      waited += verdict == VELM_SPENDING_WAIT ? 1 : 0;
      g_assert_true(in_flight > 0 || verdict == VELM_SPENDING_STOP);
      if (in_flight > 0) {
        velm_spending_settle(spending, 1500, 100, g_rand_int_range(random, 1000, 1501),
                             g_rand_int_range(random, 1, 101));
        in_flight--;
      }
      g_assert_cmpfloat(usd(spending), <=, budget);
    }
    /* What is left is less than the next one's worst case. */
    g_assert_cmpfloat(budget - usd(spending), <,
                      velm_price_to_usd(velm_price_cost(&price, 1500, 100)) + 1e-12);
    g_assert_true(sent > 0 || budget < 0.00475);
    g_assert_true(waited > 0 || sent <= 32);
  }
}

static void test_json(void) {
  g_autoptr(VelmSpending) spending = open_account(&dear, 100);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  velm_spending_may_send(spending, 2, 1);
  velm_spending_settle(spending, 2, 1, 3, 1);
  velm_spending_may_send(spending, 2, 1);
  velm_spending_settle(spending, 2, 1, -1, -1);
  velm_spending_count_cached(spending, 3, 1);
  velm_spending_count_cached(spending, -1, -1);
  json_builder_begin_object(builder);
  const VelmSpendingTotals totals = velm_spending_get_totals(spending);
  velm_spending_totals_to_json(&totals, builder);
  json_builder_end_object(builder);
  g_autofree char *json = velm_json_print(builder, FALSE);
  g_assert_cmpstr(json, ==,
                  "{\"requests\":2,\"cached\":2,\"estimated\":1,\"prompt_tokens\":5,"
                  "\"completion_tokens\":2,\"usd\":9.0,\"spared_usd\":5.0,\"budget_usd\":100.0}");
  g_autofree char *text = velm_spending_totals_describe(&totals);
  g_assert_cmpstr(text, ==,
                  "2 requests, 2 answers from the cache, 5 + 2 tokens, 9.0000 USD (1 without a "
                  "count from the server, taken at their most)");
  g_assert_cmpint(velm_spending_get_spared(spending), ==, G_GINT64_CONSTANT(5000000000000));
}

static void test_json_without_price(void) {
  g_autoptr(VelmSpending) spending = open_account(NULL, INFINITY);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  velm_spending_may_send(spending, 2, 1);
  velm_spending_settle(spending, 2, 1, 3, 1);
  json_builder_begin_object(builder);
  const VelmSpendingTotals totals = velm_spending_get_totals(spending);
  velm_spending_totals_to_json(&totals, builder);
  json_builder_end_object(builder);
  g_autofree char *json = velm_json_print(builder, FALSE);
  g_assert_cmpstr(json, ==,
                  "{\"requests\":1,\"cached\":0,\"estimated\":0,\"prompt_tokens\":3,"
                  "\"completion_tokens\":1,\"usd\":null,\"spared_usd\":null,\"budget_usd\":null}");
}

static void test_nothing_asked(void) {
  const VelmSpendingTotals totals = velm_spending_get_totals(NULL);
  g_assert_null(velm_spending_totals_describe(&totals));
  g_assert_cmpint(totals.requests, ==, 0);
  g_assert_true(isnan(totals.usd));
}

#define ADD(name, function) g_test_add_func("/spending/" name, function)

int main(int argc, char *argv[]) {
  g_test_init(&argc, &argv, NULL);
  ADD("prices", test_prices);
  ADD("prices-json", test_prices_json);
  ADD("wrong-prices", test_wrong_prices);
  ADD("no-price-file", test_no_price_file);
  ADD("cost", test_cost);
  ADD("budget", test_budget);
  ADD("never-waits-alone", test_never_waits_alone);
  ADD("no-budget", test_no_budget);
  ADD("unknown-usage", test_unknown_usage);
  ADD("wrong-budget", test_wrong_budget);
  ADD("never-exceeded", test_never_exceeded);
  ADD("json", test_json);
  ADD("json-without-price", test_json_without_price);
  ADD("nothing-asked", test_nothing_asked);
  return g_test_run();
}
