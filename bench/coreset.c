/*
 * What selecting a memory bank takes: greedy k-centre picks among the patches of many images, in
 * the 32 dimensions that they are projected to.
 *
 *   bench_coreset [POINTS PICKS]
 *
 * The points are made up as features are: each image has some places of its own, each place some
 * patches about it, and few directions hold most of the variance.
 */
#include "detect/coreset.h"

#include <stdio.h>
#include <stdlib.h>

#define DIMS 32
#define PATCHES 1024 /* of an image */
#define PLACES 24

static void add_noise(GRand *random, float *to, double scale) {
  for (gsize k = 0; k < DIMS; k++)
    to[k] += (float)(scale / (1 + 0.25 * (double)k) * (g_rand_double(random) - 0.5));
}

static float *make_points(gsize n) {
  g_autoptr(GRand) random = g_rand_new_with_seed(1);
  float *points = g_new0(float, n *DIMS);
  float places[PLACES][DIMS];
  for (gsize i = 0; i < n; i++) {
    if (i % PATCHES == 0)
      for (gsize place = 0; place < PLACES; place++) {
        for (gsize k = 0; k < DIMS; k++)
          places[place][k] = 0;
        add_noise(random, places[place], 10);
      }
    const float *place = places[g_rand_int_range(random, 0, PLACES)];
    for (gsize k = 0; k < DIMS; k++)
      points[i * DIMS + k] = place[k];
    add_noise(random, points + i * DIMS, 4);
  }
  return points;
}

static void measure(const float *points, gsize n, gsize picks) {
  gint64 start = g_get_monotonic_time();
  g_autofree gsize *chosen = velm_coreset_select(points, n, DIMS, picks, 0);
  double seconds = (double)(g_get_monotonic_time() - start) / 1e6;
  printf("%10" G_GSIZE_FORMAT " %8" G_GSIZE_FORMAT " %9.2f %12.0f\n", n, picks, seconds,
         (double)picks / seconds);
}

int main(int argc, char **argv) {
  gsize n = argc > 2 ? (gsize)strtoul(argv[1], NULL, 10) : 479232;
  gsize picks = argc > 2 ? (gsize)strtoul(argv[2], NULL, 10) : n / 100;
  if (n < 16 || picks < 1 || picks > n) {
    fprintf(stderr, "usage: %s [POINTS PICKS]\n", argv[0]);
    return 2;
  }
  g_autofree float *points = make_points(n);
  printf("greedy k-centre picks in %d dimensions\n%10s %8s %9s %12s\n", DIMS, "points", "picks",
         "seconds", "picks/second");
  for (gsize part = 16; part >= 1; part /= 4)
    measure(points, n / part, MAX(1, picks / part));
  return 0;
}
