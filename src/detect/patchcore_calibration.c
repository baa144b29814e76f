/* Fitting PatchCore: the parts in folds, each scored against a bank of the parts in the others. */
#include "detect/normal_images.h"
#include "detect/patchcore_fit.h"
#include "detect/quantile.h"

#include <stdlib.h>

/* Deals the parts, shuffled, to the folds; each image is in its part's. One part alone is dealt
 * image by image. */
void velm_patch_fit_deal_folds(VelmPatchFit *fit) {
  guint n_groups = fit->n_groups > 1 ? fit->n_groups : (guint)fit->n_images;
  g_autoptr(GRand) random = g_rand_new_with_seed(fit->params->seed + 2);
  g_autofree guint *order = g_new(guint, n_groups);
  for (guint i = 0; i < n_groups; i++) {
    guint j = (guint)g_rand_int_range(random, 0, (gint32)i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  fit->n_folds = MIN(VELM_PATCH_FOLDS, n_groups);
  g_free(fit->folds);
  fit->folds = g_new(guint, fit->n_images);
  for (gsize i = 0; i < fit->n_images; i++)
    fit->folds[i] = order[fit->n_groups > 1 ? fit->groups[i] : i] % fit->n_folds;
}

gsize velm_patch_fit_scored_image(const VelmPatchFit *fit, gsize index) {
  return index * fit->n_images / fit->n_scored;
}

/* Writes the distances of the scored images in @fold to @distances (n_patches an image). */
static gboolean score_fold(const VelmPatchFit *fit, gsize layer, const VelmPatchBanks *banks,
                           guint fold, float *distances, GError **error) {
  const VelmPatchChoice *choice = &banks->choices[fold];
  gsize channels = (gsize)fit->layers[layer].channels;
  g_autofree float *bank = velm_patch_banks_read(banks, fit, layer, choice, error);
  g_autoptr(VelmNearest) nearest =
      bank ? velm_nearest_new(bank, choice->n, channels, fit->n_patches, error) : NULL;
  if (!nearest)
    return FALSE;
  g_autofree float *rows = g_new(float, fit->n_patches *channels);
  for (gsize i = 0; i < fit->n_scored; i++) {
    gsize image = velm_patch_fit_scored_image(fit, i);
    if (fit->folds[image] != fold)
      continue;
    if (!velm_patch_fit_read(fit, layer, image, rows, error))
      return FALSE;
    velm_patch_rows_scale(rows, fit->n_patches, channels, banks->scale);
    if (!velm_nearest_distances(nearest, rows, distances + i * fit->n_patches, error))
      return FALSE;
  }
  return TRUE;
}

gboolean velm_patch_fit_calibrate_layer(VelmPatchFit *fit, gsize layer, const VelmPatchBanks *banks,
                                        GError **error) {
  gsize n = fit->n_scored * fit->n_patches;
  g_autofree float *distances = g_new0(float, n);
  for (guint fold = 0; fold < fit->n_folds; fold++)
    if (!score_fold(fit, layer, banks, fold, distances, error) ||
        !velm_patch_fit_report(fit, "calibration", layer * fit->n_folds + fold + 1,
                               fit->n_layers * fit->n_folds, error))
      return FALSE;
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += (double)distances[i];
  fit->layers[layer].typical = (float)MAX(sum / (double)n, 1e-6);
  velm_patch_maps_add(&fit->maps, &fit->layers[layer], distances);
  return TRUE;
}

/* The score of the scored image @index; @level: (out) (nullable): its map's median. */
static gboolean score_image(const VelmPatchFit *fit, gsize index, gboolean early, float *score,
                            float *level, GError **error) {
  g_autoptr(VelmPlane) map = NULL, beside = NULL;
  VelmPatchShape shape = fit->shapes[fit->images[velm_patch_fit_scored_image(fit, index)]];
  if (!velm_patch_maps_get(&fit->maps, index, shape.rows, shape.columns, early, &map, &beside,
                           error))
    return FALSE;
  *score = (float)velm_patch_maps_score(map, beside, fit->params->top_share);
  if (level)
    *level = (float)velm_patch_map_median(map);
  return TRUE;
}

gboolean velm_patch_fit_score(VelmPatchFit *fit, GError **error) {
  gboolean stops = velm_patch_layers_may_stop(fit->layers, fit->n_layers);
  g_free(fit->scores);
  g_free(fit->levels);
  g_clear_pointer(&fit->early_scores, g_free);
  fit->scores = g_new(float, fit->n_scored);
  fit->levels = g_new(float, fit->n_scored);
  fit->early_scores = stops ? g_new(float, fit->n_scored) : NULL;
  for (gsize i = 0; i < fit->n_scored; i++)
    if (!score_image(fit, i, FALSE, &fit->scores[i], &fit->levels[i], error) ||
        (stops && !score_image(fit, i, TRUE, &fit->early_scores[i], NULL, error)))
      return FALSE;
  velm_patch_maps_clear(&fit->maps);
  return TRUE;
}

/* ---- what the scores say ---- */

/* The scored images stand for what is normal. */
static gboolean store_normal_images(const VelmPatchFit *fit, VelmModel *model, GError **error) {
  gsize n = fit->n_scored, channels = (gsize)fit->channels, lowest = 0;
  g_autofree VelmNormalCandidate *candidates = g_new(VelmNormalCandidate, n);
  g_autofree float *means = g_new(float, n *channels);
  for (gsize i = 0; i < n; i++) {
    gsize image = velm_patch_fit_scored_image(fit, i);
    if (!velm_spool_read(fit->means, fit->images[image], 1, means + i * channels, error))
      return FALSE;
    candidates[i] = (VelmNormalCandidate){.sample = velm_patch_fit_sample(fit, image),
                                          .mean = means + i * channels,
                                          .score = (double)fit->scores[i]};
    if (fit->scores[i] < fit->scores[lowest])
      lowest = i;
  }
  return velm_normal_images_store(model, candidates, n, channels, error) &&
         velm_normal_images_store_typical(model, candidates[lowest].sample, error);
}

gboolean velm_patch_fit_store_scores(const VelmPatchFit *fit, VelmModel *model, GError **error) {
  if (!store_normal_images(fit, model, error))
    return FALSE;
  /* A copy: theirs are in the order of the images. */
  g_autofree float *sorted = g_memdup2(fit->scores, fit->n_scored * sizeof(float));
  velm_patch_scores_store(model, "patchcore.good_scores", sorted, fit->n_scored);
  if (fit->early_scores)
    velm_patch_scores_store(model, "patchcore.early_scores", fit->early_scores, fit->n_scored);
  velm_model_set_double(model, "patchcore.top_share", fit->params->top_share);
  velm_model_set_double(model, "patchcore.false_alarms", fit->params->false_alarms);
  velm_model_set_double(model, "patchcore.threshold",
                        velm_upper_quantile(sorted, fit->n_scored, fit->params->false_alarms));
  return TRUE;
}
