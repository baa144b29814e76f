#include "detect/screen.h"

static const float fast[] = {1, 2, 3, 4, 5}, accurate[] = {10, 20, 30, 40, 50};

static VelmScreen screen_of(double onward) {
  VelmScreen screen = {fast, accurate, 5, 5, 45, 0};
  velm_screen_set_level(&screen, onward);
  return screen;
}

static void test_level(void) {
  VelmScreen screen = screen_of(0.25);
  g_assert_cmpfloat(screen.level, ==, 4);
  g_assert_true(velm_screen_is_clearly_normal(&screen, 3.9));
  g_assert_false(velm_screen_is_clearly_normal(&screen, 4));
  screen = screen_of(1);
  g_assert_cmpfloat(screen.level, ==, 1);
}

static void test_score(void) {
  VelmScreen screen = screen_of(0.25);
  const double from[] = {1, 2.5, 4, 0.5}, to[] = {10, 25, 40, 5};
  for (gsize i = 0; i < G_N_ELEMENTS(from); i++)
    g_assert_cmpfloat_with_epsilon(velm_screen_score(&screen, from[i]), to[i], 1e-9);
}

/* Whatever the fast one says, what it settles is normal, and a higher score stays no lower. */
static void test_under_threshold(void) {
  VelmScreen screen = screen_of(0.25);
  double last = 0;
  for (double score = 0; score < 9; score += 0.125) {
    double mapped = velm_screen_score(&screen, score);
    g_assert_cmpfloat(mapped, <, screen.threshold);
    g_assert_cmpfloat(mapped, >=, last);
    last = mapped;
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/screen/level", test_level);
  g_test_add_func("/screen/score", test_score);
  g_test_add_func("/screen/under-threshold", test_under_threshold);
  return g_test_run();
}
