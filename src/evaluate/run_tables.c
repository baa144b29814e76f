#include "evaluate/run_tables.h"

#include "dataset/dataset.h"

#include <math.h>

#define NO_FIGURE "–"
#define NO_INTERVAL                                                                                \
  "no interval: fewer than two parts, or most draws of parts leave the figure undefined"
#define NO_MASKS "no masks to measure by, or a score map that is not of numbers"

/* ---- kinds ---- */

const char *velm_run_kind_name(VelmRunKind kind) {
  static const char *const names[] = {"classification", "end_to_end", "decisions"};
  return names[kind];
}

const char *velm_run_kind_title(VelmRunKind kind) {
  static const char *const titles[] = {"Classification", "End to end", "Decisions"};
  return titles[kind];
}

static const char *note_of_kind(VelmRunKind kind) {
  static const char *const notes[] = {
      "What the classifier says of the defect images, whatever the threshold.",
      "What the line is told: an image under the threshold is answered good, one over it gets the "
      "classifier's answer.",
      "End to end, by what the classes lead to in the spec. An answer of unknown leads to review.",
  };
  return notes[kind];
}

const VelmClassificationFigures *velm_run_kind_figures(const VelmClassifierRun *classifier,
                                                       VelmRunKind kind) {
  const VelmClassificationFigures *figures = kind == VELM_RUN_CLASSIFICATION
                                                 ? &classifier->classification
                                             : kind == VELM_RUN_END_TO_END ? &classifier->end_to_end
                                                                           : &classifier->decisions;
  return figures->measured ? figures : NULL;
}

/* ---- making a table ---- */

char *velm_run_number(const char *format, double value) {
  char buffer[G_ASCII_DTOSTR_BUF_SIZE * 2];
  if (!isfinite(value))
    return g_strdup(NO_FIGURE);
  return g_strdup(g_ascii_formatd(buffer, sizeof buffer, format, value));
}

static void clear_cell(gpointer data) {
  VelmRunCell *cell = data;
  g_free(cell->text);
  g_free(cell->interval);
  g_free(cell->reason);
  g_free(cell->anchor);
}

/* @title: consumed. @columns: their headings, with '|' between. */
static VelmRunTable *table_new(char *title, const char *note, const char *columns) {
  VelmRunTable *table = g_new0(VelmRunTable, 1);
  table->title = title;
  table->note = g_strdup(note);
  table->columns = g_strsplit(columns, "|", -1);
  table->n_columns = g_strv_length(table->columns);
  table->cells = g_array_new(FALSE, FALSE, sizeof(VelmRunCell));
  g_array_set_clear_func(table->cells, clear_cell);
  return table;
}

void velm_run_table_free(VelmRunTable *table) {
  if (!table)
    return;
  g_free(table->title);
  g_free(table->note);
  g_strfreev(table->columns);
  g_array_unref(table->cells);
  g_free(table);
}

guint velm_run_table_n_rows(const VelmRunTable *table) {
  return table->cells->len / table->n_columns;
}

/* @text, @anchor: consumed. */
static void add_anchored(VelmRunTable *table, char *text, char *anchor) {
  VelmRunCell cell = {.text = text, .anchor = anchor};
  g_array_append_val(table->cells, cell);
}

static void add_text(VelmRunTable *table, const char *text) {
  add_anchored(table, g_strdup(text), NULL);
}

static void add_count(VelmRunTable *table, guint64 count) {
  add_anchored(table, g_strdup_printf("%" G_GUINT64_FORMAT, count), NULL);
}

/* @reason: why @value is none, should it be. */
static void add_number(VelmRunTable *table, const char *format, double value, const char *reason) {
  VelmRunCell cell = {.text = velm_run_number(format, value)};
  if (!isfinite(value))
    cell.reason = g_strdup(reason);
  g_array_append_val(table->cells, cell);
}

static void add_share(VelmRunTable *table, double value, const char *reason) {
  add_number(table, "%.3f", value, reason);
}

