#include "detect/twospeed.h"

#include "detect/patchcore.h"

typedef struct {
  VelmDetector base;
  VelmModel *fast_model;
  VelmDetector *fast, *accurate;
  VelmScreen screen;
} TwoSpeed;

static void two_speed_free(VelmDetector *detector) {
  TwoSpeed *self = (TwoSpeed *)detector;
  if (!self)
    return;
  velm_detector_free(self->fast);
  velm_detector_free(self->accurate);
  velm_model_free(self->fast_model);
  g_free(self);
}

static VelmModel *open_fast_model(VelmModel *model, GError **error) {
  g_autoptr(GBytes) bytes = velm_model_get_bytes(model, "two-speed.fast", error);
  return bytes ? velm_model_parse(bytes, "the model's fast half", error) : NULL;
}

static gboolean open_screen(TwoSpeed *self, VelmModel *model, GError **error) {
  VelmScreen *screen = &self->screen;
  double onward = 0;
  screen->fast =
      velm_model_get_floats(self->fast_model, "patchcore.good_scores", 0, &screen->n_fast, error);
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

static VelmDetector *two_speed_open(VelmModel *model, GError **error) {
  TwoSpeed *self = g_new0(TwoSpeed, 1);
  g_autoptr(VelmDetector) detector = &self->base;
  self->base.klass = &velm_detector_two_speed;
  self->fast_model = open_fast_model(model, error);
  if (!self->fast_model || !open_screen(self, model, error))
    return NULL;
  self->fast = velm_detector_patchcore.open(self->fast_model, error);
  self->accurate = self->fast ? velm_detector_patchcore.open(model, error) : NULL;
  return self->accurate ? g_steal_pointer(&detector) : NULL;
}

VelmDetector *velm_two_speed_get_fast(VelmDetector *detector) {
  return ((TwoSpeed *)detector)->fast;
}

VelmDetector *velm_two_speed_get_accurate(VelmDetector *detector) {
  return ((TwoSpeed *)detector)->accurate;
}

VelmScreen *velm_two_speed_get_screen(VelmDetector *detector) {
  return &((TwoSpeed *)detector)->screen;
}

/* ---- detecting ---- */

/* What the fast look made is of another backbone than what classifiers were taught with. */
static void forget(VelmInspection *inspection) {
  g_clear_pointer(&inspection->map, velm_plane_free);
  g_clear_pointer(&inspection->features, velm_features_free);
  g_clear_pointer(&inspection->reference_features, velm_features_free);
}

/* Puts a clearly normal part's score and map into the accurate detector's unit. */
static void settle(const VelmScreen *screen, VelmInspection *inspection) {
  double score = velm_screen_score(screen, inspection->score);
  double factor = inspection->score > 0 ? score / inspection->score : 1;
  for (gsize i = 0; i < (gsize)inspection->map->width * (gsize)inspection->map->height; i++)
    inspection->map->values[i] *= (float)factor;
  g_clear_pointer(&inspection->features, velm_features_free);
  inspection->score = score;
  inspection->threshold = screen->threshold;
  inspection->region_threshold *= factor;
  inspection->anomalous = FALSE;
  inspection->look = "fast";
}

static gboolean look_closely(TwoSpeed *self, VelmInspection *inspection, GError **error) {
  double features = inspection->timings_ms[VELM_TIMING_FEATURES];
  double search = inspection->timings_ms[VELM_TIMING_SEARCH];
  forget(inspection);
  if (!velm_detector_detect(self->accurate, inspection, error))
    return FALSE;
  inspection->timings_ms[VELM_TIMING_FEATURES] += features;
  inspection->timings_ms[VELM_TIMING_SEARCH] += search;
  inspection->look = "accurate";
  return TRUE;
}

/* Against a reference small differences count, which the fast one does not see. */
static gboolean two_speed_detect(VelmDetector *detector, VelmInspection *inspection,
                                 GError **error) {
  TwoSpeed *self = (TwoSpeed *)detector;
  if (inspection->reference)
    return look_closely(self, inspection, error);
  if (!velm_detector_detect(self->fast, inspection, error))
    return FALSE;
  if (!velm_screen_is_clearly_normal(&self->screen, inspection->score))
    return look_closely(self, inspection, error);
  settle(&self->screen, inspection);
  return TRUE;
}

/* What was decided stands; where it would be marked, and by what classified, is the accurate
 * one's. */
static gboolean two_speed_examine(VelmDetector *detector, VelmInspection *inspection,
                                  GError **error) {
  double score = inspection->score;
  gboolean anomalous = inspection->anomalous;
  const char *look = inspection->look;
  if (!look_closely((TwoSpeed *)detector, inspection, error))
    return FALSE;
  inspection->score = score;
  inspection->anomalous = anomalous;
  inspection->look = look;
  return TRUE;
}

/* ---- describing ---- */

static void two_speed_describe(VelmModel *model, GString *text) {
  double onward = 0;
  g_autoptr(VelmModel) fast = open_fast_model(model, NULL);
  velm_detector_patchcore.describe(model, text);
  if (!fast || !velm_model_get_double(model, "two-speed.onward", &onward, NULL))
    return;
  g_autoptr(GString) lines = g_string_new(NULL);
  velm_detector_patchcore.describe(fast, lines);
  g_auto(GStrv) each = g_strsplit(lines->str, "\n", -1);
  for (gsize i = 0; each[i] && each[i][0]; i++)
    g_string_append_printf(text, "fast look, %s\n", each[i]);
  g_string_append_printf(text, "fast look: ends it for %.0f %% of good parts\n",
                         100 * (1 - onward));
}

const VelmDetectorClass velm_detector_two_speed = {
    .name = "two-speed",
    .fit = velm_two_speed_fit,
    .open = two_speed_open,
    .detect = two_speed_detect,
    .examine = two_speed_examine,
    .free = two_speed_free,
    .describe = two_speed_describe,
};
