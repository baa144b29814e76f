#include "evaluate/part_labels.h"

#include <math.h>

/* Between these labels do as good as always, and as good as never, follow the part. */
#define MIN_CONCENTRATION 0.01
#define MAX_CONCENTRATION 1000.0
#define N_CONCENTRATIONS 61

struct _VelmPartLabels {
  gsize n;
  guint n_classes;
  guint *labels, *parts; /* by image */
  guint *counts;         /* n_parts rows of n_classes */
  double *shares;        /* by class, over 0 */
  double concentration;
};

guint velm_part_labels_count(const VelmPartLabels *labels, gsize i, guint class_index) {
  guint all = labels->counts[(gsize)labels->parts[i] * labels->n_classes + class_index];
  return labels->labels[i] == class_index ? all - 1 : all;
}

guint velm_part_labels_count_all(const VelmPartLabels *labels, gsize i) {
  guint sum = 0;
  for (guint c = 0; c < labels->n_classes; c++)
    sum += velm_part_labels_count(labels, i, c);
  return sum;
}

static double probability(const VelmPartLabels *labels, gsize i, guint class_index,
                          double concentration) {
  return (velm_part_labels_count(labels, i, class_index) +
          concentration * labels->shares[class_index]) /
         (velm_part_labels_count_all(labels, i) + concentration);
}

/* By Laplace's rule of succession. */
static double *take_shares(const VelmPartLabels *labels) {
  double *shares = g_new(double, labels->n_classes);
  double total = (double)labels->n + labels->n_classes;
  for (guint c = 0; c < labels->n_classes; c++)
    shares[c] = 1 / total;
  for (gsize i = 0; i < labels->n; i++)
    shares[labels->labels[i]] += 1 / total;
  return shares;
}

static double log_likelihood(const VelmPartLabels *labels, double concentration) {
  double sum = 0;
  for (gsize i = 0; i < labels->n; i++)
    sum += log(probability(labels, i, labels->labels[i], concentration));
  return sum;
}

static double likeliest_concentration(const VelmPartLabels *labels) {
  double best = MAX_CONCENTRATION, highest = -INFINITY;
  for (int k = 0; k < N_CONCENTRATIONS; k++) {
    double share = k / (N_CONCENTRATIONS - 1.0);
    double concentration = MIN_CONCENTRATION * pow(MAX_CONCENTRATION / MIN_CONCENTRATION, share);
    double likelihood = log_likelihood(labels, concentration);
    if (likelihood > highest) {
      highest = likelihood;
      best = concentration;
    }
  }
  return best;
}

VelmPartLabels *velm_part_labels_learn(const guint *labels, const guint *parts, gsize n,
                                       guint n_classes, guint n_parts) {
  VelmPartLabels *learnt = g_new0(VelmPartLabels, 1);
  learnt->n = n;
  learnt->n_classes = n_classes;
  learnt->labels = g_memdup2(labels, n * sizeof *labels);
  learnt->parts = g_memdup2(parts, n * sizeof *parts);
  learnt->counts = g_new0(guint, (gsize)n_parts * n_classes);
  for (gsize i = 0; i < n; i++)
    learnt->counts[(gsize)parts[i] * n_classes + labels[i]]++;
  learnt->shares = take_shares(learnt);
  learnt->concentration = likeliest_concentration(learnt);
  return learnt;
}

void velm_part_labels_weigh(const VelmPartLabels *labels, gsize i, double *factors) {
  for (guint c = 0; c < labels->n_classes; c++)
    factors[c] = probability(labels, i, c, labels->concentration) / labels->shares[c];
}

double velm_part_labels_get_concentration(const VelmPartLabels *labels) {
  return labels->concentration;
}

void velm_part_labels_free(VelmPartLabels *labels) {
  if (!labels)
    return;
  g_free(labels->labels);
  g_free(labels->parts);
  g_free(labels->counts);
  g_free(labels->shares);
  g_free(labels);
}
