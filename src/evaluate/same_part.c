#include "evaluate/same_part.h"

#include "classify/percentile.h"
#include "evaluate/part_texture.h"

#include <math.h>

#define SIDE VELM_FOURIER_SIDE
#define SIZE VELM_FOURIER_SIZE

/* How far a part may have moved: a quarter of the side. */
#define REACH (SIDE / 4)
/* So many pairs of different parts are expected over the bound, in the whole set. */
#define FALSE_PAIRS 0.01
/* One in so many pairs of different parts is looked at again, turned. */
#define SECOND_LOOKS 20
/* The tail of the highest of (2 REACH + 1)^2 normal numbers is about this wide, and no surface's is
 * narrower: few images would else promise too much. */
#define NARROWEST (0.27 / SIDE)
/* Copies of one photograph, by compression, size or a little light: the same proportions; grey
 * levels that follow from one another by a factor and an addend, both small, up to this many. */
#define NEAR_ASPECT 0.015
#define NEAR_MEAN 25.0
#define NEAR_FACTOR 1.25
#define NEAR_ERROR 1.5
#define NEAR_CORRELATION 0.995

/* How a part may lie when it is put down again. */
typedef struct {
  double degrees, scale;
} Turn;

static const Turn turns[] = {{-2, 1}, {2, 1},  {-4, 1}, {4, 1},    {-6, 1},
                             {6, 1},  {-8, 1}, {8, 1},  {0, 0.96}, {0, 1.04}};

/* What the peaks of an image against images of other parts are like. */
typedef struct {
  double median;
  double width; /* of the tail: over this distance it falls to 1 / e */
} Peaks;

typedef struct {
  const GPtrArray *samples;
  const VelmTextures *textures;
  gboolean has_groups;
  guint *index; /* places in @samples of the @n images that have a texture */
  gsize n;
  float *peaks; /* n * n, symmetrical */
  Peaks *by_image;
  Peaks usual; /* of the whole set */
} Comparison;

static void comparison_clear(Comparison *c) {
  g_free(c->index);
  g_free(c->peaks);
  g_free(c->by_image);
}

static const VelmSpectrum *spectrum_of(const Comparison *c, gsize i) {
  return c->textures->items[c->index[i]].spectrum;
}

/* ---- peaks ---- */

/* The cross power spectra of @a with @b0 and @b1 as one: the correlations are real, so one goes
 * through the transform as the real part and one as the imaginary. @energy: of each. */
static void multiply(const VelmSpectrum *a, const VelmSpectrum *b0, const VelmSpectrum *b1,
                     VelmSpectrum *product, double *energy) {
  float energy0 = 0, energy1 = 0;
#pragma omp simd reduction(+ : energy0, energy1)
  for (gsize k = 0; k < SIZE; k++) {
    float re0 = a->re[k] * b0->re[k] + a->im[k] * b0->im[k];
    float im0 = a->im[k] * b0->re[k] - a->re[k] * b0->im[k];
    float re1 = a->re[k] * b1->re[k] + a->im[k] * b1->im[k];
    float im1 = a->im[k] * b1->re[k] - a->re[k] * b1->im[k];
    energy0 += re0 * re0 + im0 * im0;
    energy1 += re1 * re1 + im1 * im1;
    product->re[k] = re0 - im1;
    product->im[k] = im0 + re1;
  }
  energy[0] = (double)energy0;
  energy[1] = (double)energy1;
}

/* The highest value within reach of no shift. */
static float highest(const float *surface) {
  float peak = -INFINITY;
  for (int dy = -REACH; dy <= REACH; dy++) {
    const float *row = surface + (dy & (SIDE - 1)) * SIDE;
    for (int x = 0; x <= REACH; x++)
      peak = MAX(peak, row[x]);
    for (int x = SIDE - REACH; x < SIDE; x++)
      peak = MAX(peak, row[x]);
  }
  return peak;
}

