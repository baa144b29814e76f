#include "detect/coreset.h"
#include "detect/patchcore_layers.h"
#include "evaluate/tune.h"

#include <math.h>
#include <string.h>

/* Far smaller than a fit's: what matters is which layers are better, not how good they get. */
#define BANK 1500
#define CANDIDATES 16000
#define PROJECTED 32

/* A cell is part of a defect from this share of it on. */
#define DEFECT_SHARE 0.1

/* A layer on its way: what its bank is chosen from, and the bank. */
typedef struct {
  float *candidates, *bank;
  gsize n;
} Layer;

typedef struct {
  const VelmTuneImages *images;
  const VelmFitParams *params;
  VelmBackbone *backbone;
  VelmPatchLayer *layers;
  Layer *banks;
  gsize n_layers, n_cells;
  int size, rows, columns, channels;
  gsize *done, total;
} Work;

static void work_clear(Work *work) {
  for (gsize i = 0; work->banks && i < work->n_layers; i++) {
    g_free(work->banks[i].candidates);
    g_free(work->banks[i].bank);
  }
  g_free(work->banks);
  velm_patch_layers_free(work->layers, work->n_layers);
  velm_backbone_free(work->backbone);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)

void velm_tune_maps_free(VelmTuneMaps *maps) {
  if (!maps)
    return;
  g_free(maps->maps);
  g_free(maps->cells);
  g_free(maps->masked);
  g_free(maps->defect);
  g_free(maps);
}

static gboolean report(Work *work, GError **error) {
  const VelmFitParams *params = work->params;
  ++*work->done;
  if (!params->progress ||
      params->progress("tuning", *work->done, work->total, params->progress_data))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while tuning");
  return FALSE;
}

static gboolean open_backbone(Work *work, const char *const *layers, int size, GError **error) {
  g_autofree char *joined = g_strjoinv(",", (char **)layers);
  g_autoptr(VelmBackboneSpec) spec =
      velm_backbone_spec_new(work->params->backbone, joined, size, error);
  work->backbone = spec ? velm_backbone_open(spec, error) : NULL;
  if (!work->backbone)
    return FALSE;
  work->size = spec->size;
  velm_backbone_grid(work->backbone, &work->rows, &work->columns, &work->channels);
  work->n_cells = (gsize)work->rows * (gsize)work->columns;
  work->layers = velm_patch_layers_new(work->backbone, &work->n_layers);
  work->banks = g_new0(Layer, work->n_layers);
  return TRUE;
}

/* ---- banks ---- */

/* Takes some cells of an image, the same in each layer. */
static void take_candidates(Work *work, const VelmFeatures *features, GRand *random) {
  gsize share = CLAMP(CANDIDATES / work->images->bank->len, 1, work->n_cells);
  for (gsize i = 0; i < share; i++) {
    gsize cell = (gsize)(g_rand_double(random) * (double)work->n_cells);
    const float *from = features->values + cell * (gsize)work->channels;
    for (gsize k = 0; k < work->n_layers; k++) {
      gsize channels = (gsize)work->layers[k].channels;
      Layer *layer = &work->banks[k];
      memcpy(layer->candidates + layer->n++ * channels, from + work->layers[k].offset,
             channels * sizeof(float));
    }
  }
}

static gboolean take_bank_images(Work *work, GError **error) {
  const GPtrArray *samples = work->images->bank;
  g_autoptr(GRand) random = g_rand_new_with_seed(work->params->seed + 3);
  gsize share = CLAMP(CANDIDATES / samples->len, 1, work->n_cells);
  for (gsize k = 0; k < work->n_layers; k++)
    work->banks[k].candidates = g_new(float, samples->len *share *(gsize)work->layers[k].channels);
  for (guint i = 0; i < samples->len; i++) {
    const VelmSample *sample = samples->pdata[i];
    g_autoptr(VelmImage) image = velm_image_load(sample->path, 0, error);
    g_autoptr(VelmFeatures) features =
        image ? velm_backbone_extract(work->backbone, image, error) : NULL;
    if (!features || !report(work, error))
      return FALSE;
    take_candidates(work, features, random);
  }
  return TRUE;
}

/* Selects the layer's bank, and lets its candidates go. */
static gboolean select_bank(Work *work, gsize index, GError **error) {
  Layer *layer = &work->banks[index];
  gsize channels = (gsize)work->layers[index].channels, n = MIN(BANK, layer->n);
  g_autofree float *projection =
      velm_coreset_projection(channels, PROJECTED, work->params->seed + 1);
  g_autofree float *points = g_new(float, layer->n *PROJECTED);
  velm_coreset_project(projection, channels, PROJECTED, layer->candidates, layer->n, points);
  g_autofree gsize *picks = velm_coreset_select(points, layer->n, PROJECTED, n, 0);
  layer->bank = g_new(float, n *channels);
  for (gsize i = 0; i < n; i++)
    memcpy(layer->bank + i * channels, layer->candidates + picks[i] * channels,
           channels * sizeof(float));
  g_clear_pointer(&layer->candidates, g_free);
  work->layers[index].nearest = velm_nearest_new(layer->bank, n, channels, work->n_cells, error);
  return work->layers[index].nearest != NULL;
}

