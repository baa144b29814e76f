#include "classify/fewshot.h"

#include "classify/blend.h"
#include "classify/expert.h"
#include "classify/novelty.h"

#include <math.h>
#include <string.h>

#define PREFIX "fewshot"

/* A model may be taught with references and used without: what follows from the evidence at hand is
 * learnt once without the difference to the reference, and once with it. */
typedef enum { ALONE, WITH_REFERENCE, N_SITUATIONS } Situation;

static const char *const blend_prefixes[N_SITUATIONS] = {PREFIX ".blend",
                                                         PREFIX ".blend_with_reference"};
static const char *const novelty_prefixes[N_SITUATIONS] = {PREFIX ".novelty",
                                                           PREFIX ".novelty_with_reference"};

/* What the unknown rule looks at. */
static const struct {
  guint n_blocks;
  VelmExpertKind kinds[VELM_NOVELTY_BLOCKS];
} novelty_blocks[N_SITUATIONS] = {
    [ALONE] = {2, {VELM_EXPERT_CROP_EARLY, VELM_EXPERT_GEOMETRY}},
    [WITH_REFERENCE] = {1, {VELM_EXPERT_DIFFERENCE}},
};

struct _VelmFewshot {
  char **class_names;
  guint n_classes;
  gboolean detected;
  double trust;
  VelmExpert *experts[VELM_N_EXPERTS];  /* NULL where the examples lacked the evidence */
  VelmBlend *blends[N_SITUATIONS];      /* that with reference is NULL without its expert */
  VelmNovelty *novelties[N_SITUATIONS]; /* NULL: nothing is unknown */
};

void velm_fewshot_free(VelmFewshot *fewshot) {
  if (!fewshot)
    return;
  g_strfreev(fewshot->class_names);
  for (int e = 0; e < VELM_N_EXPERTS; e++)
    velm_expert_free(fewshot->experts[e]);
  for (int s = 0; s < N_SITUATIONS; s++) {
    velm_blend_free(fewshot->blends[s]);
    velm_novelty_free(fewshot->novelties[s]);
  }
  g_free(fewshot);
}

const char *const *velm_fewshot_get_classes(const VelmFewshot *fewshot) {
  return (const char *const *)fewshot->class_names;
}

gboolean velm_fewshot_get_detected(const VelmFewshot *fewshot) { return fewshot->detected; }

double velm_fewshot_get_trust(const VelmFewshot *fewshot) { return fewshot->trust; }

void velm_fewshot_set_trust(VelmFewshot *fewshot, double trust) { fewshot->trust = trust; }

/* ---- what is learnt from ---- */

/* An example's sights: as the classifier will be shown it, and otherwise (or NULL). */
typedef struct {
  const VelmExample *example;
  const VelmSight *shown, *other;
} Sights;

typedef struct {
  VelmShots *shots;
  GArray *sights; /* of Sights, in the order of the shots */
  GPtrArray *folds;
  gboolean *usable;
  VelmLesson lessons[VELM_N_EXPERTS]; /* not taught: some example lacks the evidence */
} Course;

static void course_clear(Course *course) {
  velm_shots_free(course->shots);
  g_array_unref(course->sights);
  g_clear_pointer(&course->folds, g_ptr_array_unref);
  g_free(course->usable);
  for (int e = 0; e < VELM_N_EXPERTS; e++) {
    g_clear_pointer(&course->lessons[e].taught, g_array_unref);
    g_free(course->lessons[e].shown);
  }
}

const VelmSight *velm_example_shown(const VelmExample *example, gboolean detected) {
  gboolean in_region = example->detected && (detected || !example->given);
  return in_region ? example->detected : example->given;
}

/* What a mask shows differs from what the detector's region does, but where such regions are to be
 * named, learning from both gains. */
static GArray *collect_sights(const VelmExample *examples, gsize n, gboolean detected) {
  GArray *all = g_array_new(FALSE, FALSE, sizeof(Sights));
  for (gsize i = 0; i < n; i++) {
    const VelmExample *example = &examples[i];
    Sights sights = {example, velm_example_shown(example, detected), NULL};
    if (detected && sights.shown == example->detected)
      sights.other = example->given;
    if (sights.shown)
      g_array_append_val(all, sights);
  }
  return all;
}