/*
 * A peak over the root mean square of its surface, which is, by Parseval, that of its spectrum. An
 * image with itself gives SIDE, so the ratio to that is a correlation; Fisher's transformation
 * (1915) makes room where it comes near 1.
 */
static float height_of(float peak, double energy) {
  double correlation = (double)peak / sqrt(MAX(energy, 1e-30)) / SIDE;
  return (float)atanh(CLAMP(correlation, -0.9999, 0.9999));
}

/* The peaks of @a's correlations with @b0 and @b1. */
static void find_peaks(const VelmFourier *fourier, const VelmSpectrum *a, const VelmSpectrum *b0,
                       const VelmSpectrum *b1, float *peaks) {
  VelmSpectrum surfaces;
  double energy[2];
  multiply(a, b0, b1, &surfaces, energy);
  velm_fourier_transform(fourier, surfaces.im, surfaces.re);
  peaks[0] = height_of(highest(surfaces.re), energy[0]);
  peaks[1] = height_of(highest(surfaces.im), energy[1]);
}

static void compare_row(Comparison *c, gsize i) {
  for (gsize j = i + 1; j < c->n; j += 2) {
    gsize next = MIN(j + 1, c->n - 1);
    float peaks[2];
    find_peaks(&c->textures->fourier, spectrum_of(c, i), spectrum_of(c, j), spectrum_of(c, next),
               peaks);
    c->peaks[i * c->n + j] = c->peaks[j * c->n + i] = peaks[0];
    c->peaks[i * c->n + next] = c->peaks[next * c->n + i] = peaks[1];
  }
}

static gboolean compare_all(Comparison *c, VelmProgress progress, gpointer progress_data,
                            GError **error) {
  const gsize block = 8, n_pairs = c->n * (c->n - 1) / 2;
  for (gsize first = 0; first < c->n; first += block) {
    gsize left = c->n - first;
    gsize done = n_pairs - left * (left - 1) / 2;
    if (progress && !progress("comparing images", done, n_pairs, progress_data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "cancelled while comparing images");
      return FALSE;
    }
    const gsize end = MIN(first + block, c->n);
#pragma omp parallel for schedule(dynamic, 1)
    for (gsize i = first; i < end; i++)
      compare_row(c, i);
  }
  return TRUE;
}

/* ---- bounds ---- */

static gboolean known_same(const Comparison *c, gsize i, gsize j) {
  const VelmSample *a = g_ptr_array_index(c->samples, c->index[i]);
  const VelmSample *b = g_ptr_array_index(c->samples, c->index[j]);
  return c->has_groups && g_str_equal(a->group, b->group);
}

static Peaks peaks_of(const Comparison *c, gsize i, float *row) {
  gsize n = 0;
  for (gsize j = 0; j < c->n; j++)
    if (j != i && !known_same(c, i, j))
      row[n++] = c->peaks[i * c->n + j];
  Peaks peaks = {.median = velm_percentile(row, n, 50)};
  /* From the median to the quartile an exponential tail falls by a factor of 2, to the last tenth
   * by one of 5. A tail that falls slower there is that of an image with many likes. */
  double quartile = velm_percentile(row, n, 75), tenth = velm_percentile(row, n, 90);
  peaks.width = MAX((quartile - peaks.median) / G_LN2, (tenth - peaks.median) / log(5));
  peaks.width = MAX(peaks.width, NARROWEST);
  return peaks;
}

static void find_bounds(Comparison *c) {
  c->by_image = g_new(Peaks, c->n);
#pragma omp parallel
  {
    g_autofree float *row = g_new(float, c->n);
#pragma omp for
    for (gsize i = 0; i < c->n; i++)
      c->by_image[i] = peaks_of(c, i, row);
  }
  g_autofree float *medians = g_new(float, c->n), *widths = g_new(float, c->n);
  for (gsize i = 0; i < c->n; i++) {
    medians[i] = (float)c->by_image[i].median;
    widths[i] = (float)c->by_image[i].width;
  }
  c->usual.median = velm_percentile(medians, c->n, 50);
  c->usual.width = velm_percentile(widths, c->n, 50);
}

