#include "evaluate/severity_trials.h"

#include "evaluate/python_random.h"
#include "velm.h"

#include <math.h>

/* One answer as the experiment reads it. @truth, @said: index of a class of the category, GOOD, or
 * ELSE for an answer that is no class of it. */
typedef struct {
  int truth, said;
} Reading;

enum { GOOD = -1, ELSE = -2 };

/* What the trials need of one category. */
typedef struct {
  const VelmRecordedCategory *category;
  GArray *readings; /* of Reading */
  guint *order;     /* its classes, sorted, before they are shuffled */
  double *shares;   /* n_trials of each group */
} Category;

static void free_category(Category *category) {
  g_array_unref(category->readings);
  g_free(category->order);
  g_free(category->shares);
  g_free(category);
}

/* ---- how the answers are read ---- */

/* By one dictionary over all categories, so a text that means a class of another one may stand for
 * the class of the same key here. What it lacks stays as it is. */
static Reading read_answer(const VelmRecorded *recorded, const VelmRecordedAnswer *answer) {
  const VelmRecordedCategory *category = g_ptr_array_index(recorded->categories, answer->category);
  const char *key = g_hash_table_lookup(recorded->keys_by_text, answer->text);
  key = key ? key : answer->text;
  int class = velm_recorded_find_class(category, key);
  return (Reading){
      .truth = (int)answer->truth - 1, /* VELM_RECORDED_GOOD becomes GOOD */
      .said = g_str_equal(key, "good") ? GOOD
              : class < 0              ? ELSE
                                       : class,
  };
}

typedef struct {
  guint class, count;
} Ranked;

static int compare_ranked(const void *a, const void *b) {
  const Ranked *x = a, *y = b;
  if (x->count != y->count)
    return x->count < y->count ? 1 : -1;
  return x->class < y->class ? -1 : 1;
}

/*
 * The classes by falling count, else in the file's order. The paper keeps the counts under the
 * classes' names and asks for them by key: so a class counts the images of the one whose name is
 * its key, mostly none. Its figures depend on it.
 */
static guint *sort_classes(const Category *category) {
  const GPtrArray *classes = category->category->classes;
  g_autofree Ranked *ranked = g_new0(Ranked, classes->len + 1);
  for (guint i = 0; i < classes->len; i++)
    ranked[i].class = i;
  for (guint i = 0; i < category->readings->len; i++) {
    int truth = g_array_index(category->readings, Reading, i).truth;
    if (truth == GOOD)
      continue;
    const VelmRecordedClass *class = g_ptr_array_index(classes, truth);
    int counted = velm_recorded_find_class(category->category, class->name);
    if (counted >= 0)
      ranked[counted].count++;
  }
  qsort(ranked, classes->len, sizeof *ranked, compare_ranked);
  guint *order = g_new(guint, classes->len + 1);
  for (guint i = 0; i < classes->len; i++)
    order[i] = ranked[i].class;
  return order;
}

static GPtrArray *read_categories(const VelmRecorded *recorded, guint n_trials) {
  GPtrArray *categories = g_ptr_array_new_with_free_func((GDestroyNotify)free_category);
  for (guint i = 0; i < recorded->categories->len; i++) {
    Category *category = g_new0(Category, 1);
    category->category = g_ptr_array_index(recorded->categories, i);
    category->readings = g_array_new(FALSE, FALSE, sizeof(Reading));
    category->shares = g_new(double, (gsize)n_trials *VELM_N_SEVERITIES);
    g_ptr_array_add(categories, category);
  }
  for (guint i = 0; i < recorded->answers->len; i++) {
    const VelmRecordedAnswer *answer = g_ptr_array_index(recorded->answers, i);
    Category *category = g_ptr_array_index(categories, answer->category);
    Reading reading = read_answer(recorded, answer);
    g_array_append_val(category->readings, reading);
  }
  for (guint i = 0; i < categories->len; i++) {
    Category *category = g_ptr_array_index(categories, i);
    category->order = sort_classes(category);
  }
  return categories;
}

/* ---- trials ---- */

/* The classes that are negligible in this trial, one byte a class. Returns: (transfer full). */
static guint8 *draw_negligible(const Category *category, VelmPythonRandom *random) {
  guint n = category->category->classes->len;
  g_autofree guint *order = g_memdup2(category->order, (n + 1) * sizeof *order);
  velm_python_random_shuffle(random, order, n);
  guint8 *negligible = g_new0(guint8, n + 1);
  for (guint i = 0; i < MIN(n, n <= 4 ? 1 : 2); i++)
    negligible[order[i]] = 1;
  return negligible;
}

static VelmDecision group_of(int class, const guint8 *negligible) {
  if (class == GOOD)
    return VELM_DECISION_NORMAL;
  return class != ELSE && negligible[class] ? VELM_DECISION_NEGLIGIBLE : VELM_DECISION_DEFECT;
}

/* @n_trials, @trial: where the shares go. */
static void run_trial(Category *category, VelmPythonRandom *random, guint n_trials, guint trial) {
  g_autofree guint8 *negligible = draw_negligible(category, random);
  double images[VELM_N_SEVERITIES] = {0}, right[VELM_N_SEVERITIES] = {0};
  for (guint i = 0; i < category->readings->len; i++) {
    const Reading *reading = &g_array_index(category->readings, Reading, i);
    VelmDecision truth = group_of(reading->truth, negligible);
    images[truth]++;
    right[truth] += group_of(reading->said, negligible) == truth;
  }
  for (guint g = 0; g < VELM_N_SEVERITIES; g++)
    category->shares[(gsize)g * n_trials + trial] = images[g] > 0 ? right[g] / images[g] : NAN;
}

