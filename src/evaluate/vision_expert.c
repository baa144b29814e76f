#include "evaluate/vision_expert.h"

#include "detect/heatmaps.h"
#include "evaluate/oracle.h"

#include <math.h>
#include <string.h>

/* Of given maps' training images, what lies over the threshold: as velm fit has it by default. */
static double default_false_alarms(void) { return velm_fit_params_default().false_alarms; }

/* ---- given maps, with the model's features besides ---- */

typedef struct {
  VelmDetector base;
  VelmDetector *own, *given;
} Both;

static gboolean both_detect(VelmDetector *detector, VelmInspection *inspection, GError **error) {
  Both *self = (Both *)detector;
  if (!velm_detector_detect(self->own, inspection, error) ||
      !velm_detector_examine(self->own, inspection, error))
    return FALSE;
  g_clear_pointer(&inspection->map, velm_plane_free);
  return velm_detector_detect(self->given, inspection, error);
}

static void both_free(VelmDetector *detector) {
  Both *self = (Both *)detector;
  velm_detector_free(self->own);
  velm_detector_free(self->given);
  g_free(self);
}

static const VelmDetectorClass both_class = {.detect = both_detect, .free = both_free};

/* Takes @given. */
static VelmDetector *open_both(VelmModel *model, VelmDetector *given, GError **error) {
  VelmDetector *own = given ? velm_detector_open(model, error) : NULL;
  if (!own) {
    velm_detector_free(given);
    return NULL;
  }
  Both *self = g_new0(Both, 1);
  self->base.klass = &both_class;
  self->own = own;
  self->given = given;
  return &self->base;
}

/* ---- by name ---- */

/* "FOLDER" or "FOLDER@THRESHOLD". */
static VelmDetector *open_heatmaps(const char *text, GError **error) {
  g_autofree char *folder = g_strdup(text);
  double threshold = NAN;
  char *at = strrchr(folder, '@');
  if (at && !g_file_test(folder, G_FILE_TEST_EXISTS)) {
    char *end;
    threshold = g_ascii_strtod(at + 1, &end);
    *at = '\0';
    if (end == at + 1 || *end || !isfinite(threshold)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                  "heatmaps:%s: what follows the @ is no threshold", text);
      return NULL;
    }
  }
  return velm_heatmaps_open(folder, threshold, default_false_alarms(), error);
}

static gboolean open_own(VelmVisionExpert *expert, VelmModel *model, GError **error) {
  expert->model = model;
  expert->detector = velm_detector_open(model, error);
  return expert->detector != NULL;
}

static gboolean open_other_model(VelmVisionExpert *expert, const char *path, GError **error) {
  expert->own_model = velm_model_load(path, error);
  if (!expert->own_model || !open_own(expert, expert->own_model, error))
    return FALSE;
  g_autofree char *file = g_path_get_basename(path);
  g_free(expert->name);
  expert->name = g_strdup(file);
  return TRUE;
}

static gboolean open_named(VelmVisionExpert *expert, const char *name, VelmModel *model,
                           const VelmDataset *dataset, GError **error) {
  const char *own = velm_model_get_string(model, "detector", error);
  if (!own)
    return FALSE;
  if (g_str_equal(name, "model") || g_str_equal(name, own)) {
    g_free(expert->name);
    expert->name = g_strdup(own);
    return open_own(expert, model, error);
  }
  expert->model = model;
  if (g_str_equal(name, "oracle")) {
    expert->oracle = TRUE;
    expert->detector = open_both(model, velm_oracle_open(dataset), error);
  } else if (g_str_has_prefix(name, "heatmaps:")) {
    expert->detector = open_both(model, open_heatmaps(name + strlen("heatmaps:"), error), error);
  } else if (g_str_has_suffix(name, ".velm")) {
    return open_other_model(expert, name, error);
  } else {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "no detector \"%s\" here; there are: %s, oracle, heatmaps:FOLDER, OTHER.velm", name,
                own);
  }
  return expert->detector != NULL;
}

VelmVisionExpert *velm_vision_expert_open(const char *name, VelmModel *model,
                                          const VelmDataset *dataset, GError **error) {
  g_autoptr(VelmVisionExpert) expert = g_new0(VelmVisionExpert, 1);
  expert->name = g_strdup(name);
  return open_named(expert, name, model, dataset, error) ? g_steal_pointer(&expert) : NULL;
}

void velm_vision_expert_free(VelmVisionExpert *expert) {
  if (!expert)
    return;
  velm_detector_free(expert->detector);
  velm_model_free(expert->own_model);
  g_free(expert->name);
  g_free(expert);
}
