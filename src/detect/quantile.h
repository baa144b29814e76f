/* Quantiles of scores. */
#pragma once

#include <glib.h>

/** For qsort(): rising floats. */
int velm_compare_floats(gconstpointer a, gconstpointer b);

/** The value that the share @tail of @n rising @values lies over, interpolated between the two
 * nearest. */
double velm_upper_quantile(const float *values, gsize n, double tail);
