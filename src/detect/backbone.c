#include "detect/backbone.h"

#include "core/engine.h"
#include "core/file.h"

#include <math.h>
#include <string.h>

/* ---- the known ones ---- */

typedef struct {
  const char *name, *file, *layers;
  int size, multiple; /* the side of the input must divide by multiple */
  gboolean any_shape; /* a patch is a square of that side, and images need not be square */
  float mean[3], scale[3];
} Known;

static const Known known[] = {
    /* Middle blocks localise best: the last ones know what a thing is, no longer where. At half the
       size each patch shows what is wrong with a wider area. A convolutional network errs
       otherwise. */
    {"dinov2s",
     "dinov2s.onnx",
     "block4,block6,block8,block8@half,stage4@3@lite2,stage5@3@lite2,stage4@5@lite2,"
     "block8@half@3@contrast",
     448,
     14,
     TRUE,
     {123.675f, 116.28f, 103.53f},
     {58.395f, 57.12f, 57.375f}},
    {"lite2",
     "lite2.onnx",
     "stage4@3,stage5@3,stage4@5",
     256,
     32,
     FALSE,
     {127.0f, 127.0f, 127.0f},
     {128.0f, 128.0f, 128.0f}},
};

/* Longer images are taken for as long as this many squares: positions were learnt in a square. */
#define MAX_ASPECT 8.0

/* What may look at the image beside any of these. */
#define NAME_BESIDE "lite2"

/* A network by file is taken to expect what most were trained with: ImageNet's mean and deviation.
 */
static const Known by_file = {
    "file", NULL, NULL, 224, 1, FALSE, {123.675f, 116.28f, 103.53f}, {58.395f, 57.12f, 57.375f}};

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

gboolean velm_backbone_may_keep_shape(const VelmBackboneSpec *spec) {
  const Known *base = find_known(spec->name);
  return base && base->any_shape;
}

static gboolean has_addition(const char *layer, const char *addition) {
  g_auto(GStrv) parts = g_strsplit(layer, "@", -1);
  return parts[0] && g_strv_contains((const char *const *)parts + 1, addition);
}

/* The layers of the network beside, as it has them alone, before the last of @layers where that is
 * the one for the contrast. */
static char *layers_with_beside(char **layers) {
  g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(g_free);
  g_auto(GStrv) beside = g_strsplit(find_known(NAME_BESIDE)->layers, ",", -1);
  for (gsize i = 0; layers[i]; i++)
    g_ptr_array_add(all, g_strdup(layers[i]));
  gsize at = all->len - (all->len && has_addition(all->pdata[all->len - 1], "contrast") ? 1 : 0);
  for (gsize i = 0; beside[i]; i++)
    g_ptr_array_insert(all, (gint)(at + i), g_strconcat(beside[i], "@" NAME_BESIDE, NULL));
  g_ptr_array_add(all, NULL);
  return g_strjoinv(",", (char **)all->pdata);
}

char *velm_backbone_layers_of_two_speeds(const VelmBackboneSpec *spec, GError **error) {
  gsize n_early = 0, n_full = 0;
  for (gsize i = 0; spec->layers[i]; i++) {
    if (has_addition(spec->layers[i], "contrast"))
      continue;
    gboolean early =
        has_addition(spec->layers[i], "half") || has_addition(spec->layers[i], NAME_BESIDE);
    *(early ? &n_early : &n_full) += 1;
  }
  if (g_str_equal(spec->name, NAME_BESIDE) || n_full == 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s",
                n_full ? "the two-speed detector has " NAME_BESIDE
                         " for its fast look already; name a more accurate backbone"
                       : "the two-speed detector needs a layer of the image at its full size, "
                         "without @half or @" NAME_BESIDE);
    return NULL;
  }
  return n_early ? g_strjoinv(",", spec->layers) : layers_with_beside(spec->layers);
}

/* The network beside the backbone, where a layer names it; NULL where none does. */
static char *path_beside(const VelmBackboneSpec *spec) {
  for (char **layer = spec->layers; *layer; layer++)
    if (has_addition(*layer, NAME_BESIDE))
      return known_path(find_known(NAME_BESIDE));
  return NULL;
}

