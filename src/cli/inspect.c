/* velm inspect: one record an image. */
#include "act/inspector.h"
#include "act/record.h"
#include "cli/cli.h"
#include "core/file.h"
#include "core/log.h"
#include "dataset/dataset.h"
#include "evaluate/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How long to wait for an answer before looking around again. */
#define WAIT_MS 1000

/* Each image at a time holds the network's memory once more. */
#define MAX_PARALLEL 64

/* An image whose record is on its way, or done: then one of the two is there. */
typedef struct {
  const VelmSample *sample;
  VelmInspection *inspection;
  GError *error;
} Record;

typedef struct {
  VelmInspector *inspector;
  gboolean json;
  const VelmMadeBy *made_by; /* where json is set */
  const char *out;
  VelmReport *report; /* where out is set */
  guint n_failed, n_done, n_fallbacks;
  char *fallback;  /* why the last of these was one */
  GQueue *records; /* of Record, in the order of the images */
} Run;

static void print_text(const VelmInspection *inspection) {
  gsize n = 0;
  velm_inspection_get_regions(inspection, &n);
  printf("%s: %s", inspection->path, velm_decision_name(inspection->decision));
  if (inspection->class_name)
    printf(", %s (%.0f %%)", inspection->class_name, 100 * inspection->confidence);
  if (inspection->action)
    printf(" -> %s", inspection->action);
  printf("  [score %.3f, threshold %.3f, %" G_GSIZE_FORMAT " region%s]\n", inspection->score,
         inspection->threshold, n, n == 1 ? "" : "s");
}

static void print_json(const Run *run, VelmInspection *inspection) {
  inspection->made_by = velm_made_by_copy(run->made_by);
  g_autofree char *line = velm_inspection_to_json(inspection);
  puts(line);
}

/* A name for the overlay that keeps images of one name in different folders apart. */
static char *overlay_path(const char *out, const char *image) {
  g_autofree char *absolute = g_canonicalize_filename(image, NULL);
  g_autofree char *folder = g_path_get_dirname(absolute);
  g_autofree char *last = g_path_get_basename(folder);
  g_autofree char *name = g_path_get_basename(absolute);
  g_autofree char *file = g_strdup_printf("%s_%s_overlay.png", last, name);
  return g_build_filename(out, file, NULL);
}

static void fail(Run *run, const char *path, const char *message) {
  run->n_failed++;
  if (run->json) {
    g_autofree char *line = velm_record_error_json(path, message);
    puts(line);
  }
  if (run->report)
    velm_report_add_error(run->report, path, message);
  velm_log_line("velm: %s", message);
}

static gboolean write_pictures(Run *run, const VelmInspection *inspection, GError **error) {
  if (!run->out)
    return TRUE;
  g_autofree char *path = overlay_path(run->out, inspection->path);
  return velm_inspection_save_overlay(inspection, path, error) &&
         velm_report_add(run->report, inspection, NULL, error);
}

/* Returns FALSE where going on makes no sense: the pictures cannot be written. */
static gboolean put_record(Run *run, const Record *record, GError **error) {
  VelmInspection *inspection = record->inspection;
  if (!inspection) {
    fail(run, record->sample->path, record->error->message);
    return TRUE;
  }
  if (run->json)
    print_json(run, inspection);
  else
    print_text(inspection);
  if (inspection->warning)
    velm_log_line("velm: %s", inspection->warning);
  if (inspection->fallback) {
    run->n_fallbacks++;
    g_free(run->fallback);
    run->fallback = g_strdup(inspection->stage_reason);
  }
  if (inspection->error) {
    run->n_failed++;
    velm_log_line("velm: %s: %s", inspection->path, inspection->error);
  }
  return write_pictures(run, inspection, error);
}

/* ---- records on their way ---- */

static void record_free(Record *record) {
  velm_inspection_free(record->inspection);
  g_clear_error(&record->error);
  g_free(record);
}

typedef GQueue Records;

static void records_free(Records *records) {
  g_queue_free_full(records, (GDestroyNotify)record_free);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Records, records_free)

