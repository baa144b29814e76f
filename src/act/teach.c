/* Teaching a model the user's classes (the embedded stand-in for section 3.2's language model). */
#include "act/teach.h"

#include "act/spec.h"
#include "classify/ask_examples.h"
#include "classify/context_examples.h"
#include "classify/example_store.h"
#include "classify/trust.h"
#include "detect/image_digest.h"

#include <string.h>

VelmTeachParams velm_teach_params_default(void) {
  return (VelmTeachParams){.trust = VELM_TRUST_ACCURACY};
}

guint velm_model_count_examples(VelmModel *model) { return velm_examples_count(model); }

/* What is taught, and from what. */
typedef struct {
  VelmModel *model;
  const VelmClasses *classes;
  const VelmTeachParams *params;
  const char *directory; /* of the images; NULL: a class without any is not taught */
  GPtrArray *chosen;     /* of VelmSample, borrowed: the images to look at */
  GPtrArray *seen;       /* of VelmSeen: the model's, and then those of the images too */
  char **keys;           /* of the classes that are taught */
} Lesson;

static void lesson_clear(Lesson *lesson) {
  g_clear_pointer(&lesson->chosen, g_ptr_array_unref);
  g_clear_pointer(&lesson->seen, g_ptr_array_unref);
  g_strfreev(lesson->keys);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Lesson, lesson_clear)

/* ---- what the model was taught ---- */

static gboolean is_of_spec(const Lesson *lesson, const char *label) {
  return velm_classes_find(lesson->classes, label) >= 0;
}

/* Its examples of the spec's classes. One that was never taught has none. */
static gboolean read_examples(Lesson *lesson, GError **error) {
  lesson->seen = g_ptr_array_new_with_free_func((GDestroyNotify)velm_seen_free);
  if (!lesson->params->add || !velm_model_has(lesson->model, "fewshot.classes"))
    return TRUE;
  if (velm_examples_count(lesson->model) == 0) {
    g_set_error(error, VELM_ERROR, VELM_ERROR_MODEL,
                "the model does not carry the examples that it was taught, as an earlier velm "
                "taught it; teach it again without --add");
    return FALSE;
  }
  g_clear_pointer(&lesson->seen, g_ptr_array_unref);
  lesson->seen = velm_examples_restore(lesson->model, error);
  for (guint i = lesson->seen ? lesson->seen->len : 0; i > 0; i--) {
    const VelmSeen *seen = lesson->seen->pdata[i - 1];
    if (!is_of_spec(lesson, seen->label))
      g_ptr_array_remove_index(lesson->seen, i - 1);
  }
  return lesson->seen != NULL;
}

/* ---- the images ---- */

static char *digest_of(const VelmSample *sample, GError **error) {
  g_autoptr(VelmInspection) inspection = velm_inspection_new(sample->path);
  return velm_inspection_load(inspection, NULL, 0, error) ? velm_image_digest(inspection->image)
                                                          : NULL;
}

/* The label of each image that was taught, by its digest. */
static GHashTable *labels_by_digest(const GPtrArray *seen) {
  GHashTable *labels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < seen->len; i++) {
    const VelmSeen *one = seen->pdata[i];
    g_hash_table_replace(labels, g_strdup(one->digest), one->label);
  }
  return labels;
}

/* Notes what @sample is now in @labels. @is_new: (out): it was not taught as that */
static gboolean look_up(const VelmSample *sample, GHashTable *labels, GHashTable *digests,
                        gboolean *is_new, GError **error) {
  g_autofree char *digest = digest_of(sample, error);
  if (!digest)
    return FALSE;
  const char *label = g_hash_table_lookup(labels, digest);
  *is_new = !label || !g_str_equal(label, sample->label);
  g_hash_table_replace(labels, g_strdup(digest), sample->label);
  g_hash_table_insert(digests, (gpointer)sample, g_steal_pointer(&digest));
  return TRUE;
}

/*
 * The images of the spec's classes that were not taught as what they are now.
 * @digests: (out): of each that could be known already: sample -> digest
 * Returns: (transfer container)
 */
static GPtrArray *new_images(const Lesson *lesson, const GPtrArray *samples, GHashTable *digests,
                             GError **error) {
  g_autoptr(GPtrArray) images = g_ptr_array_new();
  g_autoptr(GHashTable) labels = labels_by_digest(lesson->seen);
  for (guint i = 0; i < samples->len; i++) {
    const VelmSample *sample = samples->pdata[i];
    gboolean is_new = is_of_spec(lesson, sample->label);
    if (is_new && lesson->params->add && !look_up(sample, labels, digests, &is_new, error))
      return NULL;
    if (is_new)
      g_ptr_array_add(images, (gpointer)sample);
  }
  return g_steal_pointer(&images);
}

