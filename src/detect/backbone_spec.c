#include "detect/backbone_spec.h"

#include "core/file.h"
#include "detect/backbone_known.h"
#include "detect/network_file.h"
#include "detect/tiles.h"

#include <string.h>

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
  const VelmKnownBackbone *base = velm_backbone_known(backbone);
  g_autoptr(VelmBackboneSpec) spec = g_new0(VelmBackboneSpec, 1);
  spec->path = base ? velm_backbone_known_path(base) : g_canonicalize_filename(backbone, NULL);
  if (!base)
    base = &velm_backbone_by_file;
  spec->name = g_strdup(base->name);
  const char *names = layers ? layers : base->layers;
  spec->layers = names ? g_strsplit(names, ",", -1) : NULL;
  spec->size = size ? size : base->size;
  spec->tiles = 1;
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
  const VelmKnownBackbone *base = velm_backbone_known(spec->name);
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
  g_auto(GStrv) beside = g_strsplit(velm_backbone_known(VELM_BACKBONE_BESIDE)->layers, ",", -1);
  for (gsize i = 0; layers[i]; i++)
    g_ptr_array_add(all, g_strdup(layers[i]));
  gsize at = all->len - (all->len && has_addition(all->pdata[all->len - 1], "contrast") ? 1 : 0);
  for (gsize i = 0; beside[i]; i++)
    g_ptr_array_insert(all, (gint)(at + i), g_strconcat(beside[i], "@" VELM_BACKBONE_BESIDE, NULL));
  g_ptr_array_add(all, NULL);
  return g_strjoinv(",", (char **)all->pdata);
}

char *velm_backbone_layers_of_two_speeds(const VelmBackboneSpec *spec, GError **error) {
  gsize n_early = 0, n_full = 0;
  for (gsize i = 0; spec->layers[i]; i++) {
    if (has_addition(spec->layers[i], "contrast"))
      continue;
    gboolean early = has_addition(spec->layers[i], "half") ||
                     has_addition(spec->layers[i], VELM_BACKBONE_BESIDE);
    *(early ? &n_early : &n_full) += 1;
  }
  if (g_str_equal(spec->name, VELM_BACKBONE_BESIDE) || n_full == 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s",
                n_full ? "the two-speed detector has " VELM_BACKBONE_BESIDE
                         " for its fast look already; name a more accurate backbone"
                       : "the two-speed detector needs a layer of the image at its full size, "
                         "without @half or @" VELM_BACKBONE_BESIDE);
    return NULL;
  }
  return n_early ? g_strjoinv(",", spec->layers) : layers_with_beside(spec->layers);
}

/* The network beside the backbone, where a layer names it; NULL where none does. */
static char *path_beside(const VelmBackboneSpec *spec) {
  for (char **layer = spec->layers; *layer; layer++)
    if (has_addition(*layer, VELM_BACKBONE_BESIDE))
      return velm_backbone_known_path(velm_backbone_known(VELM_BACKBONE_BESIDE));
  return NULL;
}

/* ---- in the model ---- */

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
  if (spec->tiles > 1)
    velm_model_set_int(model, "backbone.tiles", spec->tiles);
  velm_model_set_floats(model, "backbone.mean", spec->mean, 3);
  velm_model_set_floats(model, "backbone.scale", spec->scale, 3);
  return TRUE;
}

static gboolean check_digest(VelmModel *model, const char *name, const char *path, GError **error) {
  return velm_network_check_digest(model, name, path, velm_file_sha256,
                                   "another network than the one that the model was fitted with",
                                   error);
}

/* Models of before it was kept have squares. */
static gboolean restore_shape(VelmBackboneSpec *spec, VelmModel *model, GError **error) {
  gint64 keeps = 0;
  if (!velm_model_get_optional_int(model, "backbone.keeps_shape", &keeps, error))
    return FALSE;
  spec->keeps_shape = keeps != 0;
  if ((keeps == 0 || keeps == 1) && (!keeps || velm_backbone_may_keep_shape(spec)))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
              "the model's way of resizing images does not fit its backbone; fit it again");
  return FALSE;
}

/* Most models have none. */
static gboolean restore_tiles(VelmBackboneSpec *spec, VelmModel *model, GError **error) {
  gint64 tiles = 1;
  if (!velm_model_get_optional_int(model, "backbone.tiles", &tiles, error))
    return FALSE;
  if (tiles >= 1 && tiles <= VELM_MAX_TILES) {
    spec->tiles = (int)tiles;
    return TRUE;
  }
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
              "the model's tiles are not 1 to " G_STRINGIFY(VELM_MAX_TILES) "; fit it again");
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
  const VelmKnownBackbone *base = velm_backbone_known(name);
  spec->name = g_strdup(name);
  /* A known one is where this installation has it, which need not be where the model was fitted. */
  spec->path = base ? velm_backbone_known_path(base) : g_strdup(path);
  gint64 size = 0;
  if (!velm_model_get_int(model, "backbone.size", &size, error) ||
      !restore_shape(spec, model, error) || !restore_tiles(spec, model, error))
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
