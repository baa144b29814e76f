#include "evaluate/cross_answers.h"

#include "classify/shots.h"
#include "evaluate/bootstrap.h"

#define N_REPEATS 3

VelmCrossParams velm_cross_params_default(void) {
  return (VelmCrossParams){.n_repeats = N_REPEATS};
}

VelmCrossAnswers *velm_cross_answers_new(gsize n, guint n_classes) {
  VelmCrossAnswers *answers = g_new0(VelmCrossAnswers, 1);
  answers->n = n;
  answers->n_classes = n_classes;
  answers->probabilities = g_new0(double, n *n_classes);
  answers->judged = g_new0(gboolean, n);
  return answers;
}

void velm_cross_answers_free(VelmCrossAnswers *answers) {
  if (!answers)
    return;
  g_free(answers->probabilities);
  g_free(answers->judged);
  g_free(answers);
}

/* One cross-validation, or several: the sums of answers grow in @answers. */
typedef struct {
  const VelmExample *examples;
  gsize n;
  const char *const *class_names;
  guint n_classes;
  gboolean detected;
  guint *parts; /* by example */
  guint n_parts;
  VelmCrossAnswers *answers;
  guint *n_asked; /* by example */
} Course;

/* ---- folds ---- */

static guint *shuffled(gsize n, GRand *random) {
  guint *order = g_new(guint, n);
  for (gsize i = 0; i < n; i++) {
    gsize k = (gsize)g_rand_int_range(random, 0, (gint32)i + 1);
    order[i] = order[k];
    order[k] = (guint)i;
  }
  return order;
}

/* The fold of every part. Class by class, so that each class is spread over the folds. */
static guint *deal_parts(const Course *course, GRand *random) {
  guint *fold_of = g_new(guint, course->n_parts);
  g_autofree guint *order = shuffled(course->n, random);
  guint n_dealt = 0;
  for (guint part = 0; part < course->n_parts; part++)
    fold_of[part] = G_MAXUINT;
  for (guint c = 0; c < course->n_classes; c++)
    for (gsize i = 0; i < course->n; i++) {
      guint part = course->parts[order[i]];
      if (course->examples[order[i]].class_index == c && fold_of[part] == G_MAXUINT)
        fold_of[part] = n_dealt++ % VELM_MAX_FOLDS;
    }
  return fold_of;
}

/* ---- one fold ---- */

/* What is taught when a fold is held back, its classes numbered without those that lost all. */
typedef struct {
  GArray *examples;    /* of VelmExample */
  guint *taught_class; /* by class of the whole: its number, or G_MAXUINT */
  const char **names;
  guint n_classes;
} Teaching;

static void teaching_clear(Teaching *teaching) {
  g_array_unref(teaching->examples);
  g_free(teaching->taught_class);
  g_free(teaching->names);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Teaching, teaching_clear)

static void teaching_init(Teaching *teaching, const Course *course, const guint *fold_of,
                          guint held) {
  teaching->examples = g_array_new(FALSE, FALSE, sizeof(VelmExample));
  teaching->taught_class = g_new(guint, course->n_classes);
  teaching->names = g_new0(const char *, course->n_classes + 1);
  for (guint c = 0; c < course->n_classes; c++) {
    guint n_before = teaching->examples->len;
    for (gsize i = 0; i < course->n; i++) {
      VelmExample example = course->examples[i];
      if (example.class_index != c || fold_of[course->parts[i]] == held)
        continue;
      example.class_index = teaching->n_classes;
      g_array_append_val(teaching->examples, example);
    }
    gboolean taught = teaching->examples->len > n_before;
    teaching->taught_class[c] = taught ? teaching->n_classes : G_MAXUINT;
    if (taught)
      teaching->names[teaching->n_classes++] = course->class_names[c];
  }
}

static const VelmSight *sight_of(const VelmExample *example, gboolean detected) {
  gboolean in_region = example->detected && (detected || !example->given);
  return in_region ? example->detected : example->given;
}

