#include "detect/quantile.h"

int velm_compare_floats(gconstpointer a, gconstpointer b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}

double velm_upper_quantile(const float *values, gsize n, double tail) {
  double at = (1 - tail) * (double)(n - 1);
  gsize i = (gsize)at;
  double weight = at - (double)i;
  return (1 - weight) * (double)values[i] + weight * (double)values[MIN(i + 1, n - 1)];
}
