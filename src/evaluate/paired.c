#include "evaluate/paired.h"

#include <math.h>
#include <stdlib.h>

/* Up to so many groups that differ, all their signs are tried. */
enum { MAX_EXACT_GROUPS = 20 };

/* ---- the difference ---- */

typedef struct {
  const guint8 *right_a, *right_b;
  gsize n;
} Pairs;

/* A VelmBootstrapMeasure: accuracy of B less that of A. */
static void measure_difference(const guint *counts, double *figures, gpointer user_data) {
  const Pairs *pairs = user_data;
  double difference = 0, n = 0;
  for (gsize i = 0; i < pairs->n; i++) {
    difference += (double)counts[i] * ((pairs->right_b[i] != 0) - (pairs->right_a[i] != 0));
    n += counts[i];
  }
  figures[0] = difference / n;
}

static void count_pairs(const Pairs *pairs, VelmPaired *paired) {
  gsize a = 0, b = 0;
  for (gsize i = 0; i < pairs->n; i++) {
    a += pairs->right_a[i] != 0;
    b += pairs->right_b[i] != 0;
    paired->only_a += pairs->right_a[i] && !pairs->right_b[i];
    paired->only_b += pairs->right_b[i] && !pairs->right_a[i];
  }
  double n = (double)pairs->n;
  paired->accuracy_a = (double)a / n;
  paired->accuracy_b = (double)b / n;
  paired->difference = ((double)paired->only_b - (double)paired->only_a) / n;
}

/* ---- tests ---- */

/* Two-sided: how likely @n fair coins fall as unevenly as @less to the rest, or more so. */
static double binomial_p(gsize less, gsize n) {
  double log_term = -(double)n * log(2), sum = 0;
  for (gsize k = 0; k <= less; k++) {
    sum += exp(log_term);
    log_term += log((double)(n - k) / (double)(k + 1));
  }
  return fmin(2 * sum, 1);
}

/* Of each group, how many more B has right than A. */
static gint64 *group_differences(const Pairs *pairs, const guint *group_of, guint n_groups) {
  gint64 *differences = g_new0(gint64, n_groups);
  for (gsize i = 0; i < pairs->n; i++)
    differences[group_of[i]] += (pairs->right_b[i] != 0) - (pairs->right_a[i] != 0);
  return differences;
}

/*
 * The likelihood of a sum as far from 0 as @observed, where each of @sizes has either sign. All
 * sums are followed at once: likelihood[@total + s] is that of the sum s.
 */
static double sign_flip_p(const gint64 *sizes, gsize n, gint64 total, gint64 observed) {
  gsize n_sums = 2 * (gsize)total + 1;
  g_autofree double *likelihood = g_new0(double, n_sums);
  g_autofree double *next = g_new(double, n_sums);
  likelihood[total] = 1;
  for (gsize i = 0; i < n; i++) {
    for (gint64 s = 0; s < (gint64)n_sums; s++) {
      double lower = s >= sizes[i] ? likelihood[s - sizes[i]] : 0;
      double upper = s + sizes[i] < (gint64)n_sums ? likelihood[s + sizes[i]] : 0;
      next[s] = (lower + upper) / 2;
    }
    double *last = likelihood;
    likelihood = next;
    next = last;
  }
  double p = 0;
  for (gint64 s = 0; s < (gint64)n_sums; s++)
    if (ABS(s - total) >= observed)
      p += likelihood[s];
  return fmin(p, 1);
}

static void test_groups(const gint64 *differences, guint n_groups, VelmPaired *paired) {
  gint64 sizes[MAX_EXACT_GROUPS], sum = 0, total = 0;
  double squares = 0;
  for (guint g = 0; g < n_groups; g++) {
    gint64 size = ABS(differences[g]);
    if (size == 0)
      continue;
    if (paired->groups_differ < MAX_EXACT_GROUPS)
      sizes[paired->groups_differ] = size;
    paired->groups_differ++;
    sum += differences[g];
    total += size;
    squares += (double)size * (double)size;
  }
  if (paired->groups_differ <= MAX_EXACT_GROUPS)
    paired->clustered_p = sign_flip_p(sizes, paired->groups_differ, total, ABS(sum));
  else /* the chi-squared tail of z^2, one degree of freedom */
    paired->clustered_p = erfc(fabs((double)sum) / sqrt(2 * squares));
}

VelmPaired velm_paired_compare(const guint8 *right_a, const guint8 *right_b,
                               const char *const *groups, gsize n, guint32 seed) {
  VelmPaired paired = {.n = n,
                       .accuracy_a = NAN,
                       .accuracy_b = NAN,
                       .difference = NAN,
                       .difference_interval = {NAN, NAN},
                       .mcnemar_p = NAN,
                       .clustered_p = NAN};
  if (n == 0)
    return paired;
  Pairs pairs = {right_a, right_b, n};
  guint n_groups;
  g_autofree guint *group_of = velm_bootstrap_number_groups(groups, n, &n_groups);
  g_autofree gint64 *differences = group_differences(&pairs, group_of, n_groups);
  paired.n_groups = n_groups;
  count_pairs(&pairs, &paired);
  paired.mcnemar_p = binomial_p(MIN(paired.only_a, paired.only_b), paired.only_a + paired.only_b);
  test_groups(differences, n_groups, &paired);
  velm_bootstrap(groups, n, VELM_BOOTSTRAP_RESAMPLES, seed, measure_difference, 1, &pairs,
                 &paired.difference_interval);
  return paired;
}
