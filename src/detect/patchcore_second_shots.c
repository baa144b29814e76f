/* Fitting PatchCore: what the distance to an aligned reference is on good parts. */
#include "detect/patchcore_fit.h"
#include "detect/quantile.h"
#include "detect/reference.h"

#include <stdlib.h>

/* Images compared with a made-up second shot of themselves. */
#define MAX_SECOND_SHOTS 40

/* The score of @sample against a copy that was moved and lit a little; negative where it fails. */
static double second_shot_score(const VelmPatchFit *fit, const VelmSample *sample,
                                const float *typical, guint32 seed, GError **error) {
  g_autoptr(VelmImage) image = velm_image_load(sample->path, 0, error);
  g_autoptr(VelmImage) copy = image ? velm_reference_disturb(image, seed) : NULL;
  g_autoptr(VelmFeatures) a = copy ? velm_backbone_extract(fit->backbone, image, error) : NULL;
  g_autoptr(VelmFeatures) b = a ? velm_backbone_extract(fit->backbone, copy, error) : NULL;
  g_autoptr(VelmPlane) map =
      b ? velm_reference_map(fit->backbone, typical, a, b, image, copy, error) : NULL;
  g_autoptr(VelmPlane) smooth = map ? velm_plane_blur(map, VELM_PATCHCORE_BLUR, error) : NULL;
  return smooth ? velm_reference_score(smooth) : -1;
}

gboolean velm_patch_fit_calibrate_reference(const VelmPatchFit *fit, VelmModel *model,
                                            GError **error) {
  gsize n = MIN(fit->n_images, MAX_SECOND_SHOTS);
  g_autofree float *typical = velm_patch_layers_typical(fit->layers, fit->n_layers);
  g_autofree float *scores = g_new(float, n);
  for (gsize i = 0; i < n; i++) {
    const VelmSample *sample = velm_patch_fit_sample(fit, i * fit->n_images / n);
    double score = second_shot_score(fit, sample, typical, fit->params->seed + (guint32)i, error);
    if (score < 0 || !velm_patch_fit_report(fit, "reference", i + 1, n, error))
      return FALSE;
    scores[i] = (float)score;
  }
  qsort(scores, n, sizeof *scores, velm_compare_floats);
  velm_model_set_double(model, "patchcore.reference_threshold",
                        velm_upper_quantile(scores, n, fit->params->false_alarms));
  return TRUE;
}
