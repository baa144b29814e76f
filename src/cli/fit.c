/* velm fit: a model from good images. */
#include "cli/cli.h"

#include "core/log.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

/* Most training images that --robust drops, of all. */
#define ROBUST_SHARE 0.1

/* A mistyped folder is better found before the work than after it. */
static gboolean check_output(const char *path, GError **error) {
  g_autofree char *folder = g_path_get_dirname(path);
  if (g_file_test(folder, G_FILE_TEST_IS_DIR) && !g_file_test(path, G_FILE_TEST_IS_DIR) &&
      g_access(folder, W_OK) == 0)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: no file can be written there", path);
  return FALSE;
}

/* Whether options were given that a model has settled already. */
static gboolean has_fit_options(const VelmFitParams *params) {
  const VelmFitParams usual = velm_fit_params_default();
  return !g_str_equal(params->backbone, usual.backbone) ||
         g_strcmp0(params->detector, usual.detector) != 0 || params->layers || params->size ||
         params->squeeze || params->tiles || params->coreset != usual.coreset ||
         params->standardise || params->seed || params->robust > 0 ||
         params->false_alarms != usual.false_alarms;
}

static int fit_add(const char *model, const char *directory, const char *output,
                   const VelmFitParams *params) {
  g_autoptr(GError) error = NULL;
  if (has_fit_options(params)) {
    fprintf(stderr, "velm fit: --add keeps what the model was fitted with: no option goes with it "
                    "but -o\n");
    return VELM_CLI_USAGE;
  }
  if (!check_output(output ? output : model, &error))
    return velm_cli_fail(error);
  return velm_cli_fit_add(model, directory, output);
}

/* Reads "R,G,B" into three numbers. */
static gboolean parse_colour(const char *option, const char *text, float out[3], GError **error) {
  g_auto(GStrv) parts = g_strsplit(text, ",", -1);
  gboolean ok = g_strv_length(parts) == 3;
  for (guint c = 0; ok && c < 3; c++) {
    char *end;
    out[c] = (float)g_ascii_strtod(parts[c], &end);
    ok = end != parts[c] && *end == '\0';
  }
  if (!ok)
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "--%s %s: three numbers are needed, R,G,B",
                option, text);
  return ok;
}

/* What the command line says of a model that another tool exported. */
typedef struct {
  char *detector, *file, *mean, *scale;
  double threshold;
} Exported;

static void exported_clear(Exported *exported) {
  g_free(exported->detector);
  g_free(exported->file);
  g_free(exported->mean);
  g_free(exported->scale);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Exported, exported_clear)

static gboolean exported_params(const Exported *exported, VelmFitParams *params, GError **error) {
  gboolean any = exported->file || exported->mean || exported->scale || !isnan(exported->threshold);
  params->detector = exported->detector;
  params->model_file = exported->file;
  params->threshold = exported->threshold;
  if (any && g_strcmp0(exported->detector, "exported") != 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
                "--model-file, --mean, --scale and --threshold go with --detector exported");
    return FALSE;
  }
  return (!exported->mean || parse_colour("mean", exported->mean, params->mean, error)) &&
         (!exported->scale || parse_colour("scale", exported->scale, params->scale, error));
}

/* Returns: (transfer full). */
static GOptionGroup *exported_options(Exported *exported) {
  const GOptionEntry entries[] = {
      {"model-file", 0, 0, G_OPTION_ARG_FILENAME, &exported->file,
       "The exported model: an ONNX or OpenVINO IR file that gives a score, a score map or both",
       "FILE"},
      {"mean", 0, 0, G_OPTION_ARG_STRING, &exported->mean,
       "Is subtracted from the bytes that go into it (default 0,0,0)", "R,G,B"},
      {"scale", 0, 0, G_OPTION_ARG_STRING, &exported->scale,
       "They are then divided by it (default 255,255,255)", "R,G,B"},
      {"threshold", 0, 0, G_OPTION_ARG_DOUBLE, &exported->threshold,
       "Score from which an image is anomalous (default: from the good images)", "SCORE"},
      G_OPTION_ENTRY_NULL};
  GOptionGroup *group = g_option_group_new(
      "exported", "Exported models:", "Show the options of exported models", NULL, NULL);
  g_option_group_add_entries(group, entries);
  return group;
}

/* Sets what is chosen. @tuning: (out): what @params borrow from. */
static gboolean tune_params(const char *directory, const char *labelled, VelmFitParams *params,
                            VelmTuning **tuning, GError **error) {
  if (params->detector && !g_str_equal(params->detector, "patchcore")) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "--tune goes with the detector patchcore");
    return FALSE;
  }
  *tuning =
      velm_tune(directory, g_str_equal(labelled, "synthetic") ? NULL : labelled, params, error);
  if (!*tuning)
    return FALSE;
  params->layers = (*tuning)->layers;
  params->size = (*tuning)->size;
  params->top_share = (*tuning)->top_share;
  printf("%s", (*tuning)->report);
  return TRUE;
}

