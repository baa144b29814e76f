#include "classify/logistic.h"

#include "classify/parameters.h"
#include "classify/softmax.h"
#include "core/parallel.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#define PENALTY 0.1F /* lambda */
#define MAX_STEPS 300
#define TOLERANCE 1e-4F /* of the largest component of the gradient */

struct _VelmLogistic {
  VelmStandardiser *standardiser;
  guint n_classes;
  float *weights; /* d + 1 rows of n_classes; the last row is the bias */
};

/* What is minimised: sum over rows of weight times cross-entropy, plus PENALTY / 2 |W|^2 without
 * the bias. All matrices are row-major. */
typedef struct {
  gsize n, d, n_classes; /* d: with the column of ones for the bias */
  float *x;              /* n x d */
  float *weights;        /* n */
  guint *classes;        /* n */
  float *residuals;      /* n x n_classes, scratch */
} Problem;

/* Inputs are divided by the root of their number, so that the penalty means the same for all. */
static double input_scale(guint d) { return 1 / sqrt(d); }

static void fill_rows(Problem *problem, const VelmView *views,
                      const VelmStandardiser *standardiser) {
  guint d = standardiser->d;
  g_autofree float *z = g_new(float, d);
  for (gsize i = 0; i < problem->n; i++) {
    float *row = problem->x + i * problem->d;
    velm_standardiser_apply(standardiser, views[i].values, z);
    for (guint k = 0; k < d; k++)
      row[k] = z[k] * (float)input_scale(d);
    row[d] = 1;
  }
}

static void fill_weights(Problem *problem, const VelmView *views, const VelmShots *shots) {
  g_autofree double *weights = velm_shots_weights(shots);
  g_autofree guint *n_views = g_new0(guint, shots->n);
  for (gsize i = 0; i < problem->n; i++)
    n_views[views[i].shot]++;
  for (gsize i = 0; i < problem->n; i++) {
    problem->weights[i] = (float)weights[views[i].shot] / n_views[views[i].shot];
    problem->classes[i] = shots->classes[views[i].shot];
  }
}

static void problem_init(Problem *problem, const VelmView *views, gsize n, const VelmShots *shots,
                         const VelmStandardiser *standardiser) {
  problem->n = n;
  problem->d = (gsize)standardiser->d + 1;
  problem->n_classes = shots->n_classes;
  problem->x = g_new(float, n * problem->d);
  problem->weights = g_new(float, n);
  problem->classes = g_new(guint, n);
  problem->residuals = g_new(float, n * problem->n_classes);
  fill_rows(problem, views, standardiser);
  fill_weights(problem, views, shots);
}

static void problem_clear(Problem *problem) {
  g_free(problem->x);
  g_free(problem->weights);
  g_free(problem->classes);
  g_free(problem->residuals);
}

/* Largest eigenvalue of a positive semidefinite matrix, of which the upper triangle is read and
 * lost. The trace stands in where LAPACK fails: it is never less. */
static float largest_eigenvalue(float *matrix, gsize side) {
  g_autofree float *values = g_new0(float, side);
  lapack_int n = (lapack_int)side, found = 0, support[2];
  float trace = 0;
  for (gsize i = 0; i < side; i++)
    trace += matrix[i * side + i];
  lapack_int info = LAPACKE_ssyevr(LAPACK_ROW_MAJOR, 'N', 'I', 'U', n, matrix, n, 0, 0, n, n, 0,
                                   &found, values, NULL, 1, support);
  return info == 0 && found == 1 ? values[0] : trace;
}

/* Square of the largest singular value of the rows, each times the root of its weight. */
static float largest_curvature(const Problem *problem) {
  gsize n = problem->n, d = problem->d, side = MIN(n, d);
  g_autofree float *scaled = g_memdup2(problem->x, sizeof(float) * n * d);
  g_autofree float *gram = g_new0(float, side *side);
  for (gsize i = 0; i < n; i++)
    cblas_sscal((int)d, sqrtf(problem->weights[i]), scaled + i * d, 1);
  cblas_ssyrk(CblasRowMajor, CblasUpper, n <= d ? CblasNoTrans : CblasTrans, (int)side,
              (int)MAX(n, d), 1, scaled, (int)d, 0, gram, (int)side);
  return largest_eigenvalue(gram, side);
}

/* Turns scores into weight times (probability - truth). */
static void residuals_of_scores(const Problem *problem) {
  for (gsize i = 0; i < problem->n; i++) {
    float *row = problem->residuals + i * problem->n_classes;
    velm_softmax(row, (guint)problem->n_classes);
    row[problem->classes[i]] -= 1;
    cblas_sscal((int)problem->n_classes, problem->weights[i], row, 1);
  }
}

