#include "evaluate/evaluate.h"

#include "core/file.h"
#include "core/http_redact.h"
#include "evaluate/call_curve.h"
#include "evaluate/fewshot_trials.h"
#include "evaluate/run_page.h"
#include "evaluate/run_tables.h"
#include "evaluate/scan.h"

#include <math.h>
#include <string.h>

/* What is at work while a run is made. */
typedef struct {
  const VelmEvaluateParams *params;
  VelmModel *model;
  const VelmSpec *spec;
  VelmDataset *dataset;
  char **keys;             /* of the classes to tell apart */
  GPtrArray *scans;        /* of GPtrArray of VelmScan, one a detector */
  VelmLlmSession *session; /* NULL where no language model is asked */
  VelmRun *run;
} Work;

VelmEvaluateParams velm_evaluate_params_default(void) { return (VelmEvaluateParams){.trials = 1}; }

static gboolean check_params(const VelmEvaluateParams *params, GError **error) {
  const char *why = NULL;
  if (params->shots < 0 || params->trials < 1)
    why = "the shots must be 0 or more and the trials 1 or more";
  else if (params->shots > 0 && params->classifiers &&
           !g_strv_contains(params->classifiers, "fewshot"))
    why = "only the few-shot classifier is taught anew (--shots)";
  if (why)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s", why);
  return why == NULL;
}

/* ---- what is measured ---- */

/* The classes to tell apart: the spec's that the folder has, or all of the folder's. */
static char **class_keys(const VelmDataset *dataset, const VelmSpec *spec, GError **error) {
  g_autoptr(GStrvBuilder) keys = g_strv_builder_new();
  if (!spec) {
    for (guint i = 0; i < dataset->classes->len; i++)
      g_strv_builder_add(keys, dataset->classes->pdata[i]);
    return g_strv_builder_end(keys);
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
    g_strv_builder_add(keys, class->key);
  }
  return g_strv_builder_end(keys);
}

static char *hash_file(const char *path) {
  g_autoptr(GBytes) bytes = path ? velm_file_read(path, NULL) : NULL;
  return bytes ? g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, bytes) : NULL;
}

static void describe_run(Work *work, const char *model_path) {
  VelmRun *run = work->run;
  g_autoptr(GDateTime) now = g_date_time_new_now_utc();
  run->directory = g_strdup(work->dataset->directory);
  run->has_groups = work->dataset->has_groups;
  run->model = g_strdup(model_path);
  run->model_sha256 = hash_file(model_path);
  run->shots = work->params->shots;
  run->trials = work->params->trials;
  run->seed = work->params->seed;
  const VelmClassifierParams *llm = &work->params->llm;
  run->llm = g_strdup(llm->llm);
  run->endpoint = llm->endpoint ? velm_http_display_url(llm->endpoint) : NULL;
  run->made = now ? g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ") : g_strdup("");
  run->version = g_strdup(velm_version());
  guint n = run->n_classes = g_strv_length(work->keys);
  if (!work->spec)
    return;
  run->spec = g_strdup(velm_spec_get_text(work->spec));
  run->spec_path = g_strdup(work->params->spec_path);
  run->severities = g_new0(VelmDecision, n + 1);
  for (guint i = 0; i < n; i++)
    run->severities[i] = velm_spec_get_outcome(work->spec, i)->severity;
}

static void add_images(Work *work) {
  for (guint i = 0; i < work->dataset->test->len; i++) {
    const VelmSample *sample = work->dataset->test->pdata[i];
    VelmRunImage *image = g_new0(VelmRunImage, 1);
    g_autofree char *below = velm_dataset_path_below(work->dataset, sample->path);
    image->path = g_filename_display_name(below);
    image->label = g_strdup(sample->label);
    image->group = g_strdup(sample->group);
    g_ptr_array_add(work->run->images, image);
  }
}

/* ---- detectors ---- */

/* The scans of the images that could be inspected. Borrowed. */
static GPtrArray *inspected(const GPtrArray *scans) {
  GPtrArray *kept = g_ptr_array_new();
  for (guint i = 0; i < scans->len; i++)
    if (!((const VelmScan *)scans->pdata[i])->error)
      g_ptr_array_add(kept, scans->pdata[i]);
  return kept;
}

