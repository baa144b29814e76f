#include "detect/region_level.h"

#include "detect/quantile.h"

#include <stdlib.h>

#define LEVEL 0.7

/* The median is that of so many values, evenly spread: a map of pixels has many more. */
#define MAX_SORTED 4096

static double median(const VelmPlane *map) {
  gsize n = (gsize)map->width * (gsize)map->height, n_sorted = MIN(n, MAX_SORTED);
  g_autofree float *sorted = g_new(float, n_sorted);
  for (gsize i = 0; i < n_sorted; i++)
    sorted[i] = map->values[i * n / n_sorted];
  qsort(sorted, n_sorted, sizeof *sorted, velm_compare_floats);
  return (double)sorted[n_sorted / 2];
}

double velm_region_level(const VelmPlane *map) {
  double middle = median(map), top = -G_MAXDOUBLE;
  for (gsize i = 0; i < (gsize)map->width * (gsize)map->height; i++)
    top = MAX(top, (double)map->values[i]);
  return middle + LEVEL * (top - middle);
}
