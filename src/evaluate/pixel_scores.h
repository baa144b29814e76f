/*
 * The pixels of score maps with their ground truth, kept for exact metrics in memory that does not
 * grow with the maps.
 *
 * A score's sortable key is split in two: its high half names one of 65,536 partitions, its low
 * half is written to that partition's chunk. Full chunks go to an unnamed temporary file in the
 * folder that TMPDIR names, each with the number of its partition's chunk before. So a partition
 * can be read back alone, and counted in tables of 65,536 places, whatever the number of pixels.
 * On disk are 2 bytes a normal pixel and 6 an anomalous one, in memory some megabytes, at most 150
 * (of scores that fill the whole range of floats).
 */
#pragma once

#include "evaluate/truth_regions.h"

/* The scores of some maps, such as those of one class. */
typedef struct _VelmPixelScores VelmPixelScores;

VelmPixelScores *velm_pixel_scores_new(void);
/**
 * Adds one map of any size under 2^32 pixels. Not for several threads at once.
 * @truth: the regions of its mask, of the same size; NULL: all pixels are normal
 * Returns: FALSE, with VELM_ERROR_FILE, where the temporary file fails; the scores are then of no
 * more use
 */
gboolean velm_pixel_scores_add(VelmPixelScores *scores, const float *map,
                               const VelmTruthRegions *truth, int width, int height,
                               GError **error);
void velm_pixel_scores_free(VelmPixelScores *scores);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmPixelScores, velm_pixel_scores_free)

#define VELM_SCORE_PARTITIONS 65536 /* from the lowest scores to the highest */

/* @overlap: sum of 1 / the area of its region over the anomalous pixels. */
typedef struct {
  guint64 normal, anomalous;
  double overlap;
} VelmPixelCount;

/** How many regions the masks have. */
guint64 velm_pixel_scores_n_regions(const VelmPixelScores *scores);
/** Whether a map held a NaN. What was added since is not kept. */
gboolean velm_pixel_scores_broken(const VelmPixelScores *scores);
/** What one partition holds. */
VelmPixelCount velm_pixel_scores_count(const VelmPixelScores *scores, guint partition);

#define VELM_TABLE_BLOCK 64

/* The distinct scores of one partition, by the low half of the key. @touched: whether any of a
 * block of neighbours is not 0, so that a sweep may skip them. */
typedef struct {
  guint64 normal[65536], anomalous[65536];
  double overlap[65536];
  guint8 touched[65536 / VELM_TABLE_BLOCK];
} VelmPixelTable;

/** Adds what a partition holds to @table. Several threads may read the same scores. Returns: FALSE
 * where the temporary file cannot be read. */
gboolean velm_pixel_scores_read(const VelmPixelScores *scores, guint partition,
                                VelmPixelTable *table, GError **error);
