/* Asking a language model about labelled images, to learn how far its probabilities hold. */
#pragma once

#include "classify/classifier.h"
#include "classify/llm_calibration.h"
#include "dataset/dataset.h"
#include "detect/detector.h"

/**
 * Asks about each of @samples as an inspection would: about what the detector marks, many at once,
 * but without the examples in context that show the same part. An image that the language model
 * gives no answer to is counted and left out.
 * @mllm: of velm_mllm_open(), opened on a model without a temperature
 * @samples: (element-type VelmSample)
 * Returns: (transfer full): NULL where an image cannot be inspected, or where no answer came at
 *   all: the error is then the last one
 */
VelmLlmCalibration *velm_ask_examples(VelmClassifier *mllm, VelmDetector *detector,
                                      const GPtrArray *samples, VelmProgress progress,
                                      gpointer progress_data, GError **error);
