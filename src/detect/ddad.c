#include "detect/ddad.h"

#include "detect/ddad_look.h"
#include "detect/region_level.h"

#include <math.h>

typedef struct {
  VelmDetector base;
  VelmDdadSpec *spec;
  GAsyncQueue *looks; /* of VelmDdadLook, those that no thread uses */
  double balance, threshold;
} Ddad;

static void ddad_free(VelmDetector *detector) {
  Ddad *self = (Ddad *)detector;
  if (!self)
    return;
  g_async_queue_unref(self->looks);
  velm_ddad_spec_free(self->spec);
  g_free(self);
}

static gboolean read_levels(Ddad *self, VelmModel *model, GError **error) {
  if (!velm_model_get_double(model, "ddad.balance", &self->balance, error) ||
      !velm_model_get_double(model, "ddad.threshold", &self->threshold, error))
    return FALSE;
  if (self->balance > 0 && self->balance < VELM_DDAD_MAX_BALANCE && isfinite(self->threshold))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
              "the model's balance or threshold is out of range; fit it again");
  return FALSE;
}

static gboolean open_looks(Ddad *self, guint n, GError **error) {
  VelmDdadLook *first = velm_ddad_look_open(self->spec, 1, n, error);
  if (!first)
    return FALSE;
  g_async_queue_push(self->looks, first);
  for (guint i = 1; i < n; i++) {
    VelmDdadLook *look = velm_ddad_look_share(first, error);
    if (!look)
      return FALSE;
    g_async_queue_push(self->looks, look);
  }
  return TRUE;
}

static VelmDetector *ddad_open(VelmModel *model, guint n, GError **error) {
  Ddad *self = g_new0(Ddad, 1);
  g_autoptr(VelmDetector) detector = &self->base;
  self->base.klass = &velm_detector_ddad;
  self->looks = g_async_queue_new_full((GDestroyNotify)velm_ddad_look_free);
  self->spec = velm_ddad_spec_restore(model, error);
  return self->spec && read_levels(self, model, error) && open_looks(self, n, error)
             ? g_steal_pointer(&detector)
             : NULL;
}

static gboolean look_at(Ddad *self, const VelmImage *image, VelmDdadDistances *distances,
                        GError **error) {
  VelmDdadLook *look = g_async_queue_pop(self->looks);
  gboolean ok = velm_ddad_look_run(look, &image, distances, error);
  g_async_queue_push(self->looks, look);
  return ok;
}

static gboolean ddad_detect(VelmDetector *detector, VelmInspection *inspection, GError **error) {
  Ddad *self = (Ddad *)detector;
  gint64 start = g_get_monotonic_time();
  VelmDdadDistances distances = {NULL};
  if (!look_at(self, inspection->image, &distances, error))
    return FALSE;
  inspection->map = velm_ddad_map(self->spec, &distances, self->balance, error);
  velm_ddad_distances_clear(&distances);
  if (!inspection->map)
    return FALSE;
  inspection->score = velm_plane_largest(inspection->map);
  inspection->threshold = self->threshold;
  inspection->anomalous = inspection->score >= inspection->threshold;
  inspection->region_threshold = velm_region_level(inspection->map);
  inspection->timings_ms[VELM_TIMING_FEATURES] = velm_timing_since(start);
  return TRUE;
}

static gboolean ddad_good_scores(VelmModel *model, VelmGoodScores *good) {
  good->scores = velm_model_get_floats(model, "ddad.good_scores", 0, &good->n, NULL);
  return good->scores && velm_model_get_int(model, "ddad.images", &good->n_images, NULL) &&
         velm_model_get_int(model, "ddad.parts", &good->n_parts, NULL) &&
         velm_model_get_double(model, "ddad.threshold", &good->threshold, NULL);
}

/* ---- describing ---- */

static void describe_features(VelmModel *model, GString *text) {
  gint64 size = 0;
  const char *name = velm_model_get_string(model, "backbone.name", NULL);
  g_autofree const char **layers = velm_model_get_strv(model, "backbone.layers", NULL);
  if (!name || !layers || !velm_model_get_int(model, "backbone.size", &size, NULL))
    return;
  g_autofree char *joined = g_strjoinv(", ", (char **)layers);
  g_string_append_printf(text, "features: %s at %" G_GINT64_FORMAT " px, layers %s\n", name, size,
                         joined);
}

static void describe_steps(VelmModel *model, GString *text) {
  gint64 start = 0, steps = 0, samples = 0;
  double guidance = 0, eta = 0;
  if (velm_model_get_int(model, "ddad.start", &start, NULL) &&
      velm_model_get_int(model, "ddad.steps", &steps, NULL) &&
      velm_model_get_int(model, "ddad.samples", &samples, NULL) &&
      velm_model_get_double(model, "ddad.guidance", &guidance, NULL) &&
      velm_model_get_double(model, "ddad.eta", &eta, NULL))
    g_string_append_printf(text,
                           "reconstruction: from step %" G_GINT64_FORMAT " in %" G_GINT64_FORMAT
                           ", guidance %.4g, eta %.4g, samples %" G_GINT64_FORMAT "\n",
                           start, steps, guidance, eta, samples);
}

static void describe_threshold(VelmModel *model, GString *text) {
  gint64 images = 0, held_back = 0;
  double threshold = 0;
  if (velm_model_get_double(model, "ddad.threshold", &threshold, NULL) &&
      velm_model_get_int(model, "ddad.images", &images, NULL) &&
      velm_model_get_int(model, "ddad.held_back", &held_back, NULL))
    g_string_append_printf(
        text, "threshold: %.4g, from the scores of %" G_GINT64_FORMAT " good images%s\n", threshold,
        images, held_back ? " that the denoiser was not trained on" : "");
}

static void ddad_describe(VelmModel *model, GString *text) {
  gint64 width = 0, height = 0;
  const char *path = velm_model_get_string(model, "ddad.path", NULL);
  if (path && velm_model_get_int(model, "ddad.width", &width, NULL) &&
      velm_model_get_int(model, "ddad.height", &height, NULL))
    g_string_append_printf(
        text, "denoiser: %s, images at %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " px\n", path,
        width, height);
  describe_steps(model, text);
  describe_features(model, text);
  describe_threshold(model, text);
}

const VelmDetectorClass velm_detector_ddad = {
    .name = "ddad",
    .fit = velm_ddad_fit,
    .open = ddad_open,
    .parallel = TRUE,
    .detect = ddad_detect,
    .free = ddad_free,
    .good_scores = ddad_good_scores,
    .describe = ddad_describe,
};
