#include "detect/patchcore_maps.h"
#include "evaluate/metrics.h"
#include "evaluate/tune.h"

#include <math.h>

/* A further layer must gain as much: it takes time, and a gain by chance is soon had. */
#define LEAST_GAIN 0.003

/* Shares of the map that the score may be the mean of; the first is the default, the second the
 * maximum. */
static const double top_shares[] = {0.004, 1e-9, 0.02};

double velm_tune_merit(const VelmTuneFigures *figures) {
  const double each[] = {figures->image_auroc, figures->pixel_auroc, figures->pointing};
  double sum = 0;
  int n = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(each); i++)
    if (!isnan(each[i]))
      sum += each[i], n++;
  return n ? sum / n : NAN;
}

/* The mean of the chosen layers' maps, of all images. Returns: (transfer full). */
static float *combine(const VelmTuneMaps *maps, const gsize *layers, gsize n) {
  float *combined = g_new0(float, maps->n_images * maps->n_cells);
  for (gsize i = 0; i < maps->n_images; i++)
    for (gsize k = 0; k < n; k++) {
      const float *from = maps->maps + (i * maps->n_layers + layers[k]) * maps->n_cells;
      for (gsize c = 0; c < maps->n_cells; c++)
        combined[i * maps->n_cells + c] += from[c] / (float)n;
    }
  return combined;
}

static double image_auroc(const VelmTuneMaps *maps, float *combined, double share) {
  g_autofree double *scores = g_new(double, maps->n_images);
  for (gsize i = 0; i < maps->n_images; i++) {
    VelmPlane map = {maps->columns, maps->rows, combined + i * maps->n_cells};
    scores[i] = velm_patch_map_score(&map, share);
  }
  return velm_metrics_auroc(scores, maps->defect, maps->n_images);
}

static double pixel_auroc(const VelmTuneMaps *maps, const float *combined) {
  gsize n = 0, n_all = maps->n_images * maps->n_cells;
  g_autofree double *scores = g_new(double, n_all);
  g_autofree guint8 *positive = g_new(guint8, n_all);
  for (gsize i = 0; i < n_all; i++)
    if (maps->masked[i / maps->n_cells] && maps->cells[i] != VELM_CELL_EITHER) {
      scores[n] = (double)combined[i];
      positive[n++] = maps->cells[i] == VELM_CELL_DEFECT;
    }
  return velm_metrics_auroc(scores, positive, n);
}

/* Whether a cell of the defect is at (@x, @y) or next to it. */
static gboolean near_defect(const VelmTuneMaps *maps, const guint8 *cells, int x, int y) {
  for (int v = MAX(0, y - 1); v <= MIN(maps->rows - 1, y + 1); v++)
    for (int u = MAX(0, x - 1); u <= MIN(maps->columns - 1, x + 1); u++)
      if (cells[v * maps->columns + u] != VELM_CELL_GOOD)
        return TRUE;
  return FALSE;
}

static double pointing(const VelmTuneMaps *maps, const float *combined) {
  double hits = 0, n = 0;
  for (gsize i = 0; i < maps->n_images; i++) {
    const float *map = combined + i * maps->n_cells;
    gsize best = 0;
    if (!maps->defect[i] || !maps->masked[i])
      continue;
    for (gsize c = 1; c < maps->n_cells; c++)
      best = map[c] > map[best] ? c : best;
    hits += near_defect(maps, maps->cells + i * maps->n_cells, (int)best % maps->columns,
                        (int)best / maps->columns);
    n++;
  }
  return n > 0 ? hits / n : NAN;
}

static VelmTuneFigures measure(const VelmTuneMaps *maps, const gsize *layers, gsize n) {
  g_autofree float *combined = combine(maps, layers, n);
  return (VelmTuneFigures){image_auroc(maps, combined, top_shares[0]), pixel_auroc(maps, combined),
                           pointing(maps, combined)};
}

static gboolean is_chosen(const VelmTuneChoice *choice, gsize layer) {
  for (gsize i = 0; i < choice->n; i++)
    if (choice->layers[i] == layer)
      return TRUE;
  return FALSE;
}

/* Returns: whether a layer was added. */
static gboolean add_layer(const VelmTuneMaps *maps, VelmTuneChoice *choice) {
  double least = choice->n ? velm_tune_merit(&choice->figures) + LEAST_GAIN : -INFINITY;
  gsize best = maps->n_layers;
  for (gsize layer = 0; layer < maps->n_layers; layer++) {
    if (is_chosen(choice, layer))
      continue;
    choice->layers[choice->n] = layer;
    VelmTuneFigures figures = measure(maps, choice->layers, choice->n + 1);
    double merit = velm_tune_merit(&figures);
    if (merit > least) {
      least = merit;
      best = layer;
    }
  }
  if (best == maps->n_layers)
    return FALSE;
  choice->layers[choice->n++] = best;
  choice->figures = measure(maps, choice->layers, choice->n);
  return TRUE;
}

static void choose_top_share(const VelmTuneMaps *maps, VelmTuneChoice *choice) {
  g_autofree float *combined = combine(maps, choice->layers, choice->n);
  choice->top_share = top_shares[0];
  for (gsize i = 1; i < G_N_ELEMENTS(top_shares); i++) {
    double auroc = image_auroc(maps, combined, top_shares[i]);
    if (auroc > choice->figures.image_auroc + LEAST_GAIN) {
      choice->figures.image_auroc = auroc;
      choice->top_share = top_shares[i];
    }
  }
}

VelmTuneChoice velm_tune_choose(const VelmTuneMaps *maps) {
  VelmTuneChoice choice = {0};
  while (choice.n < VELM_TUNE_MAX_LAYERS && add_layer(maps, &choice))
    ;
  choose_top_share(maps, &choice);
  return choice;
}
