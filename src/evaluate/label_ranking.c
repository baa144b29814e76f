#include "evaluate/label_ranking.h"

#include "detect/detector.h"
#include "evaluate/bootstrap.h"
#include "evaluate/part_labels.h"
#include "mark/mark.h"

#include <math.h>
#include <string.h>

/* ---- looking ---- */

void velm_label_seen_free(VelmLabelSeen *seen) {
  if (!seen)
    return;
  velm_sight_free(seen->given);
  velm_sight_free(seen->detected);
  g_free(seen);
}

/* What all images are looked at with. */
typedef struct {
  VelmSightNet *net;
  VelmDetector *detector; /* or NULL */
  gboolean without_masks; /* some image has no mask, so that all are seen without as well */
} Viewer;

static gboolean see_mask(const Viewer *viewer, VelmInspection *inspection, VelmLabelSeen *seen,
                         GError **error) {
  g_autoptr(VelmMask) mask = velm_mask_load(seen->sample->mask, error);
  if (!mask || !velm_mark_given(inspection, mask, error))
    return FALSE;
  seen->given = velm_sight_take(viewer->net, inspection, FALSE, TRUE, error);
  return seen->given != NULL;
}

/* Before any mask is marked: nothing marked is the whole image. */
static gboolean see_without_mask(const Viewer *viewer, VelmInspection *inspection,
                                 VelmLabelSeen *seen, GError **error) {
  gboolean in_region = viewer->detector != NULL;
  if (in_region && !velm_mark_regions(inspection, TRUE, error))
    return FALSE;
  seen->detected = velm_sight_take(viewer->net, inspection, in_region, TRUE, error);
  return seen->detected != NULL;
}

static VelmLabelSeen *see(const Viewer *viewer, const VelmSample *sample, GError **error) {
  g_autoptr(VelmInspection) inspection = velm_inspection_new(sample->path);
  g_autoptr(VelmLabelSeen) seen = g_new0(VelmLabelSeen, 1);
  seen->sample = sample;
  if (!velm_inspection_load(inspection, sample->reference, 0, error) ||
      (viewer->detector && (!velm_detector_detect(viewer->detector, inspection, error) ||
                            !velm_detector_examine(viewer->detector, inspection, error))))
    return NULL;
  if (viewer->without_masks && !see_without_mask(viewer, inspection, seen, error))
    return NULL;
  if (sample->mask && !see_mask(viewer, inspection, seen, error))
    return NULL;
  return g_steal_pointer(&seen);
}

static GPtrArray *see_all(const Viewer *viewer, const GPtrArray *samples, VelmProgress progress,
                          gpointer progress_data, GError **error) {
  g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)velm_label_seen_free);
  for (guint i = 0; i < samples->len; i++) {
    VelmLabelSeen *seen = see(viewer, g_ptr_array_index(samples, i), error);
    if (!seen)
      return NULL;
    g_ptr_array_add(all, seen);
    if (progress && !progress("defects", i + 1, samples->len, progress_data)) {
      g_set_error(error, VELM_ERROR, VELM_ERROR_CANCELLED, "stopped while looking at defects");
      return NULL;
    }
  }
  return g_steal_pointer(&all);
}

static GPtrArray *defect_samples(const VelmDataset *dataset) {
  GPtrArray *samples = g_ptr_array_new();
  for (guint i = 0; i < dataset->test->len; i++) {
    VelmSample *sample = g_ptr_array_index(dataset->test, i);
    if (velm_dataset_class_index(dataset, sample->label) >= 0)
      g_ptr_array_add(samples, sample);
  }
  return samples;
}

static gboolean lacks_mask(const GPtrArray *samples) {
  for (guint i = 0; i < samples->len; i++)
    if (!((const VelmSample *)g_ptr_array_index(samples, i))->mask)
      return TRUE;
  return FALSE;
}

GPtrArray *velm_label_see(const VelmDataset *dataset, VelmModel *model, VelmProgress progress,
                          gpointer progress_data, GError **error) {
  g_autoptr(GPtrArray) samples = defect_samples(dataset);
  g_autoptr(VelmSightNet) net = velm_sight_net_open(error);
  if (!net)
    return NULL;
  g_autoptr(VelmDetector) detector = model ? velm_detector_open(model, error) : NULL;
  if (model && !detector)
    return NULL;
  Viewer viewer = {net, detector, lacks_mask(samples)};
  return see_all(&viewer, samples, progress, progress_data, error);
}

