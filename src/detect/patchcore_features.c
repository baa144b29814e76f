/* Fitting PatchCore: the features of the training images, on disk. */
#include "detect/normal_images.h"
#include "detect/patchcore_fit.h"

#include "detect/image_digest.h"

static gboolean start_spools(VelmPatchFit *fit, GError **error) {
  velm_backbone_grid(fit->backbone, &fit->rows, &fit->columns, &fit->channels);
  fit->n_patches = (gsize)fit->rows * (gsize)fit->columns;
  fit->layers = velm_patch_layers_new(fit->backbone, &fit->n_layers);
  fit->spools = g_new0(VelmSpool *, fit->n_layers);
  for (gsize i = 0; i < fit->n_layers; i++)
    if (!(fit->spools[i] = velm_spool_new((gsize)fit->layers[i].channels, error)))
      return FALSE;
  fit->contrast = velm_patch_contrast_layer(fit->backbone);
  if (fit->contrast.channels > 0 &&
      !(fit->contrast_spool = velm_spool_new((gsize)fit->contrast.channels, error)))
    return FALSE;
  fit->means = velm_spool_new((gsize)fit->channels, error);
  return fit->means != NULL;
}

static gboolean spool_image(VelmPatchFit *fit, const VelmFeatures *features, GError **error) {
  g_autofree float *rows = g_new(float, fit->n_patches *(gsize)fit->channels);
  for (gsize i = 0; i < fit->n_layers; i++) {
    velm_patch_layer_take(&fit->layers[i], features, NULL, fit->n_patches, rows);
    if (!velm_spool_append(fit->spools[i], rows, fit->n_patches, error))
      return FALSE;
  }
  if (fit->contrast_spool) {
    velm_patch_layer_sample(&fit->contrast, features, fit->rows, fit->columns, rows);
    if (!velm_spool_append(fit->contrast_spool, rows, fit->n_patches, error))
      return FALSE;
  }
  g_autofree float *mean = g_new(float, (gsize)fit->channels);
  velm_features_mean(features, mean);
  return velm_spool_append(fit->means, mean, 1, error);
}

gboolean velm_patch_fit_extract(VelmPatchFit *fit, GError **error) {
  const GPtrArray *samples = fit->dataset->train;
  fit->digests = g_ptr_array_new_with_free_func(g_free);
  fit->shapes = g_new0(VelmPatchShape, samples->len);
  if (!start_spools(fit, error))
    return FALSE;
  for (guint i = 0; i < samples->len; i++) {
    const VelmSample *sample = samples->pdata[i];
    g_autoptr(VelmImage) image = velm_image_load(sample->path, 0, error);
    g_autoptr(VelmFeatures) features =
        image ? velm_backbone_extract(fit->backbone, image, error) : NULL;
    if (!features || !spool_image(fit, features, error) ||
        !velm_patch_fit_report(fit, "features", i + 1, samples->len, error))
      return FALSE;
    fit->shapes[i] = (VelmPatchShape){features->rows, features->columns};
    g_ptr_array_add(fit->digests, velm_image_digest(image));
  }
  return TRUE;
}

gboolean velm_patch_fit_read(const VelmPatchFit *fit, gsize layer, gsize image, float *rows,
                             GError **error) {
  return velm_spool_read(fit->spools[layer], fit->images[image] * fit->n_patches, fit->n_patches,
                         rows, error);
}
