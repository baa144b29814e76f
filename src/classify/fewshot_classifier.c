/* The embedded classifier as a row of classifier.c's table. */
#include "classify/fewshot.h"

typedef struct {
  VelmClassifier head;
  VelmFewshot *fewshot;
  VelmSightNet *net;
  const VelmClasses *classes; /* or NULL */
} Embedded;

static gboolean is_wanted(const VelmClasses *classes, const char *key) {
  return !classes || velm_classes_find(classes, key) >= 0;
}

static gboolean check_classes(const VelmFewshot *fewshot, const VelmClasses *classes,
                              GError **error) {
  const char *const *names = velm_fewshot_get_classes(fewshot);
  for (int i = 0; names[i]; i++)
    if (is_wanted(classes, names[i]))
      return TRUE;
  g_autofree char *taught = g_strjoinv(", ", (char **)names);
  g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
              "the model was taught none of the spec's classes, but %s; run velm teach", taught);
  return FALSE;
}

/* Keeps the classes wanted; returns how many. */
static guint keep_wanted(const VelmFewshot *fewshot, const VelmClasses *classes,
                         const double *probabilities, VelmInspection *inspection) {
  const char *const *names = velm_fewshot_get_classes(fewshot);
  g_autoptr(GStrvBuilder) kept = g_strv_builder_new();
  guint n = 0;
  inspection->probabilities = g_new0(double, g_strv_length((char **)names));
  for (int i = 0; names[i]; i++)
    if (is_wanted(classes, names[i])) {
      g_strv_builder_add(kept, names[i]);
      inspection->probabilities[n++] = probabilities[i];
    }
  inspection->class_names = g_strv_builder_end(kept);
  return n;
}

/* All are as likely where those left out took everything. */
static void normalise(double *probabilities, guint n) {
  double sum = 0;
  for (guint i = 0; i < n; i++)
    sum += probabilities[i];
  for (guint i = 0; i < n; i++)
    probabilities[i] = sum > 0 ? probabilities[i] / sum : 1.0 / n;
}

gboolean velm_fewshot_answer(const VelmFewshot *fewshot, const VelmClasses *classes,
                             const VelmSight *sight, VelmInspection *inspection, GError **error) {
  guint n_taught = g_strv_length((char **)velm_fewshot_get_classes(fewshot)), best = 0;
  g_autofree double *probabilities = g_new0(double, n_taught);
  gboolean unknown = FALSE;
  if (!check_classes(fewshot, classes, error))
    return FALSE;
  velm_fewshot_predict(fewshot, sight, probabilities, &unknown);
  velm_inspection_clear_class(inspection);
  guint n = keep_wanted(fewshot, classes, probabilities, inspection);
  normalise(inspection->probabilities, n);
  for (guint i = 1; i < n; i++)
    if (inspection->probabilities[i] > inspection->probabilities[best])
      best = i;
  inspection->class_name = g_strdup(unknown ? VELM_CLASS_UNKNOWN : inspection->class_names[best]);
  inspection->confidence = inspection->probabilities[best];
  inspection->classifier = g_strdup(velm_classifier_fewshot.name);
  return TRUE;
}

static void embedded_free(VelmClassifier *classifier) {
  Embedded *embedded = (Embedded *)classifier;
  if (!embedded)
    return;
  velm_fewshot_free(embedded->fewshot);
  velm_sight_net_free(embedded->net);
  g_free(embedded);
}

static VelmClassifier *embedded_open(VelmModel *model, const VelmClasses *classes,
                                     G_GNUC_UNUSED const VelmClassifierParams *params,
                                     GError **error) {
  g_autoptr(VelmFewshot) fewshot = velm_fewshot_restore(model, error);
  if (!fewshot || !check_classes(fewshot, classes, error))
    return NULL;
  VelmSightNet *net = velm_sight_net_open(error);
  if (!net)
    return NULL;
  Embedded *embedded = g_new0(Embedded, 1);
  embedded->head.klass = &velm_classifier_fewshot;
  embedded->fewshot = g_steal_pointer(&fewshot);
  embedded->net = net;
  embedded->classes = classes;
  return &embedded->head;
}

/* Where nothing was marked there is nothing to name. */
static gboolean embedded_classify(VelmClassifier *classifier, VelmInspection *inspection,
                                  GError **error) {
  Embedded *embedded = (Embedded *)classifier;
  if (!inspection->focus)
    return TRUE;
  gboolean detected = velm_fewshot_get_detected(embedded->fewshot);
  g_autoptr(VelmSight) sight = velm_sight_take(embedded->net, inspection, detected, FALSE, error);
  return sight &&
         velm_fewshot_answer(embedded->fewshot, embedded->classes, sight, inspection, error);
}

double velm_fewshot_classifier_get_trust(const VelmClassifier *classifier) {
  return velm_fewshot_get_trust(((const Embedded *)classifier)->fewshot);
}

const VelmClassifierClass velm_classifier_fewshot = {
    .name = "fewshot", .open = embedded_open, .classify = embedded_classify, .free = embedded_free};