/* ---- asking ---- */

/* The images that are judged, and their answers. */
typedef struct {
  GPtrArray *seen; /* of VelmLabelSeen, those of a class */
  guint *labels;   /* by image */
  const char *const *classes;
  VelmCrossParams params;
  VelmCrossAnswers *answers;
} Court;

static void court_clear(Court *court) {
  g_ptr_array_unref(court->seen);
  g_free(court->labels);
  velm_cross_answers_free(court->answers);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Court, court_clear)

static guint index_of(const char *const *names, const char *name) {
  for (guint i = 0; names[i]; i++)
    if (g_str_equal(names[i], name))
      return i;
  return G_MAXUINT;
}

static void court_init(Court *court, const GPtrArray *all, const char *const *classes) {
  court->seen = g_ptr_array_new();
  court->labels = g_new(guint, all->len + 1);
  court->classes = classes;
  for (guint i = 0; i < all->len; i++) {
    VelmLabelSeen *seen = g_ptr_array_index(all, i);
    guint label = index_of(classes, seen->sample->label);
    if (label == G_MAXUINT)
      continue;
    court->labels[court->seen->len] = label;
    g_ptr_array_add(court->seen, seen);
  }
}

static gboolean masks_are_common(const Court *court) {
  guint n = 0;
  for (guint i = 0; i < court->seen->len; i++)
    n += ((const VelmLabelSeen *)g_ptr_array_index(court->seen, i))->given != NULL;
  return n > 0 && 2 * n >= court->seen->len;
}

/* Puts the answers to the images at @places among those of all. */
static void merge(Court *court, const VelmCrossAnswers *answers, const GArray *places) {
  guint n_classes = answers->n_classes;
  for (guint k = 0; k < places->len; k++) {
    guint i = g_array_index(places, guint, k);
    if (court->answers->judged[i])
      continue;
    court->answers->judged[i] = answers->judged[k];
    memcpy(court->answers->probabilities + (gsize)i * n_classes,
           answers->probabilities + (gsize)k * n_classes, n_classes * sizeof(double));
  }
}

/* Asks of all images that can be seen this way; keeps the answers to those without one. */
static gboolean ask(Court *court, gboolean through_masks, GError **error) {
  g_autoptr(GArray) examples = g_array_new(FALSE, FALSE, sizeof(VelmExample));
  g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(guint));
  for (guint i = 0; i < court->seen->len; i++) {
    const VelmLabelSeen *seen = g_ptr_array_index(court->seen, i);
    VelmExample example = {.class_index = court->labels[i], .part = seen->sample->group};
    if (through_masks)
      example.given = seen->given;
    else
      example.detected = seen->detected;
    if (!example.given && !example.detected)
      continue;
    g_array_append_val(examples, example);
    g_array_append_val(places, i);
  }
  g_autoptr(VelmCrossAnswers) answers =
      velm_cross_answers((const VelmExample *)(void *)examples->data, examples->len, court->classes,
                         !through_masks, &court->params, error);
  if (answers)
    merge(court, answers, places);
  return answers != NULL;
}

static gboolean is_answered(const Court *court) {
  for (guint i = 0; i < court->seen->len; i++) {
    const VelmLabelSeen *seen = g_ptr_array_index(court->seen, i);
    if (!court->answers->judged[i] && seen->detected)
      return FALSE;
  }
  return TRUE;
}

static gboolean ask_all(Court *court, GError **error) {
  guint n_classes = g_strv_length((char **)court->classes);
  court->answers = velm_cross_answers_new(court->seen->len, n_classes);
  if (masks_are_common(court) && !ask(court, TRUE, error))
    return FALSE;
  return is_answered(court) || ask(court, FALSE, error);
}

/* ---- ranking ---- */

