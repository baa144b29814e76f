/* velm evaluate compare: stored runs held against each other. */
#include "cli/cli.h"
#include "evaluate/call_curve.h"
#include "evaluate/compare.h"

#include <stdio.h>

static void append_results(GArray *results, const VelmRun *run, const char *name) {
  g_autoptr(GArray) own = velm_run_results(run, name);
  g_array_append_vals(results, own->data, own->len);
}

/* ---- calls to the language model ---- */

static void append_call_curves(GString *text, const GPtrArray *runs, char *const *names) {
  for (guint i = 0; i < runs->len; i++) {
    const VelmRun *run = runs->pdata[i];
    for (guint detector = 0; detector < run->detectors->len; detector++)
      velm_call_curves_append(text, run, detector, names[i]);
  }
}

static gboolean have_call_curves(const GPtrArray *runs) {
  for (guint i = 0; i < runs->len; i++)
    if (((const VelmRun *)runs->pdata[i])->call_curves->len > 0)
      return TRUE;
  return FALSE;
}

static void build_call_curves(JsonBuilder *builder, const GPtrArray *runs, char *const *names) {
  if (!have_call_curves(runs))
    return;
  json_builder_set_member_name(builder, "runs");
  json_builder_begin_array(builder);
  for (guint i = 0; i < runs->len; i++) {
    json_builder_begin_object(builder);
    velm_json_set_string(builder, "run", names[i]);
    velm_call_curves_build(builder, runs->pdata[i]);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

/* ---- all ---- */

static void print_comparisons(const GArray *results, const GPtrArray *runs, char *const *names,
                              gboolean json) {
  g_autoptr(GPtrArray) comparisons =
      g_ptr_array_new_with_free_func((GDestroyNotify)velm_comparison_free);
  for (guint i = 1; i < results->len; i++)
    g_ptr_array_add(comparisons, velm_compare(&g_array_index(results, VelmRunResult, 0),
                                              &g_array_index(results, VelmRunResult, i)));
  if (!json) {
    g_autofree char *differences = velm_compare_to_text(comparisons);
    g_autoptr(GString) text = g_string_new(differences);
    append_call_curves(text, runs, names);
    fputs(text->str, stdout);
    return;
  }
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_compare_build(builder, comparisons);
  build_call_curves(builder, runs, names);
  json_builder_end_object(builder);
  g_autofree char *text = velm_json_print(builder, FALSE);
  puts(text);
}

int velm_cli_evaluate_compare(int argc, char **argv) {
  gboolean json = FALSE;
  const GOptionEntry entries[] = {
      {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print one JSON object", NULL}, G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths = velm_cli_parse(
      argc, argv, "RUN RUN...",
      "Holds each result of stored runs (velm evaluate -o RUN) against the first, on the images "
      "that both have:\n"
      "differences with 95 % intervals, and McNemar's test, both by parts.",
      entries, 2, -1, &code);
  if (!paths)
    return code;
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) runs = g_ptr_array_new_with_free_func((GDestroyNotify)velm_run_free);
  g_autoptr(GArray) results = g_array_new(FALSE, TRUE, sizeof(VelmRunResult));
  for (gsize i = 0; paths[i]; i++) {
    VelmRun *run = velm_run_load(paths[i], &error);
    if (!run)
      return velm_cli_fail(error);
    g_ptr_array_add(runs, run);
    append_results(results, run, paths[i]);
  }
  print_comparisons(results, runs, paths, json);
  return VELM_CLI_OK;
}
