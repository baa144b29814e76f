/*
 * Choosing how PatchCore looks at a product, by trying: which layers, at which size, and how many
 * of a map's highest values make the score.
 *
 *   tune_images.c   which training images make banks, which are held back, and the defects
 *   tune_maps.c     the score maps of all candidate layers at one size
 *   tune_choice.c   the layers that do best together
 *   tune.c          the sizes against each other, and what there is to say
 */
#pragma once

#include "core/image.h"
#include "dataset/dataset.h"

/* ---- tune_images.c ---- */

/**
 * An image to measure by.
 * @sample: borrowed
 * @other: where a made-up defect has its texture from; NULL: the image is as it is
 */
typedef struct {
  const VelmSample *sample, *other;
  guint32 seed;
  gboolean defect;
} VelmTuneImage;

/**
 * @bank: (element-type VelmSample): borrowed
 * @images: (element-type VelmTuneImage)
 * @train, @labelled: what they are borrowed from; @labelled may be NULL
 */
typedef struct {
  VelmDataset *train, *labelled;
  GPtrArray *bank;
  GArray *images;
  guint n_good, n_defects, n_parts;
} VelmTuneImages;

/**
 * Splits the training images of @directory by part, and adds defects: those of @labelled's test
 * images, or made-up ones on the held-back images where it is NULL. A part of @labelled's is kept
 * out of the banks.
 * Returns: (transfer full): NULL with VELM_ERROR_DATASET where there is too little
 */
VelmTuneImages *velm_tune_images_new(const char *directory, const char *labelled, guint32 seed,
                                     GError **error);
void velm_tune_images_free(VelmTuneImages *images);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmTuneImages, velm_tune_images_free)

/** Reads an image and its mask, drawing the defect where it is made up. @mask: (out): NULL for one
 * without. */
VelmImage *velm_tune_image_load(const VelmTuneImage *image, VelmMask **mask, GError **error);

/* ---- tune_maps.c ---- */

/* What a cell of the grid is by the mask; cells that a defect just touches are neither. */
typedef enum { VELM_CELL_GOOD, VELM_CELL_DEFECT, VELM_CELL_EITHER } VelmTuneCell;

/**
 * @maps: n_images x n_layers x n_cells blurred distances over what is typical of held-back good
 * images
 * @cells: n_images x n_cells of VelmTuneCell
 * @masked: of each image, whether it has a mask: a good image always counts as such
 */
typedef struct {
  int size, rows, columns;
  gsize n_images, n_layers, n_cells;
  float *maps;
  guint8 *cells, *masked, *defect;
} VelmTuneMaps;

/**
 * @layers: the candidates, NULL-terminated
 * @size: or 0 for the backbone's own
 * @progress: called after each image with @done of @total counted on
 */
VelmTuneMaps *velm_tune_maps_new(const VelmTuneImages *images, const VelmFitParams *params,
                                 const char *const *layers, int size, gsize *done, gsize total,
                                 GError **error);
void velm_tune_maps_free(VelmTuneMaps *maps);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmTuneMaps, velm_tune_maps_free)

/* ---- tune_choice.c ---- */

#define VELM_TUNE_MAX_LAYERS 4

/* NaN where there is nothing to measure by. */
typedef struct {
  double image_auroc, pixel_auroc, pointing;
} VelmTuneFigures;

/* @layers: @n indices of candidates. @top_share: as in VelmFitParams. */
typedef struct {
  gsize layers[VELM_TUNE_MAX_LAYERS], n;
  double top_share;
  VelmTuneFigures figures;
} VelmTuneChoice;

/** The mean of the figures that there are. */
double velm_tune_merit(const VelmTuneFigures *figures);

/**
 * Adds layers one by one, each time the one that gains most, as long as one does; then chooses the
 * share of the score by the image AUROC.
 */
VelmTuneChoice velm_tune_choose(const VelmTuneMaps *maps);
