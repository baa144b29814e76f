#include "evaluate/bootstrap.h"

#include <math.h>
#include <stdlib.h>

guint *velm_bootstrap_number_groups(const char *const *groups, gsize n, guint *n_groups) {
  guint *group_of = g_new(guint, MAX(n, 1));
  g_autoptr(GHashTable) numbers = g_hash_table_new(g_str_hash, g_str_equal);
  *n_groups = 0;
  for (gsize i = 0; i < n; i++) {
    gpointer number;
    if (!groups || !groups[i]) {
      group_of[i] = (*n_groups)++;
    } else if (g_hash_table_lookup_extended(numbers, groups[i], NULL, &number)) {
      group_of[i] = GPOINTER_TO_UINT(number);
    } else {
      g_hash_table_insert(numbers, (gpointer)groups[i], GUINT_TO_POINTER(*n_groups));
      group_of[i] = (*n_groups)++;
    }
  }
  return group_of;
}

/* As many groups as there are, with replacement. */
static void draw_groups(GRand *random, guint *drawn, guint n_groups) {
  for (guint g = 0; g < n_groups; g++)
    drawn[g] = 0;
  for (guint g = 0; g < n_groups; g++)
    drawn[g_rand_int_range(random, 0, (gint32)n_groups)]++;
}

/* Every draw's figures: the value of figure f in draw r is values[f * n_resamples + r]. */
static double *draw_figures(const guint *group_of, guint n_groups, gsize n, guint n_resamples,
                            guint32 seed, VelmBootstrapMeasure measure, gsize n_figures,
                            gpointer user_data) {
  gsize n_values = n_resamples * n_figures;
  double *values = g_new(double, n_values);
  g_autofree double *figures = g_new(double, n_figures);
  g_autofree guint *drawn = g_new(guint, n_groups);
  g_autofree guint *counts = g_new(guint, n);
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  for (guint r = 0; r < n_resamples; r++) {
    draw_groups(random, drawn, n_groups);
    for (gsize i = 0; i < n; i++)
      counts[i] = drawn[group_of[i]];
    for (gsize f = 0; f < n_figures; f++)
      figures[f] = NAN;
    measure(counts, figures, user_data);
    for (gsize f = 0; f < n_figures; f++)
      values[f * n_resamples + r] = figures[f];
  }
  return values;
}

static int compare_values(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Interpolated linearly between ranks, as numpy.percentile does. @sorted has one value at least. */
static double quantile(const double *sorted, gsize n, double share) {
  double rank = share * (double)(n - 1);
  gsize below = (gsize)rank, above = MIN(below + 1, n - 1);
  if (sorted[below] == sorted[above])
    return sorted[below];
  return sorted[below] + (rank - (double)below) * (sorted[above] - sorted[below]);
}

/* Reorders @values. */
static VelmInterval find_interval(double *values, guint n_resamples) {
  gsize n = 0;
  for (guint r = 0; r < n_resamples; r++)
    if (!isnan(values[r]))
      values[n++] = values[r];
  if (n == 0 || 2 * n < n_resamples)
    return (VelmInterval){NAN, NAN};
  qsort(values, n, sizeof *values, compare_values);
  return (VelmInterval){quantile(values, n, 0.025), quantile(values, n, 0.975)};
}

void velm_bootstrap(const char *const *groups, gsize n, guint n_resamples, guint32 seed,
                    VelmBootstrapMeasure measure, gsize n_figures, gpointer user_data,
                    VelmInterval *intervals) {
  for (gsize f = 0; f < n_figures; f++)
    intervals[f] = (VelmInterval){NAN, NAN};
  guint n_groups;
  g_autofree guint *group_of = velm_bootstrap_number_groups(groups, n, &n_groups);
  if (n_groups < 2 || n_resamples == 0 || n_figures == 0)
    return;
  g_autofree double *values =
      draw_figures(group_of, n_groups, n, n_resamples, seed, measure, n_figures, user_data);
  for (gsize f = 0; f < n_figures; f++)
    intervals[f] = find_interval(values + f * n_resamples, n_resamples);
}
