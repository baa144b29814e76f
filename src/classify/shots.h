/*
 * The labelled examples of the few-shot classifier, without what is seen of them: the class and the
 * part of each. How much an example weighs and when it is held back follow from these alone.
 */
#pragma once

#include <glib.h>

/* Parts are held back together, in this many groups at most. */
#define VELM_MAX_FOLDS 5

/**
 * VelmShots:
 * @classes: n: 0 to n_classes - 1
 * @parts: n: 0 to n_parts - 1
 */
typedef struct {
  gsize n;
  guint n_classes, n_parts;
  guint *classes;
  guint *parts;
} VelmShots;

VelmShots *velm_shots_new(gsize n, guint n_classes, guint n_parts);

/**
 * Of @n examples with their classes and the names of their parts. Parts are numbered by the order
 * of their names, so that folds do not depend on the order of the examples.
 * Returns: (transfer full)
 */
VelmShots *velm_shots_of(const guint *classes, const char *const *parts, gsize n, guint n_classes);
void velm_shots_free(VelmShots *shots);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmShots, velm_shots_free)

/**
 * How many examples of @class_index show each part.
 * Returns: (transfer full): n_parts numbers
 */
guint *velm_shots_count_by_part(const VelmShots *shots, guint class_index);

/** How many parts the examples of @class_index show. */
guint velm_shots_count_parts(const VelmShots *shots, guint class_index);

/**
 * Weights of the examples, n in sum. Classes weigh the same; in a class, a part that k examples
 * show weighs sqrt(k), as these tell less than k parts would. Returns: (transfer full): n numbers
 */
double *velm_shots_weights(const VelmShots *shots);

/**
 * VelmFold: some parts, held back.
 * @train: the examples that stay, their classes renumbered without those that lost all
 * @place: of each example of the whole: its index in @train, or G_MAXUINT where it is held back
 * @classes: of each class of @train: its index in the whole
 */
typedef struct {
  VelmShots *train;
  guint *place;
  guint *classes;
} VelmFold;

/**
 * Deals the parts to at most VELM_MAX_FOLDS folds, class by class, those with most examples first;
 * a part is in one fold only. Returns: (transfer full) (element-type VelmFold): the folds that
 * leave two classes or more
 */
GPtrArray *velm_shots_folds(const VelmShots *shots);

/**
 * Which examples are held back by some fold that still has their class.
 * Returns: (transfer full): n
 */
gboolean *velm_folds_usable(const GPtrArray *folds, const VelmShots *shots);
