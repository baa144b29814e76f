/* velm fit: a model from good images. */
#include "cli/cli.h"

#include "core/log.h"

#include <stdio.h>

int velm_cli_fit(int argc, char **argv) {
  VelmFitParams params = velm_fit_params_default();
  g_autofree char *output = NULL, *backbone = NULL, *layers = NULL;
  int size = 0, seed = 0;
  double coreset = 0, false_alarms = params.false_alarms;
  gboolean standardise = FALSE;
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "Model file to write", "MODEL.velm"},
      {"backbone", 0, 0, G_OPTION_ARG_FILENAME, &backbone,
       "dinov2s (the default: localises best), lite2 (fast), or an ONNX or OpenVINO IR file",
       "NAME|FILE"},
      {"layers", 0, 0, G_OPTION_ARG_STRING, &layers, "Layers whose features are used", "A,B"},
      {"size", 0, 0, G_OPTION_ARG_INT, &size, "Side in pixels that images are resized to", "N"},
      {"coreset", 0, 0, G_OPTION_ARG_DOUBLE, &coreset,
       "Share of the patches that the memory bank keeps (default: 6000 patches a layer)", "RATIO"},
      {"standardise", 0, 0, G_OPTION_ARG_NONE, &standardise,
       "Scale every feature channel to unit variance", NULL},
      {"false-alarms", 0, 0, G_OPTION_ARG_DOUBLE, &false_alarms,
       "Share of good parts that may lie over the threshold (default 0.05)", "RATE"},
      {"seed", 0, 0, G_OPTION_ARG_INT, &seed, "Seed of every random choice (default 0)", "N"},
      G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths = velm_cli_parse(
      argc, argv, "DIR -o MODEL.velm [OPTION...]",
      "Fits a detector to the good images of DIR (DIR/train/good, or a plain folder of images).",
      entries, 1, 1, &code);
  if (!paths)
    return code;
  if (!output) {
    fprintf(stderr, "velm fit: name the model file to write with -o\n");
    return VELM_CLI_USAGE;
  }
  params.backbone = backbone ? backbone : params.backbone;
  params.layers = layers;
  params.size = size;
  params.coreset = coreset;
  params.standardise = standardise;
  params.false_alarms = false_alarms;
  params.seed = (guint32)seed;
  params.progress = velm_log_progress;
  gint64 start = g_get_monotonic_time();
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = velm_model_fit(paths[0], &params, &error);
  if (!model || !velm_model_save(model, output, &error))
    return velm_cli_fail(error);
  g_autofree char *description = velm_model_describe(model);
  printf("%s: fitted in %.0f s\n%s", output, (double)(g_get_monotonic_time() - start) / 1e6,
         description);
  return VELM_CLI_OK;
}