static VelmShots *shots_of(const GArray *sights, guint n_classes) {
  g_autofree guint *classes = g_new(guint, sights->len);
  g_autofree const char **parts = g_new(const char *, sights->len);
  for (guint i = 0; i < sights->len; i++) {
    const VelmExample *example = g_array_index(sights, Sights, i).example;
    classes[i] = example->class_index;
    parts[i] = example->part;
  }
  return velm_shots_of(classes, parts, sights->len, n_classes);
}

/* Adds what @kind takes of @sight; the number of values must be the lesson's. */
static void add_views(VelmLesson *lesson, const VelmSight *sight, guint shot) {
  guint d = 0;
  const float *values;
  for (int view = 0; (values = velm_expert_input(lesson->kind, sight, view, &d)); view++) {
    VelmView entry = {values, shot};
    if (d == lesson->d)
      g_array_append_val(lesson->taught, entry);
  }
}

/* FALSE where some example lacks the evidence. */
static gboolean fill_lesson(VelmLesson *lesson, VelmExpertKind kind, const GArray *sights) {
  lesson->kind = kind;
  lesson->taught = g_array_new(FALSE, FALSE, sizeof(VelmView));
  lesson->shown = g_new0(VelmView, sights->len);
  for (guint i = 0; i < sights->len; i++) {
    const Sights *entry = &g_array_index(sights, Sights, i);
    guint d = 0;
    const float *values = velm_expert_input(kind, entry->shown, 0, &d);
    if (i == 0)
      lesson->d = d;
    if (!values || d != lesson->d)
      return FALSE;
    lesson->shown[i] = (VelmView){values, i};
    add_views(lesson, entry->shown, i);
    if (entry->other)
      add_views(lesson, entry->other, i);
  }
  return TRUE;
}

static gboolean check_numbers(const VelmLesson *lesson, const GArray *sights, GError **error) {
  for (guint i = 0; i < lesson->taught->len; i++) {
    const VelmView *view = &g_array_index(lesson->taught, VelmView, i);
    for (guint k = 0; k < lesson->d; k++)
      if (!isfinite(view->values[k])) {
        g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                    "part \"%s\": cannot be learnt from, its %s is not a number",
                    g_array_index(sights, Sights, view->shot).example->part,
                    velm_expert_name(lesson->kind));
        return FALSE;
      }
  }
  return TRUE;
}

static gboolean fill_lessons(Course *course, GError **error) {
  for (int e = 0; e < VELM_N_EXPERTS; e++) {
    VelmLesson *lesson = &course->lessons[e];
    if (!fill_lesson(lesson, (VelmExpertKind)e, course->sights))
      g_clear_pointer(&lesson->taught, g_array_unref);
    else if (!check_numbers(lesson, course->sights, error))
      return FALSE;
  }
  return TRUE;
}

static gboolean check_classes(const GArray *sights, const char *const *class_names,
                              GError **error) {
  guint n_classes = g_strv_length((char **)class_names);
  g_autofree gboolean *taught = g_new0(gboolean, n_classes + 1);
  const char *without = n_classes == 0 ? "" : NULL;
  for (guint i = 0; i < sights->len; i++) {
    guint class_index = g_array_index(sights, Sights, i).example->class_index;
    if (class_index >= n_classes) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET, "part \"%s\": is of no class",
                  g_array_index(sights, Sights, i).example->part);
      return FALSE;
    }
    taught[class_index] = TRUE;
  }
  for (guint c = 0; !without && c < n_classes; c++)
    without = taught[c] ? NULL : class_names[c];
  if (without)
    g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                "class \"%s\": there is no example to learn from", without);
  return without == NULL;
}

/* ---- learning ---- */

static void learn_experts(VelmFewshot *fewshot, const Course *course, double **held_out) {
  for (int e = 0; e < VELM_N_EXPERTS; e++)
    if (course->lessons[e].taught) {
      fewshot->experts[e] = velm_expert_learn(&course->lessons[e], course->shots);
      held_out[e] = velm_expert_hold_out(&course->lessons[e], course->shots, course->folds);
    }
}

