/* velm evaluate: how good a model is on labelled images. */
#include "evaluate/evaluate.h"
#include "cli/cli.h"
#include "core/log.h"

#include <stdio.h>

/* Whether @regions is a known choice; sets @oracle. */
static gboolean read_regions(const char *regions, gboolean *oracle) {
  *oracle = regions && g_str_equal(regions, "oracle");
  return !regions || *oracle || g_str_equal(regions, "detected");
}

int velm_cli_evaluate(int argc, char **argv) {
  VelmEvaluateParams params = {.classifier = "auto", .trials = 1, .progress = velm_log_progress};
  g_autofree char *model_path = NULL, *spec_path = NULL, *classifier = NULL, *endpoint = NULL;
  g_autofree char *llm = NULL, *regions = NULL;
  gboolean json = FALSE;
  int seed = 0;
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model_path, "Model to measure", "MODEL.velm"},
      {"spec", 's', 0, G_OPTION_ARG_FILENAME, &spec_path,
       "Spec whose classes are told apart (default: all folders)", "SPEC.yaml"},
      {"classifier", 0, 0, G_OPTION_ARG_STRING, &classifier,
       "auto (the default: fewshot where the model was taught, else none), fewshot, mllm or none",
       "NAME"},
      {"endpoint", 0, 0, G_OPTION_ARG_STRING, &endpoint,
       "OpenAI-compatible server for mllm (default: OPENAI_BASE_URL); its key comes from "
       "OPENAI_API_KEY",
       "URL"},
      {"llm", 0, 0, G_OPTION_ARG_STRING, &llm,
       "Name of the server's model (default: the first that it lists)", "NAME"},
      {"shots", 0, 0, G_OPTION_ARG_INT, &params.shots,
       "Teach a classifier anew with K examples a class, and test it on other parts", "K"},
      {"trials", 0, 0, G_OPTION_ARG_INT, &params.trials,
       "Random draws of the examples, with --shots (default 1)", "N"},
      {"seed", 0, 0, G_OPTION_ARG_INT, &seed, "Seed of the first draw (default 0)", "N"},
      {"regions", 0, 0, G_OPTION_ARG_STRING, &regions,
       "What is classified: detected (default) or oracle, the ground truth", "NAME"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print one JSON object", NULL},
      G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths = velm_cli_parse(
      argc, argv, "DIR -m MODEL.velm",
      "Measures a model on the labelled images in DIR/test/CLASS, with their masks in "
      "DIR/ground_truth/CLASS.\n"
      "Parts that the model was taught with are left out of the figures of its classifier.",
      entries, 1, 1, &code);
  if (!paths)
    return code;
  if (!model_path || !read_regions(regions, &params.oracle)) {
    fprintf(stderr, "velm evaluate: needs -m MODEL.velm, and --regions detected or oracle\n");
    return VELM_CLI_USAGE;
  }
  params.classifier = classifier ? classifier : params.classifier;
  params.endpoint = endpoint;
  params.llm = llm;
  params.seed = (guint32)seed;
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = velm_model_load(model_path, &error);
  g_autoptr(VelmSpec) spec = model && spec_path ? velm_spec_load(spec_path, &error) : NULL;
  if (!model || (spec_path && !spec))
    return velm_cli_fail(error);
  g_autoptr(VelmEvaluation) evaluation = velm_evaluate(paths[0], model, spec, &params, &error);
  if (!evaluation)
    return velm_cli_fail(error);
  g_autofree char *text =
      json ? velm_evaluation_to_json(evaluation) : velm_evaluation_to_text(evaluation);
  fputs(text, stdout);
  if (json)
    putchar('\n');
  return VELM_CLI_OK;
}