static void add_figure(VelmRunTable *table, double value, VelmInterval interval,
                       const char *reason) {
  add_share(table, value, reason);
  if (!isfinite(value))
    return;
  VelmRunCell *cell = &g_array_index(table->cells, VelmRunCell, table->cells->len - 1);
  if (!isfinite(interval.low) || !isfinite(interval.high)) {
    cell->reason = g_strdup(NO_INTERVAL);
    return;
  }
  g_autofree char *low = velm_run_number("%.3f", interval.low);
  g_autofree char *high = velm_run_number("%.3f", interval.high);
  cell->interval = g_strconcat(low, "–", high, NULL);
}

/* ---- what was measured ---- */

static void add_fact(VelmRunTable *table, const char *name, const char *value) {
  if (!value)
    return;
  add_text(table, name);
  add_text(table, value);
}

/* How many images have which label: "60 good, 12 crack, 9 hole". */
static char *count_labels(const VelmRun *run) {
  g_autoptr(GPtrArray) order = g_ptr_array_new();
  g_autoptr(GHashTable) counts = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < run->images->len; i++) {
    const VelmRunImage *image = run->images->pdata[i];
    guint n = GPOINTER_TO_UINT(g_hash_table_lookup(counts, image->label));
    if (n == 0)
      g_ptr_array_insert(order, g_str_equal(image->label, VELM_LABEL_GOOD) ? 0 : -1, image->label);
    g_hash_table_insert(counts, image->label, GUINT_TO_POINTER(n + 1));
  }
  GString *text = g_string_new(NULL);
  g_string_printf(text, "%u", run->images->len);
  for (guint i = 0; i < order->len; i++)
    g_string_append_printf(text, "%s%u %s", i ? ", " : ": ",
                           GPOINTER_TO_UINT(g_hash_table_lookup(counts, order->pdata[i])),
                           (const char *)order->pdata[i]);
  return g_string_free(text, FALSE);
}

static char *count_parts(const VelmRun *run) {
  if (!run->has_groups)
    return g_strdup("no groups.csv: each image counts as a part of its own");
  g_autoptr(GHashTable) groups = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < run->images->len; i++)
    g_hash_table_add(groups, ((const VelmRunImage *)run->images->pdata[i])->group);
  return g_strdup_printf("%u, by groups.csv", g_hash_table_size(groups));
}

static void add_settings(VelmRunTable *table, const VelmRun *run) {
  g_autofree char *shots = g_strdup_printf("%d images a class", run->shots);
  g_autofree char *trials = g_strdup_printf("%d", run->trials);
  g_autofree char *seed = g_strdup_printf("%u", run->seed);
  if (run->shots > 0) {
    add_fact(table, "Shots", shots);
    add_fact(table, "Trials", trials);
    add_fact(table, "Seed", seed);
  }
  add_fact(table, "Language model", run->llm);
  add_fact(table, "Endpoint", run->endpoint);
}

static void add_failure_count(VelmRunTable *table, const VelmRun *run) {
  g_autofree char *count = g_strdup_printf("%u", run->failures->len);
  add_fact(table, "Failures", run->failures->len ? count : "none");
}

VelmRunTable *velm_run_table_facts(const VelmRun *run) {
  VelmRunTable *table = table_new(g_strdup("What was measured"), NULL, "|");
  g_autofree char *labels = count_labels(run), *parts = count_parts(run);
  g_autofree char *sha256 = run->model_sha256 ? g_strndup(run->model_sha256, 12) : NULL;
  table->is_text = TRUE;
  add_fact(table, "Folder", run->directory);
  add_fact(table, "Images", labels);
  add_fact(table, "Parts", parts);
  add_fact(table, "Model", run->model);
  add_fact(table, "SHA-256", sha256);
  add_fact(table, "Spec", run->spec_path ? run->spec_path : run->spec ? "given" : "none");
  add_settings(table, run);
  add_failure_count(table, run);
  return table;
}

