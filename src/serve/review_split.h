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
 * the part is the image's SHA-256
 * @held_out: of VelmHeldOut
 */
typedef struct {
  VelmDataset *taught;
  GPtrArray *held_out;
} VelmReviewSplit;

/**
 * Splits the reviewed images of @product whose class @spec has, or that are good: every fourth of a
 * class, in the order of their records, is held back. Of several records of one image the latest
 * counts.
 * @known: SHA-256 of images that the model has learnt from: these are neither taught again, nor
 * tested with
 * Returns: (transfer full): NULL with VELM_ERROR_FILE
 */
VelmReviewSplit *velm_review_split_new(VelmStore *store, const char *product, const VelmSpec *spec,
                                       const char *const *known, GError **error);
void velm_review_split_free(VelmReviewSplit *split);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmReviewSplit, velm_review_split_free)
