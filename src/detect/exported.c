#include "detect/exported.h"

#include "detect/exported_net.h"
#include "detect/region_level.h"

typedef struct {
  VelmDetector base;
  VelmExportedNet *net;
  double threshold;
} Exported;

static void exported_free(VelmDetector *detector) {
  Exported *self = (Exported *)detector;
  velm_exported_net_free(self->net);
  g_free(self);
}

static VelmDetector *exported_open(VelmModel *model, guint n, GError **error) {
  g_autoptr(VelmExportedSpec) spec = velm_exported_spec_restore(model, error);
  if (!spec)
    return NULL;
  Exported *self = g_new0(Exported, 1);
  g_autoptr(VelmDetector) detector = &self->base;
  self->base.klass = &velm_detector_exported;
  self->net = velm_exported_net_open(spec, error);
  if (!self->net || !velm_model_get_double(model, "exported.threshold", &self->threshold, error))
    return NULL;
  return g_steal_pointer(&detector);
}

static gboolean exported_detect(VelmDetector *detector, VelmInspection *inspection,
                                GError **error) {
  Exported *self = (Exported *)detector;
  gint64 start = g_get_monotonic_time();
  if (!velm_exported_net_run(self->net, inspection->image, &inspection->map, &inspection->score,
                             error))
    return FALSE;
  inspection->threshold = self->threshold;
  inspection->anomalous = inspection->score >= inspection->threshold;
  /* Of the map's own scale: that of the score is another one in many models. */
  inspection->region_threshold = velm_region_level(inspection->map);
  inspection->timings_ms[VELM_TIMING_FEATURES] = velm_timing_since(start);
  return TRUE;
}

static void describe_outputs(VelmModel *model, GString *text) {
  gint64 score = 0, map = 0;
  if (!velm_model_get_int(model, "exported.has_score", &score, NULL) ||
      !velm_model_get_int(model, "exported.has_map", &map, NULL))
    return;
  g_string_append_printf(text, "outputs: %s\n",
                         score && map ? "score and score map"
                         : score      ? "score alone: it cannot tell where"
                                      : "score map, whose maximum is the score");
}

static void exported_describe(VelmModel *model, GString *text) {
  gint64 width = 0, height = 0, images = 0;
  double threshold = 0;
  const char *path = velm_model_get_string(model, "exported.path", NULL);
  if (path && velm_model_get_int(model, "exported.width", &width, NULL) &&
      velm_model_get_int(model, "exported.height", &height, NULL))
    g_string_append_printf(
        text, "exported model: %s, images at %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " px\n",
        path, width, height);
  describe_outputs(model, text);
  if (velm_model_get_double(model, "exported.threshold", &threshold, NULL) &&
      velm_model_get_int(model, "exported.images", &images, NULL))
    g_string_append_printf(text,
                           "threshold: %.4g, from the scores of %" G_GINT64_FORMAT " good images\n",
                           threshold, images);
}

const VelmDetectorClass velm_detector_exported = {
    .name = "exported",
    .fit = velm_exported_fit,
    .open = exported_open,
    .detect = exported_detect,
    .free = exported_free,
    .describe = exported_describe,
};
