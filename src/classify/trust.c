#include "classify/trust.h"

#include "classify/shots.h"

#include <math.h>

/* ---- examples held back ---- */

typedef struct {
  GArray *examples; /* of VelmExample: those of which something is shown */
  VelmShots *shots;
  const char *const *class_names;
  gboolean detected;
} Course;

static void course_init(Course *course, const VelmExample *examples, gsize n) {
  course->examples = g_array_new(FALSE, FALSE, sizeof(VelmExample));
  g_autofree guint *classes = g_new(guint, n);
  g_autofree const char **parts = g_new(const char *, n);
  for (gsize i = 0; i < n; i++) {
    if (!velm_example_shown(&examples[i], course->detected))
      continue;
    classes[course->examples->len] = examples[i].class_index;
    parts[course->examples->len] = examples[i].part;
    g_array_append_val(course->examples, examples[i]);
  }
  course->shots = velm_shots_of(classes, parts, course->examples->len,
                                g_strv_length((char **)course->class_names));
}

static void course_clear(Course *course) {
  g_array_unref(course->examples);
  velm_shots_free(course->shots);
}

/* A classifier of the examples that @fold leaves. NULL where they teach none. */
static VelmFewshot *learn(const Course *course, const VelmFold *fold) {
  g_autoptr(GArray) kept = g_array_new(FALSE, FALSE, sizeof(VelmExample));
  g_autofree const char **names = g_new0(const char *, fold->train->n_classes + 1);
  for (guint c = 0; c < fold->train->n_classes; c++)
    names[c] = course->class_names[fold->classes[c]];
  for (guint i = 0; i < course->examples->len; i++) {
    VelmExample example = g_array_index(course->examples, VelmExample, i);
    if (fold->place[i] == G_MAXUINT)
      continue;
    example.class_index = fold->train->classes[fold->place[i]];
    g_array_append_val(kept, example);
  }
  return velm_fewshot_learn((const VelmExample *)(void *)kept->data, kept->len, names,
                            course->detected, NULL);
}

static gboolean fold_has_class(const VelmFold *fold, guint class_index) {
  for (guint c = 0; c < fold->train->n_classes; c++)
    if (fold->classes[c] == class_index)
      return TRUE;
  return FALSE;
}

static void answer(const Course *course, const VelmFewshot *fewshot, const VelmFold *fold,
                   const VelmExample *example, GArray *answers) {
  g_autofree double *probabilities = g_new0(double, fold->train->n_classes);
  gboolean unknown = FALSE;
  guint best = 0;
  velm_fewshot_predict(fewshot, velm_example_shown(example, course->detected), probabilities,
                       &unknown);
  for (guint c = 1; c < fold->train->n_classes; c++)
    if (probabilities[c] > probabilities[best])
      best = c;
  VelmHeldBack one = {probabilities[best], fold->classes[best] == example->class_index};
  if (!unknown)
    g_array_append_val(answers, one);
}

GArray *velm_trust_hold_back(const VelmExample *examples, gsize n, const char *const *class_names,
                             gboolean detected) {
  GArray *answers = g_array_new(FALSE, FALSE, sizeof(VelmHeldBack));
  Course course = {.class_names = class_names, .detected = detected};
  course_init(&course, examples, n);
  g_autoptr(GPtrArray) folds = velm_shots_folds(course.shots);
  for (guint f = 0; f < folds->len; f++) {
    const VelmFold *fold = g_ptr_array_index(folds, f);
    g_autoptr(VelmFewshot) fewshot = learn(&course, fold);
    for (guint i = 0; fewshot && i < course.examples->len; i++) {
      const VelmExample *example = &g_array_index(course.examples, VelmExample, i);
      if (fold->place[i] == G_MAXUINT && fold_has_class(fold, example->class_index))
        answer(&course, fewshot, fold, example, answers);
    }
  }
  course_clear(&course);
  return answers;
}

/* ---- the level ---- */

static int compare_confidence(gconstpointer a, gconstpointer b) {
  const VelmHeldBack *x = a, *y = b;
  return (x->confidence < y->confidence) - (x->confidence > y->confidence);
}

double velm_trust_level(const GArray *answers, double accuracy) {
  g_autoptr(GArray) sorted = g_array_copy((GArray *)answers);
  double level = INFINITY;
  guint right = 0;
  g_array_sort(sorted, compare_confidence);
  for (guint i = 0; i < sorted->len; i++) {
    const VelmHeldBack *one = &g_array_index(sorted, VelmHeldBack, i);
    right += one->right ? 1 : 0;
    /* Those that are as sure stand or fall together. */
    gboolean last = i + 1 == sorted->len ||
                    g_array_index(sorted, VelmHeldBack, i + 1).confidence < one->confidence;
    if (last && (right + 1.0) / (i + 3.0) >= accuracy)
      level = one->confidence;
  }
  return level;
}
