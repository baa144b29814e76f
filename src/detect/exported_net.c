#include "detect/exported_net.h"

#include "core/engine.h"
#include "core/resizer.h"

#include <math.h>
#include <string.h>

struct _VelmExportedNet {
  char *path;
  VelmNet *net;
  VelmResizer *resizer;
  int width, height;
  const VelmTensor *score, *map; /* one of them may be NULL */
};

/* ---- what the outputs are ---- */

static gboolean is_score(const VelmTensor *tensor) { return tensor->data && tensor->n == 1; }

/* Of one row or column it would not tell where. */
static gboolean is_map(const VelmTensor *tensor) {
  gsize rank = tensor->rank;
  if (!tensor->data || rank < 3 || rank > 4 || tensor->dims[0] != 1 ||
      (rank == 4 && tensor->dims[1] != 1))
    return FALSE;
  return tensor->dims[rank - 2] > 1 && tensor->dims[rank - 1] > 1 &&
         tensor->dims[rank - 2] <= G_MAXINT && tensor->dims[rank - 1] <= G_MAXINT;
}

typedef gboolean (*Test)(const VelmTensor *tensor);

/* The output @name, else the only one that passes @test; left NULL where none does. */
static gboolean find(VelmExportedNet *self, const char *name, const char *what, Test test,
                     const VelmTensor **found, GError **error) {
  *found = velm_net_find_output(self->net, name);
  if (*found && !test(*found)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                "%s: its output \"%s\" is no %s in 32-bit floats of one image", self->path, name,
                what);
    return FALSE;
  }
  if (*found)
    return TRUE;
  for (gsize i = 0; i < velm_net_n_outputs(self->net); i++) {
    const VelmTensor *output = velm_net_output(self->net, i);
    if (!test(output))
      continue;
    if (*found) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                  "%s: several of its outputs may be the %s, and none is named \"%s\"", self->path,
                  what, name);
      return FALSE;
    }
    *found = output;
  }
  return TRUE;
}

static gboolean find_outputs(VelmExportedNet *self, GError **error) {
  if (!find(self, "anomaly_map", "score map", is_map, &self->map, error) ||
      !find(self, "pred_score", "score", is_score, &self->score, error))
    return FALSE;
  if (self->map || self->score)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
              "%s: none of its outputs is an anomaly score (one number) or a score map (1 x 1 x "
              "rows x columns) in 32-bit floats",
              self->path);
  return FALSE;
}

/* ---- opening ---- */

static gboolean take_size(VelmExportedNet *self, VelmExportedSpec *spec, GError **error) {
  velm_net_image_size(self->net, &self->width, &self->height);
  if (spec->width > 0 && (spec->width != self->width || spec->height != self->height)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s: takes images of %d x %d, not of %d x %d",
                spec->path, self->width, self->height, spec->width, spec->height);
    return FALSE;
  }
  if (self->width > VELM_EXPORTED_MAX_SIZE || self->height > VELM_EXPORTED_MAX_SIZE) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                "%s: takes images of %d x %d; a side may be %d at most", spec->path, self->width,
                self->height, VELM_EXPORTED_MAX_SIZE);
    return FALSE;
  }
  spec->width = self->width;
  spec->height = self->height;
  return TRUE;
}

VelmExportedNet *velm_exported_net_open(VelmExportedSpec *spec, GError **error) {
  if (!velm_exported_spec_check_normalisation(spec, error) ||
      !velm_exported_spec_check_files(spec, error))
    return NULL;
  /* Exact, and without rounding pixels: the scores are to be those of the tool that it comes from,
   * whatever the processor. */
  VelmNetParams params = {.width = spec->width,
                          .height = spec->height,
                          .own_size = TRUE,
                          .float_pixels = TRUE,
                          .exact = TRUE,
                          .any_type = TRUE};
  memcpy(params.mean, spec->mean, sizeof params.mean);
  memcpy(params.scale, spec->scale, sizeof params.scale);
  g_autoptr(VelmExportedNet) self = g_new0(VelmExportedNet, 1);
  self->path = g_strdup(spec->path);
  self->net = velm_net_open(spec->path, &params, error);
  if (!self->net || !take_size(self, spec, error) || !find_outputs(self, error))
    return NULL;
  self->resizer = velm_resizer_new(self->width, self->height);
  return g_steal_pointer(&self);
}

void velm_exported_net_free(VelmExportedNet *self) {
  if (!self)
    return;
  velm_net_free(self->net);
  velm_resizer_free(self->resizer);
  g_free(self->path);
  g_free(self);
}

gboolean velm_exported_net_has_score(const VelmExportedNet *self) { return self->score != NULL; }

gboolean velm_exported_net_has_map(const VelmExportedNet *self) { return self->map != NULL; }

/* ---- running ---- */

static VelmPlane *read_map(const VelmTensor *tensor) {
  VelmPlane *map =
      velm_plane_new((int)tensor->dims[tensor->rank - 1], (int)tensor->dims[tensor->rank - 2]);
  memcpy(map->values, tensor->data, tensor->n * sizeof(float));
  return map;
}

gboolean velm_exported_net_run(VelmExportedNet *self, const VelmImage *image, VelmPlane **map,
                               double *score, GError **error) {
  const float *pixels = velm_resizer_run(self->resizer, image, error);
  gsize n = (gsize)self->width * (gsize)self->height * 3;
  if (!pixels || !velm_net_run_floats(self->net, pixels, n, error))
    return FALSE;
  g_autoptr(VelmPlane) plane = self->map ? read_map(self->map) : velm_plane_new(1, 1);
  if (!self->map)
    plane->values[0] = self->score->data[0];
  double top = velm_plane_largest(plane);
  *score = self->score ? (double)self->score->data[0] : top;
  if (!isfinite(top) || !isfinite(*score)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE, "%s: gave a score that is not a number",
                self->path);
    return FALSE;
  }
  *map = g_steal_pointer(&plane);
  return TRUE;
}
