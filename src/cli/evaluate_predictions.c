/* velm evaluate predictions: the figures of answers that were recorded elsewhere. */
#include "cli/cli.h"
#include "core/file.h"
#include "evaluate/predictions.h"

#include <stdio.h>
#include <string.h>

/* Beyond this, the mean and the deviation no longer change. */
enum { MOST_TRIALS = 100000 };

typedef struct {
  char *classes, *csv;
  int severity_trials;
  gboolean json, verbose;
} Options;

/* Prints, and writes the CSV file where one is wanted. */
static gboolean report(const VelmRecorded *recorded, const Options *options, GError **error) {
  g_autoptr(VelmPredictions) predictions =
      velm_predictions_measure(recorded, VELM_BOOTSTRAP_RESAMPLES);
  g_autoptr(VelmSeverityTrials) trials =
      options->severity_trials ? velm_severity_trials_run(recorded, (guint)options->severity_trials)
                               : NULL;
  g_autofree char *csv = options->csv ? velm_predictions_to_csv(predictions) : NULL;
  if (csv && !velm_file_write(options->csv, csv, strlen(csv), error))
    return FALSE;
  g_autofree char *text = options->json
                              ? velm_predictions_to_json(predictions, trials)
                              : velm_predictions_to_text(predictions, trials, options->verbose);
  fputs(text, stdout);
  if (options->json)
    putchar('\n');
  return TRUE;
}

int velm_cli_evaluate_predictions(int argc, char **argv) {
  Options options = {0};
  const GOptionEntry entries[] = {
      {"classes", 0, 0, G_OPTION_ARG_FILENAME, &options.classes,
       "The categories with their classes: {CATEGORY: {CLASS: [NAME, DESCRIPTION]}}",
       "DESCRIPTIONS.json"},
      {"severity-trials", 0, 0, G_OPTION_ARG_INT, &options.severity_trials,
       "Also tell normal, negligible and defect apart, N times with other classes negligible by "
       "chance (the paper: 5)",
       "N"},
      {"csv", 0, 0, G_OPTION_ARG_FILENAME, &options.csv, "Also write the table to FILE", "FILE"},
      {"verbose", 'v', 0, G_OPTION_ARG_NONE, &options.verbose, "Also print the confusion matrices",
       NULL},
      {"json", 0, 0, G_OPTION_ARG_NONE, &options.json, "Print one JSON object", NULL},
      G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths =
      velm_cli_parse(argc, argv, "PREDICTIONS.json --classes DESCRIPTIONS.json",
                     "Computes the figures of recorded answers, {CATEGORY_CLASS_INDEX: ANSWER}, as "
                     "the method's paper does.",
                     entries, 1, 1, &code);
  g_autofree char *classes = options.classes, *csv = options.csv;
  if (!paths)
    return code;
  if (!classes || options.severity_trials < 0 || options.severity_trials > MOST_TRIALS) {
    fprintf(stderr,
            "velm evaluate predictions: needs --classes DESCRIPTIONS.json, and --severity-trials "
            "from 0 to %d\n",
            MOST_TRIALS);
    return VELM_CLI_USAGE;
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(VelmRecorded) recorded = velm_recorded_read(paths[0], classes, &error);
  if (!recorded || !report(recorded, &options, &error))
    return velm_cli_fail(error);
  return VELM_CLI_OK;
}
