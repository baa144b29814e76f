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

typedef struct {
  const char *name;
  /** Fits to @dataset's training images and writes all it needs into @model, under its own prefix.
   */
  gboolean (*fit)(const VelmDataset *dataset, const VelmFitParams *params, VelmModel *model,
                  GError **error);
  /** Opens what fit() wrote. @model outlives the detector. */
  VelmDetector *(*open)(VelmModel *model, GError **error);
  /** Fills the detect part of @inspection, whose image (and reference, or NULL) is set. */
  gboolean (*detect)(VelmDetector *detector, VelmInspection *inspection, GError **error);
  /** Makes ready for detect() in @n threads at a time. NULL where it cannot be. */
  gboolean (*share)(VelmDetector *detector, guint n, GError **error);
  void (*free)(VelmDetector *detector);
  /** For a person: layers, bank, threshold. Appends lines "key: value\n". */
  void (*describe)(VelmModel *model, GString *text);
} VelmDetectorClass;

/* The head of every detector's own struct. */
struct _VelmDetector {
  const VelmDetectorClass *klass;
};

/** The detector named @name, or NULL. */
const VelmDetectorClass *velm_detector_find(const char *name);

/** Opens the detector that @model was fitted with. */
VelmDetector *velm_detector_open(VelmModel *model, GError **error);
/** Makes ready for velm_detector_detect() in @n threads at a time, for the most images a second
 * rather than the shortest time an image. Returns: in how many; 0 on error. */
guint velm_detector_share(VelmDetector *detector, guint n, GError **error);
gboolean velm_detector_detect(VelmDetector *detector, VelmInspection *inspection, GError **error);
void velm_detector_free(VelmDetector *detector);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDetector, velm_detector_free)
