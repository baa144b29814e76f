#include "act/inspector.h"

#include "act/policy.h"
#include "classify/classifier.h"
#include "core/parallel.h"
#include "detect/detector.h"
#include "detect/drift.h"
#include "mark/mark.h"

#include <string.h>

/* More images at a time would each hold memory, and large processors have threads to spare for one
 * image. */
#define MAX_PARALLEL 4

/* How long to wait for a detector's thread while a classifier has something to do as well. */
#define BOTH_WAIT_MS 2

struct _VelmInspector {
  VelmDetector *detector;
  VelmDrift *drift;           /* NULL where the model does not say what good parts score */
  VelmClassifier *classifier; /* NULL: nothing is classified */
  VelmSpec *own_spec;         /* the one that the model was taught with */
  const VelmSpec *spec;       /* the caller's, else own_spec; or NULL */
  gint64 max_pixels;
  guint n_parallel;
  GThreadPool *detecting; /* of Passage; NULL where one image is detected at a time */
  GAsyncQueue *detected;  /* of Passage */
  GQueue passing;         /* of Passage: those that threads have, in the order of submission */
};

static void detect_in_thread(gpointer passage, gpointer inspector);

VelmInspectorParams velm_inspector_params_default(void) {
  return (VelmInspectorParams){.classifier = "auto", .max_pixels = VELM_IMAGE_MAX_PIXELS};
}

/* What there is to classify with. A server counts where the caller names it: an address that the
 * environment happens to have is not taken to mean that images may be sent there. */
static const char *choose_classifier(VelmModel *model, const VelmLlmParams *llm) {
  gboolean taught = velm_model_has(model, "fewshot.classes");
  gboolean has_server = (llm->endpoint && llm->endpoint[0]) || llm->serve_llm;
  if (taught)
    return has_server ? "cascade" : "fewshot";
  return has_server ? "mllm" : NULL;
}

/* The classifier's name for the user's choice; NULL for none. */
static const char *resolve_classifier(const VelmInspectorParams *params, VelmModel *model) {
  const char *choice = params->classifier;
  if (!choice || g_str_equal(choice, "auto"))
    return choose_classifier(model, &params->llm);
  return g_str_equal(choice, "none") ? NULL : choice;
}

static gboolean open_spec(VelmInspector *inspector, VelmModel *model, VelmSpec *spec,
                          GError **error) {
  inspector->spec = spec;
  if (spec || !velm_model_has(model, "spec.text"))
    return TRUE;
  const char *text = velm_model_get_string(model, "spec.text", error);
  if (!text)
    return FALSE;
  inspector->own_spec = velm_spec_parse(text, strlen(text), "the model's spec", NULL, error);
  inspector->spec = inspector->own_spec;
  return inspector->spec != NULL;
}

guint velm_inspector_best_parallel(void) {
  return MIN(g_get_num_processors(), (guint)MAX_PARALLEL);
}

static gboolean open_detector(VelmInspector *inspector, VelmModel *model, guint parallel,
                              GError **error) {
  inspector->n_parallel = parallel;
  inspector->detector = velm_detector_open_for(model, &inspector->n_parallel, error);
  if (!inspector->detector || inspector->n_parallel == 1)
    return inspector->detector != NULL;
  inspector->detected = g_async_queue_new();
  inspector->detecting =
      g_thread_pool_new(detect_in_thread, inspector, (gint)inspector->n_parallel, FALSE, NULL);
  return TRUE;
}

VelmInspector *velm_inspector_new(VelmModel *model, VelmSpec *spec,
                                  const VelmInspectorParams *params, GError **error) {
  g_autoptr(VelmInspector) inspector = g_new0(VelmInspector, 1);
  inspector->max_pixels = params->max_pixels;
  if (!open_spec(inspector, model, spec, error) ||
      !open_detector(inspector, model, params->parallel, error))
    return NULL;
  inspector->drift = velm_drift_open(model);
  const char *name = resolve_classifier(params, model);
  if (!name)
    return g_steal_pointer(&inspector);
  const VelmClasses *classes = inspector->spec ? velm_spec_get_classes(inspector->spec) : NULL;
  inspector->classifier = velm_classifier_open(name, model, classes, &params->llm, error);
  return inspector->classifier ? g_steal_pointer(&inspector) : NULL;
}

