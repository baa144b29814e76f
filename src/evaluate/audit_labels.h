/*
 * The audit of labels: images whose label is probably wrong, and classes that cannot be told apart.
 */
#pragma once

#include "dataset/audit.h"
#include "evaluate/label_ranking.h"

/* Parts that each class of a pair must have for it to be called inseparable: with fewer, chance
 * alone makes such pairs. */
#define VELM_INSEPARABLE_MIN_PARTS 5

/* Half-way between chance and always right, in balanced accuracy. */
#define VELM_INSEPARABLE_ACCURACY 0.75

/**
 * Ranks all labels in @audit, and adds to it a VELM_AUDIT_SUSPECT_LABEL for each label with a
 * probability under VELM_SUSPECT_PROBABILITY. Score: the probability that it is wrong; paths: the
 * image, then images of its part that have the other label.
 *
 * Adds a VELM_AUDIT_INSEPARABLE for each pair of classes, of VELM_INSEPARABLE_MIN_PARTS parts or
 * more each, whose balanced accuracy is under VELM_INSEPARABLE_ACCURACY at the upper end of its
 * 95 % interval, by the bootstrap over parts. The answer is the class of the two that an image
 * looks more like, its part's other images not asked; images with suspect labels do not count.
 * Score: 1 - balanced accuracy; paths: images that look most like the other class.
 *
 * Where there are not two classes to tell apart, there is nothing to find.
 * @dataset, @model: as for velm_label_see()
 * @progress: may be NULL
 * Returns: FALSE with VELM_ERROR_IMAGE, VELM_ERROR_MODEL, VELM_ERROR_ENGINE, VELM_ERROR_DATASET or
 *   VELM_ERROR_CANCELLED; nothing is added then
 */
gboolean velm_audit_labels(const VelmDataset *dataset, VelmModel *model, VelmAudit *audit,
                           VelmProgress progress, gpointer progress_data, GError **error);

/** The same of labels that are ranked already. */
void velm_audit_label_ranking(const VelmLabelRanking *ranking, VelmAudit *audit);
