#include "detect/screen.h"

#include "detect/quantile.h"

#include <math.h>

void velm_screen_set_level(VelmScreen *screen, double onward) {
  screen->level = velm_upper_quantile(screen->fast, screen->n_fast, onward);
}

gboolean velm_screen_is_clearly_normal(const VelmScreen *screen, double fast_score) {
  return fast_score < screen->level;
}

/* The share of @n rising @values that lies under @value, interpolated; the inverse of
 * velm_upper_quantile(). */
static double share_under(const float *values, gsize n, double value) {
  gsize i = 0;
  while (i < n && (double)values[i] <= value)
    i++;
  if (i == 0 || i == n)
    return i == 0 ? 0 : 1;
  double low = (double)values[i - 1], high = (double)values[i];
  return ((double)(i - 1) + (value - low) / (high - low)) / (double)(n - 1);
}

double velm_screen_score(const VelmScreen *screen, double fast_score) {
  double share = share_under(screen->fast, screen->n_fast, fast_score);
  double score = velm_upper_quantile(screen->accurate, screen->n_accurate, 1 - share);
  /* Lower than every good part of training: in proportion, so that the order stays. */
  if (fast_score < (double)screen->fast[0])
    score *= fast_score / (double)screen->fast[0];
  return MIN(score, nextafter(screen->threshold, 0));
}

void velm_screen_settle(const VelmScreen *screen, VelmInspection *inspection) {
  double score = velm_screen_score(screen, inspection->score);
  double factor = inspection->score > 0 ? score / inspection->score : 1;
  for (gsize i = 0; i < (gsize)inspection->map->width * (gsize)inspection->map->height; i++)
    inspection->map->values[i] *= (float)factor;
  g_clear_pointer(&inspection->features, velm_features_free);
  inspection->score = score;
  inspection->threshold = screen->threshold;
  inspection->region_threshold *= factor;
  inspection->anomalous = FALSE;
  inspection->look = "fast";
}
