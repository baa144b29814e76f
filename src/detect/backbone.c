#include "detect/backbone.h"

#include "core/engine.h"
#include "detect/backbone_known.h"
#include "detect/feature_grid.h"
#include "detect/tiles.h"

#include <math.h>
#include <string.h>

/* Longer images are taken for as long as this many squares: positions were learnt in a square. */
#define MAX_ASPECT 8.0

/* One layer: where it comes from, and what becomes of it. */
typedef struct {
  gsize look;   /* which network, at which size */
  gsize output; /* of the network */
  int pool;     /* side of the square of cells that are averaged */
  gboolean contrast;
  VelmFeatureGrid grid; /* of a square image */
} Layer;

struct _VelmBackbone {
  VelmNet *nets[VELM_N_LOOKS]; /* NULL where no layer is of that look */
  int sides[VELM_N_LOOKS];     /* of the squares that go in */
  int patch;                   /* side of a patch where images keep their shape, else 0 */
  gsize n_layers;
  Layer *layers;
  int rows, columns, channels; /* of a square image, or tile of one */
  VelmTiles tiles;
};

static gboolean find_grids(VelmBackbone *backbone, const char *path, GError **error) {
  for (gsize i = 0; i < backbone->n_layers; i++) {
    Layer *layer = &backbone->layers[i];
    VelmFeatureGrid *grid = &layer->grid;
    if (!velm_feature_grid_of(velm_net_output(backbone->nets[layer->look], layer->output), grid)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
                  "%s: layer %" G_GSIZE_FORMAT " gives neither a feature map nor tokens", path,
                  i + 1);
      return FALSE;
    }
    backbone->channels += grid->channels;
    /* Images that keep their shape have their own network's grid. */
    if (backbone->patch && layer->look == VELM_LOOK_BESIDE &&
        (backbone->nets[VELM_LOOK_FULL] || backbone->nets[VELM_LOOK_HALF]))
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

static gboolean parse_addition(Layer *layer, const char *name, const char *addition,
                               GError **error) {
  guint64 pool = 0;
  if (g_str_equal(addition, "half"))
    layer->look = VELM_LOOK_HALF;
  else if (g_str_equal(addition, VELM_BACKBONE_BESIDE))
    layer->look = VELM_LOOK_BESIDE;
  else if (g_str_equal(addition, "contrast"))
    layer->contrast = TRUE;
  else if (g_ascii_string_to_unsigned(addition, 10, 1, 99, &pool, NULL))
    layer->pool = (int)pool;
  else {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "layer \"%s\": after @ comes the side of the square that is averaged, 1 to 99, or "
                "\"half\", \"" VELM_BACKBONE_BESIDE "\" or \"contrast\"",
                name);
    return FALSE;
  }
  return TRUE;
}

/* Reads a name with its additions; @names: of each look, the network's outputs, each once. */
static gboolean parse_layer(Layer *layer, const char *name, GPtrArray *const *names,
                            GError **error) {
  g_auto(GStrv) parts = g_strsplit(name, "@", -1);
  layer->pool = 1;
  for (guint i = 1; parts[0] && parts[i]; i++)
    if (!parse_addition(layer, name, parts[i], error))
      return FALSE;
  layer->output = index_of(names[layer->look], parts[0] ? parts[0] : "");
  return TRUE;
}

static gboolean parse_layers(VelmBackbone *backbone, char **layers, GPtrArray *const *names,
                             GError **error) {
  backbone->n_layers = g_strv_length(layers);
  backbone->layers = g_new0(Layer, backbone->n_layers);
  for (gsize i = 0; i < backbone->n_layers; i++) {
    if (!parse_layer(&backbone->layers[i], layers[i], names, error))
      return FALSE;
    if (!backbone->layers[i].contrast || (i > 0 && i + 1 == backbone->n_layers))
      continue;
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "layer \"%s\": the layer for the contrast comes last, after others", layers[i]);
    return FALSE;
  }
  return TRUE;
}

