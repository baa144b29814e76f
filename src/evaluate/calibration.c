#include "evaluate/calibration.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { MAX_BINS = 1000 };

/* 97.5th percentile of the normal distribution. */
#define Z_95 1.959963984540054

typedef struct {
  double confidence;
  gsize index; /* keeps the order of equal confidences, and with it the draws, the same */
  gboolean right;
  const char *group;
} Answer;

/* Answers by rising confidence, and into how many bins they are put. */
typedef struct {
  const Answer *answers;
  gsize n, n_bins;
} Answers;

static int compare_answers(const void *a, const void *b) {
  const Answer *x = a, *y = b;
  if (x->confidence != y->confidence)
    return x->confidence > y->confidence ? 1 : -1;
  return (x->index > y->index) - (x->index < y->index);
}

/* The answers with a confidence, sorted. @n_kept: (out): how many they are. */
static Answer *sort_answers(const double *confidence, const guint8 *right,
                            const char *const *groups, gsize n, gsize *n_kept) {
  Answer *answers = g_new(Answer, MAX(n, 1));
  *n_kept = 0;
  for (gsize i = 0; i < n; i++)
    if (confidence[i] >= 0 && confidence[i] <= 1)
      answers[(*n_kept)++] = (Answer){confidence[i], i, right[i] != 0, groups ? groups[i] : NULL};
  if (*n_kept > 1)
    qsort(answers, *n_kept, sizeof *answers, compare_answers);
  return answers;
}

/* ---- bins ---- */

/* Sums over neighbouring answers. */
typedef struct {
  double n, right, confidence;
} Sums;

static void add_answer(Sums *sums, const Answer *answer, guint count) {
  sums->n += count;
  sums->right += answer->right ? count : 0;
  sums->confidence += count * answer->confidence;
}

/* Of @n answers: their number times |accuracy - confidence|. */
static double weighted_gap(const Sums *sums) { return fabs(sums->right - sums->confidence); }

/*
 * Fills the next bin of equally many answers: from @first until @seen, all that are in bins so far,
 * reaches the next @n_bins-th part of @total. Equal confidences stay together. @counts: how often
 * each answer counts, NULL for once. Returns: the first answer of the bin after it.
 */
static gsize fill_bin(const Answers *answers, const guint *counts, gsize first, double total,
                      double *seen, Sums *sums) {
  double n_bins = (double)answers->n_bins;
  double end = (floor(*seen * n_bins / total) + 1) * total / n_bins;
  const Answer *list = answers->answers;
  gsize i = first;
  for (; i < answers->n; i++) {
    gboolean tied = i > first && list[i].confidence == list[i - 1].confidence;
    if (*seen >= end && !tied)
      break;
    guint count = counts ? counts[i] : 1;
    add_answer(sums, &list[i], count);
    *seen += count;
  }
  return i;
}

/* Wilson (1927): score interval of a share. */
static VelmInterval wilson(double right, double n) {
  double share = right / n, z2 = Z_95 * Z_95;
  double centre = (share + z2 / (2 * n)) / (1 + z2 / n);
  double half = Z_95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n));
  return (VelmInterval){fmax(centre - half, 0), fmin(centre + half, 1)};
}

static void make_bins(const Answers *answers, VelmCalibration *calibration) {
  calibration->bins = g_new(VelmCalibrationBin, MIN(answers->n_bins, answers->n));
  calibration->mce = 0;
  double seen = 0;
  for (gsize i = 0, next; i < answers->n; i = next) {
    Sums sums = {0};
    next = fill_bin(answers, NULL, i, (double)answers->n, &seen, &sums);
    calibration->bins[calibration->n_bins++] =
        (VelmCalibrationBin){.low = answers->answers[i].confidence,
                             .high = answers->answers[next - 1].confidence,
                             .confidence = sums.confidence / sums.n,
                             .accuracy = sums.right / sums.n,
                             .accuracy_interval = wilson(sums.right, sums.n),
                             .n = next - i};
    calibration->mce = fmax(calibration->mce, weighted_gap(&sums) / sums.n);
  }
}

static double ece_equal_mass(const Answers *answers, const guint *counts) {
  double total = 0, seen = 0, error = 0;
  for (gsize i = 0; i < answers->n; i++)
    total += counts ? counts[i] : 1;
  for (gsize i = 0; i < answers->n;) {
    Sums sums = {0};
    i = fill_bin(answers, counts, i, total, &seen, &sums);
    error += weighted_gap(&sums);
  }
  return error / total;
}

/* A bin holds its upper edge, and the first one 0, as in Guo et al. */
static gsize column_of(double confidence, gsize n_columns) {
  double n = (double)n_columns, column = CLAMP(ceil(confidence * n) - 1, 0, n - 1);
  if (column > 0 && confidence <= column / n) /* 0.07 * 100 is over 7 */
    column--;
  return (gsize)column;
}

static double ece_equal_width(const Answers *answers) {
  g_autofree Sums *sums = g_new0(Sums, answers->n_bins);
  for (gsize i = 0; i < answers->n; i++) {
    const Answer *answer = &answers->answers[i];
    add_answer(&sums[column_of(answer->confidence, answers->n_bins)], answer, 1);
  }
  double error = 0;
  for (gsize b = 0; b < answers->n_bins; b++)
    error += weighted_gap(&sums[b]);
  return error / (double)answers->n;
}