static VelmBlend *learn_blend(const Course *course, double *const *held_out, gboolean detected,
                              Situation situation) {
  const double *log_p[VELM_N_EXPERTS];
  double priors[VELM_N_EXPERTS];
  for (int e = 0; e < VELM_N_EXPERTS; e++) {
    gboolean left_out = e == VELM_EXPERT_DIFFERENCE && situation == ALONE;
    log_p[e] = left_out ? NULL : held_out[e];
    priors[e] = velm_expert_prior((VelmExpertKind)e, detected);
  }
  return velm_blend_learn(log_p, priors, VELM_N_EXPERTS, course->shots, course->usable);
}

static VelmNovelty *learn_novelty(const Course *course, Situation situation) {
  const VelmView *blocks[VELM_NOVELTY_BLOCKS];
  guint d[VELM_NOVELTY_BLOCKS];
  guint n_blocks = novelty_blocks[situation].n_blocks;
  for (guint b = 0; b < n_blocks; b++) {
    const VelmLesson *lesson = &course->lessons[novelty_blocks[situation].kinds[b]];
    if (!lesson->taught)
      return NULL;
    blocks[b] = lesson->shown;
    d[b] = lesson->d;
  }
  return velm_novelty_learn(blocks, d, n_blocks, course->shots);
}

static VelmFewshot *learn_course(const Course *course, const char *const *class_names,
                                 gboolean detected) {
  VelmFewshot *fewshot = g_new0(VelmFewshot, 1);
  double *held_out[VELM_N_EXPERTS] = {NULL};
  fewshot->class_names = g_strdupv((char **)class_names);
  fewshot->n_classes = course->shots->n_classes;
  fewshot->detected = detected;
  fewshot->trust = INFINITY;
  learn_experts(fewshot, course, held_out);
  for (int s = 0; s < N_SITUATIONS; s++)
    if (s == ALONE || fewshot->experts[VELM_EXPERT_DIFFERENCE]) {
      fewshot->blends[s] = learn_blend(course, held_out, detected, (Situation)s);
      fewshot->novelties[s] = learn_novelty(course, (Situation)s);
    }
  for (int e = 0; e < VELM_N_EXPERTS; e++)
    g_free(held_out[e]);
  return fewshot;
}

VelmFewshot *velm_fewshot_learn(const VelmExample *examples, gsize n,
                                const char *const *class_names, gboolean detected, GError **error) {
  VelmFewshot *fewshot = NULL;
  Course course = {.sights = collect_sights(examples, n, detected)};
  if (check_classes(course.sights, class_names, error) && fill_lessons(&course, error)) {
    course.shots = shots_of(course.sights, g_strv_length((char **)class_names));
    course.folds = velm_shots_folds(course.shots);
    course.usable = velm_folds_usable(course.folds, course.shots);
    fewshot = learn_course(&course, class_names, detected);
  }
  course_clear(&course);
  return fewshot;
}

/* ---- prediction ---- */

static gboolean is_unknown(const VelmNovelty *novelty, Situation situation,
                           const VelmSight *sight) {
  const float *blocks[VELM_NOVELTY_BLOCKS];
  for (guint b = 0; novelty && b < novelty_blocks[situation].n_blocks; b++) {
    guint d = 0;
    blocks[b] = velm_expert_input(novelty_blocks[situation].kinds[b], sight, 0, &d);
    if (!blocks[b] || d != velm_novelty_get_size(novelty, b))
      return FALSE;
  }
  return novelty && velm_novelty_is_unknown(novelty, blocks);
}

void velm_fewshot_predict(const VelmFewshot *fewshot, const VelmSight *sight, double *probabilities,
                          gboolean *unknown) {
  gboolean with_reference = fewshot->blends[WITH_REFERENCE] && sight->has_difference;
  Situation situation = with_reference ? WITH_REFERENCE : ALONE;
  g_autofree double *rows = g_new0(double, (gsize)VELM_N_EXPERTS * fewshot->n_classes);
  const double *log_p[VELM_N_EXPERTS] = {NULL};
  for (int e = 0; e < VELM_N_EXPERTS; e++) {
    double *row = rows + (gsize)e * fewshot->n_classes;
    if (fewshot->experts[e] && velm_expert_predict(fewshot->experts[e], sight, row))
      log_p[e] = row;
  }
  velm_blend_predict(fewshot->blends[situation], log_p, probabilities);
  *unknown = is_unknown(fewshot->novelties[situation], situation, sight);
}

