#include "evaluate/fewshot_trials.h"

#include "classify/trust.h"
#include "dataset/draw.h"

static GHashTable *set_of(const GPtrArray *samples) {
  GHashTable *set = g_hash_table_new(NULL, NULL);
  for (guint i = 0; i < samples->len; i++)
    g_hash_table_add(set, samples->pdata[i]);
  return set;
}

/* What was seen of the examples that could be inspected. Borrowed. */
static GPtrArray *seen_of(const GPtrArray *scans, const GPtrArray *examples) {
  GPtrArray *seen = g_ptr_array_new();
  g_autoptr(GHashTable) chosen = set_of(examples);
  for (guint i = 0; i < scans->len; i++) {
    const VelmScan *scan = scans->pdata[i];
    if (scan->seen && g_hash_table_contains(chosen, scan->sample))
      g_ptr_array_add(seen, scan->seen);
  }
  return seen;
}

static void answer(const VelmFewshot *fewshot, const VelmScan *scan, gboolean oracle, guint trial,
                   VelmClassifierRun *classifier) {
  const VelmSight *sight = oracle && scan->seen->given ? scan->seen->given : scan->seen->detected;
  const char *const *names = velm_fewshot_get_classes(fewshot);
  gsize n = g_strv_length((char **)names), best = 0;
  g_autofree double *probabilities = g_new0(double, n);
  gboolean unknown = FALSE;
  velm_fewshot_predict(fewshot, sight, probabilities, &unknown);
  for (gsize i = 1; i < n; i++)
    if (probabilities[i] > probabilities[best])
      best = i;
  VelmAnswer one = {.image = scan->index,
                    .trial = trial,
                    .answer =
                        velm_run_class(classifier, unknown ? VELM_CLASS_UNKNOWN : names[best]),
                    .confidence = probabilities[best]};
  g_array_append_val(classifier->answers, one);
}

/* Whether the class is one of those told apart: not "good", which is the first, nor "unknown". */
static gboolean has_class(const VelmClassifierRun *classifier, const char *label) {
  guint index = velm_run_class(classifier, label);
  return index > 0 && classifier->classes[index + 1] != NULL;
}

static void test(const GPtrArray *scans, const GPtrArray *tests, const VelmFewshot *fewshot,
                 gboolean oracle, guint trial, VelmClassifierRun *classifier) {
  g_autoptr(GHashTable) chosen = set_of(tests);
  for (guint i = 0; i < scans->len; i++) {
    const VelmScan *scan = scans->pdata[i];
    if (!scan->seen ||
        (!velm_sample_is_good(scan->sample) && (!g_hash_table_contains(chosen, scan->sample) ||
                                                !has_class(classifier, scan->sample->label))))
      continue;
    answer(fewshot, scan, oracle, trial, classifier);
  }
}

static gboolean run_trial(const VelmDataset *dataset, const GPtrArray *scans,
                          const VelmTrialParams *params, guint trial, const char *const *keys,
                          VelmClassifierRun *classifier, GError **error) {
  g_autoptr(GRand) random = g_rand_new_with_seed(params->seed + trial);
  g_autoptr(GPtrArray) examples = NULL, tests = NULL;
  velm_dataset_draw(dataset, params->shots, random, &examples, &tests);
  g_autoptr(GPtrArray) seen = seen_of(scans, examples);
  g_autoptr(VelmFewshot) fewshot = velm_examples_learn(seen, keys, !params->oracle, error);
  if (!fewshot)
    return FALSE;
  if (params->trust) {
    velm_examples_set_trust(seen, fewshot, VELM_TRUST_ACCURACY);
    classifier->trusts[trial] = velm_fewshot_get_trust(fewshot);
  }
  test(scans, tests, fewshot, params->oracle, trial, classifier);
  return TRUE;
}

gboolean velm_fewshot_trials(const VelmDataset *dataset, const GPtrArray *scans,
                             const VelmTrialParams *params, VelmClassifierRun *classifier,
                             GError **error) {
  guint n_keys = g_strv_length(classifier->classes) - 2;
  g_autofree const char **keys = g_new0(const char *, n_keys + 1);
  for (guint i = 0; i < n_keys; i++)
    keys[i] = classifier->classes[i + 1];
  classifier->trials = (guint)params->trials;
  classifier->trusts = params->trust ? g_new0(double, classifier->trials) : NULL;
  for (guint trial = 0; trial < classifier->trials; trial++) {
    if (!run_trial(dataset, scans, params, trial, keys, classifier, error))
      return FALSE;
    if (params->progress &&
        !params->progress("trials", trial + 1, classifier->trials, params->progress_data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while evaluating");
      return FALSE;
    }
  }
  return TRUE;
}
