/* Adding good images to a fitted PatchCore: the greedy selection of its banks goes on. */
#include "detect/image_digest.h"
#include "detect/normal_images.h"
#include "detect/patchcore.h"
#include "detect/quantile.h"

#include <stdlib.h>
#include <string.h>

/* A bank may grow to this many times what fitting chose, or to LEAST_BOUND where that is more:
 * searching takes as much longer. */
#define GROWTH 1.5
#define LEAST_BOUND 6000

/* The search computes in half precision where the processor does: distances this near to the
 * coverage are computed again. Rounding errors of patches that are in the bank are shares of the
 * typical distance. */
#define DOUBTFUL 1.05
#define DOUBTFUL_TYPICAL 0.1
#define SAME_TYPICAL 1e-3

/* A layer's bank while it grows. */
typedef struct {
  const VelmPatchLayer *layer;
  GArray *rows; /* of float */
  gsize n_before, n_most;
  float coverage;
} Bank;

typedef struct {
  VelmModel *model;
  VelmDetector *detector;
  gsize n_layers, n_patches;
  Bank *banks;
  double false_alarms;
  GArray *scores;       /* of float: of good images that the bank did not know */
  GArray *early_scores; /* likewise, without the full look; NULL where the model has none */
  GPtrArray *digests;   /* of images, in order */
  GHashTable *known;    /* the same, as a set */
  GPtrArray *parts;     /* names, in order; NULL where the model has none */
  GHashTable *old_parts, *new_parts;
  GPtrArray *added;    /* of VelmSample: images that were added, */
  GArray *added_means; /* of float: the mean features of each */
  GArray *added_scores;
  VelmAddition *addition;
} Add;

static void add_clear(Add *add) {
  velm_detector_free(add->detector);
  for (gsize i = 0; add->banks && i < add->n_layers; i++)
    g_clear_pointer(&add->banks[i].rows, g_array_unref);
  g_free(add->banks);
  g_clear_pointer(&add->scores, g_array_unref);
  g_clear_pointer(&add->early_scores, g_array_unref);
  g_clear_pointer(&add->digests, g_ptr_array_unref);
  g_clear_pointer(&add->known, g_hash_table_unref);
  g_clear_pointer(&add->parts, g_ptr_array_unref);
  g_clear_pointer(&add->old_parts, g_hash_table_unref);
  g_clear_pointer(&add->new_parts, g_hash_table_unref);
  g_clear_pointer(&add->added, g_ptr_array_unref);
  g_clear_pointer(&add->added_means, g_array_unref);
  g_clear_pointer(&add->added_scores, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Add, add_clear)

/* ---- what the model has ---- */

/* The strings that the model has under @name, and as a set. */
static gboolean read_names(VelmModel *model, const char *name, GPtrArray **list, GHashTable **set,
                           GError **error) {
  g_autofree const char **names = velm_model_get_strv(model, name, error);
  if (!names)
    return FALSE;
  *list = g_ptr_array_new_with_free_func(g_free);
  *set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (gsize i = 0; names[i]; i++) {
    g_ptr_array_add(*list, g_strdup(names[i]));
    g_hash_table_add(*set, g_strdup(names[i]));
  }
  return TRUE;
}

static gboolean open_bank(Add *add, gsize index, gint64 n_fitted, GError **error) {
  Bank *bank = &add->banks[index];
  g_autofree char *bank_key = velm_patch_layer_key(index, "bank");
  g_autofree char *coverage_key = velm_patch_layer_key(index, "coverage");
  gsize n = 0, channels = (gsize)bank->layer->channels;
  double coverage = 0;
  const float *rows = velm_model_get_floats(add->model, bank_key, 0, &n, error);
  if (!rows || !velm_model_get_double(add->model, coverage_key, &coverage, error))
    return FALSE;
  bank->n_before = n / channels;
  bank->n_most = MAX((gsize)(GROWTH * (double)CLAMP(n_fitted, 0, G_MAXINT)), LEAST_BOUND);
  bank->coverage = (float)MAX(coverage, SAME_TYPICAL * (double)bank->layer->typical);
  bank->rows = g_array_new(FALSE, FALSE, sizeof(float));
  g_array_append_vals(bank->rows, rows, (guint)n);
  return TRUE;
}

/* Whether the model says all that is needed. */
static gboolean check_model(VelmModel *model, GError **error) {
  static const char *const names[] = {"patchcore.false_alarms", "patchcore.bank_fitted",
                                      "patchcore.image_digests", "patchcore.coverage.0"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
    if (!velm_model_has(model, names[i])) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                  "the model was fitted by an earlier velm, which did not keep what adding images "
                  "needs (%s); fit it again",
                  names[i]);
      return FALSE;
    }
  return TRUE;
}

