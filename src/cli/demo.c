/* velm demo: all of it on made-up parts, command by command, as a user would type them. */
#include "cli/cli.h"
#include "core/file.h"
#include "core/log.h"
#include "dataset/procedural.h"

#include <stdio.h>
#include <string.h>

/* Prints the command and runs it. Takes @arguments, NULL-terminated, the subcommand first. */
static int run(const char *const *arguments) {
  g_autofree char *line = g_strjoinv(" ", (char **)arguments);
  printf("\n$ velm %s\n", line);
  fflush(stdout);
  g_auto(GStrv) copy = g_strdupv((char **)arguments);
  for (gsize i = 0; i < velm_cli_n_commands; i++)
    if (g_str_equal(velm_cli_commands[i].name, arguments[0])) {
      /* GOption shortens its argument vector: it gets one of its own. */
      g_autofree char **vector = g_memdup2(copy, (g_strv_length(copy) + 1) * sizeof *copy);
      return velm_cli_commands[i].run((int)g_strv_length(copy), vector);
    }
  return VELM_CLI_FAILED;
}

static int run_all(const char *out) {
  g_autofree char *parts = g_build_filename(out, "parts", NULL);
  g_autofree char *spec = g_build_filename(parts, "spec.yaml", NULL);
  g_autofree char *test = g_build_filename(parts, "test", NULL);
  g_autofree char *model = g_build_filename(out, "parts.velm", NULL);
  g_autofree char *pages = g_build_filename(out, "report", NULL);
  g_autofree char *measured = g_build_filename(out, "measured", NULL);
  const char *const commands[][14] = {
      {"fit", parts, "-o", model, NULL},
      {"teach", parts, "-m", model, "-s", spec, "--shots", "6", NULL},
      {"inspect", "-m", model, "--out", pages, test, NULL},
      {"evaluate", parts, "-m", model, "--shots", "6", "--trials", "5", "-o", measured, NULL},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
    int code = run(commands[i]);
    if (code != VELM_CLI_OK)
      return code;
  }
  printf(
      "\nLook at\n"
      "  %s/report.html   every part with its verdict, heatmap and red contour: open it in a "
      "browser\n"
      "  %s/report.html   how good it is: curves, matrices, and the worst mistakes\n"
      "  %s   the classes in words, and what each leads to: change it and inspect again with -s\n"
      "  %s   the images, in the layout that your own would have\n",
      pages, measured, spec, parts);
  return VELM_CLI_OK;
}

/* Refuses a folder that holds something else; one of an earlier demo is made anew. */
static gboolean prepare(const char *out, GError **error) {
  g_autofree char *parts = g_build_filename(out, "parts", NULL);
  g_autofree char *marker = g_build_filename(parts, "spec.yaml", NULL);
  if (!velm_file_make_folder(out, error))
    return FALSE;
  if (g_file_test(marker, G_FILE_TEST_EXISTS))
    return TRUE;
  VelmProceduralParams params = velm_procedural_params_default();
  printf("Drawing %d good parts and parts with %u kinds of defect into %s\n", params.n_train,
         g_strv_length((char **)velm_procedural_classes()), parts);
  return velm_procedural_write(&params, parts, velm_log_progress, NULL, error);
}

int velm_cli_demo(int argc, char **argv) {
  g_autofree char *out = NULL;
  const GOptionEntry entries[] = {{"out", 0, 0, G_OPTION_ARG_FILENAME, &out,
                                   "Folder for what the demo makes (default velm-demo)", "DIR"},
                                  G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths = velm_cli_parse(
      argc, argv, "",
      "Makes a small set of made-up parts with made-up defects, and runs fit, teach, inspect and\n"
      "evaluate on it. A folder that holds an earlier demo keeps its images.",
      entries, 0, 0, &code);
  if (!paths)
    return code;
  g_autoptr(GError) error = NULL;
  const char *folder = out ? out : "velm-demo";
  if (!prepare(folder, &error))
    return velm_cli_fail(error);
  return run_all(folder);
}
