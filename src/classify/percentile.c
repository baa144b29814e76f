#include "classify/percentile.h"

#include <math.h>
#include <string.h>

/* Digits of the key, most significant first: 32 bits in three. */
#define DIGIT_BITS 11
#define N_DIGITS 3

/* A number that orders as @value does. */
static guint32 key_of(float value) {
  guint32 bits;
  memcpy(&bits, &value, sizeof bits);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

static float value_of(guint32 key) {
  guint32 bits = key >> 31 ? key & 0x7fffffffu : ~key;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* The digit in which the rank falls among the keys that begin as @prefix; @rank becomes that
 * within. */
static guint32 select_digit(const float *values, gsize n, guint32 prefix, guint32 known, int shift,
                            gsize *rank) {
  gsize counts[1 << DIGIT_BITS] = {0};
  for (gsize i = 0; i < n; i++) {
    guint32 key = key_of(values[i]);
    if ((key & known) == prefix)
      counts[(key >> shift) & ((1u << DIGIT_BITS) - 1)]++;
  }
  guint32 digit = 0;
  while (*rank >= counts[digit])
    *rank -= counts[digit++];
  return digit;
}

/* The value of @rank from below, which is less than @n. */
static float select_rank(const float *values, gsize n, gsize rank) {
  static const int shifts[N_DIGITS] = {21, 10, 0};
  static const guint32 known[N_DIGITS] = {0, 0xffe00000u, 0xfffffc00u};
  guint32 key = 0;
  for (int i = 0; i < N_DIGITS; i++) {
    guint32 digit = select_digit(values, n, key, known[i], shifts[i], &rank);
    key |= digit << shifts[i];
  }
  return value_of(key);
}

double velm_percentile(const float *values, gsize n, double percent) {
  if (n == 0)
    return 0;
  double place = CLAMP(percent, 0, 100) / 100 * (double)(n - 1);
  gsize rank = (gsize)place;
  double low = (double)select_rank(values, n, rank), share = place - floor(place);
  if (share <= 0)
    return low;
  return low + share * ((double)select_rank(values, n, rank + 1) - low);
}