/* Returns: (transfer full): of float. */
static GArray *read_floats(VelmModel *model, const char *name, GError **error) {
  gsize n = 0;
  const float *values = velm_model_get_floats(model, name, 0, &n, error);
  if (!values)
    return NULL;
  GArray *array = g_array_new(FALSE, FALSE, sizeof(float));
  return g_array_append_vals(array, values, (guint)n);
}

static gboolean read_scores(Add *add, GError **error) {
  add->scores = read_floats(add->model, "patchcore.good_scores", error);
  if (!add->scores ||
      !velm_model_get_double(add->model, "patchcore.false_alarms", &add->false_alarms, error))
    return FALSE;
  if (!(add->false_alarms > 0 && add->false_alarms < 0.5)) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model's rate of false alarms is out of range; fit it again");
    return FALSE;
  }
  if (velm_model_has(add->model, "patchcore.early_scores") &&
      !(add->early_scores = read_floats(add->model, "patchcore.early_scores", error)))
    return FALSE;
  return velm_model_get_double(add->model, "patchcore.threshold", &add->addition->threshold_before,
                               error);
}

static gboolean add_open(Add *add, GError **error) {
  gint64 n_fitted = 0;
  if (!check_model(add->model, error) || !read_scores(add, error) ||
      !velm_model_get_int(add->model, "patchcore.bank_fitted", &n_fitted, error) ||
      !read_names(add->model, "patchcore.image_digests", &add->digests, &add->known, error) ||
      (velm_model_has(add->model, "patchcore.part_names") &&
       !read_names(add->model, "patchcore.part_names", &add->parts, &add->old_parts, error)))
    return FALSE;
  /* Of two speeds the slower: the banks need all layers. */
  add->detector = velm_detector_patchcore.open(add->model, 1, error);
  if (!add->detector)
    return FALSE;
  const VelmPatchLayer *layers =
      velm_patchcore_get_layers(add->detector, &add->n_layers, &add->n_patches);
  add->banks = g_new0(Bank, add->n_layers);
  for (gsize i = 0; i < add->n_layers; i++) {
    add->banks[i].layer = &layers[i];
    if (!open_bank(add, i, n_fitted, error))
      return FALSE;
  }
  add->new_parts = g_hash_table_new(g_str_hash, g_str_equal);
  add->added = g_ptr_array_new();
  add->added_means = g_array_new(FALSE, FALSE, sizeof(float));
  add->added_scores = g_array_new(FALSE, FALSE, sizeof(double));
  return TRUE;
}

/* ---- the banks grow ---- */

/* The distance of each of @n rows to the bank as it has become. @distances: (inout): to the bank
 * before, by the search. */
static void update_distances(const Bank *bank, const float *rows, gsize n, float *distances) {
  gsize channels = (gsize)bank->layer->channels, n_now = bank->rows->len / channels;
  const float *entries = (const float *)(void *)bank->rows->data;
  float doubtful =
      (float)DOUBTFUL * bank->coverage + (float)DOUBTFUL_TYPICAL * bank->layer->typical;
#pragma omp parallel for schedule(dynamic)
  for (gsize i = 0; i < n; i++) {
    const float *row = rows + i * channels;
    if (distances[i] <= doubtful)
      distances[i] = velm_patch_row_distance(row, entries, bank->n_before, channels);
    float to_new = velm_patch_row_distance(row, entries + bank->n_before * channels,
                                           n_now - bank->n_before, channels);
    distances[i] = MIN(distances[i], to_new);
  }
}

