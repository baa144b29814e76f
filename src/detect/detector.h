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
/** The names of all, separated by commas. Returns: (transfer full). */
char *velm_detector_names(void);

/** Opens the detector that @model was fitted with. */
VelmDetector *velm_detector_open(VelmModel *model, GError **error);
gboolean velm_detector_detect(VelmDetector *detector, VelmInspection *inspection, GError **error);
void velm_detector_free(VelmDetector *detector);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VelmDetector, velm_detector_free)
