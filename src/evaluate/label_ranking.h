/*
 * How doubtful the label of each defect image is: by what the image looks like to a classifier that
 * was not taught its part (cross_answers.h), and by what the part's other images are labelled
 * (part_labels.h). The two are independent evidence of the class, so their odds are multiplied
 * (Bayes' rule).
 *
 * That a label is held against out-of-sample probabilities is confident learning's idea (Northcutt,
 * Jiang and Chuang, arXiv 1911.00068).
 */
#pragma once

#include "classify/fewshot.h"
#include "dataset/dataset.h"
#include "evaluate/cross_answers.h"

/* A label that is less probable than this is suspect. */
#define VELM_SUSPECT_PROBABILITY 0.05

/* One image and what was seen of it. */
typedef struct {
  const VelmSample *sample; /* borrowed */
  VelmSight *given;         /* through its mask, or NULL */
  VelmSight *detected;      /* without it, or NULL */
} VelmLabelSeen;

void velm_label_seen_free(VelmLabelSeen *seen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmLabelSeen, velm_label_seen_free)

/**
 * VelmLabelDoubt: one image.
 * @label, @other: classes by number: as labelled, and the most probable of the others
 * @looks: (borrowed): probability of each class by its looks alone, n_classes numbers
 * @p_label, @p_other: probabilities of the two by looks and by the part's other images
 * @n_siblings, @n_siblings_other: images of the part beside this one, and how many of them are
 * labelled @other
 * @score: 1 - @p_label, the probability that the label is wrong; NaN where it cannot be judged, as
 * no other part shows its class: all of the above but @sample and @label then mean nothing
 */
typedef struct {
  const VelmSample *sample;
  guint label, other;
  const double *looks;
  double p_label, p_other;
  guint n_siblings, n_siblings_other;
  double score;
} VelmLabelDoubt;

/**
 * VelmLabelRanking:
 * @classes: NULL-terminated keys
 * @doubts: of VelmLabelDoubt, the most doubtful first, those that cannot be judged last
 */
typedef struct {
  char **classes;
  guint n_classes;
  GArray *doubts;
  VelmCrossAnswers *answers;
} VelmLabelRanking;

/**
 * Looks at the test images of @dataset's classes, good ones apart: through its mask where an image
 * has one; else through the region of @model's detector; else, without a model, at the whole image.
 * Where some images have no mask, the others are looked at in their way as well.
 * @model: may be NULL; with it the detector's features are part of what is seen
 * @progress: may be NULL
 * Returns: (transfer full) (element-type VelmLabelSeen)
 */
GPtrArray *velm_label_see(const VelmDataset *dataset, VelmModel *model, VelmProgress progress,
                          gpointer progress_data, GError **error);

/**
 * Ranks the labels of @seen (of VelmLabelSeen), which may be changed since they were looked at. An
 * image is judged by others that were seen in the same way: through masks where at least half of
 * the images have one and it has one itself.
 * @classes: NULL-terminated keys; images of other labels are left out
 * @seed: of the dealing of parts to folds
 * Returns: (transfer full): its samples are borrowed from @seen; NULL with VELM_ERROR_DATASET or
 *   VELM_ERROR_CANCELLED
 */
VelmLabelRanking *velm_label_ranking(const GPtrArray *seen, const char *const *classes,
                                     guint32 seed, VelmProgress progress, gpointer progress_data,
                                     GError **error);

/** Whether the label is too improbable to stand. */
gboolean velm_label_is_suspect(const VelmLabelDoubt *doubt);

void velm_label_ranking_free(VelmLabelRanking *ranking);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmLabelRanking, velm_label_ranking_free)
