#include "evaluate/python_random.h"

/* GRand is the same generator, and an array of one word seeds it as CPython's init_by_array does.
 */
struct _VelmPythonRandom {
  GRand *generator;
};

VelmPythonRandom *velm_python_random_new(guint32 seed) {
  VelmPythonRandom *random = g_new(VelmPythonRandom, 1);
  random->generator = g_rand_new_with_seed_array(&seed, 1);
  return random;
}

void velm_python_random_free(VelmPythonRandom *random) {
  if (!random)
    return;
  g_rand_free(random->generator);
  g_free(random);
}

guint32 velm_python_random_bits(VelmPythonRandom *random, guint n_bits) {
  return g_rand_int(random->generator) >> (32 - n_bits);
}

/* As many bits as the limit itself has, drawn again until they are below it. GLib's own
 * g_rand_int_range() takes other bits, and so gives other numbers. */
guint32 velm_python_random_below(VelmPythonRandom *random, guint32 limit) {
  guint n_bits = g_bit_storage(limit);
  guint32 drawn;
  do
    drawn = velm_python_random_bits(random, n_bits);
  while (drawn >= limit);
  return drawn;
}

void velm_python_random_shuffle(VelmPythonRandom *random, guint *items, guint n) {
  for (guint last = n; last-- > 1;) {
    guint other = velm_python_random_below(random, last + 1);
    guint swap = items[last];
    items[last] = items[other];
    items[other] = swap;
  }
}
