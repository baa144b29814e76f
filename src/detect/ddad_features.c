#include "detect/ddad_features.h"

#include "core/engine.h"
#include "detect/ddad_distance.h"

#include <string.h>

struct _VelmDdadFeatures {
  VelmNet *net;
  int size;
  float *pixels; /* size x size x 3, in the range of bytes */
};

/* ---- opening ---- */

static VelmDdadFeatures *features_new(VelmNet *net, int size) {
  VelmDdadFeatures *self = g_new0(VelmDdadFeatures, 1);
  self->net = net;
  self->size = size;
  self->pixels = g_new(float, 3 * (gsize)size * (gsize)size);
  return self;
}

static gboolean check_names(const VelmBackboneSpec *spec, GError **error) {
  for (char **layer = spec->layers; *layer; layer++)
    if (strchr(*layer, '@')) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                  "layer \"%s\": the detector \"ddad\" takes layers as they are, without @",
                  *layer);
      return FALSE;
    }
  return TRUE;
}

static gboolean check_maps(VelmNet *net, const VelmBackboneSpec *spec, GError **error) {
  for (gsize i = 0; i < velm_net_n_outputs(net); i++) {
    const VelmTensor *output = velm_net_output(net, i);
    if (output->rank == 4 && output->dims[0] == 1 && output->n > 0)
      continue;
    g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                "%s: layer \"%s\" gives no feature map, 1 x channels x rows x columns", spec->path,
                spec->layers[i]);
    return FALSE;
  }
  return TRUE;
}

VelmDdadFeatures *velm_ddad_features_open(const VelmBackboneSpec *spec, guint streams,
                                          GError **error) {
  VelmNetParams params = {.layers = (const char *const *)spec->layers,
                          .width = spec->size,
                          .height = spec->size,
                          .float_pixels = TRUE,
                          .exact = TRUE,
                          .streams = streams};
  memcpy(params.mean, spec->mean, sizeof params.mean);
  memcpy(params.scale, spec->scale, sizeof params.scale);
  if (!check_names(spec, error))
    return NULL;
  g_autoptr(VelmNet) net = velm_net_open(spec->path, &params, error);
  if (!net || !check_maps(net, spec, error))
    return NULL;
  return features_new(g_steal_pointer(&net), spec->size);
}

VelmDdadFeatures *velm_ddad_features_share(VelmDdadFeatures *features, GError **error) {
  VelmNet *net = velm_net_share(features->net, error);
  return net ? features_new(net, features->size) : NULL;
}

void velm_ddad_features_free(VelmDdadFeatures *features) {
  if (!features)
    return;
  velm_net_free(features->net);
  g_free(features->pixels);
  g_free(features);
}

/* ---- running ---- */

static gboolean put_channel(VelmDdadFeatures *self, const float *image, int channel, int width,
                            int height, GError **error) {
  g_autoptr(VelmPlane) plane = velm_plane_new(width, height);
  gsize n = (gsize)width * (gsize)height;
  memcpy(plane->values, image + (gsize)channel * n, n * sizeof(float));
  g_autoptr(VelmPlane) sized = velm_plane_resize(plane, self->size, self->size, error);
  if (!sized)
    return FALSE;
  for (gsize i = 0; i < (gsize)self->size * (gsize)self->size; i++)
    self->pixels[3 * i + (gsize)channel] = 127.5f * (sized->values[i] + 1);
  return TRUE;
}

static gboolean run(VelmDdadFeatures *self, const float *image, int width, int height,
                    GError **error) {
  for (int channel = 0; channel < 3; channel++)
    if (!put_channel(self, image, channel, width, height, error))
      return FALSE;
  return velm_net_run_floats(self->net, self->pixels, 3 * (gsize)self->size * (gsize)self->size,
                             error);
}

GPtrArray *velm_ddad_features_of(VelmDdadFeatures *self, const float *image, int width, int height,
                                 GError **error) {
  if (!run(self, image, width, height, error))
    return NULL;
  /* Copies, for the next image's take their place. */
  GPtrArray *layers = g_ptr_array_new_with_free_func(g_free);
  for (gsize i = 0; i < velm_net_n_outputs(self->net); i++) {
    const VelmTensor *output = velm_net_output(self->net, i);
    g_ptr_array_add(layers, g_memdup2(output->data, output->n * sizeof(float)));
  }
  return layers;
}

VelmPlane *velm_ddad_features_distance(VelmDdadFeatures *self, const GPtrArray *targets,
                                       const float *image, int width, int height, GError **error) {
  if (!run(self, image, width, height, error))
    return NULL;
  g_autoptr(VelmPlane) sum = velm_plane_new(width, height);
  for (guint i = 0; i < targets->len; i++) {
    const VelmTensor *output = velm_net_output(self->net, i);
    g_autoptr(VelmPlane) layer =
        velm_ddad_cosine_distance(targets->pdata[i], output->data, (int)output->dims[1],
                                  (int)output->dims[2], (int)output->dims[3]);
    if (!velm_ddad_distance_add(sum, layer, 1, error))
      return NULL;
  }
  return g_steal_pointer(&sum);
}
