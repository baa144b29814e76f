#include "evaluate/part_texture.h"

#include "classify/percentile.h"
#include "core/image.h"
#include "evaluate/principal.h"

#include <math.h>
#include <string.h>

#define SIDE VELM_FOURIER_SIDE
#define SIZE VELM_FOURIER_SIZE
#define SOURCE VELM_TEXTURE_SOURCE_SIDE

/* Light changes over distances larger than this; in pixels of the reduced image. */
#define LIGHT_SIGMA 3
/* The strength of the texture is made even over this distance. */
#define EVEN_SIGMA 6
/* What the images have in common: at most so many directions, and at most one to so many images;
 * this share of the images at least must differ in one. */
#define MAX_SHARED 30
#define IMAGES_TO_ONE 10
#define SHARED_BY 0.15
/* How much images differ at a place is told from its surroundings as well; and where they hardly
 * do, it is not less than this share of what is usual. */
#define SPREAD_SIGMA 1
#define SPREAD_FLOOR 0.1
/* Grey levels that are added before the logarithm: the noise of dark pixels would else be all. */
#define DARK 8.0
/* Where the texture has less than this share of its usual strength, it is not raised to it. */
#define EVEN_FLOOR 0.25
/* A frequency with less than this share of the mean power is not raised to the others'. */
#define WHITE_FLOOR 0.01
/* An image is plain that has texture in fewer of its 4 x 4 fields: a straight edge crosses four.
 * (Along their border it touches eight; such images have many likes, and so a high bound.) A field
 * with less than this share of the usual strength has none. */
#define PLAIN_FIELDS 5
#define FIELDS 4
#define FIELD_STRENGTH 0.25
/* A blank image, of less strength, says nothing of what is usual. */
#define BLANK 1e-3

/* ---- the reduced image ---- */

/* A byte is a whole grey level: the means of four keep what lies between. */
static VelmPlane *reduce(const guint8 *source) {
  VelmPlane *plane = velm_plane_new(SIDE, SIDE);
  for (int y = 0; y < SIDE; y++) {
    for (int x = 0; x < SIDE; x++) {
      const guint8 *p = source + 2 * y * SOURCE + 2 * x;
      plane->values[y * SIDE + x] = (p[0] + p[1] + p[SOURCE] + p[SOURCE + 1]) / 4.0f;
    }
  }
  return plane;
}

/* Takes what is coarse away from @plane. */
static void keep_fine(VelmPlane *plane, const VelmSmoothing *smoothing) {
  float coarse[SIZE];
  velm_smoothing_apply(smoothing, plane->values, coarse);
  for (gsize k = 0; k < SIZE; k++)
    plane->values[k] -= coarse[k];
}

static double dot(const float *a, const float *b) {
  double sum = 0;
  for (gsize k = 0; k < SIZE; k++)
    sum += (double)a[k] * b[k];
  return sum;
}

static void centre(float *values) {
  double sum = 0;
  for (gsize k = 0; k < SIZE; k++)
    sum += values[k];
  for (gsize k = 0; k < SIZE; k++)
    values[k] -= (float)(sum / SIZE);
}

/* The logarithm turns the strength of the light, a factor, into an addend, which goes with what is
 * coarse. */
static VelmPlane *fine_of_light(const VelmTextures *textures, const guint8 *source) {
  VelmPlane *plane = reduce(source);
  for (gsize k = 0; k < SIZE; k++)
    plane->values[k] = (float)log(plane->values[k] + DARK);
  keep_fine(plane, textures->light);
  return plane;
}

static void read_levels(VelmTexture *texture) {
  g_autoptr(VelmPlane) plane = reduce(texture->source);
  double sum = 0;
  for (gsize k = 0; k < SIZE; k++)
    sum += plane->values[k];
  texture->mean = sum / SIZE;
  centre(plane->values);
  texture->deviation = sqrt(dot(plane->values, plane->values) / SIZE);
  texture->levels = g_memdup2(plane->values, SIZE * sizeof(float));
}

