/*
 * What is doubtful about a folder of labelled images. Each check adds its findings to one
 * VelmAudit; the checks that need no network are in this stage, those that look at features are in
 * evaluate/.
 */
#pragma once

#include "dataset/dataset.h"

/* In the order of the table. */
typedef enum {
  VELM_AUDIT_UNREADABLE,     /* an image or mask cannot be decoded */
  VELM_AUDIT_LEAK,           /* a test image shows a part that training images show */
  VELM_AUDIT_SUSPECT_LABEL,  /* the label is probably wrong */
  VELM_AUDIT_INSEPARABLE,    /* two classes cannot be told apart */
  VELM_AUDIT_FEW_SAMPLES,    /* a class with too few images */
  VELM_AUDIT_DUPLICATE,      /* images with the same pixels */
  VELM_AUDIT_NEAR_DUPLICATE, /* images that are the same but for compression, size or a little light
                              */
  VELM_AUDIT_GROUP,          /* images that seem to show one part, where groups.csv is missing */
  VELM_AUDIT_MASK,           /* a mask of another size, empty, or of nobody's image */
  VELM_N_AUDIT_KINDS
} VelmAuditKind;

/* "unreadable", "leak", "suspect_label", ... as in JSON. */
const char *velm_audit_kind_name(VelmAuditKind kind);

/**
 * VelmFinding:
 * @score: rank within the kind, the highest first; its meaning is the kind's own
 * @label: the class it is about, or NULL
 * @other: the other class: what a suspect label should probably be, the other of an inseparable
 * pair
 * @paths: of char *, below the folder with '/': the image to look at first, then those it is held
 * against
 * @message: one line for a person, without the path
 */
typedef struct {
  VelmAuditKind kind;
  double score;
  char *label, *other;
  GPtrArray *paths;
  char *message;
} VelmFinding;

/**
 * VelmLabelRank: how doubtful one image's label is, whether it is a finding or not.
 * @path: below the folder with '/'
 * @other: the class that it probably is if @label is wrong; NULL where it cannot be judged
 * @score: probability that the label is wrong; NaN where it cannot be judged
 */
typedef struct {
  char *path, *label, *other;
  double score;
} VelmLabelRank;

typedef struct {
  const VelmDataset *dataset; /* borrowed */
  GPtrArray *findings;        /* of VelmFinding */
  GPtrArray *labels;          /* of VelmLabelRank: the defect images whose labels were looked at */
  GHashTable *digests; /* VelmSample's path -> SHA-256 of its size and pixels, in hexadecimal;
                          of the images that velm_audit_files() could decode */
} VelmAudit;

VelmAudit *velm_audit_new(const VelmDataset *dataset);
void velm_audit_free(VelmAudit *audit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmAudit, velm_audit_free)

/**
 * Adds a finding. @paths: NULL-terminated, absolute or as in VelmSample; kept relative to the
 * folder.
 */
void velm_audit_add(VelmAudit *audit, VelmAuditKind kind, double score, const char *label,
                    const char *other, const char *const *paths, const char *format, ...)
    G_GNUC_PRINTF(7, 8);

/** Adds the next label, the most doubtful first. @path: absolute or as in VelmSample. */
void velm_audit_rank_label(VelmAudit *audit, const char *path, const char *label, const char *other,
                           double score);

/** Sorts by kind, then falling score, then path. */
void velm_audit_sort(VelmAudit *audit);

/* ---- the checks that need no network; of the dataset that velm_audit_new() was given ---- */

/**
 * Decodes every image, mask and reference: VELM_AUDIT_UNREADABLE and VELM_AUDIT_MASK, and the
 * digests.
 * Returns: FALSE with VELM_ERROR_CANCELLED, or VELM_ERROR_FILE where ground_truth/ cannot be
 * listed; an image that cannot be decoded is a finding, no failure
 */
gboolean velm_audit_files(VelmAudit *audit, VelmProgress progress, gpointer progress_data,
                          GError **error);

/** Images with equal digests: VELM_AUDIT_DUPLICATE, score 1, and 1 more each where their labels
 * differ and where they stand in train and in test. After velm_audit_files(). */
void velm_audit_duplicates(VelmAudit *audit);

/**
 * Classes with fewer than @min_images images or, where there is a groups.csv, @min_parts parts:
 * VELM_AUDIT_FEW_SAMPLES; score: the share that is missing, of the worse of the two.
 */
void velm_audit_counts(VelmAudit *audit, guint min_images, guint min_parts);
