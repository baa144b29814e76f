/*
 * A made-up product with made-up defects, for the demo and the tests: turned metal discs with a
 * bore, three drilled holes and a printed mark, varying in texture, light and pose. Nothing is
 * read from files: a seed gives the same pictures on every machine.
 */
#pragma once

#include "core/image.h"

#define VELM_PROCEDURAL_MIN_SIZE 32
#define VELM_PROCEDURAL_MAX_SIZE 4096

typedef struct {
  int size;        /* side of the square images in pixels, 256 by default */
  int n_train;     /* good images for training, 60 */
  int n_test_good; /* 20 */
  int n_per_class; /* test images of each defect kind, 12 */
  int views;       /* images of each part, under other light, 2: they share a group */
  guint32 seed;
} VelmProceduralParams;

VelmProceduralParams velm_procedural_params_default(void);

/** Keys of the defect kinds, NULL-terminated: at least four. */
const char *const *velm_procedural_classes(void);

/**
 * Draws one part. Pictures of the same part and view with and without a defect are the same but
 * for the defect.
 * @params: only size and seed are used
 * @part: number of the part; together with the seed it fixes texture, pose and defect
 * @view: number of the view; fixes the light
 * @defect: key of a defect kind, or NULL for a good part
 * @mask: (out) (optional) (transfer full): where the defect is; empty for a good part
 * Returns: (transfer full): NULL where @defect is no kind's key or the size is out of range
 */
VelmImage *velm_procedural_draw(const VelmProceduralParams *params, guint part, guint view,
                                const char *defect, VelmMask **mask);

/**
 * Writes a data set in the MVTec layout to @directory, which is made: images and masks as PNG,
 * groups.csv, and a spec for it (spec.yaml). No part is on two sides: each image set, and each
 * class, has parts of its own.
 * @progress: may be NULL
 * Returns: FALSE with VELM_ERROR_USAGE where a parameter is out of range, VELM_ERROR_DATASET where
 *   @directory already has a train, test or ground_truth, VELM_ERROR_FILE, VELM_ERROR_CANCELLED
 */
gboolean velm_procedural_write(const VelmProceduralParams *params, const char *directory,
                               VelmProgress progress, gpointer progress_data, GError **error);
