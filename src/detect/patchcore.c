#include "detect/patchcore.h"

#include "detect/contrast.h"
#include "detect/patchcore_maps.h"
#include "detect/reference.h"
#include "detect/region_level.h"

typedef struct {
  VelmDetector base;
  VelmBackboneSpec *spec;
  GPtrArray *backbones; /* of VelmBackbone, one for each thread */
  GAsyncQueue *idle;    /* those that no thread uses */
  gsize n_layers;
  VelmPatchLayer *layers;
  VelmPatchLayer contrast_layer; /* has no channels where there is none */
  VelmContrast contrast;
  gsize widest; /* channels of the layer with most */
  int rows, columns;
  double threshold, reference_threshold, top_share;
} Patchcore;

static void patchcore_free(VelmDetector *detector) {
  Patchcore *self = (Patchcore *)detector;
  if (!self)
    return;
  velm_patch_layers_free(self->layers, self->n_layers);
  g_clear_pointer(&self->idle, g_async_queue_unref);
  g_clear_pointer(&self->backbones, g_ptr_array_unref);
  velm_backbone_spec_free(self->spec);
  g_free(self);
}

static gboolean open_layer(Patchcore *self, VelmModel *model, gsize index, GError **error) {
  VelmPatchLayer *layer = &self->layers[index];
  g_autofree char *bank_name = velm_patch_layer_key(index, "bank");
  g_autofree char *scale_name = velm_patch_layer_key(index, "scale");
  g_autofree char *typical_name = velm_patch_layer_key(index, "typical");
  gsize n = 0;
  double typical = 0;
  const float *bank = velm_model_get_floats(model, bank_name, 0, &n, error);
  gsize channels = (gsize)layer->channels;
  self->widest = MAX(self->widest, channels);
  layer->scale = bank ? velm_model_get_floats(model, scale_name, channels, NULL, error) : NULL;
  if (!layer->scale || !velm_model_get_double(model, typical_name, &typical, error))
    return FALSE;
  if (n % channels != 0 || !(typical > 0)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model's bank does not fit its backbone; fit it again");
    return FALSE;
  }
  layer->typical = (float)typical;
  layer->nearest = velm_nearest_new(bank, n / channels, channels,
                                    (gsize)self->rows * (gsize)self->columns, error);
  return layer->nearest != NULL;
}

/* Models of before it could be chosen have none. */
static gboolean open_top_share(Patchcore *self, VelmModel *model, GError **error) {
  if (!velm_model_has(model, "patchcore.top_share"))
    return TRUE;
  if (!velm_model_get_double(model, "patchcore.top_share", &self->top_share, error))
    return FALSE;
  if (self->top_share >= 0 && self->top_share <= 1)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
              "the model's share of the map that makes the score is not from 0 to 1; fit it again");
  return FALSE;
}

static gboolean open_backbones(Patchcore *self, guint n, GError **error) {
  self->backbones = velm_backbone_open_many(self->spec, n, error);
  if (!self->backbones)
    return FALSE;
  self->idle = g_async_queue_new();
  for (guint i = 0; i < n; i++)
    g_async_queue_push(self->idle, self->backbones->pdata[i]);
  return TRUE;
}

static gboolean open_banks(Patchcore *self, VelmModel *model, GError **error) {
  const VelmBackbone *backbone = self->backbones->pdata[0];
  int channels = 0;
  velm_backbone_grid(backbone, &self->rows, &self->columns, &channels);
  self->layers = velm_patch_layers_new(backbone, &self->n_layers);
  for (gsize i = 0; i < self->n_layers; i++)
    if (!open_layer(self, model, i, error))
      return FALSE;
  self->contrast_layer = velm_patch_contrast_layer(backbone);
  return self->contrast_layer.channels == 0 ||
         velm_contrast_open(&self->contrast, model, (gsize)self->rows * (gsize)self->columns,
                            (gsize)self->contrast_layer.channels, error);
}

static VelmDetector *patchcore_open(VelmModel *model, guint n, GError **error) {
  VelmBackboneSpec *spec = velm_backbone_spec_restore(model, error);
  if (!spec)
    return NULL;
  Patchcore *self = g_new0(Patchcore, 1);
  g_autoptr(VelmDetector) detector = &self->base;
  self->base.klass = &velm_detector_patchcore;
  self->spec = spec;
  if (!open_backbones(self, n, error) ||
      !velm_model_get_double(model, "patchcore.threshold", &self->threshold, error) ||
      !velm_model_get_double(model, "patchcore.reference_threshold", &self->reference_threshold,
                             error) ||
      !open_top_share(self, model, error) || !open_banks(self, model, error))
    return NULL;
  return g_steal_pointer(&detector);
}

