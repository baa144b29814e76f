#include "classify/parameters.h"

#include <math.h>

/* Far over what is ever learnt, and small enough for sums of products of them in a float. */
#define LARGEST 1e9F

void velm_parameters_store(VelmModel *model, const char *prefix, const char *name,
                           const float *values, gsize n) {
  g_autofree char *full = g_strconcat(prefix, ".", name, NULL);
  velm_model_set_floats(model, full, values, n);
}

static gboolean refuse(const char *full, const char *why, GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "the model's \"%s\" cannot be used: %s", full,
              why);
  return FALSE;
}

float *velm_parameters_restore(VelmModel *model, const char *prefix, const char *name, gsize rows,
                               gsize columns, gsize *n, GError **error) {
  g_autofree char *full = g_strconcat(prefix, ".", name, NULL);
  gsize expected = 0, found = 0;
  if (columns > 0 && (!g_size_checked_mul(&expected, rows, columns) || expected == 0)) {
    refuse(full, "its size is impossible", error);
    return NULL;
  }
  const float *values = velm_model_get_floats(model, full, expected, &found, error);
  for (gsize i = 0; values && i < found; i++)
    if (!(fabsf(values[i]) <= LARGEST)) {
      refuse(full, "it holds no usable numbers", error);
      return NULL;
    }
  if (values && n)
    *n = found;
  return values ? g_memdup2(values, found * sizeof(float)) : NULL;
}

gboolean velm_parameter_restore(VelmModel *model, const char *prefix, const char *name,
                                double lowest, double highest, float *value, GError **error) {
  g_autofree float *values = velm_parameters_restore(model, prefix, name, 1, 1, NULL, error);
  if (!values)
    return FALSE;
  *value = values[0];
  if (*value >= lowest && *value <= highest)
    return TRUE;
  g_autofree char *full = g_strconcat(prefix, ".", name, NULL);
  return refuse(full, "it is out of range", error);
}