gboolean velm_backbone_spec_store(const VelmBackboneSpec *spec, VelmModel *model, GError **error) {
  g_autofree char *digest = velm_file_sha256(spec->path, error);
  g_autofree char *beside = path_beside(spec);
  g_autofree char *digest_beside = digest && beside ? velm_file_sha256(beside, error) : NULL;
  if (!digest || (beside && !digest_beside))
    return FALSE;
  if (beside)
    velm_model_set_string(model, "backbone.beside.sha256", digest_beside);
  velm_model_set_string(model, "backbone.name", spec->name);
  velm_model_set_string(model, "backbone.path", spec->path);
  velm_model_set_string(model, "backbone.sha256", digest);
  velm_model_set_strv(model, "backbone.layers", (const char *const *)spec->layers);
  velm_model_set_int(model, "backbone.size", spec->size);
  velm_model_set_int(model, "backbone.keeps_shape", spec->keeps_shape ? 1 : 0);
  velm_model_set_floats(model, "backbone.mean", spec->mean, 3);
  velm_model_set_floats(model, "backbone.scale", spec->scale, 3);
  return TRUE;
}

static gboolean check_digest(VelmModel *model, const char *key, const char *path, GError **error) {
  const char *expected = velm_model_get_string(model, key, error);
  g_autofree char *digest = expected ? velm_file_sha256(path, error) : NULL;
  if (!digest)
    return FALSE;
  if (g_str_equal(digest, expected))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
              "%s: is another network than the one that the model was fitted with; fit it again",
              path);
  return FALSE;
}

/* Models of before it was kept have squares. */
static gboolean restore_shape(VelmBackboneSpec *spec, VelmModel *model, GError **error) {
  gint64 keeps = 0;
  if (velm_model_has(model, "backbone.keeps_shape") &&
      !velm_model_get_int(model, "backbone.keeps_shape", &keeps, error))
    return FALSE;
  spec->keeps_shape = keeps != 0;
  if ((keeps == 0 || keeps == 1) && (!keeps || velm_backbone_may_keep_shape(spec)))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
              "the model's way of resizing images does not fit its backbone; fit it again");
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
  gint64 size = 0;
  if (!velm_model_get_int(model, "backbone.size", &size, error) ||
      !restore_shape(spec, model, error))
    return NULL;
  const float *mean = velm_model_get_floats(model, "backbone.mean", 3, NULL, error);
  const float *scale = mean ? velm_model_get_floats(model, "backbone.scale", 3, NULL, error) : NULL;
  if (!scale)
    return NULL;
  memcpy(spec->mean, mean, sizeof spec->mean);
  memcpy(spec->scale, scale, sizeof spec->scale);
  spec->size = (int)CLAMP(size, 0, G_MAXINT);
  g_autofree char *beside = path_beside(spec);
  if (!check_spec(spec, base ? base->multiple : 1, error) ||
      !check_digest(model, "backbone.sha256", spec->path, error) ||
      (beside && !check_digest(model, "backbone.beside.sha256", beside, error)))
    return NULL;
  return g_steal_pointer(&spec);
}

/* ---- features ---- */

/* Where the features of one layer lie in its output of the network. */
typedef struct {
  gsize look;   /* which network, at which size */
  gsize output; /* of the network */
  int pool;     /* side of the square of cells that are averaged */
  gboolean contrast;
  int rows, columns, channels;
  gboolean tokens; /* [1, skip + rows * columns, channels], else [1, channels, rows, columns] */
  gsize skip;      /* class and register tokens before the patches */
} Grid;

struct _VelmBackbone {
  VelmNet *nets[VELM_N_LOOKS]; /* NULL where no layer is of that look */
  int sides[VELM_N_LOOKS];     /* of the squares that go in */
  int patch;                   /* side of a patch where images keep their shape, else 0 */
  gsize n_layers;
  Grid *grids;
  int rows, columns, channels; /* of the result */
};

static gboolean grid_of(const VelmTensor *tensor, Grid *grid) {
  if (tensor->rank == 4) {
    grid->rows = (int)tensor->dims[2];
    grid->columns = (int)tensor->dims[3];
    grid->channels = (int)tensor->dims[1];
    return TRUE;
  }
  if (tensor->rank != 3 || tensor->dims[1] < 1)
    return FALSE;
  /* Images are square: the patches are the largest square number of tokens, and come last. */
  gint64 side = 1, tokens = tensor->dims[1];
  while ((side + 1) * (side + 1) <= tokens)
    side++;
  grid->rows = grid->columns = (int)side;
  grid->channels = (int)tensor->dims[2];
  grid->tokens = TRUE;
  grid->skip = (gsize)(tokens - side * side);
  return TRUE;
}