/* ---- in the model ---- */

void velm_fewshot_store(const VelmFewshot *fewshot, VelmModel *model) {
  velm_model_remove_prefix(model, PREFIX ".");
  velm_model_set_strv(model, PREFIX ".classes", (const char *const *)fewshot->class_names);
  velm_model_set_int(model, PREFIX ".detected", fewshot->detected);
  if (isfinite(fewshot->trust))
    velm_model_set_double(model, PREFIX ".trust", fewshot->trust);
  for (int e = 0; e < VELM_N_EXPERTS; e++)
    if (fewshot->experts[e])
      velm_expert_store(fewshot->experts[e], model, PREFIX);
  for (int s = 0; s < N_SITUATIONS; s++) {
    if (fewshot->blends[s])
      velm_blend_store(fewshot->blends[s], model, blend_prefixes[s]);
    if (fewshot->novelties[s])
      velm_novelty_store(fewshot->novelties[s], model, novelty_prefixes[s]);
  }
}

static gboolean restore_classes(VelmFewshot *fewshot, VelmModel *model, GError **error) {
  g_autofree const char **names = velm_model_get_strv(model, PREFIX ".classes", error);
  gint64 detected = 0;
  if (!names || !velm_model_get_int(model, PREFIX ".detected", &detected, error))
    return FALSE;
  fewshot->trust = INFINITY;
  if (velm_model_has(model, PREFIX ".trust") &&
      !velm_model_get_double(model, PREFIX ".trust", &fewshot->trust, error))
    return FALSE;
  g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
  gboolean usable = names[0] != NULL;
  for (const char **name = names; usable && *name; name++)
    usable = **name && g_hash_table_add(seen, (char *)*name);
  if (!usable) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model's \"%s.classes\" cannot be used: a name is missing or there twice",
                PREFIX);
    return FALSE;
  }
  fewshot->class_names = g_strdupv((char **)names);
  fewshot->n_classes = g_strv_length(fewshot->class_names);
  fewshot->detected = detected != 0;
  return TRUE;
}

/* Of those that are always there, geometry has to be. */
static gboolean restore_experts(VelmFewshot *fewshot, VelmModel *model, GError **error) {
  for (int e = 0; e < VELM_N_EXPERTS; e++) {
    VelmExpertKind kind = (VelmExpertKind)e;
    if (kind != VELM_EXPERT_GEOMETRY && !velm_expert_is_stored(kind, model, PREFIX))
      continue;
    fewshot->experts[e] = velm_expert_restore(kind, model, PREFIX, fewshot->n_classes, error);
    if (!fewshot->experts[e])
      return FALSE;
  }
  return TRUE;
}

static gboolean restore_situation(VelmFewshot *fewshot, Situation situation, VelmModel *model,
                                  GError **error) {
  g_autofree char *threshold = g_strconcat(novelty_prefixes[situation], ".threshold", NULL);
  fewshot->blends[situation] = velm_blend_restore(model, blend_prefixes[situation], VELM_N_EXPERTS,
                                                  fewshot->n_classes, error);
  if (!fewshot->blends[situation])
    return FALSE;
  if (!velm_model_has(model, threshold))
    return TRUE;
  fewshot->novelties[situation] = velm_novelty_restore(model, novelty_prefixes[situation],
                                                       novelty_blocks[situation].n_blocks, error);
  return fewshot->novelties[situation] != NULL;
}

VelmFewshot *velm_fewshot_restore(VelmModel *model, GError **error) {
  g_autoptr(VelmFewshot) fewshot = g_new0(VelmFewshot, 1);
  if (!velm_model_has(model, PREFIX ".classes")) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL, "the model was not taught; run velm teach");
    return NULL;
  }
  if (!restore_classes(fewshot, model, error) || !restore_experts(fewshot, model, error) ||
      !restore_situation(fewshot, ALONE, model, error))
    return NULL;
  if (fewshot->experts[VELM_EXPERT_DIFFERENCE] &&
      !restore_situation(fewshot, WITH_REFERENCE, model, error))
    return NULL;
  return g_steal_pointer(&fewshot);
}
