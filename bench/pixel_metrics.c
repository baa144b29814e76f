/*
 * What exact pixel metrics cost: time and peak memory for 100, 300 and 1,000 score maps of 1024 x
 * 1024, every second with a mask. Memory must not grow with the maps.
 *
 *   bench_pixel_metrics [MAPS...]
 *
 * A few smooth maps are made beforehand, and each is added many times, moved by an offset of its
 * own, so that making them is not what is measured.
 */
#include "evaluate/pixel_metrics.h"
#include "core/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { SIDE = 1024, MADE = 8, SMALL = 32 };

typedef struct {
  VelmPlane *maps[MADE];
  VelmMask *masks[MADE];
} Made;

/* Noise of a detector's patches, enlarged, with a peak at each defect. */
static VelmPlane *make_map(GRand *random, const VelmMask *mask, GError **error) {
  g_autoptr(VelmPlane) small = velm_plane_new(SMALL, SMALL);
  for (int y = 0; y < SMALL; y++)
    for (int x = 0; x < SMALL; x++) {
      const int step = SIDE / SMALL;
      gboolean defect = mask->values[(y * step + step / 2) * SIDE + x * step + step / 2] != 0;
      small->values[y * SMALL + x] =
          (float)(g_rand_double_range(random, 0.5, 2) + (defect ? g_rand_double(random) : 0));
    }
  return velm_plane_resize(small, SIDE, SIDE, error);
}

static VelmMask *make_mask(GRand *random) {
  VelmMask *mask = velm_mask_new(SIDE, SIDE);
  for (int k = 0; k < 3; k++) {
    int radius = g_rand_int_range(random, 8, 70);
    int cx = g_rand_int_range(random, radius, SIDE - radius);
    int cy = g_rand_int_range(random, radius, SIDE - radius);
    for (int y = -radius; y <= radius; y++)
      for (int x = -radius; x <= radius; x++)
        if (x * x + 2 * y * y <= radius * radius)
          mask->values[(cy + y) * SIDE + cx + x] = 255;
  }
  return mask;
}

static gboolean make(Made *made, GError **error) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  for (int i = 0; i < MADE; i++) {
    made->masks[i] = make_mask(random);
    if (!(made->maps[i] = make_map(random, made->masks[i], error)))
      return FALSE;
  }
  return TRUE;
}

static void made_clear(Made *made) {
  for (int i = 0; i < MADE; i++) {
    velm_plane_free(made->maps[i]);
    velm_mask_free(made->masks[i]);
  }
}

static double seconds_since(gint64 start) { return (double)(g_get_monotonic_time() - start) / 1e6; }

static double peak_mib(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)usage.ru_maxrss / 1024;
}

static void move_map(const VelmPlane *from, VelmPlane *to, double offset) {
  for (gsize i = 0; i < (gsize)SIDE * SIDE; i++)
    to->values[i] = from->values[i] + (float)offset;
}

/* @seconds: of labelling the masks and adding the maps */
static gboolean add_maps(const Made *made, int n, VelmPixelScores *scores, double *seconds,
                         GError **error) {
  g_autoptr(VelmPlane) map = velm_plane_new(SIDE, SIDE);
  for (int i = 0; i < n; i++) {
    move_map(made->maps[i % MADE], map, 1e-3 * i);
    gint64 start = g_get_monotonic_time();
    g_autoptr(VelmTruthRegions) truth =
        i % 2 ? velm_truth_regions_find(made->masks[i % MADE]->values, SIDE, SIDE) : NULL;
    if (!velm_pixel_scores_add(scores, map->values, truth, SIDE, SIDE, error))
      return FALSE;
    *seconds += seconds_since(start);
  }
  return TRUE;
}

static gboolean bench(const Made *made, int n, GError **error) {
  g_autoptr(VelmPixelScores) scores = velm_pixel_scores_new();
  double adding = 0;
  if (!add_maps(made, n, scores, &adding, error))
    return FALSE;
  const VelmPixelScores *stores[] = {scores};
  VelmPixelFigures figures;
  VelmPixelCurves curves;
  gint64 start = g_get_monotonic_time();
  if (!velm_pixel_metrics_measure(stores, 1, VELM_AUPRO_LIMIT, &figures, &curves, error))
    return FALSE;
  double measuring = seconds_since(start);
  velm_pixel_curves_clear(&curves);
  printf("%8d%10.2f%11.2f%10.2f%12.0f%10.4f%10.4f%10.4f\n", n, adding, measuring,
         adding + measuring, peak_mib(), figures.auroc, figures.average_precision, figures.aupro);
  fflush(stdout);
  return TRUE;
}

int main(int argc, char **argv) {
  const char *const usual[] = {"100", "300", "1000", NULL};
  const char *const *sizes = argc > 1 ? (const char *const *)argv + 1 : usual;
  g_autoptr(GError) error = NULL;
  Made made = {0};
  gboolean ok = make(&made, &error);
  printf("%8s%10s%11s%10s%12s%10s%10s%10s\n", "maps", "adding s", "measuring", "all", "peak MiB",
         "AUROC", "AP", "AUPRO");
  for (; ok && *sizes; sizes++)
    ok = bench(&made, MAX(atoi(*sizes), 0), &error);
  made_clear(&made);
  if (!ok)
    fprintf(stderr, "%s\n", error->message);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
