#include "classify/reference_images.h"

#include "detect/normal_images.h"

/* A typical normal image, PNG: all that models of older versions have. */
#define TYPICAL_NAME "detector.normal_png"

struct _VelmReferenceImages {
  VelmNormalImages *images;
  VelmImage *typical; /* where there are no others; or NULL */
};

static gboolean read_typical(VelmReferenceImages *references, VelmModel *model, GError **error) {
  g_autoptr(GError) cause = NULL;
  if (!velm_model_has(model, TYPICAL_NAME))
    return TRUE;
  g_autoptr(GBytes) png = velm_model_get_bytes(model, TYPICAL_NAME, &cause);
  references->typical = png ? velm_image_parse(png, TYPICAL_NAME, &cause) : NULL;
  if (!references->typical)
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "the model's \"%s\" cannot be used: %s",
                TYPICAL_NAME, cause->message);
  return references->typical != NULL;
}

VelmReferenceImages *velm_reference_images_open(VelmModel *model, GError **error) {
  g_autoptr(VelmReferenceImages) references = g_new0(VelmReferenceImages, 1);
  if (!model)
    return g_steal_pointer(&references);
  references->images = velm_normal_images_open(model, error);
  if (!references->images)
    return NULL;
  if (references->images->images->len == 0 && !read_typical(references, model, error))
    return NULL;
  return g_steal_pointer(&references);
}

static double squared_distance(const float *a, const float *b, gsize n) {
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
  return sum;
}

const VelmImage *velm_reference_images_nearest(const VelmReferenceImages *references,
                                               const VelmFeatures *features) {
  const VelmNormalImages *normal = references->images;
  guint nearest = 0;
  if (!normal || normal->images->len == 0)
    return references->typical;
  if (!features || (gsize)features->channels != normal->channels)
    return g_ptr_array_index(normal->images, 0);
  g_autofree float *mean = g_new(float, normal->channels);
  velm_features_mean(features, mean);
  double least = G_MAXDOUBLE;
  for (guint i = 0; i < normal->images->len; i++) {
    double distance =
        squared_distance(mean, normal->means + i * normal->channels, normal->channels);
    if (distance < least) {
      least = distance;
      nearest = i;
    }
  }
  return g_ptr_array_index(normal->images, nearest);
}

void velm_reference_images_free(VelmReferenceImages *references) {
  if (!references)
    return;
  velm_normal_images_free(references->images);
  velm_image_free(references->typical);
  g_free(references);
}
