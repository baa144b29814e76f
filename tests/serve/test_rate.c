/* Permits of an address: as many at once, and so many a second. */
#include "serve/rate.h"

#define SECOND G_TIME_SPAN_SECOND

static guint take_all(VelmRate *rate, const char *who, gint64 now) {
  guint n = 0;
  while (n < 1000 && velm_rate_take(rate, who, now))
    n++;
  return n;
}

static void test_burst(void) {
  g_autoptr(VelmRate) rate = velm_rate_new(2, 10);
  g_assert_cmpuint(take_all(rate, "a", 0), ==, 10);
  g_assert_false(velm_rate_has(rate, "a", 0));
  /* Each address has its own. */
  g_assert_true(velm_rate_has(rate, "b", 0));
  g_assert_cmpuint(take_all(rate, "b", 0), ==, 10);
}

static void test_refill(void) {
  g_autoptr(VelmRate) rate = velm_rate_new(2, 10);
  take_all(rate, "a", 0);
  g_assert_cmpuint(take_all(rate, "a", SECOND / 4), ==, 0);
  g_assert_cmpuint(take_all(rate, "a", SECOND / 2), ==, 1);
  g_assert_cmpuint(take_all(rate, "a", SECOND * 5 / 2), ==, 4);
  g_assert_cmpuint(take_all(rate, "a", 1000 * SECOND), ==, 10);
}

/* To be refused costs nothing, and to look neither. */
static void test_refused(void) {
  g_autoptr(VelmRate) rate = velm_rate_new(1, 1);
  g_assert_true(velm_rate_take(rate, "a", 0));
  for (guint i = 1; i < 10; i++) {
    g_assert_false(velm_rate_take(rate, "a", i * SECOND / 10));
    g_assert_false(velm_rate_has(rate, "a", i * SECOND / 10));
  }
  g_assert_true(velm_rate_has(rate, "a", SECOND + 1000));
  g_assert_true(velm_rate_has(rate, "a", SECOND + 1000));
  g_assert_true(velm_rate_take(rate, "a", SECOND + 1000));
}

/* More addresses than are remembered: those that have asked little are forgotten, the one that is
 * at its limit is not. */
static void test_many(void) {
  g_autoptr(VelmRate) rate = velm_rate_new(1, 5);
  for (guint i = 0; i < 9999; i++) {
    g_autofree char *who = g_strdup_printf("%u", i);
    g_assert_true(velm_rate_take(rate, who, 0));
  }
  take_all(rate, "busy", 2 * SECOND);
  g_assert_true(velm_rate_take(rate, "new", 2 * SECOND));
  g_assert_false(velm_rate_has(rate, "busy", 2 * SECOND));
}

/* Each second a thousand others: the memory stays bounded, and nobody is refused. */
static void test_flood(void) {
  g_autoptr(VelmRate) rate = velm_rate_new(0.001, 2);
  for (guint i = 0; i < 50000; i++) {
    g_autofree char *who = g_strdup_printf("%u", i);
    g_assert_true(velm_rate_take(rate, who, i));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/rate/burst", test_burst);
  g_test_add_func("/rate/refill", test_refill);
  g_test_add_func("/rate/refused", test_refused);
  g_test_add_func("/rate/many", test_many);
  g_test_add_func("/rate/flood", test_flood);
  return g_test_run();
}
