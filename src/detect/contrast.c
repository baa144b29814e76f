#include "detect/contrast.h"

#include "core/parallel.h"

#include <math.h>

/* ---- one image ---- */

/* The middle one of @n values, which are shuffled (Hoare's selection). */
static float middle_of(float *values, gsize n) {
  gssize low = 0, high = (gssize)n - 1, middle = (gssize)n / 2;
  while (low < high) {
    float pivot = values[middle];
    gssize i = low, j = high;
    do {
      while (values[i] < pivot)
        i++;
      while (pivot < values[j])
        j--;
      if (i > j)
        break;
      float swap = values[i];
      values[i++] = values[j];
      values[j--] = swap;
    } while (i <= j);
    if (j < middle)
      low = i;
    if (middle < i)
      high = j;
  }
  return values[middle];
}

/* An image's features on their way. */
typedef struct {
  float *rows;
  gsize n, channels;
} Rows;

/* Subtracts the image's middle of one channel. */
static void centre_channel(gsize channel, gpointer data) {
  const Rows *all = data;
  g_autofree float *column = g_new(float, all->n);
  for (gsize i = 0; i < all->n; i++)
    column[i] = all->rows[i * all->channels + channel];
  float middle = middle_of(column, all->n);
  for (gsize i = 0; i < all->n; i++)
    all->rows[i * all->channels + channel] -= middle;
}

/* Subtracts what is usual at each place, then the image's middle of each channel. */
static void centre(const float *places, float *rows, gsize n, gsize channels) {
  for (gsize i = 0; i < n * channels; i++)
    rows[i] -= places[i];
  Rows all = {rows, n, channels};
  velm_parallel(channels, centre_channel, &all);
}

static void norms(const float *rows, gsize n, gsize channels, float *out) {
  for (gsize i = 0; i < n; i++) {
    const float *row = rows + i * channels;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (gsize k = 0; k < channels; k++)
      sum += row[k] * row[k];
    out[i] = sqrtf(sum);
  }
}

void velm_contrast_measure(const VelmContrast *contrast, float *rows, float *contrasts) {
  centre(contrast->places, rows, contrast->n_places, contrast->channels);
  norms(rows, contrast->n_places, contrast->channels, contrasts);
  for (gsize i = 0; i < contrast->n_places; i++)
    contrasts[i] /= contrast->typical[i];
}

/* ---- good images ---- */

static gboolean find_places(VelmSpool *spool, const guint *images, gsize n_images, gsize n_places,
                            gsize channels, float *places, GError **error) {
  gsize n = n_places * channels;
  g_autofree float *rows = g_new(float, n);
  g_autofree double *sums = g_new0(double, n);
  for (gsize i = 0; i < n_images; i++) {
    if (!velm_spool_read(spool, images[i] * n_places, n_places, rows, error))
      return FALSE;
    for (gsize k = 0; k < n; k++)
      sums[k] += (double)rows[k];
  }
  for (gsize k = 0; k < n; k++)
    places[k] = (float)(sums[k] / (double)n_images);
  return TRUE;
}

static gboolean find_typical(VelmSpool *spool, const guint *images, gsize n_images, gsize n_places,
                             gsize channels, const float *places, float *typical, GError **error) {
  g_autofree float *rows = g_new(float, n_places *channels);
  g_autofree float *found = g_new(float, n_places);
  g_autofree double *sums = g_new0(double, n_places);
  for (gsize i = 0; i < n_images; i++) {
    if (!velm_spool_read(spool, images[i] * n_places, n_places, rows, error))
      return FALSE;
    centre(places, rows, n_places, channels);
    norms(rows, n_places, channels, found);
    for (gsize k = 0; k < n_places; k++)
      sums[k] += (double)found[k];
  }
  for (gsize k = 0; k < n_places; k++)
    typical[k] = (float)MAX(sums[k] / (double)n_images, 1e-6);
  return TRUE;
}

gboolean velm_contrast_fit(VelmSpool *spool, const guint *images, gsize n_images, gsize n_places,
                           gsize channels, VelmModel *model, GError **error) {
  g_autofree float *places = g_new(float, n_places *channels);
  g_autofree float *typical = g_new(float, n_places);
  if (!find_places(spool, images, n_images, n_places, channels, places, error) ||
      !find_typical(spool, images, n_images, n_places, channels, places, typical, error))
    return FALSE;
  velm_model_set_floats(model, "contrast.places", places, n_places * channels);
  velm_model_set_floats(model, "contrast.typical", typical, n_places);
  return TRUE;
}

gboolean velm_contrast_open(VelmContrast *contrast, VelmModel *model, gsize n_places,
                            gsize channels, GError **error) {
  *contrast = (VelmContrast){.n_places = n_places, .channels = channels};
  contrast->places =
      velm_model_get_floats(model, "contrast.places", n_places * channels, NULL, error);
  contrast->typical = contrast->places
                          ? velm_model_get_floats(model, "contrast.typical", n_places, NULL, error)
                          : NULL;
  if (!contrast->typical)
    return FALSE;
  for (gsize i = 0; i < n_places; i++)
    if (!(contrast->typical[i] > 0)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                  "the model's contrast is not a positive number everywhere; fit it again");
      return FALSE;
    }
  return TRUE;
}