static gsize farthest(const float *distances, gsize n) {
  gsize most = 0;
  for (gsize i = 1; i < n; i++)
    if (distances[i] > distances[most])
      most = i;
  return most;
}

/* Greedy k-centre selection among the patches of one image, until all are covered or the bank is
 * full. Returns whether they are covered. */
static gboolean grow_bank(Bank *bank, const float *rows, gsize n, float *distances) {
  gsize channels = (gsize)bank->layer->channels;
  update_distances(bank, rows, n, distances);
  for (gsize pick = farthest(distances, n); distances[pick] > bank->coverage;
       pick = farthest(distances, n)) {
    if (bank->rows->len / channels >= bank->n_most)
      return FALSE;
    const float *entry = rows + pick * channels;
    g_array_append_vals(bank->rows, entry, (guint)channels);
    for (gsize i = 0; i < n; i++)
      distances[i] =
          MIN(distances[i], velm_patch_row_distance(rows + i * channels, entry, 1, channels));
  }
  return TRUE;
}

static gboolean grow_banks(Add *add, const VelmFeatures *features, GError **error) {
  gsize n = add->n_patches;
  g_autofree float *rows = g_new(float, n *(gsize)features->channels);
  g_autofree float *distances = g_new(float, n);
  for (gsize i = 0; i < add->n_layers; i++) {
    const VelmPatchLayer *layer = add->banks[i].layer;
    velm_patch_layer_take(layer, features, layer->scale, n, rows);
    if (!velm_nearest_distances(layer->nearest, rows, distances, error))
      return FALSE;
    if (!grow_bank(&add->banks[i], rows, n, distances))
      add->addition->full = TRUE;
  }
  return TRUE;
}

/* ---- images ---- */

static void keep_added(Add *add, const VelmSample *sample, const VelmInspection *inspection) {
  g_autofree float *mean = g_new(float, (gsize)inspection->features->channels);
  velm_features_mean(inspection->features, mean);
  g_array_append_vals(add->added_means, mean, (guint)inspection->features->channels);
  g_array_append_val(add->added_scores, inspection->score);
  g_ptr_array_add(add->added, (gpointer)sample);
}

/* The score by the model as it was. It says what new parts score, so that of a part that the bank
 * knows does not count. */
static gboolean keep_score(Add *add, const VelmDataset *dataset, const VelmSample *sample,
                           const VelmInspection *inspection, GError **error) {
  float score = (float)inspection->score;
  double early = 0;
  add->addition->n_images++;
  add->addition->n_over += inspection->score >= add->addition->threshold_before;
  if (dataset->has_groups && add->old_parts &&
      g_hash_table_contains(add->old_parts, sample->group)) {
    add->addition->n_known_parts++;
    return TRUE;
  }
  g_array_append_val(add->scores, score);
  g_hash_table_add(add->new_parts, sample->group);
  if (!add->early_scores)
    return TRUE;
  if (!velm_patchcore_early_score(add->detector, inspection->features, &early, error))
    return FALSE;
  score = (float)early;
  g_array_append_val(add->early_scores, score);
  return TRUE;
}

static gboolean add_image(Add *add, const VelmDataset *dataset, const VelmSample *sample,
                          GError **error) {
  g_autoptr(VelmInspection) inspection = velm_inspection_new(sample->path);
  if (!velm_inspection_load(inspection, NULL, 0, error))
    return FALSE;
  char *digest = velm_image_digest(inspection->image);
  if (!g_hash_table_add(add->known, digest)) {
    add->addition->n_known++;
    return TRUE;
  }
  g_ptr_array_add(add->digests, g_strdup(digest));
  if (!velm_detector_detect(add->detector, inspection, error) ||
      !keep_score(add, dataset, sample, inspection, error) ||
      !grow_banks(add, inspection->features, error))
    return FALSE;
  keep_added(add, sample, inspection);
  return TRUE;
}

