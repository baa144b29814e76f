#include "classify/softmax.h"

#include <math.h>

void velm_log_softmax(double *scores, guint n) {
  double largest = -INFINITY, sum = 0;
  for (guint i = 0; i < n; i++)
    largest = MAX(largest, scores[i]);
  for (guint i = 0; i < n; i++)
    sum += exp(scores[i] - largest);
  double shift = largest + log(sum);
  for (guint i = 0; i < n; i++)
    scores[i] -= shift;
}

void velm_softmax(float *scores, guint n) {
  float largest = -INFINITY, sum = 0;
  for (guint i = 0; i < n; i++)
    largest = MAX(largest, scores[i]);
  for (guint i = 0; i < n; i++)
    sum += scores[i] = expf(scores[i] - largest);
  for (guint i = 0; i < n; i++)
    scores[i] /= sum;
}