static gboolean finest_is_own(const VelmBackbone *backbone) {
  return backbone->nets[VELM_LOOK_FULL] || backbone->nets[VELM_LOOK_HALF];
}

static gboolean find_grids(VelmBackbone *backbone, const char *path, GError **error) {
  for (gsize i = 0; i < backbone->n_layers; i++) {
    Grid *grid = &backbone->grids[i];
    if (!grid_of(velm_net_output(backbone->nets[grid->look], grid->output), grid)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                  "%s: layer %" G_GSIZE_FORMAT " gives neither a feature map nor tokens", path,
                  i + 1);
      return FALSE;
    }
    backbone->channels += grid->channels;
    /* Images that keep their shape have their own network's grid. */
    if (backbone->patch && grid->look == VELM_LOOK_BESIDE && finest_is_own(backbone))
      continue;
    backbone->rows = MAX(backbone->rows, grid->rows);
    backbone->columns = MAX(backbone->columns, grid->columns);
  }
  return TRUE;
}

static gsize index_of(GPtrArray *names, const char *name) {
  for (guint i = 0; i < names->len; i++)
    if (g_str_equal(names->pdata[i], name))
      return i;
  g_ptr_array_add(names, g_strdup(name));
  return names->len - 1;
}

static gboolean parse_addition(Grid *grid, const char *layer, const char *addition,
                               GError **error) {
  guint64 pool = 0;
  if (g_str_equal(addition, "half"))
    grid->look = VELM_LOOK_HALF;
  else if (g_str_equal(addition, NAME_BESIDE))
    grid->look = VELM_LOOK_BESIDE;
  else if (g_str_equal(addition, "contrast"))
    grid->contrast = TRUE;
  else if (g_ascii_string_to_unsigned(addition, 10, 1, 99, &pool, NULL))
    grid->pool = (int)pool;
  else {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "layer \"%s\": after @ comes the side of the square that is averaged, 1 to 99, or "
                "\"half\", \"" NAME_BESIDE "\" or \"contrast\"",
                layer);
    return FALSE;
  }
  return TRUE;
}

/* Reads a name with its additions; @names: of each look, the network's outputs, each once. */
static gboolean parse_layer(Grid *grid, const char *layer, GPtrArray *const *names,
                            GError **error) {
  g_auto(GStrv) parts = g_strsplit(layer, "@", -1);
  grid->pool = 1;
  for (guint i = 1; parts[0] && parts[i]; i++)
    if (!parse_addition(grid, layer, parts[i], error))
      return FALSE;
  grid->output = index_of(names[grid->look], parts[0] ? parts[0] : "");
  return TRUE;
}

static gboolean parse_layers(VelmBackbone *backbone, char **layers, GPtrArray *const *names,
                             GError **error) {
  backbone->n_layers = g_strv_length(layers);
  backbone->grids = g_new0(Grid, backbone->n_layers);
  for (gsize i = 0; i < backbone->n_layers; i++) {
    if (!parse_layer(&backbone->grids[i], layers[i], names, error))
      return FALSE;
    if (!backbone->grids[i].contrast || (i > 0 && i + 1 == backbone->n_layers))
      continue;
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "layer \"%s\": the layer for the contrast comes last, after others", layers[i]);
    return FALSE;
  }
  return TRUE;
}

/* Side of the square that goes into the network: half, as far as the network takes it. */
static int side_of(const VelmBackboneSpec *spec, gsize look) {
  const Known *base = find_known(spec->name);
  int multiple = base ? base->multiple : 1;
  if (look == VELM_LOOK_BESIDE)
    return find_known(NAME_BESIDE)->size;
  return look == VELM_LOOK_FULL ? spec->size : MAX(1, spec->size / 2 / multiple) * multiple;
}

/* One network, which takes any size, does for both sizes where half the size needs no more of it
 * than the full size: half the memory. Networks from elsewhere may rely on their size. */
static gboolean is_one_network(const VelmBackboneSpec *spec, GPtrArray *const *names) {
  for (guint i = 0; i < names[VELM_LOOK_HALF]->len; i++)
    if (!g_ptr_array_find_with_equal_func(names[VELM_LOOK_FULL], names[VELM_LOOK_HALF]->pdata[i],
                                          g_str_equal, NULL))
      return FALSE;
  return names[VELM_LOOK_HALF]->len > 0 && find_known(spec->name);
}

