#include "detect/detector.h"

#include "detect/ddad.h"
#include "detect/exported.h"
#include "detect/patchcore.h"
#include "detect/twospeed.h"

#include <math.h>

static const VelmDetectorClass *const detectors[] = {
    &velm_detector_patchcore,
    &velm_detector_exported,
    &velm_detector_two_speed,
    &velm_detector_ddad,
};

const VelmDetectorClass *velm_detector_find(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(detectors); i++)
    if (g_str_equal(detectors[i]->name, name))
      return detectors[i];
  return NULL;
}

char *velm_detector_names(void) {
  const char *names[G_N_ELEMENTS(detectors) + 1] = {NULL};
  for (gsize i = 0; i < G_N_ELEMENTS(detectors); i++)
    names[i] = detectors[i]->name;
  return g_strjoinv(", ", (char **)names);
}

VelmDetector *velm_detector_open_for(VelmModel *model, guint *n, GError **error) {
  const char *name = velm_model_get_string(model, "detector", error);
  if (!name)
    return NULL;
  const VelmDetectorClass *klass = velm_detector_find(name);
  if (!klass) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model needs the detector \"%s\", which this velm does not have", name);
    return NULL;
  }
  *n = klass->parallel ? MAX(1, *n) : 1;
  return klass->open(model, *n, error);
}

VelmDetector *velm_detector_open(VelmModel *model, GError **error) {
  guint n = 1;
  return velm_detector_open_for(model, &n, error);
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

gboolean velm_detector_examine(VelmDetector *detector, VelmInspection *inspection, GError **error) {
  if (inspection->features || !detector->klass->examine)
    return TRUE;
  return detector->klass->examine(detector, inspection, error);
}

void velm_detector_free(VelmDetector *detector) {
  if (detector)
    detector->klass->free(detector);
}
