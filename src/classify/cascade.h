/*
 * The few-shot classifier first, a language model for what it is not sure of: the model is asked
 * only where the few-shot answer's confidence is under the level of trust that was set when it was
 * taught (classify/trust.h), or where no class fits. Where the model gives no answer the few-shot
 * answer stands, and where its server is away (classify/llm_health.h) it is not even asked.
 *
 * Each record says which of the two answered, and why. A row of classifier.c's table; the rest of
 * this header is for evaluation and tests.
 */
#pragma once

#include "classify/classifier.h"
#include "classify/mllm.h"

extern const VelmClassifierClass velm_classifier_cascade;

/**
 * As velm_classifier_cascade.open, with @mllm for the language model.
 * Returns: (transfer full): NULL with VELM_ERROR_MODEL where @model was not taught, or as
 * velm_mllm_open()
 */
VelmClassifier *velm_cascade_open(VelmModel *model, const VelmClasses *classes,
                                  const VelmClassifierParams *params, const VelmMllmParams *mllm,
                                  GError **error);

/** The language model's session, for others to share. Borrowed. */
VelmLlmSession *velm_cascade_get_session(VelmClassifier *classifier);
