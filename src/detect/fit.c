/* Fitting a model: the detector does it, this checks what it is given. */
#include "detect/detector.h"
#include "detect/tiles.h"

#include <math.h>

VelmFitParams velm_fit_params_default(void) {
  return (VelmFitParams){.scale = {255, 255, 255},
                         .threshold = NAN,
                         .backbone = "dinov2s",
                         .false_alarms = 0.05,
                         .ddad_guidance = NAN};
}

static gboolean check_params(const VelmFitParams *params, GError **error) {
  const char *why = NULL;
  if (!(params->coreset >= 0 && params->coreset <= 1))
    why = "the coreset ratio must be over 0 and at most 1";
  else if (!(params->false_alarms > 0 && params->false_alarms < 0.5))
    why = "the rate of false alarms must be over 0 and under 0.5";
  else if (!(params->robust >= 0 && params->robust < 0.5))
    why = "the share of images that may be dropped must be under 0.5";
  else if (!(params->top_share >= 0 && params->top_share <= 1))
    why = "the share of the score's values must be over 0 and at most 1";
  else if (params->tiles < 0 || params->tiles > VELM_MAX_TILES)
    why = "the tiles across and down must be 1 to " G_STRINGIFY(VELM_MAX_TILES);
  else if (params->size < 0)
    why = "the image size must be a positive number of pixels";
  if (why)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s", why);
  return why == NULL;
}

static const VelmDetectorClass *choose_detector(const VelmFitParams *params, GError **error) {
  const char *name = params->detector ? params->detector : "patchcore";
  const VelmDetectorClass *klass = velm_detector_find(name);
  g_autofree char *names = velm_detector_names();
  if (!klass)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "no detector \"%s\"; there are: %s", name,
                names);
  return klass;
}

VelmModel *velm_model_fit(const char *directory, const VelmFitParams *params, GError **error) {
  const VelmDetectorClass *klass = choose_detector(params, error);
  if (!klass || !check_params(params, error))
    return NULL;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(directory, error);
  if (!dataset)
    return NULL;
  if (dataset->train->len == 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: has no good image in train/good",
                directory);
    return NULL;
  }
  g_autoptr(VelmModel) model = velm_model_new();
  velm_model_set_string(model, "detector", klass->name);
  velm_model_set_string(model, "velm.version", velm_version());
  return klass->fit(dataset, params, model, error) ? g_steal_pointer(&model) : NULL;
}
