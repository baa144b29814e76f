#include "detect/backbone.h"

#include "core/engine.h"
#include "core/file.h"

#include <string.h>

/* ---- the known ones ---- */

typedef struct {
  const char *name, *file, *layers;
  int size, multiple; /* the side of the input must divide by multiple */
  float mean[3], scale[3];
  int pool;
} Known;

static const Known known[] = {
    /* Middle blocks localise best: the last ones know what a thing is, no longer where. */
    {"dinov2s", "dinov2s.onnx", "block4,block6,block8", 448, 14,
     {123.675f, 116.28f, 103.53f}, {58.395f, 57.12f, 57.375f}, 1},
    {"lite2", "lite2.onnx", "stage3,stage4", 256, 32,
     {127.0f, 127.0f, 127.0f}, {128.0f, 128.0f, 128.0f}, 3},
};

/* A network by file is taken to expect what most were trained with: ImageNet's mean and deviation. */
static const Known by_file = {"file", NULL, NULL, 224, 1,
                              {123.675f, 116.28f, 103.53f}, {58.395f, 57.12f, 57.375f}, 3};

static const Known *find_known(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(known); i++)
    if (g_str_equal(known[i].name, name))
      return &known[i];
  return NULL;
}

static char *known_path(const Known *backbone) {
  const char *folder = g_getenv("VELM_MODELS");
  return g_build_filename(folder && folder[0] ? folder : VELM_MODELS_DIR, backbone->file, NULL);
}

/* ---- specs ---- */

static gboolean check_spec(const VelmBackboneSpec *spec, int multiple, GError **error) {
  if (spec->size < 32 || spec->size > 4096 || spec->size % multiple != 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "image size %d: %s takes 32 to 4096, a multiple of %d", spec->size, spec->name,
                multiple);
    return FALSE;
  }
  if (!spec->layers || !spec->layers[0]) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "%s: name the layers whose features are to be used (--layers)", spec->path);
    return FALSE;
  }
  if (!g_file_test(spec->path, G_FILE_TEST_IS_REGULAR)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: no such backbone", spec->path);
    return FALSE;
  }
  return TRUE;
}

VelmBackboneSpec *velm_backbone_spec_new(const char *backbone, const char *layers, int size,
                                         GError **error) {
  const Known *base = find_known(backbone);
  g_autoptr(VelmBackboneSpec) spec = g_new0(VelmBackboneSpec, 1);
  spec->path = base ? known_path(base) : g_canonicalize_filename(backbone, NULL);
  if (!base)
    base = &by_file;
  spec->name = g_strdup(base->name);
  const char *names = layers ? layers : base->layers;
  spec->layers = names ? g_strsplit(names, ",", -1) : NULL;
  spec->size = size ? size : base->size;
  memcpy(spec->mean, base->mean, sizeof spec->mean);
  memcpy(spec->scale, base->scale, sizeof spec->scale);
  spec->pool = base->pool;
  return check_spec(spec, base->multiple, error) ? g_steal_pointer(&spec) : NULL;
}

void velm_backbone_spec_free(VelmBackboneSpec *spec) {
  if (!spec)
    return;
  g_free(spec->name);
  g_free(spec->path);
  g_strfreev(spec->layers);
  g_free(spec);
}

static char *file_digest(const char *path, GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, &cause);
  if (!file) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: %s", path, cause->message);
    return NULL;
  }
  g_autoptr(GBytes) bytes = g_mapped_file_get_bytes(file);
  return g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes);
}

gboolean velm_backbone_spec_store(const VelmBackboneSpec *spec, VelmModel *model, GError **error) {
  g_autofree char *digest = file_digest(spec->path, error);
  if (!digest)
    return FALSE;
  velm_model_set_string(model, "backbone.name", spec->name);
  velm_model_set_string(model, "backbone.path", spec->path);
  velm_model_set_string(model, "backbone.sha256", digest);
  velm_model_set_strv(model, "backbone.layers", (const char *const *)spec->layers);
  velm_model_set_int(model, "backbone.size", spec->size);
  velm_model_set_floats(model, "backbone.mean", spec->mean, 3);
  velm_model_set_floats(model, "backbone.scale", spec->scale, 3);
  velm_model_set_int(model, "backbone.pool", spec->pool);
  return TRUE;
}

static gboolean check_digest(VelmModel *model, const char *path, GError **error) {
  const char *expected = velm_model_get_string(model, "backbone.sha256", error);
  g_autofree char *digest = expected ? file_digest(path, error) : NULL;
  if (!digest)
    return FALSE;
  if (g_str_equal(digest, expected))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
              "%s: is another network than the one that the model was fitted with; fit it again",
              path);
  return FALSE;
}

