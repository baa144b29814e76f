/* The middle one of some figures. */
#pragma once

#include <glib.h>

static inline gint median_compare(gconstpointer a, gconstpointer b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/** @series: of double, one at least; it is sorted */
static inline double median(GArray *series) {
  g_array_sort(series, median_compare);
  return g_array_index(series, double, series->len / 2);
}
