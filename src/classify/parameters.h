/* Learnt parameters in a model file, which may be anybody's: every size and value is checked. */
#pragma once

#include "core/model.h"

/** Writes @n floats under "PREFIX.NAME". */
void velm_parameters_store(VelmModel *model, const char *prefix, const char *name,
                           const float *values, gsize n);

/**
 * Reads "PREFIX.NAME": @rows times @columns floats, none so large that sums of them overflow.
 * @columns: 0 for one or more floats, however many
 * @n: (out) (optional): how many there are
 * Returns: (transfer full): NULL with VELM_ERROR_MODEL
 */
float *velm_parameters_restore(VelmModel *model, const char *prefix, const char *name, gsize rows,
                               gsize columns, gsize *n, GError **error);

/** Reads "PREFIX.NAME": one float, from @lowest to @highest. */
gboolean velm_parameter_restore(VelmModel *model, const char *prefix, const char *name,
                                double lowest, double highest, float *value, GError **error);