/* The height that one in @pairs pairs of different parts reaches. */
static double height(Peaks peaks, double pairs) {
  return peaks.median + peaks.width * log(MAX(pairs / 2, 1));
}

static double height_of_pair(const Comparison *c, gsize i, gsize j, double pairs) {
  double own = MAX(height(c->by_image[i], pairs), height(c->by_image[j], pairs));
  return MAX(own, height(c->usual, pairs));
}

static double pairs_to_one(const Comparison *c) {
  return (double)c->n * (double)(c->n - 1) / 2 / FALSE_PAIRS;
}

/* ---- a second look: turned ---- */

/* The highest peak of image @j against image @i turned in all ways, @turned. */
static float highest_turned(const Comparison *c, const VelmSpectrum *turned, gsize j) {
  float peak = 0;
  for (gsize t = 0; t + 1 < G_N_ELEMENTS(turns); t += 2) {
    float peaks[2];
    /* The two ways are the two that the image is held against. */
    find_peaks(&c->textures->fourier, spectrum_of(c, j), &turned[t], &turned[t + 1], peaks);
    peak = MAX(peak, MAX(peaks[0], peaks[1]));
  }
  return peak;
}

static gboolean wants_second_look(const Comparison *c, gsize i, gsize j) {
  float peak = c->peaks[i * c->n + j];
  return peak >= height_of_pair(c, i, j, SECOND_LOOKS) &&
         peak <= height_of_pair(c, i, j, pairs_to_one(c));
}

static VelmSpectrum *turn_all(const Comparison *c, gsize i) {
  VelmSpectrum *turned = g_new(VelmSpectrum, G_N_ELEMENTS(turns));
  for (gsize t = 0; t < G_N_ELEMENTS(turns); t++)
    velm_textures_turn(c->textures, c->index[i], turns[t].degrees, turns[t].scale, &turned[t]);
  return turned;
}

/* Looks again at the pairs of image @i with later ones whose peak is higher than most but not over
 * the bound, and keeps the new peak where it is. More ways to be alike ask for a higher one. */
static void look_again(const Comparison *c, gsize i) {
  g_autofree VelmSpectrum *turned = NULL;
  for (gsize j = i + 1; j < c->n; j++) {
    if (!wants_second_look(c, i, j))
      continue;
    if (!turned)
      turned = turn_all(c, i);
    float peak = highest_turned(c, turned, j);
    if (peak > height_of_pair(c, i, j, pairs_to_one(c) * G_N_ELEMENTS(turns)))
      c->peaks[i * c->n + j] = peak;
  }
}

static void look_again_at_all(const Comparison *c) {
#pragma omp parallel for schedule(dynamic, 1)
  for (gsize i = 0; i < c->n; i++)
    look_again(c, i);
}

/* ---- pairs ---- */

static int stronger_first(gconstpointer a, gconstpointer b) {
  const VelmSamePair *x = a, *y = b;
  if (x->strength > y->strength || x->strength < y->strength)
    return x->strength > y->strength ? -1 : 1;
  if (x->a != y->a)
    return x->a < y->a ? -1 : 1;
  return x->b < y->b ? -1 : x->b > y->b;
}

static void collect_same(const Comparison *c, GArray *pairs) {
  for (gsize i = 0; i < c->n; i++) {
    for (gsize j = i + 1; j < c->n; j++) {
      double peak = (double)c->peaks[i * c->n + j];
      double bound = height_of_pair(c, i, j, pairs_to_one(c));
      if (peak <= bound)
        continue;
      VelmSamePair pair = {c->index[i], c->index[j], 1 - bound / peak};
      g_array_append_val(pairs, pair);
    }
  }
  g_array_sort(pairs, stronger_first);
}

