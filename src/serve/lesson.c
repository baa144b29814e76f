#include "serve/lesson.h"

#include "serve/model_trial.h"
#include "serve/versions.h"

#include "act/teach.h"
#include "detect/detector.h"

/* What a version has learnt here: the images' SHA-256, in its model. */
#define KNOWN "station.images"
/* Changed answers that are listed. */
#define MOST_LISTED 100

typedef struct {
  VelmStation *station;
  VelmProduct *product;
  const VelmLessonParams *params;
  VelmTrialKind trial;
  char *base;
  VelmModel *model, *taught; /* as it is, and as it will be */
  VelmSpec *spec;
  VelmReviewSplit *split;
  guint n_before, n_added;
  GPtrArray *before, *after; /* answers to what was held back */
} Lesson;

static void lesson_clear(Lesson *lesson) {
  g_free(lesson->base);
  velm_model_free(lesson->model);
  velm_model_free(lesson->taught);
  velm_spec_free(lesson->spec);
  velm_review_split_free(lesson->split);
  g_clear_pointer(&lesson->before, g_ptr_array_unref);
  g_clear_pointer(&lesson->after, g_ptr_array_unref);
}

/* ---- what there is ---- */

static gboolean open_model(Lesson *lesson, GError **error) {
  g_autofree char *path = velm_product_get_model_path(lesson->product);
  lesson->base = velm_product_get_given_sha256(lesson->product, error);
  lesson->model = lesson->base ? velm_model_load(path, error) : NULL;
  lesson->spec = lesson->model ? velm_product_read_spec(lesson->product, error) : NULL;
  lesson->taught = lesson->spec ? velm_model_copy(lesson->model) : NULL;
  return lesson->taught != NULL;
}

static gboolean split_reviews(Lesson *lesson, GError **error) {
  static const char *const none[] = {NULL};
  /* Those that the classifier was taught before it came here, where this is for it. */
  g_autofree const char **parts =
      lesson->params->kind == VELM_JOB_TEACH && velm_model_has(lesson->model, "taught.parts")
          ? velm_model_get_strv(lesson->model, "taught.parts", NULL)
          : NULL;
  g_autofree const char **images = velm_model_has(lesson->model, KNOWN)
                                       ? velm_model_get_strv(lesson->model, KNOWN, error)
                                       : g_memdup2(none, sizeof none);
  if (!images)
    return FALSE;
  const VelmKnown known = {images, parts};
  lesson->split =
      velm_review_split_new(velm_station_get_store(lesson->station),
                            velm_product_get_name(lesson->product), lesson->spec, &known, error);
  return lesson->split != NULL;
}

/* ---- teaching ---- */

static gboolean nothing_new(const Lesson *lesson, const char *what, GError **error) {
  g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
              "there is nothing new to learn: no %s of %s was reviewed since, but for what is held "
              "back",
              what, velm_product_get_name(lesson->product));
  return FALSE;
}

static gboolean teach_classes(Lesson *lesson, GError **error) {
  const GPtrArray *samples = lesson->split->taught->test;
  VelmTeachParams params = velm_teach_params_default();
  params.add = TRUE;
  params.progress = lesson->params->progress;
  params.progress_data = lesson->params->progress_data;
  lesson->n_before = velm_model_count_examples(lesson->model);
  lesson->n_added = samples->len;
  if (samples->len == 0)
    return nothing_new(lesson, "image of a class", error);
  return velm_model_teach_samples(lesson->taught, samples, lesson->spec, &params, error);
}

static gboolean add_normal(Lesson *lesson, GError **error) {
  g_auto(VelmAddition) addition = {0};
  if (lesson->split->taught->train->len == 0)
    return nothing_new(lesson, "good image", error);
  if (!velm_model_add_dataset(lesson->taught, lesson->split->taught, lesson->params->progress,
                              lesson->params->progress_data, &addition, error))
    return FALSE;
  lesson->n_added = addition.n_images;
  return TRUE;
}

/* The model notes what it has learnt by now, so that it is not tested with that. */
static gboolean note_known(Lesson *lesson, GError **error) {
  g_autoptr(GStrvBuilder) images = g_strv_builder_new();
  if (velm_model_has(lesson->taught, KNOWN)) {
    g_autofree const char **known = velm_model_get_strv(lesson->taught, KNOWN, error);
    if (!known)
      return FALSE;
    g_strv_builder_addv(images, known);
  }
  const VelmReviewSplit *split = lesson->split;
  g_strv_builder_addv(images,
                      (const char **)(lesson->params->kind == VELM_JOB_TEACH ? split->class_images
                                                                             : split->good_images));
  g_auto(GStrv) all = g_strv_builder_end(images);
  velm_model_set_strv(lesson->taught, KNOWN, (const char *const *)all);
  return TRUE;
}

static gboolean learn(Lesson *lesson, GError **error) {
  lesson->trial = lesson->params->kind == VELM_JOB_TEACH ? VELM_TRIAL_CLASSES : VELM_TRIAL_ANOMALY;
  return (lesson->params->kind == VELM_JOB_TEACH ? teach_classes(lesson, error)
                                                 : add_normal(lesson, error)) &&
         note_known(lesson, error);
}

/* ---- testing ---- */

static GPtrArray *try_model(const Lesson *lesson, VelmModel *model, GError **error) {
  VelmInspectorParams params = velm_product_get_inspector_params(lesson->product);
  return velm_model_trial_run(model, lesson->spec, params.max_pixels, lesson->split->held_out,
                              lesson->params->progress, lesson->params->progress_data, error);
}

static gboolean try_both(Lesson *lesson, GError **error) {
  lesson->before = try_model(lesson, lesson->model, error);
  lesson->after = lesson->before ? try_model(lesson, lesson->taught, error) : NULL;
  return lesson->after != NULL;
}

