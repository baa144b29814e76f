/* Fitting PatchCore: features of the good images, a memory bank a layer, the calibration. */
#include "detect/coreset.h"
#include "detect/normal_images.h"
#include "detect/patchcore.h"
#include "detect/patchcore_layers.h"
#include "detect/reference.h"
#include "detect/spool.h"

#include <math.h>
#include <string.h>

/* Bank of a layer where no coreset ratio is given. */
#define DEFAULT_BANK 6000

/* The bank is selected from this many patches at most, a random share of each image's. */
#define MAX_CANDIDATES 120000

/* Selection happens in this many dimensions (random projection). */
#define PROJECTED 32

/* Parts are held back for the calibration in this many turns. */
#define FOLDS 4

/* Images scored for the calibration, at most: quantiles need no more. */
#define MAX_CALIBRATION 600

/* Images compared with a made-up second shot of themselves, for the threshold with a reference. */
#define MAX_SECOND_SHOTS 40

typedef struct {
  const VelmFitParams *params;
  const GPtrArray *samples;
  VelmBackboneSpec *spec;
  VelmBackbone *backbone;
  int rows, columns, channels;
  gsize n_patches; /* of an image */
  gsize n_layers;
  VelmPatchLayer *layers;
  VelmSpool **spools; /* one a layer */
  float *means;       /* mean features of the calibration's images */
  gsize n_means;
  guint *groups; /* of each image */
  guint n_groups;
  guint *folds; /* of each image: which calibration fold its part is in */
  guint n_folds;
} Fit;

static void fit_clear(Fit *fit) {
  velm_backbone_spec_free(fit->spec);
  velm_backbone_free(fit->backbone);
  for (gsize i = 0; fit->spools && i < fit->n_layers; i++)
    velm_spool_free(fit->spools[i]);
  g_free(fit->spools);
  g_free(fit->means);
  velm_patch_layers_free(fit->layers, fit->n_layers);
  g_free(fit->groups);
  g_free(fit->folds);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fit, fit_clear)

static gboolean report(const VelmFitParams *params, const char *stage, gsize done, gsize total,
                       GError **error) {
  if (!params->progress || params->progress(stage, done, total, params->progress_data))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while fitting (%s)", stage);
  return FALSE;
}

/* Numbers the groups in order of appearance. */
static void number_groups(Fit *fit) {
  g_autoptr(GHashTable) numbers = g_hash_table_new(g_str_hash, g_str_equal);
  fit->groups = g_new(guint, fit->samples->len);
  for (guint i = 0; i < fit->samples->len; i++) {
    const VelmSample *sample = fit->samples->pdata[i];
    gpointer number = NULL;
    if (!g_hash_table_lookup_extended(numbers, sample->group, NULL, &number)) {
      number = GUINT_TO_POINTER(g_hash_table_size(numbers));
      g_hash_table_insert(numbers, sample->group, number);
    }
    fit->groups[i] = GPOINTER_TO_UINT(number);
  }
  fit->n_groups = g_hash_table_size(numbers);
}

/* Evenly spaced training images, MAX_CALIBRATION at most. */
static gsize calibration_image(const Fit *fit, gsize index, gsize n) {
  return index * fit->samples->len / n;
}

static gsize n_calibration(const Fit *fit) { return MIN(fit->samples->len, MAX_CALIBRATION); }

static gboolean spool_image(Fit *fit, const VelmFeatures *features, GError **error) {
  g_autofree float *rows = g_new(float, fit->n_patches *(gsize)fit->channels);
  for (gsize i = 0; i < fit->n_layers; i++) {
    velm_patch_layer_take(&fit->layers[i], features, NULL, rows);
    if (!velm_spool_append(fit->spools[i], rows, fit->n_patches, error))
      return FALSE;
  }
  return TRUE;
}

static void keep_mean(Fit *fit, gsize image, const VelmFeatures *features) {
  gsize n = n_calibration(fit);
  if (fit->n_means < n && calibration_image(fit, fit->n_means, n) == image)
    velm_features_mean(features, fit->means + fit->n_means++ * (gsize)fit->channels);
}

static gboolean start_spools(Fit *fit, const VelmFeatures *features, GError **error) {
  fit->rows = features->rows;
  fit->columns = features->columns;
  fit->channels = features->channels;
  fit->n_patches = (gsize)features->rows * (gsize)features->columns;
  fit->layers = velm_patch_layers_new(fit->backbone, &fit->n_layers);
  fit->means = g_new(float, n_calibration(fit) * (gsize)fit->channels);
  fit->spools = g_new0(VelmSpool *, fit->n_layers);
  for (gsize i = 0; i < fit->n_layers; i++)
    if (!(fit->spools[i] = velm_spool_new((gsize)fit->layers[i].channels, error)))
      return FALSE;
  return TRUE;
}

