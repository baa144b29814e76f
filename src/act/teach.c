/* Teaching a model the user's classes (the embedded stand-in for section 3.2's language model). */
#include "act/spec.h"
#include "classify/ask_examples.h"
#include "classify/context_examples.h"
#include "classify/examples.h"
#include "classify/trust.h"

#include <string.h>

VelmTeachParams velm_teach_params_default(void) {
  return (VelmTeachParams){.trust = VELM_TRUST_ACCURACY};
}

/* Images of class @key, @shots at most, drawn by @random. */
static guint choose_examples(const VelmDataset *dataset, const char *key, int shots, GRand *random,
                             GPtrArray *chosen) {
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  for (guint i = 0; i < dataset->test->len; i++) {
    VelmSample *sample = dataset->test->pdata[i];
    if (g_str_equal(sample->label, key))
      g_ptr_array_add(all, sample);
  }
  guint n = shots > 0 ? MIN((guint)shots, all->len) : all->len;
  for (guint i = 0; i < n; i++) {
    guint j = (guint)g_rand_int_range(random, (gint32)i, (gint32)all->len);
    gpointer swap = all->pdata[i];
    all->pdata[i] = all->pdata[j];
    all->pdata[j] = swap;
    g_ptr_array_add(chosen, all->pdata[i]);
  }
  return n;
}

static GPtrArray *choose_all(const VelmDataset *dataset, const VelmClasses *classes,
                             const VelmTeachParams *params, GError **error) {
  g_autoptr(GRand) random = g_rand_new_with_seed(params->seed);
  g_autoptr(GPtrArray) chosen = g_ptr_array_new();
  for (guint i = 0; i < classes->classes->len; i++) {
    const VelmClass *class = classes->classes->pdata[i];
    if (choose_examples(dataset, class->key, params->shots, random, chosen) > 0)
      continue;
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                "%s: the spec's class \"%s\" has no examples: there is no image in test/%s",
                dataset->directory, class->key, class->key);
    return NULL;
  }
  return g_steal_pointer(&chosen);
}

static char **class_keys(const VelmClasses *classes) {
  g_autoptr(GStrvBuilder) keys = g_strv_builder_new();
  for (guint i = 0; i < classes->classes->len; i++)
    g_strv_builder_add(keys, ((const VelmClass *)classes->classes->pdata[i])->key);
  return g_strv_builder_end(keys);
}

/* The parts that were taught, for evaluation to leave out. */
static void store_parts(VelmModel *model, const GPtrArray *chosen) {
  g_autoptr(GStrvBuilder) parts = g_strv_builder_new();
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < chosen->len; i++) {
    const VelmSample *sample = chosen->pdata[i];
    if (g_hash_table_add(seen, sample->group))
      g_strv_builder_add(parts, sample->group);
  }
  g_auto(GStrv) names = g_strv_builder_end(parts);
  velm_model_set_strv(model, "taught.parts", (const char *const *)names);
}

/* Learns how far a language model's probabilities hold. */
static gboolean ask_llm(VelmModel *model, VelmDetector *detector, VelmClassifier *mllm,
                        const GPtrArray *chosen, const VelmTeachParams *params, GError **error) {
  g_autoptr(VelmLlmCalibration) calibration =
      velm_ask_examples(mllm, detector, chosen, params->progress, params->progress_data, error);
  if (calibration)
    velm_llm_calibration_store(calibration, model);
  return calibration != NULL;
}

/* Opened, and asked, before anything else takes its time: what is wrong with the parameters or the
 * server is said at once. */
static gboolean open_llm(VelmModel *model, const VelmClasses *classes,
                         const VelmTeachParams *params, VelmClassifier **mllm, GError **error) {
  if (params->ask_llm)
    *mllm = velm_classifier_open("mllm", model, classes, &params->llm, error);
  return *mllm || !params->ask_llm;
}

static gboolean teach(VelmModel *model, const char *directory, VelmSpec *spec,
                      const VelmTeachParams *params, GError **error) {
  const VelmClasses *classes = velm_spec_get_classes(spec);
  g_autoptr(VelmDataset) dataset = velm_dataset_open(directory, error);
  g_autoptr(GPtrArray) chosen = dataset ? choose_all(dataset, classes, params, error) : NULL;
  g_autoptr(VelmDetector) detector = chosen ? velm_detector_open(model, error) : NULL;
  if (!detector)
    return FALSE;
  g_auto(GStrv) keys = class_keys(classes);
  g_autoptr(VelmClassifier) mllm = NULL;
  velm_llm_calibration_store(NULL, model);
  if (!velm_context_examples_store(model, detector, chosen, (const char *const *)keys, error) ||
      !open_llm(model, classes, params, &mllm, error) ||
      (mllm && !ask_llm(model, detector, mllm, chosen, params, error)))
    return FALSE;
  g_autoptr(GPtrArray) seen =
      velm_examples_collect(detector, chosen, params->progress, params->progress_data, error);
  if (!seen)
    return FALSE;
  g_autoptr(VelmFewshot) fewshot =
      velm_examples_learn(seen, (const char *const *)keys, TRUE, error);
  if (!fewshot)
    return FALSE;
  velm_examples_set_trust(seen, fewshot, params->trust);
  velm_fewshot_store(fewshot, model);
  velm_model_set_string(model, "spec.text", velm_spec_get_text(spec));
  store_parts(model, chosen);
  return TRUE;
}

/* The model that is taught is a copy, until all has gone well. */
gboolean velm_model_teach(VelmModel *model, const char *directory, VelmSpec *spec,
                          const VelmTeachParams *params, GError **error) {
  g_autoptr(VelmModel) copy = velm_model_copy(model);
  if (!teach(copy, directory, spec, params, error))
    return FALSE;
  velm_model_take(model, g_steal_pointer(&copy));
  return TRUE;
}
