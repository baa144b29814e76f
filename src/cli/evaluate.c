/* velm evaluate: how good detectors and classifiers are on labelled images. */
#include "evaluate/evaluate.h"
#include "cli/cli.h"
#include "core/log.h"
#include "evaluate/run_json.h"
#include "evaluate/run_text.h"

#include <stdio.h>

/* What the command line says, as it says it. */
typedef struct {
  char *model, *spec, *detectors, *classifiers, *out;
  VelmCliLlm llm;
  int shots, trials, seed;
  gboolean json;
} Options;

static void options_clear(Options *options) {
  g_free(options->model);
  g_free(options->spec);
  g_free(options->detectors);
  g_free(options->classifiers);
  velm_cli_llm_clear(&options->llm);
  g_free(options->out);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

int velm_cli_print_run(const VelmRun *run, gboolean json) {
  for (guint i = 0; i < run->failures->len; i++) {
    const VelmRunFailure *failure = run->failures->pdata[i];
    /* Most messages name the file themselves. */
    gboolean named = g_str_has_prefix(failure->message, failure->path);
    velm_log_line("velm: %s%s%s", named ? "" : failure->path, named ? "" : ": ", failure->message);
  }
  g_autofree char *text = json ? velm_run_to_json(run) : velm_run_to_text(run);
  fputs(text, stdout);
  if (json)
    putchar('\n');
  return run->failures->len ? VELM_CLI_FAILED : VELM_CLI_OK;
}

static int evaluate(const char *directory, const Options *options) {
  g_auto(GStrv) detectors = options->detectors ? g_strsplit(options->detectors, ",", -1) : NULL;
  g_auto(GStrv) classifiers =
      options->classifiers ? g_strsplit(options->classifiers, ",", -1) : NULL;
  VelmEvaluateParams params = {.detectors = (const char *const *)detectors,
                               .classifiers = (const char *const *)classifiers,
                               .shots = options->shots,
                               .trials = options->trials,
                               .seed = (guint32)options->seed,
                               .spec_path = options->spec,
                               .out = options->out,
                               .progress = velm_log_progress};
  if (!velm_cli_llm_params(&options->llm, &params.llm))
    return VELM_CLI_USAGE;
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = velm_model_load(options->model, &error);
  g_autoptr(VelmSpec) spec = model && options->spec ? velm_spec_load(options->spec, &error) : NULL;
  if (!model || (options->spec && !spec))
    return velm_cli_fail(error);
  g_autoptr(VelmRun) run = velm_evaluate(directory, model, options->model, spec, &params, &error);
  return run ? velm_cli_print_run(run, options->json) : velm_cli_fail(error);
}

static int evaluate_folder(int argc, char **argv) {
  g_auto(Options) options = {.trials = 1};
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options.model, "Model to measure", "MODEL.velm"},
      {"spec", 's', 0, G_OPTION_ARG_FILENAME, &options.spec,
       "Spec whose classes are told apart (default: all folders)", "SPEC.yaml"},
      {"detector", 0, 0, G_OPTION_ARG_STRING, &options.detectors,
       "Detectors side by side: model (the default), oracle (the ground truth), heatmaps:FOLDER, "
       "heatmaps:FOLDER@THRESHOLD, OTHER.velm",
       "NAME,..."},
      {"classifier", 0, 0, G_OPTION_ARG_STRING, &options.classifiers,
       "Classifiers side by side: fewshot (the default where the model was taught), mllm, mllm-RI "
       "(without a part of its prompt), cascade, none",
       "NAME,..."},
      {"shots", 0, 0, G_OPTION_ARG_INT, &options.shots,
       "Teach fewshot anew with K examples a class, and test it on other parts", "K"},
      {"trials", 0, 0, G_OPTION_ARG_INT, &options.trials,
       "Random draws of the examples, with --shots (default 1)", "N"},
      {"seed", 0, 0, G_OPTION_ARG_INT, &options.seed, "Seed of the first draw (default 0)", "N"},
      {"out", 'o', 0, G_OPTION_ARG_FILENAME, &options.out,
       "Store the run in DIR: run.json, report.html, and the tables as Markdown and CSV", "DIR"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print one JSON object", NULL},
      G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths = velm_cli_parse_with(
      argc, argv, "DIR -m MODEL.velm",
      "Measures a model on the labelled images in DIR/test/CLASS, with their masks in "
      "DIR/ground_truth/CLASS.\n"
      "Parts that the model was taught with are left out of the figures of its classifier.\n"
      "Exits with 1 where an image could not be inspected; the figures are of the others.\n\n"
      "  velm evaluate compare RUN RUN    holds stored runs against each other\n"
      "  velm evaluate predictions FILE   measures answers that were recorded elsewhere",
      entries, (GOptionGroup *[]){velm_cli_llm_options(&options.llm), NULL}, 1, 1, &code);
  if (!paths)
    return code;
  if (!options.model) {
    fprintf(stderr, "velm evaluate: name the model with -m\n");
    return VELM_CLI_USAGE;
  }
  return evaluate(paths[0], &options);
}

int velm_cli_evaluate(int argc, char **argv) {
  if (argc > 1 && g_str_equal(argv[1], "predictions")) {
    argv[1] = (char *)"evaluate predictions"; /* for help and messages */
    return velm_cli_evaluate_predictions(argc - 1, argv + 1);
  }
  if (argc > 1 && g_str_equal(argv[1], "compare")) {
    argv[1] = (char *)"evaluate compare";
    return velm_cli_evaluate_compare(argc - 1, argv + 1);
  }
  return evaluate_folder(argc, argv);
}
