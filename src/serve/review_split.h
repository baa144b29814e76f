/*
 * What people's reviews have to teach a model: the images that it is to learn from, and those that
 * are held back to test it. What is held back is not taught later either.
 */
#pragma once

#include "act/spec.h"
#include "act/store.h"
#include "dataset/dataset.h"

/**
 * VelmHeldOut: a reviewed record that is held back.
 * @label: "good", or the key of a class: what the person said
 * @path: of its image
 */
typedef struct {
  gint64 record;
  char *label, *path;
} VelmHeldOut;

/**
 * VelmReviewSplit:
 * @taught: images that the model has not learnt from: good ones in train, those of classes in test;
 * the part is the sender's name of it, else the image's SHA-256
 * @good_images, @class_images: the SHA-256 of those in train, and in test; NULL-terminated
 * @held_out: of VelmHeldOut
 */
typedef struct {
  VelmDataset *taught;
  char **good_images, **class_images;
  GPtrArray *held_out;
} VelmReviewSplit;

/** @images: SHA-256; @parts: (nullable): as their senders name them; both NULL-terminated. */
typedef struct {
  const char *const *images, *const *parts;
} VelmKnown;

/**
 * Splits the reviewed images of @product whose class @spec has, or that are good: every fourth of a
 * class, in the order of their records, is held back: of parts, that is, where their senders named
 * them, with all of their images. Of several records of one image the latest counts.
 * @known: what the model has learnt from: these images are not taught again, and these parts, and
 * those of the images, are not held back
 * Returns: (transfer full): NULL with VELM_ERROR_FILE
 */
VelmReviewSplit *velm_review_split_new(VelmStore *store, const char *product, const VelmSpec *spec,
                                       const VelmKnown *known, GError **error);
void velm_review_split_free(VelmReviewSplit *split);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmReviewSplit, velm_review_split_free)
