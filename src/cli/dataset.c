/* velm dataset: finds what is doubtful about labelled images, and applies what a person decided. */
#include "cli/cli.h"
#include "core/file.h"
#include "core/findings.h"
#include "core/log.h"
#include "dataset/curate.h"
#include "evaluate/audit.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: velm dataset audit DIR [-m MODEL.velm] [--out FOLDER] [--propose MANIFEST.yaml]\n"
    "       velm dataset curate DIR --manifest FILE -o OUT [--link]\n"
    "\n"
    "Finds what is doubtful about a folder of labelled images, and writes a mended copy of it.\n";

/* ---- audit ---- */

typedef struct {
  char *model, *out, *manifest;
  gboolean json, strict, no_features;
  int min_samples, min_parts;
} AuditOptions;

static void audit_options_clear(AuditOptions *options) {
  g_free(options->model);
  g_free(options->out);
  g_free(options->manifest);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AuditOptions, audit_options_clear)

static char **parse_audit(int argc, char **argv, AuditOptions *options, int *code) {
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &options->model,
       "Model through whose detector labels are looked at too (default: the masks alone)",
       "MODEL.velm"},
      {"out", 0, 0, G_OPTION_ARG_FILENAME, &options->out,
       "Write a page with the pictures: FILE.html, or audit.html and audit.json in FOLDER",
       "FOLDER"},
      {"propose", 0, 0, G_OPTION_ARG_FILENAME, &options->manifest,
       "Write what follows from the findings, for you to edit and give to velm dataset curate",
       "MANIFEST.yaml"},
      {"min-samples", 0, 0, G_OPTION_ARG_INT, &options->min_samples,
       "Images that a class should have (default 10)", "N"},
      {"min-parts", 0, 0, G_OPTION_ARG_INT, &options->min_parts,
       "Parts that a class should have, where there is a groups.csv (default 3)", "N"},
      {"no-features", 0, 0, G_OPTION_ARG_NONE, &options->no_features,
       "Leave out the slower checks: leaks, near duplicates, parts, suspect labels", NULL},
      {"strict", 0, 0, G_OPTION_ARG_NONE, &options->strict,
       "End with exit status 1 where anything is found", NULL},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print one JSON object", NULL},
      G_OPTION_ENTRY_NULL};
  char **paths = velm_cli_parse(
      argc, argv, "DIR",
      "Looks for what is doubtful about the labelled images in DIR: unreadable files, parts that "
      "are in train and test,\nlabels that are probably wrong, classes that cannot be told apart "
      "or "
      "have few images, duplicates, wrong masks.\nDIR is not changed. Findings are no failure, but "
      "with --strict.",
      entries, 1, 1, code);
  if (!paths || (options->min_samples >= 0 && options->min_parts >= 0))
    return paths;
  fprintf(stderr, "velm dataset audit: --min-samples and --min-parts are 0 or more\n");
  *code = VELM_CLI_USAGE;
  g_strfreev(paths);
  return NULL;
}

static gboolean write_text(const char *path, const char *text, GError **error) {
  return velm_file_write(path, text, strlen(text), error);
}

/* The page alone, or a folder with the page and the JSON. */
static gboolean write_out(const VelmAudit *audit, const char *out, GError **error) {
  if (g_str_has_suffix(out, ".html"))
    return velm_audit_write_page(audit, out, velm_log_progress, NULL, error);
  g_autofree char *page = g_build_filename(out, "audit.html", NULL);
  g_autofree char *file = g_build_filename(out, "audit.json", NULL);
  g_autofree char *json = velm_audit_to_json(audit);
  return velm_file_make_folder(out, error) &&
         velm_audit_write_page(audit, page, velm_log_progress, NULL, error) &&
         write_text(file, json, error);
}

static gboolean write_proposal(const VelmAudit *audit, const char *path, GError **error) {
  g_autofree char *yaml = velm_manifest_propose(audit);
  return write_text(path, yaml, error);
}

static gboolean give_out(const VelmAudit *audit, const AuditOptions *options, GError **error) {
  if (options->out && !write_out(audit, options->out, error))
    return FALSE;
  if (options->manifest && !write_proposal(audit, options->manifest, error))
    return FALSE;
  g_autofree char *text = options->json ? velm_audit_to_json(audit) : velm_audit_to_text(audit);
  fputs(text, stdout);
  if (options->json) {
    putchar('\n');
    return TRUE;
  }
  if (options->out || options->manifest)
    putchar('\n');
  if (options->out)
    printf("%s: every finding with its pictures\n", options->out);
  if (options->manifest)
    printf("%s: proposals; review it, then velm dataset curate\n", options->manifest);
  return TRUE;
}

static int audit_command(int argc, char **argv) {
  VelmAuditParams params = velm_audit_params_default();
  g_auto(AuditOptions)
      options = {.min_samples = (int)params.min_images, .min_parts = (int)params.min_parts};
  int code = VELM_CLI_OK;
  g_auto(GStrv) paths = parse_audit(argc, argv, &options, &code);
  if (!paths)
    return code;
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmModel) model = options.model ? velm_model_load(options.model, &error) : NULL;
  if (options.model && !model)
    return velm_cli_fail(error);
  params.model = model;
  params.min_images = (guint)options.min_samples;
  params.min_parts = (guint)options.min_parts;
  params.features = !options.no_features;
  params.progress = velm_log_progress;
  g_autoptr(VelmDataset) dataset = velm_dataset_open(paths[0], &error);
  g_autoptr(VelmAudit) audit = dataset ? velm_audit_run(dataset, &params, &error) : NULL;
  if (!audit || !give_out(audit, &options, &error))
    return velm_cli_fail(error);
  return options.strict && audit->findings->len > 0 ? VELM_CLI_FAILED : VELM_CLI_OK;
}

