#include "classify/percentile.h"

#include <math.h>
#include <string.h>

/* Digits of the key: 32 bits in three, of which the last two share one. */
#define DIGIT_BITS 11
#define DIGIT_MASK ((1u << DIGIT_BITS) - 1)

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

/* The digit in which @rank falls; @rank becomes that within the keys of this digit. */
static guint32 find_digit(const guint32 *keys, gsize n, int shift, gsize *rank) {
  gsize counts[1 << DIGIT_BITS] = {0};
  for (gsize i = 0; i < n; i++)
    counts[(keys[i] >> shift) & DIGIT_MASK]++;
  guint32 digit = 0;
  while (*rank >= counts[digit])
    *rank -= counts[digit++];
  return digit;
}

static gsize keep_digit(guint32 *keys, gsize n, int shift, guint32 digit) {
  gsize kept = 0;
  for (gsize i = 0; i < n; i++) {
    keys[kept] = keys[i];
    kept += ((keys[i] >> shift) & DIGIT_MASK) == digit;
  }
  return kept;
}

/* The value of @rank from below, which is less than @n. */
static float select_rank(const float *values, gsize n, gsize rank) {
  static const int shifts[] = {21, 10, 0};
  g_autofree guint32 *keys = g_new(guint32, n);
  for (gsize i = 0; i < n; i++)
    keys[i] = key_of(values[i]);
  for (gsize i = 0; i < G_N_ELEMENTS(shifts); i++) {
    guint32 digit = find_digit(keys, n, shifts[i], &rank);
    n = keep_digit(keys, n, shifts[i], digit);
  }
  return value_of(keys[0]);
}

/* The value of the rank after @rank, which has @low. */
static float next_value(const float *values, gsize n, gsize rank, float low) {
  gsize n_under = 0;
  float next = INFINITY;
  for (gsize i = 0; i < n; i++) {
    n_under += values[i] <= low;
    next = values[i] > low && values[i] < next ? values[i] : next;
  }
  return n_under > rank + 1 ? low : next;
}

double velm_percentile(const float *values, gsize n, double percent) {
  if (n == 0)
    return 0;
  double place = CLAMP(percent, 0, 100) / 100 * (double)(n - 1);
  gsize rank = (gsize)place;
  double share = place - floor(place);
  float low = select_rank(values, n, rank);
  if (share <= 0)
    return (double)low;
  return (double)low + share * (double)(next_value(values, n, rank, low) - low);
}
