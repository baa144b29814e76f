#include "detect/coreset.h"

#include <math.h>
#include <string.h>

/* The inner loops are worth the processor's widest vectors; which they are is found out at run
 * time. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE_VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE_VECTORS
#endif

static inline float distance2(const float *a, const float *b, gsize dims) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (gsize k = 0; k < dims; k++) {
    float difference = a[k] - b[k];
    sum += difference * difference;
  }
  return sum;
}

/* What is known of the points: squared distance to the nearest pick (-1 for a pick itself), and
 * which pick that is. */
typedef struct {
  const float *points;
  gsize n, dims;
  float *nearest2;
  guint32 *owner;
} Cover;

/* The point farthest from all picks. */
typedef struct {
  float distance2;
  gsize index;
} Farthest;

/*
 * Takes pick number @pick, the point @centre, into account and returns the point that is then the
 * farthest.
 * @between2: scratch: squared distance of the new pick to each earlier one. A point nearer to its
 * own pick than half of that cannot be nearer to the new one (triangle inequality), which spares
 * most of the work.
 */
WIDE_VECTORS
static Farthest update(Cover *cover, gsize centre, guint32 pick, const gsize *picks,
                       float *between2) {
  const float *at = cover->points + centre * cover->dims;
  for (guint32 k = 0; k < pick; k++)
    between2[k] = distance2(cover->points + picks[k] * cover->dims, at, cover->dims);
  cover->nearest2[centre] = -1; /* never again, not even where all that is left are its likes */
  Farthest farthest = {-1, 0};
  for (gsize i = 0; i < cover->n; i++) {
    float nearest = cover->nearest2[i];
    if (pick == 0 || between2[cover->owner[i]] < 4 * nearest) {
      float d = distance2(cover->points + i * cover->dims, at, cover->dims);
      if (d < nearest) {
        cover->nearest2[i] = nearest = d;
        cover->owner[i] = pick;
      }
    }
    if (nearest > farthest.distance2)
      farthest = (Farthest){nearest, i};
  }
  return farthest;
}

gsize *velm_coreset_select(const float *points, gsize n, gsize dims, gsize n_picks, gsize first) {
  gsize *picks = g_new(gsize, n_picks);
  g_autofree float *nearest2 = g_new(float, n);
  g_autofree guint32 *owner = g_new0(guint32, n);
  g_autofree float *between2 = g_new0(float, n_picks);
  Cover cover = {points, n, dims, nearest2, owner};
  for (gsize i = 0; i < n; i++)
    nearest2[i] = INFINITY;
  gsize next = first;
  for (gsize pick = 0; pick < n_picks; pick++) {
    picks[pick] = next;
    next = update(&cover, next, (guint32)pick, picks, between2).index;
  }
  return picks;
}

float *velm_coreset_projection(gsize from, gsize to, guint32 seed) {
  g_autoptr(GRand) random = g_rand_new_with_seed(seed);
  float *projection = g_new(float, from *to);
  for (gsize i = 0; i < from * to; i++) {
    /* Box and Muller. */
    double u = 1.0 - g_rand_double(random), v = g_rand_double(random);
    projection[i] = (float)(sqrt(-2.0 * log(u)) * cos(2.0 * G_PI * v) / sqrt((double)to));
  }
  return projection;
}

void velm_coreset_project(const float *projection, gsize from, gsize to, const float *rows, gsize n,
                          float *projected) {
#pragma omp parallel for schedule(static)
  for (gsize i = 0; i < n; i++)
    for (gsize k = 0; k < to; k++) {
      const float *a = rows + i * from, *b = projection + k * from;
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (gsize j = 0; j < from; j++)
        sum += a[j] * b[j];
      projected[i * to + k] = sum;
    }
}
