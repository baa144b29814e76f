#include "evaluate/predictions.h"

#include "evaluate/csv_field.h"

#include <math.h>
#include <string.h>

/* ---- figures ---- */

/* What one draw is counted into: a matrix of all labels for every category of the file. */
typedef struct {
  const VelmRecorded *recorded;
  guint64 **matrices;
} Count;

static void count_init(Count *count, const VelmRecorded *recorded) {
  count->recorded = recorded;
  count->matrices = g_new0(guint64 *, recorded->categories->len);
  for (guint i = 0; i < recorded->categories->len; i++) {
    gsize n = velm_recorded_n_labels(g_ptr_array_index(recorded->categories, i));
    count->matrices[i] = g_new0(guint64, n * n);
  }
}

static void count_clear(Count *count) {
  for (guint i = 0; i < count->recorded->categories->len; i++)
    g_free(count->matrices[i]);
  g_free(count->matrices);
}

/* Fills the matrices: answer i counts @counts[i] times (NULL: once). */
static void count_answers(Count *count, const guint *counts) {
  const VelmRecorded *recorded = count->recorded;
  for (guint i = 0; i < recorded->categories->len; i++) {
    gsize n = velm_recorded_n_labels(g_ptr_array_index(recorded->categories, i));
    memset(count->matrices[i], 0, n * n * sizeof **count->matrices);
  }
  for (guint i = 0; i < recorded->answers->len; i++) {
    const VelmRecordedAnswer *answer = g_ptr_array_index(recorded->answers, i);
    gsize n = velm_recorded_n_labels(g_ptr_array_index(recorded->categories, answer->category));
    count->matrices[answer->category][answer->truth * n + answer->answer] += counts ? counts[i] : 1;
  }
}

/* The headlines of every category, then their means over the categories that define them. */
static void measure_draw(const guint *counts, double *figures, gpointer user_data) {
  Count *count = user_data;
  guint n_categories = count->recorded->categories->len;
  double sums[VELM_N_CLASS_HEADLINES] = {0}, defined[VELM_N_CLASS_HEADLINES] = {0};
  count_answers(count, counts);
  for (guint i = 0; i < n_categories; i++, figures += VELM_N_CLASS_HEADLINES) {
    gsize n = velm_recorded_n_labels(g_ptr_array_index(count->recorded->categories, i));
    velm_class_headlines(count->matrices[i], n, figures);
    for (guint h = 0; h < VELM_N_CLASS_HEADLINES; h++) {
      sums[h] += isnan(figures[h]) ? 0 : figures[h];
      defined[h] += !isnan(figures[h]);
    }
  }
  for (guint h = 0; h < VELM_N_CLASS_HEADLINES; h++)
    figures[h] = defined[h] > 0 ? sums[h] / defined[h] : NAN;
}

static void free_category(VelmCategoryPredictions *category) {
  g_array_unref(category->labels);
  g_free(category->confusion);
  g_free(category);
}

static gboolean occurs(const guint64 *matrix, gsize n, gsize label) {
  for (gsize k = 0; k < n; k++)
    if (matrix[label * n + k] || matrix[k * n + label])
      return TRUE;
  return FALSE;
}

/* Counts of @category from its @matrix of all labels, which is cut to those that occur. */
static VelmCategoryPredictions *cut_matrix(const VelmRecordedCategory *category,
                                           const guint64 *matrix) {
  gsize n = velm_recorded_n_labels(category);
  VelmCategoryPredictions *cut = g_new0(VelmCategoryPredictions, 1);
  cut->category = category;
  cut->labels = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint label = 0; label < n; label++)
    if (occurs(matrix, n, label))
      g_array_append_val(cut->labels, label);
  cut->confusion = g_new0(guint64, cut->labels->len * cut->labels->len + 1);
  for (guint i = 0; i < cut->labels->len; i++)
    for (guint k = 0; k < cut->labels->len; k++) {
      guint truth = g_array_index(cut->labels, guint, i);
      guint answer = g_array_index(cut->labels, guint, k);
      guint64 answers = matrix[truth * n + answer];
      cut->confusion[i * cut->labels->len + k] = answers;
      cut->figures.answers += (guint)answers;
      cut->figures.unknown += answer == n - 1 ? (guint)answers : 0;
    }
  return cut;
}

/* Sets the figures from entry number @index of @values and @intervals. */
static void set_figures(VelmPredictionFigures *figures, const double *values,
                        const VelmInterval *intervals, guint index) {
  gsize first = (gsize)index * VELM_N_CLASS_HEADLINES;
  memcpy(figures->headlines, values + first, sizeof figures->headlines);
  memcpy(figures->intervals, intervals + first, sizeof figures->intervals);
}

