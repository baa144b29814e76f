/* velm prompt: writes what a language model would be sent about an image, and sends nothing. */
#include "act/spec.h"
#include "classify/context_examples.h"
#include "classify/prompt_template.h"
#include "cli/cli.h"
#include "core/file.h"
#include "core/log.h"
#include "dataset/dataset.h"
#include "mark/mark.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Stands for the model's name where none is given: the server would be asked for it. */
#define NO_LLM "MODEL"

typedef struct {
  char *model, *spec, *out, *drop, *wording, *regions, *normal_image, *llm;
  int examples;
} Options;

static void options_clear(Options *options) {
  g_free(options->model);
  g_free(options->spec);
  g_free(options->out);
  g_free(options->drop);
  g_free(options->wording);
  g_free(options->regions);
  g_free(options->normal_image);
  g_free(options->llm);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

/* ---- what is asked for ---- */

/* All parts but those in @drop, "RI,VP". FALSE where a code is none. */
static gboolean read_parts(const char *drop, VelmPromptParts *parts) {
  g_auto(GStrv) codes = g_strsplit(drop ? drop : "", ",", -1);
  *parts = VELM_PROMPT_ALL;
  for (gsize i = 0; codes[i]; i++) {
    g_autoptr(GError) error = NULL;
    VelmPromptParts part = 0;
    if (!velm_prompt_part_parse(g_strstrip(codes[i]), &part, &error)) {
      fprintf(stderr, "velm prompt: %s\n", error->message);
      return FALSE;
    }
    *parts &= ~part;
  }
  return TRUE;
}

static gboolean read_params(const Options *options, VelmPromptParams *params) {
  if (!options->model || !options->spec || !options->out) {
    fprintf(stderr, "velm prompt: needs -m MODEL.velm, -s SPEC.yaml and -o DIR\n");
    return FALSE;
  }
  if (options->examples < 0) {
    fprintf(stderr, "velm prompt: --examples must be 0 or more\n");
    return FALSE;
  }
  *params = velm_prompt_params_default();
  if (!read_parts(options->drop, &params->parts))
    return FALSE;
  if (!options->regions || velm_prompt_regions_find(options->regions, &params->regions))
    return TRUE;
  fprintf(stderr, "velm prompt: --regions must be overview or crops, not \"%s\"\n",
          options->regions);
  return FALSE;
}

/* ---- the part ---- */

/* Marks the region about the maximum, that one alone, for something to show. */
static gboolean mark_highest(VelmInspection *inspection, GError **error) {
  velm_log_line("velm: %s: is normal (score %.3f, threshold %.3f), so nothing would be asked; the "
                "prompt shows the region with the highest score",
                inspection->path, inspection->score, inspection->threshold);
  if (!velm_mark_regions(inspection, TRUE, error))
    return FALSE;
  g_array_set_size(inspection->regions, MIN(1, inspection->regions->len));
  velm_mask_free(inspection->mask);
  inspection->mask = velm_mask_copy(inspection->focus);
  return TRUE;
}

/* Detects and marks as velm inspect does. */
static VelmInspection *look_at(VelmModel *model, VelmSpec *spec, const VelmSample *sample,
                               GError **error) {
  VelmInspectorParams params = velm_inspector_params_default();
  params.classifier = "none";
  g_autoptr(VelmInspector) inspector = velm_inspector_new(model, spec, &params, error);
  g_autoptr(VelmInspection) inspection =
      inspector ? velm_inspector_inspect(inspector, sample->path, sample->reference, error) : NULL;
  if (!inspection || (!inspection->anomalous && !mark_highest(inspection, error)))
    return NULL;
  return g_steal_pointer(&inspection);
}

/* ---- the files ---- */

static gboolean write_file(const char *folder, const char *name, gconstpointer data, gsize size,
                           GError **error) {
  g_autofree char *path = g_build_filename(folder, name, NULL);
  if (!velm_file_write(path, data, size, error))
    return FALSE;
  printf("  %s\n", path);
  return TRUE;
}

static gboolean write_images(const VelmPrompt *prompt, const char *folder, GError **error) {
  for (guint i = 0; i < prompt->images->len; i++) {
    gsize size = 0;
    gconstpointer data = g_bytes_get_data(prompt->images->pdata[i], &size);
    g_autofree char *name = g_strdup_printf(
        "image-%u-%s.jpg", i + 1, (const char *)g_ptr_array_index(prompt->image_names, i));
    if (!write_file(folder, name, data, size, error))
      return FALSE;
  }
  return TRUE;
}

/* Images of an earlier prompt in the folder would pass for this one's. */
static gboolean remove_earlier(const char *folder, GError **error) {
  g_autoptr(GPtrArray) names = velm_file_list(folder, error);
  if (!names)
    return FALSE;
  for (guint i = 0; i < names->len; i++) {
    if (!g_pattern_match_simple("image-*-*.jpg", names->pdata[i]))
      continue;
    g_autofree char *path = g_build_filename(folder, names->pdata[i], NULL);
    if (remove(path) != 0) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "%s: an earlier image cannot be removed: %s",
                  path, g_strerror(errno));
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean write_prompt(const VelmPrompt *prompt, const char *llm, const char *folder,
                             GError **error) {
  g_autofree char *request = velm_prompt_request(prompt, llm);
  g_autofree char *text = g_strconcat(prompt->text, "\n", NULL);
  if (!velm_file_make_folder(folder, error) || !remove_earlier(folder, error))
    return FALSE;
  printf("Nothing was sent. What would be sent, %" G_GSIZE_FORMAT " bytes with %u image%s:\n",
         strlen(request), prompt->images->len, prompt->images->len == 1 ? "" : "s");
  return write_file(folder, "request.json", request, strlen(request), error) &&
         write_file(folder, "prompt.txt", text, strlen(text), error) &&
         write_images(prompt, folder, error);
}

/* ---- the command ---- */

static gboolean run(const char *path, const Options *options, VelmPromptParams *params,
                    GError **error) {
  const char *const paths[] = {path, NULL};
  g_autoptr(VelmPromptTemplate) wording =
      options->wording ? velm_prompt_template_load(options->wording, error) : NULL;
  if (options->wording && !wording)
    return FALSE;
  g_autoptr(VelmImage) normal_image =
      options->normal_image ? velm_image_load(options->normal_image, 0, error) : NULL;
  if (options->normal_image && !normal_image)
    return FALSE;
  g_autoptr(VelmSpec) spec = velm_spec_load(options->spec, error);
  g_autoptr(VelmModel) model = spec ? velm_model_load(options->model, error) : NULL;
  g_autoptr(VelmReferenceImages) normal = model ? velm_reference_images_open(model, error) : NULL;
  g_autoptr(VelmContextExamples) examples =
      normal ? velm_context_examples_open(model, (guint)options->examples, error) : NULL;
  g_autoptr(GPtrArray) samples = examples ? velm_dataset_expand(paths, error) : NULL;
  if (!samples)
    return FALSE;
  if (samples->len != 1) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE, "%s: is a folder of %u images; name one image",
                path, samples->len);
    return FALSE;
  }
  g_autoptr(VelmInspection) inspection = look_at(model, spec, samples->pdata[0], error);
  params->wording = wording;
  params->reference = normal_image;
  params->normal_images = normal;
  g_autoptr(GArray) list = velm_context_examples_list(examples, NULL);
  params->examples = (const VelmPromptExample *)(void *)list->data;
  params->n_examples = list->len;
  g_autoptr(VelmPrompt) prompt =
      inspection ? velm_prompt_new(inspection, velm_spec_get_classes(spec), params, error) : NULL;
  return prompt && write_prompt(prompt, options->llm ? options->llm : NO_LLM, options->out, error);
}