/* A record on its way. */
typedef struct {
  VelmInspector *inspector;
  VelmInspection *inspection;
  char *reference;
  GError *error; /* why it was not detected */
  gint64 start, classify_start;
  gboolean detected;
  VelmInspected done;
  gpointer user_data;
} Passage;

static void passage_free(Passage *passage) {
  g_clear_error(&passage->error);
  g_free(passage->reference);
  g_free(passage);
}

static void fail(Passage *passage, const GError *error) {
  velm_inspection_free(passage->inspection);
  passage->done(NULL, error, passage->user_data);
  passage_free(passage);
}

/* Waits for the images that threads are at, and drops the others. */
static void give_up_detecting(VelmInspector *inspector) {
  if (!inspector->detecting)
    return;
  g_thread_pool_free(inspector->detecting, FALSE, TRUE);
  g_autoptr(GError) error =
      g_error_new(VELM_ERROR, VELM_ERROR_CANCELLED, "the inspection was given up");
  Passage *passage;
  while ((passage = g_queue_pop_head(&inspector->passing)))
    fail(passage, error);
  g_async_queue_unref(inspector->detected);
}

void velm_inspector_free(VelmInspector *inspector) {
  if (!inspector)
    return;
  give_up_detecting(inspector);
  velm_classifier_free(
      inspector->classifier); /* before the detector: it gives up what is on its way */
  velm_detector_free(inspector->detector);
  velm_drift_free(inspector->drift);
  velm_spec_free(inspector->own_spec);
  g_free(inspector);
}

/* Scores against a reference are of another kind. */
static void watch(VelmInspector *inspector, VelmInspection *inspection) {
  if (inspector->drift && !inspection->reference)
    inspection->warning = g_strdup(velm_drift_add(inspector->drift, inspection->score));
}

static gboolean mark(VelmInspection *inspection, GError **error) {
  if (!inspection->anomalous)
    return TRUE;
  gint64 start = g_get_monotonic_time();
  /* An anomalous image has a region, even where its score lies in many pixels and its map's top is
   * low. */
  gboolean ok = velm_mark_regions(inspection, TRUE, error);
  inspection->timings_ms[VELM_TIMING_MARK] = velm_timing_since(start);
  return ok;
}

/* A classifier that fails does not undo what was detected: the record says so and the part is held.
 */
static void finish(VelmInspection *inspection, const GError *error, gpointer user_data) {
  Passage *passage = user_data;
  if (error) {
    velm_inspection_clear_class(inspection);
    inspection->error = g_strdup(error->message);
    inspection->class_name = g_strdup(VELM_CLASS_UNCLASSIFIED);
  }
  if (passage->classify_start)
    inspection->timings_ms[VELM_TIMING_CLASSIFY] = velm_timing_since(passage->classify_start);
  velm_policy_decide(passage->inspector->spec, inspection);
  inspection->timings_ms[VELM_TIMING_TOTAL] = velm_timing_since(passage->start);
  passage->done(inspection, NULL, passage->user_data);
  passage_free(passage);
}

static void classify(Passage *passage) {
  VelmInspector *inspector = passage->inspector;
  VelmInspection *inspection = passage->inspection;
  if (!inspection->anomalous || !inspector->classifier) {
    finish(inspection, NULL, passage);
    return;
  }
  passage->classify_start = g_get_monotonic_time();
  velm_classifier_submit(inspector->classifier, inspection, finish, passage);
}

/* Leaves an error where a stage fails. */
static void detect(Passage *passage) {
  VelmInspector *inspector = passage->inspector;
  VelmInspection *inspection = passage->inspection;
  if (velm_inspection_load(inspection, passage->reference, inspector->max_pixels,
                           &passage->error) &&
      velm_detector_detect(inspector->detector, inspection, &passage->error))
    mark(inspection, &passage->error);
}