VelmRunTable *velm_run_table_failures(const VelmRun *run) {
  VelmRunTable *table = table_new(g_strdup("Failures"), NULL, "image|reason");
  table->is_text = TRUE;
  for (guint i = 0; i < run->failures->len; i++) {
    const VelmRunFailure *failure = run->failures->pdata[i];
    add_text(table, failure->path);
    add_text(table, failure->message);
  }
  return table;
}

/* ---- detection ---- */

/* Why a figure of image scores is not there. */
static const char *reason_of_images(const VelmRun *run, const char *label) {
  gboolean good = FALSE, defect = FALSE;
  for (guint i = 0; i < run->images->len; i++) {
    const VelmRunImage *image = run->images->pdata[i];
    gboolean is_good = g_str_equal(image->label, VELM_LABEL_GOOD);
    good = good || is_good;
    defect = defect || (label ? g_str_equal(image->label, label) : !is_good);
  }
  return !good ? "no good images" : !defect ? "no defect images" : "an image has no score";
}

static void add_detector(VelmRunTable *table, const VelmRun *run, guint index) {
  const VelmDetectorRun *detector = run->detectors->pdata[index];
  const VelmDetectionFigures *figures = &detector->figures;
  const VelmDetectionIntervals *intervals = &figures->intervals;
  const char *reason = reason_of_images(run, NULL);
  add_anchored(table, g_strdup(detector->name), g_strdup_printf("detector-%u", index));
  add_figure(table, figures->image_auroc, intervals->image_auroc, reason);
  add_figure(table, figures->image_average_precision, intervals->image_average_precision, reason);
  add_figure(table, figures->image_f1_max, intervals->image_f1_max, reason);
  add_figure(table, figures->pixel_auroc, intervals->pixel_auroc, NO_MASKS);
  add_figure(table, figures->pixel_average_precision, intervals->pixel_average_precision, NO_MASKS);
  add_figure(table, figures->aupro, intervals->aupro, NO_MASKS);
  add_figure(table, figures->pointing, intervals->pointing, NO_MASKS);
  add_figure(table, figures->region_iou, intervals->region_iou, NO_MASKS);
  add_count(table, figures->images);
  add_number(table, "%.1f", figures->ms_per_image, "not timed");
}

VelmRunTable *velm_run_table_detection(const VelmRun *run) {
  VelmRunTable *table = table_new(
      g_strdup("Detection"),
      "None of these depend on the threshold. F1-max is at the threshold that is best in "
      "hindsight: a bound.",
      "detector|image AUROC|image AP|F1-max|pixel AUROC|pixel AP|AUPRO|pointing|region IoU|images|"
      "ms an image");
  for (guint i = 0; i < run->detectors->len; i++)
    add_detector(table, run, i);
  return table;
}

VelmRunTable *velm_run_table_detector_classes(const VelmRun *run, const VelmDetectorRun *detector) {
  VelmRunTable *table =
      table_new(g_strdup_printf("%s: detection by class", detector->name),
                "Each class against all good images.",
                "class|images|image AUROC|image AP|pixel AUROC|pixel AP|AUPRO|pointing|region IoU");
  const GArray *classes = detector->figures.by_class;
  for (guint i = 0; classes && i < classes->len; i++) {
    const VelmClassDetection *class = &g_array_index(classes, VelmClassDetection, i);
    const char *reason = reason_of_images(run, class->name);
    add_text(table, class->name);
    add_count(table, class->images);
    add_share(table, class->image_auroc, reason);
    add_share(table, class->image_average_precision, reason);
    add_share(table, class->pixel_auroc, NO_MASKS);
    add_share(table, class->pixel_average_precision, NO_MASKS);
    add_share(table, class->aupro, NO_MASKS);
    add_share(table, class->pointing, NO_MASKS);
    add_share(table, class->region_iou, NO_MASKS);
  }
  return table;
}

/* ---- classification ---- */