/* ---- figures ---- */

/* A VelmBootstrapMeasure. */
static void measure_ece(const guint *counts, double *figures, gpointer user_data) {
  figures[0] = ece_equal_mass(user_data, counts);
}

/* The group names of the sorted answers. Returns: (transfer container) */
static const char **groups_of(const Answers *answers) {
  const char **groups = g_new(const char *, answers->n);
  for (gsize i = 0; i < answers->n; i++)
    groups[i] = answers->answers[i].group;
  return groups;
}

/* The error where the residuals of each group have the sign that @flipped gives it. */
static double flipped_ece(const Answers *answers, const VelmCalibration *calibration,
                          const guint *group_of, const gboolean *flipped) {
  double error = 0;
  for (gsize b = 0, i = 0; b < calibration->n_bins; b++) {
    double sum = 0;
    for (gsize end = i + calibration->bins[b].n; i < end; i++) {
      const Answer *answer = &answers->answers[i];
      double residual = (answer->right ? 1 : 0) - answer->confidence;
      sum += flipped[group_of[i]] ? -residual : residual;
    }
    error += fabs(sum);
  }
  return error / (double)answers->n;
}

/* Of confidences that can be believed, residuals have no side that they prefer. */
static double chance_of_ece(const Answers *answers, const VelmCalibration *calibration,
                            const char *const *groups, guint32 seed) {
  guint n_groups, n_as_large = 0;
  g_autofree guint *group_of = velm_bootstrap_number_groups(groups, answers->n, &n_groups);
  g_autofree gboolean *flipped = g_new(gboolean, n_groups);
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  for (int r = 0; r < VELM_BOOTSTRAP_RESAMPLES; r++) {
    for (guint g = 0; g < n_groups; g++)
      flipped[g] = g_rand_boolean(random);
    double ece = flipped_ece(answers, calibration, group_of, flipped);
    n_as_large += ece >= calibration->ece - 1e-12;
  }
  return (1.0 + n_as_large) / (1.0 + VELM_BOOTSTRAP_RESAMPLES);
}

static void find_interval(const Answers *answers, VelmCalibration *calibration, guint32 seed) {
  g_autofree const char **groups = groups_of(answers);
  VelmInterval draws;
  velm_bootstrap(groups, answers->n, VELM_BOOTSTRAP_RESAMPLES, seed, measure_ece, 1,
                 (gpointer)answers, &draws);
  if (isnan(draws.low))
    return;
  calibration->calibrated_p = chance_of_ece(answers, calibration, groups, seed);
  double low = fmax(2 * calibration->ece - draws.high, 0);
  calibration->ece_interval =
      (VelmInterval){calibration->calibrated_p > 0.05 ? 0 : low, draws.high};
}

static void measure_answers(const Answers *answers, VelmCalibration *calibration) {
  Sums sums = {0};
  double brier = 0, log_loss = 0, n = (double)answers->n;
  for (gsize i = 0; i < answers->n; i++) {
    const Answer *answer = &answers->answers[i];
    double chance = answer->right ? answer->confidence : 1 - answer->confidence;
    add_answer(&sums, answer, 1);
    brier += (1 - chance) * (1 - chance);
    log_loss -= log(CLAMP(chance, DBL_EPSILON, 1 - DBL_EPSILON));
    gsize column = column_of(answer->confidence, VELM_CALIBRATION_COLUMNS);
    (answer->right ? calibration->right : calibration->wrong)[column]++;
  }
  calibration->accuracy = sums.right / n;
  calibration->confidence = sums.confidence / n;
  calibration->brier = brier / n;
  calibration->negative_log_likelihood = log_loss / n;
}

VelmCalibration *velm_calibration_measure(const double *confidence, const guint8 *right,
                                          const char *const *groups, gsize n, gsize n_bins,
                                          guint32 seed) {
  VelmCalibration *calibration = g_new0(VelmCalibration, 1);
  Answers answers = {.n_bins = CLAMP(n_bins, 1, MAX_BINS)};
  g_autofree Answer *sorted = sort_answers(confidence, right, groups, n, &answers.n);
  answers.answers = sorted;
  calibration->n = answers.n;
  calibration->excluded = n - answers.n;
  calibration->accuracy = calibration->confidence = calibration->ece = NAN;
  calibration->ece_interval = (VelmInterval){NAN, NAN};
  calibration->ece_equal_width = calibration->mce = calibration->calibrated_p = NAN;
  calibration->brier = calibration->negative_log_likelihood = NAN;
  if (answers.n == 0)
    return calibration;
  measure_answers(&answers, calibration);
  make_bins(&answers, calibration);
  calibration->ece = ece_equal_mass(&answers, NULL);
  calibration->ece_equal_width = ece_equal_width(&answers);
  find_interval(&answers, calibration, seed);
  return calibration;
}

void velm_calibration_free(VelmCalibration *calibration) {
  if (!calibration)
    return;
  g_free(calibration->bins);
  g_free(calibration);
}