/* Lets the layers of half the size take their outputs from among those of the full size. */
static void take_outputs(VelmBackbone *backbone, GPtrArray *const *names) {
  for (gsize i = 0; i < backbone->n_layers; i++) {
    Grid *grid = &backbone->grids[i];
    if (grid->look == VELM_LOOK_HALF)
      grid->output = index_of(names[VELM_LOOK_FULL], names[VELM_LOOK_HALF]->pdata[grid->output]);
  }
}

static VelmNet *open_net(const VelmBackboneSpec *spec, gsize look, GPtrArray *names,
                         gboolean any_size, guint streams, GError **error) {
  int side = side_of(spec, look);
  g_autoptr(VelmBackboneSpec) beside = NULL;
  if (look == VELM_LOOK_BESIDE && !(beside = velm_backbone_spec_new(NAME_BESIDE, NULL, 0, error)))
    return NULL;
  const VelmBackboneSpec *of = beside ? beside : spec;
  g_ptr_array_add(names, NULL);
  VelmNetParams params = {.layers = (const char *const *)names->pdata,
                          .width = side,
                          .height = side,
                          .any_size = any_size,
                          .streams = streams};
  memcpy(params.mean, of->mean, sizeof params.mean);
  memcpy(params.scale, of->scale, sizeof params.scale);
  return velm_net_open(of->path, &params, error);
}

/* @shared: whose networks they are to be; NULL: some of its own, for @streams */
static VelmBackbone *open_backbone(const VelmBackboneSpec *spec, VelmBackbone *shared,
                                   guint streams, GError **error) {
  g_autoptr(VelmBackbone) backbone = g_new0(VelmBackbone, 1);
  g_autoptr(GPtrArray) full = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) half = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) beside = g_ptr_array_new_with_free_func(g_free);
  GPtrArray *const names[VELM_N_LOOKS] = {full, half, beside};
  if (!parse_layers(backbone, spec->layers, names, error))
    return NULL;
  gboolean one = is_one_network(spec, names);
  backbone->patch = spec->keeps_shape ? find_known(spec->name)->multiple : 0;
  if (one)
    take_outputs(backbone, names);
  for (gsize i = 0; i < VELM_N_LOOKS; i++) {
    backbone->sides[i] = side_of(spec, i);
    if (names[i]->len == 0)
      continue;
    int side = backbone->sides[i];
    gboolean any_size = i != VELM_LOOK_BESIDE && (one || spec->keeps_shape);
    backbone->nets[i] = shared ? velm_net_share(shared->nets[i], error)
                        : i == VELM_LOOK_HALF && one
                            ? velm_net_share_at(backbone->nets[VELM_LOOK_FULL], side, side, error)
                            : open_net(spec, i, names[i], any_size, streams, error);
    if (!backbone->nets[i])
      return NULL;
  }
  return find_grids(backbone, spec->path, error) ? g_steal_pointer(&backbone) : NULL;
}

VelmBackbone *velm_backbone_open(const VelmBackboneSpec *spec, GError **error) {
  return open_backbone(spec, NULL, 0, error);
}

GPtrArray *velm_backbone_open_many(const VelmBackboneSpec *spec, guint n, GError **error) {
  g_autoptr(GPtrArray) backbones =
      g_ptr_array_new_with_free_func((GDestroyNotify)velm_backbone_free);
  for (guint i = 0; i < n; i++) {
    VelmBackbone *shared = i > 0 ? backbones->pdata[0] : NULL;
    VelmBackbone *backbone = open_backbone(spec, shared, n, error);
    if (!backbone)
      return NULL;
    g_ptr_array_add(backbones, backbone);
  }
  return g_steal_pointer(&backbones);
}

