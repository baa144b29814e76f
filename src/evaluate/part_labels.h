/*
 * What the labels of a part's other images tell of an image's own label. How far they tell it is
 * learnt from the labels themselves: where each part shows one defect under several lights, they
 * nearly decide it; where a part shows several defects, they say nothing.
 */
#pragma once

#include <glib.h>

typedef struct _VelmPartLabels VelmPartLabels;

/**
 * The labels of a part are taken for draws from Polya's urn (Johnson, Kotz and Balakrishnan,
 * Discrete Multivariate Distributions, 1997, chapter 40): of m other images, k of which are of a
 * class with share s, an image is of that class too with probability (k + a s) / (m + a). The
 * concentration a is the one under which the labels, each given the others of its part, are
 * likeliest.
 * @labels: n, 0 to n_classes - 1
 * @parts: n, 0 to n_parts - 1
 * Returns: (transfer full)
 */
VelmPartLabels *velm_part_labels_learn(const guint *labels, const guint *parts, gsize n,
                                       guint n_classes, guint n_parts);

/**
 * How much likelier the other images of image @i's part make each class than its share is: all 1
 * where it has none.
 * @factors: (out): n_classes
 */
void velm_part_labels_weigh(const VelmPartLabels *labels, gsize i, double *factors);

/** How many other images of image @i's part are labelled @class_index. */
guint velm_part_labels_count(const VelmPartLabels *labels, gsize i, guint class_index);

/** How many other images image @i's part has. */
guint velm_part_labels_count_all(const VelmPartLabels *labels, gsize i);

/** The concentration: small where parts are of one label, large where labels ignore parts. */
double velm_part_labels_get_concentration(const VelmPartLabels *labels);

void velm_part_labels_free(VelmPartLabels *labels);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPartLabels, velm_part_labels_free)
