#include "detect/normal_images.h"

#include <stdlib.h>
#include <string.h>

/* Names in the model: the images, numbered from 0, and the means of all. */
#define IMAGE_NAME "detector.normal_jpeg.%u"
#define MEANS_NAME "detector.normal_means"

/* Fine textures survive it. */
#define JPEG_QUALITY 90

/* Candidates with a score over that of this share are passed over. */
#define USUAL_SHARE 0.75

void velm_features_mean(const VelmFeatures *features, float *mean) {
  gsize n = (gsize)features->rows * (gsize)features->columns;
  gsize channels = (gsize)features->channels;
  g_autofree double *sums = g_new0(double, channels);
  for (gsize i = 0; i < n; i++)
    for (gsize k = 0; k < channels; k++)
      sums[k] += (double)features->values[i * channels + k];
  for (gsize k = 0; k < channels; k++)
    mean[k] = (float)(sums[k] / (double)n);
}

/* ---- choosing ---- */

static int compare_doubles(gconstpointer a, gconstpointer b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The highest score of the usual candidates. */
static double usual_score(const VelmNormalCandidate *candidates, gsize n) {
  g_autofree double *scores = g_new(double, n);
  for (gsize i = 0; i < n; i++)
    scores[i] = candidates[i].score;
  qsort(scores, n, sizeof *scores, compare_doubles);
  return scores[(gsize)(USUAL_SHARE * (double)(n - 1))];
}

static double distance(const float *a, const float *b, gsize n) {
  double sum = 0;
  for (gsize i = 0; i < n; i++)
    sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
  return sum;
}

static gsize find_most_typical(const VelmNormalCandidate *candidates, gsize n) {
  gsize lowest = 0;
  for (gsize i = 1; i < n; i++)
    if (candidates[i].score < candidates[lowest].score)
      lowest = i;
  return lowest;
}

/* Takes the part of candidate @pick out (a negative distance), and brings the others' distances to
 * the nearest pick up to date. */
static void take(const VelmNormalCandidate *candidates, gsize n, gsize channels, gsize pick,
                 double *distances) {
  for (gsize i = 0; i < n; i++)
    if (g_str_equal(candidates[i].sample->group, candidates[pick].sample->group))
      distances[i] = -1;
    else
      distances[i] =
          MIN(distances[i], distance(candidates[i].mean, candidates[pick].mean, channels));
}

/* Indices of the candidates to keep. */
static GArray *choose(const VelmNormalCandidate *candidates, gsize n, gsize channels) {
  GArray *picks = g_array_new(FALSE, FALSE, sizeof(gsize));
  g_autofree double *distances = g_new(double, n);
  double limit = usual_score(candidates, n);
  for (gsize i = 0; i < n; i++)
    distances[i] = candidates[i].score <= limit ? G_MAXDOUBLE : -1;
  gsize pick = find_most_typical(candidates, n);
  do {
    g_array_append_val(picks, pick);
    take(candidates, n, channels, pick, distances);
    for (gsize i = 0; i < n; i++)
      if (distances[i] > distances[pick])
        pick = i;
  } while (picks->len < VELM_NORMAL_IMAGES_MAX && distances[pick] > 0);
  return picks;
}

/* ---- writing ---- */

static GBytes *encode(const VelmSample *sample, GError **error) {
  g_autoptr(VelmImage) image = velm_image_load(sample->path, 0, error);
  g_autoptr(VelmImage) small =
      image ? velm_image_resize(image, VELM_NORMAL_IMAGES_SIZE, VELM_NORMAL_IMAGES_SIZE, error)
            : NULL;
  return small ? velm_image_to_jpeg(small, JPEG_QUALITY, error) : NULL;
}

gboolean velm_normal_images_store(VelmModel *model, const VelmNormalCandidate *candidates, gsize n,
                                  gsize channels, GError **error) {
  g_autoptr(GArray) picks = choose(candidates, n, channels);
  g_autoptr(GArray) means = g_array_new(FALSE, FALSE, sizeof(float));
  gsize bytes = 0;
  for (guint i = 0; i < picks->len; i++) {
    const VelmNormalCandidate *pick = &candidates[g_array_index(picks, gsize, i)];
    g_autoptr(GBytes) jpeg = encode(pick->sample, error);
    g_autofree char *name = g_strdup_printf(IMAGE_NAME, i);
    if (!jpeg)
      return FALSE;
    bytes += g_bytes_get_size(jpeg) + channels * sizeof(float);
    if (i > 0 && bytes > VELM_NORMAL_IMAGES_MAX_BYTES)
      break;
    velm_model_set_bytes(model, name, jpeg);
    g_array_append_vals(means, pick->mean, (guint)channels);
  }
  velm_model_set_floats(model, MEANS_NAME, (const float *)means->data, means->len);
  return TRUE;
}

gboolean velm_normal_images_store_typical(VelmModel *model, const VelmSample *sample,
                                          GError **error) {
  g_autoptr(VelmImage) image = velm_image_load(sample->path, 0, error);
  g_autoptr(VelmImage) small =
      image ? velm_image_resize(image, VELM_NORMAL_IMAGES_SIZE, VELM_NORMAL_IMAGES_SIZE, error)
            : NULL;
  g_autoptr(GBytes) png = small ? velm_image_to_png(small, error) : NULL;
  if (!png)
    return FALSE;
  velm_model_set_bytes(model, "detector.normal_png", png);
  return TRUE;
}

/* ---- reading ---- */

static gboolean read_image(VelmNormalImages *normal, VelmModel *model, const char *name,
                           GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(GBytes) jpeg = velm_model_get_bytes(model, name, &cause);
  VelmImage *image = jpeg ? velm_image_parse(jpeg, name, &cause) : NULL;
  if (image)
    g_ptr_array_add(normal->images, image);
  else
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "the model's \"%s\" cannot be used: %s", name,
                cause->message);
  return image != NULL;
}