static gboolean extract_all(Fit *fit, GError **error) {
  for (guint i = 0; i < fit->samples->len; i++) {
    const VelmSample *sample = fit->samples->pdata[i];
    g_autoptr(VelmImage) image = velm_image_load(sample->path, 0, error);
    g_autoptr(VelmFeatures) features =
        image ? velm_backbone_extract(fit->backbone, image, error) : NULL;
    if (!features || (i == 0 && !start_spools(fit, features, error)) ||
        !spool_image(fit, features, error) ||
        !report(fit->params, "features", i + 1, fit->samples->len, error))
      return FALSE;
    keep_mean(fit, i, features);
  }
  return TRUE;
}

/* Divides each channel by its deviation over the training patches where the user asks for it; else
 * leaves 1. */
static gboolean find_channel_scale(Fit *fit, gsize layer, float *scale, GError **error) {
  gsize channels = (gsize)fit->layers[layer].channels, n = 0;
  for (gsize k = 0; k < channels; k++)
    scale[k] = 1;
  if (!fit->params->standardise)
    return TRUE;
  g_autofree float *rows = g_new(float, fit->n_patches *channels);
  g_autofree double *sums = g_new0(double, 2 * channels);
  for (guint i = 0; i < fit->samples->len; i++) {
    if (!velm_spool_read(fit->spools[layer], i * fit->n_patches, fit->n_patches, rows, error))
      return FALSE;
    for (gsize p = 0; p < fit->n_patches; p++, n++)
      for (gsize k = 0; k < channels; k++) {
        double value = (double)rows[p * channels + k];
        sums[k] += value;
        sums[channels + k] += value * value;
      }
  }
  for (gsize k = 0; k < channels; k++) {
    double mean = sums[k] / (double)n;
    double variance = sums[channels + k] / (double)n - mean * mean;
    scale[k] = (float)(1 / sqrt(MAX(variance, 1e-12)));
  }
  return TRUE;
}

static gsize bank_size(const Fit *fit, gsize n_all) {
  double wanted =
      fit->params->coreset > 0 ? ceil(fit->params->coreset * (double)n_all) : (double)DEFAULT_BANK;
  return MAX(1, MIN((gsize)wanted, n_all));
}

/* The patches among which the bank is chosen: as many of each image, at random. Returns their row
 * numbers. */
static gsize *choose_candidates(const Fit *fit, gsize n_bank, gsize *n_out) {
  g_autoptr(GRand) random = g_rand_new_with_seed(fit->params->seed);
  gsize limit = MAX((gsize)MAX_CANDIDATES, 4 * n_bank), n_images = fit->samples->len;
  gsize share = CLAMP(limit / n_images, 1, fit->n_patches);
  gsize *rows = g_new(gsize, n_images * share);
  g_autofree gsize *order = g_new(gsize, fit->n_patches);
  gsize n = 0;
  for (gsize image = 0; image < n_images; image++) {
    for (gsize i = 0; i < fit->n_patches; i++)
      order[i] = i;
    for (gsize i = 0; i < share; i++) {
      gsize j = i + (gsize)(g_rand_double(random) * (double)(fit->n_patches - i));
      gsize swap = order[i];
      order[i] = order[j];
      order[j] = swap;
      rows[n++] = image * fit->n_patches + order[i];
    }
  }
  *n_out = n;
  return rows;
}

/* Reads the candidates, projected. */
static float *project_candidates(Fit *fit, gsize layer, const float *scale, const gsize *candidates,
                                 gsize n, GError **error) {
  gsize channels = (gsize)fit->layers[layer].channels;
  gsize share = n / fit->samples->len;
  g_autofree float *projection =
      velm_coreset_projection(channels, PROJECTED, fit->params->seed + 1);
  g_autofree float *image = g_new(float, fit->n_patches *channels);
  g_autofree float *chosen = g_new(float, share *channels);
  g_autofree float *projected = g_new(float, n *PROJECTED);
  for (gsize i = 0; i < fit->samples->len; i++) {
    if (!velm_spool_read(fit->spools[layer], i * fit->n_patches, fit->n_patches, image, error))
      return NULL;
    for (gsize k = 0; k < share; k++)
      memcpy(chosen + k * channels,
             image + (candidates[i * share + k] - i * fit->n_patches) * channels,
             channels * sizeof(float));
    velm_patch_rows_scale(chosen, share, channels, scale);
    velm_coreset_project(projection, channels, PROJECTED, chosen, share,
                         projected + i * share * PROJECTED);
  }
  return g_steal_pointer(&projected);
}

