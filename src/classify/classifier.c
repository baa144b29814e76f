#include "classify/classifier.h"

#include "classify/cascade.h"
#include "classify/fewshot.h"
#include "classify/mllm.h"

static const VelmClassifierClass *const classifiers[] = {
    &velm_classifier_fewshot,
    &velm_classifier_mllm,
    &velm_classifier_cascade,
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

typedef struct {
  gboolean done;
  GError *error;
} Result;

static void keep(G_GNUC_UNUSED VelmInspection *inspection, const GError *error,
                 gpointer user_data) {
  Result *result = user_data;
  result->done = TRUE;
  result->error = error ? g_error_copy(error) : NULL;
}

gboolean velm_classifier_classify(VelmClassifier *classifier, VelmInspection *inspection,
                                  GError **error) {
  if (classifier->klass->classify)
    return classifier->klass->classify(classifier, inspection, error);
  Result result = {0};
  velm_classifier_submit(classifier, inspection, keep, &result);
  while (!result.done)
    velm_classifier_iterate(classifier, -1);
  if (result.error)
    g_propagate_error(error, result.error);
  return result.error == NULL;
}

void velm_classifier_submit(VelmClassifier *classifier, VelmInspection *inspection,
                            VelmClassified done, gpointer user_data) {
  if (classifier->klass->submit) {
    classifier->klass->submit(classifier, inspection, done, user_data);
    return;
  }
  g_autoptr(GError) error = NULL;
  velm_classifier_classify(classifier, inspection, &error);
  done(inspection, error, user_data);
}

gboolean velm_classifier_iterate(VelmClassifier *classifier, int wait_ms) {
  return classifier->klass->iterate && classifier->klass->iterate(classifier, wait_ms);
}

void velm_classifier_cancel(VelmClassifier *classifier) {
  if (classifier->klass->cancel)
    classifier->klass->cancel(classifier);
}

guint velm_classifier_capacity(const VelmClassifier *classifier) {
  return classifier->klass->capacity ? classifier->klass->capacity(classifier) : 1;
}

const VelmSpending *velm_classifier_get_spending(const VelmClassifier *classifier) {
  return classifier->klass->spending ? classifier->klass->spending(classifier) : NULL;
}

gboolean velm_classifier_watch(VelmClassifier *classifier, VelmClassifierServer *server) {
  return classifier->klass->watch && classifier->klass->watch(classifier, server);
}

void velm_classifier_free(VelmClassifier *classifier) {
  if (!classifier)
    return;
  velm_classifier_cancel(classifier);
  classifier->klass->free(classifier);
}
