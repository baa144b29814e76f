#include "evaluate/metrics.h"

#include <math.h>
#include <string.h>

/* ---- scores of images ---- */

typedef struct {
  double score;
  gboolean positive;
} Ranked;

static int compare_descending(const void *a, const void *b) {
  double x = ((const Ranked *)a)->score, y = ((const Ranked *)b)->score;
  return (x < y) - (x > y);
}

/* The scores from the highest down; NULL where one is NaN, which no order can hold. */
static Ranked *rank_scores(const double *scores, const guint8 *positive, gsize n,
                           gsize *n_positive) {
  g_autofree Ranked *ranked = g_new(Ranked, MAX(n, 1));
  *n_positive = 0;
  for (gsize i = 0; i < n; i++) {
    if (isnan(scores[i]))
      return NULL;
    ranked[i] = (Ranked){scores[i], positive[i] != 0};
    *n_positive += ranked[i].positive;
  }
  if (n > 1)
    qsort(ranked, n, sizeof *ranked, compare_descending);
  return g_steal_pointer(&ranked);
}

/* What lies at or over one distinct score. */
typedef struct {
  gsize end; /* index after the last item of that score */
  gsize true_positives, false_positives;
} Step;

/* Moves on by one distinct score: all that share it pass the threshold together. FALSE at the end.
 */
static gboolean next_step(const Ranked *ranked, gsize n, Step *step) {
  if (step->end >= n)
    return FALSE;
  double score = ranked[step->end].score;
  for (; step->end < n && ranked[step->end].score == score; step->end++) {
    if (ranked[step->end].positive)
      step->true_positives++;
    else
      step->false_positives++;
  }
  return TRUE;
}

double velm_metrics_auroc(const double *scores, const guint8 *positive, gsize n) {
  gsize n_positive;
  g_autofree Ranked *ranked = rank_scores(scores, positive, n, &n_positive);
  if (!ranked || n_positive == 0 || n_positive == n)
    return NAN;
  double pairs = 0; /* (positive, negative) in the right order, ties for a half */
  Step step = {0}, last = {0};
  for (; next_step(ranked, n, &step); last = step) {
    double negatives = (double)(step.false_positives - last.false_positives);
    pairs += negatives * ((double)last.true_positives +
                          (double)(step.true_positives - last.true_positives) / 2);
  }
  return pairs / ((double)n_positive * (double)(n - n_positive));
}

double velm_metrics_average_precision(const double *scores, const guint8 *positive, gsize n) {
  gsize n_positive;
  g_autofree Ranked *ranked = rank_scores(scores, positive, n, &n_positive);
  if (!ranked || n_positive == 0)
    return NAN;
  double sum = 0;
  Step step = {0}, last = {0};
  for (; next_step(ranked, n, &step); last = step) {
    double precision = (double)step.true_positives / (double)step.end;
    sum += precision * (double)(step.true_positives - last.true_positives);
  }
  return sum / (double)n_positive;
}

double velm_metrics_f1_max(const double *scores, const guint8 *positive, gsize n,
                           double *threshold) {
  gsize n_positive;
  g_autofree Ranked *ranked = rank_scores(scores, positive, n, &n_positive);
  if (threshold)
    *threshold = NAN;
  if (!ranked || n_positive == 0)
    return NAN;
  double best = -1;
  for (Step step = {0}; next_step(ranked, n, &step);) {
    double f1 = 2.0 * (double)step.true_positives / (double)(step.end + n_positive);
    if (f1 <= best)
      continue;
    best = f1;
    if (threshold)
      *threshold = ranked[step.end - 1].score;
  }
  return best;
}

/* ---- radix sort ---- */

enum { DIGIT_BITS = 11, N_DIGITS = 3, N_BUCKETS = 1 << DIGIT_BITS };