/* What a layer's banks are chosen from. */
typedef struct {
  const float *scale; /* of the channels */
  gsize *rows;        /* of the candidates in the spool */
  float *projected;
  gsize n, n_bank;
} Candidates;

static void candidates_clear(Candidates *candidates) {
  g_free(candidates->rows);
  g_free(candidates->projected);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Candidates, candidates_clear)

static gboolean find_candidates(Fit *fit, gsize layer, const float *scale, Candidates *candidates,
                                GError **error) {
  candidates->scale = scale;
  candidates->n_bank = bank_size(fit, fit->n_patches * fit->samples->len);
  candidates->rows = choose_candidates(fit, candidates->n_bank, &candidates->n);
  candidates->projected =
      project_candidates(fit, layer, scale, candidates->rows, candidates->n, error);
  return candidates->projected != NULL;
}

/* The candidates of the parts that are not in @fold (all where it is negative), as indices. */
static gsize *others(const Fit *fit, const Candidates *candidates, int fold, gsize *n) {
  gsize *indices = g_new(gsize, candidates->n);
  *n = 0;
  for (gsize i = 0; i < candidates->n; i++)
    if (fold < 0 || fit->folds[candidates->rows[i] / fit->n_patches] != (guint)fold)
      indices[(*n)++] = i;
  return indices;
}

/* Reads the entries of a bank: the candidates at @picks. */
static float *read_entries(Fit *fit, gsize layer, const Candidates *candidates, const gsize *picks,
                           gsize n, GError **error) {
  gsize channels = (gsize)fit->layers[layer].channels;
  g_autofree float *entries = g_new(float, n *channels);
  for (gsize i = 0; i < n; i++)
    if (!velm_spool_read(fit->spools[layer], candidates->rows[picks[i]], 1, entries + i * channels,
                         error))
      return NULL;
  velm_patch_rows_scale(entries, n, channels, candidates->scale);
  return g_steal_pointer(&entries);
}

/* A choice of candidates, in the order of picking. */
typedef struct {
  gsize *picks;
  gsize n;
} Choice;

/* Selects the bank of all parts but those in @fold. */
static Choice select_bank(const Fit *fit, const Candidates *candidates, int fold) {
  gsize n = 0;
  g_autofree gsize *indices = others(fit, candidates, fold, &n);
  g_autofree float *points = g_new(float, n *PROJECTED);
  for (gsize i = 0; i < n; i++)
    memcpy(points + i * PROJECTED, candidates->projected + indices[i] * PROJECTED,
           PROJECTED * sizeof(float));
  Choice choice = {.n = MIN(candidates->n_bank, n)};
  choice.picks = velm_coreset_select(points, n, PROJECTED, choice.n, 0);
  for (gsize i = 0; i < choice.n; i++)
    choice.picks[i] = indices[choice.picks[i]];
  return choice;
}

/* The banks without each fold, and last the one of all parts: selected side by side. */
static void select_banks(const Fit *fit, const Candidates *candidates, Choice *choices) {
#pragma omp parallel for schedule(dynamic)
  for (guint fold = 0; fold <= fit->n_folds; fold++)
    choices[fold] = select_bank(fit, candidates, fold < fit->n_folds ? (int)fold : -1);
}

/* ---- calibration: the parts in folds, each scored against a bank of the parts in the others ----
 */

/* Deals the parts, shuffled, to the folds; each image is in its part's. One part alone is dealt
 * image by image. */
