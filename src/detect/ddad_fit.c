/* Fitting to a denoiser: it is trained already; the balance of the distances and the threshold come
 * from good images. */
#include "detect/ddad.h"
#include "detect/ddad_look.h"
#include "detect/normal_images.h"
#include "detect/quantile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Images scored, at most: quantiles need no more. */
#define MAX_SCORED 600

/* Fewer images that the denoiser does not know tell no threshold. */
#define MIN_HELD_BACK 20

/* Images that go through the denoiser at a time. */
#define BATCH 4

/* A budget buys no more steps than this: the published settings have 10. */
#define MAX_BUDGET_STEPS 25

static gboolean check_params(const VelmFitParams *params, GError **error) {
  const char *why = NULL;
  if (params->coreset > 0 || params->standardise || params->top_share > 0 || params->robust > 0 ||
      params->tiles > 1)
    why = "the detector \"ddad\" has no coreset, no channels to be scaled, no share of the score's "
          "values, no tiles and no --robust";
  else if (params->ddad_steps < 0 || params->ddad_start < 0 || params->ddad_samples < 0)
    why = "the steps, the start and the samples must be 1 or more";
  else if (params->ddad_budget_ms < 0 || isnan(params->ddad_budget_ms))
    why = "the budget must be a number of milliseconds over 0";
  else if (params->ddad_budget_ms > 0 && params->ddad_steps > 0)
    why = "the budget sets the number of steps: name one or the other";
  if (why)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s", why);
  return why == NULL;
}

/* ---- which images ---- */

/* Those that the denoiser was not trained on. Returns: (transfer container). */
static GPtrArray *find_held_back(const VelmDataset *dataset, const VelmDdadSpec *spec) {
  g_autoptr(GHashTable) held = g_hash_table_new(g_str_hash, g_str_equal);
  GPtrArray *found = g_ptr_array_new();
  for (char **path = spec->held_back; *path; path++)
    g_hash_table_add(held, *path);
  for (guint i = 0; i < dataset->train->len; i++) {
    VelmSample *sample = dataset->train->pdata[i];
    g_autofree char *path = velm_dataset_path_below(dataset, sample->path);
    if (g_hash_table_contains(held, path))
      g_ptr_array_add(found, sample);
  }
  return found;
}

/* Those held back, where there are enough to tell a threshold, for the denoiser makes those that it
 * knows too well; else all, evenly. Returns: (transfer container) (element-type VelmSample). */
static GPtrArray *choose_samples(const VelmDataset *dataset, const VelmDdadSpec *spec,
                                 gboolean *held_back) {
  g_autoptr(GPtrArray) held = find_held_back(dataset, spec);
  *held_back = held->len >= MIN_HELD_BACK;
  const GPtrArray *of = *held_back ? held : dataset->train;
  GPtrArray *chosen = g_ptr_array_new();
  gsize n = MIN(of->len, MAX_SCORED);
  for (gsize i = 0; i < n; i++)
    g_ptr_array_add(chosen, of->pdata[i * of->len / n]);
  return chosen;
}

static gsize count_parts(const GPtrArray *samples) {
  g_autoptr(GHashTable) parts = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < samples->len; i++) {
    const VelmSample *sample = samples->pdata[i];
    g_hash_table_add(parts, sample->group ? sample->group : sample->path);
  }
  return g_hash_table_size(parts);
}

/* ---- their distances ---- */

typedef struct {
  const VelmSample **samples;
  gsize n;
  VelmDdadDistances *distances;
} Good;

static void good_clear(Good *good) {
  for (gsize i = 0; good->distances && i < good->n; i++)
    velm_ddad_distances_clear(&good->distances[i]);
  g_free(good->distances);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Good, good_clear)

/* The last batch is filled up with the last image. */
static gboolean measure_batch(VelmDdadLook *look, Good *good, gsize first, GError **error) {
  g_autoptr(GPtrArray) images = g_ptr_array_new_with_free_func((GDestroyNotify)velm_image_free);
  VelmDdadDistances distances[BATCH];
  for (gsize i = 0; i < BATCH; i++) {
    const VelmSample *sample = good->samples[MIN(first + i, good->n - 1)];
    VelmImage *image = velm_image_load(sample->path, 0, error);
    if (!image)
      return FALSE;
    g_ptr_array_add(images, image);
  }
  if (!velm_ddad_look_run(look, (const VelmImage *const *)images->pdata, distances, error))
    return FALSE;
  for (gsize i = 0; i < BATCH; i++)
    if (first + i < good->n)
      good->distances[first + i] = distances[i];
    else
      velm_ddad_distances_clear(&distances[i]);
  return TRUE;
}

static gboolean report(const VelmFitParams *params, gsize done, gsize total, GError **error) {
  if (!params->progress || params->progress("scores", done, total, params->progress_data))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while fitting (scores)");
  return FALSE;
}

