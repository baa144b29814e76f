/* The numbers that Python's module `random` gives, as CPython 3.11.7 printed them. */
#include "evaluate/python_random.h"

static const guint32 seeds[] = {0, 1, 4, G_MAXUINT32};

/* random.seed(s); [random.getrandbits(32) for _ in range(5)] */
static void test_bits(void) {
  static const guint32 expected[][5] = {
      {3626764237, 1654615998, 3255389356, 3823568514, 1806341205},
      {577090037, 2444712010, 3639700191, 3445702192, 3280387012},
      {1013818839, 1302657532, 443094727, 3097603021, 1701057193},
      {2728839433, 2661025012, 872737089, 924893097, 2608619700},
  };
  for (gsize s = 0; s < G_N_ELEMENTS(seeds); s++) {
    g_autoptr(VelmPythonRandom) random = velm_python_random_new(seeds[s]);
    for (gsize i = 0; i < G_N_ELEMENTS(*expected); i++)
      g_assert_cmpuint(velm_python_random_bits(random, 32), ==, expected[s][i]);
  }
}

/* random.seed(3); [random.getrandbits(32) for _ in range(1000)][-1]: the state was filled anew. */
static void test_later_bits(void) {
  g_autoptr(VelmPythonRandom) random = velm_python_random_new(3);
  guint32 last = 0;
  for (guint i = 0; i < 1000; i++)
    last = velm_python_random_bits(random, 32);
  g_assert_cmpuint(last, ==, 481434917);
}

/* random.seed(s); [random.randrange(n) for n in (1, 2, 3, 5, 8, 100, 2**31)] */
static void test_below(void) {
  static const guint32 limits[] = {1, 2, 3, 5, 8, 100, 1u << 31};
  static const guint32 expected[][7] = {
      {0, 1, 0, 2, 7, 51, 1302718217},
      {0, 0, 1, 0, 7, 97, 1930549411},
      {0, 1, 0, 3, 7, 19, 386977619},
      {0, 0, 2, 4, 4, 77, 1460408326},
  };
  for (gsize s = 0; s < G_N_ELEMENTS(seeds); s++) {
    g_autoptr(VelmPythonRandom) random = velm_python_random_new(seeds[s]);
    for (gsize i = 0; i < G_N_ELEMENTS(limits); i++)
      g_assert_cmpuint(velm_python_random_below(random, limits[i]), ==, expected[s][i]);
  }
}

static void assert_shuffled(VelmPythonRandom *random, const guint *expected, guint n) {
  guint items[10];
  for (guint i = 0; i < n; i++)
    items[i] = i;
  velm_python_random_shuffle(random, items, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint(items[i], ==, expected[i]);
}

/* random.seed(s); x = list(range(10)); random.shuffle(x); y = list(range(5)); random.shuffle(y) */
static void test_shuffle(void) {
  static const guint expected[][2][10] = {
      {{7, 8, 1, 5, 3, 4, 2, 0, 9, 6}, {3, 0, 4, 1, 2}},
      {{6, 8, 9, 7, 5, 3, 0, 4, 1, 2}, {2, 3, 4, 0, 1}},
      {{8, 2, 0, 7, 6, 9, 5, 1, 4, 3}, {4, 1, 2, 3, 0}},
      {{0, 7, 1, 5, 2, 6, 4, 8, 3, 9}, {4, 0, 1, 3, 2}},
  };
  for (gsize s = 0; s < G_N_ELEMENTS(seeds); s++) {
    g_autoptr(VelmPythonRandom) random = velm_python_random_new(seeds[s]);
    assert_shuffled(random, expected[s][0], 10);
    assert_shuffled(random, expected[s][1], 5);
  }
}

/* Nothing to shuffle draws nothing. */
static void test_shuffle_little(void) {
  g_autoptr(VelmPythonRandom) random = velm_python_random_new(0);
  guint one = 7;
  velm_python_random_shuffle(random, NULL, 0);
  velm_python_random_shuffle(random, &one, 1);
  g_assert_cmpuint(one, ==, 7);
  g_assert_cmpuint(velm_python_random_bits(random, 32), ==, 3626764237);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/python-random/bits", test_bits);
  g_test_add_func("/python-random/later-bits", test_later_bits);
  g_test_add_func("/python-random/below", test_below);
  g_test_add_func("/python-random/shuffle", test_shuffle);
  g_test_add_func("/python-random/shuffle/little", test_shuffle_little);
  return g_test_run();
}
