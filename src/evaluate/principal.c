#include "evaluate/principal.h"

#include <math.h>
#include <string.h>

/* The inner loops are worth the processor's widest vectors; which they are is found out at run
 * time. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define WIDE_VECTORS __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE_VECTORS
#endif

/* Directions of almost equal strength may come out mixed: what they span is what counts. */
#define MAX_ITERATIONS 60
#define CONVERGED 1e-4

WIDE_VECTORS
static float dot(const float *a, const float *b, gsize n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (gsize k = 0; k < n; k++)
    sum += a[k] * b[k];
  return sum;
}

/* Takes the part along each of @directions, of length 1, away from @vector. */
static void remove_all(float *vector, gsize n, const GPtrArray *directions) {
  for (guint d = 0; d < directions->len; d++) {
    const float *direction = g_ptr_array_index(directions, d);
    float amount = dot(vector, direction, n);
    for (gsize k = 0; k < n; k++)
      vector[k] -= amount * direction[k];
  }
}

/* To length 1. Returns: the length it had. */
static double normalise(float *vector, gsize n) {
  double length = sqrt((double)dot(vector, vector, n));
  for (gsize k = 0; length > 0 && k < n; k++)
    vector[k] = (float)(vector[k] / length);
  return length;
}

/* Products of all rows with all rows. */
static float *multiply_rows(float *const *rows, gsize n, gsize dims) {
  float *products = g_new(float, n *n + 1);
#pragma omp parallel for schedule(dynamic, 4)
  for (gsize i = 0; i < n; i++)
    for (gsize j = 0; j <= i; j++)
      products[i * n + j] = products[j * n + i] = dot(rows[i], rows[j], dims);
  return products;
}

static void multiply_vector(const float *matrix, gsize n, const float *vector, float *result) {
#pragma omp parallel for
  for (gsize i = 0; i < n; i++)
    result[i] = dot(matrix + i * n, vector, n);
}

/* The strongest eigenvector of @matrix beside @found, or NULL where there is none. */
static float *next_eigenvector(const float *matrix, gsize n, const GPtrArray *found) {
  g_autofree float *vector = g_new(float, n), *image = g_new(float, n);
  g_autoptr(GRand) random = g_rand_new_with_seed(found->len + 1);
  for (gsize k = 0; k < n; k++)
    vector[k] = (float)g_rand_double_range(random, -1, 1);
  remove_all(vector, n, found);
  if (!(normalise(vector, n) > 0))
    return NULL;
  for (int i = 0; i < MAX_ITERATIONS; i++) {
    multiply_vector(matrix, n, vector, image);
    remove_all(image, n, found);
    if (!(normalise(image, n) > 1e-6))
      return NULL;
    double agreement = fabs((double)dot(vector, image, n));
    memcpy(vector, image, n * sizeof(float));
    if (1 - agreement < CONVERGED)
      break;
  }
  return g_steal_pointer(&vector);
}

static double share_of(const float *coordinates, gsize n) {
  double sum = 0;
  for (gsize k = 0; k < n; k++)
    sum += pow((double)coordinates[k], 4);
  return sum > 0 ? 1 / (sum * (double)n) : 0;
}

/* The direction in which the rows have the coordinates @u, beside @directions; NULL where none is
 * left. */
static float *direction_of(float *const *rows, gsize n, gsize dims, const float *u,
                           const GPtrArray *directions) {
  g_autofree float *direction = g_new0(float, dims);
  for (gsize i = 0; i < n; i++)
    for (gsize k = 0; k < dims; k++)
      direction[k] += u[i] * rows[i][k];
  remove_all(direction, dims, directions);
  return normalise(direction, dims) > 1e-6 ? g_steal_pointer(&direction) : NULL;
}

GPtrArray *velm_principal_directions(float *const *rows, gsize n, gsize dims, gsize max,
                                     double min_share) {
  GPtrArray *directions = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
  g_autofree float *products = multiply_rows(rows, n, dims);
  while (found->len < MIN(max, n)) {
    float *u = next_eigenvector(products, n, found);
    if (!u)
      break;
    g_ptr_array_add(found, u);
    float *direction =
        share_of(u, n) < min_share ? NULL : direction_of(rows, n, dims, u, directions);
    if (direction)
      g_ptr_array_add(directions, direction);
  }
  return directions;
}