/* Reads the file; a failure is another check's to report. Returns: FALSE where memory is short. */
static gboolean read_source(VelmTexture *texture, const char *path, GError **error) {
  g_autoptr(VelmImage) image = velm_image_load(path, 0, NULL);
  if (!image)
    return TRUE;
  g_autoptr(VelmImage) small = velm_image_resize(image, SOURCE, SOURCE, error);
  if (!small)
    return FALSE;
  g_autoptr(VelmPlane) grey = velm_image_grey(small);
  texture->source = g_new(guint8, SOURCE * SOURCE);
  for (gsize k = 0; k < SOURCE * SOURCE; k++)
    texture->source[k] = (guint8)(grey->values[k] + 0.5f);
  texture->width = image->width;
  texture->height = image->height;
  texture->readable = TRUE;
  read_levels(texture);
  return TRUE;
}

/* ---- what the part has of its own ---- */

/* By the amount in which it is there, so that an image that has none of it does not get any. */
static void remove_shared(const VelmTextures *textures, VelmPlane *plane) {
  for (guint d = 0; d < textures->shared->len; d++) {
    const float *direction = g_ptr_array_index(textures->shared, d);
    double amount = dot(plane->values, direction);
    for (gsize k = 0; k < SIZE; k++)
      plane->values[k] -= (float)(amount * direction[k]);
  }
}

static void divide_by_spread(const VelmTextures *textures, VelmPlane *plane) {
  for (gsize k = 0; k < SIZE; k++)
    plane->values[k] /= textures->spread[k];
}

static double strength_of(const VelmPlane *plane) {
  return sqrt(dot(plane->values, plane->values) / SIZE);
}

/* In how many of its fields the image has a texture of @least strength. */
static int count_fields(const VelmPlane *plane, double least) {
  const int side = SIDE / FIELDS;
  int count = 0;
  for (int field = 0; field < FIELDS * FIELDS; field++) {
    const float *first = plane->values + field / FIELDS * side * SIDE + field % FIELDS * side;
    double power = 0;
    for (int y = 0; y < side; y++)
      for (int x = 0; x < side; x++)
        power += first[y * SIDE + x] * first[y * SIDE + x];
    count += sqrt(power / (side * side)) >= least;
  }
  return count;
}

/* Makes the strength of the texture even over the image, to about 1. */
static void make_even(VelmPlane *plane, const VelmSmoothing *smoothing, double reference) {
  float squares[SIZE], power[SIZE];
  for (gsize k = 0; k < SIZE; k++)
    squares[k] = plane->values[k] * plane->values[k];
  velm_smoothing_apply(smoothing, squares, power);
  const double floor = MAX(EVEN_FLOOR * reference, BLANK);
  for (gsize k = 0; k < SIZE; k++)
    plane->values[k] /= (float)(sqrt(power[k]) + floor);
}

/* To nothing at the border: a shift takes opposite borders for neighbours. */
static void fade_border(VelmPlane *plane) {
  float fade[SIDE];
  for (int x = 0; x < SIDE; x++) {
    double wave = sin(G_PI * (x + 1) / (SIDE + 1));
    fade[x] = (float)MIN(1, 4 * wave * wave);
  }
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      plane->values[y * SIDE + x] *= fade[y] * fade[x];
}

/* Gives all frequencies about the same power: what is left is where things are (phase-only
 * correlation; Kuglin and Hines, 1975). */
static void whiten(VelmSpectrum *spectrum) {
  double total = 0;
  for (gsize k = 0; k < SIZE; k++)
    total += spectrum->re[k] * spectrum->re[k] + spectrum->im[k] * spectrum->im[k];
  const double floor = MAX(WHITE_FLOOR * total / SIZE, 1e-30);
  for (gsize k = 0; k < SIZE; k++) {
    double power = spectrum->re[k] * spectrum->re[k] + spectrum->im[k] * spectrum->im[k];
    double factor = 1 / sqrt(power + floor);
    spectrum->re[k] = (float)(spectrum->re[k] * factor);
    spectrum->im[k] = (float)(spectrum->im[k] * factor);
  }
}

/* @plane: fine, without what is shared; changed */
static void transform(const VelmTextures *textures, VelmPlane *plane, VelmSpectrum *spectrum) {
  make_even(plane, textures->even, textures->reference);
  fade_border(plane);
  centre(plane->values);
  memcpy(spectrum->re, plane->values, sizeof spectrum->re);
  memset(spectrum->im, 0, sizeof spectrum->im);
  velm_fourier_transform(&textures->fourier, spectrum->re, spectrum->im);
  whiten(spectrum);
  spectrum->re[0] = spectrum->im[0] = 0;
}