static void gradient_at(const Problem *problem, const float *w, float *gradient) {
  int n = (int)problem->n, d = (int)problem->d, n_classes = (int)problem->n_classes;
  gsize without_bias = (problem->d - 1) * problem->n_classes;
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n_classes, d, 1, problem->x, d, w,
              n_classes, 0, problem->residuals, n_classes);
  residuals_of_scores(problem);
  memcpy(gradient, w, sizeof(float) * without_bias);
  memset(gradient + without_bias, 0, sizeof(float) * problem->n_classes);
  cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, d, n_classes, n, 1, problem->x, d,
              problem->residuals, n_classes, PENALTY, gradient, n_classes);
}

/* Returns: (transfer full): d rows of n_classes. */
static float *minimise(const Problem *problem) {
  gsize size = problem->d * problem->n_classes;
  float step = 1 / (0.5F * largest_curvature(problem) + PENALTY);
  double momentum = 1;
  float *w = g_new0(float, size);
  g_autofree float *previous = g_new0(float, size);
  g_autofree float *ahead = g_new0(float, size);
  g_autofree float *gradient = g_new(float, size);
  for (int i = 0; i < MAX_STEPS; i++) {
    double next = (1 + sqrt(1 + 4 * momentum * momentum)) / 2;
    float push = (float)((momentum - 1) / next);
    for (gsize k = 0; k < size; k++)
      ahead[k] = w[k] + push * (w[k] - previous[k]);
    momentum = next;
    gradient_at(problem, ahead, gradient);
    if (fabsf(gradient[cblas_isamax((int)size, gradient, 1)]) < TOLERANCE)
      break;
    memcpy(previous, w, sizeof(float) * size);
    cblas_saxpy((int)size, -step, gradient, 1, ahead, 1);
    memcpy(w, ahead, sizeof(float) * size);
  }
  return w;
}

VelmLogistic *velm_logistic_learn(const VelmView *views, gsize n, guint d, const VelmShots *shots) {
  velm_parallel_calm_blas();
  VelmLogistic *logistic = g_new0(VelmLogistic, 1);
  Problem problem;
  logistic->standardiser = velm_standardiser_learn(views, n, d);
  logistic->n_classes = shots->n_classes;
  problem_init(&problem, views, n, shots, logistic->standardiser);
  logistic->weights = minimise(&problem);
  problem_clear(&problem);
  return logistic;
}

void velm_logistic_predict(const VelmLogistic *logistic, const float *values, double *log_p) {
  guint d = logistic->standardiser->d;
  int n_classes = (int)logistic->n_classes;
  g_autofree float *z = g_new(float, d);
  g_autofree float *scores = g_memdup2(logistic->weights + (gsize)d * logistic->n_classes,
                                       sizeof(float) * logistic->n_classes);
  velm_standardiser_apply(logistic->standardiser, values, z);
  cblas_sgemv(CblasRowMajor, CblasTrans, (int)d, n_classes, (float)input_scale(d),
              logistic->weights, n_classes, z, 1, 1, scores, 1);
  for (int c = 0; c < n_classes; c++)
    log_p[c] = scores[c];
  velm_log_softmax(log_p, logistic->n_classes);
}

guint velm_logistic_get_size(const VelmLogistic *logistic) { return logistic->standardiser->d; }

void velm_logistic_store(const VelmLogistic *logistic, VelmModel *model, const char *prefix) {
  gsize size = ((gsize)logistic->standardiser->d + 1) * logistic->n_classes;
  velm_standardiser_store(logistic->standardiser, model, prefix);
  velm_parameters_store(model, prefix, "weights", logistic->weights, size);
}

VelmLogistic *velm_logistic_restore(VelmModel *model, const char *prefix, guint n_classes,
                                    GError **error) {
  g_autoptr(VelmLogistic) logistic = g_new0(VelmLogistic, 1);
  logistic->n_classes = n_classes;
  logistic->standardiser = velm_standardiser_restore(model, prefix, error);
  if (!logistic->standardiser)
    return NULL;
  logistic->weights = velm_parameters_restore(
      model, prefix, "weights", (gsize)logistic->standardiser->d + 1, n_classes, NULL, error);
  return logistic->weights ? g_steal_pointer(&logistic) : NULL;
}

void velm_logistic_free(VelmLogistic *logistic) {
  if (!logistic)
    return;
  velm_standardiser_free(logistic->standardiser);
  g_free(logistic->weights);
  g_free(logistic);
}