/* Side of the square that goes into the network: half, as far as the network takes it. */
static int side_of(const VelmBackboneSpec *spec, gsize look) {
  const VelmKnownBackbone *base = velm_backbone_known(spec->name);
  int multiple = base ? base->multiple : 1;
  if (look == VELM_LOOK_BESIDE)
    return velm_backbone_known(VELM_BACKBONE_BESIDE)->size;
  return look == VELM_LOOK_FULL ? spec->size : MAX(1, spec->size / 2 / multiple) * multiple;
}

/* One network, which takes any size, does for both sizes where half the size needs no more of it
 * than the full size: half the memory. Networks from elsewhere may rely on their size. */
static gboolean is_one_network(const VelmBackboneSpec *spec, GPtrArray *const *names) {
  for (guint i = 0; i < names[VELM_LOOK_HALF]->len; i++)
    if (!g_ptr_array_find_with_equal_func(names[VELM_LOOK_FULL], names[VELM_LOOK_HALF]->pdata[i],
                                          g_str_equal, NULL))
      return FALSE;
  return names[VELM_LOOK_HALF]->len > 0 && velm_backbone_known(spec->name);
}

/* Lets the layers of half the size take their outputs from among those of the full size. */
static void take_outputs(VelmBackbone *backbone, GPtrArray *const *names) {
  for (gsize i = 0; i < backbone->n_layers; i++) {
    Layer *layer = &backbone->layers[i];
    if (layer->look == VELM_LOOK_HALF)
      layer->output = index_of(names[VELM_LOOK_FULL], names[VELM_LOOK_HALF]->pdata[layer->output]);
  }
}

static VelmNet *open_net(const VelmBackboneSpec *spec, gsize look, GPtrArray *names,
                         gboolean any_size, guint streams, GError **error) {
  int side = side_of(spec, look);
  g_autoptr(VelmBackboneSpec) beside = NULL;
  if (look == VELM_LOOK_BESIDE &&
      !(beside = velm_backbone_spec_new(VELM_BACKBONE_BESIDE, NULL, 0, error)))
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
  backbone->patch = spec->keeps_shape ? velm_backbone_known(spec->name)->multiple : 0;
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
  if (!find_grids(backbone, spec->path, error))
    return NULL;
  backbone->tiles = velm_tiles_new(spec->tiles, MIN(backbone->rows, backbone->columns));
  return g_steal_pointer(&backbone);
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
  g_free(backbone->layers);
  g_free(backbone);
}

gsize velm_backbone_n_layers(const VelmBackbone *backbone) { return backbone->n_layers; }

int velm_backbone_layer_channels(const VelmBackbone *backbone, gsize index) {
  return backbone->layers[index].grid.channels;
}

gboolean velm_backbone_layer_is_coarse(const VelmBackbone *backbone, gsize index) {
  return backbone->layers[index].pool > 1 || backbone->layers[index].look != VELM_LOOK_FULL;
}

VelmLook velm_backbone_layer_look(const VelmBackbone *backbone, gsize index) {
  return (VelmLook)backbone->layers[index].look;
}

gboolean velm_backbone_has_contrast(const VelmBackbone *backbone) {
  return backbone->layers[backbone->n_layers - 1].contrast;
}

/* ---- shapes ---- */

/* How many pixels an image has across for each down. */
static double aspect_of(const VelmImage *image) {
  return CLAMP((double)image->width / image->height, 1 / MAX_ASPECT, MAX_ASPECT);
}

/* Whether images keep their shape in that look. */
static gboolean keeps_shape(const VelmBackbone *backbone, gsize look) {
  return backbone->patch && look != VELM_LOOK_BESIDE;
}

/* How many patches of an image that keeps its shape go across and down: as many as a square has, at
 * most. */
static void find_patches(const VelmBackbone *backbone, gsize look, double aspect, int *rows,
                         int *columns) {
  int n = backbone->sides[look] / backbone->patch;
  *columns = CLAMP((int)lround(n * sqrt(aspect)), 1, n * n);
  *rows = MIN(MAX(1, (int)lround(n / sqrt(aspect))), MAX(1, n * n / *columns));
}

