#include "classify/blend.h"

#include "classify/parameters.h"
#include "classify/softmax.h"

#include <math.h>
#include <string.h>

/* Weights are prior * exp(theta). */
#define MIN_THETA -3.0
#define MAX_THETA 2.0
#define THETA_PENALTY 1.0
#define MAX_STEPS 100
#define MIN_GAIN 1e-7
#define MIN_STEP 1e-6
#define FIRST_STEP 0.5

#define MIN_TEMPERATURE 0.4
#define MAX_TEMPERATURE 2.5
#define N_TEMPERATURES 25
#define TEMPERATURE_PENALTY 0.05

#define MAX_WEIGHT 1000.0 /* that a model file may hold */

struct _VelmBlend {
  guint n_experts, n_classes;
  float *weights; /* n_experts */
  float *bonus;   /* n_classes, added to the log probabilities */
  float temperature;
};

/* The examples to learn from, and what was said of them. */
typedef struct {
  const double *const *log_p;
  const double *priors;
  const VelmShots *shots;
  const gboolean *usable;
  guint n_experts, n_usable;
  double *weights; /* by example; 0 where it is not usable, 1 in sum */
} Lesson;

static void lesson_init(Lesson *lesson) {
  double sum = 0;
  lesson->weights = velm_shots_weights(lesson->shots);
  for (gsize i = 0; i < lesson->shots->n; i++) {
    lesson->n_usable += lesson->usable[i] ? 1 : 0;
    lesson->weights[i] *= lesson->usable[i] ? 1 : 0;
    sum += lesson->weights[i];
  }
  for (gsize i = 0; sum > 0 && i < lesson->shots->n; i++)
    lesson->weights[i] /= sum;
}

/* Log probabilities of one example, the experts' added with @weights. */
static void add_experts(const Lesson *lesson, const double *weights, gsize example, double *sum) {
  guint n_classes = lesson->shots->n_classes;
  memset(sum, 0, sizeof(double) * n_classes);
  for (guint e = 0; e < lesson->n_experts; e++)
    for (guint c = 0; lesson->log_p[e] && c < n_classes; c++)
      sum[c] += weights[e] * lesson->log_p[e][example * n_classes + c];
  velm_log_softmax(sum, n_classes);
}

/* ---- weights ---- */

static void weights_of(const Lesson *lesson, const double *theta, double *weights) {
  for (guint e = 0; e < lesson->n_experts; e++)
    weights[e] = lesson->log_p[e] ? lesson->priors[e] * exp(theta[e]) : 0;
}

/* Adds an example's part of the gradient: weight times what expert e says more of the answer given
 * than of the truth. @log_p: the blend's. */
static void add_gradient(const Lesson *lesson, const double *weights, gsize example,
                         const double *log_p, double *gradient) {
  guint n_classes = lesson->shots->n_classes, truth = lesson->shots->classes[example];
  for (guint e = 0; e < lesson->n_experts; e++) {
    if (!lesson->log_p[e])
      continue;
    const double *said = lesson->log_p[e] + example * n_classes;
    double excess = -said[truth];
    for (guint c = 0; c < n_classes; c++)
      excess += exp(log_p[c]) * said[c];
    gradient[e] += lesson->weights[example] * weights[e] * excess;
  }
}

/* Cross-entropy of the examples, penalised, and its gradient. */
static double loss_at(const Lesson *lesson, const double *theta, double *gradient) {
  g_autofree double *weights = g_new(double, lesson->n_experts);
  g_autofree double *log_p = g_new(double, lesson->shots->n_classes);
  double loss = 0;
  weights_of(lesson, theta, weights);
  for (guint e = 0; e < lesson->n_experts; e++) {
    gradient[e] = 2 * THETA_PENALTY * theta[e];
    loss += THETA_PENALTY * theta[e] * theta[e];
  }
  for (gsize i = 0; i < lesson->shots->n; i++)
    if (lesson->usable[i]) {
      add_experts(lesson, weights, i, log_p);
      loss -= lesson->weights[i] * log_p[lesson->shots->classes[i]];
      add_gradient(lesson, weights, i, log_p, gradient);
    }
  return loss;
}

/* Gradient descent, whose step is halved where it does not help. */
static void learn_theta(const Lesson *lesson, double *theta) {
  guint n = lesson->n_experts;
  g_autofree double *gradient = g_new(double, n);
  g_autofree double *next = g_new(double, n);
  g_autofree double *next_gradient = g_new(double, n);
  double loss = loss_at(lesson, theta, gradient), step = FIRST_STEP;
  for (int i = 0; i < MAX_STEPS && step >= MIN_STEP; i++) {
    for (guint e = 0; e < n; e++)
      next[e] = CLAMP(theta[e] - step * gradient[e], MIN_THETA, MAX_THETA);
    double next_loss = loss_at(lesson, next, next_gradient);
    if (next_loss >= loss) {
      step /= 2;
      continue;
    }
    if (loss - next_loss < MIN_GAIN)
      break;
    memcpy(theta, next, sizeof(double) * n);
    memcpy(gradient, next_gradient, sizeof(double) * n);
    loss = next_loss;
    step *= 1.3;
  }
}

/* ---- temperature and bonus ---- */

static void sharpen(const VelmBlend *blend, double temperature, double *log_p) {
  for (guint c = 0; c < blend->n_classes; c++)
    log_p[c] = temperature * log_p[c] + blend->bonus[c];
  velm_log_softmax(log_p, blend->n_classes);
}