static void detect_in_thread(gpointer data, gpointer user_data) {
  Passage *passage = data;
  VelmInspector *inspector = user_data;
  /* Each thread has its part of the processors. */
  velm_parallel_limit(MAX(1, g_get_num_processors() / inspector->n_parallel));
  passage->start = g_get_monotonic_time();
  detect(passage);
  g_async_queue_push(inspector->detected, passage);
}

static void go_on(Passage *passage) {
  if (passage->error) {
    g_autoptr(GError) error = g_steal_pointer(&passage->error);
    fail(passage, error);
    return;
  }
  watch(passage->inspector, passage->inspection);
  classify(passage);
}

void velm_inspector_submit(VelmInspector *inspector, const char *path, const char *reference,
                           VelmInspected done, gpointer user_data) {
  Passage *passage = g_new0(Passage, 1);
  *passage = (Passage){.inspector = inspector,
                       .inspection = velm_inspection_new(path),
                       .reference = g_strdup(reference),
                       .start = g_get_monotonic_time(),
                       .done = done,
                       .user_data = user_data};
  if (inspector->detecting) {
    g_queue_push_tail(&inspector->passing, passage);
    g_thread_pool_push(inspector->detecting, passage, NULL);
    return;
  }
  detect(passage);
  go_on(passage);
}

/* Goes on with what threads have detected, in the order of submission: whom a language model is
 * asked about before its budget is spent must not depend on which thread was faster. */
static void take_detected(VelmInspector *inspector, int wait_ms) {
  Passage *passage =
      wait_ms > 0 ? g_async_queue_timeout_pop(inspector->detected, (guint64)wait_ms * 1000) : NULL;
  if (!passage)
    passage = g_async_queue_try_pop(inspector->detected);
  for (; passage; passage = g_async_queue_try_pop(inspector->detected))
    passage->detected = TRUE;
  while ((passage = g_queue_peek_head(&inspector->passing)) && passage->detected)
    go_on(g_queue_pop_head(&inspector->passing));
}

gboolean velm_inspector_iterate(VelmInspector *inspector, int wait_ms) {
  if (inspector->passing.length == 0)
    return inspector->classifier && velm_classifier_iterate(inspector->classifier, wait_ms);
  gboolean busy = inspector->classifier && velm_classifier_iterate(inspector->classifier, 0);
  take_detected(inspector, busy ? MIN(wait_ms, BOTH_WAIT_MS) : wait_ms);
  return busy || inspector->passing.length > 0 ||
         (inspector->classifier && velm_classifier_iterate(inspector->classifier, 0));
}

const VelmSpending *velm_inspector_get_spending(const VelmInspector *inspector) {
  return inspector->classifier ? velm_classifier_get_spending(inspector->classifier) : NULL;
}

gboolean velm_inspector_watch(VelmInspector *inspector, VelmClassifierServer *server) {
  return inspector->classifier && velm_classifier_watch(inspector->classifier, server);
}

guint velm_inspector_capacity(const VelmInspector *inspector) {
  guint classified = inspector->classifier ? velm_classifier_capacity(inspector->classifier) : 1;
  /* One that waits for each thread: none is idle while records are written. */
  return inspector->n_parallel > 1 ? MAX(classified, 2 * inspector->n_parallel) : classified;
}

/* ---- one at a time ---- */

typedef struct {
  VelmInspection *inspection;
  GError *error;
} Result;

static void keep(VelmInspection *inspection, const GError *error, gpointer user_data) {
  Result *result = user_data;
  result->inspection = inspection;
  result->error = error ? g_error_copy(error) : NULL;
}

VelmInspection *velm_inspector_inspect(VelmInspector *inspector, const char *path,
                                       const char *reference, GError **error) {
  Result result = {0};
  velm_inspector_submit(inspector, path, reference, keep, &result);
  while (!result.inspection && !result.error)
    velm_inspector_iterate(inspector, 1000);
  if (result.error)
    g_propagate_error(error, result.error);
  return result.inspection;
}
