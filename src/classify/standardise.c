#include "classify/standardise.h"

#include "classify/parameters.h"

#include <math.h>

/* Added to deviations: some measure may be the same in all examples. */
#define SMALLEST_DEVIATION 1e-6

static VelmStandardiser *standardiser_new(guint d) {
  VelmStandardiser *standardiser = g_new0(VelmStandardiser, 1);
  standardiser->d = d;
  standardiser->mean = g_new0(float, d);
  standardiser->deviation = g_new0(float, d);
  return standardiser;
}

VelmStandardiser *velm_standardiser_learn(const VelmView *views, gsize n, guint d) {
  VelmStandardiser *standardiser = standardiser_new(d);
  for (guint k = 0; k < d; k++) {
    double mean = 0, variance = 0;
    for (gsize i = 0; i < n; i++)
      mean += views[i].values[k] / (double)n;
    for (gsize i = 0; i < n; i++)
      variance += (views[i].values[k] - mean) * (views[i].values[k] - mean) / (double)n;
    standardiser->mean[k] = (float)mean;
    standardiser->deviation[k] = (float)(sqrt(variance) + SMALLEST_DEVIATION);
  }
  return standardiser;
}

void velm_standardiser_apply(const VelmStandardiser *standardiser, const float *values,
                             float *out) {
  for (guint k = 0; k < standardiser->d; k++) {
    float z = (values[k] - standardiser->mean[k]) / standardiser->deviation[k];
    out[k] = isnan(z) ? 0 : CLAMP(z, -VELM_STANDARDISED_LIMIT, VELM_STANDARDISED_LIMIT);
  }
}

void velm_standardiser_store(const VelmStandardiser *standardiser, VelmModel *model,
                             const char *prefix) {
  velm_parameters_store(model, prefix, "mean", standardiser->mean, standardiser->d);
  velm_parameters_store(model, prefix, "deviation", standardiser->deviation, standardiser->d);
}

VelmStandardiser *velm_standardiser_restore(VelmModel *model, const char *prefix, GError **error) {
  gsize d = 0;
  g_autofree float *mean = velm_parameters_restore(model, prefix, "mean", 0, 0, &d, error);
  g_autofree float *deviation =
      mean ? velm_parameters_restore(model, prefix, "deviation", 1, d, NULL, error) : NULL;
  if (!deviation)
    return NULL;
  gboolean usable = d <= G_MAXINT;
  for (gsize k = 0; usable && k < d; k++)
    usable = deviation[k] > 0;
  if (!usable) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model's \"%s.deviation\" cannot be used: it is out of range", prefix);
    return NULL;
  }
  VelmStandardiser *standardiser = g_new0(VelmStandardiser, 1);
  standardiser->d = (guint)d;
  standardiser->mean = g_steal_pointer(&mean);
  standardiser->deviation = g_steal_pointer(&deviation);
  return standardiser;
}

void velm_standardiser_free(VelmStandardiser *standardiser) {
  if (!standardiser)
    return;
  g_free(standardiser->mean);
  g_free(standardiser->deviation);
  g_free(standardiser);
}
