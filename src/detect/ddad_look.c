#include "detect/ddad_look.h"

#include "core/resizer.h"
#include "detect/ddad_distance.h"
#include "detect/ddad_features.h"

#include <math.h>
#include <string.h>

struct _VelmDdadLook {
  const VelmDdadSpec *spec;
  int batch;
  VelmDiffusion *diffusion;
  VelmDenoiser *denoiser;
  VelmDdadFeatures *features;
  VelmResizer *resizer;
  float *targets, *images; /* batch x 3 x height x width */
};

/* ---- opening ---- */

/* Takes both networks, either of which may be NULL. */
static VelmDdadLook *look_new(const VelmDdadSpec *spec, int batch, VelmDenoiser *denoiser,
                              VelmDdadFeatures *features) {
  g_autoptr(VelmDdadLook) look = g_new0(VelmDdadLook, 1);
  look->denoiser = denoiser;
  look->features = features;
  if (!denoiser || !features)
    return NULL;
  look->spec = spec;
  look->batch = batch;
  look->diffusion = velm_diffusion_new(&spec->schedule);
  look->resizer = velm_resizer_new(spec->width, spec->height);
  look->targets = g_new(float, velm_denoiser_n_values(denoiser));
  look->images = g_new0(float, velm_denoiser_n_values(denoiser));
  return g_steal_pointer(&look);
}

VelmDdadLook *velm_ddad_look_open(const VelmDdadSpec *spec, int batch, guint streams,
                                  GError **error) {
  VelmDenoiser *denoiser =
      velm_denoiser_open(spec->denoiser, spec->width, spec->height, batch, streams, error);
  VelmDdadFeatures *features =
      denoiser ? velm_ddad_features_open(spec->features, streams, error) : NULL;
  return look_new(spec, batch, denoiser, features);
}

VelmDdadLook *velm_ddad_look_share(VelmDdadLook *look, GError **error) {
  VelmDenoiser *denoiser = velm_denoiser_share(look->denoiser, error);
  VelmDdadFeatures *features = denoiser ? velm_ddad_features_share(look->features, error) : NULL;
  return look_new(look->spec, look->batch, denoiser, features);
}

void velm_ddad_look_free(VelmDdadLook *look) {
  if (!look)
    return;
  velm_diffusion_free(look->diffusion);
  velm_denoiser_free(look->denoiser);
  velm_ddad_features_free(look->features);
  velm_resizer_free(look->resizer);
  g_free(look->targets);
  g_free(look->images);
  g_free(look);
}

/* ---- looking ---- */

void velm_ddad_distances_clear(VelmDdadDistances *distances) {
  g_clear_pointer(&distances->pixels, velm_plane_free);
  g_clear_pointer(&distances->features, velm_plane_free);
}

/* Rows of pixels from 0 to 255 to planes of channels from -1 to 1. */
static gboolean take_target(VelmDdadLook *look, const VelmImage *image, float *target,
                            GError **error) {
  gsize n = (gsize)look->spec->width * (gsize)look->spec->height;
  const float *pixels = velm_resizer_run(look->resizer, image, error);
  for (gsize i = 0; pixels && i < n; i++)
    for (gsize c = 0; c < 3; c++)
      target[c * n + i] = pixels[3 * i + c] / 127.5f - 1;
  return pixels != NULL;
}

/* Adds what is between an image and one of its reconstructions, whose weight is its share of all.
 */
static gboolean add_distances(VelmDdadLook *look, const float *target, const GPtrArray *layers,
                              const float *image, VelmDdadDistances *distances, GError **error) {
  int width = look->spec->width, height = look->spec->height;
  double weight = 1.0 / look->spec->n_samples;
  g_autoptr(VelmPlane) pixels = velm_ddad_pixel_distance(target, image, width, height);
  g_autoptr(VelmPlane) features =
      velm_ddad_features_distance(look->features, layers, image, width, height, error);
  return features && velm_ddad_distance_add(distances->pixels, pixels, weight, error) &&
         velm_ddad_distance_add(distances->features, features, weight, error);
}

/* One image's noise: it has its own source, which starts anew, so that neither its place in a batch
 * nor the images before it make a difference. */
static void draw_noise(float *values, gsize n, gpointer data) {
  GPtrArray *sources = data;
  gsize each = n / sources->len;
  for (guint i = 0; i < sources->len; i++)
    velm_normal_noise(values + i * each, each, sources->pdata[i]);
}