/* Mean of what is defined among @n values; NaN where nothing is. */
static double mean(const double *values, guint n) {
  double sum = 0, defined = 0;
  for (guint i = 0; i < n; i++) {
    sum += isnan(values[i]) ? 0 : values[i];
    defined += !isnan(values[i]);
  }
  return defined > 0 ? sum / defined : NAN;
}

static VelmSeverityFigure summarise(const double *shares, guint n) {
  double centre = mean(shares, n);
  g_autofree double *squares = g_new(double, n + 1);
  for (guint i = 0; i < n; i++)
    squares[i] = (shares[i] - centre) * (shares[i] - centre);
  return (VelmSeverityFigure){centre, sqrt(mean(squares, n))};
}

static void summarise_overall(VelmSeverityTrials *trials) {
  guint n = trials->categories->len;
  g_autofree double *accuracies = g_new(double, n + 1), *stds = g_new(double, n + 1);
  for (guint g = 0; g < VELM_N_SEVERITIES; g++) {
    for (guint i = 0; i < n; i++) {
      const VelmCategorySeverity *category =
          &g_array_index(trials->categories, VelmCategorySeverity, i);
      accuracies[i] = category->groups[g].accuracy;
      stds[i] = category->groups[g].std;
    }
    trials->overall[g] = (VelmSeverityFigure){mean(accuracies, n), mean(stds, n)};
  }
}

VelmSeverityTrials *velm_severity_trials_run(const VelmRecorded *recorded, guint n_trials) {
  g_autoptr(GPtrArray) categories = read_categories(recorded, n_trials);
  for (guint trial = 0; trial < n_trials; trial++) {
    /* One stream for all categories; those without answers draw too. */
    g_autoptr(VelmPythonRandom) random = velm_python_random_new(trial);
    for (guint i = 0; i < categories->len; i++)
      run_trial(g_ptr_array_index(categories, i), random, n_trials, trial);
  }
  VelmSeverityTrials *trials = g_new0(VelmSeverityTrials, 1);
  trials->n_trials = n_trials;
  trials->categories = g_array_new(FALSE, FALSE, sizeof(VelmCategorySeverity));
  for (guint i = 0; i < categories->len; i++) {
    const Category *category = g_ptr_array_index(categories, i);
    VelmCategorySeverity summary = {.category = category->category};
    for (guint g = 0; g < VELM_N_SEVERITIES; g++)
      summary.groups[g] = summarise(category->shares + (gsize)g * n_trials, n_trials);
    if (category->readings->len)
      g_array_append_val(trials->categories, summary);
  }
  summarise_overall(trials);
  return trials;
}

void velm_severity_trials_free(VelmSeverityTrials *trials) {
  if (!trials)
    return;
  g_array_unref(trials->categories);
  g_free(trials);
}

/* ---- JSON and text ---- */

static void build_groups(JsonBuilder *builder, const char *name, const VelmSeverityFigure *groups) {
  json_builder_set_member_name(builder, name);
  json_builder_begin_object(builder);
  for (guint g = 0; g < VELM_N_SEVERITIES; g++) {
    json_builder_set_member_name(builder, velm_decision_name((VelmDecision)g));
    json_builder_begin_object(builder);
    velm_json_set_double(builder, "accuracy", groups[g].accuracy);
    velm_json_set_double(builder, "std", groups[g].std);
    json_builder_end_object(builder);
  }
  json_builder_end_object(builder);
}

void velm_severity_trials_build(const VelmSeverityTrials *trials, JsonBuilder *builder) {
  json_builder_set_member_name(builder, "severity_trials");
  json_builder_begin_object(builder);
  velm_json_set_int(builder, "trials", trials->n_trials);
  json_builder_set_member_name(builder, "categories");
  json_builder_begin_object(builder);
  for (guint i = 0; i < trials->categories->len; i++) {
    const VelmCategorySeverity *category =
        &g_array_index(trials->categories, VelmCategorySeverity, i);
    build_groups(builder, category->category->name, category->groups);
  }
  json_builder_end_object(builder);
  build_groups(builder, "overall", trials->overall);
  json_builder_end_object(builder);
}

static void append_groups(GString *text, const char *name, const VelmSeverityFigure *groups) {
  g_string_append_printf(text, "%-16s", name);
  for (guint g = 0; g < VELM_N_SEVERITIES; g++) {
    if (isnan(groups[g].accuracy))
      g_string_append_printf(text, "%18s", "-");
    else
      g_string_append_printf(text, "%10.3f (%.3f)", groups[g].accuracy, groups[g].std);
  }
  g_string_append_c(text, '\n');
}

void velm_severity_trials_append(const VelmSeverityTrials *trials, GString *text) {
  g_string_append_printf(text, "right of each group (sd), %u trial%s\n", trials->n_trials,
                         trials->n_trials == 1 ? "" : "s");
  g_string_append_printf(text, "%-16s", "");
  for (guint g = 0; g < VELM_N_SEVERITIES; g++)
    g_string_append_printf(text, "%18s", velm_decision_name((VelmDecision)g));
  g_string_append_c(text, '\n');
  for (guint i = 0; i < trials->categories->len; i++) {
    const VelmCategorySeverity *category =
        &g_array_index(trials->categories, VelmCategorySeverity, i);
    append_groups(text, category->category->name, category->groups);
  }
  append_groups(text, "mean", trials->overall);
}