/* Images of class @key, @shots at most, drawn by @random. */
static void choose_examples(const GPtrArray *images, const char *key, int shots, GRand *random,
                            GPtrArray *chosen) {
  g_autoptr(GPtrArray) all = g_ptr_array_new();
  for (guint i = 0; i < images->len; i++) {
    VelmSample *sample = images->pdata[i];
    if (g_str_equal(sample->label, key))
      g_ptr_array_add(all, sample);
  }
  guint n = shots > 0 ? MIN((guint)shots, all->len) : all->len;
  for (guint i = 0; i < n; i++) {
    guint j = (guint)g_rand_int_range(random, (gint32)i, (gint32)all->len);
    gpointer swap = all->pdata[i];
    all->pdata[i] = all->pdata[j];
    all->pdata[j] = swap;
    g_ptr_array_add(chosen, all->pdata[i]);
  }
}

/* An image that is chosen as another class is that one's example alone. */
static void forget_moved(Lesson *lesson, GHashTable *digests) {
  g_autoptr(GHashTable) moved = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < lesson->chosen->len; i++) {
    const char *digest = g_hash_table_lookup(digests, lesson->chosen->pdata[i]);
    if (digest)
      g_hash_table_add(moved, (gpointer)digest);
  }
  for (guint i = lesson->seen->len; i > 0; i--) {
    const VelmSeen *seen = lesson->seen->pdata[i - 1];
    if (g_hash_table_contains(moved, seen->digest))
      g_ptr_array_remove_index(lesson->seen, i - 1);
  }
}

static gboolean choose_all(Lesson *lesson, const GPtrArray *samples, GError **error) {
  g_autoptr(GHashTable) digests = g_hash_table_new_full(NULL, NULL, NULL, g_free);
  g_autoptr(GPtrArray) images = new_images(lesson, samples, digests, error);
  g_autoptr(GRand) random = g_rand_new_with_seed(lesson->params->seed);
  if (!images)
    return FALSE;
  lesson->chosen = g_ptr_array_new();
  for (guint i = 0; i < lesson->classes->classes->len; i++) {
    const VelmClass *class = lesson->classes->classes->pdata[i];
    choose_examples(images, class->key, lesson->params->shots, random, lesson->chosen);
  }
  forget_moved(lesson, digests);
  return TRUE;
}

/* ---- the classes ---- */

static gboolean has_example(const Lesson *lesson, const char *key) {
  for (guint i = 0; i < lesson->seen->len; i++)
    if (g_str_equal(((const VelmSeen *)lesson->seen->pdata[i])->label, key))
      return TRUE;
  for (guint i = 0; i < lesson->chosen->len; i++)
    if (g_str_equal(((const VelmSample *)lesson->chosen->pdata[i])->label, key))
      return TRUE;
  return FALSE;
}

static gboolean choose_classes(Lesson *lesson, GError **error) {
  g_autoptr(GStrvBuilder) keys = g_strv_builder_new();
  for (guint i = 0; i < lesson->classes->classes->len; i++) {
    const char *key = ((const VelmClass *)lesson->classes->classes->pdata[i])->key;
    if (has_example(lesson, key)) {
      g_strv_builder_add(keys, key);
    } else if (lesson->directory) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
                  "%s: the spec's class \"%s\" has no examples: there is no image in test/%s%s",
                  lesson->directory, key, key,
                  lesson->params->add ? ", and the model carries none" : "");
      return FALSE;
    }
  }
  lesson->keys = g_strv_builder_end(keys);
  if (lesson->directory || g_strv_length(lesson->keys) >= 2)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_DATASET,
              "there are not two classes of the spec with an example");
  return FALSE;
}

/* ---- a language model ---- */

/* Learns how far a language model's probabilities hold. */
static gboolean ask_llm(const Lesson *lesson, VelmDetector *detector, VelmClassifier *mllm,
                        GError **error) {
  g_autoptr(VelmLlmCalibration) calibration =
      velm_ask_examples(mllm, detector, lesson->chosen, lesson->params->progress,
                        lesson->params->progress_data, error);
  if (calibration)
    velm_llm_calibration_store(calibration, lesson->model);
  return calibration != NULL;
}

/* Opened, and asked, before anything else takes its time: what is wrong with the parameters or the
 * server is said at once. */
static gboolean open_llm(const Lesson *lesson, VelmClassifier **mllm, GError **error) {
  if (lesson->params->ask_llm)
    *mllm =
        velm_classifier_open("mllm", lesson->model, lesson->classes, &lesson->params->llm, error);
  return *mllm || !lesson->params->ask_llm;
}

/* The images for a language model to be shown, and how far its probabilities hold. */
static gboolean teach_llm(const Lesson *lesson, VelmDetector *detector, GError **error) {
  g_autoptr(VelmClassifier) mllm = NULL;
  gboolean add = lesson->params->add;
  if (!add)
    velm_llm_calibration_store(NULL, lesson->model);
  return velm_context_examples_store(lesson->model, detector, lesson->chosen,
                                     (const char *const *)lesson->keys, add ? lesson->seen : NULL,
                                     error) &&
         open_llm(lesson, &mllm, error) && (!mllm || ask_llm(lesson, detector, mllm, error));
}