/* How large an image goes into the network, in pixels. */
static void find_input_size(const VelmBackbone *backbone, gsize look, double aspect, int *width,
                            int *height) {
  *width = *height = backbone->sides[look];
  if (!keeps_shape(backbone, look))
    return;
  find_patches(backbone, look, aspect, height, width);
  *width *= backbone->patch;
  *height *= backbone->patch;
}

/* The layer's grid: patches come last among the tokens. */
static VelmFeatureGrid grid_for(const VelmBackbone *backbone, const Layer *layer, double aspect) {
  VelmFeatureGrid grid = layer->grid;
  if (keeps_shape(backbone, layer->look))
    find_patches(backbone, layer->look, aspect, &grid.rows, &grid.columns);
  return grid;
}

/* The look with the finest grid of those that are in the network's own shape. */
static gsize finest_look(const VelmBackbone *backbone) {
  return backbone->nets[VELM_LOOK_FULL]   ? VELM_LOOK_FULL
         : backbone->nets[VELM_LOOK_HALF] ? VELM_LOOK_HALF
                                          : VELM_LOOK_BESIDE;
}

/* The grid of one tile. */
static void find_tile_grid(const VelmBackbone *backbone, double aspect, int *rows, int *columns) {
  *rows = backbone->rows;
  *columns = backbone->columns;
  if (keeps_shape(backbone, finest_look(backbone)))
    find_patches(backbone, finest_look(backbone), aspect, rows, columns);
}

void velm_backbone_grid(const VelmBackbone *backbone, int *rows, int *columns, int *channels) {
  *rows = velm_tiles_cells(&backbone->tiles, backbone->rows);
  *columns = velm_tiles_cells(&backbone->tiles, backbone->columns);
  *channels = backbone->channels;
}

static VelmFeatures *features_new(int rows, int columns, int channels) {
  VelmFeatures *features = g_new0(VelmFeatures, 1);
  *features = (VelmFeatures){rows, columns, channels,
                             g_new0(float, (gsize)rows *(gsize)columns *(gsize)channels)};
  return features;
}

/* ---- one tile ---- */

/* Which looks are taken. */
typedef enum { EARLY = 1 << 0, LATE = 1 << 1 } Looks;

static gboolean is_among(gsize look, Looks looks) {
  return (looks & (look == VELM_LOOK_FULL ? LATE : EARLY)) != 0;
}

static gboolean run_net(VelmBackbone *backbone, gsize look, const VelmImage *image, double aspect,
                        GError **error) {
  int width = 0, height = 0;
  find_input_size(backbone, look, aspect, &width, &height);
  g_autoptr(VelmImage) resized = velm_image_resize(image, width, height, error);
  return resized &&
         (!keeps_shape(backbone, look) ||
          velm_net_set_size(backbone->nets[look], width, height, error)) &&
         velm_net_run_image(backbone->nets[look], resized->pixels, error);
}

/* Takes the looks, and writes their layers. */
static gboolean look_at(VelmBackbone *backbone, const VelmImage *image, double aspect, Looks looks,
                        VelmFeatures *features, GError **error) {
  for (gsize i = 0; i < VELM_N_LOOKS; i++)
    if (backbone->nets[i] && is_among(i, looks) && !run_net(backbone, i, image, aspect, error))
      return FALSE;
  gsize offset = 0;
  for (gsize i = 0; i < backbone->n_layers; i++) {
    const Layer *layer = &backbone->layers[i];
    VelmFeatureGrid grid = grid_for(backbone, layer, aspect);
    if (is_among(layer->look, looks))
      velm_feature_grid_write(&grid,
                              velm_net_output(backbone->nets[layer->look], layer->output)->data,
                              layer->pool, offset, features);
    offset += (gsize)grid.channels;
  }
  return TRUE;
}

/* ---- all of them ---- */

