/* The tables of a run as Markdown. */
#include "evaluate/run_tables.h"

#include <string.h>

/* An underscore between letters emphasises nothing, and class names are full of them. */
static gboolean is_inner_underscore(const char *text, const char *at) {
  return *at == '_' && at > text && g_ascii_isalnum(at[-1]) && g_ascii_isalnum(at[1]);
}

/* Text of any bytes, on one line, as what it is. */
static void append_escaped(GString *markdown, const char *text) {
  g_autofree char *valid = g_utf8_make_valid(text, -1);
  for (const char *at = valid; *at; at++) {
    if (strchr("\\`*_[]<>|&#~$", *at) && !is_inner_underscore(valid, at))
      g_string_append_c(markdown, '\\');
    g_string_append_c(markdown, g_ascii_iscntrl(*at) ? ' ' : *at);
  }
}

static void append_cell(GString *markdown, const VelmRunCell *cell) {
  g_string_append(markdown, " ");
  append_escaped(markdown, cell->text);
  if (cell->interval)
    g_string_append_printf(markdown, " (%s)", cell->interval);
  g_string_append(markdown, " |");
}

static void append_head(GString *markdown, const VelmRunTable *table) {
  g_string_append_c(markdown, '|');
  for (guint i = 0; i < table->n_columns; i++) {
    g_string_append_c(markdown, ' ');
    append_escaped(markdown, table->columns[i]);
    g_string_append(markdown, " |");
  }
  g_string_append(markdown, "\n|");
  for (guint i = 0; i < table->n_columns; i++)
    g_string_append(markdown, i == 0 || table->is_text ? "---|" : "---:|");
  g_string_append_c(markdown, '\n');
}

/* Consumes @table; one without rows is left out. */
static void append_table(GString *markdown, VelmRunTable *table, const char *level) {
  g_autoptr(VelmRunTable) owned = table;
  if (velm_run_table_n_rows(owned) == 0)
    return;
  g_string_append_printf(markdown, "\n%s ", level);
  append_escaped(markdown, owned->title);
  g_string_append(markdown, "\n\n");
  if (owned->note)
    g_string_append_printf(markdown, "%s\n\n", owned->note);
  append_head(markdown, owned);
  for (guint i = 0; i < owned->cells->len; i++) {
    if (i % owned->n_columns == 0)
      g_string_append_c(markdown, '|');
    append_cell(markdown, &g_array_index(owned->cells, VelmRunCell, i));
    if ((i + 1) % owned->n_columns == 0)
      g_string_append_c(markdown, '\n');
  }
}

static void append_classifier(GString *markdown, const VelmRun *run,
                              const VelmClassifierRun *classifier) {
  for (int kind = 0; kind < VELM_N_RUN_KINDS; kind++) {
    append_table(markdown, velm_run_table_classifier_classes(run, classifier, (VelmRunKind)kind),
                 "###");
    append_table(markdown, velm_run_table_confusion(run, classifier, (VelmRunKind)kind), "###");
  }
}

char *velm_run_to_markdown(const VelmRun *run) {
  GString *markdown = g_string_new("# Evaluation of ");
  g_autofree char *name = g_path_get_basename(run->directory ? run->directory : "");
  append_escaped(markdown, name);
  g_string_append(markdown, "\n\nMade ");
  append_escaped(markdown, run->made ? run->made : "");
  g_string_append(markdown, " by velm ");
  append_escaped(markdown, run->version ? run->version : "");
  g_string_append(markdown, ". In brackets: 95 % intervals by the bootstrap over parts.\n");
  append_table(markdown, velm_run_table_facts(run), "##");
  append_table(markdown, velm_run_table_detection(run), "##");
  for (int kind = 0; kind < VELM_N_RUN_KINDS; kind++)
    append_table(markdown, velm_run_table_classification(run, (VelmRunKind)kind), "##");
  append_table(markdown, velm_run_table_calls(run), "##");
  for (guint i = 0; i < run->call_curves->len; i++)
    append_table(markdown, velm_run_table_call_curve(run, run->call_curves->pdata[i]), "###");
  g_string_append(markdown, "\n## By class\n");
  for (guint i = 0; i < run->detectors->len; i++)
    append_table(markdown, velm_run_table_detector_classes(run, run->detectors->pdata[i]), "###");
  for (guint i = 0; i < run->classifiers->len; i++)
    append_classifier(markdown, run, run->classifiers->pdata[i]);
  append_table(markdown, velm_run_table_failures(run), "##");
  return g_string_free(markdown, FALSE);
}
