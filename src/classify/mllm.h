/*
 * Classification by a multimodal language model behind an OpenAI-compatible server (section 3.2). A
 * row of classifier.c's table; the rest of this header is for ablations and tests.
 */
#pragma once

#include "classify/classifier.h"
#include "classify/prompt.h"
#include "core/http.h"

extern const VelmClassifierClass velm_classifier_mllm;

/**
 * VelmMllmParams: start from velm_mllm_params_default().
 * @parts: of the prompt
 * @http: limits of the transport; its bearer and error_code are set by the classifier
 */
typedef struct {
  VelmPromptParts parts;
  VelmHttpParams http;
} VelmMllmParams;

VelmMllmParams velm_mllm_params_default(void);

/**
 * As velm_classifier_mllm.open, with @mllm besides.
 * @model: may be NULL: the prompt then has no reference of the model's
 * Returns: (transfer full): free by its class; NULL with VELM_ERROR_USAGE or VELM_ERROR_MODEL
 */
VelmClassifier *velm_mllm_open(VelmModel *model, const VelmClasses *classes,
                               const VelmClassifierParams *params, const VelmMllmParams *mllm,
                               GError **error);
