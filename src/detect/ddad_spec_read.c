/* Reading what tools/ddad writes beside a denoiser. */
#include "detect/ddad_spec.h"

#include "core/file.h"
#include "core/json_member.h"

#include <math.h>

/* A list of the images that were held back may be long. */
#define MAX_BYTES (16 * 1000 * 1000)

/* What the paper and its published settings have, for a file that does not say: the start, the
 * steps, fresh noise, the pixels' weight; and smoothing by 4 pixels at 256. */
#define START 250
#define STEPS 10
#define ETA 1
#define PIXEL_WEIGHT 1
#define GUIDANCE 2
#define SMOOTHING (4.0 / 256)

/* The features of the built-in network where nothing else is named: fine ones and ones of its
 * middle, as the paper's are. */
#define NETWORK "lite2"
#define LAYERS "stage3,stage5"

/* ---- the file ---- */

static char *json_path(const char *denoiser) {
  const char *dot = strrchr(denoiser, '.');
  g_autofree char *stem =
      dot && !strchr(dot, '/') ? g_strndup(denoiser, dot - denoiser) : g_strdup(denoiser);
  return g_strconcat(stem, ".json", NULL);
}

static JsonNode *load(const char *path, GError **error) {
  gsize length = 0;
  g_autofree char *text = velm_file_read_limited(path, MAX_BYTES, &length, error);
  if (!text)
    return NULL;
  if (length > MAX_BYTES) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: is too large for a denoiser's settings",
                path);
    return NULL;
  }
  g_autoptr(JsonNode) root = velm_json_parse(text, (gssize)length, path, error);
  if (!root || JSON_NODE_HOLDS_OBJECT(root))
    return g_steal_pointer(&root);
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: is no object of settings", path);
  return NULL;
}

/* A number that is there must be one. @whole: no fraction, and an int. */
static gboolean take_number(JsonObject *object, const char *name, gboolean whole, double otherwise,
                            double *value, const char *path, GError **error) {
  *value = object && json_object_has_member(object, name)
               ? velm_json_double_member(object, name, NAN)
               : otherwise;
  if (isfinite(*value) && (!whole || (fabs(*value) <= G_MAXINT && floor(*value) == *value)))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: \"%s\" must be a %s", path, name,
              whole ? "whole number" : "number");
  return FALSE;
}

static gboolean take_double(JsonObject *object, const char *name, double otherwise, double *value,
                            const char *path, GError **error) {
  return take_number(object, name, FALSE, otherwise, value, path, error);
}

static gboolean take_int(JsonObject *object, const char *name, int otherwise, int *value,
                         const char *path, GError **error) {
  double number = 0;
  if (!take_number(object, name, TRUE, otherwise, &number, path, error))
    return FALSE;
  *value = (int)number;
  return TRUE;
}

/* Those among the array that are strings. Returns: (transfer full). */
static char **take_strings(JsonArray *array) {
  g_autoptr(GPtrArray) strings = g_ptr_array_new();
  for (guint i = 0; array && i < json_array_get_length(array); i++) {
    JsonNode *node = json_array_get_element(array, i);
    if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
      g_ptr_array_add(strings, g_strdup(json_node_get_string(node)));
  }
  g_ptr_array_add(strings, NULL);
  return (char **)g_ptr_array_free(g_steal_pointer(&strings), FALSE);
}

/* ---- the features ---- */

static gboolean is_number(JsonNode *node) {
  GType type = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : G_TYPE_INVALID;
  return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

/* Three numbers, where there are any. */
static gboolean take_colour(JsonObject *object, const char *name, float colour[3], const char *path,
                            GError **error) {
  JsonArray *array = velm_json_array_member(object, name);
  if (!array)
    return TRUE;
  gboolean ok = json_array_get_length(array) == 3;
  for (guint c = 0; ok && c < 3; c++) {
    JsonNode *node = json_array_get_element(array, c);
    ok = is_number(node);
    colour[c] = ok ? (float)json_node_get_double(node) : 0;
    ok = ok && isfinite(colour[c]) && (g_str_equal(name, "mean") || colour[c] != 0);
  }
  if (!ok)
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE,
                "%s: the features' \"%s\" must be three numbers%s", path, name,
                g_str_equal(name, "mean") ? "" : " that are not 0");
  return ok;
}

