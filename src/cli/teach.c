/* velm teach: adds the few-shot classifier to a model. */
#include "act/teach.h"
#include "act/spec.h"
#include "classify/example_store.h"
#include "cli/cli.h"
#include "core/log.h"
#include "dataset/dataset.h"

#include <stdio.h>
#include <string.h>

/* Classes that have images but no place in the spec are left out: worth a word. */
static void warn_left_out(const char *directory, const VelmSpec *spec) {
  g_autoptr(VelmDataset) dataset = velm_dataset_open(directory, NULL);
  const VelmClasses *classes = velm_spec_get_classes(spec);
  for (guint i = 0; dataset && i < dataset->classes->len; i++) {
    const char *label = dataset->classes->pdata[i];
    if (velm_classes_find(classes, label) < 0)
      velm_log_line("velm: test/%s is left out: the spec has no class \"%s\"", label, label);
  }
}

/* Likewise for what the model was taught before. @counts: of velm_examples_count_classes() */
static void warn_forgotten(GHashTable *counts, const VelmSpec *spec) {
  const VelmClasses *classes = velm_spec_get_classes(spec);
  g_autoptr(GList) labels = g_list_sort(g_hash_table_get_keys(counts), (GCompareFunc)strcmp);
  for (GList *item = labels; item; item = item->next) {
    const char *label = item->data;
    guint n = GPOINTER_TO_UINT(g_hash_table_lookup(counts, label));
    if (velm_classes_find(classes, label) < 0)
      velm_log_line("velm: %u example%s of \"%s\" that the model was taught %s left out: the spec "
                    "has no such class",
                    n, n == 1 ? "" : "s", label, n == 1 ? "is" : "are");
  }
}

static gboolean check(const char *model_path, const char *spec_path,
                      const VelmTeachParams *params) {
  const char *why = NULL;
  if (!model_path || !spec_path || params->shots < 0 || !(params->trust >= 0 && params->trust <= 1))
    why = "needs -m MODEL.velm and -s SPEC.yaml, --shots of 0 or more, and --trust of 0 to 1";
  else if (params->add && params->ask_llm)
    why = "--add and --ask-llm exclude each other: the images taught before are gone";
  if (why)
    fprintf(stderr, "velm teach: %s\n", why);
  return why == NULL;
}

/* Prints what the model holds then. */
static int teach(const char *directory, const char *model_path, const char *spec_path,
                 const VelmTeachParams *params) {
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = velm_model_load(model_path, &error);
  g_autoptr(VelmSpec) spec = model ? velm_spec_load(spec_path, &error) : NULL;
  if (!spec)
    return velm_cli_fail(error);
  g_autoptr(GHashTable) before = velm_examples_count_classes(model);
  guint n_before = velm_model_count_examples(model);
  if (!velm_model_teach(model, directory, spec, params, &error) ||
      !velm_model_save(model, model_path, &error))
    return velm_cli_fail(error);
  warn_left_out(directory, spec);
  if (params->add)
    warn_forgotten(before, spec);
  g_autofree char *description = velm_model_describe(model);
  if (params->add)
    printf("%s: taught, with %u examples where it had %u\n%s", model_path,
           velm_model_count_examples(model), n_before, description);
  else
    printf("%s: taught\n%s", model_path, description);
  return VELM_CLI_OK;
}

int velm_cli_teach(int argc, char **argv) {
  VelmTeachParams params = velm_teach_params_default();
  g_autofree char *model_path = NULL, *spec_path = NULL;
  g_auto(VelmCliLlm) llm = {0};
  int seed = 0;
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model_path, "Model to teach, in place",
       "MODEL.velm"},
      {"spec", 's', 0, G_OPTION_ARG_FILENAME, &spec_path, "Spec whose classes are taught",
       "SPEC.yaml"},
      {"shots", 0, 0, G_OPTION_ARG_INT, &params.shots,
       "Examples of each class at most (default: all); with --add, new ones", "K"},
      {"add", 0, 0, G_OPTION_ARG_NONE, &params.add,
       "Keep what the model was taught, and learn from that and the new images together", NULL},
      {"ask-llm", 0, 0, G_OPTION_ARG_NONE, &params.ask_llm,
       "Also ask a language model about the examples, to learn how far its probabilities hold",
       NULL},
      {"seed", 0, 0, G_OPTION_ARG_INT, &seed, "Seed of the choice of examples (default 0)", "N"},
      {"trust", 0, 0, G_OPTION_ARG_DOUBLE, &params.trust,
       "Accuracy, 0 to 1, that its answers must have to stand where a language model could be "
       "asked "
       "(default 0.95)",
       "ACCURACY"},
      G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths = velm_cli_parse_with(
      argc, argv, "DIR -m MODEL.velm -s SPEC.yaml",
      "Teaches a fitted model the classes of a spec from the images in DIR/test/CLASS, with their "
      "masks in\n"
      "DIR/ground_truth/CLASS where there are any. Every class of the spec needs an image; what "
      "the "
      "model was taught\n"
      "before is replaced, unless --add is given: then the model's examples of a class will do, "
      "and images\n"
      "that it was taught already are not taught twice. Up to three images of each class are kept "
      "in the model, for\n"
      "--examples.",
      entries, (GOptionGroup *[]){velm_cli_llm_options(&llm), NULL}, 1, 1, &code);
  if (!paths)
    return code;
  if (!check(model_path, spec_path, &params))
    return VELM_CLI_USAGE;
  if (!velm_cli_llm_params(&llm, &params.llm))
    return VELM_CLI_USAGE;
  params.seed = (guint32)seed;
  params.progress = velm_log_progress;
  return teach(paths[0], model_path, spec_path, &params);
}