/* ---- maps ---- */

/* Which cells the mask covers. */
static void fill_cells(const Work *work, const VelmMask *mask, guint8 *cells) {
  g_autofree guint *set = g_new0(guint, work->n_cells), *all = g_new0(guint, work->n_cells);
  for (int y = 0; y < mask->height; y++)
    for (int x = 0; x < mask->width; x++) {
      gsize cell = (gsize)((gint64)y * work->rows / mask->height) * (gsize)work->columns +
                   (gsize)((gint64)x * work->columns / mask->width);
      set[cell] += mask->values[(gsize)y * (gsize)mask->width + (gsize)x] ? 1 : 0;
      all[cell]++;
    }
  for (gsize i = 0; i < work->n_cells; i++)
    cells[i] = set[i] == 0                               ? VELM_CELL_GOOD
               : set[i] >= DEFECT_SHARE * (double)all[i] ? VELM_CELL_DEFECT
                                                         : VELM_CELL_EITHER;
}

static gboolean add_maps(Work *work, const VelmFeatures *features, float *maps, GError **error) {
  g_autofree float *rows = g_new(float, work->n_cells *(gsize)work->channels);
  for (gsize k = 0; k < work->n_layers; k++) {
    g_autoptr(VelmPlane) raw = velm_plane_new(work->columns, work->rows);
    velm_patch_layer_take(&work->layers[k], features, NULL, work->n_cells, rows);
    if (!velm_nearest_distances(work->layers[k].nearest, rows, raw->values, error))
      return FALSE;
    g_autoptr(VelmPlane) smooth = velm_plane_blur(raw, VELM_PATCHCORE_BLUR, error);
    if (!smooth)
      return FALSE;
    memcpy(maps + k * work->n_cells, smooth->values, work->n_cells * sizeof(float));
  }
  return TRUE;
}

static gboolean look_at(Work *work, gsize index, VelmTuneMaps *maps, GError **error) {
  const VelmTuneImage *image = &g_array_index(work->images->images, VelmTuneImage, index);
  g_autoptr(VelmMask) mask = NULL;
  g_autoptr(VelmImage) loaded = velm_tune_image_load(image, &mask, error);
  g_autoptr(VelmFeatures) features =
      loaded ? velm_backbone_extract(work->backbone, loaded, error) : NULL;
  if (!features || !report(work, error) ||
      !add_maps(work, features, maps->maps + index * work->n_layers * work->n_cells, error))
    return FALSE;
  maps->defect[index] = image->defect ? 1 : 0;
  maps->masked[index] = !image->defect || mask ? 1 : 0;
  if (mask)
    fill_cells(work, mask, maps->cells + index * work->n_cells);
  return TRUE;
}

/* Divides each layer's distances by what is typical of good images. */
static void normalise(VelmTuneMaps *maps) {
  for (gsize k = 0; k < maps->n_layers; k++) {
    double sum = 0, n = 0;
    for (gsize i = 0; i < maps->n_images; i++)
      for (gsize c = 0; !maps->defect[i] && c < maps->n_cells; c++, n++)
        sum += (double)maps->maps[(i * maps->n_layers + k) * maps->n_cells + c];
    float scale = (float)(n / MAX(sum, 1e-9));
    for (gsize i = 0; i < maps->n_images; i++)
      for (gsize c = 0; c < maps->n_cells; c++)
        maps->maps[(i * maps->n_layers + k) * maps->n_cells + c] *= scale;
  }
}

VelmTuneMaps *velm_tune_maps_new(const VelmTuneImages *images, const VelmFitParams *params,
                                 const char *const *layers, int size, gsize *done, gsize total,
                                 GError **error) {
  g_auto(Work) work = {.images = images, .params = params, .done = done, .total = total};
  if (!open_backbone(&work, layers, size, error) || !take_bank_images(&work, error))
    return NULL;
  for (gsize k = 0; k < work.n_layers; k++)
    if (!select_bank(&work, k, error))
      return NULL;
  g_autoptr(VelmTuneMaps) maps = g_new0(VelmTuneMaps, 1);
  *maps = (VelmTuneMaps){.size = work.size,
                         .rows = work.rows,
                         .columns = work.columns,
                         .n_images = images->images->len,
                         .n_layers = work.n_layers,
                         .n_cells = work.n_cells};
  maps->maps = g_new(float, maps->n_images * maps->n_layers * maps->n_cells);
  maps->cells = g_new0(guint8, maps->n_images * maps->n_cells);
  maps->masked = g_new0(guint8, maps->n_images);
  maps->defect = g_new0(guint8, maps->n_images);
  for (gsize i = 0; i < maps->n_images; i++)
    if (!look_at(&work, i, maps, error))
      return NULL;
  normalise(maps);
  return g_steal_pointer(&maps);
}