/* Searches the banks of the layers that look early, or of the others. */
static gboolean search_banks(Patchcore *self, const VelmFeatures *features, gboolean early,
                             VelmPatchMaps *maps, GError **error) {
  gsize n = (gsize)self->rows * (gsize)self->columns;
  g_autofree float *rows = g_new(float, n * self->widest);
  g_autofree float *distances = g_new(float, n);
  for (gsize i = 0; i < self->n_layers; i++) {
    const VelmPatchLayer *layer = &self->layers[i];
    if (early != (layer->look != VELM_LOOK_FULL))
      continue;
    velm_patch_layer_take(layer, features, layer->scale, n, rows);
    if (!velm_nearest_distances(layer->nearest, rows, distances, error))
      return FALSE;
    velm_patch_maps_add(maps, layer, distances);
  }
  return TRUE;
}

/* The map with what differs from the rest of the image: it marks, but does not count for the score.
 */
static VelmPlane *add_contrast(Patchcore *self, const VelmFeatures *features, VelmPlane *map,
                               GError **error) {
  gsize n = (gsize)self->rows * (gsize)self->columns;
  if (self->contrast_layer.channels == 0)
    return map;
  g_autofree float *rows = g_new(float, n *(gsize)self->contrast_layer.channels);
  g_autoptr(VelmPlane) raw = velm_plane_new(self->columns, self->rows);
  velm_patch_layer_sample(&self->contrast_layer, features, self->rows, self->columns, rows);
  velm_contrast_measure(&self->contrast, rows, raw->values);
  g_autoptr(VelmPlane) smooth = velm_plane_blur(raw, VELM_PATCHCORE_BLUR, error);
  g_autoptr(VelmPlane) contrasts =
      smooth ? velm_plane_resize(smooth, map->width, map->height, error) : NULL;
  if (!contrasts) {
    velm_plane_free(map);
    return NULL;
  }
  velm_patch_map_add_contrast(map->values, contrasts->values,
                              (gsize)map->width * (gsize)map->height);
  return map;
}

/* Scores by the banks that were searched, and marks. */
static gboolean judge_by_banks(Patchcore *self, const VelmPatchMaps *maps, gboolean early,
                               VelmInspection *inspection, GError **error) {
  g_autoptr(VelmPlane) map = NULL, beside = NULL;
  if (!velm_patch_maps_get(maps, 0, inspection->features->rows, inspection->features->columns,
                           early, &map, &beside, error))
    return FALSE;
  inspection->score = velm_patch_maps_score(map, beside, self->top_share);
  inspection->threshold = self->threshold;
  g_autoptr(VelmPlane) marked =
      add_contrast(self, inspection->features, g_steal_pointer(&map), error);
  if (!marked || (beside && !velm_patch_map_widen(marked, beside, error)))
    return FALSE;
  velm_plane_free(inspection->map);
  inspection->map = g_steal_pointer(&marked);
  return TRUE;
}

/* Scores against the reference. Returns: (transfer full): the map. */
static VelmPlane *look_by_reference(Patchcore *self, const VelmBackbone *backbone,
                                    VelmInspection *inspection, GError **error) {
  g_autofree float *typical = velm_patch_layers_typical(self->layers, self->n_layers);
  g_autoptr(VelmPlane) raw =
      velm_reference_map(backbone, typical, inspection->features, inspection->reference_features,
                         inspection->image, inspection->reference, error);
  g_autoptr(VelmPlane) map = raw ? velm_plane_blur(raw, VELM_PATCHCORE_BLUR, error) : NULL;
  if (!map)
    return NULL;
  inspection->score = velm_reference_score(map);
  inspection->threshold = self->reference_threshold;
  return g_steal_pointer(&map);
}

/* Adds the time since @start, and starts anew. */
static void take_time(VelmInspection *inspection, VelmTiming timing, gint64 *start) {
  inspection->timings_ms[timing] += velm_timing_since(*start);
  *start = g_get_monotonic_time();
}