static gboolean add_detector(Work *work, const VelmVisionExpert *expert, const GPtrArray *scans,
                             GError **error) {
  VelmDetectorRun *detector = g_new0(VelmDetectorRun, 1);
  g_ptr_array_add(work->run->detectors, detector);
  detector->name = g_strdup(expert->name);
  detector->scores = g_new0(double, scans->len);
  detector->anomalous = g_new0(guint8, scans->len);
  detector->threshold = NAN;
  for (guint i = 0; i < scans->len; i++) {
    const VelmScan *scan = scans->pdata[i];
    detector->scores[i] = scan->score;
    detector->anomalous[i] = scan->anomalous;
    if (!scan->error && isnan(detector->threshold))
      detector->threshold = scan->threshold;
    if (scan->error)
      velm_run_add_failure(work->run, scan->sample->path, scan->error);
  }
  g_autoptr(GPtrArray) kept = inspected(scans);
  if (kept->len == 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                "%s: no image of test/ could be inspected; the first: %s", work->dataset->directory,
                ((const VelmScan *)scans->pdata[0])->error);
    return FALSE;
  }
  return velm_detection_measure(work->dataset, kept, &detector->figures, error);
}

/* ---- classifiers ---- */

static const char *const *classifier_names(const Work *work, VelmModel *model) {
  static const char *const fewshot[] = {"fewshot", NULL}, *const none[] = {NULL};
  if (work->params->classifiers)
    return work->params->classifiers;
  return work->params->shots > 0 || velm_model_has(model, "fewshot.classes") ? fewshot : none;
}

/* Whether the trials stand in for the model's own few-shot classifier. */
static gboolean is_trial(const Work *work, const char *name) {
  return work->params->shots > 0 && g_str_equal(name, "fewshot");
}

static void free_answerer(gpointer data) { velm_answerer_free(data); }

/* The classifiers to ask while scanning: all but the trials'. */
static GPtrArray *open_answerers(Work *work, VelmModel *model, GError **error) {
  g_autoptr(GPtrArray) answerers = g_ptr_array_new_with_free_func(free_answerer);
  const char *const *names = classifier_names(work, model);
  for (gsize i = 0; names[i]; i++) {
    if (is_trial(work, names[i]) || g_str_equal(names[i], "none"))
      continue;
    VelmAnswerer *answerer =
        velm_answerer_open(names[i], model, work->spec, &work->params->llm, &work->session, error);
    if (!answerer)
      return NULL;
    g_ptr_array_add(answerers, answerer);
  }
  return g_steal_pointer(&answerers);
}

static gboolean has_key(const Work *work, const char *label) {
  return g_strv_contains((const char *const *)work->keys, label);
}

/* Takes what answerer @index said of the images whose classes are told apart. */
static void take_answers(Work *work, const VelmAnswerer *answerer, guint index,
                         const GPtrArray *scans, guint detector) {
  VelmClassifierRun *classifier =
      velm_run_add_classifier(work->run, answerer->name, detector, (const char *const *)work->keys);
  if (!isnan(answerer->trust))
    classifier->trusts = g_memdup2(&answerer->trust, sizeof answerer->trust);
  for (guint i = 0; i < scans->len; i++) {
    const VelmScan *scan = scans->pdata[i];
    const VelmScanAnswer *answer = &scan->answers[index];
    if (answerer->taught && g_strv_contains(answerer->taught, scan->sample->group))
      classifier->excluded++;
    if (answer->error) {
      classifier->failed++;
      velm_run_add_failure(work->run, scan->sample->path, answer->error);
    }
    if (!answer->answer ||
        (!g_str_equal(scan->sample->label, VELM_LABEL_GOOD) && !has_key(work, scan->sample->label)))
      continue;
    VelmAnswer one = {.image = scan->index,
                      .answer = velm_run_class(classifier, answer->answer),
                      .confidence = answer->confidence};
    g_array_append_val(classifier->answers, one);
  }
}

static gboolean run_trials(Work *work, const VelmVisionExpert *expert, const GPtrArray *scans,
                           guint detector, GError **error) {
  g_autofree char *name = g_strdup_printf("fewshot (%d shots)", work->params->shots);
  VelmClassifierRun *classifier =
      velm_run_add_classifier(work->run, name, detector, (const char *const *)work->keys);
  VelmTrialParams params = {.shots = work->params->shots,
                            .trials = work->params->trials,
                            .seed = work->params->seed,
                            .trust = work->session != NULL, /* a cascade is measured */
                            .oracle = expert->oracle,
                            .progress = work->params->progress,
                            .progress_data = work->params->progress_data};
  return velm_fewshot_trials(work->dataset, scans, &params, classifier, error);
}