int velm_cli_fit(int argc, char **argv) {
  VelmFitParams params = velm_fit_params_default();
  g_autofree char *output = NULL, *backbone = NULL, *layers = NULL, *add = NULL, *tune = NULL;
  int size = 0, seed = 0;
  double coreset = 0, false_alarms = params.false_alarms;
  gboolean standardise = FALSE, robust = FALSE;
  g_auto(Exported) exported = {.threshold = params.threshold};
  g_auto(VelmCliDdad) ddad = {.guidance = params.ddad_guidance};
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &output, "Model file to write", "MODEL.velm"},
      {"add", 0, 0, G_OPTION_ARG_FILENAME, &add,
       "Add the good images of DIR to this model, in place or as -o says, without fitting again",
       "MODEL.velm"},
      {"detector", 0, 0, G_OPTION_ARG_STRING, &exported.detector,
       "patchcore (the default); two-speed: at parts that are clearly normal it does not look in "
       "full; exported: an anomaly model that another tool trained; ddad: a denoiser makes each "
       "part "
       "anew",
       "NAME"},
      {"backbone", 0, 0, G_OPTION_ARG_FILENAME, &backbone,
       "dinov2s (the default: localises best), lite2 (fast), or an ONNX or OpenVINO IR file",
       "NAME|FILE"},
      {"layers", 0, 0, G_OPTION_ARG_STRING, &layers,
       "Layers whose features are used; A@N: averaged over N x N patches; A@half: of the image at "
       "half the size; A@lite2: of the network lite2 beside; A@contrast, the last: compared within "
       "the image (default: the backbone's own; a file needs them)",
       "A,B"},
      {"squeeze", 0, 0, G_OPTION_ARG_NONE, &params.squeeze,
       "Resize images to a square even with dinov2s, which keeps their shape", NULL},
      {"tiles", 0, 0, G_OPTION_ARG_INT, &params.tiles,
       "Cut images into N x N overlapping tiles, each of which is looked at by itself: for small "
       "defects in large images, at N x N times the work (default 1)",
       "N"},
      {"size", 0, 0, G_OPTION_ARG_INT, &size,
       "Side of the square that images are resized to, in pixels (default: 448 for dinov2s, 256 "
       "for "
       "lite2, 224 for a file, what an exported model takes)",
       "N"},
      {"coreset", 0, 0, G_OPTION_ARG_DOUBLE, &coreset,
       "Share of the patches that the memory bank keeps, over 0 to 1 (default: 6000 patches a "
       "layer)",
       "RATIO"},
      {"standardise", 0, 0, G_OPTION_ARG_NONE, &standardise,
       "Scale every feature channel to unit variance", NULL},
      {"false-alarms", 0, 0, G_OPTION_ARG_DOUBLE, &false_alarms,
       "Share of good parts that may lie over the threshold, over 0 to under 0.5 (default 0.05)",
       "RATE"},
      {"robust", 0, 0, G_OPTION_ARG_NONE, &robust,
       "Leave out training images that do not look good, a tenth of all at most, and name them",
       NULL},
      {"tune", 0, 0, G_OPTION_ARG_FILENAME, &tune,
       "First choose layers, size and score by trying: on the labelled defects in DIR/test, or on "
       "made-up ones",
       "DIR|synthetic"},
      {"seed", 0, 0, G_OPTION_ARG_INT, &seed, "Seed of every random choice (default 0)", "N"},
      G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths = velm_cli_parse_with(
      argc, argv, "DIR -o MODEL.velm",
      "Fits a detector to good images: those in DIR/train/good, or all below DIR where it has "
      "neither train nor test.",
      entries, (GOptionGroup *[]){exported_options(&exported), velm_cli_ddad_options(&ddad), NULL},
      1, 1, &code);
  if (!paths)
    return code;
  if (!output && !add) {
    fprintf(stderr, "velm fit: name the model file to write with -o\n");
    return VELM_CLI_USAGE;
  }
  params.backbone = backbone ? backbone : params.backbone;
  params.layers = layers;
  params.size = size;
  params.coreset = coreset;
  params.standardise = standardise;
  params.false_alarms = false_alarms;
  params.robust = robust ? ROBUST_SHARE : 0;
  params.seed = (guint32)seed;
  params.progress = velm_log_progress;
  if (add)
    return fit_add(add, paths[0], output, &params);
  gint64 start = g_get_monotonic_time();
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = NULL;
  g_autoptr(VelmTuning) tuning = NULL;
  if (exported_params(&exported, &params, &error) && velm_cli_ddad_params(&ddad, &params, &error) &&
      check_output(output, &error) &&
      (!tune || tune_params(paths[0], tune, &params, &tuning, &error)))
    model = velm_model_fit(paths[0], &params, &error);
  if (!model || !velm_model_save(model, output, &error))
    return velm_cli_fail(error);
  g_autofree char *description = velm_model_describe(model);
  printf("%s: fitted in %.0f s\n%s", output, (double)(g_get_monotonic_time() - start) / 1e6,
         description);
  return VELM_CLI_OK;
}
