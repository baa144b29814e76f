#include "detect/drift.h"

#include "detect/patchcore_layers.h"
#include "detect/quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The window, and how often it is looked at, in parts. A part of which there are several images
 * counts once, for its scores are alike. */
#define WINDOW_PARTS 200
#define STEP_PARTS 50
#define MAX_WINDOW 4000

/* Distances up to this are no drift: the held-back scores are of banks that know fewer parts than
 * the one in use, and run a little higher. */
#define TOLERANCE 0.1

/* Fewer training parts than this say too little. */
#define LEAST_PARTS 8

struct _VelmDrift {
  float *good; /* rising; under the threshold, as are those that they are compared with */
  gsize n_good;
  double threshold, images_per_part;
  float *window; /* the last scores under the threshold, a ring */
  gsize n_window, n_seen, n_looks;
  guint8 *alarms; /* of the last images, 1 where anomalous, a ring */
  gsize n_images, n_alarms;
  char *warning;
};

VelmDrift *velm_drift_new(const VelmGoodScores *good) {
  double images_per_part = MAX(1, (double)good->n_images / (double)MAX(1, good->n_parts));
  if (good->n == 0)
    return NULL;
  g_autoptr(VelmDrift) drift = g_new0(VelmDrift, 1);
  drift->good = g_memdup2(good->scores, good->n * sizeof(float));
  qsort(drift->good, good->n, sizeof(float), velm_compare_floats);
  while (drift->n_good < good->n && (double)drift->good[drift->n_good] < good->threshold)
    drift->n_good++;
  if ((double)drift->n_good < LEAST_PARTS * images_per_part)
    return NULL;
  drift->threshold = good->threshold;
  drift->images_per_part = images_per_part;
  drift->n_window = (gsize)MIN(ceil(WINDOW_PARTS * images_per_part), MAX_WINDOW);
  drift->window = g_new0(float, drift->n_window);
  drift->alarms = g_new0(guint8, drift->n_window);
  return g_steal_pointer(&drift);
}

VelmDrift *velm_drift_open(VelmModel *model) {
  VelmGoodScores good = {0};
  const char *name = velm_model_get_string(model, "detector", NULL);
  const VelmDetectorClass *klass = name ? velm_detector_find(name) : NULL;
  return klass && klass->good_scores && klass->good_scores(model, &good) ? velm_drift_new(&good)
                                                                         : NULL;
}

void velm_drift_free(VelmDrift *drift) {
  if (!drift)
    return;
  g_free(drift->good);
  g_free(drift->window);
  g_free(drift->alarms);
  g_free(drift->warning);
  g_free(drift);
}

/* ---- the scores of parts found normal ---- */

/* The largest difference of the two empirical distribution functions; both are rising. */
static double ks_distance(const float *a, gsize n, const float *b, gsize m) {
  double most = 0;
  for (gsize i = 0, j = 0; i < n && j < m;) {
    float at = MIN(a[i], b[j]);
    while (i < n && a[i] <= at)
      i++;
    while (j < m && b[j] <= at)
      j++;
    most = MAX(most, fabs((double)i / (double)n - (double)j / (double)m));
  }
  return most;
}

/*
 * What noise alone hardly reaches at look number @turn (from 1), by the inequality of Dvoretzky,
 * Kiefer and Wolfowitz for two samples of @n and @m independent scores. The looks share the rate of
 * false warnings as 1/turn^2 does, whose sum is pi^2 / 6: so it holds for all looks together,
 * however the windows overlap.
 */
static double noise_distance(gsize turn, double n, double m) {
  double rate = VELM_DRIFT_FALSE_WARNINGS * 6 / (G_PI * G_PI * (double)turn * (double)turn);
  return sqrt(log(2 / rate) / 2 * (n + m) / (n * m));
}

/* Compares the window with training. */
static void look(VelmDrift *drift) {
  gsize n = MIN(drift->n_seen, drift->n_window);
  g_autofree float *sorted = g_memdup2(drift->window, n * sizeof(float));
  qsort(sorted, n, sizeof(float), velm_compare_floats);
  double limit = TOLERANCE + noise_distance(++drift->n_looks, (double)n / drift->images_per_part,
                                            (double)drift->n_good / drift->images_per_part);
  if (ks_distance(sorted, n, drift->good, drift->n_good) <= limit)
    return;
  double now = (double)sorted[n / 2], before = (double)drift->good[drift->n_good / 2];
  drift->warning = g_strdup_printf(
      "drift: parts found normal score %s than in training: the median of the last "
      "%" G_GSIZE_FORMAT " is %.3f, in training it was %.3f; has the camera, the light or the "
      "material changed?",
      now >= before ? "higher" : "lower", n, now, before);
}

static void add_normal(VelmDrift *drift, double score) {
  gsize step = (gsize)ceil(STEP_PARTS * drift->images_per_part);
  drift->window[drift->n_seen++ % drift->n_window] = (float)score;
  if (drift->n_seen % step == 0)
    look(drift);
}

/* ---- anomalous parts ---- */

/* Where hardly a part is found normal any more there are no scores to compare. */
static void add_alarm(VelmDrift *drift, gboolean anomalous) {
  guint8 *at = &drift->alarms[drift->n_images++ % drift->n_window];
  drift->n_alarms += (gsize)anomalous;
  drift->n_alarms -= *at;
  *at = (guint8)anomalous;
  if (!drift->warning && drift->n_images >= drift->n_window &&
      2 * drift->n_alarms > drift->n_window)
    drift->warning =
        g_strdup_printf("drift: %" G_GSIZE_FORMAT " of the last %" G_GSIZE_FORMAT
                        " parts are anomalous; has the camera, the light or the material changed?",
                        drift->n_alarms, drift->n_window);
}

const char *velm_drift_add(VelmDrift *drift, double score) {
  gboolean anomalous = score >= drift->threshold;
  if (drift->warning)
    return NULL;
  if (!anomalous)
    add_normal(drift, score);
  add_alarm(drift, anomalous);
  return drift->warning;
}
