/* Fitting PatchCore: a layer's memory banks. */
#include "detect/coreset.h"
#include "detect/patchcore_fit.h"

#include <math.h>
#include <string.h>

/* Bank of a layer where no coreset ratio is given. */
#define DEFAULT_BANK 6000

/* The bank is selected from this many patches at most, a random share of each image's. */
#define MAX_CANDIDATES 120000

/* Selection happens in this many dimensions (random projection). */
#define PROJECTED 32

void velm_patch_banks_clear(VelmPatchBanks *banks) {
  g_free(banks->scale);
  g_free(banks->patches);
  g_free(banks->projected);
  for (gsize i = 0; i < G_N_ELEMENTS(banks->choices); i++)
    g_free(banks->choices[i].picks);
}

/* Divides each channel by its deviation over the training patches where the user asks for it; else
 * leaves 1. */
static gboolean find_channel_scale(const VelmPatchFit *fit, gsize layer, float *scale,
                                   GError **error) {
  gsize channels = (gsize)fit->layers[layer].channels, n = 0;
  for (gsize k = 0; k < channels; k++)
    scale[k] = 1;
  if (!fit->params->standardise)
    return TRUE;
  g_autofree float *rows = g_new(float, fit->n_patches *channels);
  g_autofree double *sums = g_new0(double, 2 * channels);
  for (gsize i = 0; i < fit->n_images; i++) {
    if (!velm_patch_fit_read(fit, layer, i, rows, error))
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

static gsize bank_size(const VelmPatchFit *fit) {
  gsize n_all = fit->n_patches * fit->n_images;
  double wanted =
      fit->params->coreset > 0 ? ceil(fit->params->coreset * (double)n_all) : (double)DEFAULT_BANK;
  return MAX(1, MIN((gsize)wanted, n_all));
}

/* The patches among which the bank is chosen: as many of each image, at random. */
static void choose_candidates(VelmPatchBanks *banks, const VelmPatchFit *fit) {
  g_autoptr(GRand) random = g_rand_new_with_seed(fit->params->seed);
  gsize limit = MAX((gsize)MAX_CANDIDATES, 4 * banks->n_bank);
  gsize share = CLAMP(limit / fit->n_images, 1, fit->n_patches);
  banks->patches = g_new(gsize, fit->n_images * share);
  g_autofree gsize *order = g_new(gsize, fit->n_patches);
  for (gsize image = 0; image < fit->n_images; image++) {
    for (gsize i = 0; i < fit->n_patches; i++)
      order[i] = i;
    for (gsize i = 0; i < share; i++) {
      gsize j = i + (gsize)(g_rand_double(random) * (double)(fit->n_patches - i));
      gsize swap = order[i];
      order[i] = order[j];
      order[j] = swap;
      banks->patches[banks->n++] = image * fit->n_patches + order[i];
    }
  }
}

/* Reads the candidates, projected. */
static gboolean project_candidates(VelmPatchBanks *banks, const VelmPatchFit *fit, gsize layer,
                                   GError **error) {
  gsize channels = (gsize)fit->layers[layer].channels;
  gsize share = banks->n / fit->n_images;
  g_autofree float *projection =
      velm_coreset_projection(channels, PROJECTED, fit->params->seed + 1);
  g_autofree float *image = g_new(float, fit->n_patches *channels);
  g_autofree float *chosen = g_new(float, share *channels);
  banks->projected = g_new(float, banks->n *PROJECTED);
  for (gsize i = 0; i < fit->n_images; i++) {
    if (!velm_patch_fit_read(fit, layer, i, image, error))
      return FALSE;
    for (gsize k = 0; k < share; k++)
      memcpy(chosen + k * channels,
             image + (banks->patches[i * share + k] - i * fit->n_patches) * channels,
             channels * sizeof(float));
    velm_patch_rows_scale(chosen, share, channels, banks->scale);
    velm_coreset_project(projection, channels, PROJECTED, chosen, share,
                         banks->projected + i * share * PROJECTED);
  }
  return TRUE;
}

/* The candidates of the parts that are not in @fold (all where it is negative), as indices. */
static gsize *others(const VelmPatchBanks *banks, const VelmPatchFit *fit, int fold, gsize *n) {
  gsize *indices = g_new(gsize, banks->n);
  *n = 0;
  for (gsize i = 0; i < banks->n; i++)
    if (fold < 0 || fit->folds[banks->patches[i] / fit->n_patches] != (guint)fold)
      indices[(*n)++] = i;
  return indices;
}

/* Selects the bank of all parts but those in @fold, and one more pick. */
static VelmPatchChoice select_bank(const VelmPatchBanks *banks, const VelmPatchFit *fit, int fold) {
  gsize n = 0;
  g_autofree gsize *indices = others(banks, fit, fold, &n);
  g_autofree float *points = g_new(float, n *PROJECTED);
  for (gsize i = 0; i < n; i++)
    memcpy(points + i * PROJECTED, banks->projected + indices[i] * PROJECTED,
           PROJECTED * sizeof(float));
  gsize n_picks = MIN(banks->n_bank + 1, n);
  VelmPatchChoice choice = {.n = MIN(banks->n_bank, n), .has_next = n_picks > banks->n_bank};
  choice.picks = velm_coreset_select(points, n, PROJECTED, n_picks, 0);
  for (gsize i = 0; i < n_picks; i++)
    choice.picks[i] = indices[choice.picks[i]];
  return choice;
}

gboolean velm_patch_banks_select(VelmPatchBanks *banks, const VelmPatchFit *fit, gsize layer,
                                 GError **error) {
  banks->scale = g_new(float, (gsize)fit->layers[layer].channels);
  if (!find_channel_scale(fit, layer, banks->scale, error))
    return FALSE;
  banks->n_bank = bank_size(fit);
  choose_candidates(banks, fit);
  if (!project_candidates(banks, fit, layer, error))
    return FALSE;
    /* Side by side. */
#pragma omp parallel for schedule(dynamic)
  for (guint fold = 0; fold <= fit->n_folds; fold++)
    banks->choices[fold] = select_bank(banks, fit, fold < fit->n_folds ? (int)fold : -1);
  return TRUE;
}

static gboolean read_candidate(const VelmPatchBanks *banks, const VelmPatchFit *fit, gsize layer,
                               gsize candidate, float *row, GError **error) {
  gsize patch = banks->patches[candidate];
  gsize at = fit->images[patch / fit->n_patches] * fit->n_patches + patch % fit->n_patches;
  if (!velm_spool_read(fit->spools[layer], at, 1, row, error))
    return FALSE;
  velm_patch_rows_scale(row, 1, (gsize)fit->layers[layer].channels, banks->scale);
  return TRUE;
}

float *velm_patch_banks_read(const VelmPatchBanks *banks, const VelmPatchFit *fit, gsize layer,
                             const VelmPatchChoice *choice, GError **error) {
  gsize channels = (gsize)fit->layers[layer].channels;
  g_autofree float *entries = g_new(float, choice->n *channels);
  for (gsize i = 0; i < choice->n; i++)
    if (!read_candidate(banks, fit, layer, choice->picks[i], entries + i * channels, error))
      return NULL;
  return g_steal_pointer(&entries);
}

double velm_patch_banks_coverage(const VelmPatchBanks *banks, const VelmPatchFit *fit, gsize layer,
                                 const VelmPatchChoice *choice, const float *entries,
                                 GError **error) {
  gsize channels = (gsize)fit->layers[layer].channels;
  if (!choice->has_next)
    return 0;
  g_autofree float *row = g_new(float, channels);
  if (!read_candidate(banks, fit, layer, choice->picks[choice->n], row, error))
    return -1;
  return (double)velm_patch_row_distance(row, entries, choice->n, channels);
}
