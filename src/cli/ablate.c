/* velm ablate: what each part of the language model's prompt is worth. */
#include "classify/prompt.h"
#include "cli/cli.h"
#include "core/log.h"
#include "evaluate/ablation.h"
#include "evaluate/evaluate.h"

#include <stdio.h>

typedef struct {
  char *model, *spec, *detector, *drop, *out;
  VelmCliLlm llm;
  gboolean json;
} Options;

static void options_clear(Options *options) {
  g_free(options->model);
  g_free(options->spec);
  g_free(options->detector);
  g_free(options->drop);
  velm_cli_llm_clear(&options->llm);
  g_free(options->out);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* "mllm", "mllm-RI", ...: the full prompt, and each without one part. NULL where a code is none. */
static char **list_prompts(const char *drop) {
  g_auto(GStrv) codes = g_strsplit(drop, ",", -1);
  g_autoptr(GStrvBuilder) names = g_strv_builder_new();
  g_strv_builder_add(names, "mllm");
  for (gsize i = 0; codes[i]; i++) {
    g_autoptr(GError) error = NULL;
    VelmPromptParts part = 0;
    if (!velm_prompt_part_parse(g_strstrip(codes[i]), &part, &error)) {
      fprintf(stderr, "velm ablate: %s\n", error->message);
      return NULL;
    }
    g_autofree char *name = g_strconcat("mllm-", velm_prompt_part_code(part), NULL);
    g_strv_builder_add(names, name);
  }
  return g_strv_builder_end(names);
}

static int print(const VelmRun *run, gboolean json) {
  if (json)
    return velm_cli_print_run(run, TRUE);
  g_autofree char *text = velm_ablation_to_text(run);
  fputs(text, stdout);
  return run->failures->len ? VELM_CLI_FAILED : VELM_CLI_OK;
}

static int ablate(const char *directory, const Options *options) {
  g_auto(GStrv) prompts = list_prompts(options->drop ? options->drop : "RI,VP,ND,AD,CS");
  if (!prompts)
    return VELM_CLI_USAGE;
  const char *detectors[] = {options->detector ? options->detector : "model", NULL};
  VelmEvaluateParams params = velm_evaluate_params_default();
  params.detectors = detectors;
  params.classifiers = (const char *const *)prompts;
  if (!velm_cli_llm_params(&options->llm, &params.llm))
    return VELM_CLI_USAGE;
  params.spec_path = options->spec;
  params.out = options->out;
  params.progress = velm_log_progress;
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = velm_model_load(options->model, &error);
  g_autoptr(VelmSpec) spec = model ? velm_spec_load(options->spec, &error) : NULL;
  g_autoptr(VelmRun) run =
      spec ? velm_evaluate(directory, model, options->model, spec, &params, &error) : NULL;
  return run ? print(run, options->json) : velm_cli_fail(error);
}

int velm_cli_ablate(int argc, char **argv) {
  g_auto(Options) options = {0};
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options.model, "Model of the product",
       "MODEL.velm"},
      {"spec", 's', 0, G_OPTION_ARG_FILENAME, &options.spec, "Spec whose words are tried",
       "SPEC.yaml"},
      {"drop", 0, 0, G_OPTION_ARG_STRING, &options.drop,
       "Parts to leave out in turn: RI reference image, VP visual prompt, ND normal description, "
       "AD "
       "anomaly descriptions, CS strategy (default: all five)",
       "RI,VP,..."},
      {"detector", 0, 0, G_OPTION_ARG_STRING, &options.detector,
       "What marks the images: model (the default), oracle, heatmaps:FOLDER", "NAME"},
      {"out", 'o', 0, G_OPTION_ARG_FILENAME, &options.out,
       "Store the run in DIR: run.json, report.html, and the tables as Markdown and CSV", "DIR"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print one JSON object", NULL},
      G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths = velm_cli_parse_with(
      argc, argv, "DIR -m MODEL.velm -s SPEC.yaml",
      "Classifies the labelled images in DIR/test by a language model, with the full prompt and "
      "with each part of it\n"
      "left out in turn, and says what each part is worth.",
      entries, (GOptionGroup *[]){velm_cli_llm_options(&options.llm), NULL}, 1, 1, &code);
  if (!paths)
    return code;
  if (!options.model || !options.spec) {
    fprintf(stderr, "velm ablate: name the model with -m and the spec with -s\n");
    return VELM_CLI_USAGE;
  }
  return ablate(paths[0], &options);
}