VelmPredictions *velm_predictions_measure(const VelmRecorded *recorded, guint n_resamples) {
  guint n_categories = recorded->categories->len;
  gsize n_figures = ((gsize)n_categories + 1) * VELM_N_CLASS_HEADLINES;
  g_autofree double *values = g_new(double, n_figures);
  g_autofree VelmInterval *intervals = g_new(VelmInterval, n_figures);
  Count count;
  count_init(&count, recorded);
  velm_bootstrap(NULL, recorded->answers->len, n_resamples, 0, measure_draw, n_figures, &count,
                 intervals);
  measure_draw(NULL, values, &count); /* last: the matrices stay */
  VelmPredictions *predictions = g_new0(VelmPredictions, 1);
  predictions->categories = g_ptr_array_new_with_free_func((GDestroyNotify)free_category);
  for (guint i = 0; i < n_categories; i++) {
    VelmCategoryPredictions *category =
        cut_matrix(g_ptr_array_index(recorded->categories, i), count.matrices[i]);
    set_figures(&category->figures, values, intervals, i);
    predictions->overall.answers += category->figures.answers;
    predictions->overall.unknown += category->figures.unknown;
    if (category->figures.answers)
      g_ptr_array_add(predictions->categories, category);
    else
      free_category(category);
  }
  set_figures(&predictions->overall, values, intervals, n_categories);
  count_clear(&count);
  return predictions;
}

void velm_predictions_free(VelmPredictions *predictions) {
  if (!predictions)
    return;
  g_ptr_array_unref(predictions->categories);
  g_free(predictions);
}

/* ---- JSON ---- */

static void add_double(JsonBuilder *builder, double value) {
  if (isfinite(value))
    json_builder_add_double_value(builder, value);
  else
    json_builder_add_null_value(builder);
}

static void build_figures(JsonBuilder *builder, const VelmPredictionFigures *figures) {
  velm_json_set_int(builder, "answers", figures->answers);
  velm_json_set_int(builder, "unknown", figures->unknown);
  velm_json_set_double(builder, "accuracy", figures->headlines[VELM_FIGURE_ACCURACY]);
  velm_json_set_double(builder, "macro_accuracy", figures->headlines[VELM_FIGURE_MACRO_ACCURACY]);
  velm_json_set_double(builder, "macro_f1", figures->headlines[VELM_FIGURE_MACRO_F1]);
  velm_json_set_double(builder, "micro_f1", figures->headlines[VELM_FIGURE_ACCURACY]);
  velm_json_set_double(builder, "cohen_kappa", figures->headlines[VELM_FIGURE_COHEN_KAPPA]);
  json_builder_set_member_name(builder, "intervals");
  json_builder_begin_object(builder);
  for (guint h = 0; h < VELM_N_CLASS_HEADLINES; h++) {
    json_builder_set_member_name(builder, velm_class_headline_name((VelmClassHeadline)h));
    json_builder_begin_array(builder);
    add_double(builder, figures->intervals[h].low);
    add_double(builder, figures->intervals[h].high);
    json_builder_end_array(builder);
  }
  json_builder_end_object(builder);
}

static guint64 support_of(const VelmCategoryPredictions *category, guint index) {
  guint64 sum = 0;
  for (guint k = 0; k < category->labels->len; k++)
    sum += category->confusion[index * category->labels->len + k];
  return sum;
}

static const char *class_name(const VelmCategoryPredictions *category, guint index) {
  return velm_recorded_label_name(category->category,
                                  g_array_index(category->labels, guint, index));
}

static void build_confusion(JsonBuilder *builder, const VelmCategoryPredictions *category) {
  guint n = category->labels->len;
  json_builder_set_member_name(builder, "classes");
  json_builder_begin_array(builder);
  for (guint i = 0; i < n; i++)
    json_builder_add_string_value(builder, class_name(category, i));
  json_builder_end_array(builder);
  json_builder_set_member_name(builder, "support");
  json_builder_begin_array(builder);
  for (guint i = 0; i < n; i++)
    json_builder_add_int_value(builder, (gint64)support_of(category, i));
  json_builder_end_array(builder);
  json_builder_set_member_name(builder, "confusion");
  json_builder_begin_array(builder);
  for (guint i = 0; i < n; i++) {
    json_builder_begin_array(builder);
    for (guint k = 0; k < n; k++)
      json_builder_add_int_value(builder, (gint64)category->confusion[i * n + k]);
    json_builder_end_array(builder);
  }
  json_builder_end_array(builder);
}

char *velm_predictions_to_json(const VelmPredictions *predictions,
                               const VelmSeverityTrials *trials) {
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  json_builder_set_member_name(builder, "categories");
  json_builder_begin_object(builder);
  for (guint i = 0; i < predictions->categories->len; i++) {
    const VelmCategoryPredictions *category = g_ptr_array_index(predictions->categories, i);
    json_builder_set_member_name(builder, category->category->name);
    json_builder_begin_object(builder);
    build_figures(builder, &category->figures);
    build_confusion(builder, category);
    json_builder_end_object(builder);
  }
  json_builder_end_object(builder);
  json_builder_set_member_name(builder, "overall");
  json_builder_begin_object(builder);
  build_figures(builder, &predictions->overall);
  json_builder_end_object(builder);
  if (trials)
    velm_severity_trials_build(trials, builder);
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}

/* ---- text ---- */

/* The columns of the table; the micro F1 is the accuracy, and has one of its own as in the paper.
 */