/* ---- the report ---- */

/* Mean over the labels of the share that is right; NaN where nothing was held back. */
static double macro_accuracy(const GArray *classes, gboolean after) {
  double sum = 0;
  for (guint i = 0; i < classes->len; i++) {
    const VelmTrialClass *one = &g_array_index(classes, VelmTrialClass, i);
    sum += (double)(after ? one->right_after : one->right_before) / one->held_out;
  }
  return sum / classes->len;
}

static void build_side(JsonBuilder *builder, const char *name, const GArray *classes,
                       gboolean after) {
  guint right = 0;
  for (guint i = 0; i < classes->len; i++) {
    const VelmTrialClass *one = &g_array_index(classes, VelmTrialClass, i);
    right += after ? one->right_after : one->right_before;
  }
  json_builder_set_member_name(builder, name);
  json_builder_begin_object(builder);
  velm_json_set_int(builder, "right", right);
  velm_json_set_double(builder, "macro_accuracy", macro_accuracy(classes, after));
  json_builder_end_object(builder);
}

static guint count_added(const Lesson *lesson, const char *label) {
  const VelmDataset *taught = lesson->split->taught;
  guint n = 0;
  if (g_str_equal(label, VELM_LABEL_GOOD))
    return lesson->params->kind == VELM_JOB_REFIT ? taught->train->len : 0;
  for (guint i = 0; lesson->params->kind == VELM_JOB_TEACH && i < taught->test->len; i++)
    n += g_str_equal(((const VelmSample *)taught->test->pdata[i])->label, label);
  return n;
}

static void build_class(const Lesson *lesson, JsonBuilder *builder, const GArray *classes,
                        const char *label) {
  VelmTrialClass one = {.label = label};
  for (guint i = 0; i < classes->len; i++)
    if (g_str_equal(g_array_index(classes, VelmTrialClass, i).label, label))
      one = g_array_index(classes, VelmTrialClass, i);
  guint added = count_added(lesson, label);
  if (added == 0 && one.held_out == 0)
    return;
  json_builder_begin_object(builder);
  velm_json_set_string(builder, "class", label);
  velm_json_set_int(builder, "added", added);
  velm_json_set_int(builder, "held_back", one.held_out);
  velm_json_set_int(builder, "right_before", one.right_before);
  velm_json_set_int(builder, "right_after", one.right_after);
  json_builder_end_object(builder);
}

static void build_classes(const Lesson *lesson, JsonBuilder *builder, const GArray *classes) {
  const VelmClasses *all = velm_spec_get_classes(lesson->spec);
  json_builder_set_member_name(builder, "classes");
  json_builder_begin_array(builder);
  build_class(lesson, builder, classes, VELM_LABEL_GOOD);
  for (guint i = 0; i < all->classes->len; i++)
    build_class(lesson, builder, classes, ((const VelmClass *)all->classes->pdata[i])->key);
  json_builder_end_array(builder);
}

static void build_changes(const Lesson *lesson, JsonBuilder *builder) {
  guint n = 0;
  json_builder_set_member_name(builder, "changes");
  json_builder_begin_array(builder);
  for (guint i = 0; i < lesson->before->len && n < MOST_LISTED; i++) {
    const VelmHeldOut *one = lesson->split->held_out->pdata[i];
    if (g_strcmp0(lesson->before->pdata[i], lesson->after->pdata[i]) == 0)
      continue;
    n++;
    json_builder_begin_object(builder);
    velm_json_set_int(builder, "record", one->record);
    velm_json_set_string(builder, "class", one->label);
    velm_json_set_string(builder, "before", lesson->before->pdata[i]);
    velm_json_set_string(builder, "after", lesson->after->pdata[i]);
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static const char *judge(const GArray *classes) {
  double before = macro_accuracy(classes, FALSE), after = macro_accuracy(classes, TRUE);
  if (classes->len == 0)
    return "untested";
  return after > before ? "better" : after < before ? "worse" : "same";
}

static char *report_of(const Lesson *lesson) {
  g_autoptr(GArray) classes = velm_model_trial_compare(lesson->split->held_out, lesson->before,
                                                       lesson->after, lesson->trial);
  guint held_back = 0;
  for (guint i = 0; i < classes->len; i++)
    held_back += g_array_index(classes, VelmTrialClass, i).held_out;
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  velm_json_set_int(builder, "examples_before", lesson->n_before);
  velm_json_set_int(builder, "added", lesson->n_added);
  velm_json_set_int(builder, "held_back", held_back);
  build_side(builder, "before", classes, FALSE);
  build_side(builder, "after", classes, TRUE);
  build_classes(lesson, builder, classes);
  build_changes(lesson, builder);
  velm_json_set_string(builder, "judgement", judge(classes));
  json_builder_end_object(builder);
  return velm_json_print(builder, FALSE);
}

/* ---- all ---- */

static gboolean keep(Lesson *lesson, gint64 *version, GError **error) {
  g_autofree char *report = report_of(lesson);
  const VelmNewVersion made = {.kind = velm_job_kind_name(lesson->params->kind),
                               .who = lesson->params->who,
                               .base = lesson->base,
                               .report = report,
                               .model = lesson->taught};
  return velm_versions_add(lesson->station, lesson->product, &made, version, error);
}

gboolean velm_lesson_give(VelmStation *station, VelmProduct *product,
                          const VelmLessonParams *params, gint64 *version, GError **error) {
  Lesson lesson = {.station = station, .product = product, .params = params};
  gboolean ok = open_model(&lesson, error) && split_reviews(&lesson, error) &&
                learn(&lesson, error) && try_both(&lesson, error) && keep(&lesson, version, error);
  lesson_clear(&lesson);
  return ok;
}