/* ---- all images ---- */

/* Reads images @first to @end, on all cores. Returns: FALSE with the error of one. */
static gboolean load_block(VelmTextures *textures, const GPtrArray *samples, gsize first, gsize end,
                           GError **error) {
  GError *failure = NULL;
#pragma omp parallel for schedule(dynamic, 1)
  for (gsize i = first; i < end; i++) {
    const VelmSample *sample = g_ptr_array_index(samples, i);
    GError *cause = NULL;
    if (read_source(&textures->items[i], sample->path, &cause))
      continue;
#pragma omp critical
    {
      if (!failure)
        failure = g_steal_pointer(&cause);
    }
    g_clear_error(&cause);
  }
  if (failure)
    g_propagate_error(error, failure);
  return !failure;
}

static gboolean load(VelmTextures *textures, const GPtrArray *samples, VelmProgress progress,
                     gpointer progress_data, GError **error) {
  const gsize block = 16;
  for (gsize first = 0; first < textures->n; first += block) {
    if (progress && !progress("reading images", first, textures->n, progress_data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "cancelled while reading images");
      return FALSE;
    }
    gsize end = MIN(first + block, textures->n);
    if (!load_block(textures, samples, first, end, error))
      return FALSE;
  }
  return TRUE;
}

typedef void (*Step)(VelmTextures *textures, gsize index, VelmPlane **planes);

/* Runs @step on all images, on all cores. */
static void for_each(VelmTextures *textures, Step step, VelmPlane **planes) {
#pragma omp parallel for schedule(dynamic, 1)
  for (gsize i = 0; i < textures->n; i++)
    step(textures, i, planes);
}

static void fine_step(VelmTextures *textures, gsize index, VelmPlane **planes) {
  const VelmTexture *texture = &textures->items[index];
  if (texture->readable)
    planes[index] = fine_of_light(textures, texture->source);
}

static void texture_step(VelmTextures *textures, gsize index, VelmPlane **planes) {
  VelmTexture *texture = &textures->items[index];
  if (!planes[index])
    return;
  texture->spectrum = g_new(VelmSpectrum, 1);
  transform(textures, planes[index], texture->spectrum);
}

static void unshare_step(VelmTextures *textures, gsize index, VelmPlane **planes) {
  if (planes[index])
    remove_shared(textures, planes[index]);
}

static void find_shared(VelmTextures *textures, VelmPlane **planes) {
  g_autofree float **rows = g_new(float *, textures->n + 1);
  gsize n = 0;
  for (gsize i = 0; i < textures->n; i++)
    if (planes[i])
      rows[n++] = planes[i]->values;
  gsize max = CLAMP(n / IMAGES_TO_ONE, 1, MAX_SHARED);
  textures->shared = velm_principal_directions(rows, n, SIZE, max, SHARED_BY);
}

/* How much images differ at each place. */
static void find_spread(VelmTextures *textures, VelmPlane **planes) {
  g_autofree VelmSmoothing *smoothing = velm_smoothing_new(SPREAD_SIGMA);
  float squares[SIZE] = {0};
  for (gsize i = 0; i < textures->n; i++)
    for (gsize k = 0; planes[i] && k < SIZE; k++)
      squares[k] += planes[i]->values[k] * planes[i]->values[k] / (float)textures->n;
  textures->spread = g_new(float, SIZE);
  velm_smoothing_apply(smoothing, squares, textures->spread);
  for (gsize k = 0; k < SIZE; k++)
    textures->spread[k] = sqrtf(textures->spread[k]);
  float floor = (float)MAX(SPREAD_FLOOR * velm_percentile(textures->spread, SIZE, 50), 1e-6);
  for (gsize k = 0; k < SIZE; k++)
    textures->spread[k] += floor;
}

