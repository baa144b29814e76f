/*
 * Applying a reviewed manifest to a folder of labelled images: a new folder in the same layout,
 * with masks, references and groups.csv, and curation.json, which says what was done and why. The
 * folder itself is never changed.
 */
#pragma once

#include "dataset/manifest.h"

typedef enum {
  VELM_CURATION_KEPT,
  VELM_CURATION_RELABELLED, /* an entry of its own changed the label */
  VELM_CURATION_MERGED,     /* its class was merged or renamed */
  VELM_CURATION_RENAMED,
  VELM_CURATION_DROPPED, /* itself or its class */
} VelmCurationChange;

/* "kept", "relabelled", "merged", "renamed", "dropped". */
const char *velm_curation_change_name(VelmCurationChange change);

/**
 * VelmCuratedImage: what becomes of one image.
 * @from, @to: paths below the folders, with '/'; @to is NULL where it is dropped
 * @label: the new one, or NULL
 * @group: the part's name, or NULL where it is a part of its own
 * @entry: why; NULL where the image is kept
 * @carries_mask: it has a mask, which goes along. A mask does not where an image becomes good, or
 * stops being it
 */
typedef struct {
  const VelmSample *sample; /* borrowed */
  char *from, *to, *label, *group;
  VelmCurationChange change;
  const VelmManifestEntry *entry; /* borrowed */
  gboolean carries_mask;
} VelmCuratedImage;

typedef struct {
  const VelmDataset *dataset;   /* borrowed */
  const VelmManifest *manifest; /* borrowed */
  GPtrArray *images;            /* of VelmCuratedImage: training images, then test images */
  GPtrArray *left_behind;       /* of char *: files of the folder that are no part of the set */
  gboolean has_groups;          /* groups.csv is written */
  gboolean linked;
  char *out;
} VelmCuration;

/**
 * Checks what @manifest wants against @dataset and decides what becomes of every image; writes
 * nothing. Refused are images and classes that do not exist, entries that contradict each other,
 * and names that no folder can have.
 * @findings: (out) (optional) (transfer full): of VelmTextFinding, every mistake in order of line
 * Returns: (transfer full): NULL with VELM_ERROR_DATASET, "MANIFEST:LINE: message" of the first
 *   mistake, or where no image would be left
 */
VelmCuration *velm_curation_plan(const VelmDataset *dataset, const VelmManifest *manifest,
                                 GPtrArray **findings, GError **error);

/**
 * Writes the planned folder @out, under a temporary name beside it that is renamed at the end: a
 * failure leaves nothing behind.
 * @link: symbolic links to the dataset's files instead of copies
 * Returns: FALSE with VELM_ERROR_DATASET where @out is not empty or lies in the dataset's folder,
 *   VELM_ERROR_FILE, VELM_ERROR_CANCELLED
 */
gboolean velm_curation_write(VelmCuration *curation, const char *out, gboolean link,
                             VelmProgress progress, gpointer progress_data, GError **error);

void velm_curation_free(VelmCuration *curation);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmCuration, velm_curation_free)

/** Images a class before and after, and what was done, as a table. Returns: (transfer full). */
char *velm_curation_to_text(const VelmCuration *curation);

/** All of it as one JSON object: what curation.json holds. Returns: (transfer full). */
char *velm_curation_to_json(const VelmCuration *curation, gboolean indented);
