/* Which images of a run were got wrong, the worst first: what a person should look at. */
#pragma once

#include "evaluate/run.h"

/**
 * VelmMistake: one image.
 * @image: index into the run's images
 * @answer: index into the classifier's classes; of false alarms and missed defects 0
 * @score: the detector's
 * @confidence: of the answer; NaN where there is none
 * @trials, @asked: in how many trials the image was got wrong, of those that it was asked in; 1 and
 * 1 for a detector, which is not taught anew
 */
typedef struct {
  guint image, answer;
  double score, confidence;
  guint trials, asked;
} VelmMistake;

/** Good images that the detector takes for anomalous, the highest score first. Images without a
 * score are no mistakes. Returns: (transfer full) (element-type VelmMistake). */
GArray *velm_mistakes_false_alarms(const VelmRun *run, const VelmDetectorRun *detector);

/** Defect images that the detector takes for normal, the lowest score first. Returns: (transfer
 * full) (element-type VelmMistake). */
GArray *velm_mistakes_missed(const VelmRun *run, const VelmDetectorRun *detector);

/**
 * Defect images that the classifier named wrong in some trial, each once, with the wrong answer of
 * the highest confidence; the highest confidence first, then those without one. "unknown" is a
 * wrong answer too, as in the figures. Returns: (transfer full) (element-type VelmMistake)
 */
GArray *velm_mistakes_wrong_names(const VelmRun *run, const VelmClassifierRun *classifier);

/**
 * The answer that @classifier gave most often to an image, right or wrong; of several the one of
 * the highest confidence.
 * @mistake: (out): with @trials: how often it was given; @confidence: the highest
 * Returns: FALSE where it gave none
 */
gboolean velm_mistakes_answer(const VelmRun *run, const VelmClassifierRun *classifier, guint image,
                              VelmMistake *mistake);
