#include "classify/part_gaussian.h"

#include "classify/parameters.h"
#include "classify/softmax.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#define WITHIN 0.3         /* what the scatter inside a part counts beside that between parts */
#define SHRINKAGE 0.9      /* towards the same variance for all measures */
#define MIN_VARIANCE 1e-3  /* of the average measure */
#define DEGREES_OF_TRUST 8 /* as many measures as this many independent ones are believed */
#define MAX_SPREAD_COUNT 20

struct _VelmPartGaussian {
  VelmStandardiser *standardiser;
  guint n_classes;
  float *means;     /* n_classes x d */
  float *precision; /* d x d, symmetric */
  float *spread;    /* n_classes: 1 + 1 / parts: the mean itself is the less known the fewer */
};

/* Sums of outer products; only the upper triangle is kept. */
typedef struct {
  guint d;
  double *between, *within; /* d x d */
  gsize n_between;
  gsize n_within;
} Scatter;

static void subtract(const double *a, const double *b, guint d, double *out) {
  for (guint k = 0; k < d; k++)
    out[k] = a[k] - b[k];
}

static void add_outer(double *matrix, guint d, double weight, const double *v) {
  cblas_dsyr(CblasRowMajor, CblasUpper, (int)d, weight, v, 1, matrix, (int)d);
}

/* Means by part of the class's examples. @z: n rows; @counts: examples of each part. */
static double *part_means(const double *z, const VelmView *views, gsize n, guint d,
                          const VelmShots *shots, guint class_index, const guint *counts) {
  double *means = g_new0(double, (gsize)shots->n_parts *d);
  for (gsize i = 0; i < n; i++) {
    guint shot = views[i].shot, part = shots->parts[shot];
    if (shots->classes[shot] == class_index)
      cblas_daxpy((int)d, 1.0 / counts[part], z + i * d, 1, means + (gsize)part * d, 1);
  }
  return means;
}

/* Adds the scatter of one class, and writes its mean, which is that of its parts' means. */
static void add_class(Scatter *scatter, const double *z, const VelmView *views, gsize n,
                      const VelmShots *shots, guint class_index, double *mean) {
  guint d = scatter->d;
  guint n_parts = velm_shots_count_parts(shots, class_index);
  g_autofree guint *counts = velm_shots_count_by_part(shots, class_index);
  g_autofree double *means = part_means(z, views, n, d, shots, class_index, counts);
  g_autofree double *v = g_new(double, d);
  for (guint part = 0; part < shots->n_parts; part++)
    if (counts[part] > 0) {
      cblas_daxpy((int)d, 1.0 / n_parts, means + (gsize)part * d, 1, mean, 1);
      scatter->n_within += counts[part] - 1;
    }
  for (gsize i = 0; i < n; i++)
    if (shots->classes[views[i].shot] == class_index) {
      subtract(z + i * d, means + (gsize)shots->parts[views[i].shot] * d, d, v);
      add_outer(scatter->within, d, 1, v);
    }
  for (guint part = 0; n_parts > 1 && part < shots->n_parts; part++)
    if (counts[part] > 0) {
      subtract(means + (gsize)part * d, mean, d, v);
      add_outer(scatter->between, d, n_parts / (n_parts - 1.0), v);
      scatter->n_between++;
    }
}

/* Mixes the scatters to a covariance, shrunk, in place of scatter->between. */
static void mix_scatters(Scatter *scatter) {
  guint d = scatter->d;
  double share = scatter->n_between > 0 ? WITHIN : 1, trace = 0;
  for (gsize k = 0; k < (gsize)d * d; k++)
    scatter->between[k] = scatter->between[k] / MAX(scatter->n_between, 1) +
                          share * scatter->within[k] / MAX(scatter->n_within, 1);
  for (gsize k = 0; k < d; k++)
    trace += scatter->between[k * d + k];
  cblas_dscal((int)(d * d), 1 - SHRINKAGE, scatter->between, 1);
  for (gsize k = 0; k < d; k++)
    scatter->between[k * d + k] += SHRINKAGE * MAX(trace / d, MIN_VARIANCE);
}

/* Inverse of the upper triangle of @covariance, which is overwritten. It is positive definite by
 * its shrinkage. Returns: (transfer full). */
static float *invert(double *covariance, guint d) {
  float *inverse = g_new0(float, (gsize)d *d);
  LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'U', (int)d, covariance, (int)d);
  LAPACKE_dpotri(LAPACK_ROW_MAJOR, 'U', (int)d, covariance, (int)d);
  for (gsize row = 0; row < d; row++)
    for (gsize column = row; column < d; column++)
      inverse[row * d + column] = inverse[column * d + row] = (float)covariance[row * d + column];
  return inverse;
}

static double *standardised_rows(const VelmStandardiser *standardiser, const VelmView *views,
                                 gsize n) {
  guint d = standardiser->d;
  g_autofree float *row = g_new(float, d);
  double *z = g_new(double, n *d);
  for (gsize i = 0; i < n; i++) {
    velm_standardiser_apply(standardiser, views[i].values, row);
    for (guint k = 0; k < d; k++)
      z[i * d + k] = row[k];
  }
  return z;
}