/* How strong the images in @planes usually are. */
static double usual_strength(VelmPlane *const *planes, gsize n) {
  g_autofree float *strengths = g_new(float, n + 1);
  gsize count = 0;
  for (gsize i = 0; i < n; i++) {
    strengths[count] = planes[i] ? (float)strength_of(planes[i]) : 0;
    count += strengths[count] > BLANK;
  }
  return velm_percentile(strengths, count, 50);
}

/* Takes the plain images out of @planes. */
static void drop_plain(VelmTextures *textures, VelmPlane **planes) {
  double least = MAX(FIELD_STRENGTH * usual_strength(planes, textures->n), BLANK);
  for (gsize i = 0; i < textures->n; i++) {
    if (!planes[i] || count_fields(planes[i], least) >= PLAIN_FIELDS)
      continue;
    textures->items[i].plain = TRUE;
    g_clear_pointer(&planes[i], velm_plane_free);
  }
}

static void find_all(VelmTextures *textures, VelmPlane **planes) {
  for_each(textures, fine_step, planes);
  drop_plain(textures, planes);
  find_shared(textures, planes);
  for_each(textures, unshare_step, planes);
  find_spread(textures, planes);
  for (gsize i = 0; i < textures->n; i++)
    if (planes[i])
      divide_by_spread(textures, planes[i]);
  textures->reference = usual_strength(planes, textures->n);
  for_each(textures, texture_step, planes);
}

VelmTextures *velm_textures_read(const GPtrArray *samples, VelmProgress progress,
                                 gpointer progress_data, GError **error) {
  g_autoptr(VelmTextures) textures = g_new0(VelmTextures, 1);
  textures->n = samples->len;
  textures->items = g_new0(VelmTexture, samples->len + 1);
  textures->fourier = velm_fourier_new();
  textures->light = velm_smoothing_new(LIGHT_SIGMA);
  textures->even = velm_smoothing_new(EVEN_SIGMA);
  if (!load(textures, samples, progress, progress_data, error))
    return NULL;
  VelmPlane **planes = g_new0(VelmPlane *, textures->n + 1);
  find_all(textures, planes);
  for (gsize i = 0; i < textures->n; i++)
    velm_plane_free(planes[i]);
  g_free(planes);
  return g_steal_pointer(&textures);
}

/* ---- turned ---- */

/* The value at (@x, @y) between pixels; the border goes on outside. */
static double sample_at(const guint8 *source, double x, double y) {
  x = CLAMP(x, 0, SOURCE - 1.001);
  y = CLAMP(y, 0, SOURCE - 1.001);
  int left = (int)x, top = (int)y;
  double u = x - left, v = y - top;
  const guint8 *p = source + top * SOURCE + left;
  return (1 - v) * ((1 - u) * p[0] + u * p[1]) + v * ((1 - u) * p[SOURCE] + u * p[SOURCE + 1]);
}

void velm_textures_turn(const VelmTextures *textures, gsize index, double degrees, double scale,
                        VelmSpectrum *spectrum) {
  const guint8 *source = textures->items[index].source;
  g_autofree guint8 *turned = g_new(guint8, SOURCE * SOURCE);
  const double middle = (SOURCE - 1) / 2.0;
  const double c = cos(degrees * G_PI / 180) / scale, s = sin(degrees * G_PI / 180) / scale;
  for (int y = 0; y < SOURCE; y++) {
    for (int x = 0; x < SOURCE; x++) {
      double dx = x - middle, dy = y - middle;
      double value = sample_at(source, middle + c * dx - s * dy, middle + s * dx + c * dy);
      turned[y * SOURCE + x] = (guint8)(value + 0.5);
    }
  }
  g_autoptr(VelmPlane) plane = fine_of_light(textures, turned);
  remove_shared(textures, plane);
  divide_by_spread(textures, plane);
  transform(textures, plane, spectrum);
}

void velm_textures_free(VelmTextures *textures) {
  if (!textures)
    return;
  for (gsize i = 0; i < textures->n; i++) {
    g_free(textures->items[i].source);
    g_free(textures->items[i].levels);
    g_free(textures->items[i].spectrum);
  }
  g_free(textures->items);
  g_clear_pointer(&textures->shared, g_ptr_array_unref);
  g_free(textures->spread);
  g_free(textures->light);
  g_free(textures->even);
  g_free(textures);
}
