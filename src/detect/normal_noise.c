#include "detect/normal_noise.h"

#include <math.h>

/* Box and Muller: two values of one draw. */
void velm_normal_noise(float *values, gsize n, gpointer data) {
  GRand *random = data;
  for (gsize i = 0; i < n; i += 2) {
    double radius = sqrt(-2 * log(1 - g_rand_double(random)));
    double angle = 2 * G_PI * g_rand_double(random);
    values[i] = (float)(radius * cos(angle));
    if (i + 1 < n)
      values[i + 1] = (float)(radius * sin(angle));
  }
}