void velm_backbone_free(VelmBackbone *backbone) {
  if (!backbone)
    return;
  for (gsize i = 0; i < VELM_N_LOOKS; i++)
    velm_net_free(backbone->nets[i]);
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

gboolean velm_backbone_layer_is_coarse(const VelmBackbone *backbone, gsize index) {
  return backbone->grids[index].pool > 1 || backbone->grids[index].look != VELM_LOOK_FULL;
}

VelmLook velm_backbone_layer_look(const VelmBackbone *backbone, gsize index) {
  return (VelmLook)backbone->grids[index].look;
}

gboolean velm_backbone_has_contrast(const VelmBackbone *backbone) {
  return backbone->grids[backbone->n_layers - 1].contrast;
}

/* The layer's features, cell by cell. */
static float *read_cells(const Grid *grid, const float *data) {
  gsize cells = (gsize)grid->rows * (gsize)grid->columns, channels = (gsize)grid->channels;
  float *values = g_new(float, cells *channels);
  if (grid->tokens) {
    memcpy(values, data + grid->skip * channels, cells * channels * sizeof(float));
    return values;
  }
  for (gsize c = 0; c < channels; c++)
    for (gsize i = 0; i < cells; i++)
      values[i * channels + c] = data[c * cells + i];
  return values;
}

/* Replaces each of @n vectors, @stride apart, by the mean over those up to @half before and after
 * it, as far as there are. */
static void pool_line(float *values, gsize n, gsize stride, gsize channels, gsize half,
                      float *scratch) {
  for (gsize i = 0; i < n; i++)
    memcpy(scratch + i * channels, values + i * stride, channels * sizeof(float));
  for (gsize i = 0; i < n; i++) {
    gsize first = i > half ? i - half : 0, last = MIN(n - 1, i + half);
    float *to = values + i * stride, weight = 1.0f / (float)(last - first + 1);
    memset(to, 0, channels * sizeof(float));
    for (gsize k = first; k <= last; k++)
      for (gsize c = 0; c < channels; c++)
        to[c] += weight * scratch[k * channels + c];
  }
}

/* Mean over squares of cells: rows first, then columns. */
static void pool_cells(const Grid *grid, float *values) {
  gsize rows = (gsize)grid->rows, columns = (gsize)grid->columns;
  gsize channels = (gsize)grid->channels, half = (gsize)grid->pool / 2;
  if (half == 0)
    return;
  g_autofree float *scratch = g_new(float, MAX(rows, columns) * channels);
  for (gsize y = 0; y < rows; y++)
    pool_line(values + y * columns * channels, columns, channels, channels, half, scratch);
  for (gsize x = 0; x < columns; x++)
    pool_line(values + x * channels, rows, columns * channels, channels, half, scratch);
}

/* The two cells about the centre of cell @i of @n in a grid of @m, and the weight of the second. */
static void interpolate(int i, int n, int m, int *first, int *second, float *weight) {
  float at = ((float)i + 0.5f) * (float)m / (float)n - 0.5f;
  at = CLAMP(at, 0.0f, (float)(m - 1));
  *first = (int)at;
  *second = MIN(*first + 1, m - 1);
  *weight = at - (float)*first;
}

/* One cell of @out, between four cells of @values. */
static void interpolate_cell(const Grid *grid, const float *values, int row, int column,
                             const VelmFeatures *out, float *to) {
  int y0, y1, x0, x1;
  float wy, wx;
  gsize columns = (gsize)grid->columns, channels = (gsize)grid->channels;
  interpolate(row, out->rows, grid->rows, &y0, &y1, &wy);
  interpolate(column, out->columns, grid->columns, &x0, &x1, &wx);
  const float *a = values + ((gsize)y0 * columns + (gsize)x0) * channels;
  const float *b = values + ((gsize)y0 * columns + (gsize)x1) * channels;
  const float *c = values + ((gsize)y1 * columns + (gsize)x0) * channels;
  const float *d = values + ((gsize)y1 * columns + (gsize)x1) * channels;
  for (gsize k = 0; k < channels; k++)
    to[k] = (1 - wy) * ((1 - wx) * a[k] + wx * b[k]) + wy * ((1 - wx) * c[k] + wx * d[k]);
}

/* How many patches of an image of that shape go across and down: as many as a square has, at most.
 */
typedef struct {
  int rows, columns;
} Shape;

static Shape shape_of(const VelmBackbone *backbone, const VelmImage *image, VelmLook look) {
  int side = backbone->sides[look];
  if (!backbone->patch || look == VELM_LOOK_BESIDE)
    return (Shape){side, side};
  int n = side / backbone->patch;
  double aspect = CLAMP((double)image->width / image->height, 1 / MAX_ASPECT, MAX_ASPECT);
  int columns = CLAMP((int)lround(n * sqrt(aspect)), 1, n * n);
  int rows = MIN(MAX(1, (int)lround(n / sqrt(aspect))), MAX(1, n * n / columns));
  return (Shape){rows, columns};
}

/* The layer's grid, for an image that keeps its shape: patches come last among the tokens. */
static Grid grid_for(const VelmBackbone *backbone, gsize layer, const VelmImage *image) {
  Grid grid = backbone->grids[layer];
  if (!backbone->patch || grid.look == VELM_LOOK_BESIDE)
    return grid;
  Shape shape = shape_of(backbone, image, grid.look);
  grid.rows = shape.rows;
  grid.columns = shape.columns;
  return grid;
}

/* Writes one layer to the channels from @offset on: pooled on its own grid, then bilinear on the
 * finest. */
static void gather_layer(const VelmBackbone *backbone, gsize layer, gsize offset,
                         const VelmImage *image, VelmFeatures *out) {
  const Grid own = grid_for(backbone, layer, image), *grid = &own;
  gboolean same = grid->rows == out->rows && grid->columns == out->columns;
  gsize channels = (gsize)grid->channels;
  g_autofree float *values =
      read_cells(grid, velm_net_output(backbone->nets[grid->look], grid->output)->data);
  pool_cells(grid, values);
  for (int y = 0; y < out->rows; y++)
    for (int x = 0; x < out->columns; x++) {
      gsize cell = (gsize)y * (gsize)out->columns + (gsize)x;
      float *to = out->values + cell * (gsize)out->channels + offset;
      if (same)
        memcpy(to, values + cell * channels, channels * sizeof(float));
      else
        interpolate_cell(grid, values, y, x, out, to);
    }
}

static gboolean run_net(VelmBackbone *backbone, gsize look, const VelmImage *image,
                        GError **error) {
  gboolean keeps = backbone->patch && look != VELM_LOOK_BESIDE;
  Shape shape = shape_of(backbone, image, (VelmLook)look);
  int width = shape.columns * (keeps ? backbone->patch : 1);
  int height = shape.rows * (keeps ? backbone->patch : 1);
  g_autoptr(VelmImage) resized = velm_image_resize(image, width, height, error);
  return resized && (!keeps || velm_net_set_size(backbone->nets[look], width, height, error)) &&
         velm_net_run_image(backbone->nets[look], resized->pixels, error);
}

/* Zeros, on the grid of an image. */
static VelmFeatures *features_for(const VelmBackbone *backbone, const VelmImage *image) {
  VelmFeatures *features = g_new0(VelmFeatures, 1);
  features->rows = backbone->rows;
  features->columns = backbone->columns;
  if (backbone->patch && finest_is_own(backbone)) {
    VelmLook look = backbone->nets[VELM_LOOK_FULL] ? VELM_LOOK_FULL : VELM_LOOK_HALF;
    Shape shape = shape_of(backbone, image, look);
    features->rows = shape.rows;
    features->columns = shape.columns;
  }
  features->channels = backbone->channels;
  features->values =
      g_new0(float, (gsize)features->rows *(gsize)features->columns *(gsize)features->channels);
  return features;
}

/* Runs the looks that are early or not, and writes their layers. */
static gboolean extract_looks(VelmBackbone *backbone, const VelmImage *image, gboolean early,
                              VelmFeatures *features, GError **error) {
  for (gsize i = 0; i < VELM_N_LOOKS; i++)
    if (backbone->nets[i] && early == (i != VELM_LOOK_FULL) && !run_net(backbone, i, image, error))
      return FALSE;
  gsize offset = 0;
  for (gsize i = 0; i < backbone->n_layers; i++) {
    if (early == (backbone->grids[i].look != VELM_LOOK_FULL))
      gather_layer(backbone, i, offset, image, features);
    offset += (gsize)backbone->grids[i].channels;
  }
  return TRUE;
}

VelmFeatures *velm_backbone_extract_early(VelmBackbone *backbone, const VelmImage *image,
                                          GError **error) {
  g_autoptr(VelmFeatures) features = features_for(backbone, image);
  return extract_looks(backbone, image, TRUE, features, error) ? g_steal_pointer(&features) : NULL;
}

gboolean velm_backbone_extract_rest(VelmBackbone *backbone, const VelmImage *image,
                                    VelmFeatures *features, GError **error) {
  return extract_looks(backbone, image, FALSE, features, error);
}

VelmFeatures *velm_backbone_extract(VelmBackbone *backbone, const VelmImage *image,
                                    GError **error) {
  g_autoptr(VelmFeatures) features = velm_backbone_extract_early(backbone, image, error);
  return features && velm_backbone_extract_rest(backbone, image, features, error)
             ? g_steal_pointer(&features)
             : NULL;
}
