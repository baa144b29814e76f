#include "detect/quantile.h"

double velm_upper_quantile(const float *values, gsize n, double tail) {
  double at = (1 - tail) * (double)(n - 1);
  gsize i = (gsize)at;
  double weight = at - (double)i;
  return (1 - weight) * (double)values[i] + weight * (double)values[MIN(i + 1, n - 1)];
}
