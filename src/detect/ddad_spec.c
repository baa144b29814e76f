#include "detect/ddad_spec.h"

#include "core/file.h"
#include "detect/network_file.h"

#include <math.h>

/* Largest side of a denoiser's images, in pixels. */
#define MAX_SIZE 1024

void velm_ddad_spec_free(VelmDdadSpec *spec) {
  if (!spec)
    return;
  velm_backbone_spec_free(spec->features);
  g_strfreev(spec->held_back);
  g_free(spec->denoiser);
  g_free(spec);
}

/* ---- ranges ---- */

/* NaN lies in none. */
static gboolean lies(double value, double least, double most) {
  return value >= least && value <= most;
}

/* What is wrong with the first value that is out of its range, or NULL. */
static const char *find_wrong(const VelmDdadSpec *spec) {
  const VelmNoiseSchedule *schedule = &spec->schedule;
  const VelmReconstruction *how = &spec->how;
  if (!lies(spec->width, 8, MAX_SIZE) || !lies(spec->height, 8, MAX_SIZE))
    return "the images' width and height must be 8 to " G_STRINGIFY(MAX_SIZE) " pixels";
  if (!lies(schedule->n_steps, 1, VELM_DIFFUSION_MAX_STEPS))
    return "the schedule's steps must be 1 to " G_STRINGIFY(VELM_DIFFUSION_MAX_STEPS);
  if (!lies(schedule->first, 1e-8, 0.5) || !lies(schedule->last, 1e-8, 0.5))
    return "the schedule's first and last variance must be over 0, and 0.5 at most";
  if (!lies(how->start, 1, schedule->n_steps))
    return "the start must be a step of the schedule, 1 at least";
  if (!lies(how->n_steps, 1, how->start))
    return "the number of steps must be 1 at least, and the start at most";
  if (!lies(how->guidance, 0, 100))
    return "the guidance must be 0 to 100";
  if (!lies(how->eta, 0, 1))
    return "the share of fresh noise, eta, must be 0 to 1";
  if (!lies(spec->n_samples, 1, VELM_DDAD_MAX_SAMPLES))
    return "the samples must be 1 to " G_STRINGIFY(VELM_DDAD_MAX_SAMPLES);
  if (!lies(spec->pixel_weight, 0, 1000))
    return "the pixels' weight must be 0 to 1000";
  if (!lies(spec->smoothing, 0, 64))
    return "the smoothing must be 0 to 64 pixels";
  return NULL;
}

gboolean velm_ddad_spec_check(const VelmDdadSpec *spec, VelmError code, const char *name,
                              GError **error) {
  const char *why = find_wrong(spec);
  if (why)
    g_set_error(error, VELM_ERROR, code, "%s: %s", name, why);
  return why == NULL;
}

/* ---- in the model ---- */

typedef struct {
  const char *name;
  gsize offset;
} Field;

static const Field doubles[] = {
    {"ddad.schedule_first", G_STRUCT_OFFSET(VelmDdadSpec, schedule.first)},
    {"ddad.schedule_last", G_STRUCT_OFFSET(VelmDdadSpec, schedule.last)},
    {"ddad.guidance", G_STRUCT_OFFSET(VelmDdadSpec, how.guidance)},
    {"ddad.eta", G_STRUCT_OFFSET(VelmDdadSpec, how.eta)},
    {"ddad.pixel_weight", G_STRUCT_OFFSET(VelmDdadSpec, pixel_weight)},
    {"ddad.smoothing", G_STRUCT_OFFSET(VelmDdadSpec, smoothing)},
};

static const Field ints[] = {
    {"ddad.width", G_STRUCT_OFFSET(VelmDdadSpec, width)},
    {"ddad.height", G_STRUCT_OFFSET(VelmDdadSpec, height)},
    {"ddad.schedule_steps", G_STRUCT_OFFSET(VelmDdadSpec, schedule.n_steps)},
    {"ddad.start", G_STRUCT_OFFSET(VelmDdadSpec, how.start)},
    {"ddad.steps", G_STRUCT_OFFSET(VelmDdadSpec, how.n_steps)},
    {"ddad.samples", G_STRUCT_OFFSET(VelmDdadSpec, n_samples)},
};

/* Of the network, and of its weights where they are another file. Returns: (transfer full). */
static char *digest_of(const char *path, GError **error) {
  g_autofree char *weights = velm_network_weights_path(path);
  g_autofree char *first = velm_file_sha256(path, error);
  if (!first || !weights)
    return g_steal_pointer(&first);
  g_autofree char *second = velm_file_sha256(weights, error);
  return second ? g_strconcat(first, second, NULL) : NULL;
}

gboolean velm_ddad_spec_store(const VelmDdadSpec *spec, VelmModel *model, GError **error) {
  g_autofree char *digest = digest_of(spec->denoiser, error);
  if (!digest || !velm_backbone_spec_store(spec->features, model, error))
    return FALSE;
  velm_model_set_string(model, "ddad.path", spec->denoiser);
  velm_model_set_string(model, "ddad.sha256", digest);
  velm_model_set_int(model, "ddad.seed", spec->seed);
  for (gsize i = 0; i < G_N_ELEMENTS(doubles); i++)
    velm_model_set_double(model, doubles[i].name, G_STRUCT_MEMBER(double, spec, doubles[i].offset));
  for (gsize i = 0; i < G_N_ELEMENTS(ints); i++)
    velm_model_set_int(model, ints[i].name, G_STRUCT_MEMBER(int, spec, ints[i].offset));
  return TRUE;
}

static gboolean read_numbers(VelmDdadSpec *spec, VelmModel *model, GError **error) {
  gint64 whole = 0;
  for (gsize i = 0; i < G_N_ELEMENTS(doubles); i++)
    if (!velm_model_get_double(model, doubles[i].name,
                               &G_STRUCT_MEMBER(double, spec, doubles[i].offset), error))
      return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS(ints); i++) {
    if (!velm_model_get_int(model, ints[i].name, &whole, error))
      return FALSE;
    G_STRUCT_MEMBER(int, spec, ints[i].offset) = (int)CLAMP(whole, -1, G_MAXINT);
  }
  if (!velm_model_get_int(model, "ddad.seed", &whole, error))
    return FALSE;
  spec->seed = (guint32)whole;
  return velm_ddad_spec_check(spec, VELM_ERROR_MODEL, "the model", error);
}

VelmDdadSpec *velm_ddad_spec_restore(VelmModel *model, GError **error) {
  g_autoptr(VelmDdadSpec) spec = g_new0(VelmDdadSpec, 1);
  const char *path = velm_model_get_string(model, "ddad.path", error);
  if (!path)
    return NULL;
  spec->denoiser = g_strdup(path);
  if (!read_numbers(spec, model, error) ||
      !velm_network_check_digest(model, "ddad.sha256", path, digest_of,
                                 "another one than when the model was fitted", error))
    return NULL;
  spec->features = velm_backbone_spec_restore(model, error);
  return spec->features ? g_steal_pointer(&spec) : NULL;
}
