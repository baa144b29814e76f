#include "classify/classifier.h"

#include "classify/fewshot.h"
#include "classify/mllm.h"

static const VelmClassifierClass *const classifiers[] = {
    &velm_classifier_fewshot,
    &velm_classifier_mllm,
};

const VelmClassifierClass *velm_classifier_find(const char *name) {
  for (gsize i = 0; i < G_N_ELEMENTS(classifiers); i++)
    if (g_str_equal(classifiers[i]->name, name))
      return classifiers[i];
  return NULL;
}

static char *list_names(void) {
  GString *names = g_string_new(classifiers[0]->name);
  for (gsize i = 1; i < G_N_ELEMENTS(classifiers); i++)
    g_string_append_printf(names, ", %s", classifiers[i]->name);
  return g_string_free(names, FALSE);
}

VelmClassifier *velm_classifier_open(const char *name, VelmModel *model, const VelmClasses *classes,
                                     const VelmClassifierParams *params, GError **error) {
  const VelmClassifierClass *klass = velm_classifier_find(name);
  if (klass)
    return klass->open(model, classes, params, error);
  g_autofree char *names = list_names();
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "no classifier \"%s\"; there are: %s", name,
              names);
  return NULL;
}

gboolean velm_classifier_classify(VelmClassifier *classifier, VelmInspection *inspection,
                                  GError **error) {
  return classifier->klass->classify(classifier, inspection, error);
}

void velm_classifier_free(VelmClassifier *classifier) {
  if (classifier)
    classifier->klass->free(classifier);
}
