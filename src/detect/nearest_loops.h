/*
 * The loops of nearest_kernel.c, which includes this once for each width of vectors.
 *
 * LANES: floats in a vector
 * ROWS: queries at a time, so many that their sums just fit the registers
 * BIT_OF_LANE: the vector of 1, 2, 4, ...
 * TARGET: attribute of the functions, MULTIPLY and DISTANCE2: their names
 */
#define GLUE_(a, b) a##b
#define GLUE(a, b) GLUE_(a, b)
#define VECTOR GLUE(Floats, LANES)
#define LOOSE GLUE(LooseFloats, LANES)
#define TRUTHS GLUE(Truths, LANES)
#define PAIRS GLUE(Pairs, LANES)

typedef float VECTOR __attribute__((vector_size(LANES * sizeof(float))));
typedef float LOOSE __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float))));
typedef guint32 TRUTHS __attribute__((vector_size(LANES * sizeof(guint32))));
typedef guint64 PAIRS __attribute__((vector_size(LANES * sizeof(guint32))));

TARGET
static gboolean MULTIPLY(const float *queries, const float *panel, gsize dims, const float *limits,
                         float *products, guint32 *over) {
  enum { VECTORS = VELM_PANEL / LANES };
  guint32 any = 0;
  for (gsize first = 0; first < VELM_GROUP; first += ROWS) {
    const VECTOR *row = (const VECTOR *)(gconstpointer)panel;
    VECTOR sums[ROWS][VECTORS];
#pragma GCC unroll 8
    for (gsize i = 0; i < ROWS; i++)
#pragma GCC unroll 8
      for (gsize j = 0; j < VECTORS; j++)
        sums[i][j] = row[j];
    for (gsize k = 0; k < dims; k++) {
      row += VECTORS;
#pragma GCC unroll 8
      for (gsize i = 0; i < ROWS; i++)
#pragma GCC unroll 8
        for (gsize j = 0; j < VECTORS; j++)
          sums[i][j] += row[j] * queries[(first + i) * dims + k];
    }
    VECTOR *out = (VECTOR *)(gpointer)(products + first * VELM_PANEL);
#pragma GCC unroll 8
    for (gsize i = 0; i < ROWS; i++) {
      const float limit = limits[first + i];
      TRUTHS bits = {0};
#pragma GCC unroll 8
      for (gsize j = 0; j < VECTORS; j++) {
        out[i * VECTORS + j] = sums[i][j];
        bits |= (TRUTHS)(sums[i][j] > limit) & (BIT_OF_LANE << (guint32)(j * LANES));
      }
      const PAIRS pairs = (PAIRS)bits;
      guint64 all = 0;
#pragma GCC unroll 8
      for (gsize lane = 0; lane < LANES / 2; lane++)
        all |= pairs[lane];
      any |= over[first + i] = (guint32)(all | all >> 32);
    }
  }
  return any != 0;
}

TARGET
static float DISTANCE2(const float *a, const float *b, gsize dims) {
  VECTOR sums[4] = {{0}};
  gsize k = 0;
  for (; k + 4 * LANES <= dims; k += 4 * LANES)
#pragma GCC unroll 4
    for (gsize i = 0; i < 4; i++) {
      VECTOR away = *(const LOOSE *)(gconstpointer)(a + k + i * LANES) -
                    *(const LOOSE *)(gconstpointer)(b + k + i * LANES);
      sums[i] += away * away;
    }
  for (; k + LANES <= dims; k += LANES) {
    VECTOR away = *(const LOOSE *)(gconstpointer)(a + k) - *(const LOOSE *)(gconstpointer)(b + k);
    sums[0] += away * away;
  }
  VECTOR both = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  float sum = 0;
#pragma GCC unroll 16
  for (gsize lane = 0; lane < LANES; lane++)
    sum += both[lane];
  for (; k < dims; k++)
    sum += (a[k] - b[k]) * (a[k] - b[k]);
  return sum;
}

#undef GLUE_
#undef GLUE
#undef VECTOR
#undef LOOSE
#undef TRUTHS
#undef PAIRS
#undef LANES
#undef ROWS
#undef BIT_OF_LANE
#undef TARGET
#undef MULTIPLY
#undef DISTANCE2