VelmBackboneSpec *velm_backbone_spec_restore(VelmModel *model, GError **error) {
  g_autoptr(VelmBackboneSpec) spec = g_new0(VelmBackboneSpec, 1);
  const char *name = velm_model_get_string(model, "backbone.name", error);
  const char *path = name ? velm_model_get_string(model, "backbone.path", error) : NULL;
  const char **layers = path ? velm_model_get_strv(model, "backbone.layers", error) : NULL;
  if (!layers)
    return NULL;
  spec->layers = g_strdupv((char **)layers);
  g_free(layers);
  const Known *base = find_known(name);
  spec->name = g_strdup(name);
  /* A known one is where this installation has it, which need not be where the model was fitted. */
  spec->path = base ? known_path(base) : g_strdup(path);
  gint64 size = 0, pool = 0;
  if (!velm_model_get_int(model, "backbone.size", &size, error) ||
      !velm_model_get_int(model, "backbone.pool", &pool, error))
    return NULL;
  const float *mean = velm_model_get_floats(model, "backbone.mean", 3, NULL, error);
  const float *scale = mean ? velm_model_get_floats(model, "backbone.scale", 3, NULL, error) : NULL;
  if (!scale)
    return NULL;
  memcpy(spec->mean, mean, sizeof spec->mean);
  memcpy(spec->scale, scale, sizeof spec->scale);
  spec->size = (int)CLAMP(size, 0, G_MAXINT);
  spec->pool = (int)CLAMP(pool, 1, 99);
  if (!check_spec(spec, base ? base->multiple : 1, error) ||
      !check_digest(model, spec->path, error))
    return NULL;
  return g_steal_pointer(&spec);
}

/* ---- features ---- */

/* Where the features of one layer lie in its output. */
typedef struct {
  int rows, columns, channels;
  gboolean tokens; /* [1, skip + rows * columns, channels], else [1, channels, rows, columns] */
  gsize skip;      /* class and register tokens before the patches */
} Grid;

struct _VelmBackbone {
  VelmNet *net;
  int size, pool;
  gsize n_layers;
  Grid *grids;
  int rows, columns, channels; /* of the result */
};

static gboolean grid_of(const VelmTensor *tensor, Grid *grid) {
  if (tensor->rank == 4) {
    *grid = (Grid){(int)tensor->dims[2], (int)tensor->dims[3], (int)tensor->dims[1], FALSE, 0};
    return TRUE;
  }
  if (tensor->rank != 3)
    return FALSE;
  /* Images are square: the patches are the largest square number of tokens, and come last. */
  gint64 side = 1, tokens = tensor->dims[1];
  while ((side + 1) * (side + 1) <= tokens)
    side++;
  *grid = (Grid){(int)side, (int)side, (int)tensor->dims[2], TRUE, (gsize)(tokens - side * side)};
  return tokens > 0;
}

static gboolean find_grids(VelmBackbone *backbone, const char *path, GError **error) {
  backbone->grids = g_new0(Grid, backbone->n_layers);
  for (gsize i = 0; i < backbone->n_layers; i++) {
    Grid *grid = &backbone->grids[i];
    if (!grid_of(velm_net_output(backbone->net, i), grid)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                  "%s: layer %" G_GSIZE_FORMAT " gives neither a feature map nor tokens", path,
                  i + 1);
      return FALSE;
    }
    backbone->rows = MAX(backbone->rows, grid->rows);
    backbone->columns = MAX(backbone->columns, grid->columns);
    backbone->channels += grid->channels;
  }
  return TRUE;
}

VelmBackbone *velm_backbone_open(const VelmBackboneSpec *spec, GError **error) {
  g_autoptr(VelmBackbone) backbone = g_new0(VelmBackbone, 1);
  VelmNetParams params = {.layers = (const char *const *)spec->layers,
                          .width = spec->size,
                          .height = spec->size};
  memcpy(params.mean, spec->mean, sizeof params.mean);
  memcpy(params.scale, spec->scale, sizeof params.scale);
  backbone->size = spec->size;
  backbone->pool = spec->pool;
  backbone->net = velm_net_open(spec->path, &params, error);
  if (!backbone->net)
    return NULL;
  backbone->n_layers = velm_net_n_outputs(backbone->net);
  return find_grids(backbone, spec->path, error) ? g_steal_pointer(&backbone) : NULL;
}

void velm_backbone_free(VelmBackbone *backbone) {
  if (!backbone)
    return;
  velm_net_free(backbone->net);
  g_free(backbone->grids);
  g_free(backbone);
}

