/* Fitting to an exported model: it is trained already, and lacks a threshold. */
#include "detect/exported.h"
#include "detect/exported_net.h"
#include "detect/normal_images.h"
#include "detect/quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Images scored for the threshold, at most: quantiles need no more. */
#define MAX_SCORED 600

static gboolean check_params(const VelmFitParams *params, GError **error) {
  const char *why = NULL;
  if (!params->model_file || !params->model_file[0])
    why = "the detector \"exported\" needs the file of an exported model (--model-file)";
  else if (params->layers || params->coreset > 0 || params->standardise || params->tiles > 1)
    why = "the detector \"exported\" has no layers, coreset, channels or tiles to be chosen";
  else if (isinf(params->threshold))
    why = "the threshold must be a number";
  else if (params->size > VELM_EXPORTED_MAX_SIZE)
    why = "the image size is too large for the detector \"exported\"";
  if (why)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s", why);
  return why == NULL;
}

static VelmExportedSpec *spec_new(const VelmFitParams *params) {
  VelmExportedSpec *spec = g_new0(VelmExportedSpec, 1);
  spec->path = g_canonicalize_filename(params->model_file, NULL);
  spec->width = spec->height = params->size;
  memcpy(spec->mean, params->mean, sizeof spec->mean);
  memcpy(spec->scale, params->scale, sizeof spec->scale);
  return spec;
}

/* ---- scores of good images ---- */

/* Evenly spaced among the training images. */
static const VelmSample *sample_at(const GPtrArray *samples, gsize index, gsize n) {
  return samples->pdata[index * samples->len / n];
}

static gboolean score_image(VelmExportedNet *net, const VelmSample *sample, float *score,
                            GError **error) {
  g_autoptr(VelmImage) image = velm_image_load(sample->path, 0, error);
  g_autoptr(VelmPlane) map = NULL;
  double value = 0;
  if (!image || !velm_exported_net_run(net, image, &map, &value, error))
    return FALSE;
  *score = (float)value;
  return TRUE;
}

static gboolean report(const VelmFitParams *params, gsize done, gsize total, GError **error) {
  if (!params->progress || params->progress("scores", done, total, params->progress_data))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while fitting (scores)");
  return FALSE;
}

static float *score_all(VelmExportedNet *net, const GPtrArray *samples, gsize n,
                        const VelmFitParams *params, GError **error) {
  g_autofree float *scores = g_new(float, n);
  for (gsize i = 0; i < n; i++)
    if (!score_image(net, sample_at(samples, i, n), &scores[i], error) ||
        !report(params, i + 1, n, error))
      return NULL;
  return g_steal_pointer(&scores);
}

/* ---- the threshold ---- */

/*
 * The value that the share @tail of the sorted @scores is over. Exported scores are often clamped,
 * so that many good images have the very same one: the threshold is then over it, lest all of them
 * reach it.
 */
static double threshold_of(const float *scores, gsize n, double tail) {
  double at = (1 - tail) * (double)(n - 1);
  gsize low = (gsize)at, high = MIN(low + 1, n - 1);
  double weight = at - (double)low;
  double threshold = (1 - weight) * (double)scores[low] + weight * (double)scores[high];
  gsize n_over = 0;
  for (gsize i = 0; i < n; i++)
    n_over += (double)scores[i] >= threshold;
  return (double)n_over <= MAX(1, ceil(tail * (double)n)) ? threshold
                                                          : nextafter(threshold, INFINITY);
}

static gboolean find_threshold(const float *scores, gsize n, const VelmFitParams *params,
                               double *threshold, GError **error) {
  *threshold = params->threshold;
  if (!isnan(params->threshold))
    return TRUE;
  *threshold = threshold_of(scores, n, params->false_alarms);
  if (scores[0] < scores[n - 1])
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
              "%s: gives all %" G_GSIZE_FORMAT
              " good images the score %g, which tells no threshold; name one (--threshold)",
              params->model_file, n, (double)scores[0]);
  return FALSE;
}

static gboolean store_scores(float *scores, gsize n, const VelmFitParams *params, VelmModel *model,
                             GError **error) {
  double threshold = 0;
  qsort(scores, n, sizeof *scores, velm_compare_floats);
  if (!find_threshold(scores, n, params, &threshold, error))
    return FALSE;
  velm_model_set_floats(model, "exported.good_scores", scores, n);
  velm_model_set_double(model, "exported.threshold", threshold);
  velm_model_set_int(model, "exported.images", (gint64)n);
  return TRUE;
}

/* ---- all of it ---- */

static const VelmSample *most_typical(const GPtrArray *samples, const float *scores, gsize n) {
  gsize lowest = 0;
  for (gsize i = 1; i < n; i++)
    if (scores[i] < scores[lowest])
      lowest = i;
  return sample_at(samples, lowest, n);
}

gboolean velm_exported_fit(const VelmDataset *dataset, const VelmFitParams *params,
                           VelmModel *model, GError **error) {
  if (!check_params(params, error))
    return FALSE;
  if (dataset->train->len < 2) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                "%s: has one good image; the threshold needs at least two", dataset->directory);
    return FALSE;
  }
  gsize n = MIN(dataset->train->len, MAX_SCORED);
  g_autoptr(VelmExportedSpec) spec = spec_new(params);
  g_autoptr(VelmExportedNet) net = velm_exported_net_open(spec, error);
  if (!net || !velm_exported_spec_store(spec, model, error))
    return FALSE;
  velm_model_set_int(model, "exported.has_score", velm_exported_net_has_score(net));
  velm_model_set_int(model, "exported.has_map", velm_exported_net_has_map(net));
  g_autofree float *scores = score_all(net, dataset->train, n, params, error);
  return scores &&
         velm_normal_images_store_typical(model, most_typical(dataset->train, scores, n), error) &&
         store_scores(scores, n, params, model, error);
}