static void ask(const Course *course, const Teaching *teaching, const VelmFewshot *fewshot,
                gsize i) {
  g_autofree double *probabilities = g_new0(double, teaching->n_classes);
  double *row = course->answers->probabilities + i * course->n_classes;
  gboolean unknown = FALSE;
  velm_fewshot_predict(fewshot, sight_of(&course->examples[i], course->detected), probabilities,
                       &unknown);
  for (guint c = 0; c < course->n_classes; c++)
    if (teaching->taught_class[c] != G_MAXUINT)
      row[c] += probabilities[teaching->taught_class[c]];
  course->n_asked[i]++;
}

/* An example whose class is not taught cannot be judged by it. */
static gboolean ask_fold(const Course *course, const guint *fold_of, guint held, GError **error) {
  g_auto(Teaching) teaching = {0};
  teaching_init(&teaching, course, fold_of, held);
  if (teaching.n_classes < 2 || teaching.examples->len == course->n)
    return TRUE;
  g_autoptr(VelmFewshot) fewshot =
      velm_fewshot_learn((const VelmExample *)(void *)teaching.examples->data,
                         teaching.examples->len, teaching.names, course->detected, error);
  if (!fewshot)
    return FALSE;
  for (gsize i = 0; i < course->n; i++)
    if (fold_of[course->parts[i]] == held &&
        teaching.taught_class[course->examples[i].class_index] != G_MAXUINT)
      ask(course, &teaching, fewshot, i);
  return TRUE;
}

/* ---- all folds, several times ---- */

static gboolean report_progress(const VelmCrossParams *params, gsize done, GError **error) {
  gsize total = (gsize)params->n_repeats * VELM_MAX_FOLDS;
  if (!params->progress || params->progress("labels", done, total, params->progress_data))
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while holding labels back");
  return FALSE;
}

static gboolean ask_all(const Course *course, const VelmCrossParams *params, GError **error) {
  g_autoptr(GRand) random = g_rand_new_with_seed(params->seed);
  for (guint repeat = 0; repeat < params->n_repeats; repeat++) {
    g_autofree guint *fold_of = deal_parts(course, random);
    for (guint held = 0; held < VELM_MAX_FOLDS; held++)
      if (!ask_fold(course, fold_of, held, error) ||
          !report_progress(params, (gsize)repeat * VELM_MAX_FOLDS + held + 1, error))
        return FALSE;
  }
  return TRUE;
}

static void take_means(const Course *course) {
  VelmCrossAnswers *answers = course->answers;
  for (gsize i = 0; i < answers->n; i++) {
    answers->judged[i] = course->n_asked[i] > 0;
    for (guint c = 0; answers->judged[i] && c < answers->n_classes; c++)
      answers->probabilities[i * answers->n_classes + c] /= course->n_asked[i];
  }
}

static guint *number_parts(const VelmExample *examples, gsize n, guint *n_parts) {
  g_autofree const char **names = g_new(const char *, n + 1);
  for (gsize i = 0; i < n; i++)
    names[i] = examples[i].part;
  return velm_bootstrap_number_groups(names, n, n_parts);
}

VelmCrossAnswers *velm_cross_answers(const VelmExample *examples, gsize n,
                                     const char *const *class_names, gboolean detected,
                                     const VelmCrossParams *params, GError **error) {
  guint n_classes = g_strv_length((char **)class_names);
  g_autoptr(VelmCrossAnswers) answers = velm_cross_answers_new(n, n_classes);
  g_autofree guint *n_asked = g_new0(guint, n);
  Course course = {examples, n, class_names, n_classes, detected, .answers = answers};
  course.n_asked = n_asked;
  course.parts = number_parts(examples, n, &course.n_parts);
  gboolean asked = ask_all(&course, params, error);
  if (asked)
    take_means(&course);
  g_free(course.parts);
  return asked ? g_steal_pointer(&answers) : NULL;
}
