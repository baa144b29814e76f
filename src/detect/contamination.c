#include "detect/contamination.h"

#include <math.h>
#include <stdlib.h>

/* How many deviations of the good images a score must lie over their median: in a hundred good
 * images whose scores are log-normal, less than one does. */
#define LIMIT 2.5

/* And how many the score over the image's own level. */
#define LOCAL_LIMIT 1.5

/* MAD of a normal distribution with the deviation 1. */
#define NORMAL_MAD 0.6745

static int compare(gconstpointer a, gconstpointer b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(const double *values, gsize n) {
  g_autofree double *sorted = g_memdup2(values, n * sizeof *values);
  qsort(sorted, n, sizeof *sorted, compare);
  return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* Replaces @values by how many deviations they lie over their median; all 0 where most are equal.
 */
static void standardise(double *values, gsize n) {
  g_autofree double *off = g_new(double, n);
  double middle = median(values, n);
  for (gsize i = 0; i < n; i++)
    off[i] = fabs(values[i] - middle);
  double deviation = median(off, n) / NORMAL_MAD;
  for (gsize i = 0; i < n; i++)
    values[i] = deviation > 0 ? (values[i] - middle) / deviation : 0;
}

static gsize find_highest(const double *values, gsize n) {
  gsize highest = 0;
  for (gsize i = 1; i < n; i++)
    if (values[i] > values[highest])
      highest = i;
  return highest;
}

gsize velm_contamination_find(const float *scores, const float *levels, gsize n, gsize most,
                              gboolean *found) {
  const double tiny = 1e-12; /* no score is lower, but 0 has no logarithm */
  g_autofree double *height = g_new(double, n);
  g_autofree double *local = g_new(double, n);
  for (gsize i = 0; i < n; i++) {
    height[i] = log(MAX((double)scores[i], tiny));
    local[i] = height[i] - log(MAX((double)levels[i], tiny));
    found[i] = FALSE;
  }
  standardise(height, n);
  standardise(local, n);
  gsize n_found = 0;
  for (gsize i = 0; i < n; i++)
    if (!(height[i] > LIMIT && local[i] > LOCAL_LIMIT))
      height[i] = 0;
  for (gsize i = find_highest(height, n); n_found < most && height[i] > 0;
       i = find_highest(height, n)) {
    found[i] = TRUE;
    height[i] = 0;
    n_found++;
  }
  return n_found;
}
