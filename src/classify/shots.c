#include "classify/shots.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

VelmShots *velm_shots_new(gsize n, guint n_classes, guint n_parts) {
  VelmShots *shots = g_new0(VelmShots, 1);
  shots->n = n;
  shots->n_classes = n_classes;
  shots->n_parts = n_parts;
  shots->classes = g_new0(guint, n);
  shots->parts = g_new0(guint, n);
  return shots;
}

static int compare_names(gconstpointer a, gconstpointer b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

VelmShots *velm_shots_of(const guint *classes, const char *const *parts, gsize n, guint n_classes) {
  g_autofree const char **sorted = g_new(const char *, n);
  g_autoptr(GHashTable) numbers = g_hash_table_new(g_str_hash, g_str_equal);
  for (gsize i = 0; i < n; i++)
    sorted[i] = parts[i];
  qsort(sorted, n, sizeof *sorted, compare_names);
  for (gsize i = 0; i < n; i++)
    if (!g_hash_table_contains(numbers, sorted[i]))
      g_hash_table_insert(numbers, (char *)sorted[i], GUINT_TO_POINTER(g_hash_table_size(numbers)));
  VelmShots *shots = velm_shots_new(n, n_classes, g_hash_table_size(numbers));
  for (gsize i = 0; i < n; i++) {
    shots->classes[i] = classes[i];
    shots->parts[i] = GPOINTER_TO_UINT(g_hash_table_lookup(numbers, parts[i]));
  }
  return shots;
}

void velm_shots_free(VelmShots *shots) {
  if (!shots)
    return;
  g_free(shots->classes);
  g_free(shots->parts);
  g_free(shots);
}

guint *velm_shots_count_by_part(const VelmShots *shots, guint class_index) {
  guint *counts = g_new0(guint, shots->n_parts);
  for (gsize i = 0; i < shots->n; i++)
    if (shots->classes[i] == class_index)
      counts[shots->parts[i]]++;
  return counts;
}

guint velm_shots_count_parts(const VelmShots *shots, guint class_index) {
  g_autofree guint *counts = velm_shots_count_by_part(shots, class_index);
  guint n = 0;
  for (guint part = 0; part < shots->n_parts; part++)
    n += counts[part] > 0;
  return n;
}

double *velm_shots_weights(const VelmShots *shots) {
  double *weights = g_new0(double, shots->n);
  double share = (double)shots->n / shots->n_classes;
  for (guint c = 0; c < shots->n_classes; c++) {
    g_autofree guint *counts = velm_shots_count_by_part(shots, c);
    double total = 0;
    for (guint part = 0; part < shots->n_parts; part++)
      total += sqrt(counts[part]);
    for (gsize i = 0; i < shots->n; i++)
      if (shots->classes[i] == c)
        weights[i] = share / total / sqrt(counts[shots->parts[i]]);
  }
  return weights;
}

/* ---- folds ---- */

typedef struct {
  guint part, count;
} PartCount;

static int compare_counts(gconstpointer a, gconstpointer b) {
  const PartCount *x = a, *y = b;
  if (x->count != y->count)
    return x->count > y->count ? -1 : 1;
  return x->part < y->part ? -1 : x->part > y->part;
}

/* The parts of @class_index, those with most examples first. */
static GArray *sorted_parts(const VelmShots *shots, guint class_index) {
  g_autofree guint *counts = velm_shots_count_by_part(shots, class_index);
  GArray *parts = g_array_new(FALSE, FALSE, sizeof(PartCount));
  for (guint part = 0; part < shots->n_parts; part++) {
    PartCount entry = {part, counts[part]};
    if (entry.count > 0)
      g_array_append_val(parts, entry);
  }
  g_array_sort(parts, compare_counts);
  return parts;
}

/* The fold of every part. */
static guint *deal_parts(const VelmShots *shots) {
  guint *fold_of = g_new(guint, shots->n_parts);
  guint n_dealt = 0;
  for (guint part = 0; part < shots->n_parts; part++)
    fold_of[part] = G_MAXUINT;
  for (guint c = 0; c < shots->n_classes; c++) {
    g_autoptr(GArray) parts = sorted_parts(shots, c);
    for (guint k = 0; k < parts->len; k++) {
      guint part = g_array_index(parts, PartCount, k).part;
      if (fold_of[part] == G_MAXUINT)
        fold_of[part] = n_dealt++ % VELM_MAX_FOLDS;
    }
  }
  return fold_of;
}

static void fold_free(gpointer data) {
  VelmFold *fold = data;
  velm_shots_free(fold->train);
  g_free(fold->place);
  g_free(fold->classes);
  g_free(fold);
}

/* Numbers the classes that stay: @new_class by old number, the fold's classes by new. */
static guint renumber_classes(VelmFold *fold, const VelmShots *shots, guint *new_class) {
  g_autofree gboolean *stays = g_new0(gboolean, shots->n_classes);
  guint n_classes = 0;
  for (gsize i = 0; i < shots->n; i++)
    if (fold->place[i] != G_MAXUINT)
      stays[shots->classes[i]] = TRUE;
  fold->classes = g_new0(guint, shots->n_classes);
  for (guint c = 0; c < shots->n_classes; c++)
    if (stays[c]) {
      new_class[c] = n_classes;
      fold->classes[n_classes++] = c;
    }
  return n_classes;
}

/* What stays when the parts of the fold @held are taken out. */
static VelmFold *hold_back(const VelmShots *shots, const guint *fold_of, guint held) {
  VelmFold *fold = g_new0(VelmFold, 1);
  g_autofree guint *new_class = g_new0(guint, shots->n_classes);
  guint n = 0;
  fold->place = g_new(guint, shots->n);
  for (gsize i = 0; i < shots->n; i++)
    fold->place[i] = fold_of[shots->parts[i]] == held ? G_MAXUINT : n++;
  fold->train = velm_shots_new(n, renumber_classes(fold, shots, new_class), shots->n_parts);
  for (gsize i = 0; i < shots->n; i++)
    if (fold->place[i] != G_MAXUINT) {
      fold->train->classes[fold->place[i]] = new_class[shots->classes[i]];
      fold->train->parts[fold->place[i]] = shots->parts[i];
    }
  return fold;
}

GPtrArray *velm_shots_folds(const VelmShots *shots) {
  GPtrArray *folds = g_ptr_array_new_with_free_func(fold_free);
  g_autofree guint *fold_of = deal_parts(shots);
  for (guint held = 0; held < VELM_MAX_FOLDS; held++) {
    VelmFold *fold = hold_back(shots, fold_of, held);
    if (fold->train->n_classes >= 2 && fold->train->n < shots->n)
      g_ptr_array_add(folds, fold);
    else
      fold_free(fold);
  }
  return folds;
}

gboolean *velm_folds_usable(const GPtrArray *folds, const VelmShots *shots) {
  gboolean *usable = g_new0(gboolean, shots->n);
  for (guint k = 0; k < folds->len; k++) {
    const VelmFold *fold = g_ptr_array_index(folds, k);
    for (guint c = 0; c < fold->train->n_classes; c++)
      for (gsize i = 0; i < shots->n; i++)
        if (fold->place[i] == G_MAXUINT && shots->classes[i] == fold->classes[c])
          usable[i] = TRUE;
  }
  return usable;
}