int velm_cli_prompt(int argc, char **argv) {
  g_auto(Options) options = {0};
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options.model, "Model of the product",
       "MODEL.velm"},
      {"spec", 's', 0, G_OPTION_ARG_FILENAME, &options.spec, "Spec with the classes in words",
       "SPEC.yaml"},
      {"out", 'o', 0, G_OPTION_ARG_FILENAME, &options.out,
       "Folder for request.json, prompt.txt and the images", "DIR"},
      {"drop", 0, 0, G_OPTION_ARG_STRING, &options.drop,
       "Parts to leave out: RI reference image, VP visual prompt, ND normal description, AD "
       "anomaly descriptions, CS strategy",
       "RI,VP,..."},
      {"prompt-template", 0, 0, G_OPTION_ARG_FILENAME, &options.wording,
       "Wording and order in place of velm's own", "FILE"},
      {"normal-image", 0, 0, G_OPTION_ARG_FILENAME, &options.normal_image,
       "Good image of another part to show (default: the nearest that the model carries)", "IMAGE"},
      {"regions", 0, 0, G_OPTION_ARG_STRING, &options.regions,
       "overview (the default: all regions outlined in one image) or crops (a close view of each)",
       "HOW"},
      {"examples", 0, 0, G_OPTION_ARG_INT, &options.examples,
       "Show N labelled examples of each class (default 0)", "N"},
      {"llm", 0, 0, G_OPTION_ARG_STRING, &options.llm,
       "Name of the server's model, which the request has in it (default: " NO_LLM ")", "NAME"},
      G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths = velm_cli_parse(
      argc, argv, "IMAGE -m MODEL.velm -s SPEC.yaml -o DIR",
      "Writes what the classifier mllm would send to a language model about an image, and sends "
      "nothing: no\n"
      "server and no key is needed. DIR/request.json is the request to the byte, DIR/prompt.txt "
      "its text,\n"
      "DIR/image-1-reference.jpg and so on its images in their order.",
      entries, 1, 1, &code);
  VelmPromptParams params;
  if (!paths)
    return code;
  if (!read_params(&options, &params))
    return VELM_CLI_USAGE;
  g_autoptr(GError) error = NULL;
  return run(paths[0], &options, &params, &error) ? VELM_CLI_OK : velm_cli_fail(error);
}
