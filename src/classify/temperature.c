#include "classify/temperature.h"

#include "classify/softmax.h"

#include <math.h>

#define PRIOR 1.0
#define N_STEPS 60       /* of the grid that finds the valley */
#define N_REFINEMENTS 40 /* each makes it 0.618 times as wide */
#define GOLDEN 0.61803398874989485

typedef struct {
  const double *probabilities;
  const int *truths;
  gsize n;
  guint n_classes;
  double *scratch; /* n_classes */
} Answers;

static void scale(double temperature, const double *probabilities, guint n, double *log_p) {
  for (guint c = 0; c < n; c++)
    log_p[c] = log(MAX(probabilities[c], VELM_TEMPERATURE_FLOOR)) / temperature;
  velm_log_softmax(log_p, n);
}

static gboolean counts(const Answers *answers, gsize i) {
  return answers->truths[i] >= 0 && (guint)answers->truths[i] < answers->n_classes;
}

static double loss_at(const Answers *answers, double log_temperature) {
  double loss = PRIOR * log_temperature * log_temperature;
  for (gsize i = 0; i < answers->n; i++) {
    if (!counts(answers, i))
      continue;
    scale(exp(log_temperature), answers->probabilities + i * answers->n_classes, answers->n_classes,
          answers->scratch);
    loss -= answers->scratch[answers->truths[i]];
  }
  return loss;
}

/* The point of a grid with the least loss; @step: (out). With the prior the loss may have several
 * valleys. */
static double search_grid(const Answers *answers, double *step) {
  double first = log(VELM_TEMPERATURE_MIN), best = 0, least = INFINITY;
  *step = (log(VELM_TEMPERATURE_MAX) - first) / N_STEPS;
  for (int k = 0; k <= N_STEPS; k++) {
    double loss = loss_at(answers, first + k * *step);
    if (loss < least) {
      least = loss;
      best = first + k * *step;
    }
  }
  return best;
}

/* Golden-section search. */
static double search_between(const Answers *answers, double low, double high) {
  double left = high - GOLDEN * (high - low), right = low + GOLDEN * (high - low);
  double left_loss = loss_at(answers, left), right_loss = loss_at(answers, right);
  for (int k = 0; k < N_REFINEMENTS; k++) {
    if (left_loss <= right_loss) {
      high = right;
      right = left;
      right_loss = left_loss;
      left = high - GOLDEN * (high - low);
      left_loss = loss_at(answers, left);
    } else {
      low = left;
      left = right;
      left_loss = right_loss;
      right = low + GOLDEN * (high - low);
      right_loss = loss_at(answers, right);
    }
  }
  return (low + high) / 2;
}

double velm_temperature_fit(const double *probabilities, const int *truths, gsize n,
                            guint n_classes) {
  g_autofree double *scratch = g_new(double, n_classes);
  Answers answers = {probabilities, truths, n, n_classes, scratch};
  double step = 0;
  gsize counted = 0;
  for (gsize i = 0; i < n; i++)
    counted += counts(&answers, i) ? 1 : 0;
  if (counted == 0)
    return 1;
  double near = search_grid(&answers, &step);
  double low = MAX(near - step, log(VELM_TEMPERATURE_MIN));
  double high = MIN(near + step, log(VELM_TEMPERATURE_MAX));
  return exp(search_between(&answers, low, high));
}

void velm_temperature_apply(double temperature, double *probabilities, guint n_classes) {
  scale(temperature, probabilities, n_classes, probabilities);
  for (guint c = 0; c < n_classes; c++)
    probabilities[c] = exp(probabilities[c]);
}