/* Unsigned integers in the order of the floats; -0 and 0 are the same score. */
static guint32 float_key(float value) {
  guint32 bits;
  float plain = value + 0.0f;
  memcpy(&bits, &plain, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

static guint32 digit(guint32 key, int place) {
  return key >> (place * DIGIT_BITS) & (N_BUCKETS - 1);
}

/* Where each bucket of the digit at @place begins; FALSE where all keys share one bucket. */
static gboolean find_buckets(const guint32 *keys, gsize n, int place, gsize starts[N_BUCKETS]) {
  memset(starts, 0, N_BUCKETS * sizeof *starts);
  for (gsize i = 0; i < n; i++)
    starts[digit(keys[i], place)]++;
  if (n == 0 || starts[digit(keys[0], place)] == n)
    return FALSE;
  gsize sum = 0;
  for (gsize b = 0; b < N_BUCKETS; b++) {
    gsize count = starts[b];
    starts[b] = sum;
    sum += count;
  }
  return TRUE;
}

/* Sorts *keys upwards, least significant digit first, and *payload (or NULL) along with it. */
static void radix_sort(guint32 **keys, guint32 **payload, gsize n) {
  g_autofree guint32 *spare = g_new(guint32, n);
  g_autofree guint32 *spare_payload = payload ? g_new(guint32, n) : NULL;
  g_autofree gsize *starts = g_new(gsize, N_BUCKETS);
  for (int place = 0; place < N_DIGITS; place++) {
    if (!find_buckets(*keys, n, place, starts))
      continue;
    for (gsize i = 0; i < n; i++) {
      gsize to = starts[digit((*keys)[i], place)]++;
      spare[to] = (*keys)[i];
      if (payload)
        spare_payload[to] = (*payload)[i];
    }
    guint32 *swap = *keys;
    *keys = spare, spare = swap;
    if (payload)
      swap = *payload, *payload = spare_payload, spare_payload = swap;
  }
}

/* ---- scores of pixels ---- */

/* Scores as sortable keys, and for anomalous pixels the component each belongs to. */
typedef struct {
  guint32 *keys;
  guint32 *components; /* NULL for normal pixels */
  gsize n, capacity;
} Pixels;

struct _VelmPixelMetrics {
  Pixels normal, anomalous;
  GArray *areas; /* of guint32: pixels of each ground-truth component */
  gboolean sorted;
  gboolean broken; /* a score was NaN */
};

VelmPixelMetrics *velm_pixel_metrics_new(void) {
  VelmPixelMetrics *metrics = g_new0(VelmPixelMetrics, 1);
  metrics->areas = g_array_new(FALSE, FALSE, sizeof(guint32));
  return metrics;
}

void velm_pixel_metrics_free(VelmPixelMetrics *metrics) {
  if (!metrics)
    return;
  g_free(metrics->normal.keys);
  g_free(metrics->anomalous.keys);
  g_free(metrics->anomalous.components);
  g_array_unref(metrics->areas);
  g_free(metrics);
}

/* Makes room for @more pixels; grows by a quarter, for the arrays are large. */
static void reserve(Pixels *pixels, gsize more, gboolean with_components) {
  if (pixels->n + more <= pixels->capacity)
    return;
  pixels->capacity = pixels->n + MAX(more, pixels->n / 4);
  pixels->keys = g_renew(guint32, pixels->keys, pixels->capacity);
  if (with_components)
    pixels->components = g_renew(guint32, pixels->components, pixels->capacity);
}

/* Marks the 8-connected component of @mask about pixel @seed with @id; returns its area. */
static guint32 fill_component(const guint8 *mask, guint32 *ids, int width, int height, guint32 seed,
                              guint32 id, GArray *stack) {
  guint32 area = 0;
  ids[seed] = id;
  g_array_append_val(stack, seed);
  while (stack->len) {
    guint32 at = g_array_index(stack, guint32, stack->len - 1);
    g_array_set_size(stack, stack->len - 1);
    area++;
    int x = (int)(at % (guint32)width), y = (int)(at / (guint32)width);
    for (int v = MAX(y - 1, 0); v <= MIN(y + 1, height - 1); v++)
      for (int u = MAX(x - 1, 0); u <= MIN(x + 1, width - 1); u++) {
        guint32 next = (guint32)v * (guint32)width + (guint32)u;
        if (!mask[next] || ids[next])
          continue;
        ids[next] = id;
        g_array_append_val(stack, next);
      }
  }
  return area;
}

/* Numbers the components of @mask from 1 on: 0 is normal; appends their areas. NULL: no component.
 */
static guint32 *label_components(const guint8 *mask, int width, int height, GArray *areas) {
  guint32 n = (guint32)width * (guint32)height;
  g_autofree guint32 *ids = NULL;
  g_autoptr(GArray) stack = g_array_new(FALSE, FALSE, sizeof(guint32));
  guint32 id = 0;
  for (guint32 i = 0; i < n; i++) {
    if (!mask[i])
      continue;
    if (!ids)
      ids = g_new0(guint32, n);
    if (ids[i])
      continue;
    guint32 area = fill_component(mask, ids, width, height, i, ++id, stack);
    g_array_append_val(areas, area);
  }
  return g_steal_pointer(&ids);
}

void velm_pixel_metrics_add(VelmPixelMetrics *metrics, const float *map, const guint8 *mask,
                            int width, int height) {
  if (width <= 0 || height <= 0)
    return;
  guint32 first = metrics->areas->len;
  g_autofree guint32 *ids = mask ? label_components(mask, width, height, metrics->areas) : NULL;
  gsize n = (gsize)width * (gsize)height, n_anomalous = 0;
  for (guint32 i = first; i < metrics->areas->len; i++)
    n_anomalous += g_array_index(metrics->areas, guint32, i);
  Pixels *normal = &metrics->normal, *anomalous = &metrics->anomalous;
  reserve(normal, n - n_anomalous, FALSE);
  reserve(anomalous, n_anomalous, TRUE);
  gboolean broken = FALSE;
  for (gsize i = 0; i < n; i++) {
    broken |= isnan(map[i]) != 0;
    guint32 key = float_key(map[i]);
    if (!ids || !ids[i]) {
      normal->keys[normal->n++] = key;
    } else {
      anomalous->components[anomalous->n] = first + ids[i] - 1;
      anomalous->keys[anomalous->n++] = key;
    }
  }
  metrics->broken |= broken;
  metrics->sorted = FALSE;
}

/* FALSE where the metrics are not defined. */
static gboolean prepare(VelmPixelMetrics *metrics) {
  if (metrics->broken || metrics->normal.n == 0 || metrics->anomalous.n == 0)
    return FALSE;
  if (!metrics->sorted) {
    radix_sort(&metrics->normal.keys, NULL, metrics->normal.n);
    radix_sort(&metrics->anomalous.keys, &metrics->anomalous.components, metrics->anomalous.n);
    metrics->sorted = TRUE;
  }
  return TRUE;
}

double velm_pixel_metrics_auroc(VelmPixelMetrics *metrics) {
  if (!prepare(metrics))
    return NAN;
  const Pixels *normal = &metrics->normal, *anomalous = &metrics->anomalous;
  double pairs = 0; /* (anomalous, normal) in the right order, ties for a half */
  gsize below = 0, not_over = 0;
  for (gsize i = 0; i < anomalous->n; i++) {
    guint32 key = anomalous->keys[i];
    while (below < normal->n && normal->keys[below] < key)
      below++;
    not_over = MAX(not_over, below);
    while (not_over < normal->n && normal->keys[not_over] == key)
      not_over++;
    pairs += ((double)below + (double)not_over) / 2;
  }
  return pairs / ((double)normal->n * (double)anomalous->n);
}

/* Walks the distinct scores downwards. */
typedef struct {
  const VelmPixelMetrics *metrics;
  gsize normal_left, anomalous_left; /* pixels under the threshold */
  double overlap;                    /* sum over the components of the share over the threshold */
} ProWalk;

/* Lowers the threshold to the next distinct score; FALSE where none is left. */
static gboolean next_threshold(ProWalk *walk) {
  const Pixels *normal = &walk->metrics->normal, *anomalous = &walk->metrics->anomalous;
  if (!walk->normal_left && !walk->anomalous_left)
    return FALSE;
  guint32 key = 0;
  if (walk->normal_left)
    key = normal->keys[walk->normal_left - 1];
  if (walk->anomalous_left)
    key = MAX(key, anomalous->keys[walk->anomalous_left - 1]);
  while (walk->normal_left && normal->keys[walk->normal_left - 1] == key)
    walk->normal_left--;
  while (walk->anomalous_left && anomalous->keys[walk->anomalous_left - 1] == key) {
    guint32 component = anomalous->components[--walk->anomalous_left];
    walk->overlap += 1.0 / g_array_index(walk->metrics->areas, guint32, component);
  }
  return TRUE;
}

double velm_pixel_metrics_aupro(VelmPixelMetrics *metrics, double limit) {
  if (!(limit > 0 && limit <= 1) || !prepare(metrics))
    return NAN;
  ProWalk walk = {metrics, metrics->normal.n, metrics->anomalous.n, 0};
  double n_normal = (double)metrics->normal.n, n_components = metrics->areas->len;
  double fpr = 0, pro = 0, area = 0;
  while (fpr < limit && next_threshold(&walk)) {
    double next_fpr = (n_normal - (double)walk.normal_left) / n_normal;
    double next_pro = MIN(walk.overlap / n_components, 1);
    double end_fpr = next_fpr, end_pro = next_pro;
    if (next_fpr > limit) {
      end_fpr = limit;
      end_pro = pro + (next_pro - pro) * (limit - fpr) / (next_fpr - fpr);
    }
    area += (end_fpr - fpr) * (pro + end_pro) / 2;
    fpr = next_fpr, pro = next_pro;
  }
  return area / limit;
}

/* ---- classes ---- */

/* One class of a confusion matrix against all others. */
typedef struct {
  double right, in_truth, in_answers;
} ClassCounts;

static ClassCounts count_class(const guint64 *confusion, gsize n_classes, gsize k) {
  ClassCounts counts = {(double)confusion[k * n_classes + k], 0, 0};
  for (gsize j = 0; j < n_classes; j++) {
    counts.in_truth += (double)confusion[k * n_classes + j];
    counts.in_answers += (double)confusion[j * n_classes + k];
  }
  return counts;
}

VelmClassMetrics velm_metrics_classification(const guint64 *confusion, gsize n_classes) {
  double total = 0, right = 0, recalls = 0, f1s = 0, n_recalls = 0, n_f1s = 0, chance = 0;
  for (gsize k = 0; k < n_classes; k++) {
    ClassCounts counts = count_class(confusion, n_classes, k);
    total += counts.in_truth;
    right += counts.right;
    chance += counts.in_truth * counts.in_answers;
    if (counts.in_truth > 0) {
      recalls += counts.right / counts.in_truth;
      n_recalls++;
    }
    if (counts.in_truth + counts.in_answers > 0) {
      f1s += 2 * counts.right / (counts.in_truth + counts.in_answers);
      n_f1s++;
    }
  }
  if (total == 0)
    return (VelmClassMetrics){NAN, NAN, NAN, NAN, NAN};
  /* In counts, not shares: where all truths and answers are one class, both sides are exactly 0. */
  double over_chance = total * total - chance;
  return (VelmClassMetrics){
      .accuracy = right / total,
      .macro_accuracy = recalls / n_recalls,
      .macro_f1 = f1s / n_f1s,
      .micro_f1 = right / total,
      .cohen_kappa = over_chance > 0 ? (total * right - chance) / over_chance : NAN,
  };
}