static void take(VelmInspection *inspection, const GError *error, gpointer user_data) {
  Record *record = user_data;
  record->inspection = inspection;
  record->error = error ? g_error_copy(error) : NULL;
}

static gboolean is_done(const Record *record) { return record->inspection || record->error; }

/* Prints the records that are done, in the order of the images: one that waits holds back those
 * behind it. */
static gboolean flush(Run *run, gsize total, GError **error) {
  /* Where the records scroll by on the same terminal, they are the progress. */
  gboolean quiet = isatty(STDOUT_FILENO);
  while (run->records->length > 0 && is_done(g_queue_peek_head(run->records))) {
    Record *record = g_queue_pop_head(run->records);
    gboolean ok = put_record(run, record, error);
    record_free(record);
    if (!ok)
      return FALSE;
    if (fflush(stdout) != 0 || ferror(stdout)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_FILE, "the records cannot be written: %s",
                  g_strerror(errno));
      return FALSE;
    }
    run->n_done++;
    if (!quiet)
      velm_log_progress("inspected", run->n_done, total, NULL);
  }
  return TRUE;
}

/* Goes on until fewer than @most records are on their way. */
static gboolean wait_for(Run *run, guint most, gsize total, GError **error) {
  do {
    gboolean full = run->records->length >= most;
    velm_inspector_iterate(run->inspector, full ? WAIT_MS : 0);
    if (!flush(run, total, error))
      return FALSE;
  } while (run->records->length >= most);
  return TRUE;
}

static gboolean inspect_all(Run *run, const GPtrArray *samples, GError **error) {
  guint most = velm_inspector_capacity(run->inspector);
  for (guint i = 0; i < samples->len; i++) {
    Record *record = g_new0(Record, 1);
    record->sample = samples->pdata[i];
    g_queue_push_tail(run->records, record);
    velm_inspector_submit(run->inspector, record->sample->path, record->sample->reference, take,
                          record);
    if (!wait_for(run, most, samples->len, error))
      return FALSE;
  }
  if (!wait_for(run, 1, samples->len, error))
    return FALSE;
  if (!run->report)
    return TRUE;
  g_autofree char *page = g_build_filename(run->out, "report.html", NULL);
  return velm_report_write(run->report, page, error);
}

static gboolean write_usage(const Run *run, const char *path, GError **error) {
  const VelmSpendingTotals totals =
      velm_spending_get_totals(velm_inspector_get_spending(run->inspector));
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_spending_totals_to_json(&totals, builder);
  json_builder_end_object(builder);
  g_autofree char *text = velm_json_print(builder, TRUE);
  return velm_file_write(path, text, strlen(text), error);
}

/* What a person should know besides the records. */
static void print_summary(const Run *run, gsize total) {
  const VelmSpendingTotals totals =
      velm_spending_get_totals(velm_inspector_get_spending(run->inspector));
  g_autofree char *spent = velm_spending_totals_describe(&totals);
  if (spent && isatty(STDERR_FILENO))
    velm_log_line("velm: language model: %s", spent);
  if (run->n_fallbacks)
    velm_log_line("velm: %u of %" G_GSIZE_FORMAT " parts have fewshot's answer though it was not "
                  "sure; the last: %s",
                  run->n_fallbacks, total, run->fallback);
  if (run->n_failed && total > 1)
    velm_log_line("velm: %u of %" G_GSIZE_FORMAT " images could not be inspected in full",
                  run->n_failed, total);
}

/* @spec_path: (nullable); @made_by: (nullable) (out): what records are to say. */
static gboolean open_files(const char *model_path, const char *spec_path, VelmModel **model,
                           VelmSpec **spec, VelmMadeBy *made_by, GError **error) {
  g_autoptr(GBytes) bytes = velm_file_read(model_path, error);
  *model = bytes ? velm_model_parse(bytes, model_path, error) : NULL;
  if (!*model || (spec_path && !(*spec = velm_spec_load(spec_path, error))))
    return FALSE;
  if (made_by)
    *made_by = velm_made_by_new(bytes, *spec ? velm_spec_get_text(*spec) : NULL);
  return TRUE;
}

