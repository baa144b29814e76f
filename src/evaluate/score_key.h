/* Scores as integers that sort alike. */
#pragma once

#include <glib.h>
#include <string.h>

/* Unsigned integers in the order of the floats; -0 and 0 are the same score. */
static inline guint32 velm_score_key(float score) {
  guint32 bits;
  float plain = score + 0.0f;
  memcpy(&bits, &plain, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
