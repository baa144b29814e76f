/* Percentiles of grey levels. */
#pragma once

#include <glib.h>

/**
 * The @percent-th percentile (0 to 100), interpolated linearly between ranks; 0 where @n is 0.
 * Selects by the values' bits, so that no order of them makes it slow. @values are finite.
 */
double velm_percentile(const float *values, gsize n, double percent);
