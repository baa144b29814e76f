/* Fitting PatchCore: features of the good images, a memory bank a layer, the calibration. */
#include "detect/patchcore_fit.h"

#include "detect/contrast.h"
#include "detect/patchcore.h"

/* Images scored for the calibration, at most: quantiles need no more. */
#define MAX_CALIBRATION 600

static void fit_clear(VelmPatchFit *fit) {
  velm_backbone_spec_free(fit->spec);
  velm_backbone_free(fit->backbone);
  for (gsize i = 0; fit->spools && i < fit->n_layers; i++)
    velm_spool_free(fit->spools[i]);
  velm_spool_free(fit->means);
  velm_spool_free(fit->contrast_spool);
  g_clear_pointer(&fit->digests, g_ptr_array_unref);
  g_free(fit->spools);
  velm_patch_layers_free(fit->layers, fit->n_layers);
  g_free(fit->shapes);
  g_free(fit->images);
  g_free(fit->groups);
  g_free(fit->folds);
  g_free(fit->scores);
  g_free(fit->levels);
  g_free(fit->early_scores);
  velm_patch_maps_clear(&fit->maps);
  g_clear_pointer(&fit->dropped, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmPatchFit, fit_clear)

const VelmSample *velm_patch_fit_sample(const VelmPatchFit *fit, gsize image) {
  return fit->dataset->train->pdata[fit->images[image]];
}

gboolean velm_patch_fit_report(const VelmPatchFit *fit, const char *stage, gsize done, gsize total,
                               GError **error) {
  const VelmFitParams *params = fit->params;
  if (!params->progress || params->progress(stage, done, total, params->progress_data))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while fitting (%s)", stage);
  return FALSE;
}

static void use_all_images(VelmPatchFit *fit) {
  fit->n_images = fit->dataset->train->len;
  fit->images = g_new(guint, fit->n_images);
  for (guint i = 0; i < fit->n_images; i++)
    fit->images[i] = i;
  fit->dropped = g_ptr_array_new_with_free_func(g_free);
}

/* Numbers the groups in order of appearance. */
static void number_groups(VelmPatchFit *fit) {
  g_autoptr(GHashTable) numbers = g_hash_table_new(g_str_hash, g_str_equal);
  g_free(fit->groups);
  fit->groups = g_new(guint, fit->n_images);
  for (gsize i = 0; i < fit->n_images; i++) {
    const VelmSample *sample = velm_patch_fit_sample(fit, i);
    gpointer number = NULL;
    if (!g_hash_table_lookup_extended(numbers, sample->group, NULL, &number)) {
      number = GUINT_TO_POINTER(g_hash_table_size(numbers));
      g_hash_table_insert(numbers, sample->group, number);
    }
    fit->groups[i] = GPOINTER_TO_UINT(number);
  }
  fit->n_groups = g_hash_table_size(numbers);
}

static void store_layer(VelmModel *model, gsize layer, const float *scale, gsize channels,
                        const float *bank, gsize n_bank, float typical, double coverage) {
  g_autofree char *bank_key = velm_patch_layer_key(layer, "bank");
  g_autofree char *scale_key = velm_patch_layer_key(layer, "scale");
  g_autofree char *typical_key = velm_patch_layer_key(layer, "typical");
  g_autofree char *coverage_key = velm_patch_layer_key(layer, "coverage");
  velm_model_set_double(model, coverage_key, coverage);
  velm_model_set_floats(model, bank_key, bank, n_bank * channels);
  velm_model_set_floats(model, scale_key, scale, channels);
  velm_model_set_double(model, typical_key, (double)typical);
}

static gboolean fit_layer(VelmPatchFit *fit, gsize layer, VelmModel *model, GError **error) {
  g_auto(VelmPatchBanks) banks = {0};
  if (!velm_patch_banks_select(&banks, fit, layer, error) ||
      !velm_patch_fit_calibrate_layer(fit, layer, &banks, error))
    return FALSE;
  const VelmPatchChoice *whole = &banks.choices[fit->n_folds];
  g_autofree float *bank = velm_patch_banks_read(&banks, fit, layer, whole, error);
  double coverage = bank ? velm_patch_banks_coverage(&banks, fit, layer, whole, bank, error) : -1;
  if (coverage < 0)
    return FALSE;
  store_layer(model, layer, banks.scale, (gsize)fit->layers[layer].channels, bank, whole->n,
              fit->layers[layer].typical, coverage);
  velm_model_set_int(model, "patchcore.bank_fitted", (gint64)whole->n);
  return TRUE;
}

static gboolean fit_layers(VelmPatchFit *fit, VelmModel *model, GError **error) {
  /* Which do not belong is asked of all. */
  fit->n_scored = fit->params->robust > 0 ? fit->n_images : MIN(fit->n_images, MAX_CALIBRATION);
  fit->maps = (VelmPatchMaps){.n_patches = fit->n_patches, .n_images = fit->n_scored};
  number_groups(fit);
  velm_patch_fit_deal_folds(fit);
  for (gsize i = 0; i < fit->n_layers; i++)
    if (!fit_layer(fit, i, model, error))
      return FALSE;
  return velm_patch_fit_score(fit, error);
}

/* Each round drops images that do not belong, as long as there are any. */
static gboolean fit_rounds(VelmPatchFit *fit, VelmModel *model, GError **error) {
  guint round = 0;
  do
    if (!fit_layers(fit, model, error))
      return FALSE;
  while (velm_patch_fit_drop(fit, round++));
  return TRUE;
}

static void store_dropped(const VelmPatchFit *fit, VelmModel *model) {
  if (fit->dropped->len == 0)
    return;
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  for (guint i = 0; i < fit->dropped->len; i++)
    g_strv_builder_add(names, fit->dropped->pdata[i]);
  g_auto(GStrv) all = g_strv_builder_end(names);
  velm_model_set_strv(model, "patchcore.dropped", (const char *const *)all);
}

/* What adding further images needs to know of these. */
static void store_images(const VelmPatchFit *fit, VelmModel *model) {
  g_autoptr(GStrvBuilder) digests = g_strv_builder_new();
  g_autoptr(GStrvBuilder) parts = g_strv_builder_new();
  guint n_parts = 0;
  for (gsize i = 0; i < fit->n_images; i++) {
    g_strv_builder_add(digests, fit->digests->pdata[fit->images[i]]);
    if (fit->groups[i] == n_parts) { /* numbered in order of appearance */
      g_strv_builder_add(parts, velm_patch_fit_sample(fit, i)->group);
      n_parts++;
    }
  }
  g_auto(GStrv) all_digests = g_strv_builder_end(digests);
  g_auto(GStrv) all_parts = g_strv_builder_end(parts);
  velm_model_set_int(model, "patchcore.images", (gint64)fit->n_images);
  velm_model_set_int(model, "patchcore.parts", fit->n_groups);
  velm_model_set_strv(model, "patchcore.image_digests", (const char *const *)all_digests);
  /* Without groups.csv a name is a path, which another folder's image may have by chance. */
  if (fit->dataset->has_groups)
    velm_model_set_strv(model, "patchcore.part_names", (const char *const *)all_parts);
}

static gboolean fit_contrast(const VelmPatchFit *fit, VelmModel *model, GError **error) {
  return !fit->contrast_spool ||
         velm_contrast_fit(fit->contrast_spool, fit->images, fit->n_images, fit->n_patches,
                           (gsize)fit->contrast.channels, model, error);
}

gboolean velm_patchcore_fit(const VelmDataset *dataset, const VelmFitParams *params,
                            VelmModel *model, GError **error) {
  g_auto(VelmPatchFit) fit = {.params = params, .dataset = dataset};
  if (dataset->train->len < 2) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                "%s: has one good image; the threshold needs at least two", dataset->directory);
    return FALSE;
  }
  fit.spec = velm_backbone_spec_new(params->backbone, params->layers, params->size, error);
  if (fit.spec) {
    fit.spec->keeps_shape = !params->squeeze && velm_backbone_may_keep_shape(fit.spec);
    fit.spec->tiles = MAX(1, params->tiles);
  }
  fit.backbone = fit.spec ? velm_backbone_open(fit.spec, error) : NULL;
  if (!fit.backbone || !velm_backbone_spec_store(fit.spec, model, error))
    return FALSE;
  use_all_images(&fit);
  if (!velm_patch_fit_extract(&fit, error) || !fit_rounds(&fit, model, error) ||
      !fit_contrast(&fit, model, error) || !velm_patch_fit_store_scores(&fit, model, error) ||
      !velm_patch_fit_calibrate_reference(&fit, model, error))
    return FALSE;
  store_images(&fit, model);
  store_dropped(&fit, model);
  return TRUE;
}
