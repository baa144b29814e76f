#include "detect/twospeed.h"

#include "detect/patchcore.h"

/*
 * Share of the good training parts that get the full look. The early look takes a quarter of the
 * time of both, and fewer of other good parts go on than of these: by bench_two_speed a line with
 * 5 % defects is then twice as fast as with full looks alone.
 */
#define ONWARD 0.4

typedef struct {
  VelmDetector base;
  VelmDetector *patchcore;
  VelmScreen screen;
} TwoSpeed;

static gboolean two_speed_fit(const VelmDataset *dataset, const VelmFitParams *params,
                              VelmModel *model, GError **error) {
  VelmFitParams both = *params;
  g_autoptr(VelmBackboneSpec) spec =
      velm_backbone_spec_new(params->backbone, params->layers, params->size, error);
  g_autofree char *layers = spec ? velm_backbone_layers_of_two_speeds(spec, error) : NULL;
  if (!layers)
    return FALSE;
  both.layers = layers;
  velm_model_set_double(model, "two-speed.onward", ONWARD);
  return velm_patchcore_fit(dataset, &both, model, error);
}

/* ---- opening ---- */

static void two_speed_free(VelmDetector *detector) {
  TwoSpeed *self = (TwoSpeed *)detector;
  if (!self)
    return;
  velm_detector_free(self->patchcore);
  g_free(self);
}

static gboolean open_screen(VelmScreen *screen, VelmModel *model, GError **error) {
  double onward = 0;
  if (!velm_model_has(model, "patchcore.early_scores")) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model's two speeds are those of an earlier velm; fit it again");
    return FALSE;
  }
  screen->fast = velm_model_get_floats(model, "patchcore.early_scores", 0, &screen->n_fast, error);
  screen->accurate = screen->fast ? velm_model_get_floats(model, "patchcore.good_scores", 0,
                                                          &screen->n_accurate, error)
                                  : NULL;
  if (!screen->accurate ||
      !velm_model_get_double(model, "patchcore.threshold", &screen->threshold, error) ||
      !velm_model_get_double(model, "two-speed.onward", &onward, error))
    return FALSE;
  if (!(onward >= 0 && onward <= 1) || !(screen->fast[0] > 0)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model's level between fast and accurate is out of range; fit it again");
    return FALSE;
  }
  velm_screen_set_level(screen, onward);
  return TRUE;
}

static VelmDetector *two_speed_open(VelmModel *model, guint n, GError **error) {
  TwoSpeed *self = g_new0(TwoSpeed, 1);
  g_autoptr(VelmDetector) detector = &self->base;
  self->base.klass = &velm_detector_two_speed;
  self->patchcore = open_screen(&self->screen, model, error)
                        ? velm_detector_patchcore.open(model, n, error)
                        : NULL;
  if (!self->patchcore)
    return NULL;
  gsize n_layers = 0, n_patches = 0;
  const VelmPatchLayer *layers = velm_patchcore_get_layers(self->patchcore, &n_layers, &n_patches);
  if (velm_patch_layers_may_stop(layers, n_layers))
    return g_steal_pointer(&detector);
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
              "the model's layers are all of one speed; fit it again");
  return NULL;
}

VelmScreen *velm_two_speed_get_screen(VelmDetector *detector) {
  return &((TwoSpeed *)detector)->screen;
}

/* ---- detecting ---- */

/* Against a reference small differences count, which the early look does not see:
 * velm_patchcore_look() looks fully there. */
static gboolean two_speed_detect(VelmDetector *detector, VelmInspection *inspection,
                                 GError **error) {
  TwoSpeed *self = (TwoSpeed *)detector;
  return velm_patchcore_look(self->patchcore, inspection, &self->screen, error);
}

/* What was decided stands; where it would be marked, and by what classified, is the full look's. */
static gboolean two_speed_examine(VelmDetector *detector, VelmInspection *inspection,
                                  GError **error) {
  TwoSpeed *self = (TwoSpeed *)detector;
  double score = inspection->score;
  gboolean anomalous = inspection->anomalous;
  if (!velm_patchcore_look(self->patchcore, inspection, NULL, error))
    return FALSE;
  inspection->score = score;
  inspection->anomalous = anomalous;
  return TRUE;
}

/* ---- describing ---- */

static gboolean two_speed_good_scores(VelmModel *model, VelmGoodScores *good) {
  return velm_detector_patchcore.good_scores(model, good);
}

static void two_speed_describe(VelmModel *model, GString *text) {
  double onward = 0;
  velm_detector_patchcore.describe(model, text);
  if (velm_model_get_double(model, "two-speed.onward", &onward, NULL))
    g_string_append_printf(
        text, "fast look: layers of @half and @lite2; ends it for %.0f %% of good parts\n",
        100 * (1 - onward));
}

const VelmDetectorClass velm_detector_two_speed = {
    .name = "two-speed",
    .fit = two_speed_fit,
    .add_normal = velm_patchcore_add_normal,
    .open = two_speed_open,
    .parallel = TRUE,
    .detect = two_speed_detect,
    .examine = two_speed_examine,
    .free = two_speed_free,
    .good_scores = two_speed_good_scores,
    .describe = two_speed_describe,
};