/* ---- learning ---- */

static int compare_seen(gconstpointer a, gconstpointer b) {
  const VelmSeen *x = *(const VelmSeen *const *)a, *y = *(const VelmSeen *const *)b;
  int order = strcmp(x->label, y->label);
  if (order == 0)
    order = strcmp(x->digest, y->digest);
  return order ? order : strcmp(x->part, y->part);
}

/* Sums depend on their order, in the last digits: this one does not tell when an image was taught.
 */
static gboolean see_images(Lesson *lesson, VelmDetector *detector, GError **error) {
  const VelmTeachParams *params = lesson->params;
  g_autoptr(GPtrArray) seen = velm_examples_collect(detector, lesson->chosen, params->progress,
                                                    params->progress_data, error);
  if (!seen)
    return FALSE;
  g_ptr_array_extend_and_steal(lesson->seen, g_steal_pointer(&seen));
  g_ptr_array_sort(lesson->seen, compare_seen);
  return TRUE;
}

static int compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The parts that were taught, for evaluation to leave out. */
static void store_parts(const Lesson *lesson) {
  g_autofree const char **before =
      lesson->params->add && velm_model_has(lesson->model, "taught.parts")
          ? velm_model_get_strv(lesson->model, "taught.parts", NULL)
          : NULL;
  g_autoptr(GHashTable) known = g_hash_table_new(g_str_hash, g_str_equal);
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  for (guint i = 0; before && before[i]; i++)
    if (g_hash_table_add(known, (gpointer)before[i]))
      g_ptr_array_add(names, (gpointer)before[i]);
  for (guint i = 0; i < lesson->seen->len; i++) {
    const VelmSeen *seen = lesson->seen->pdata[i];
    if (g_hash_table_add(known, seen->part))
      g_ptr_array_add(names, seen->part);
  }
  g_ptr_array_sort(names, compare_names);
  g_ptr_array_add(names, NULL);
  velm_model_set_strv(lesson->model, "taught.parts", (const char *const *)names->pdata);
}

static gboolean learn(const Lesson *lesson, GError **error) {
  g_autoptr(VelmFewshot) fewshot =
      velm_examples_learn(lesson->seen, (const char *const *)lesson->keys, TRUE, error);
  if (!fewshot)
    return FALSE;
  velm_examples_set_trust(lesson->seen, fewshot, lesson->params->trust);
  velm_fewshot_store(fewshot, lesson->model);
  velm_examples_store(lesson->seen, lesson->model);
  store_parts(lesson);
  return TRUE;
}

static gboolean check_params(const VelmTeachParams *params, GError **error) {
  if (!params->add || !params->ask_llm)
    return TRUE;
  g_set_error(error, VELM_ERROR, VELM_ERROR_USAGE,
              "a language model cannot be asked about examples that are added to others, as these "
              "are gone; teach again with all images");
  return FALSE;
}

static gboolean teach(Lesson *lesson, const GPtrArray *samples, GError **error) {
  if (!check_params(lesson->params, error) || !read_examples(lesson, error) ||
      !choose_all(lesson, samples, error) || !choose_classes(lesson, error))
    return FALSE;
  g_autoptr(VelmDetector) detector = velm_detector_open(lesson->model, error);
  return detector && teach_llm(lesson, detector, error) && see_images(lesson, detector, error) &&
         learn(lesson, error);
}

/* The model that is taught is a copy, until all has gone well. */
static gboolean teach_copy(VelmModel *model, const char *directory, const GPtrArray *samples,
                           VelmSpec *spec, const VelmTeachParams *params, GError **error) {
  g_autoptr(VelmModel) copy = velm_model_copy(model);
  g_auto(Lesson) lesson = {.model = copy,
                           .classes = velm_spec_get_classes(spec),
                           .params = params,
                           .directory = directory};
  if (!teach(&lesson, samples, error))
    return FALSE;
  velm_model_set_string(copy, "spec.text", velm_spec_get_text(spec));
  velm_model_take(model, g_steal_pointer(&copy));
  return TRUE;
}

gboolean velm_model_teach(VelmModel *model, const char *directory, VelmSpec *spec,
                          const VelmTeachParams *params, GError **error) {
  g_autoptr(VelmDataset) dataset = velm_dataset_open(directory, error);
  return dataset && teach_copy(model, directory, dataset->test, spec, params, error);
}

gboolean velm_model_teach_samples(VelmModel *model, const GPtrArray *samples, VelmSpec *spec,
                                  const VelmTeachParams *params, GError **error) {
  return teach_copy(model, NULL, samples, spec, params, error);
}