static gboolean take_classifiers(Work *work, const VelmVisionExpert *expert,
                                 const GPtrArray *answerers, const GPtrArray *scans, guint detector,
                                 GError **error) {
  const char *const *names = classifier_names(work, expert->model);
  for (gsize i = 0, asked = 0; names[i]; i++) {
    if (g_str_equal(names[i], "none"))
      continue;
    if (!is_trial(work, names[i]))
      take_answers(work, answerers->pdata[asked], (guint)asked, scans, detector), asked++;
    else if (!run_trials(work, expert, scans, detector, error))
      return FALSE;
  }
  return TRUE;
}

/* ---- one detector with all classifiers ---- */

static gboolean wants_trials(const Work *work, VelmModel *model) {
  const char *const *names = classifier_names(work, model);
  for (gsize i = 0; names[i]; i++)
    if (is_trial(work, names[i]))
      return TRUE;
  return FALSE;
}

static gboolean evaluate_detector(Work *work, const char *name, GError **error) {
  g_autoptr(VelmVisionExpert) expert =
      velm_vision_expert_open(name, work->model, work->dataset, error);
  g_autoptr(GPtrArray) answerers = expert ? open_answerers(work, expert->model, error) : NULL;
  if (!answerers)
    return FALSE;
  VelmScanParams params = {.answerers = answerers,
                           .look = wants_trials(work, expert->model) && work->keys[0],
                           .progress = work->params->progress,
                           .progress_data = work->params->progress_data};
  g_autoptr(GPtrArray) scans = velm_scan_all(work->dataset, expert, &params, error);
  guint detector = work->run->detectors->len;
  if (!scans || !add_detector(work, expert, scans, error) ||
      (work->keys[0] && !take_classifiers(work, expert, answerers, scans, detector, error)))
    return FALSE;
  g_ptr_array_add(work->scans, g_steal_pointer(&scans));
  return TRUE;
}

/* Which language model it was in the end, and what it took. */
static void take_spending(Work *work) {
  VelmRun *run = work->run;
  if (!work->session || !work->session->spending)
    return;
  run->spending = velm_spending_get_totals(work->session->spending);
  g_free(run->llm);
  run->llm = g_strdup(velm_llm_server_get_llm(work->session->server, NULL));
}

static gboolean evaluate_all(Work *work, GError **error) {
  static const char *const own[] = {"model", NULL};
  const char *const *names = work->params->detectors ? work->params->detectors : own;
  for (gsize i = 0; names[i]; i++)
    if (!evaluate_detector(work, names[i], error))
      return FALSE;
  take_spending(work);
  for (guint i = 0; i < work->run->classifiers->len; i++)
    velm_run_measure(work->run, work->run->classifiers->pdata[i]);
  velm_run_measure_calls(work->run);
  return TRUE;
}

/* ---- the run's files ---- */

static VelmInspection *look(const VelmRun *run, guint detector, guint image, gpointer data,
                            GError **error) {
  const Work *work = data;
  const GPtrArray *scans = work->scans->pdata[detector];
  return velm_scan_look(scans->pdata[image], error);
}

static gboolean write_files(Work *work, GError **error) {
  const char *folder = work->params->out;
  if (!folder)
    return TRUE;
  g_autofree char *stored = g_build_filename(folder, "run.json", NULL);
  g_autofree char *page = g_build_filename(folder, "report.html", NULL);
  return velm_run_save(work->run, stored, error) &&
         velm_run_write_tables(work->run, folder, error) &&
         velm_run_page_write(work->run, look, work, page, error);
}

static void work_clear(Work *work) {
  velm_run_free(work->run);
  velm_llm_session_unref(work->session);
  g_clear_pointer(&work->scans, g_ptr_array_unref);
  g_strfreev(work->keys);
  velm_dataset_free(work->dataset);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)

VelmRun *velm_evaluate(const char *directory, VelmModel *model, const char *model_path,
                       VelmSpec *spec, const VelmEvaluateParams *params, GError **error) {
  if (!check_params(params, error))
    return NULL;
  g_auto(Work) work = {.params = params, .model = model, .spec = spec};
  work.run = velm_run_new();
  work.scans = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
  work.dataset = velm_dataset_open(directory, error);
  work.keys = work.dataset ? class_keys(work.dataset, spec, error) : NULL;
  if (!work.keys)
    return NULL;
  if (work.dataset->test->len == 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "%s: has no image in test/", directory);
    return NULL;
  }
  if (params->out && !velm_file_make_folder(params->out, error))
    return NULL;
  describe_run(&work, model_path);
  add_images(&work);
  if (!evaluate_all(&work, error) || !write_files(&work, error))
    return NULL;
  return g_steal_pointer(&work.run);
}
