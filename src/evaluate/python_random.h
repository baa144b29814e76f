/*
 * The random numbers of Python's module `random`, so that published draws can be made again: the
 * Mersenne Twister MT19937 (Matsumoto and Nishimura 1998) seeded as CPython 3.2 and later seed it,
 * and their shuffle.
 */
#pragma once

#include <glib.h>

typedef struct _VelmPythonRandom VelmPythonRandom;

/** What random.seed(@seed) leaves. Returns: (transfer full). */
VelmPythonRandom *velm_python_random_new(guint32 seed);
void velm_python_random_free(VelmPythonRandom *random);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPythonRandom, velm_python_random_free)

/** random.getrandbits(@n_bits). @n_bits: 1 to 32. */
guint32 velm_python_random_bits(VelmPythonRandom *random, guint n_bits);

/** random.randrange(@limit): 0 to @limit - 1. @limit: at least 1. */
guint32 velm_python_random_below(VelmPythonRandom *random, guint32 limit);

/** random.shuffle() of @items in place. */
void velm_python_random_shuffle(VelmPythonRandom *random, guint *items, guint n);
