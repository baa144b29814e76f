/*
 * Folders of images: the MVTec layout, a plain folder, a single file.
 *
 *   DIR/train/good/NAME                    good, for fitting
 *   DIR/test/CLASS/NAME                    labelled; "good" is the normal class
 *   DIR/ground_truth/CLASS/STEM_mask.png   where the defect is
 *   DIR/reference/CLASS/NAME               the aligned defect-free image of that test image
 *   DIR/groups.csv                         path,group: which images show the same part
 *
 * Without groups.csv every image is taken for a part of its own.
 */
#pragma once

#include "velm.h"

#define VELM_LABEL_GOOD "good"

/* One image. Fields that do not apply are NULL. */
typedef struct {
  char *path;
  char *label;     /* folder name under test/, "good" under train/ */
  char *mask;      /* path */
  char *reference; /* path */
  char *group;     /* never NULL: the part's name, else the image's own path below the folder */
} VelmSample;

/** A sample without mask and reference. @label: (nullable). Returns: (transfer full): for one of a
 * dataset's arrays, which frees it. */
VelmSample *velm_sample_new(const char *path, const char *label, const char *group);
void velm_sample_free(VelmSample *sample);
/** Whether its label is the normal class. */
gboolean velm_sample_is_good(const VelmSample *sample);

typedef struct {
  char *directory;
  GPtrArray *train;    /* of VelmSample, sorted by path */
  GPtrArray *test;     /* of VelmSample, sorted by path */
  GPtrArray *classes;  /* of char *, sorted: the labels under test/ other than good */
  gboolean has_groups; /* groups.csv was there */
} VelmDataset;

/**
 * Opens a folder. One without train/ and test/ is a plain folder: its images, searched in depth,
 * are all "train". Fails where there is no image at all, or where groups.csv is malformed or leaves
 * an image out. Its lines, and masks, for images that are gone do no harm.
 */
VelmDataset *velm_dataset_open(const char *directory, GError **error);
/** One without images, for images that do not lie in such a folder. @directory: what messages call
 * it. Returns: (transfer full). */
VelmDataset *velm_dataset_new(const char *directory);
void velm_dataset_free(VelmDataset *dataset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDataset, velm_dataset_free)

/** @path below the folder, with '/'; as it is where it does not lie there. Returns: (transfer
 * full).
 */
char *velm_dataset_path_below(const VelmDataset *dataset, const char *path);

/** Index of @label in classes, or -1. */
int velm_dataset_class_index(const VelmDataset *dataset, const char *label);

/**
 * The images that @paths name: a file is itself, a folder all images below it, sorted. Each has
 * only path and, where the file lies in an MVTec layout with reference/, its reference. A path that
 * does not exist stays as it is, for its record to say so; an empty folder is an error.
 */
GPtrArray *velm_dataset_expand(const char *const *paths, GError **error);
