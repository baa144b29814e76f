#include "evaluate/metrics.h"

#include <math.h>

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
