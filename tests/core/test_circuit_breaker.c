#include "core/circuit_breaker.h"

#define WAIT 1000

static void fail(VelmCircuitBreaker *breaker, guint times, gint64 now) {
  for (guint i = 0; i < times; i++) {
    guint64 ticket = velm_circuit_breaker_admit(breaker, now);
    g_assert_cmpuint(ticket, !=, 0);
    velm_circuit_breaker_report(breaker, ticket, VELM_BREAKER_FAILURE, now);
  }
}

static void succeed(VelmCircuitBreaker *breaker, gint64 now) {
  guint64 ticket = velm_circuit_breaker_admit(breaker, now);
  velm_circuit_breaker_report(breaker, ticket, VELM_BREAKER_SUCCESS, now);
}

/* A breaker of 3 failures that opened at 100. */
static VelmCircuitBreaker *opened(void) {
  VelmCircuitBreaker *breaker = velm_circuit_breaker_new(3, WAIT);
  fail(breaker, 3, 100);
  g_assert_true(velm_circuit_breaker_refuses(breaker, 100));
  return breaker;
}

static void test_opens(void) {
  g_autoptr(VelmCircuitBreaker) breaker = velm_circuit_breaker_new(3, WAIT);
  fail(breaker, 2, 100);
  g_assert_false(velm_circuit_breaker_refuses(breaker, 100));
  fail(breaker, 1, 100);
  g_assert_true(velm_circuit_breaker_refuses(breaker, 100 + WAIT - 1));
  g_assert_cmpuint(velm_circuit_breaker_admit(breaker, 100 + WAIT - 1), ==, 0);
  g_assert_cmpint(velm_circuit_breaker_time_left(breaker, 100), ==, WAIT);
  g_assert_cmpint(velm_circuit_breaker_time_left(breaker, 100 + 2 * WAIT), ==, 0);
}

static void test_success_ends_the_row(void) {
  g_autoptr(VelmCircuitBreaker) breaker = velm_circuit_breaker_new(3, WAIT);
  for (int i = 0; i < 10; i++) {
    fail(breaker, 2, 100);
    succeed(breaker, 100);
  }
  g_assert_false(velm_circuit_breaker_refuses(breaker, 100));
}

/* What tells nothing neither ends the row nor counts in it. */
static void test_no_result(void) {
  g_autoptr(VelmCircuitBreaker) breaker = velm_circuit_breaker_new(3, WAIT);
  fail(breaker, 2, 100);
  for (int i = 0; i < 5; i++) {
    guint64 ticket = velm_circuit_breaker_admit(breaker, 100);
    velm_circuit_breaker_report(breaker, ticket, VELM_BREAKER_NO_RESULT, 100);
  }
  g_assert_false(velm_circuit_breaker_refuses(breaker, 100));
  fail(breaker, 1, 100);
  g_assert_true(velm_circuit_breaker_refuses(breaker, 100));
}

static void test_one_trial(void) {
  g_autoptr(VelmCircuitBreaker) breaker = opened();
  guint64 trial = velm_circuit_breaker_admit(breaker, 100 + WAIT);
  g_assert_cmpuint(trial, !=, 0);
  g_assert_true(velm_circuit_breaker_is_current(breaker, trial));
  g_assert_cmpuint(velm_circuit_breaker_admit(breaker, 100 + WAIT), ==, 0);
  g_assert_cmpuint(velm_circuit_breaker_admit(breaker, 100 + 50 * WAIT), ==, 0);
  velm_circuit_breaker_report(breaker, trial, VELM_BREAKER_SUCCESS, 100 + 50 * WAIT);
  g_assert_false(velm_circuit_breaker_refuses(breaker, 100 + 50 * WAIT));
  fail(breaker, 2, 100 + 50 * WAIT);
  g_assert_false(velm_circuit_breaker_refuses(breaker, 100 + 50 * WAIT));
}

static void test_trial_fails(void) {
  g_autoptr(VelmCircuitBreaker) breaker = opened();
  guint64 trial = velm_circuit_breaker_admit(breaker, 5000);
  velm_circuit_breaker_report(breaker, trial, VELM_BREAKER_FAILURE, 5200);
  g_assert_true(velm_circuit_breaker_refuses(breaker, 5200 + WAIT - 1));
  g_assert_false(velm_circuit_breaker_refuses(breaker, 5200 + WAIT));
}

static void test_trial_is_cancelled(void) {
  g_autoptr(VelmCircuitBreaker) breaker = opened();
  guint64 trial = velm_circuit_breaker_admit(breaker, 5000);
  velm_circuit_breaker_report(breaker, trial, VELM_BREAKER_NO_RESULT, 5001);
  trial = velm_circuit_breaker_admit(breaker, 5001);
  g_assert_cmpuint(trial, !=, 0);
  g_assert_cmpuint(velm_circuit_breaker_admit(breaker, 5001), ==, 0);
}

/* Calls that were under way when it opened do not close it, and do not fail the trial. */
static void test_late_results(void) {
  g_autoptr(VelmCircuitBreaker) breaker = velm_circuit_breaker_new(3, WAIT);
  guint64 late = velm_circuit_breaker_admit(breaker, 50);
  fail(breaker, 3, 100);
  g_assert_false(velm_circuit_breaker_is_current(breaker, late));
  velm_circuit_breaker_report(breaker, late, VELM_BREAKER_SUCCESS, 200);
  g_assert_true(velm_circuit_breaker_refuses(breaker, 200));
  guint64 trial = velm_circuit_breaker_admit(breaker, 100 + WAIT);
  velm_circuit_breaker_report(breaker, late, VELM_BREAKER_FAILURE, 100 + WAIT);
  velm_circuit_breaker_report(breaker, trial, VELM_BREAKER_SUCCESS, 100 + WAIT);
  g_assert_false(velm_circuit_breaker_refuses(breaker, 100 + WAIT));
}

static void test_never_opens(void) {
  g_autoptr(VelmCircuitBreaker) breaker = velm_circuit_breaker_new(0, WAIT);
  fail(breaker, 1000, 100);
  g_assert_false(velm_circuit_breaker_refuses(breaker, 100));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/circuit_breaker/opens", test_opens);
  g_test_add_func("/circuit_breaker/success-ends-the-row", test_success_ends_the_row);
  g_test_add_func("/circuit_breaker/no-result", test_no_result);
  g_test_add_func("/circuit_breaker/one-trial", test_one_trial);
  g_test_add_func("/circuit_breaker/trial-fails", test_trial_fails);
  g_test_add_func("/circuit_breaker/trial-is-cancelled", test_trial_is_cancelled);
  g_test_add_func("/circuit_breaker/late-results", test_late_results);
  g_test_add_func("/circuit_breaker/never-opens", test_never_opens);
  return g_test_run();
}
