/*
 * The vision expert's interface: fitted once to good images, then it scores each image and its
 * pixels (section 3.1).
 *
 * A detector is one file and one row in the table of detector.c.
 */
#pragma once

#include "core/model.h"
#include "dataset/dataset.h"
#include "detect/inspection.h"

typedef struct _VelmDetector VelmDetector;

/**
 * VelmGoodScores: what good parts score that the detector does not know.
 * @scores: @n image scores, borrowed from the model
 * @n_images, @n_parts: what it was fitted to
 * @threshold: of the image score
 */
typedef struct {
  const float *scores;
  gsize n;
  gint64 n_images, n_parts;
  double threshold;
} VelmGoodScores;

typedef struct {
  const char *name;
  /** Fits to @dataset's training images and writes all it needs into @model, under its own prefix.
   */
  gboolean (*fit)(const VelmDataset *dataset, const VelmFitParams *params, VelmModel *model,
                  GError **error);
  /** Adds the images of @dataset to what fit() wrote in @model, and says what that did; NULL where
   * the detector cannot. Where it fails, @model may be changed in part. */
  gboolean (*add_normal)(VelmModel *model, const VelmDataset *dataset, VelmProgress progress,
                         gpointer progress_data, VelmAddition *addition, GError **error);
  /** Opens what fit() wrote, for detect() in @n threads at a time where the detector is parallel,
   * else in one. @model outlives the detector. */
  VelmDetector *(*open)(VelmModel *model, guint n, GError **error);
  /** Fills the detect part of @inspection, whose image (and reference, or NULL) is set. */
  gboolean (*detect)(VelmDetector *detector, VelmInspection *inspection, GError **error);
  /** Where detect() left @inspection without features: sets map, region threshold and features by
   * the closest look that the detector has, and leaves score and verdict; NULL where detect()
   * always looks so. */
  gboolean (*examine)(VelmDetector *detector, VelmInspection *inspection, GError **error);
  gboolean parallel;
  void (*free)(VelmDetector *detector);
  /** What good parts score, by what fit() wrote; NULL, or FALSE, where that is not known. */
  gboolean (*good_scores)(VelmModel *model, VelmGoodScores *good);
  /** For a person: layers, bank, threshold. Appends lines "key: value\n". */
  void (*describe)(VelmModel *model, GString *text);
} VelmDetectorClass;

/* The head of every detector's own struct. */
struct _VelmDetector {
  const VelmDetectorClass *klass;
};

/** The detector named @name, or NULL. */
const VelmDetectorClass *velm_detector_find(const char *name);
/** The names of all, separated by commas. Returns: (transfer full). */
char *velm_detector_names(void);

/** Opens the detector that @model was fitted with, for one thread and the shortest time an image.
 */
VelmDetector *velm_detector_open(VelmModel *model, GError **error);
/** Likewise, for velm_detector_detect() in several threads at a time and the most images a second.
 * @n: (inout): in how many; 1 where the detector can do no more */
VelmDetector *velm_detector_open_for(VelmModel *model, guint *n, GError **error);
gboolean velm_detector_detect(VelmDetector *detector, VelmInspection *inspection, GError **error);
/** Makes sure that a detected part has what marking and classifying need, even one that was clearly
 * normal. */
gboolean velm_detector_examine(VelmDetector *detector, VelmInspection *inspection, GError **error);
void velm_detector_free(VelmDetector *detector);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDetector, velm_detector_free)

/** velm_model_add_normal() of the images in @dataset's train. */
gboolean velm_model_add_dataset(VelmModel *model, const VelmDataset *dataset, VelmProgress progress,
                                gpointer progress_data, VelmAddition *addition, GError **error);