/* A network that was fitted to the product lies beside the denoiser. */
static VelmBackboneSpec *features_of_file(JsonObject *object, const VelmFitParams *params,
                                          const char *path, GError **error) {
  g_autofree char *folder = g_path_get_dirname(path);
  g_autofree char *file = g_canonicalize_filename(velm_json_string_member(object, "file"), folder);
  g_auto(GStrv) names = take_strings(velm_json_array_member(object, "layers"));
  g_autofree char *layers = g_strjoinv(",", names);
  int size = 0;
  if (!take_int(object, "size", 0, &size, path, error))
    return NULL;
  g_autoptr(VelmBackboneSpec) spec = velm_backbone_spec_new(file,
                                                            params->layers ? params->layers
                                                            : layers[0]    ? layers
                                                                           : NULL,
                                                            size, error);
  if (!spec || !take_colour(object, "mean", spec->mean, path, error) ||
      !take_colour(object, "scale", spec->scale, path, error))
    return NULL;
  return g_steal_pointer(&spec);
}

/* The user's file, else the one beside the denoiser, else the built-in network. */
static VelmBackboneSpec *read_features(JsonObject *root, const VelmFitParams *params,
                                       const char *path, GError **error) {
  JsonObject *object = velm_json_object_member(root, "features");
  const VelmFitParams usual = velm_fit_params_default();
  gboolean chosen = params->backbone && !g_str_equal(params->backbone, usual.backbone);
  if (!chosen && velm_json_string_member(object, "file"))
    return features_of_file(object, params, path, error);
  const char *network = chosen ? params->backbone : NETWORK;
  const char *layers = params->layers                  ? params->layers
                       : g_str_equal(network, NETWORK) ? LAYERS
                                                       : NULL;
  return velm_backbone_spec_new(network, layers, params->size, error);
}

/* ---- all of it ---- */

static gboolean read_schedule(JsonObject *root, VelmNoiseSchedule *schedule, const char *path,
                              GError **error) {
  JsonObject *object = velm_json_object_member(root, "schedule");
  return take_int(object, "steps", 1000, &schedule->n_steps, path, error) &&
         take_double(object, "first", 1e-4, &schedule->first, path, error) &&
         take_double(object, "last", 0.02, &schedule->last, path, error);
}

static gboolean read_reconstruction(JsonObject *root, VelmReconstruction *how, const char *path,
                                    GError **error) {
  return take_int(root, "start", START, &how->start, path, error) &&
         take_int(root, "steps", MIN(STEPS, MAX(1, how->start)), &how->n_steps, path, error) &&
         take_double(root, "guidance", GUIDANCE, &how->guidance, path, error) &&
         take_double(root, "eta", ETA, &how->eta, path, error);
}

static gboolean read_all(VelmDdadSpec *spec, JsonObject *root, const char *path, GError **error) {
  return take_int(root, "width", 0, &spec->width, path, error) &&
         take_int(root, "height", 0, &spec->height, path, error) &&
         read_schedule(root, &spec->schedule, path, error) &&
         read_reconstruction(root, &spec->how, path, error) &&
         take_int(root, "samples", 1, &spec->n_samples, path, error) &&
         take_double(root, "pixel_weight", PIXEL_WEIGHT, &spec->pixel_weight, path, error) &&
         take_double(root, "smoothing", SMOOTHING * MAX(spec->width, spec->height),
                     &spec->smoothing, path, error);
}

static void take_params(VelmDdadSpec *spec, const VelmFitParams *params) {
  spec->seed = params->seed;
  if (params->ddad_start)
    spec->how.start = params->ddad_start;
  if (params->ddad_steps)
    spec->how.n_steps = params->ddad_steps;
  else if (params->ddad_start)
    spec->how.n_steps = MIN(spec->how.n_steps, MAX(1, params->ddad_start));
  if (params->ddad_samples)
    spec->n_samples = params->ddad_samples;
  if (!isnan(params->ddad_guidance))
    spec->how.guidance = params->ddad_guidance;
}

VelmDdadSpec *velm_ddad_spec_read(const VelmFitParams *params, GError **error) {
  if (!params->denoiser || !params->denoiser[0]) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "the detector \"ddad\" needs the file of a denoiser (--denoiser)");
    return NULL;
  }
  g_autoptr(VelmDdadSpec) spec = g_new0(VelmDdadSpec, 1);
  spec->denoiser = g_canonicalize_filename(params->denoiser, NULL);
  g_autofree char *path = json_path(spec->denoiser);
  g_autoptr(JsonNode) node = load(path, error);
  if (!node || !read_all(spec, json_node_get_object(node), path, error) ||
      !velm_ddad_spec_check(spec, VELM_ERROR_FILE, path, error))
    return NULL;
  take_params(spec, params);
  if (!velm_ddad_spec_check(spec, VELM_ERROR_USAGE, "ddad", error))
    return NULL;
  JsonObject *root = json_node_get_object(node);
  spec->held_back = take_strings(velm_json_array_member(root, "held_back"));
  spec->features = read_features(root, params, path, error);
  return spec->features ? g_steal_pointer(&spec) : NULL;
}