static GPtrArray *new_sources(const VelmDdadLook *look, int sample) {
  GPtrArray *sources = g_ptr_array_new_with_free_func((GDestroyNotify)g_rand_free);
  for (int i = 0; i < look->batch; i++)
    g_ptr_array_add(sources, g_rand_new_with_seed(look->spec->seed + (guint32)sample));
  return sources;
}

static gboolean run_sample(VelmDdadLook *look, int sample, const GPtrArray *features,
                           VelmDdadDistances *distances, GError **error) {
  gsize each = velm_denoiser_n_values(look->denoiser) / (gsize)look->batch;
  g_autoptr(GPtrArray) sources = new_sources(look, sample);
  gboolean ok = velm_ddad_reconstruct(look->denoiser, look->diffusion, &look->spec->how,
                                      look->targets, draw_noise, sources, look->images, error);
  for (int i = 0; ok && i < look->batch; i++)
    ok = add_distances(look, look->targets + (gsize)i * each, features->pdata[i],
                       look->images + (gsize)i * each, &distances[i], error);
  return ok;
}

/* Returns: (transfer full) (element-type GPtrArray): what velm_ddad_features_of() says of each
 * image. */
static GPtrArray *take_targets(VelmDdadLook *look, const VelmImage *const *images, GError **error) {
  int width = look->spec->width, height = look->spec->height;
  gsize each = velm_denoiser_n_values(look->denoiser) / (gsize)look->batch;
  g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
  for (int i = 0; i < look->batch; i++) {
    float *target = look->targets + (gsize)i * each;
    GPtrArray *layers = take_target(look, images[i], target, error)
                            ? velm_ddad_features_of(look->features, target, width, height, error)
                            : NULL;
    if (!layers)
      return NULL;
    g_ptr_array_add(all, layers);
  }
  return g_steal_pointer(&all);
}

gboolean velm_ddad_look_run(VelmDdadLook *look, const VelmImage *const *images,
                            VelmDdadDistances *distances, GError **error) {
  int width = look->spec->width, height = look->spec->height;
  g_autoptr(GPtrArray) features = take_targets(look, images, error);
  gboolean ok = features != NULL;
  for (int i = 0; i < look->batch; i++)
    distances[i] =
        (VelmDdadDistances){velm_plane_new(width, height), velm_plane_new(width, height)};
  for (int sample = 0; ok && sample < look->spec->n_samples; sample++)
    ok = run_sample(look, sample, features, distances, error);
  for (int i = 0; !ok && i < look->batch; i++)
    velm_ddad_distances_clear(&distances[i]);
  return ok;
}

VelmPlane *velm_ddad_map(const VelmDdadSpec *spec, const VelmDdadDistances *distances,
                         double balance, GError **error) {
  g_autoptr(VelmPlane) sum = velm_plane_copy(distances->features);
  if (!velm_ddad_distance_add(sum, distances->pixels, spec->pixel_weight * balance, error))
    return NULL;
  return velm_plane_blur(sum, spec->smoothing, error);
}

/* ---- time ---- */

#define TIMED 3

gboolean velm_ddad_look_time(VelmDdadLook *look, double *step_ms, double *rest_ms, GError **error) {
  g_autoptr(VelmImage) image = velm_image_new(look->spec->width, look->spec->height);
  g_autoptr(GPtrArray) images = g_ptr_array_new();
  g_autofree VelmDdadDistances *distances = g_new0(VelmDdadDistances, look->batch);
  for (int i = 0; i < look->batch; i++)
    g_ptr_array_add(images, image);
  *step_ms = *rest_ms = INFINITY;
  /* The least of several: the first is slow, and others may use the machine. */
  for (int i = 0; i < TIMED; i++) {
    gint64 start = g_get_monotonic_time();
    if (!velm_denoiser_predict(look->denoiser, look->images, look->spec->how.start - 1, error))
      return FALSE;
    double step = velm_timing_since(start) * look->spec->n_samples;
    start = g_get_monotonic_time();
    if (!velm_ddad_look_run(look, (const VelmImage *const *)images->pdata, distances, error))
      return FALSE;
    double all = velm_timing_since(start);
    for (int k = 0; k < look->batch; k++)
      velm_ddad_distances_clear(&distances[k]);
    *step_ms = MIN(*step_ms, step / look->batch);
    *rest_ms = MIN(*rest_ms, MAX(0, all - step * look->spec->how.n_steps) / look->batch);
  }
  return TRUE;
}
