/*
 * A handful of normal images that the model carries, for a language model or a person to compare
 * with. They are of different parts and as different from one another as the good images are.
 */
#pragma once

#include "core/model.h"
#include "dataset/dataset.h"
#include "detect/inspection.h"

/* Images kept at most, and the bytes that they may take. */
#define VELM_NORMAL_IMAGES_MAX 12
#define VELM_NORMAL_IMAGES_MAX_BYTES (1300 * 1000)

/* Side of the images kept, in pixels: they are squeezed to the square. */
#define VELM_NORMAL_IMAGES_SIZE 448

/* The mean over the patches of @features. @mean: (out): as many floats as there are channels. */
void velm_features_mean(const VelmFeatures *features, float *mean);

/**
 * VelmNormalImages: as read from a model.
 * @images: (element-type VelmImage): the most typical one first; may be empty
 * @means: the mean patch features of each, @channels floats an image
 */
typedef struct {
  GPtrArray *images;
  gsize channels;
  float *means;
} VelmNormalImages;

/**
 * VelmNormalCandidate: an image that may be kept.
 * @sample: where it is
 * @mean: its mean patch features
 * @score: its anomaly score
 */
typedef struct {
  const VelmSample *sample;
  const float *mean;
  double score;
} VelmNormalCandidate;

/**
 * Chooses among @n candidates and writes the chosen ones to @model.
 *
 * The first is the one with the lowest score, each next one the farthest from those chosen (greedy
 * k-centre in the mean patch features), one a part (VelmSample.group). The quarter with the highest
 * scores is passed over: what is farthest of all is easily a defect that nobody saw.
 * Returns: FALSE with VELM_ERROR_IMAGE or VELM_ERROR_FILE where an image cannot be read again
 */
gboolean velm_normal_images_store(VelmModel *model, const VelmNormalCandidate *candidates, gsize n,
                                  gsize channels, GError **error);

/**
 * Lets further images, @n candidates, into those that @model keeps: where there is room the one
 * farthest from those kept, and else in place of one of the two that are most alike, where it is
 * farther from all than these are from each other. The most typical one stays.
 * Returns: FALSE with VELM_ERROR_IMAGE, VELM_ERROR_FILE or VELM_ERROR_MODEL
 */
gboolean velm_normal_images_extend(VelmModel *model, const VelmNormalCandidate *candidates, gsize n,
                                   gsize channels, GError **error);
/**
 * Writes one image, the most typical, to @model: for programs that know of one only, and for
 * detectors that have no features by which to choose several.
 * Returns: FALSE with VELM_ERROR_IMAGE or VELM_ERROR_FILE where it cannot be read again
 */
gboolean velm_normal_images_store_typical(VelmModel *model, const VelmSample *sample,
                                          GError **error);

/** Returns: (transfer full): NULL with VELM_ERROR_MODEL where what @model has cannot be read. */
VelmNormalImages *velm_normal_images_open(VelmModel *model, GError **error);
void velm_normal_images_free(VelmNormalImages *normal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmNormalImages, velm_normal_images_free)
