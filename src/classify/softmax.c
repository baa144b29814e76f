#include "classify/softmax.h"

#include <math.h>

void velm_log_softmax(double *scores, guint n) {
  double largest = -INFINITY, sum = 0;
  for (guint i = 0; i < n; i++)
    largest = MAX(largest, scores[i]);
  for (guint i = 0; i < n; i++)
    sum += exp(scores[i] - largest);
  for (guint i = 0; i < n; i++)
    scores[i] -= largest + log(sum);
}