/* Takes over the layers of the looks from one tile. */
static void paste(const VelmBackbone *backbone, const VelmFeatures *tile, const VelmTile *row,
                  const VelmTile *column, Looks looks, VelmFeatures *features) {
  gsize offset = 0;
  for (gsize i = 0; i < backbone->n_layers; i++) {
    gsize channels = (gsize)backbone->layers[i].grid.channels;
    gboolean among = is_among(backbone->layers[i].look, looks);
    for (int y = row->from; among && y < row->to; y++)
      for (int x = column->from; x < column->to; x++) {
        gsize from = (gsize)y * (gsize)tile->columns + (gsize)x;
        gsize to = (gsize)(row->first + y) * (gsize)features->columns + (gsize)(column->first + x);
        memcpy(features->values + to * (gsize)features->channels + offset,
               tile->values + from * (gsize)tile->channels + offset, channels * sizeof(float));
      }
    offset += channels;
  }
}

static gboolean look_at_tiles(VelmBackbone *backbone, const VelmImage *image, double aspect,
                              Looks looks, VelmFeatures *features, GError **error) {
  int rows = 0, columns = 0, width = 0, height = 0;
  find_tile_grid(backbone, aspect, &rows, &columns);
  find_input_size(backbone, finest_look(backbone), aspect, &width, &height);
  g_autoptr(VelmFeatures) tile = features_new(rows, columns, backbone->channels);
  g_autoptr(VelmImage) whole = velm_image_resize(image, features->columns * width / columns,
                                                 features->rows * height / rows, error);
  for (int y = 0; whole && y < backbone->tiles.n; y++)
    for (int x = 0; x < backbone->tiles.n; x++) {
      VelmTile row = velm_tiles_get(&backbone->tiles, y, rows);
      VelmTile column = velm_tiles_get(&backbone->tiles, x, columns);
      g_autoptr(VelmImage) cut = velm_image_crop(whole, column.first * width / columns,
                                                 row.first * height / rows, width, height);
      if (!look_at(backbone, cut, aspect, looks, tile, error))
        return FALSE;
      paste(backbone, tile, &row, &column, looks, features);
    }
  return whole != NULL;
}

/* @features: of the grid of an image of that aspect */
static gboolean extract(VelmBackbone *backbone, const VelmImage *image, double aspect, Looks looks,
                        VelmFeatures *features, GError **error) {
  return backbone->tiles.n > 1 ? look_at_tiles(backbone, image, aspect, looks, features, error)
                               : look_at(backbone, image, aspect, looks, features, error);
}

static VelmFeatures *extract_new(VelmBackbone *backbone, const VelmImage *image, double aspect,
                                 Looks looks, GError **error) {
  int rows = 0, columns = 0;
  find_tile_grid(backbone, aspect, &rows, &columns);
  g_autoptr(VelmFeatures) features =
      features_new(velm_tiles_cells(&backbone->tiles, rows),
                   velm_tiles_cells(&backbone->tiles, columns), backbone->channels);
  return extract(backbone, image, aspect, looks, features, error) ? g_steal_pointer(&features)
                                                                  : NULL;
}

VelmFeatures *velm_backbone_extract_early(VelmBackbone *backbone, const VelmImage *image,
                                          GError **error) {
  return extract_new(backbone, image, aspect_of(image), EARLY, error);
}

gboolean velm_backbone_extract_rest(VelmBackbone *backbone, const VelmImage *image,
                                    VelmFeatures *features, GError **error) {
  return extract(backbone, image, aspect_of(image), LATE, features, error);
}

VelmFeatures *velm_backbone_extract(VelmBackbone *backbone, const VelmImage *image,
                                    GError **error) {
  return extract_new(backbone, image, aspect_of(image), EARLY | LATE, error);
}

VelmFeatures *velm_backbone_extract_like(VelmBackbone *backbone, const VelmImage *image,
                                         const VelmImage *like, GError **error) {
  return extract_new(backbone, image, aspect_of(like), EARLY | LATE, error);
}