static gboolean could_be_near(const VelmTexture *a, const VelmTexture *b) {
  if (!a->readable || !b->readable || a->deviation <= 0 || b->deviation <= 0)
    return FALSE;
  double aspect = ((double)a->width * b->height) / ((double)a->height * b->width);
  return fabs(log(aspect)) < NEAR_ASPECT && fabs(a->mean - b->mean) < NEAR_MEAN &&
         fabs(log(a->deviation / b->deviation)) < log(NEAR_FACTOR);
}

/* The correlation of the grey levels, pixel on pixel; 0 where those of @b do not follow from those
 * of @a closely enough. */
static double near_correlation(const VelmTexture *a, const VelmTexture *b) {
  if (!could_be_near(a, b))
    return 0;
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (gsize k = 0; k < SIZE; k++)
    sum += a->levels[k] * b->levels[k];
  double r = MIN((double)sum / SIZE / (a->deviation * b->deviation), 1);
  double deviation = MIN(a->deviation, b->deviation);
  double left = deviation * sqrt(1 - r * r);
  return r >= NEAR_CORRELATION && left <= NEAR_ERROR ? r : 0;
}

static void collect_near_duplicates(const VelmTextures *textures, GArray *pairs) {
#pragma omp parallel for schedule(dynamic, 8)
  for (gsize i = 0; i < textures->n; i++) {
    for (gsize j = i + 1; j < textures->n; j++) {
      const VelmTexture *a = &textures->items[i], *b = &textures->items[j];
      VelmSamePair pair = {(guint)i, (guint)j, 0};
      if (!((pair.strength = near_correlation(a, b)) > 0))
        continue;
#pragma omp critical
      g_array_append_val(pairs, pair);
    }
  }
  g_array_sort(pairs, stronger_first);
}

/* ---- all ---- */

static gboolean prepare(Comparison *c, GError **error) {
  c->index = g_new(guint, c->textures->n + 1);
  for (gsize i = 0; i < c->textures->n; i++)
    if (c->textures->items[i].spectrum)
      c->index[c->n++] = (guint)i;
  c->peaks = g_try_new0(float, c->n * c->n + 1);
  if (!c->peaks)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "too many images to compare each with each: %" G_GSIZE_FORMAT, c->n);
  return c->peaks != NULL;
}

static gboolean find_same(Comparison *c, GArray *pairs, VelmProgress progress,
                          gpointer progress_data, GError **error) {
  if (!prepare(c, error))
    return FALSE;
  if (c->n < VELM_SAME_PART_MIN_IMAGES)
    return TRUE;
  if (!compare_all(c, progress, progress_data, error))
    return FALSE;
  find_bounds(c);
  look_again_at_all(c);
  collect_same(c, pairs);
  return TRUE;
}

static guint count_plain(const VelmTextures *textures) {
  guint count = 0;
  for (gsize i = 0; i < textures->n; i++)
    count += textures->items[i].plain;
  return count;
}

VelmSameParts *velm_same_part_find(const GPtrArray *samples, gboolean has_groups,
                                   VelmProgress progress, gpointer progress_data, GError **error) {
  g_autoptr(VelmTextures) textures = velm_textures_read(samples, progress, progress_data, error);
  if (!textures)
    return NULL;
  g_autoptr(VelmSameParts) parts = g_new0(VelmSameParts, 1);
  parts->same = g_array_new(FALSE, FALSE, sizeof(VelmSamePair));
  parts->near_duplicates = g_array_new(FALSE, FALSE, sizeof(VelmSamePair));
  Comparison c = {.samples = samples, .textures = textures, .has_groups = has_groups};
  gboolean ok = find_same(&c, parts->same, progress, progress_data, error);
  parts->n_compared = (guint)c.n;
  comparison_clear(&c);
  if (!ok)
    return NULL;
  parts->n_plain = count_plain(textures);
  collect_near_duplicates(textures, parts->near_duplicates);
  return g_steal_pointer(&parts);
}

void velm_same_parts_free(VelmSameParts *parts) {
  if (!parts)
    return;
  g_array_unref(parts->same);
  g_array_unref(parts->near_duplicates);
  g_free(parts);
}