static void deal_folds(Fit *fit) {
  guint n_groups = fit->n_groups > 1 ? fit->n_groups : fit->samples->len;
  g_autoptr(GRand) random = g_rand_new_with_seed(fit->params->seed + 2);
  g_autofree guint *order = g_new(guint, n_groups);
  for (guint i = 0; i < n_groups; i++) {
    guint j = (guint)g_rand_int_range(random, 0, (gint32)i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  fit->n_folds = MIN(FOLDS, n_groups);
  fit->folds = g_new(guint, fit->samples->len);
  for (guint i = 0; i < fit->samples->len; i++)
    fit->folds[i] = order[fit->n_groups > 1 ? fit->groups[i] : i] % fit->n_folds;
}

/* Writes the distances of the calibration images in @fold to @distances (n_patches an image). */
static gboolean score_fold(Fit *fit, gsize layer, const Candidates *candidates, guint fold,
                           const Choice *choice, float *distances, GError **error) {
  gsize n = n_calibration(fit), channels = (gsize)fit->layers[layer].channels;
  g_autofree float *bank = read_entries(fit, layer, candidates, choice->picks, choice->n, error);
  g_autoptr(VelmNearest) nearest =
      bank ? velm_nearest_new(bank, choice->n, channels, fit->n_patches, error) : NULL;
  if (!nearest)
    return FALSE;
  g_autofree float *rows = g_new(float, fit->n_patches *channels);
  for (gsize i = 0; i < n; i++) {
    gsize image = calibration_image(fit, i, n);
    if (fit->folds[image] != fold)
      continue;
    if (!velm_spool_read(fit->spools[layer], image * fit->n_patches, fit->n_patches, rows, error))
      return FALSE;
    velm_patch_rows_scale(rows, fit->n_patches, channels, candidates->scale);
    if (!velm_nearest_distances(nearest, rows, distances + i * fit->n_patches, error))
      return FALSE;
  }
  return TRUE;
}

/* Finds the layer's typical distance and adds its share to @maps (n_patches a calibration image).
 */
static gboolean calibrate_layer(Fit *fit, gsize layer, const Candidates *candidates,
                                const Choice *choices, float *maps, GError **error) {
  gsize n = n_calibration(fit) * fit->n_patches;
  g_autofree float *distances = g_new0(float, n);
  for (guint fold = 0; fold < fit->n_folds; fold++)
    if (!score_fold(fit, layer, candidates, fold, &choices[fold], distances, error) ||
        !report(fit->params, "calibration", layer * fit->n_folds + fold + 1,
                fit->n_layers * fit->n_folds, error))
      return FALSE;
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += (double)distances[i];
  fit->layers[layer].typical = (float)MAX(sum / (double)n, 1e-6);
  velm_patch_map_add(maps, distances, n, fit->layers[layer].typical, fit->n_layers);
  return TRUE;
}

/* The value that the share @tail of @n sorted @values is over. */
static double upper_quantile(const float *values, gsize n, double tail) {
  double at = (1 - tail) * (double)(n - 1);
  gsize i = (gsize)at;
  double weight = at - (double)i;
  return (1 - weight) * (double)values[i] + weight * (double)values[MIN(i + 1, n - 1)];
}

/* For programs that know of one normal image only. */
static gboolean store_typical_image(const VelmSample *sample, VelmModel *model, GError **error) {
  g_autoptr(VelmImage) normal = velm_image_load(sample->path, 0, error);
  g_autoptr(VelmImage) small = normal ? velm_image_resize(normal, 448, 448, error) : NULL;
  g_autoptr(GBytes) png = small ? velm_image_to_png(small, error) : NULL;
  if (!png)
    return FALSE;
  velm_model_set_bytes(model, "detector.normal_png", png);
  return TRUE;
}

/* The calibration's images with their scores stand for what is normal. */
static gboolean store_normal_images(const Fit *fit, const float *scores, VelmModel *model,
                                    GError **error) {
  gsize n = n_calibration(fit), channels = (gsize)fit->channels, lowest = 0;
  g_autofree VelmNormalCandidate *candidates = g_new(VelmNormalCandidate, n);
  for (gsize i = 0; i < n; i++) {
    candidates[i] =
        (VelmNormalCandidate){.sample = fit->samples->pdata[calibration_image(fit, i, n)],
                              .mean = fit->means + i * channels,
                              .score = (double)scores[i]};
    if (scores[i] < scores[lowest])
      lowest = i;
  }
  return velm_normal_images_store(model, candidates, n, channels, error) &&
         store_typical_image(candidates[lowest].sample, model, error);
}

static gboolean calibrate_scores(Fit *fit, float *maps, VelmModel *model, GError **error) {
  gsize n = n_calibration(fit);
  g_autofree float *scores = g_new(float, n);
  for (gsize i = 0; i < n; i++) {
    VelmPlane raw = {fit->columns, fit->rows, maps + i * fit->n_patches};
    g_autoptr(VelmPlane) map = velm_plane_blur(&raw, VELM_PATCHCORE_BLUR, error);
    if (!map)
      return FALSE;
    scores[i] = (float)velm_patch_map_score(map);
  }
  if (!store_normal_images(fit, scores, model, error))
    return FALSE;
  qsort(scores, n, sizeof *scores, velm_patch_compare_floats);
  velm_model_set_floats(model, "patchcore.good_scores", scores, n);
  velm_model_set_double(model, "patchcore.threshold",
                        upper_quantile(scores, n, fit->params->false_alarms));
  return TRUE;
}

/* What the distance to an aligned reference is on good parts: each training image against a copy
 * that was moved and lit a little. */
static gboolean calibrate_reference(Fit *fit, VelmModel *model, GError **error) {
  gsize n = MIN(fit->samples->len, MAX_SECOND_SHOTS);
  g_autofree float *typical = velm_patch_layers_typical(fit->layers, fit->n_layers);
  g_autofree float *scores = g_new(float, n);
  for (gsize i = 0; i < n; i++) {
    const VelmSample *sample = fit->samples->pdata[i * fit->samples->len / n];
    g_autoptr(VelmImage) image = velm_image_load(sample->path, 0, error);
    g_autoptr(VelmImage) copy =
        image ? velm_reference_disturb(image, fit->params->seed + (guint32)i) : NULL;
    g_autoptr(VelmFeatures) a = copy ? velm_backbone_extract(fit->backbone, image, error) : NULL;
    g_autoptr(VelmFeatures) b = a ? velm_backbone_extract(fit->backbone, copy, error) : NULL;
    g_autoptr(VelmPlane) map =
        b ? velm_reference_map(fit->backbone, typical, a, b, image, copy, error) : NULL;
    g_autoptr(VelmPlane) smooth = map ? velm_plane_blur(map, VELM_PATCHCORE_BLUR, error) : NULL;
    if (!smooth)
      return FALSE;
    scores[i] = (float)velm_patch_map_score(smooth);
    if (!report(fit->params, "reference", i + 1, n, error))
      return FALSE;
  }
  qsort(scores, n, sizeof *scores, velm_patch_compare_floats);
  velm_model_set_double(model, "patchcore.reference_threshold",
                        upper_quantile(scores, n, fit->params->false_alarms));
  return TRUE;
}

static void store_layer(VelmModel *model, gsize layer, const float *scale, gsize channels,
                        const float *bank, gsize n_bank, float typical) {
  g_autofree char *bank_key = velm_patch_layer_key(layer, "bank");
  g_autofree char *scale_key = velm_patch_layer_key(layer, "scale");
  g_autofree char *typical_key = velm_patch_layer_key(layer, "typical");
  velm_model_set_floats(model, bank_key, bank, n_bank * channels);
  velm_model_set_floats(model, scale_key, scale, channels);
  velm_model_set_double(model, typical_key, (double)typical);
}

static gboolean fit_layer(Fit *fit, gsize layer, float *maps, VelmModel *model, GError **error) {
  g_auto(Candidates) candidates = {0};
  Choice choices[FOLDS + 1] = {{0}};
  gsize channels = (gsize)fit->layers[layer].channels;
  g_autofree float *scale = g_new(float, channels);
  if (!find_channel_scale(fit, layer, scale, error) ||
      !find_candidates(fit, layer, scale, &candidates, error))
    return FALSE;
  select_banks(fit, &candidates, choices);
  const Choice *whole = &choices[fit->n_folds];
  g_autofree float *bank = NULL;
  if (calibrate_layer(fit, layer, &candidates, choices, maps, error))
    bank = read_entries(fit, layer, &candidates, whole->picks, whole->n, error);
  if (bank)
    store_layer(model, layer, scale, channels, bank, whole->n, fit->layers[layer].typical);
  for (gsize i = 0; i < G_N_ELEMENTS(choices); i++)
    g_free(choices[i].picks);
  return bank != NULL;
}

static gboolean fit_layers(Fit *fit, VelmModel *model, GError **error) {
  g_autofree float *maps = g_new0(float, n_calibration(fit) * fit->n_patches);
  deal_folds(fit);
  for (gsize i = 0; i < fit->n_layers; i++)
    if (!fit_layer(fit, i, maps, model, error))
      return FALSE;
  return calibrate_scores(fit, maps, model, error);
}

gboolean velm_patchcore_fit(const VelmDataset *dataset, const VelmFitParams *params,
                            VelmModel *model, GError **error) {
  g_auto(Fit) fit = {.params = params, .samples = dataset->train};
  if (dataset->train->len < 2) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                "%s: has one good image; the threshold needs at least two", dataset->directory);
    return FALSE;
  }
  fit.spec = velm_backbone_spec_new(params->backbone, params->layers, params->size, error);
  fit.backbone = fit.spec ? velm_backbone_open(fit.spec, error) : NULL;
  if (!fit.backbone || !velm_backbone_spec_store(fit.spec, model, error))
    return FALSE;
  number_groups(&fit);
  if (!extract_all(&fit, error) || !fit_layers(&fit, model, error) ||
      !calibrate_reference(&fit, model, error))
    return FALSE;
  velm_model_set_int(model, "patchcore.images", dataset->train->len);
  velm_model_set_int(model, "patchcore.parts", fit.n_groups);
  return TRUE;
}