static gboolean measure_all(VelmDdadLook *look, Good *good, const VelmFitParams *params,
                            GError **error) {
  good->distances = g_new0(VelmDdadDistances, good->n);
  for (gsize i = 0; i < good->n; i += BATCH)
    if (!measure_batch(look, good, i, error) ||
        !report(params, MIN(i + BATCH, good->n), good->n, error))
      return FALSE;
  return TRUE;
}

/* The largest distance of the features over that of the pixels. */
static gboolean find_balance(const Good *good, const char *denoiser, double *balance,
                             GError **error) {
  double pixels = 0, features = 0;
  for (gsize i = 0; i < good->n; i++) {
    double a = velm_plane_largest(good->distances[i].pixels);
    double b = velm_plane_largest(good->distances[i].features);
    pixels = isfinite(a) ? MAX(pixels, a) : NAN;
    features = isfinite(b) ? MAX(features, b) : NAN;
    if (isnan(pixels) || isnan(features))
      break;
  }
  *balance = features / pixels;
  if (*balance > 0 && *balance < VELM_DDAD_MAX_BALANCE)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_ENGINE,
              "%s: what it makes of the good images cannot be compared with them: the largest "
              "distances are %g of the pixels and %g of the features",
              denoiser, pixels, features);
  return FALSE;
}

/* ---- the threshold ---- */

static const VelmSample *most_typical(const Good *good, const float *scores) {
  gsize lowest = 0;
  for (gsize i = 1; i < good->n; i++)
    if (scores[i] < scores[lowest])
      lowest = i;
  return good->samples[lowest];
}

static float *score_all(const VelmDdadSpec *spec, const Good *good, double balance,
                        GError **error) {
  g_autofree float *scores = g_new(float, good->n);
  for (gsize i = 0; i < good->n; i++) {
    g_autoptr(VelmPlane) map = velm_ddad_map(spec, &good->distances[i], balance, error);
    if (!map)
      return NULL;
    scores[i] = (float)velm_plane_largest(map);
  }
  return g_steal_pointer(&scores);
}

static gboolean calibrate(const VelmDdadSpec *spec, const Good *good, const VelmFitParams *params,
                          VelmModel *model, GError **error) {
  double balance = 0;
  if (!find_balance(good, spec->denoiser, &balance, error))
    return FALSE;
  g_autofree float *scores = score_all(spec, good, balance, error);
  if (!scores || !velm_normal_images_store_typical(model, most_typical(good, scores), error))
    return FALSE;
  qsort(scores, good->n, sizeof *scores, velm_compare_floats);
  velm_model_set_double(model, "ddad.balance", balance);
  velm_model_set_floats(model, "ddad.good_scores", scores, good->n);
  velm_model_set_double(model, "ddad.threshold",
                        velm_upper_quantile(scores, good->n, params->false_alarms));
  return TRUE;
}

/* ---- the budget ---- */

/* As many steps as the time for an image allows on this machine. */
static gboolean spend(VelmDdadSpec *spec, double budget_ms, GError **error) {
  g_autoptr(VelmDdadLook) look = velm_ddad_look_open(spec, 1, 0, error);
  double step = 0, rest = 0;
  if (!look || !velm_ddad_look_time(look, &step, &rest, error))
    return FALSE;
  if (budget_ms < rest + step) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "%s: one step takes %.0f ms and what follows %.0f ms: more than the budget of %.0f "
                "ms",
                spec->denoiser, step, rest, budget_ms);
    return FALSE;
  }
  spec->how.n_steps = (int)MIN((budget_ms - rest) / step, MIN(MAX_BUDGET_STEPS, spec->how.start));
  return TRUE;
}

/* ---- all of it ---- */

gboolean velm_ddad_fit(const VelmDataset *dataset, const VelmFitParams *params, VelmModel *model,
                       GError **error) {
  if (!check_params(params, error))
    return FALSE;
  if (dataset->train->len < 2) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                "%s: has one good image; the threshold needs at least two", dataset->directory);
    return FALSE;
  }
  g_autoptr(VelmDdadSpec) spec = velm_ddad_spec_read(params, error);
  if (!spec || (params->ddad_budget_ms > 0 && !spend(spec, params->ddad_budget_ms, error)) ||
      !velm_ddad_spec_store(spec, model, error))
    return FALSE;
  g_autoptr(VelmDdadLook) look = velm_ddad_look_open(spec, BATCH, 0, error);
  gboolean held_back = FALSE;
  g_autoptr(GPtrArray) samples = choose_samples(dataset, spec, &held_back);
  g_auto(Good) good = {(const VelmSample **)samples->pdata, samples->len, NULL};
  if (!look || !measure_all(look, &good, params, error))
    return FALSE;
  velm_model_set_int(model, "ddad.images", (gint64)good.n);
  velm_model_set_int(model, "ddad.parts", (gint64)count_parts(samples));
  velm_model_set_int(model, "ddad.held_back", held_back);
  return calibrate(spec, &good, params, model, error);
}