static VelmPartLabels *learn_part_labels(const Court *court) {
  guint n = court->seen->len, n_parts = 0;
  g_autofree const char **names = g_new(const char *, n + 1);
  for (guint i = 0; i < n; i++)
    names[i] = ((const VelmLabelSeen *)g_ptr_array_index(court->seen, i))->sample->group;
  g_autofree guint *parts = velm_bootstrap_number_groups(names, n, &n_parts);
  return velm_part_labels_learn(court->labels, parts, n, court->answers->n_classes, n_parts);
}

/* The most probable class but @label. */
static guint runner_up(const double *probabilities, guint n_classes, guint label) {
  guint best = label == 0 ? 1 : 0;
  for (guint c = best + 1; c < n_classes; c++)
    if (c != label && probabilities[c] > probabilities[best])
      best = c;
  return best;
}

/* @image: number of the doubt's image among all. */
static void judge(VelmLabelDoubt *doubt, const VelmPartLabels *part_labels, guint image,
                  guint n_classes) {
  g_autofree double *probabilities = g_new(double, n_classes);
  double sum = 0;
  velm_part_labels_weigh(part_labels, image, probabilities);
  for (guint c = 0; c < n_classes; c++)
    sum += probabilities[c] *= doubt->looks[c];
  for (guint c = 0; c < n_classes; c++)
    probabilities[c] /= sum;
  doubt->other = runner_up(probabilities, n_classes, doubt->label);
  doubt->p_label = probabilities[doubt->label];
  doubt->p_other = probabilities[doubt->other];
  doubt->n_siblings = velm_part_labels_count_all(part_labels, image);
  doubt->n_siblings_other = velm_part_labels_count(part_labels, image, doubt->other);
  doubt->score = 1 - doubt->p_label;
}

static int compare_doubts(gconstpointer a, gconstpointer b) {
  const VelmLabelDoubt *x = a, *y = b;
  if (isnan(x->score) != isnan(y->score))
    return isnan(x->score) ? 1 : -1;
  if (!isnan(x->score) && (x->p_label < y->p_label || x->p_label > y->p_label))
    return x->p_label < y->p_label ? -1 : 1;
  return strcmp(x->sample->path, y->sample->path);
}

static VelmLabelRanking *rank(Court *court) {
  VelmLabelRanking *ranking = g_new0(VelmLabelRanking, 1);
  g_autoptr(VelmPartLabels) part_labels = learn_part_labels(court);
  ranking->classes = g_strdupv((char **)court->classes);
  ranking->answers = g_steal_pointer(&court->answers);
  ranking->n_classes = ranking->answers->n_classes;
  ranking->doubts = g_array_new(FALSE, TRUE, sizeof(VelmLabelDoubt));
  for (guint i = 0; i < court->seen->len; i++) {
    const VelmLabelSeen *seen = g_ptr_array_index(court->seen, i);
    VelmLabelDoubt doubt = {.sample = seen->sample, .label = court->labels[i], .score = NAN};
    doubt.looks = ranking->answers->probabilities + (gsize)i * ranking->n_classes;
    if (ranking->answers->judged[i])
      judge(&doubt, part_labels, i, ranking->n_classes);
    g_array_append_val(ranking->doubts, doubt);
  }
  g_array_sort(ranking->doubts, compare_doubts);
  return ranking;
}

VelmLabelRanking *velm_label_ranking(const GPtrArray *seen, const char *const *classes,
                                     guint32 seed, VelmProgress progress, gpointer progress_data,
                                     GError **error) {
  g_auto(Court) court = {.params = velm_cross_params_default()};
  court.params.seed = seed;
  court.params.progress = progress;
  court.params.progress_data = progress_data;
  court_init(&court, seen, classes);
  return ask_all(&court, error) ? rank(&court) : NULL;
}

gboolean velm_label_is_suspect(const VelmLabelDoubt *doubt) {
  return !isnan(doubt->score) && doubt->p_label < VELM_SUSPECT_PROBABILITY;
}

void velm_label_ranking_free(VelmLabelRanking *ranking) {
  if (!ranking)
    return;
  g_strfreev(ranking->classes);
  g_array_unref(ranking->doubts);
  velm_cross_answers_free(ranking->answers);
  g_free(ranking);
}
