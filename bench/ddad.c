/*
 * Milliseconds an image of the diffusion detector, by the number of steps and by the size of the
 * images that the denoiser takes.
 *
 *   bench_ddad DENOISER.onnx...
 *
 * Each with its settings beside it, as tools/ddad/export.py writes them; how long it was trained
 * makes no difference to the time. "alone" is one image at a time, "four" a batch of four; medians.
 * Without arguments there is nothing to measure.
 */
#include "detect/ddad_look.h"
#include "median.h"

#include <stdio.h>

#define REPEATS 5
#define BATCH 4

/* What Meson takes for a benchmark that was left out. */
#define SKIPPED 77

static const int steps[] = {1, 2, 5, 10, 25};

/* A good part has about so much texture; the time does not depend on what is in it. */
static VelmImage *make_image(const VelmDdadSpec *spec) {
  VelmImage *image = velm_image_new(2 * spec->width, 2 * spec->height);
  gsize n = (gsize)image->width * (gsize)image->height * 3;
  for (gsize i = 0; i < n; i++)
    image->pixels[i] = (guint8)(100 + i * 2654435761u % 32);
  return image;
}

/* Milliseconds an image in batches of @batch. Returns: FALSE on error. */
static gboolean measure(const VelmDdadSpec *spec, int batch, double *ms, GError **error) {
  g_autoptr(VelmDdadLook) look = velm_ddad_look_open(spec, batch, 0, error);
  if (!look)
    return FALSE;
  g_autoptr(VelmImage) image = make_image(spec);
  g_autoptr(GArray) times = g_array_new(FALSE, FALSE, sizeof(double));
  const VelmImage *images[BATCH];
  VelmDdadDistances distances[BATCH];
  for (int i = 0; i < batch; i++)
    images[i] = image;
  /* The first is not counted: it is slower. */
  for (int i = 0; i <= REPEATS; i++) {
    gint64 start = g_get_monotonic_time();
    if (!velm_ddad_look_run(look, images, distances, error))
      return FALSE;
    double time = velm_timing_since(start) / batch;
    for (int k = 0; k < batch; k++)
      velm_ddad_distances_clear(&distances[k]);
    if (i > 0)
      g_array_append_val(times, time);
  }
  *ms = median(times);
  return TRUE;
}

static gboolean measure_denoiser(const char *path, GError **error) {
  VelmFitParams params = velm_fit_params_default();
  params.denoiser = path;
  for (gsize i = 0; i < G_N_ELEMENTS(steps); i++) {
    double alone = 0, four = 0;
    params.ddad_steps = steps[i];
    g_autoptr(VelmDdadSpec) spec = velm_ddad_spec_read(&params, error);
    if (!spec || !measure(spec, 1, &alone, error) || !measure(spec, BATCH, &four, error))
      return FALSE;
    printf("%5d x %-5d %6d %10.0f %10.0f\n", spec->width, spec->height, steps[i], alone, four);
    fflush(stdout);
  }
  return TRUE;
}

int main(int argc, char **argv) {
  if (argc < 2) {
    printf("name denoisers: bench_ddad DENOISER.onnx...\n");
    return SKIPPED;
  }
  printf("ms an image\n%13s %6s %10s %10s\n", "size", "steps", "alone", "four");
  for (int i = 1; i < argc; i++) {
    g_autoptr(GError) error = NULL;
    if (!measure_denoiser(argv[i], &error)) {
      fprintf(stderr, "bench_ddad: %s\n", error->message);
      return 1;
    }
  }
  return 0;
}