static void add_calibration(VelmRunTable *table, const VelmCalibration *calibration) {
  add_figure(table, calibration ? calibration->ece : NAN,
             calibration ? calibration->ece_interval : (VelmInterval){NAN, NAN},
             "the classifier gives no confidences");
}

static void add_classifier(VelmRunTable *table, const VelmRun *run, guint index, VelmRunKind kind) {
  const VelmClassifierRun *classifier = run->classifiers->pdata[index];
  const VelmClassificationFigures *figures = velm_run_kind_figures(classifier, kind);
  static const char *const no_trial = "not defined in any trial";
  add_anchored(table, velm_run_title(run, classifier), g_strdup_printf("classifier-%u", index));
  add_figure(table, figures->accuracy, figures->intervals[VELM_FIGURE_ACCURACY], no_trial);
  add_figure(table, figures->macro_accuracy, figures->intervals[VELM_FIGURE_MACRO_ACCURACY],
             no_trial);
  add_share(table, figures->trials > 1 ? figures->macro_accuracy_std : NAN, "one trial only");
  add_figure(table, figures->macro_f1, figures->intervals[VELM_FIGURE_MACRO_F1], no_trial);
  add_figure(table, figures->cohen_kappa, figures->intervals[VELM_FIGURE_COHEN_KAPPA],
             "one class only");
  if (kind == VELM_RUN_CLASSIFICATION)
    add_calibration(table, classifier->calibration);
  add_count(table, figures->trials);
  add_count(table, figures->images);
  if (kind != VELM_RUN_CLASSIFICATION)
    return;
  add_count(table, figures->missed);
  add_count(table, classifier->excluded);
  add_count(table, classifier->failed);
}

VelmRunTable *velm_run_table_classification(const VelmRun *run, VelmRunKind kind) {
  VelmRunTable *table = table_new(
      g_strdup(velm_run_kind_title(kind)), note_of_kind(kind),
      kind == VELM_RUN_CLASSIFICATION
          ? "set-up|accuracy|macro accuracy|sd|macro F1|kappa|calibration error|trials|answers|"
            "under the threshold|left out|failed"
          : "set-up|accuracy|macro accuracy|sd|macro F1|kappa|trials|answers");
  for (guint i = 0; i < run->classifiers->len; i++)
    if (velm_run_kind_figures(run->classifiers->pdata[i], kind))
      add_classifier(table, run, i, kind);
  return table;
}

static char *title_of_kind(const VelmRun *run, const VelmClassifierRun *classifier,
                           VelmRunKind kind, const char *what) {
  static const char *const words[] = {"classification", "end to end", "decisions"};
  g_autofree char *title = velm_run_title(run, classifier);
  return g_strdup_printf("%s: %s%s", title, words[kind], what);
}

static guint64 count_answers(const VelmClassificationFigures *figures, gsize k) {
  guint64 n = 0;
  for (gsize truth = 0; truth < figures->n_classes; truth++)
    n += figures->confusion[truth * figures->n_classes + k];
  return n;
}

VelmRunTable *velm_run_table_classifier_classes(const VelmRun *run,
                                                const VelmClassifierRun *classifier,
                                                VelmRunKind kind) {
  const VelmClassificationFigures *figures = velm_run_kind_figures(classifier, kind);
  VelmRunTable *table = table_new(title_of_kind(run, classifier, kind, " by class"), NULL,
                                  "class|support|recall|precision|F1");
  for (gsize k = 0; figures && k < figures->n_classes; k++) {
    const VelmClassFigures *class = &figures->by_class[k];
    if (class->support == 0 && count_answers(figures, k) == 0)
      continue;
    add_text(table, figures->classes[k]);
    add_count(table, class->support);
    add_share(table, class->recall, "no image of this class");
    add_share(table, class->precision, "never answered");
    add_share(table, class->f1, "neither a truth nor an answer");
  }
  return table;
}