static gboolean read_images(VelmNormalImages *normal, VelmModel *model, GError **error) {
  for (guint i = 0; i < VELM_NORMAL_IMAGES_MAX; i++) {
    g_autofree char *name = g_strdup_printf(IMAGE_NAME, i);
    if (!velm_model_has(model, name))
      break;
    if (!read_image(normal, model, name, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean read_means(VelmNormalImages *normal, VelmModel *model, GError **error) {
  gsize n = 0;
  const float *means = velm_model_get_floats(model, MEANS_NAME, 0, &n, error);
  if (!means)
    return FALSE;
  if (n == 0 || n % normal->images->len != 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model's \"" MEANS_NAME "\" does not fit its normal images; fit it again");
    return FALSE;
  }
  normal->channels = n / normal->images->len;
  normal->means = g_memdup2(means, n * sizeof *means);
  return TRUE;
}

VelmNormalImages *velm_normal_images_open(VelmModel *model, GError **error) {
  g_autoptr(VelmNormalImages) normal = g_new0(VelmNormalImages, 1);
  normal->images = g_ptr_array_new_with_free_func((GDestroyNotify)velm_image_free);
  if (!read_images(normal, model, error))
    return NULL;
  if (normal->images->len > 0 && !read_means(normal, model, error))
    return NULL;
  return g_steal_pointer(&normal);
}

void velm_normal_images_free(VelmNormalImages *normal) {
  if (!normal)
    return;
  g_ptr_array_unref(normal->images);
  g_free(normal->means);
  g_free(normal);
}

/* ---- further ones ---- */

/* Squared distance of @mean to the nearest of the kept images but @except. */
static double nearest_kept(const VelmNormalImages *normal, const float *mean, gsize except) {
  double least = G_MAXDOUBLE;
  for (gsize i = 0; i < normal->images->len; i++)
    if (i != except)
      least = MIN(least, distance(mean, normal->means + i * normal->channels, normal->channels));
  return least;
}

/* The kept image that is most like another; never the first, which is the most typical. */
static gsize find_most_alike(const VelmNormalImages *normal, double *least) {
  gsize alike = 0;
  *least = G_MAXDOUBLE;
  for (gsize i = 1; i < normal->images->len; i++) {
    double d = nearest_kept(normal, normal->means + i * normal->channels, i);
    if (d < *least) {
      *least = d;
      alike = i;
    }
  }
  return alike;
}

/* The candidate that is farthest from those kept. */
static gsize find_newest(const VelmNormalImages *normal, const VelmNormalCandidate *candidates,
                         gsize n, double *most) {
  gsize newest = 0;
  *most = 0;
  for (gsize i = 0; i < n; i++) {
    double d = nearest_kept(normal, candidates[i].mean, G_MAXSIZE);
    if (d > *most) {
      *most = d;
      newest = i;
    }
  }
  return newest;
}

/* Puts @candidate in place @index, which may be one behind the last. */
static gboolean put(VelmModel *model, VelmNormalImages *normal, gsize index,
                    const VelmNormalCandidate *candidate, GError **error) {
  g_autofree char *name = g_strdup_printf(IMAGE_NAME, (guint)index);
  g_autoptr(GBytes) jpeg = encode(candidate->sample, error);
  VelmImage *image = jpeg ? velm_image_parse(jpeg, candidate->sample->path, error) : NULL;
  if (!image)
    return FALSE;
  velm_model_set_bytes(model, name, jpeg);
  if (index == normal->images->len) {
    g_ptr_array_add(normal->images, image);
    normal->means = g_renew(float, normal->means, normal->images->len * normal->channels);
  } else {
    velm_image_free(normal->images->pdata[index]);
    normal->images->pdata[index] = image;
  }
  memcpy(normal->means + index * normal->channels, candidate->mean,
         normal->channels * sizeof(float));
  return TRUE;
}

static gsize kept_bytes(VelmModel *model, const VelmNormalImages *normal) {
  gsize bytes = 0;
  for (guint i = 0; i < normal->images->len; i++) {
    g_autofree char *name = g_strdup_printf(IMAGE_NAME, i);
    g_autoptr(GBytes) jpeg = velm_model_get_bytes(model, name, NULL);
    bytes += (jpeg ? g_bytes_get_size(jpeg) : 0) + normal->channels * sizeof(float);
  }
  return bytes;
}

/* Takes one candidate in. Returns: FALSE where none is worth a place, or it failed. */
static gboolean extend_once(VelmModel *model, VelmNormalImages *normal,
                            const VelmNormalCandidate *candidates, gsize n, GError **error) {
  double far, alike;
  gsize newest = find_newest(normal, candidates, n, &far);
  gsize index = find_most_alike(normal, &alike);
  gboolean room = normal->images->len < VELM_NORMAL_IMAGES_MAX &&
                  kept_bytes(model, normal) < VELM_NORMAL_IMAGES_MAX_BYTES * 9 / 10;
  if (!(far > 0) || (!room && (index == 0 || far <= alike)))
    return FALSE;
  return put(model, normal, room ? normal->images->len : index, &candidates[newest], error);
}

gboolean velm_normal_images_extend(VelmModel *model, const VelmNormalCandidate *candidates, gsize n,
                                   gsize channels, GError **error) {
  g_autoptr(GError) cause = NULL;
  g_autoptr(VelmNormalImages) normal = velm_normal_images_open(model, error);
  if (!normal)
    return FALSE;
  if (normal->images->len == 0 || normal->channels != channels)
    return TRUE; /* an old model keeps none */
  /* Each turn a smaller likeness is left: it ends. */
  for (gsize i = 0; i < n && extend_once(model, normal, candidates, n, &cause); i++)
    ;
  if (cause) {
    g_propagate_error(error, g_steal_pointer(&cause));
    return FALSE;
  }
  velm_model_set_floats(model, MEANS_NAME, normal->means, normal->images->len * channels);
  return TRUE;
}
