#include "evaluate/classification.h"

#include "dataset/draw.h"
#include "evaluate/metrics.h"

#include <math.h>
#include <string.h>

/* ---- tallies ---- */

VelmTally *velm_tally_new(const GPtrArray *class_names, gboolean with_good) {
  VelmTally *tally = g_new0(VelmTally, 1);
  tally->names = g_ptr_array_new();
  if (with_good)
    g_ptr_array_add(tally->names, (gpointer)VELM_LABEL_GOOD);
  for (guint i = 0; i < class_names->len; i++)
    g_ptr_array_add(tally->names, class_names->pdata[i]);
  g_ptr_array_add(tally->names, (gpointer)VELM_CLASS_UNKNOWN);
  gsize n = tally->names->len;
  tally->confusion = g_new0(guint64, n * n);
  tally->trial = g_new0(guint64, n * n);
  tally->macro = g_array_new(FALSE, FALSE, sizeof(double));
  return tally;
}

void velm_tally_free(VelmTally *tally) {
  if (!tally)
    return;
  g_ptr_array_unref(tally->names);
  g_array_unref(tally->macro);
  g_free(tally->confusion);
  g_free(tally->trial);
  g_free(tally);
}

/* The last index is "unknown", for whatever else an answer is. */
static guint index_of(const GPtrArray *names, const char *name) {
  for (guint i = 0; i < names->len; i++)
    if (g_str_equal(names->pdata[i], name))
      return i;
  return names->len - 1;
}

void velm_tally_count(VelmTally *tally, const char *truth, const char *answer) {
  gsize n = tally->names->len;
  tally->trial[index_of(tally->names, truth) * n + index_of(tally->names, answer)]++;
  tally->images++;
}

void velm_tally_close_trial(VelmTally *tally) {
  gsize n = tally->names->len;
  VelmClassMetrics metrics = velm_metrics_classification(tally->trial, n);
  g_array_append_val(tally->macro, metrics.macro_accuracy);
  tally->sums[0] += metrics.accuracy;
  tally->sums[1] += metrics.macro_f1;
  tally->sums[2] += metrics.micro_f1;
  tally->sums[3] += metrics.cohen_kappa;
  for (gsize i = 0; i < n * n; i++)
    tally->confusion[i] += tally->trial[i];
  memset(tally->trial, 0, n * n * sizeof *tally->trial);
}

void velm_tally_figures(const VelmTally *tally, VelmClassificationFigures *figures) {
  guint n = tally->macro->len;
  double sum = 0, squares = 0;
  for (guint i = 0; i < n; i++)
    sum += g_array_index(tally->macro, double, i);
  for (guint i = 0; i < n; i++)
    squares += pow(g_array_index(tally->macro, double, i) - sum / n, 2);
  figures->measured = n > 0 && tally->images > 0;
  figures->macro_accuracy = sum / n;
  figures->macro_accuracy_std = sqrt(squares / n);
  figures->accuracy = tally->sums[0] / n;
  figures->macro_f1 = tally->sums[1] / n;
  figures->micro_f1 = tally->sums[2] / n;
  figures->cohen_kappa = tally->sums[3] / n;
  figures->trials = n;
  figures->images = tally->images;
  figures->missed = tally->missed;
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  for (guint i = 0; i < tally->names->len; i++)
    g_strv_builder_add(names, tally->names->pdata[i]);
  figures->classes = g_strv_builder_end(names);
  gsize n_names = tally->names->len;
  figures->confusion = g_memdup2(tally->confusion, n_names * n_names * sizeof(guint64));
}

/* ---- trials ---- */

static gboolean has_name(const GPtrArray *names, const char *name) {
  for (guint i = 0; i < names->len; i++)
    if (g_str_equal(names->pdata[i], name))
      return TRUE;
  return FALSE;
}

static char *answer_of(const VelmFewshot *fewshot, const VelmSeen *seen, gboolean oracle) {
  const VelmSight *sight = oracle && seen->given ? seen->given : seen->detected;
  const char *const *names = velm_fewshot_get_classes(fewshot);
  gsize n = g_strv_length((char **)names), best = 0;
  g_autofree double *probabilities = g_new0(double, n);
  gboolean unknown = FALSE;
  velm_fewshot_predict(fewshot, sight, probabilities, &unknown);
  for (gsize i = 1; i < n; i++)
    if (probabilities[i] > probabilities[best])
      best = i;
  return g_strdup(unknown ? VELM_CLASS_UNKNOWN : names[best]);
}

/* Counts one image in both tallies: what the classifier says of its region, and what the line would
 * be told. */
