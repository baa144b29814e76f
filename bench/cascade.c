/*
 * What a language model that is always right would add to the few-shot classifier: accuracy against
 * the share of images that it is asked about. The server is the tests' own, in the same process,
 * and knows the labels.
 *
 *   bench_cascade MODEL.velm SPEC.yaml DIR [--shots K] [--trials N] [--detector NAME] [-o DIR]
 *
 * Without --shots the model's own few-shot classifier answers; without arguments nothing is done.
 */
#include "classify/scripted_server.h"
#include "core/log.h"
#include "evaluate/call_curve.h"
#include "evaluate/evaluate.h"

#include <stdio.h>

#define SKIPPED 77 /* as Meson's runner takes it */

typedef struct {
  const char *model_path, *spec_path, *directory;
  char *detector, *out;
  int shots, trials;
} Options;

static void options_clear(Options *options) {
  g_free(options->detector);
  g_free(options->out);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* ---- a language model that is always right ---- */

/* Which image each request is about: one is sent at a time, in the order of the images. */
typedef struct {
  const VelmDataset *dataset;
  GArray *labels; /* of guint: what each image shows that is asked about, by index in the script */
} Truth;

static guint reply_of(G_GNUC_UNUSED const ScriptedRequest *request, guint number,
                      G_GNUC_UNUSED guint seen, gpointer data) {
  const Truth *truth = data;
  return number < truth->labels->len ? g_array_index(truth->labels, guint, number) : 0;
}

/* The script: an answer for "good", and one for each class. */
static void write_script(ScriptedServer *server, const VelmDataset *dataset) {
  scripted_server_answer(server, "{\"class\":\"good\",\"reason\":\"nothing is wrong\"}");
  for (guint i = 0; i < dataset->classes->len; i++) {
    g_autofree char *answer = g_strdup_printf("{\"class\":\"%s\",\"reason\":\"it is\"}",
                                              (const char *)dataset->classes->pdata[i]);
    scripted_server_answer(server, answer);
  }
}

/* Looks once without any classifier which images will be asked about: all defects, and the good
 * ones that the detector takes for anomalous. */
static gboolean find_labels(const Options *options, VelmModel *model, Truth *truth,
                            GError **error) {
  VelmEvaluateParams params = velm_evaluate_params_default();
  params.detectors = (const char *const[]){options->detector, NULL};
  params.classifiers = (const char *const[]){"none", NULL};
  params.progress = velm_log_progress;
  g_autoptr(VelmRun) run =
      velm_evaluate(options->directory, model, options->model_path, NULL, &params, error);
  if (!run)
    return FALSE;
  const VelmDetectorRun *detector = run->detectors->pdata[0];
  for (guint i = 0; i < truth->dataset->test->len; i++) {
    const VelmSample *sample = truth->dataset->test->pdata[i];
    guint label = (guint)(velm_dataset_class_index(truth->dataset, sample->label) + 1);
    if (label > 0 || detector->anomalous[i])
      g_array_append_val(truth->labels, label);
  }
  return TRUE;
}

/* ---- the run ---- */

static VelmRun *evaluate(const Options *options, VelmModel *model, ScriptedServer *server,
                         GError **error) {
  VelmEvaluateParams params = velm_evaluate_params_default();
  params.detectors = (const char *const[]){options->detector, NULL};
  params.classifiers = (const char *const[]){"fewshot", "mllm", NULL};
  params.llm.endpoint = scripted_server_endpoint(server);
  params.llm.llm = "always-right";
  params.llm.in_flight = 1;
  params.shots = options->shots;
  params.trials = options->trials;
  params.spec_path = options->spec_path;
  params.out = options->out;
  params.progress = velm_log_progress;
  g_autoptr(VelmSpec) spec = velm_spec_load(options->spec_path, error);
  return spec ? velm_evaluate(options->directory, model, options->model_path, spec, &params, error)
              : NULL;
}

/* A language model that was not always right got answers to other images: nothing can be said. */
static gboolean check(const VelmRun *run, const Truth *truth, ScriptedServer *server,
                      GError **error) {
  const VelmCallCurve *curve = run->call_curves->len ? run->call_curves->pdata[0] : NULL;
  if (curve && scripted_server_n_requests(server) == truth->labels->len &&
      curve->points[VELM_CALL_POINTS - 1].accuracy == 1)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_LLM,
              "%s: the answers of the server do not belong to the images that were asked about",
              run->directory);
  return FALSE;
}

static gboolean measure(const Options *options, GError **error) {
  g_autoptr(VelmModel) model = velm_model_load(options->model_path, error);
  g_autoptr(VelmDataset) dataset = model ? velm_dataset_open(options->directory, error) : NULL;
  if (!dataset)
    return FALSE;
  g_autoptr(GArray) labels = g_array_new(FALSE, FALSE, sizeof(guint));
  Truth truth = {dataset, labels};
  if (!find_labels(options, model, &truth, error))
    return FALSE;
  g_autoptr(ScriptedServer) server = scripted_server_new();
  write_script(server, dataset);
  scripted_server_set_plan(server, reply_of, &truth);
  scripted_server_drop_bodies(server);
  g_autoptr(VelmRun) run = evaluate(options, model, server, error);
  if (!run || !check(run, &truth, server, error))
    return FALSE;
  g_autoptr(GString) text = g_string_new(NULL);
  velm_call_curves_append(text, run, 0, NULL);
  fputs(text->str, stdout);
  return TRUE;
}

int main(int argc, char **argv) {
  g_auto(Options) options = {.trials = 1};
  const GOptionEntry entries[] = {
      {"shots", 0, 0, G_OPTION_ARG_INT, &options.shots, "Teach with K examples a class", "K"},
      {"trials", 0, 0, G_OPTION_ARG_INT, &options.trials, "Draws of the examples", "N"},
      {"detector", 0, 0, G_OPTION_ARG_STRING, &options.detector, "As of velm evaluate", "NAME"},
      {"out", 'o', 0, G_OPTION_ARG_FILENAME, &options.out, "Store the run in DIR", "DIR"},
      G_OPTION_ENTRY_NULL};
  g_autoptr(GOptionContext) context = g_option_context_new("MODEL.velm SPEC.yaml DIR");
  g_autoptr(GError) error = NULL;
  g_option_context_add_main_entries(context, entries, NULL);
  if (argc == 1) {
    puts("skipped: needs a model, a spec and labelled images");
    return SKIPPED;
  }
  if (!g_option_context_parse(context, &argc, &argv, &error) || argc != 4) {
    fprintf(stderr, "%s: %s\n", argv[0], error ? error->message : "needs MODEL.velm SPEC.yaml DIR");
    return 2;
  }
  options.model_path = argv[1];
  options.spec_path = argv[2];
  options.directory = argv[3];
  if (!options.detector)
    options.detector = g_strdup("model");
  if (measure(&options, &error))
    return 0;
  fprintf(stderr, "%s: %s\n", argv[0], error->message);
  return 1;
}