VelmPartGaussian *velm_part_gaussian_learn(const VelmView *views, gsize n, guint d,
                                           const VelmShots *shots) {
  VelmPartGaussian *gaussian = g_new0(VelmPartGaussian, 1);
  gaussian->standardiser = velm_standardiser_learn(views, n, d);
  gaussian->n_classes = shots->n_classes;
  gaussian->means = g_new0(float, (gsize)d * shots->n_classes);
  gaussian->spread = g_new0(float, shots->n_classes);
  g_autofree double *z = standardised_rows(gaussian->standardiser, views, n);
  g_autofree double *between = g_new0(double, (gsize)d *d);
  g_autofree double *within = g_new0(double, (gsize)d *d);
  Scatter scatter = {.d = d, .between = between, .within = within};
  for (guint c = 0; c < shots->n_classes; c++) {
    g_autofree double *mean = g_new0(double, d);
    add_class(&scatter, z, views, n, shots, c, mean);
    for (guint k = 0; k < d; k++)
      gaussian->means[(gsize)c * d + k] = (float)mean[k];
    gaussian->spread[c] = 1 + 1 / (float)velm_shots_count_parts(shots, c);
  }
  mix_scatters(&scatter);
  gaussian->precision = invert(scatter.between, d);
  return gaussian;
}

/* Square of the Mahalanobis distance of @z to the mean of a class. */
static double distance(const VelmPartGaussian *gaussian, guint class_index, const float *z) {
  int d = (int)gaussian->standardiser->d;
  g_autofree float *away = g_memdup2(z, sizeof(float) * (gsize)d);
  g_autofree float *scaled = g_new0(float, d);
  cblas_saxpy(d, -1, gaussian->means + (gsize)class_index * (gsize)d, 1, away, 1);
  cblas_ssymv(CblasRowMajor, CblasUpper, d, 1, gaussian->precision, d, away, 1, 0, scaled, 1);
  return cblas_dsdot(d, away, 1, scaled, 1);
}

void velm_part_gaussian_predict(const VelmPartGaussian *gaussian, const float *values,
                                double *log_p) {
  guint d = gaussian->standardiser->d;
  double trust = (double)DEGREES_OF_TRUST / MAX(d, DEGREES_OF_TRUST);
  g_autofree float *z = g_new(float, d);
  velm_standardiser_apply(gaussian->standardiser, values, z);
  for (guint c = 0; c < gaussian->n_classes; c++) {
    double spread = gaussian->spread[c];
    double volume = MIN(d, MAX_SPREAD_COUNT) * log(spread);
    log_p[c] = -0.5 * trust * (distance(gaussian, c, z) / spread + volume);
  }
  velm_log_softmax(log_p, gaussian->n_classes);
}

guint velm_part_gaussian_get_size(const VelmPartGaussian *gaussian) {
  return gaussian->standardiser->d;
}

void velm_part_gaussian_store(const VelmPartGaussian *gaussian, VelmModel *model,
                              const char *prefix) {
  gsize d = gaussian->standardiser->d, n_classes = gaussian->n_classes;
  velm_standardiser_store(gaussian->standardiser, model, prefix);
  velm_parameters_store(model, prefix, "means", gaussian->means, n_classes * d);
  velm_parameters_store(model, prefix, "precision", gaussian->precision, d * d);
  velm_parameters_store(model, prefix, "spread", gaussian->spread, n_classes);
}

static gboolean restore_arrays(VelmPartGaussian *gaussian, VelmModel *model, const char *prefix,
                               GError **error) {
  gsize d = gaussian->standardiser->d, n_classes = gaussian->n_classes;
  gaussian->means = velm_parameters_restore(model, prefix, "means", n_classes, d, NULL, error);
  if (!gaussian->means)
    return FALSE;
  gaussian->precision = velm_parameters_restore(model, prefix, "precision", d, d, NULL, error);
  if (!gaussian->precision)
    return FALSE;
  gaussian->spread = velm_parameters_restore(model, prefix, "spread", 1, n_classes, NULL, error);
  for (gsize c = 0; gaussian->spread && c < n_classes; c++)
    if (gaussian->spread[c] < 1) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                  "the model's \"%s.spread\" cannot be used: it is out of range", prefix);
      return FALSE;
    }
  return gaussian->spread != NULL;
}

VelmPartGaussian *velm_part_gaussian_restore(VelmModel *model, const char *prefix, guint n_classes,
                                             GError **error) {
  g_autoptr(VelmPartGaussian) gaussian = g_new0(VelmPartGaussian, 1);
  gaussian->n_classes = n_classes;
  gaussian->standardiser = velm_standardiser_restore(model, prefix, error);
  if (!gaussian->standardiser || !restore_arrays(gaussian, model, prefix, error))
    return NULL;
  return g_steal_pointer(&gaussian);
}

void velm_part_gaussian_free(VelmPartGaussian *gaussian) {
  if (!gaussian)
    return;
  velm_standardiser_free(gaussian->standardiser);
  g_free(gaussian->means);
  g_free(gaussian->precision);
  g_free(gaussian->spread);
  g_free(gaussian);
}