static const struct {
  const char *title;
  VelmClassHeadline headline;
} columns[] = {
    {"accuracy", VELM_FIGURE_ACCURACY}, {"macro acc", VELM_FIGURE_MACRO_ACCURACY},
    {"macro F1", VELM_FIGURE_MACRO_F1}, {"micro F1", VELM_FIGURE_ACCURACY},
    {"kappa", VELM_FIGURE_COHEN_KAPPA},
};

static void append_figures(GString *text, const char *name, const VelmPredictionFigures *figures) {
  g_string_append_printf(text, "%-16s%9u", name, figures->answers);
  for (gsize c = 0; c < G_N_ELEMENTS(columns); c++) {
    double value = figures->headlines[columns[c].headline];
    if (isnan(value))
      g_string_append_printf(text, "%14s", "-");
    else
      g_string_append_printf(text, "%14.3f", value);
  }
  g_string_append_c(text, '\n');
}

static void append_intervals(GString *text, const VelmPredictionFigures *figures) {
  g_string_append_printf(text, "%-16s%9s", "95 %", "");
  for (gsize c = 0; c < G_N_ELEMENTS(columns); c++) {
    const VelmInterval *interval = &figures->intervals[columns[c].headline];
    g_autofree char *cell = isnan(interval->low)
                                ? g_strdup("-")
                                : g_strdup_printf("%.3f-%.3f", interval->low, interval->high);
    g_string_append_printf(text, "%14s", cell);
  }
  g_string_append_c(text, '\n');
}

static void append_matrix(GString *text, const VelmCategoryPredictions *category) {
  guint n = category->labels->len;
  g_string_append_printf(text, "\n%s\n%-16s", category->category->name, "truth \\ answer");
  for (guint k = 0; k < n; k++)
    g_string_append_printf(text, " %13.13s", class_name(category, k));
  g_string_append_c(text, '\n');
  for (guint i = 0; i < n; i++) {
    if (!support_of(category, i))
      continue; /* nothing is truly unknown */
    g_string_append_printf(text, "%-16.16s", class_name(category, i));
    for (guint k = 0; k < n; k++)
      g_string_append_printf(text, " %13" G_GUINT64_FORMAT, category->confusion[i * n + k]);
    g_string_append_c(text, '\n');
  }
}

char *velm_predictions_to_text(const VelmPredictions *predictions, const VelmSeverityTrials *trials,
                               gboolean matrices) {
  GString *text = g_string_new(NULL);
  g_string_append_printf(text, "%-16s%9s", "", "answers");
  for (gsize c = 0; c < G_N_ELEMENTS(columns); c++)
    g_string_append_printf(text, "%14s", columns[c].title);
  g_string_append_c(text, '\n');
  for (guint i = 0; i < predictions->categories->len; i++) {
    const VelmCategoryPredictions *category = g_ptr_array_index(predictions->categories, i);
    append_figures(text, category->category->name, &category->figures);
  }
  append_figures(text, "mean", &predictions->overall);
  append_intervals(text, &predictions->overall);
  if (predictions->overall.unknown)
    g_string_append_printf(text, "%u answer%s no class and count%s as wrong\n",
                           predictions->overall.unknown,
                           predictions->overall.unknown == 1 ? " is" : "s are",
                           predictions->overall.unknown == 1 ? "s" : "");
  for (guint i = 0; matrices && i < predictions->categories->len; i++)
    append_matrix(text, g_ptr_array_index(predictions->categories, i));
  if (trials) {
    g_string_append_c(text, '\n');
    velm_severity_trials_append(trials, text);
  }
  return g_string_free(text, FALSE);
}

/* ---- CSV ---- */

/* An empty field where it is not defined. */
static void append_value(GString *text, double value) {
  char number[G_ASCII_DTOSTR_BUF_SIZE];
  g_string_append_c(text, ',');
  if (!isnan(value))
    g_string_append(text, g_ascii_dtostr(number, sizeof number, value));
}

static void append_row(GString *text, const char *name, const VelmPredictionFigures *figures) {
  velm_csv_append_field(text, name);
  g_string_append_printf(text, ",%u,%u", figures->answers, figures->unknown);
  for (guint h = 0; h < VELM_N_CLASS_HEADLINES; h++) {
    append_value(text, figures->headlines[h]);
    append_value(text, figures->intervals[h].low);
    append_value(text, figures->intervals[h].high);
  }
  g_string_append_c(text, '\n');
}

char *velm_predictions_to_csv(const VelmPredictions *predictions) {
  GString *text = g_string_new("category,answers,unknown");
  for (guint h = 0; h < VELM_N_CLASS_HEADLINES; h++) {
    const char *name = velm_class_headline_name((VelmClassHeadline)h);
    g_string_append_printf(text, ",%s,%s_low,%s_high", name, name, name);
  }
  g_string_append_c(text, '\n');
  for (guint i = 0; i < predictions->categories->len; i++) {
    const VelmCategoryPredictions *category = g_ptr_array_index(predictions->categories, i);
    append_row(text, category->category->name, &category->figures);
  }
  append_row(text, "overall", &predictions->overall);
  return g_string_free(text, FALSE);
}
