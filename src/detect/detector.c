#include "detect/detector.h"

#include "detect/patchcore.h"

#include <math.h>

static const VelmDetectorClass *const detectors[] = {
    &velm_detector_patchcore,
};

const VelmDetectorClass *velm_detector_find(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(detectors); i++)
    if (g_str_equal(detectors[i]->name, name))
      return detectors[i];
  return NULL;
}

VelmDetector *velm_detector_open(VelmModel *model, GError **error) {
  const char *name = velm_model_get_string(model, "detector", error);
  if (!name)
    return NULL;
  const VelmDetectorClass *klass = velm_detector_find(name);
  if (!klass) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model needs the detector \"%s\", which this velm does not have", name);
    return NULL;
  }
  return klass->open(model, error);
}

guint velm_detector_share(VelmDetector *detector, guint n, GError **error) {
  if (n <= 1 || !detector->klass->share)
    return 1;
  return detector->klass->share(detector, n, error) ? n : 0;
}

gboolean velm_detector_detect(VelmDetector *detector, VelmInspection *inspection, GError **error) {
  if (!detector->klass->detect(detector, inspection, error))
    return FALSE;
  /* No number is over a threshold that is none: the part would pass. */
  if (isfinite(inspection->score) && isfinite(inspection->threshold))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE, "%s: the anomaly score is not a number",
              inspection->path);
  return FALSE;
}

void velm_detector_free(VelmDetector *detector) {
  if (detector)
    detector->klass->free(detector);
}