/* ---- writing ---- */

static void set_names(VelmModel *model, const char *name, GPtrArray *names) {
  g_ptr_array_add(names, NULL);
  velm_model_set_strv(model, name, (const char *const *)names->pdata);
}

static void store_parts(Add *add, const VelmDataset *dataset) {
  gint64 n_images = 0, n_parts = 0;
  velm_model_get_int(add->model, "patchcore.images", &n_images, NULL);
  velm_model_get_int(add->model, "patchcore.parts", &n_parts, NULL);
  velm_model_set_int(add->model, "patchcore.images", n_images + add->addition->n_images);
  velm_model_set_int(add->model, "patchcore.parts",
                     n_parts + (gint64)g_hash_table_size(add->new_parts));
  set_names(add->model, "patchcore.image_digests", add->digests);
  if (!add->parts || !dataset->has_groups)
    return;
  for (guint i = 0; i < add->added->len; i++) {
    const char *part = ((const VelmSample *)add->added->pdata[i])->group;
    if (g_hash_table_add(add->old_parts, g_strdup(part)))
      g_ptr_array_add(add->parts, g_strdup(part));
  }
  set_names(add->model, "patchcore.part_names", add->parts);
}

static void store_banks(Add *add) {
  add->addition->n_layers = add->n_layers;
  add->addition->patches = g_new0(gsize, add->n_layers);
  for (gsize i = 0; i < add->n_layers; i++) {
    const Bank *bank = &add->banks[i];
    g_autofree char *key = velm_patch_layer_key(i, "bank");
    add->addition->patches[i] = bank->rows->len / (gsize)bank->layer->channels - bank->n_before;
    velm_model_set_floats(add->model, key, (const float *)(void *)bank->rows->data,
                          bank->rows->len);
  }
}

static void store_scores(Add *add, const char *name, GArray *scores) {
  velm_patch_scores_store(add->model, name, (float *)(void *)scores->data, scores->len);
}

static void store_threshold(Add *add) {
  store_scores(add, "patchcore.good_scores", add->scores);
  if (add->early_scores)
    store_scores(add, "patchcore.early_scores", add->early_scores);
  add->addition->threshold = velm_upper_quantile((const float *)(void *)add->scores->data,
                                                 add->scores->len, add->false_alarms);
  velm_model_set_double(add->model, "patchcore.threshold", add->addition->threshold);
}

/* Images that the model did not take for anomalous may stand for what is normal. */
static gboolean store_normal_images(Add *add, GError **error) {
  g_autoptr(GArray) candidates = g_array_new(FALSE, FALSE, sizeof(VelmNormalCandidate));
  gsize channels = add->added->len ? add->added_means->len / add->added->len : 0;
  for (guint i = 0; i < add->added->len; i++) {
    VelmNormalCandidate candidate = {.sample = add->added->pdata[i],
                                     .mean = (const float *)(void *)add->added_means->data +
                                             i * channels,
                                     .score = g_array_index(add->added_scores, double, i)};
    if (candidate.score < add->addition->threshold_before)
      g_array_append_val(candidates, candidate);
  }
  return velm_normal_images_extend(add->model,
                                   (const VelmNormalCandidate *)(void *)candidates->data,
                                   candidates->len, channels, error);
}

gboolean velm_patchcore_add_normal(VelmModel *model, const VelmDataset *dataset,
                                   VelmProgress progress, gpointer progress_data,
                                   VelmAddition *addition, GError **error) {
  g_auto(Add) add = {.model = model, .addition = addition};
  if (!add_open(&add, error))
    return FALSE;
  for (guint i = 0; i < dataset->train->len; i++) {
    if (!add_image(&add, dataset, dataset->train->pdata[i], error))
      return FALSE;
    if (progress && !progress("adding", i + 1, dataset->train->len, progress_data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while adding images");
      return FALSE;
    }
  }
  store_parts(&add, dataset);
  store_banks(&add);
  store_threshold(&add);
  return store_normal_images(&add, error);
}