static double temperature_loss(const VelmBlend *blend, const Lesson *lesson, const double *weights,
                               double temperature) {
  g_autofree double *log_p = g_new(double, blend->n_classes);
  double loss = TEMPERATURE_PENALTY * log(temperature) * log(temperature);
  for (gsize i = 0; i < lesson->shots->n; i++)
    if (lesson->usable[i]) {
      add_experts(lesson, weights, i, log_p);
      sharpen(blend, temperature, log_p);
      loss -= lesson->weights[i] * log_p[lesson->shots->classes[i]];
    }
  return loss;
}

static double learn_temperature(const VelmBlend *blend, const Lesson *lesson,
                                const double *weights) {
  double best = 1, least = INFINITY;
  for (int k = 0; k < N_TEMPERATURES; k++) {
    double share = k / (N_TEMPERATURES - 1.0);
    double temperature =
        exp(log(MIN_TEMPERATURE) + share * (log(MAX_TEMPERATURE) - log(MIN_TEMPERATURE)));
    double loss = temperature_loss(blend, lesson, weights, temperature);
    if (loss < least) {
      least = loss;
      best = temperature;
    }
  }
  return best;
}

/* Zero on average over the classes. */
static float *bonus_of(const VelmShots *shots) {
  float *bonus = g_new(float, shots->n_classes);
  double mean = 0;
  for (guint c = 0; c < shots->n_classes; c++) {
    bonus[c] = (float)(VELM_PART_BONUS * log1p(1.0 / velm_shots_count_parts(shots, c)));
    mean += bonus[c] / (double)shots->n_classes;
  }
  for (guint c = 0; c < shots->n_classes; c++)
    bonus[c] -= (float)mean;
  return bonus;
}

/* ---- the blend ---- */

VelmBlend *velm_blend_learn(const double *const *log_p, const double *priors, guint n_experts,
                            const VelmShots *shots, const gboolean *usable) {
  Lesson lesson = {log_p, priors, shots, usable, .n_experts = n_experts};
  VelmBlend *blend = g_new0(VelmBlend, 1);
  g_autofree double *theta = g_new0(double, n_experts);
  g_autofree double *weights = g_new0(double, n_experts);
  lesson_init(&lesson);
  gboolean enough = lesson.n_usable >= 2 * shots->n_classes;
  if (enough)
    learn_theta(&lesson, theta);
  weights_of(&lesson, theta, weights);
  blend->n_experts = n_experts;
  blend->n_classes = shots->n_classes;
  blend->bonus = bonus_of(shots);
  blend->temperature = enough ? (float)learn_temperature(blend, &lesson, weights) : 1;
  blend->weights = g_new(float, n_experts);
  for (guint e = 0; e < n_experts; e++)
    blend->weights[e] = (float)weights[e];
  g_free(lesson.weights);
  return blend;
}

void velm_blend_predict(const VelmBlend *blend, const double *const *log_p, double *probabilities) {
  memset(probabilities, 0, sizeof(double) * blend->n_classes);
  for (guint e = 0; e < blend->n_experts; e++)
    for (guint c = 0; log_p[e] && c < blend->n_classes; c++)
      probabilities[c] += blend->weights[e] * log_p[e][c];
  velm_log_softmax(probabilities, blend->n_classes);
  sharpen(blend, blend->temperature, probabilities);
  for (guint c = 0; c < blend->n_classes; c++)
    probabilities[c] = exp(probabilities[c]);
}

const float *velm_blend_get_weights(const VelmBlend *blend) { return blend->weights; }

float velm_blend_get_temperature(const VelmBlend *blend) { return blend->temperature; }

void velm_blend_store(const VelmBlend *blend, VelmModel *model, const char *prefix) {
  velm_parameters_store(model, prefix, "weights", blend->weights, blend->n_experts);
  velm_parameters_store(model, prefix, "bonus", blend->bonus, blend->n_classes);
  velm_parameters_store(model, prefix, "temperature", &blend->temperature, 1);
}

static gboolean check_weights(const VelmBlend *blend, const char *prefix, GError **error) {
  for (guint e = 0; e < blend->n_experts; e++)
    if (!(blend->weights[e] >= 0 && blend->weights[e] <= MAX_WEIGHT)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                  "the model's \"%s.weights\" cannot be used: it is out of range", prefix);
      return FALSE;
    }
  return TRUE;
}

VelmBlend *velm_blend_restore(VelmModel *model, const char *prefix, guint n_experts,
                              guint n_classes, GError **error) {
  g_autoptr(VelmBlend) blend = g_new0(VelmBlend, 1);
  blend->n_experts = n_experts;
  blend->n_classes = n_classes;
  blend->weights = velm_parameters_restore(model, prefix, "weights", 1, n_experts, NULL, error);
  if (!blend->weights || !check_weights(blend, prefix, error))
    return NULL;
  blend->bonus = velm_parameters_restore(model, prefix, "bonus", 1, n_classes, NULL, error);
  if (!blend->bonus)
    return NULL;
  if (!velm_parameter_restore(model, prefix, "temperature", MIN_TEMPERATURE / 1.001,
                              MAX_TEMPERATURE * 1.001, &blend->temperature, error))
    return NULL;
  return g_steal_pointer(&blend);
}

void velm_blend_free(VelmBlend *blend) {
  if (!blend)
    return;
  g_free(blend->weights);
  g_free(blend->bonus);
  g_free(blend);
}
