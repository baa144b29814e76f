#include "classify/novelty.h"

#include "classify/parameters.h"
#include "classify/percentile.h"

#include <math.h>

#define PERCENT 99
#define MIN_USABLE 8
#define MIN_RADIUS 1e-6 /* examples of different parts may be copies of each other */

/* One kind of evidence. */
typedef struct {
  VelmStandardiser *standardiser;
  gsize n;
  float *examples; /* n rows, standardised */
  float radius;    /* distance to the nearest example of the class on another part, at PERCENT */
} Block;

struct _VelmNovelty {
  guint n_blocks;
  Block blocks[VELM_NOVELTY_BLOCKS];
  float threshold; /* of the mean over blocks of distance / radius */
};

/* Root of the mean square difference. */
static double distance(const float *a, const float *b, guint d) {
  double sum = 0;
  for (guint k = 0; k < d; k++)
    sum += (a[k] - b[k]) * (double)(a[k] - b[k]);
  return sqrt(sum / d);
}

static void block_init(Block *block, const VelmView *views, gsize n, guint d) {
  block->standardiser = velm_standardiser_learn(views, n, d);
  block->n = n;
  block->examples = g_new(float, n *d);
  for (gsize i = 0; i < n; i++)
    velm_standardiser_apply(block->standardiser, views[i].values, block->examples + i * d);
}

/* Distance of an example to the nearest of its class on another part; infinite where there is none.
 */
static double distance_to_fellow(const Block *block, const VelmShots *shots, gsize example) {
  guint d = block->standardiser->d;
  double nearest = INFINITY;
  for (gsize i = 0; i < shots->n; i++)
    if (shots->classes[i] == shots->classes[example] && shots->parts[i] != shots->parts[example])
      nearest = MIN(nearest, distance(block->examples + example * d, block->examples + i * d, d));
  return nearest;
}

/* Adds distance / radius to @u for the examples that have a fellow; returns how many these are. */
static gsize learn_radius(Block *block, const VelmShots *shots, float *u) {
  g_autofree float *distances = g_new(float, shots->n);
  gsize n = 0;
  for (gsize i = 0; i < shots->n; i++) {
    double nearest = distance_to_fellow(block, shots, i);
    if (isfinite(nearest))
      distances[n++] = (float)nearest;
  }
  if (n < MIN_USABLE)
    return n;
  block->radius = (float)MAX(velm_percentile(distances, n, PERCENT), MIN_RADIUS);
  for (gsize i = 0; i < n; i++)
    u[i] += distances[i] / block->radius;
  return n;
}

VelmNovelty *velm_novelty_learn(const VelmView *const *blocks, const guint *d, guint n_blocks,
                                const VelmShots *shots) {
  g_autoptr(VelmNovelty) novelty = g_new0(VelmNovelty, 1);
  g_autofree float *u = g_new0(float, shots->n);
  gsize n_usable = 0;
  novelty->n_blocks = n_blocks;
  for (guint b = 0; b < n_blocks; b++) {
    block_init(&novelty->blocks[b], blocks[b], shots->n, d[b]);
    n_usable = learn_radius(&novelty->blocks[b], shots, u);
  }
  if (n_usable < MIN_USABLE)
    return NULL;
  novelty->threshold = (float)(velm_percentile(u, n_usable, PERCENT) / n_blocks);
  return g_steal_pointer(&novelty);
}

static double distance_to_examples(const Block *block, const float *values) {
  guint d = block->standardiser->d;
  g_autofree float *z = g_new(float, d);
  double nearest = INFINITY;
  velm_standardiser_apply(block->standardiser, values, z);
  for (gsize i = 0; i < block->n; i++)
    nearest = MIN(nearest, distance(z, block->examples + i * d, d));
  return nearest;
}

gboolean velm_novelty_is_unknown(const VelmNovelty *novelty, const float *const *blocks) {
  double u = 0;
  for (guint b = 0; b < novelty->n_blocks; b++)
    u += distance_to_examples(&novelty->blocks[b], blocks[b]) / novelty->blocks[b].radius;
  return u / novelty->n_blocks > novelty->threshold;
}

guint velm_novelty_get_n_blocks(const VelmNovelty *novelty) { return novelty->n_blocks; }

guint velm_novelty_get_size(const VelmNovelty *novelty, guint block) {
  return novelty->blocks[block].standardiser->d;
}

/* ---- in the model ---- */

static char *block_prefix(const char *prefix, guint block) {
  return g_strdup_printf("%s.%u", prefix, block);
}

void velm_novelty_store(const VelmNovelty *novelty, VelmModel *model, const char *prefix) {
  for (guint b = 0; b < novelty->n_blocks; b++) {
    const Block *block = &novelty->blocks[b];
    g_autofree char *own = block_prefix(prefix, b);
    velm_standardiser_store(block->standardiser, model, own);
    velm_parameters_store(model, own, "examples", block->examples,
                          block->n * block->standardiser->d);
    velm_parameters_store(model, own, "radius", &block->radius, 1);
  }
  velm_parameters_store(model, prefix, "threshold", &novelty->threshold, 1);
}

static gboolean block_restore(Block *block, VelmModel *model, const char *prefix, GError **error) {
  gsize size = 0;
  block->standardiser = velm_standardiser_restore(model, prefix, error);
  if (!block->standardiser ||
      !velm_parameter_restore(model, prefix, "radius", MIN_RADIUS / 1.001,
                              2 * VELM_STANDARDISED_LIMIT, &block->radius, error))
    return FALSE;
  block->examples = velm_parameters_restore(model, prefix, "examples", 0, 0, &size, error);
  if (!block->examples)
    return FALSE;
  block->n = size / block->standardiser->d;
  if (size % block->standardiser->d == 0)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
              "the model's \"%s.examples\" cannot be used: its last row is cut", prefix);
  return FALSE;
}

VelmNovelty *velm_novelty_restore(VelmModel *model, const char *prefix, guint n_blocks,
                                  GError **error) {
  g_autoptr(VelmNovelty) novelty = g_new0(VelmNovelty, 1);
  novelty->n_blocks = n_blocks;
  for (guint b = 0; b < n_blocks; b++) {
    g_autofree char *own = block_prefix(prefix, b);
    if (!block_restore(&novelty->blocks[b], model, own, error))
      return NULL;
  }
  if (!velm_parameter_restore(model, prefix, "threshold", 0, G_MAXFLOAT, &novelty->threshold,
                              error))
    return NULL;
  return g_steal_pointer(&novelty);
}

void velm_novelty_free(VelmNovelty *novelty) {
  if (!novelty)
    return;
  for (guint b = 0; b < novelty->n_blocks; b++) {
    velm_standardiser_free(novelty->blocks[b].standardiser);
    g_free(novelty->blocks[b].examples);
  }
  g_free(novelty);
}
