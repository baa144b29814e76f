/*
 * What the steps of fitting PatchCore share: features, banks, calibration, each a file of its own.
 */
#pragma once

#include "detect/detector.h"
#include "detect/patchcore_maps.h"
#include "detect/spool.h"

/* Parts are held back for the calibration in this many turns. */
#define VELM_PATCH_FOLDS 4

typedef struct {
  int rows, columns;
} VelmPatchShape;

/**
 * VelmPatchFit: a fit on its way. "Image" is an index below n_images.
 * @dataset: its training images are the samples
 * @images: those in use, as indices of the samples: fitting robustly drops some
 * @shapes: of each sample, how many patches it has down and across, n_patches at most
 * @digests: (element-type utf8): of each sample, what its pixels are known by
 * @spools: the features of all samples, one spool a layer, n_patches rows a sample
 * @contrast_spool: likewise, of the layer for the contrast; NULL where there is none
 * @means: the mean features of all samples, one row each
 * @groups: of each image, its part; @folds: of each image, the fold that its part is in
 * @n_scored: images that the calibration scores, spread evenly; @maps: theirs, while layers are
 * fitted; @scores: of these, in their order; @levels: the medians of their score maps;
 * @early_scores: without the full look, or NULL where there is no stopping before it
 * @dropped: (element-type filename): images dropped, below the folder
 */
typedef struct {
  const VelmFitParams *params;
  const VelmDataset *dataset;
  guint *images;
  gsize n_images;
  VelmBackboneSpec *spec;
  VelmBackbone *backbone;
  int rows, columns, channels;
  gsize n_patches; /* of an image, at most; those of one with less are repeated */
  gsize n_layers;
  VelmPatchLayer *layers;
  VelmPatchLayer contrast; /* has no channels where there is none */
  VelmSpool **spools, *means, *contrast_spool;
  VelmPatchShape *shapes;
  GPtrArray *digests;
  guint *groups, n_groups;
  guint *folds, n_folds;
  gsize n_scored;
  VelmPatchMaps maps;
  float *scores, *levels, *early_scores;
  GPtrArray *dropped;
} VelmPatchFit;

const VelmSample *velm_patch_fit_sample(const VelmPatchFit *fit, gsize image);

/** Calls the user's progress. Returns: FALSE with VELM_ERROR_CANCELLED where it says to stop. */
gboolean velm_patch_fit_report(const VelmPatchFit *fit, const char *stage, gsize done, gsize total,
                               GError **error);

/* ---- patchcore_features.c ---- */

/** Extracts the features of all samples into the spools. */
gboolean velm_patch_fit_extract(VelmPatchFit *fit, GError **error);
/** Reads the patches of one image in one layer, as the backbone gave them. */
gboolean velm_patch_fit_read(const VelmPatchFit *fit, gsize layer, gsize image, float *rows,
                             GError **error);

/* ---- patchcore_bank.c ---- */

/* A choice of candidates, in the order of picking. @has_next: one more pick follows the @n: the
 * candidate that the choice covers worst. */
typedef struct {
  gsize *picks;
  gsize n;
  gboolean has_next;
} VelmPatchChoice;

/**
 * VelmPatchBanks: the banks of one layer.
 * @scale: factor of each channel
 * @patches: the candidates that they are chosen from: image x n_patches + patch
 * @projected: the candidates in few dimensions
 * @choices: without the parts of each fold; the last of all parts
 */
typedef struct {
  float *scale;
  gsize *patches;
  float *projected;
  gsize n, n_bank;
  VelmPatchChoice choices[VELM_PATCH_FOLDS + 1];
} VelmPatchBanks;

/** Selects the banks of @layer; the folds are dealt already. */
gboolean velm_patch_banks_select(VelmPatchBanks *banks, const VelmPatchFit *fit, gsize layer,
                                 GError **error);
/** The entries of a bank. Returns: (transfer full). */
float *velm_patch_banks_read(const VelmPatchBanks *banks, const VelmPatchFit *fit, gsize layer,
                             const VelmPatchChoice *choice, GError **error);
/** How far the worst covered candidate lies from @entries, the bank of @choice; 0 where all
 * candidates are in it. Negative where it fails. */
double velm_patch_banks_coverage(const VelmPatchBanks *banks, const VelmPatchFit *fit, gsize layer,
                                 const VelmPatchChoice *choice, const float *entries,
                                 GError **error);
void velm_patch_banks_clear(VelmPatchBanks *banks);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VelmPatchBanks, velm_patch_banks_clear)

/* ---- patchcore_calibration.c ---- */

/** Deals the parts to the folds. */
void velm_patch_fit_deal_folds(VelmPatchFit *fit);
/** Which image is number @index of those that are scored. */
gsize velm_patch_fit_scored_image(const VelmPatchFit *fit, gsize index);
/** Finds the typical distance of @layer, and adds the layer's share to the maps. */
gboolean velm_patch_fit_calibrate_layer(VelmPatchFit *fit, gsize layer, const VelmPatchBanks *banks,
                                        GError **error);
/** Fills the scores and levels from the maps, which it frees. */
gboolean velm_patch_fit_score(VelmPatchFit *fit, GError **error);
/** Writes scores, threshold and normal images. */
gboolean velm_patch_fit_store_scores(const VelmPatchFit *fit, VelmModel *model, GError **error);

/* ---- patchcore_robust.c ---- */

/** Drops images that do not belong, by the scores of all images in use. @round: times that it did
 * so before. Returns: whether it dropped any: what was found with them is void then. */
gboolean velm_patch_fit_drop(VelmPatchFit *fit, guint round);

/* ---- patchcore_second_shots.c ---- */

/** Finds the threshold of the score against a reference. */
gboolean velm_patch_fit_calibrate_reference(const VelmPatchFit *fit, VelmModel *model,
                                            GError **error);