static void count(const VelmScan *scan, const char *answer, VelmTally *classes, VelmTally *line) {
  if (!g_str_equal(scan->sample->label, VELM_LABEL_GOOD)) {
    velm_tally_count(classes, scan->sample->label, answer);
    classes->missed += scan->anomalous ? 0 : 1;
  }
  velm_tally_count(line, scan->sample->label, scan->anomalous ? answer : VELM_LABEL_GOOD);
}

static GPtrArray *seen_of(const GPtrArray *scans, const GPtrArray *examples) {
  GPtrArray *seen = g_ptr_array_new();
  g_autoptr(GHashTable) chosen = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < examples->len; i++)
    g_hash_table_add(chosen, examples->pdata[i]);
  for (guint i = 0; i < scans->len; i++) {
    const VelmScan *scan = scans->pdata[i];
    if (scan->seen && g_hash_table_contains(chosen, scan->sample))
      g_ptr_array_add(seen, scan->seen);
  }
  return seen;
}

static void test(const GPtrArray *scans, const GPtrArray *tests, const GPtrArray *names,
                 const VelmFewshot *fewshot, gboolean oracle, VelmTally *classes, VelmTally *line) {
  g_autoptr(GHashTable) chosen = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < tests->len; i++)
    g_hash_table_add(chosen, tests->pdata[i]);
  for (guint i = 0; i < scans->len; i++) {
    const VelmScan *scan = scans->pdata[i];
    gboolean good = g_str_equal(scan->sample->label, VELM_LABEL_GOOD);
    if (!good &&
        (!g_hash_table_contains(chosen, scan->sample) || !has_name(names, scan->sample->label)))
      continue;
    g_autofree char *answer =
        scan->seen ? answer_of(fewshot, scan->seen, oracle) : g_strdup(VELM_LABEL_GOOD);
    count(scan, answer, classes, line);
  }
}

gboolean velm_classification_trials(const VelmDataset *dataset, const GPtrArray *scans,
                                    const GPtrArray *names, const VelmEvaluateParams *params,
                                    VelmEvaluation *evaluation, GError **error) {
  g_autoptr(VelmTally) classes = velm_tally_new(names, FALSE);
  g_autoptr(VelmTally) line = velm_tally_new(names, TRUE);
  g_autofree const char **keys = g_new0(const char *, names->len + 1);
  for (guint i = 0; i < names->len; i++)
    keys[i] = names->pdata[i];
  for (int trial = 0; trial < params->trials; trial++) {
    g_autoptr(GRand) random = g_rand_new_with_seed(params->seed + (guint32)trial);
    g_autoptr(GPtrArray) examples = NULL, tests = NULL;
    velm_dataset_draw(dataset, params->shots, random, &examples, &tests);
    g_autoptr(GPtrArray) seen = seen_of(scans, examples);
    g_autoptr(VelmFewshot) fewshot = velm_examples_learn(seen, keys, !params->oracle, error);
    if (!fewshot)
      return FALSE;
    test(scans, tests, names, fewshot, params->oracle, classes, line);
    velm_tally_close_trial(classes);
    velm_tally_close_trial(line);
    if (params->progress && !params->progress("trials", (gsize)trial + 1, (gsize)params->trials,
                                              params->progress_data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while evaluating");
      return FALSE;
    }
  }
  velm_tally_figures(classes, &evaluation->classification);
  velm_tally_figures(line, &evaluation->end_to_end);
  return TRUE;
}

/* ---- the model's own classifier ---- */

void velm_classification_answers(const GPtrArray *scans, const GPtrArray *names,
                                 const char *const *taught, VelmEvaluation *evaluation) {
  g_autoptr(VelmTally) classes = velm_tally_new(names, FALSE);
  g_autoptr(VelmTally) line = velm_tally_new(names, TRUE);
  guint excluded = 0;
  for (guint i = 0; i < scans->len; i++) {
    const VelmScan *scan = scans->pdata[i];
    gboolean good = g_str_equal(scan->sample->label, VELM_LABEL_GOOD);
    if (taught && g_strv_contains(taught, scan->sample->group)) {
      excluded++;
      continue;
    }
    if (good || has_name(names, scan->sample->label))
      count(scan, scan->answer ? scan->answer : VELM_LABEL_GOOD, classes, line);
  }
  velm_tally_close_trial(classes);
  velm_tally_close_trial(line);
  velm_tally_figures(classes, &evaluation->classification);
  velm_tally_figures(line, &evaluation->end_to_end);
  evaluation->classification.excluded = evaluation->end_to_end.excluded = excluded;
}
