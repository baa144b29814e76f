#include "evaluate/audit_labels.h"

#include "evaluate/bootstrap.h"

#include <math.h>
#include <stdlib.h>

/* Images that a finding shows beside its own, and of each class of a pair. */
#define MAX_SHOWN 3

static const VelmLabelDoubt *doubt_at(const VelmLabelRanking *ranking, guint i) {
  return &g_array_index(ranking->doubts, VelmLabelDoubt, i);
}

/* ---- suspect labels ---- */

/* Other images of the part that are labelled what @doubt should probably be. */
static void add_siblings(GPtrArray *paths, const VelmLabelRanking *ranking,
                         const VelmLabelDoubt *doubt) {
  guint n = 0;
  for (guint i = 0; i < ranking->doubts->len && n < MAX_SHOWN; i++) {
    const VelmLabelDoubt *sibling = doubt_at(ranking, i);
    if (sibling != doubt && sibling->label == doubt->other &&
        g_str_equal(sibling->sample->group, doubt->sample->group)) {
      g_ptr_array_add(paths, sibling->sample->path);
      n++;
    }
  }
}

/* Whether the part's other images at least halve what is left of the label by its looks. */
static gboolean siblings_matter(const VelmLabelDoubt *doubt) {
  return doubt->n_siblings_other > 0 && 2 * doubt->p_label < doubt->looks[doubt->label];
}

static char *say_why(const VelmLabelDoubt *doubt, const char *label, const char *other) {
  if (!siblings_matter(doubt))
    return g_strdup_printf("looks like %s (%.2f), not %s (%.2f)", other, doubt->p_other, label,
                           doubt->p_label);
  return g_strdup_printf("probably %s (%.2f), not %s (%.2f): %u of the part's %u other images %s "
                         "labelled %s",
                         other, doubt->p_other, label, doubt->p_label, doubt->n_siblings_other,
                         doubt->n_siblings, doubt->n_siblings_other == 1 ? "is" : "are", other);
}

static void add_suspect(const VelmLabelRanking *ranking, const VelmLabelDoubt *doubt,
                        VelmAudit *audit) {
  const char *label = ranking->classes[doubt->label], *other = ranking->classes[doubt->other];
  g_autoptr(GPtrArray) paths = g_ptr_array_new();
  g_autofree char *why = say_why(doubt, label, other);
  g_ptr_array_add(paths, doubt->sample->path);
  add_siblings(paths, ranking, doubt);
  g_ptr_array_add(paths, NULL);
  velm_audit_add(audit, VELM_AUDIT_SUSPECT_LABEL, doubt->score, label, other,
                 (const char *const *)paths->pdata, "%s", why);
}

/* ---- inseparable classes ---- */

/* The images of two classes. Suspect ones stay out: they would be held against their class, and
 * would give it parts that it does not have. */
typedef struct {
  guint classes[2];
  GPtrArray *doubts; /* of VelmLabelDoubt, borrowed */
} Pair;

static Pair pair_new(const VelmLabelRanking *ranking, guint first, guint second) {
  Pair pair = {{first, second}, g_ptr_array_new()};
  for (guint i = 0; i < ranking->doubts->len; i++) {
    const VelmLabelDoubt *doubt = doubt_at(ranking, i);
    gboolean counts = !isnan(doubt->score) && !velm_label_is_suspect(doubt);
    if (counts && (doubt->label == first || doubt->label == second))
      g_ptr_array_add(pair.doubts, (gpointer)doubt);
  }
  return pair;
}

static guint count_parts(const Pair *pair, guint class_index) {
  g_autoptr(GHashTable) parts = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < pair->doubts->len; i++) {
    const VelmLabelDoubt *doubt = g_ptr_array_index(pair->doubts, i);
    if (doubt->label == class_index)
      g_hash_table_add(parts, doubt->sample->group);
  }
  return g_hash_table_size(parts);
}

/* How much more an image looks like the other class of the pair than like its own. */
static double excess(const Pair *pair, const VelmLabelDoubt *doubt) {
  guint other = pair->classes[doubt->label == pair->classes[0]];
  return doubt->looks[other] - doubt->looks[doubt->label];
}

/* Balanced accuracy, ties counting half; NaN where the draw has no image of a class. */
static void measure_pair(const guint *counts, double *figures, gpointer user_data) {
  const Pair *pair = user_data;
  double right[2] = {0}, all[2] = {0};
  for (guint i = 0; i < pair->doubts->len; i++) {
    const VelmLabelDoubt *doubt = g_ptr_array_index(pair->doubts, i);
    guint side = doubt->label == pair->classes[0] ? 0 : 1;
    double more = excess(pair, doubt);
    all[side] += counts[i];
    right[side] += counts[i] * (more < 0 ? 1 : more > 0 ? 0 : 0.5);
  }
  *figures = all[0] > 0 && all[1] > 0 ? (right[0] / all[0] + right[1] / all[1]) / 2 : NAN;
}