/* ---- curate ---- */

typedef struct {
  char *manifest, *out;
  gboolean link, json;
} CurateOptions;

static void curate_options_clear(CurateOptions *options) {
  g_free(options->manifest);
  g_free(options->out);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CurateOptions, curate_options_clear)

static char **parse_curate(int argc, char **argv, CurateOptions *options, int *code) {
  const GOptionEntry entries[] = {
      {"manifest", 0, 0, G_OPTION_ARG_FILENAME, &options->manifest,
       "What to relabel, merge, rename, drop and group, each with its reason", "FILE.yaml"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &options->out,
       "The folder to write, which does not exist or is empty", "OUT"},
      {"link", 0, 0, G_OPTION_ARG_NONE, &options->link,
       "Symbolic links to the images of DIR instead of copies", NULL},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options->json, "Print one JSON object", NULL},
      G_OPTION_ENTRY_NULL};
  char **paths = velm_cli_parse(
      argc, argv, "DIR --manifest FILE.yaml -o OUT",
      "Writes a copy of the labelled images in DIR with the changes of a reviewed manifest: "
      "images, "
      "masks, references,\ngroups.csv, and curation.json, which says what was done and why. DIR is "
      "not changed. A manifest that does not fit is\nrefused, with every mistake by its line, "
      "before "
      "anything is written.",
      entries, 1, 1, code);
  if (!paths || (options->manifest && options->out))
    return paths;
  fprintf(stderr, "velm dataset curate: needs --manifest FILE.yaml and -o OUT\n");
  *code = VELM_CLI_USAGE;
  g_strfreev(paths);
  return NULL;
}

/* Every mistake in the manifest, a line each, or @error where there is none of them. */
static int refuse(const char *manifest, const GPtrArray *findings, const GError *error) {
  gboolean said = FALSE;
  for (guint i = 0; findings && i < findings->len; i++) {
    const VelmTextFinding *finding = g_ptr_array_index(findings, i);
    velm_log_line("velm: %s:%d: %s", manifest, finding->line, finding->message);
    said = TRUE;
  }
  return said ? VELM_CLI_FAILED : velm_cli_fail(error);
}

static int curate(const char *directory, const CurateOptions *options) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) findings = NULL, conflicts = NULL;
  g_autoptr(VelmManifest) manifest = velm_manifest_load(options->manifest, &findings, &error);
  if (!manifest)
    return refuse(options->manifest, findings, error);
  g_autoptr(VelmDataset) dataset = velm_dataset_open(directory, &error);
  if (!dataset)
    return velm_cli_fail(error);
  g_autoptr(VelmCuration) curation = velm_curation_plan(dataset, manifest, &conflicts, &error);
  if (!curation)
    return refuse(options->manifest, conflicts, error);
  if (!velm_curation_write(curation, options->out, options->link, velm_log_progress, NULL, &error))
    return velm_cli_fail(error);
  g_autofree char *text =
      options->json ? velm_curation_to_json(curation, FALSE) : velm_curation_to_text(curation);
  fputs(text, stdout);
  if (options->json)
    putchar('\n');
  else
    printf("%s: written\n", options->out);
  return VELM_CLI_OK;
}

static int curate_command(int argc, char **argv) {
  g_auto(CurateOptions) options = {0};
  int code = VELM_CLI_OK;
  g_auto(GStrv) paths = parse_curate(argc, argv, &options, &code);
  return paths ? curate(paths[0], &options) : code;
}

/* ---- which ---- */

static const struct {
  const char *name, *full;
  int (*run)(int argc, char **argv);
} commands[] = {{"audit", "dataset audit", audit_command},
                {"curate", "dataset curate", curate_command}};

/* Runs command number @index with its whole name for argv[0]: messages begin with it. */
static int run_command(gsize index, int argc, char **argv) {
  g_autoptr(GPtrArray) vector = g_ptr_array_new();
  g_ptr_array_add(vector, (gpointer)commands[index].full);
  for (int i = 1; i < argc; i++)
    g_ptr_array_add(vector, argv[i]);
  g_ptr_array_add(vector, NULL);
  return commands[index].run(argc, (char **)vector->pdata);
}

int velm_cli_dataset(int argc, char **argv) {
  const char *name = argc > 1 ? argv[1] : "";
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
    if (g_str_equal(name, commands[i].name))
      return run_command(i, argc - 1, argv + 1);
  gboolean help = g_str_equal(name, "--help") || g_str_equal(name, "-h");
  if (!help && *name)
    fprintf(stderr, "velm dataset: no command \"%s\"\n", name);
  fputs(usage, help ? stdout : stderr);
  return help ? VELM_CLI_OK : VELM_CLI_USAGE;
}