int velm_cli_inspect(int argc, char **argv) {
  g_autofree char *model_path = NULL, *spec_path = NULL, *classifier = NULL, *out = NULL,
                  *usage = NULL;
  g_auto(VelmCliLlm) llm = {0};
  gboolean json = FALSE;
  gint64 megapixels = 0;
  int parallel = 0;
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &model_path, "Model of the product", "MODEL.velm"},
      {"spec", 's', 0, G_OPTION_ARG_FILENAME, &spec_path,
       "Inspection spec (default: the one that the model was taught with)", "SPEC.yaml"},
      {"classifier", 0, 0, G_OPTION_ARG_STRING, &classifier,
       "fewshot, mllm (a language model), cascade (fewshot first, mllm where that is not sure) or "
       "none; the default is auto: cascade where the model was taught and --endpoint or "
       "--serve-llm is given, fewshot where it was taught, mllm where there is one of these, else "
       "none",
       "NAME"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print one JSON object a line", NULL},
      {"out", 0, 0, G_OPTION_ARG_FILENAME, &out, "Folder for overlay pictures and report.html",
       "DIR"},
      {"usage", 0, 0, G_OPTION_ARG_FILENAME, &usage,
       "Write what the language model took, in requests, tokens and USD, to FILE", "FILE.json"},
      {"max-megapixels", 0, 0, G_OPTION_ARG_INT64, &megapixels,
       "Refuse images of more million pixels (default 64)", "N"},
      {"parallel", 0, 0, G_OPTION_ARG_INT, &parallel,
       "Detect N images at a time (default: by the processors where there are several images); 1 "
       "gives each the shortest time",
       "N"},
      G_OPTION_ENTRY_NULL};
  int code = VELM_CLI_USAGE;
  g_auto(GStrv) paths = velm_cli_parse_with(
      argc, argv, "-m MODEL.velm PATH...",
      "Inspects images, and all images below folders. An aligned reference image is used where the "
      "folder has one\n"
      "(DIR/reference/CLASS/NAME for DIR/test/CLASS/NAME).\n"
      "Exits with 1 where an image could not be inspected; the others are inspected all the same.",
      entries, (GOptionGroup *[]){velm_cli_llm_options(&llm), NULL}, 1, -1, &code);
  if (!paths)
    return code;
  if (!model_path) {
    fprintf(stderr, "velm inspect: name the model with -m\n");
    return VELM_CLI_USAGE;
  }
  VelmInspectorParams params = velm_inspector_params_default();
  params.classifier = classifier ? classifier : params.classifier;
  if (!velm_cli_llm_params(&llm, &params.llm))
    return VELM_CLI_USAGE;
  params.max_pixels = megapixels > 0 ? megapixels * 1000 * 1000 : params.max_pixels;
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) samples = velm_dataset_expand((const char *const *)paths, &error);
  if (samples && samples->len > 1)
    params.parallel =
        parallel > 0 ? (guint)MIN(parallel, MAX_PARALLEL) : velm_inspector_best_parallel();
  g_autoptr(VelmModel) model = NULL;
  g_autoptr(VelmSpec) spec = NULL;
  g_auto(VelmMadeBy) made_by = {0};
  if (!samples || !open_files(model_path, spec_path, &model, &spec, json ? &made_by : NULL, &error))
    return velm_cli_fail(error);
  /* Outlives the inspector, which tells all records on their way that they are given up. */
  g_autoptr(Records) records = g_queue_new();
  g_autoptr(VelmInspector) inspector = velm_inspector_new(model, spec, &params, &error);
  if (!inspector || (out && !velm_file_make_folder(out, &error)))
    return velm_cli_fail(error);
  g_autoptr(VelmReport) report = out ? velm_report_new("velm inspection") : NULL;
  Run run = {inspector, json, &made_by, out, report, .records = records};
  gboolean ok = inspect_all(&run, samples, &error);
  if (ok)
    print_summary(&run, samples->len);
  g_free(run.fallback);
  ok = ok && (!usage || write_usage(&run, usage, &error));
  if (!ok)
    return velm_cli_fail(error);
  return run.n_failed ? VELM_CLI_FAILED : VELM_CLI_OK;
}