/* @upper: (out): the upper end of its interval. Returns: the balanced accuracy. */
static double measure_accuracy(Pair *pair, double *upper) {
  guint n = pair->doubts->len;
  g_autofree const char **groups = g_new(const char *, n + 1);
  g_autofree guint *once = g_new(guint, n + 1);
  VelmInterval interval = {NAN, NAN};
  double accuracy = NAN;
  for (guint i = 0; i < n; i++) {
    groups[i] = ((const VelmLabelDoubt *)g_ptr_array_index(pair->doubts, i))->sample->group;
    once[i] = 1;
  }
  measure_pair(once, &accuracy, pair);
  velm_bootstrap(groups, n, VELM_BOOTSTRAP_RESAMPLES, 0, measure_pair, 1, pair, &interval);
  *upper = interval.high;
  return accuracy;
}

static int compare_excess(gconstpointer a, gconstpointer b, gpointer user_data) {
  const VelmLabelDoubt *x = *(VelmLabelDoubt *const *)a, *y = *(VelmLabelDoubt *const *)b;
  const Pair *pair = user_data;
  double difference = excess(pair, y) - excess(pair, x);
  return (difference > 0) - (difference < 0);
}

/* The images of each class that look most like the other. */
static GPtrArray *confused_paths(Pair *pair) {
  GPtrArray *paths = g_ptr_array_new();
  g_ptr_array_sort_with_data(pair->doubts, compare_excess, pair);
  for (int side = 0; side < 2; side++) {
    guint n = 0;
    for (guint i = 0; i < pair->doubts->len && n < MAX_SHOWN; i++) {
      const VelmLabelDoubt *doubt = g_ptr_array_index(pair->doubts, i);
      if (doubt->label != pair->classes[side] || excess(pair, doubt) < 0)
        continue;
      g_ptr_array_add(paths, doubt->sample->path);
      n++;
    }
  }
  g_ptr_array_add(paths, NULL);
  return paths;
}

static void check_pair(const VelmLabelRanking *ranking, Pair *pair, VelmAudit *audit) {
  double upper = NAN;
  if (count_parts(pair, pair->classes[0]) < VELM_INSEPARABLE_MIN_PARTS ||
      count_parts(pair, pair->classes[1]) < VELM_INSEPARABLE_MIN_PARTS)
    return;
  double accuracy = measure_accuracy(pair, &upper);
  if (isnan(upper) || upper >= VELM_INSEPARABLE_ACCURACY)
    return;
  g_autoptr(GPtrArray) paths = confused_paths(pair);
  velm_audit_add(audit, VELM_AUDIT_INSEPARABLE, 1 - accuracy, ranking->classes[pair->classes[0]],
                 ranking->classes[pair->classes[1]], (const char *const *)paths->pdata,
                 "told apart in %.2f of their images, %.2f at most, where chance is 0.50", accuracy,
                 upper);
}

/* ---- the audit ---- */

static void add_rank(const VelmLabelRanking *ranking, const VelmLabelDoubt *doubt,
                     VelmAudit *audit) {
  velm_audit_rank_label(audit, doubt->sample->path, ranking->classes[doubt->label],
                        isnan(doubt->score) ? NULL : ranking->classes[doubt->other], doubt->score);
}

void velm_audit_label_ranking(const VelmLabelRanking *ranking, VelmAudit *audit) {
  for (guint i = 0; i < ranking->doubts->len; i++) {
    add_rank(ranking, doubt_at(ranking, i), audit);
    if (velm_label_is_suspect(doubt_at(ranking, i)))
      add_suspect(ranking, doubt_at(ranking, i), audit);
  }
  for (guint a = 0; a < ranking->n_classes; a++)
    for (guint b = a + 1; b < ranking->n_classes; b++) {
      Pair pair = pair_new(ranking, a, b);
      check_pair(ranking, &pair, audit);
      g_ptr_array_unref(pair.doubts);
    }
}

gboolean velm_audit_labels(const VelmDataset *dataset, VelmModel *model, VelmAudit *audit,
                           VelmProgress progress, gpointer progress_data, GError **error) {
  if (dataset->classes->len < 2)
    return TRUE;
  g_autofree const char **classes = g_new0(const char *, dataset->classes->len + 1);
  for (guint i = 0; i < dataset->classes->len; i++)
    classes[i] = g_ptr_array_index(dataset->classes, i);
  g_autoptr(GPtrArray) seen = velm_label_see(dataset, model, progress, progress_data, error);
  if (!seen)
    return FALSE;
  g_autoptr(VelmLabelRanking) ranking =
      velm_label_ranking(seen, classes, 0, progress, progress_data, error);
  if (ranking)
    velm_audit_label_ranking(ranking, audit);
  return ranking != NULL;
}