VelmRunTable *velm_run_table_confusion(const VelmRun *run, const VelmClassifierRun *classifier,
                                       VelmRunKind kind) {
  const VelmClassificationFigures *figures = velm_run_kind_figures(classifier, kind);
  VelmRunTable *table =
      table_new(title_of_kind(run, classifier, kind, ", confusion"),
                "Rows are truths, columns are answers, summed over the trials.", "truth");
  if (!figures)
    return table;
  g_autoptr(GStrvBuilder) columns = g_strv_builder_new();
  g_strv_builder_add(columns, "truth");
  g_strv_builder_addv(columns, (const char **)figures->classes);
  g_strfreev(table->columns);
  table->columns = g_strv_builder_end(columns);
  table->n_columns = g_strv_length(table->columns);
  for (gsize truth = 0; truth < figures->n_classes; truth++) {
    if (figures->by_class[truth].support == 0)
      continue;
    add_text(table, figures->classes[truth]);
    for (gsize k = 0; k < figures->n_classes; k++)
      add_count(table, figures->confusion[truth * figures->n_classes + k]);
  }
  return table;
}

/* ---- calls to the language model ---- */

#define NOT_REACHED "no share of calls reaches it"
#define NO_TRUST "the run does not say how sure the few-shot classifier must be"

static void add_percent(VelmRunTable *table, const char *format, double share, const char *reason) {
  add_number(table, format, share * 100, reason);
  if (!isfinite(share))
    return;
  VelmRunCell *cell = &g_array_index(table->cells, VelmRunCell, table->cells->len - 1);
  g_autofree char *bare = cell->text;
  cell->text = g_strconcat(bare, " %", NULL);
}

static void add_call_curve(VelmRunTable *table, const VelmRun *run, guint index) {
  const VelmCallCurve *curve = run->call_curves->pdata[index];
  const VelmCallPoint *last = &curve->points[VELM_CALL_POINTS - 1], *trusted = &curve->trusted;
  add_anchored(table, velm_call_curve_title(run, curve), g_strdup_printf("calls-%u", index));
  add_share(table, curve->points[0].accuracy, NULL);
  add_share(table, last->accuracy, NULL);
  add_percent(table, "%.1f", trusted->share, NO_TRUST);
  add_figure(table, trusted->accuracy, curve->trusted_accuracy, NO_TRUST);
  add_figure(table, trusted->macro_accuracy, curve->trusted_macro_accuracy, NO_TRUST);
  add_percent(table, "%.0f", velm_call_curve_calls_at(curve, VELM_CALL_TARGET), NOT_REACHED);
  add_percent(table, "%.0f", velm_call_curve_calls_at(curve, last->accuracy), NOT_REACHED);
  add_count(table, curve->trials);
  add_count(table, curve->answers);
}

VelmRunTable *velm_run_table_calls(const VelmRun *run) {
  VelmRunTable *table = table_new(
      g_strdup("Calls to the language model"),
      "Asked only where the few-shot classifier is in doubt: how many of the defect images that "
      "both "
      "answered, and what accuracy that gives. The trust level was set on taught examples.",
      "set-up|few-shot alone|language model alone|calls at the trust level|accuracy there|"
      "macro accuracy there|calls for 0.95|calls for the language model's accuracy|trials|answers");
  for (guint i = 0; i < run->call_curves->len; i++)
    add_call_curve(table, run, i);
  return table;
}

VelmRunTable *velm_run_table_call_curve(const VelmRun *run, const VelmCallCurve *curve) {
  g_autofree char *title = velm_call_curve_title(run, curve);
  VelmRunTable *table = table_new(g_strdup_printf("%s: accuracy against calls", title), NULL,
                                  "calls|accuracy|macro accuracy");
  for (guint p = 0; p < VELM_CALL_POINTS; p += (VELM_CALL_POINTS - 1) / 10) {
    add_percent(table, "%.0f", curve->points[p].share, NULL);
    add_share(table, curve->points[p].accuracy, NULL);
    add_share(table, curve->points[p].macro_accuracy, NULL);
  }
  return table;
}
