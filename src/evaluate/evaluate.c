#include "evaluate/evaluate.h"

#include "evaluate/classification.h"
#include "evaluate/detection.h"

static void class_detection_clear(gpointer data) { g_free(((VelmClassDetection *)data)->name); }

static void figures_clear(VelmClassificationFigures *figures) {
  g_strfreev(figures->classes);
  g_free(figures->confusion);
}

void velm_evaluation_free(VelmEvaluation *evaluation) {
  if (!evaluation)
    return;
  g_array_unref(evaluation->detection.by_class);
  figures_clear(&evaluation->classification);
  figures_clear(&evaluation->end_to_end);
  g_free(evaluation);
}

static VelmEvaluation *evaluation_new(void) {
  VelmEvaluation *evaluation = g_new0(VelmEvaluation, 1);
  evaluation->detection.by_class = g_array_new(FALSE, TRUE, sizeof(VelmClassDetection));
  g_array_set_clear_func(evaluation->detection.by_class, class_detection_clear);
  return evaluation;
}

/* The classes to tell apart: the spec's that the folder has, or all of the folder's. Borrowed
 * strings. */
static GPtrArray *class_names(const VelmDataset *dataset, const VelmSpec *spec, GError **error) {
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  if (!spec) {
    for (guint i = 0; i < dataset->classes->len; i++)
      g_ptr_array_add(names, dataset->classes->pdata[i]);
    return g_steal_pointer(&names);
  }
  const VelmClasses *classes = velm_spec_get_classes(spec);
  for (guint i = 0; i < classes->classes->len; i++) {
    const VelmClass *class = classes->classes->pdata[i];
    if (velm_dataset_class_index(dataset, class->key) < 0) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                  "%s: the spec's class \"%s\" has no image in test/%s", dataset->directory,
                  class->key, class->key);
      return NULL;
    }
    g_ptr_array_add(names, class->key);
  }
  return g_steal_pointer(&names);
}

/* The classifier to measure: NULL and no error where there is none. */
static VelmClassifier *open_classifier(VelmModel *model, const VelmSpec *spec,
                                       const VelmEvaluateParams *params, GError **error) {
  const char *name = params->classifier;
  if (g_str_equal(name, "auto"))
    name = velm_model_has(model, "fewshot.classes") ? "fewshot" : "none";
  if (params->shots > 0 || g_str_equal(name, "none"))
    return NULL;
  VelmClassifierParams classifier = {.endpoint = params->endpoint, .llm = params->llm};
  return velm_classifier_open(name, model, spec ? velm_spec_get_classes(spec) : NULL, &classifier,
                              error);
}

static gboolean check_params(const VelmEvaluateParams *params, GError **error) {
  const char *why = NULL;
  if (params->shots < 0 || params->trials < 1)
    why = "the shots must be 0 or more and the trials 1 or more";
  else if (params->shots > 0 && !g_str_equal(params->classifier, "auto") &&
           !g_str_equal(params->classifier, "fewshot"))
    why = "only the few-shot classifier is taught (--shots)";
  if (why)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s", why);
  return why == NULL;
}

VelmEvaluation *velm_evaluate(const char *directory, VelmModel *model, VelmSpec *spec,
                              const VelmEvaluateParams *params, GError **error) {
  if (!check_params(params, error))
    return NULL;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(directory, error);
  g_autoptr(GPtrArray) names = dataset ? class_names(dataset, spec, error) : NULL;
  if (!names)
    return NULL;
  if (dataset->test->len == 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: has no image in test/", directory);
    return NULL;
  }
  g_autoptr(VelmDetector) detector = velm_detector_open(model, error);
  if (!detector)
    return NULL;
  g_autoptr(GError) cause = NULL;
  g_autoptr(VelmClassifier) classifier = open_classifier(model, spec, params, &cause);
  if (cause) {
    g_propagate_error(error, g_steal_pointer(&cause));
    return NULL;
  }
  gboolean trials = params->shots > 0 && names->len > 0;
  g_autoptr(GPtrArray) scans = velm_scan_all(dataset, detector, classifier, trials, params, error);
  g_autoptr(VelmEvaluation) evaluation = evaluation_new();
  if (!scans || !velm_detection_measure(dataset, scans, &evaluation->detection, error))
    return NULL;
  if (trials && !velm_classification_trials(dataset, scans, names, params, evaluation, error))
    return NULL;
  if (classifier) {
    g_autofree const char **taught = velm_model_get_strv(model, "taught.parts", NULL);
    gboolean fewshot = g_str_equal(classifier->klass->name, "fewshot");
    velm_classification_answers(scans, names, fewshot ? (const char *const *)taught : NULL,
                                evaluation);
  }
  return g_steal_pointer(&evaluation);
}
