/* Fitting the two detectors of two speeds. */
#include "detect/patchcore.h"
#include "detect/twospeed.h"

/*
 * Share of the good parts that the accurate detector sees besides the defects. With dinov2s it
 * takes ten times as long as the fast one: on a line with 5 % defects the mean time is then about
 * 0.1 + 0.05 + 0.95 * 0.35 = 0.48 of the accurate one's alone.
 */
#define ONWARD 0.35

#define FAST_BACKBONE "lite2"

gboolean velm_two_speed_fit(const VelmDataset *dataset, const VelmFitParams *params,
                            VelmModel *model, GError **error) {
  VelmFitParams fast_params = *params;
  fast_params.backbone = FAST_BACKBONE;
  fast_params.layers = NULL;
  fast_params.size = 0;
  g_autoptr(VelmModel) fast = velm_model_new();
  if (g_str_equal(params->backbone, FAST_BACKBONE)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "the two-speed detector has " FAST_BACKBONE
                " for its fast look already; name a more accurate backbone");
    return FALSE;
  }
  velm_model_set_string(fast, "detector", velm_detector_patchcore.name);
  if (!velm_detector_patchcore.fit(dataset, &fast_params, fast, error) ||
      !velm_detector_patchcore.fit(dataset, params, model, error))
    return FALSE;
  /* The accurate one's carries pictures for both. */
  velm_model_remove_prefix(fast, "detector.normal");
  g_autoptr(GBytes) bytes = velm_model_serialise(fast);
  velm_model_set_bytes(model, "two-speed.fast", bytes);
  velm_model_set_double(model, "two-speed.onward", ONWARD);
  return TRUE;
}
