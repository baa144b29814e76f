#include "classify/expert.h"

/* Log probability of a class that a fold has no example of. */
#define ABSENT_CLASS -12.0

/*
 * The priors are what did best on other draws of examples than those that are reported. The region
 * of a detector is vaguer than a mask, so its geometry is trusted less, and all kinds of evidence
 * gain by learning from both.
 */
static const struct {
  const char *name;
  double prior, prior_detected;
} kinds[VELM_N_EXPERTS] = {
    [VELM_EXPERT_GEOMETRY] = {"geometry", 1, 0.25},
    [VELM_EXPERT_APPEARANCE] = {"appearance", 0.25, 0.25},
    [VELM_EXPERT_PATCH] = {"patch", 0.4, 0.4},
    [VELM_EXPERT_CROP_EARLY] = {"crop_early", 0.5, 0.5},
    [VELM_EXPERT_CROP_LATE] = {"crop_late", 0.3, 0.3},
    [VELM_EXPERT_DIFFERENCE] = {"difference", 1.5, 1.5},
};

const char *velm_expert_name(VelmExpertKind kind) { return kinds[kind].name; }

double velm_expert_prior(VelmExpertKind kind, gboolean detected) {
  return detected ? kinds[kind].prior_detected : kinds[kind].prior;
}

static const float *crop_input(const VelmSight *sight, int layer, int view, guint *d) {
  if (!sight->crop[layer] || sight->n_crop <= 0 || view >= sight->n_views)
    return NULL;
  *d = (guint)sight->n_crop;
  return sight->crop[layer] + (gsize)view * (gsize)sight->n_crop;
}

/* @values as the only view, or NULL. */
static const float *single_input(const float *values, guint n, int view, guint *d) {
  *d = n;
  return view == 0 && n > 0 ? values : NULL;
}

const float *velm_expert_input(VelmExpertKind kind, const VelmSight *sight, int view, guint *d) {
  switch (kind) {
  case VELM_EXPERT_GEOMETRY:
    return single_input(sight->geometry, VELM_N_GEOMETRY, view, d);
  case VELM_EXPERT_APPEARANCE:
    return single_input(sight->appearance, VELM_N_APPEARANCE, view, d);
  case VELM_EXPERT_PATCH:
    return single_input(sight->patch, (guint)MAX(sight->n_patch, 0), view, d);
  case VELM_EXPERT_CROP_EARLY:
    return crop_input(sight, 0, view, d);
  case VELM_EXPERT_CROP_LATE:
    return crop_input(sight, 1, view, d);
  case VELM_EXPERT_DIFFERENCE:
    return single_input(sight->has_difference ? sight->difference : NULL, VELM_N_DIFFERENCE, view,
                        d);
  case VELM_N_EXPERTS:
    break;
  }
  return NULL;
}

/* ---- learning ---- */

/* Geometry's views do not vary within a part, see part_gaussian.h. */
static VelmExpert *learn_views(VelmExpertKind kind, const VelmView *views, gsize n, guint d,
                               const VelmShots *shots) {
  VelmExpert *expert = g_new0(VelmExpert, 1);
  expert->kind = kind;
  if (kind == VELM_EXPERT_GEOMETRY)
    expert->gaussian = velm_part_gaussian_learn(views, n, d, shots);
  else
    expert->logistic = velm_logistic_learn(views, n, d, shots);
  return expert;
}

static void predict_row(const VelmExpert *expert, const float *values, double *log_p) {
  if (expert->gaussian)
    velm_part_gaussian_predict(expert->gaussian, values, log_p);
  else
    velm_logistic_predict(expert->logistic, values, log_p);
}

VelmExpert *velm_expert_learn(const VelmLesson *lesson, const VelmShots *shots) {
  const VelmView *views = (const VelmView *)(void *)lesson->taught->data;
  return learn_views(lesson->kind, views, lesson->taught->len, lesson->d, shots);
}

static guint size_of(const VelmExpert *expert) {
  return expert->gaussian ? velm_part_gaussian_get_size(expert->gaussian)
                          : velm_logistic_get_size(expert->logistic);
}

gboolean velm_expert_predict(const VelmExpert *expert, const VelmSight *sight, double *log_p) {
  guint d = 0;
  const float *values = velm_expert_input(expert->kind, sight, 0, &d);
  if (!values || d != size_of(expert))
    return FALSE;
  predict_row(expert, values, log_p);
  return TRUE;
}

/* The expert of the examples that @fold leaves. */
static VelmExpert *learn_fold(const VelmLesson *lesson, const VelmFold *fold) {
  g_autoptr(GArray) views = g_array_new(FALSE, FALSE, sizeof(VelmView));
  for (guint i = 0; i < lesson->taught->len; i++) {
    VelmView view = g_array_index(lesson->taught, VelmView, i);
    view.shot = fold->place[view.shot];
    if (view.shot != G_MAXUINT)
      g_array_append_val(views, view);
  }
  return learn_views(lesson->kind, (const VelmView *)(void *)views->data, views->len, lesson->d,
                     fold->train);
}

double *velm_expert_hold_out(const VelmLesson *lesson, const VelmShots *shots,
                             const GPtrArray *folds) {
  gsize n_classes = shots->n_classes;
  double *log_p = g_new(double, shots->n *n_classes);
  g_autofree double *row = g_new(double, n_classes);
  for (gsize k = 0; k < shots->n * n_classes; k++)
    log_p[k] = ABSENT_CLASS;
  for (guint f = 0; f < folds->len; f++) {
    const VelmFold *fold = g_ptr_array_index(folds, f);
    g_autoptr(VelmExpert) expert = learn_fold(lesson, fold);
    for (gsize i = 0; i < shots->n; i++) {
      if (fold->place[i] != G_MAXUINT)
        continue;
      predict_row(expert, lesson->shown[i].values, row);
      for (guint c = 0; c < fold->train->n_classes; c++)
        log_p[i * n_classes + fold->classes[c]] = row[c];
    }
  }
  return log_p;
}

/* ---- in the model ---- */

static char *own_prefix(VelmExpertKind kind, const char *prefix) {
  return g_strconcat(prefix, ".", kinds[kind].name, NULL);
}

void velm_expert_store(const VelmExpert *expert, VelmModel *model, const char *prefix) {
  g_autofree char *own = own_prefix(expert->kind, prefix);
  if (expert->gaussian)
    velm_part_gaussian_store(expert->gaussian, model, own);
  else
    velm_logistic_store(expert->logistic, model, own);
}

gboolean velm_expert_is_stored(VelmExpertKind kind, VelmModel *model, const char *prefix) {
  g_autofree char *name = g_strconcat(prefix, ".", kinds[kind].name, ".mean", NULL);
  return velm_model_has(model, name);
}

VelmExpert *velm_expert_restore(VelmExpertKind kind, VelmModel *model, const char *prefix,
                                guint n_classes, GError **error) {
  g_autofree char *own = own_prefix(kind, prefix);
  g_autoptr(VelmExpert) expert = g_new0(VelmExpert, 1);
  expert->kind = kind;
  if (kind == VELM_EXPERT_GEOMETRY)
    expert->gaussian = velm_part_gaussian_restore(model, own, n_classes, error);
  else
    expert->logistic = velm_logistic_restore(model, own, n_classes, error);
  return expert->gaussian || expert->logistic ? g_steal_pointer(&expert) : NULL;
}

void velm_expert_free(VelmExpert *expert) {
  if (!expert)
    return;
  velm_part_gaussian_free(expert->gaussian);
  velm_logistic_free(expert->logistic);
  g_free(expert);
}