void velm_backbone_grid(const VelmBackbone *backbone, int *rows, int *columns, int *channels) {
  *rows = backbone->rows;
  *columns = backbone->columns;
  *channels = backbone->channels;
}

gsize velm_backbone_n_layers(const VelmBackbone *backbone) { return backbone->n_layers; }

int velm_backbone_layer_channels(const VelmBackbone *backbone, gsize index) {
  return backbone->grids[index].channels;
}

static float value_at(const Grid *grid, const float *data, int row, int column, int channel) {
  gsize cell = (gsize)row * (gsize)grid->columns + (gsize)column;
  return grid->tokens
             ? data[(grid->skip + cell) * (gsize)grid->channels + (gsize)channel]
             : data[(gsize)channel * (gsize)grid->rows * (gsize)grid->columns + cell];
}

/* Mean over the square of @pool x @pool cells about the cell, as far as it lies in the grid. */
static float pooled_at(const Grid *grid, const float *data, int row, int column, int channel,
                       int pool) {
  int half = pool / 2, n = 0;
  float sum = 0;
  for (int y = MAX(0, row - half); y <= MIN(grid->rows - 1, row + half); y++)
    for (int x = MAX(0, column - half); x <= MIN(grid->columns - 1, column + half); x++, n++)
      sum += value_at(grid, data, y, x, channel);
  return sum / (float)n;
}

/* The two cells about the centre of cell @i of @n in a grid of @m, and the weight of the second. */
static void interpolate(int i, int n, int m, int *first, int *second, float *weight) {
  float at = ((float)i + 0.5f) * (float)m / (float)n - 0.5f;
  at = CLAMP(at, 0.0f, (float)(m - 1));
  *first = (int)at;
  *second = MIN(*first + 1, m - 1);
  *weight = at - (float)*first;
}

/* Writes one layer to the channels from @offset on: pooled on its own grid, then bilinear on the finest. */
static void gather_layer(const VelmBackbone *backbone, gsize layer, gsize offset,
                         VelmFeatures *out) {
  const Grid *grid = &backbone->grids[layer];
  const float *data = velm_net_output(backbone->net, layer)->data;
  gsize cells = (gsize)grid->rows * (gsize)grid->columns, channels = (gsize)grid->channels;
  g_autofree float *pooled = g_new(float, cells *channels);
  for (int y = 0; y < grid->rows; y++)
    for (int x = 0; x < grid->columns; x++)
      for (int c = 0; c < grid->channels; c++)
        pooled[((gsize)y * (gsize)grid->columns + (gsize)x) * channels + (gsize)c] =
            backbone->pool > 1 ? pooled_at(grid, data, y, x, c, backbone->pool)
                               : value_at(grid, data, y, x, c);
  for (int y = 0; y < out->rows; y++) {
    int y0, y1, x0, x1;
    float wy, wx;
    interpolate(y, out->rows, grid->rows, &y0, &y1, &wy);
    for (int x = 0; x < out->columns; x++) {
      interpolate(x, out->columns, grid->columns, &x0, &x1, &wx);
      const float *a = pooled + ((gsize)y0 * (gsize)grid->columns + (gsize)x0) * channels;
      const float *b = pooled + ((gsize)y0 * (gsize)grid->columns + (gsize)x1) * channels;
      const float *c = pooled + ((gsize)y1 * (gsize)grid->columns + (gsize)x0) * channels;
      const float *d = pooled + ((gsize)y1 * (gsize)grid->columns + (gsize)x1) * channels;
      float *to = out->values +
                  ((gsize)y * (gsize)out->columns + (gsize)x) * (gsize)out->channels + offset;
      for (gsize k = 0; k < channels; k++)
        to[k] = (1 - wy) * ((1 - wx) * a[k] + wx * b[k]) + wy * ((1 - wx) * c[k] + wx * d[k]);
    }
  }
}

VelmFeatures *velm_backbone_extract(VelmBackbone *backbone, const VelmImage *image,
                                    GError **error) {
  g_autoptr(VelmImage) resized =
      velm_image_resize(image, backbone->size, backbone->size, error);
  if (!resized || !velm_net_run_image(backbone->net, resized->pixels, error))
    return NULL;
  VelmFeatures *features = g_new0(VelmFeatures, 1);
  features->rows = backbone->rows;
  features->columns = backbone->columns;
  features->channels = backbone->channels;
  features->values = g_new(float, (gsize)features->rows *(gsize)features->columns *
                                      (gsize)features->channels);
  gsize offset = 0;
  for (gsize i = 0; i < backbone->n_layers; i++) {
    gather_layer(backbone, i, offset, features);
    offset += (gsize)backbone->grids[i].channels;
  }
  return features;
}