static gboolean detect_by_reference(Patchcore *self, VelmBackbone *backbone,
                                    VelmInspection *inspection, GError **error) {
  gint64 start = g_get_monotonic_time();
  inspection->features = velm_backbone_extract(backbone, inspection->image, error);
  inspection->reference_features =
      inspection->features
          ? velm_backbone_extract_like(backbone, inspection->reference, inspection->image, error)
          : NULL;
  if (!inspection->reference_features)
    return FALSE;
  take_time(inspection, VELM_TIMING_FEATURES, &start);
  inspection->map = look_by_reference(self, backbone, inspection, error);
  take_time(inspection, VELM_TIMING_SEARCH, &start);
  return inspection->map != NULL;
}

/* The early look; @go_on: (out): whether its score asks for the full one. */
static gboolean look_early(Patchcore *self, VelmBackbone *backbone, VelmInspection *inspection,
                           VelmPatchMaps *maps, const VelmScreen *screen, gboolean *go_on,
                           GError **error) {
  gint64 start = g_get_monotonic_time();
  inspection->features = velm_backbone_extract_early(backbone, inspection->image, error);
  if (!inspection->features)
    return FALSE;
  take_time(inspection, VELM_TIMING_FEATURES, &start);
  gboolean ok = search_banks(self, inspection->features, TRUE, maps, error) &&
                (!screen || judge_by_banks(self, maps, TRUE, inspection, error));
  *go_on = !ok || !screen || !velm_screen_is_clearly_normal(screen, inspection->score);
  take_time(inspection, VELM_TIMING_SEARCH, &start);
  return ok;
}

static gboolean look_fully(Patchcore *self, VelmBackbone *backbone, VelmInspection *inspection,
                           VelmPatchMaps *maps, GError **error) {
  gint64 start = g_get_monotonic_time();
  if (!velm_backbone_extract_rest(backbone, inspection->image, inspection->features, error))
    return FALSE;
  take_time(inspection, VELM_TIMING_FEATURES, &start);
  gboolean ok = search_banks(self, inspection->features, FALSE, maps, error) &&
                judge_by_banks(self, maps, FALSE, inspection, error);
  take_time(inspection, VELM_TIMING_SEARCH, &start);
  return ok;
}

static VelmPatchMaps maps_new(const Patchcore *self) {
  return (VelmPatchMaps){.n_patches = (gsize)self->rows * (gsize)self->columns, .n_images = 1};
}

gboolean velm_patchcore_look(VelmDetector *detector, VelmInspection *inspection,
                             const VelmScreen *screen, GError **error) {
  Patchcore *self = (Patchcore *)detector;
  g_auto(VelmPatchMaps) maps = maps_new(self);
  gboolean go_on = FALSE;
  VelmBackbone *backbone = g_async_queue_pop(self->idle);
  gboolean ok = inspection->reference
                    ? detect_by_reference(self, backbone, inspection, error)
                    : look_early(self, backbone, inspection, &maps, screen, &go_on, error) &&
                          (!go_on || look_fully(self, backbone, inspection, &maps, error));
  g_async_queue_push(self->idle, backbone);
  if (!ok)
    return FALSE;
  inspection->anomalous = inspection->score >= inspection->threshold;
  inspection->region_threshold = velm_region_level(inspection->map);
  if (!inspection->reference && !go_on)
    velm_screen_settle(screen, inspection);
  else if (screen)
    inspection->look = "accurate";
  return TRUE;
}

gboolean velm_patchcore_early_score(VelmDetector *detector, const VelmFeatures *features,
                                    double *score, GError **error) {
  Patchcore *self = (Patchcore *)detector;
  g_auto(VelmPatchMaps) maps = maps_new(self);
  g_autoptr(VelmPlane) map = NULL, beside = NULL;
  if (!search_banks(self, features, TRUE, &maps, error) ||
      !velm_patch_maps_get(&maps, 0, features->rows, features->columns, TRUE, &map, &beside, error))
    return FALSE;
  *score = velm_patch_maps_score(map, beside, self->top_share);
  return TRUE;
}

static gboolean patchcore_detect(VelmDetector *detector, VelmInspection *inspection,
                                 GError **error) {
  return velm_patchcore_look(detector, inspection, NULL, error);
}

const VelmPatchLayer *velm_patchcore_get_layers(const VelmDetector *detector, gsize *n_layers,
                                                gsize *n_patches) {
  const Patchcore *self = (const Patchcore *)detector;
  *n_patches = (gsize)self->rows * (gsize)self->columns;
  *n_layers = self->n_layers;
  return self->layers;
}

