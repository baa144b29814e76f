#include "detect/exported_spec.h"

#include "core/file.h"
#include "detect/network_file.h"

#include <math.h>
#include <string.h>

void velm_exported_spec_free(VelmExportedSpec *spec) {
  if (!spec)
    return;
  g_free(spec->path);
  g_free(spec);
}

/* ---- the files ---- */

gboolean velm_exported_spec_check_files(const VelmExportedSpec *spec, GError **error) {
  g_autofree char *weights = velm_network_weights_path(spec->path);
  if (!g_file_test(spec->path, G_FILE_TEST_IS_REGULAR))
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: no such exported model", spec->path);
  else if (weights && !g_file_test(weights, G_FILE_TEST_IS_REGULAR))
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: no such file; it holds the weights of %s",
                weights, spec->path);
  else
    return TRUE;
  return FALSE;
}

gboolean velm_exported_spec_check_normalisation(const VelmExportedSpec *spec, GError **error) {
  for (int c = 0; c < 3; c++)
    if (!isfinite(spec->mean[c]) || !isfinite(spec->scale[c]) || spec->scale[c] == 0) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                  "the mean must be three numbers, and the scale three that are not 0");
      return FALSE;
    }
  return TRUE;
}

/* ---- in the model ---- */

gboolean velm_exported_spec_store(const VelmExportedSpec *spec, VelmModel *model, GError **error) {
  g_autofree char *weights = velm_network_weights_path(spec->path);
  g_autofree char *digest = velm_file_sha256(spec->path, error);
  g_autofree char *weights_digest = digest && weights ? velm_file_sha256(weights, error) : NULL;
  if (!digest || (weights && !weights_digest))
    return FALSE;
  velm_model_set_string(model, "exported.path", spec->path);
  velm_model_set_string(model, "exported.sha256", digest);
  if (weights) {
    velm_model_set_string(model, "exported.weights_path", weights);
    velm_model_set_string(model, "exported.weights_sha256", weights_digest);
  }
  velm_model_set_int(model, "exported.width", spec->width);
  velm_model_set_int(model, "exported.height", spec->height);
  velm_model_set_floats(model, "exported.mean", spec->mean, 3);
  velm_model_set_floats(model, "exported.scale", spec->scale, 3);
  return TRUE;
}

static gboolean check_digest(VelmModel *model, const char *path_name, const char *name,
                             GError **error) {
  const char *path = velm_model_get_string(model, path_name, error);
  return path && velm_network_check_digest(model, name, path, velm_file_sha256,
                                           "another one than when the model was fitted", error);
}

static gboolean check_files(const VelmExportedSpec *spec, VelmModel *model, GError **error) {
  return velm_exported_spec_check_files(spec, error) &&
         check_digest(model, "exported.path", "exported.sha256", error) &&
         (!velm_model_has(model, "exported.weights_path") ||
          check_digest(model, "exported.weights_path", "exported.weights_sha256", error));
}

static gboolean read_size(VelmModel *model, const char *name, int *size, GError **error) {
  gint64 value = 0;
  if (!velm_model_get_int(model, name, &value, error))
    return FALSE;
  *size = (int)CLAMP(value, 0, VELM_EXPORTED_MAX_SIZE + 1);
  if (*size >= 1 && *size <= VELM_EXPORTED_MAX_SIZE)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "the model's \"%s\" is no size of an image",
              name);
  return FALSE;
}

static gboolean read_normalisation(VelmExportedSpec *spec, VelmModel *model, GError **error) {
  const float *mean = velm_model_get_floats(model, "exported.mean", 3, NULL, error);
  const float *scale = mean ? velm_model_get_floats(model, "exported.scale", 3, NULL, error) : NULL;
  if (!scale)
    return FALSE;
  memcpy(spec->mean, mean, sizeof spec->mean);
  memcpy(spec->scale, scale, sizeof spec->scale);
  return velm_exported_spec_check_normalisation(spec, error);
}

VelmExportedSpec *velm_exported_spec_restore(VelmModel *model, GError **error) {
  g_autoptr(VelmExportedSpec) spec = g_new0(VelmExportedSpec, 1);
  const char *path = velm_model_get_string(model, "exported.path", error);
  if (!path)
    return NULL;
  spec->path = g_strdup(path);
  if (!read_size(model, "exported.width", &spec->width, error) ||
      !read_size(model, "exported.height", &spec->height, error) ||
      !read_normalisation(spec, model, error) || !check_files(spec, model, error))
    return NULL;
  return g_steal_pointer(&spec);
}