static gboolean patchcore_good_scores(VelmModel *model, VelmGoodScores *good) {
  good->scores = velm_model_get_floats(model, "patchcore.good_scores", 0, &good->n, NULL);
  return good->scores && velm_model_get_int(model, "patchcore.images", &good->n_images, NULL) &&
         velm_model_get_int(model, "patchcore.parts", &good->n_parts, NULL) &&
         velm_model_get_double(model, "patchcore.threshold", &good->threshold, NULL);
}

/* ---- describing ---- */

/* Patches of the bank of layer @index; 0 where there is no such layer. */
static gsize count_patches(VelmModel *model, gsize index) {
  g_autofree char *bank_key = velm_patch_layer_key(index, "bank");
  g_autofree char *scale_key = velm_patch_layer_key(index, "scale");
  gsize n = 0, channels = 0;
  if (!velm_model_has(model, bank_key) || !velm_model_get_floats(model, bank_key, 0, &n, NULL) ||
      !velm_model_get_floats(model, scale_key, 0, &channels, NULL))
    return 0;
  return n / channels;
}

static void describe_dropped(VelmModel *model, GString *text) {
  if (!velm_model_has(model, "patchcore.dropped"))
    return;
  g_autofree const char **names = velm_model_get_strv(model, "patchcore.dropped", NULL);
  for (gsize i = 0; names && names[i]; i++)
    g_string_append_printf(text, "dropped, does not look good: %s\n", names[i]);
}

/* Banks differ in size once images were added. */
static void describe_banks(VelmModel *model, GString *text) {
  gsize first = count_patches(model, 0), n = first;
  gboolean same = TRUE;
  for (gsize i = 1; n; i++) {
    n = count_patches(model, i);
    same = same && (n == 0 || n == first);
  }
  if (first)
    g_string_append_printf(text, "memory bank: %" G_GSIZE_FORMAT, first);
  for (gsize i = 1; !same && (n = count_patches(model, i)); i++)
    g_string_append_printf(text, ", %" G_GSIZE_FORMAT, n);
  if (first)
    g_string_append(text, same ? " patches a layer\n" : " patches, by layer\n");
}

static void patchcore_describe(VelmModel *model, GString *text) {
  gint64 images = 0, parts = 0, size = 0, keeps_shape = 0, tiles = 1;
  double threshold = 0;
  if (velm_model_get_int(model, "patchcore.images", &images, NULL) &&
      velm_model_get_int(model, "patchcore.parts", &parts, NULL))
    g_string_append_printf(text,
                           "fitted to: %" G_GINT64_FORMAT " images of %" G_GINT64_FORMAT " parts\n",
                           images, parts);
  describe_dropped(model, text);
  const char *name = velm_model_get_string(model, "backbone.name", NULL);
  g_autofree const char **layers = velm_model_get_strv(model, "backbone.layers", NULL);
  velm_model_get_optional_int(model, "backbone.keeps_shape", &keeps_shape, NULL);
  velm_model_get_optional_int(model, "backbone.tiles", &tiles, NULL);
  g_autofree char *joined = layers ? g_strjoinv(", ", (char **)layers) : g_strdup("?");
  if (name && velm_model_get_int(model, "backbone.size", &size, NULL))
    g_string_append_printf(text, "backbone: %s, %s, images at %" G_GINT64_FORMAT " px%s\n", name,
                           joined, size, keeps_shape ? ", in their shape" : "");
  if (tiles > 1)
    g_string_append_printf(
        text, "tiles: %" G_GINT64_FORMAT " x %" G_GINT64_FORMAT " an image, each at that size\n",
        tiles, tiles);
  describe_banks(model, text);
  if (velm_model_get_double(model, "patchcore.threshold", &threshold, NULL))
    g_string_append_printf(text, "threshold: %.4g (1 is the typical distance of good patches)\n",
                           threshold);
}

const VelmDetectorClass velm_detector_patchcore = {
    .name = "patchcore",
    .fit = velm_patchcore_fit,
    .add_normal = velm_patchcore_add_normal,
    .open = patchcore_open,
    .parallel = TRUE,
    .detect = patchcore_detect,
    .free = patchcore_free,
    .good_scores = patchcore_good_scores,
    .describe = patchcore_describe,
};
